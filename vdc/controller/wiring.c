#include "vdc/controller/wiring.h"

#include "vdc/base/error.h"

#include <string.h>

struct Wiring {
    const Topology *topology;
    const Addresses *addresses;
    char *grid_id;
    char *application_id;
    GHashTable *members; /* name → WiringMember * */
    GHashTable *outside; /* member → OutsideAddress *, copies */
};

OutsideAddress *
outside_address_new (const char *address, guint prefix, const char *gateway, const char *network)
{
    OutsideAddress *outside = g_new0 (OutsideAddress, 1);

    outside->address = g_strdup (address);
    outside->prefix = prefix;
    outside->gateway = g_strdup (gateway);
    outside->network = g_strdup (network);
    return outside;
}

void
outside_address_free (OutsideAddress *address)
{
    if (address == NULL)
        return;
    g_free (address->address);
    g_free (address->gateway);
    g_free (address->network);
    g_free (address);
}

static void
rule_free (gpointer data)
{
    WireRule *rule = data;

    g_free (rule->peer_mac);
    g_free (rule);
}

static void
nic_free (gpointer data)
{
    WiringNic *nic = data;

    g_free (nic->mac);
    g_free (nic->segment);
    g_ptr_array_unref (nic->aliases);
    g_ptr_array_unref (nic->rules);
    g_free (nic);
}

static void
member_free (gpointer data)
{
    WiringMember *member = data;

    g_ptr_array_unref (member->nics);
    g_free (member);
}

void
wiring_free (Wiring *wiring)
{
    if (wiring == NULL)
        return;
    g_free (wiring->grid_id);
    g_free (wiring->application_id);
    g_hash_table_unref (wiring->members);
    g_hash_table_unref (wiring->outside);
    g_free (wiring);
}

/* -- NICs -- */

static char *
mac_of (const Wiring *wiring, const Member *member, const char *terminal)
{
    return address_mac (wiring->grid_id, wiring->application_id, member->name, terminal);
}

static WiringNic *
add_nic (const Wiring *wiring, WiringMember *to, const char *name)
{
    WiringNic *nic = g_new0 (WiringNic, 1);

    nic->mac = mac_of (wiring, to->member, name);
    nic->aliases = g_ptr_array_new ();
    nic->rules = g_ptr_array_new_with_free_func (rule_free);
    g_ptr_array_add (to->nics, nic);
    return nic;
}

static gboolean
add_terminal (Wiring *wiring, WiringMember *to, const Terminal *terminal, GError **error)
{
    WiringNic *nic = add_nic (wiring, to, terminal->name);

    nic->terminal = terminal;
    nic->protocol = terminal->protocol;
    nic->address = addresses_get (wiring->addresses, to->member->name, terminal->name);
    if (nic->address != NULL)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "terminal '%s' of '%s' has no address", terminal->name,
                 to->member->name);
    return FALSE;
}

static gboolean
add_member (Wiring *wiring, const Member *member, GError **error)
{
    WiringMember *to = g_new0 (WiringMember, 1);

    to->member = member;
    to->nics = g_ptr_array_new_with_free_func (nic_free);
    g_hash_table_insert (wiring->members, member->name, to);
    for (guint i = 0; i < member->class->boundary.terminals->len; i++)
        if (!add_terminal (wiring, to, g_ptr_array_index (member->class->boundary.terminals, i), error))
            return FALSE;
    if (member->class->outside) {
        WiringNic *nic = add_nic (wiring, to, "outside");
        nic->outside = g_hash_table_lookup (wiring->outside, member->name);
        nic->address = nic->outside != NULL ? nic->outside->address : NULL;
    }
    return TRUE;
}

static WiringNic *
nic_of (const Wiring *wiring, const Member *member, const Terminal *terminal)
{
    const WiringMember *found = g_hash_table_lookup (wiring->members, member->name);

    for (guint i = 0; i < found->nics->len; i++) {
        WiringNic *nic = g_ptr_array_index (found->nics, i);
        if (nic->terminal == terminal)
            return nic;
    }
    g_assert_not_reached ();
}

/* -- wires -- */

/* A wire from a member to itself needs no rule: it never leaves the guest. The NICs are on the segment all
 * the same. */
static void
add_rule (const Wiring *wiring, WiringNic *nic, const MemberWire *wire, gboolean server, const Member *peer,
          const char *local_address, const char *peer_address)
{
    WireRule *rule = g_new0 (WireRule, 1);

    rule->wire = wire;
    rule->server = server;
    rule->peer = peer;
    rule->local_address = local_address;
    rule->peer_address = peer_address;
    rule->peer_mac = mac_of (wiring, peer, server ? wire->from_terminal->name : wire->to_terminal->name);
    g_ptr_array_add (nic->rules, rule);
}

static void
add_alias (WiringNic *nic, const char *alias)
{
    if (!g_ptr_array_find_with_equal_func (nic->aliases, alias, g_str_equal, NULL))
        g_ptr_array_add (nic->aliases, (gpointer)alias);
}

static void
connect_pair (const Wiring *wiring, const MemberWire *wire, WiringNic *client, const Member *server)
{
    WiringNic *input = nic_of (wiring, server, wire->to_terminal);
    const char *alias = addresses_get_alias (wiring->addresses, server->name, wire->to_terminal->name,
                                             wire->from->group, wire->from_terminal->name);
    const char *address = alias != NULL ? alias : input->address;

    if (alias != NULL)
        add_alias (input, alias);
    if (input->segment == NULL)
        input->segment = g_strdup (client->segment);
    add_rule (wiring, client, wire, FALSE, server, client->address, address);
    add_rule (wiring, input, wire, TRUE, wire->from, address, client->address);
}

static void
connect_wire (const Wiring *wiring, const MemberWire *wire)
{
    WiringNic *client = nic_of (wiring, wire->from, wire->from_terminal);

    client->segment = g_strdup_printf ("%s.%s", wire->to_group, wire->to_terminal->name);
    client->protocol = wire->protocol;
    for (guint i = 0; i < wire->to->len; i++)
        connect_pair (wiring, wire, client, g_ptr_array_index (wire->to, i));
}

static void
copy_outside (Wiring *wiring, GHashTable *outside)
{
    GHashTableIter iter;
    gpointer name, value;

    if (outside == NULL)
        return;
    g_hash_table_iter_init (&iter, outside);
    while (g_hash_table_iter_next (&iter, &name, &value)) {
        const OutsideAddress *address = value;
        g_hash_table_insert (
            wiring->outside, g_strdup (name),
            outside_address_new (address->address, address->prefix, address->gateway, address->network));
    }
}

Wiring *
wiring_new (const Topology *topology, const Addresses *addresses, const char *grid_id,
            const char *application_id, GHashTable *outside, GError **error)
{
    g_autoptr (Wiring) wiring = g_new0 (Wiring, 1);

    wiring->topology = topology;
    wiring->addresses = addresses;
    wiring->grid_id = g_strdup (grid_id);
    wiring->application_id = g_strdup (application_id);
    wiring->members = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, member_free);
    wiring->outside =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)outside_address_free);
    copy_outside (wiring, outside);
    for (guint i = 0; i < topology->members->len; i++)
        if (!add_member (wiring, g_ptr_array_index (topology->members, i), error))
            return NULL;
    for (guint i = 0; i < topology->wires->len; i++)
        connect_wire (wiring, g_ptr_array_index (topology->wires, i));
    return g_steal_pointer (&wiring);
}

const WiringMember *
wiring_member (const Wiring *wiring, const char *member)
{
    return g_hash_table_lookup (wiring->members, member);
}
