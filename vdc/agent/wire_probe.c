#include "vdc/agent/wire_probe.h"

#include <string.h>

#include "vdc/base/json.h"

/* 100.64.N.255: inner addresses that end so are never handed out. N: which NIC. */
#define PROBE_ADDRESS(n) (0x644000ffu | (guint32)(n) << 8)

/* Ports the input serves, as its wires say; NULL: nothing that a probe could ask. */
static GArray *
tcp_ports (const WireNic *nic)
{
    GArray *ports = g_array_new (FALSE, FALSE, sizeof (WirePorts));
    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        for (guint k = 0; k < rule->ports->len && rule->role == WIRE_SERVER && !rule->any && ports->len == 0;
             k++)
            if (g_array_index (rule->ports, WirePorts, k).proto == WIRE_TCP)
                g_array_append_val (ports, g_array_index (rule->ports, WirePorts, k));
    }
    if (ports->len > 0)
        return ports;
    g_array_unref (ports);
    return NULL;
}

static void
probe_mac (const WireMember *member, const WireNic *nic, WireMac *mac)
{
    g_autofree char *text =
        g_strjoin ("/", "probe", member->application_id, member->member, nic->terminal, NULL);
    g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
    mac->bytes[0] = 2;
    for (guint i = 1; i < 6; i++)
        mac->bytes[i] =
            (guint8)(g_ascii_xdigit_value (hash[2 * i]) << 4 | g_ascii_xdigit_value (hash[2 * i + 1]));
}

static WireRule *
rule_new (const WireNic *nic, WireRole role, guint32 local, guint32 peer, const WireMac *peer_mac,
          GArray *ports)
{
    WireRule *rule = g_new0 (WireRule, 1);
    rule->wire = g_strconcat (WIRE_PROBE_WIRE, nic->terminal, NULL);
    rule->role = role;
    rule->local = local;
    rule->peer = peer;
    rule->has_peer_mac = TRUE;
    rule->peer_mac = *peer_mac;
    rule->ports = g_array_ref (ports);
    return rule;
}

static void
add_probe (WireMember *member, WireNic *nic, guint index, GArray *ports)
{
    WireNic *probe = g_new0 (WireNic, 1);
    probe->terminal = g_strconcat (nic->terminal, WIRE_PROBE_SUFFIX, NULL);
    probe->side = WIRE_SIDE_OUTPUT;
    probe->probe = TRUE;
    probe_mac (member, nic, &probe->mac);
    probe->address = PROBE_ADDRESS (index);
    probe->aliases = g_array_new (FALSE, FALSE, sizeof (guint32));
    probe->segment = g_strdup (nic->segment);
    probe->rules = g_ptr_array_new_with_free_func (wire_rule_free);
    g_strlcpy (probe->bridge, nic->bridge, sizeof probe->bridge);
    wire_tap_name (member->application_id, member->member, probe->terminal, probe->tap);
    g_ptr_array_add (probe->rules,
                     rule_new (nic, WIRE_CLIENT, probe->address, nic->address, &nic->mac, ports));
    g_ptr_array_add (nic->rules,
                     rule_new (nic, WIRE_SERVER, nic->address, probe->address, &probe->mac, ports));
    g_ptr_array_add (member->nics, probe);
}

void
wire_member_add_probes (WireMember *member)
{
    guint count = member->nics->len;
    for (guint i = 0; i < count; i++) {
        WireNic *nic = g_ptr_array_index (member->nics, i);
        g_autoptr (GArray) ports = nic->side == WIRE_SIDE_INPUT ? tcp_ports (nic) : NULL;
        if (ports != NULL)
            add_probe (member, nic, i, ports);
    }
}

gboolean
wire_probe_address_text (const json_t *spec, const char *terminal, char text[WIRE_PROBE_TEXT])
{
    g_autoptr (WireMember) member = wire_member_parse (spec, NULL);
    g_autofree char *name = g_strconcat (terminal, WIRE_PROBE_SUFFIX, NULL);

    for (guint i = 0; member != NULL && i < member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (member->nics, i);
        guint32 a = nic->address;
        if (!nic->probe || strcmp (nic->terminal, name) != 0)
            continue;
        g_snprintf (text, WIRE_PROBE_TEXT, "%u.%u.%u.%u", a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255);
        return TRUE;
    }
    return FALSE;
}
