#include "vdc/agent/wire_plan.h"

#include "vdc/agent/wire_probe.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"

#include <arpa/inet.h>
#include <string.h>

/* With the id, the terminal and the application's name it must fit an interface alias (255 bytes). */
#define MEMBER_MAX 150
#define WIRE_TEXT_MAX 400

/* ---- names ---- */

/* @count characters of base32 (5 bits each) of the SHA-256 of the strings, each closed by its 0. */
static void
hash_text (char *out, guint count, const char *const *strings)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
    for (; *strings != NULL; strings++)
        g_checksum_update (sum, (const guchar *)*strings, (gssize)strlen (*strings) + 1);

    guint8 digest[32];
    gsize length = sizeof digest;
    g_checksum_get_digest (sum, digest, &length);
    for (guint i = 0; i < count; i++) {
        guint bit = 5 * i;
        guint pair = (guint)digest[bit / 8] << 8 | digest[bit / 8 + 1];
        out[i] = alphabet[(pair >> (11 - bit % 8)) & 31];
    }
    out[count] = '\0';
}

void
wire_tap_prefix (const char *application_id, const char *member, char prefix[WIRE_NAME_SIZE])
{
    const char *strings[] = {"member", application_id, member, NULL};
    strcpy (prefix, WIRE_TAP_PREFIX);
    hash_text (prefix + 2, 9, strings);
}

void
wire_tap_name (const char *application_id, const char *member, const char *terminal,
               char name[WIRE_NAME_SIZE])
{
    const char *strings[] = {"terminal", application_id, member, terminal, NULL};
    wire_tap_prefix (application_id, member, name);
    hash_text (name + 11, 4, strings);
}

void
wire_bridge_name (const char *application_id, const char *segment, char name[WIRE_NAME_SIZE])
{
    const char *strings[] = {"segment", application_id, segment, NULL};
    strcpy (name, WIRE_BRIDGE_PREFIX);
    hash_text (name + 2, 13, strings);
}

gboolean
wire_name_is_ours (const char *name)
{
    if (strcmp (name, WIRE_OUTSIDE_BRIDGE) == 0)
        return TRUE;
    if (!g_str_has_prefix (name, WIRE_TAP_PREFIX) && !g_str_has_prefix (name, WIRE_BRIDGE_PREFIX))
        return FALSE;
    return strlen (name) == 15 && strspn (name + 2, "abcdefghijklmnopqrstuvwxyz234567") == 13;
}

char *
wire_counter_name (const char *tap, const char *wire)
{
    const char *strings[] = {"wire", wire, NULL};
    char hash[14];
    hash_text (hash, 13, strings);
    return g_strdup_printf ("%s_w%s", tap, hash);
}

char *
wire_drop_counter_name (const char *tap)
{
    return g_strconcat (tap, "_drop", NULL);
}

guint
wire_inner_mtu (guint backbone_mtu)
{
    return backbone_mtu < 576 + WIRE_OVERHEAD_BYTES ? 0 : backbone_mtu - WIRE_OVERHEAD_BYTES;
}

/* ---- values ---- */

gboolean
wire_mac_parse (const char *text, WireMac *mac)
{
    WireMac value;
    if (text == NULL || strlen (text) != 17)
        return FALSE;
    for (guint i = 0; i < 6; i++) {
        int high = g_ascii_xdigit_value (text[3 * i]), low = g_ascii_xdigit_value (text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return FALSE;
        value.bytes[i] = (guint8)(high << 4 | low);
    }
    if (value.bytes[0] & 1)
        return FALSE;
    *mac = value;
    return TRUE;
}

gboolean
wire_address_parse (const char *text, guint32 *address)
{
    struct in_addr value;
    if (text == NULL || inet_pton (AF_INET, text, &value) != 1)
        return FALSE;
    guint32 host = ntohl (value.s_addr);
    /* Never anybody's address: "this network", loopback, multicast and above. */
    if (host >> 24 == 0 || host >> 24 == 127 || host >> 29 == 7)
        return FALSE;
    *address = host;
    return TRUE;
}

static gboolean
is_made_of (const char *text, gsize max, const char *accept)
{
    gsize length = strnlen (text, max + 1);
    return length > 0 && length <= max && strspn (text, accept) == length;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static gboolean
is_application_id (const char *text)
{
    return is_made_of (text, 32, DIGIT "abcdef");
}

static gboolean
is_member (const char *text)
{
    return is_made_of (text, MEMBER_MAX, LOWER DIGIT "-.");
}

static gboolean
is_segment (const char *text)
{
    return is_made_of (text, MEMBER_MAX + ID_TERMINAL_MAX + 1, LOWER DIGIT "-._");
}

/* Goes into comments of the nft text, so nothing that could end a line. */
static gboolean
is_wire (const char *text)
{
    return is_made_of (text, WIRE_TEXT_MAX, LOWER UPPER DIGIT "-._>:");
}

/* ---- parser ---- */

static gboolean G_GNUC_PRINTF (4, 5)
    invalid (GError **error, const char *where, const char *key, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *text = g_strdup_vprintf (format, args);
    va_end (args);
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "%s%s%s %s", where ? where : "", where ? "." : "", key,
                 text);
    return FALSE;
}

static gboolean
need_checked (const json_t *object, const char *where, const char *key, gboolean (*check) (const char *),
              char **value, GError **error)
{
    const char *text = NULL;
    if (!json_need_string (object, where, key, &text, error))
        return FALSE;
    if (!check (text))
        return invalid (error, where, key, "is not a valid name");
    *value = g_strdup (text);
    return TRUE;
}

static gboolean
need_mac (const json_t *object, const char *where, const char *key, WireMac *mac, GError **error)
{
    const char *text = NULL;
    if (!json_need_string (object, where, key, &text, error))
        return FALSE;
    if (!wire_mac_parse (text, mac))
        return invalid (error, where, key, "is not a unicast MAC address");
    return TRUE;
}

static gboolean
need_address (const json_t *object, const char *where, const char *key, guint32 *address, GError **error)
{
    const char *text = NULL;
    if (!json_need_string (object, where, key, &text, error))
        return FALSE;
    if (!wire_address_parse (text, address))
        return invalid (error, where, key, "is not an IPv4 address of a host");
    return TRUE;
}

/* An optional array within @max elements; NULL in *@value when missing or null. */
static gboolean
get_array (const json_t *object, const char *where, const char *key, guint max, json_t **value,
           GError **error)
{
    json_t *member = json_object_get (object, key);
    *value = NULL;
    if (member == NULL || json_is_null (member))
        return TRUE;
    if (!json_is_array (member))
        return invalid (error, where, key, "must be an array");
    if (json_array_size (member) > max) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "%s.%s has %zu entries, at most %u are allowed",
                     where, key, json_array_size (member), max);
        return FALSE;
    }
    *value = member;
    return TRUE;
}

static gboolean
parse_ports (const json_t *item, const char *where, GArray *ports, GError **error)
{
    const char *proto = NULL;
    gint64 from = 0, to = 0;
    if (!json_need_string (item, where, "proto", &proto, error) ||
        !json_need_int (item, where, "from", &from, error) || !json_need_int (item, where, "to", &to, error))
        return FALSE;
    gboolean tcp = strcmp (proto, "tcp") == 0;
    if (!tcp && strcmp (proto, "udp") != 0)
        return invalid (error, where, "proto", "must be tcp or udp");
    if (from < 1 || to > 65535 || from > to)
        return invalid (error, where, "from", "and to must be a range within 1 to 65535");
    WirePorts entry = {tcp ? WIRE_TCP : WIRE_UDP, (guint16)from, (guint16)to};
    g_array_append_val (ports, entry);
    return TRUE;
}

void
wire_rule_free (gpointer data)
{
    WireRule *rule = data;
    g_free (rule->wire);
    g_array_unref (rule->ports);
    g_free (rule);
}

static gboolean
parse_role (const json_t *item, const char *where, WireRule *rule, GError **error)
{
    const char *role = NULL;
    if (!json_need_string (item, where, "role", &role, error))
        return FALSE;
    rule->role = strcmp (role, "client") == 0 ? WIRE_CLIENT : WIRE_SERVER;
    if (rule->role == WIRE_SERVER && strcmp (role, "server") != 0)
        return invalid (error, where, "role", "must be client or server");
    return TRUE;
}

static gboolean
parse_rule_ports (const json_t *item, const char *where, WireRule *rule, GError **error)
{
    json_t *ports = NULL, *entry;
    size_t i;
    if (!get_array (item, where, "ports", WIRE_PORTS_MAX, &ports, error))
        return FALSE;
    json_array_foreach (ports, i, entry) {
        g_autofree char *place = g_strdup_printf ("%s.ports[%zu]", where, i);
        if (!parse_ports (entry, place, rule->ports, error))
            return FALSE;
    }
    rule->any = json_bool (item, "any", FALSE);
    rule->gateway = json_bool (item, "gateway", FALSE);
    if (!rule->any && rule->ports->len == 0)
        return invalid (error, where, "ports", "must name a port, or any be true");
    return TRUE;
}

static gboolean
parse_rule (const json_t *item, const char *where, GPtrArray *rules, GError **error)
{
    WireRule *rule = g_new0 (WireRule, 1);
    rule->ports = g_array_new (FALSE, FALSE, sizeof (WirePorts));
    g_ptr_array_add (rules, rule);

    if (!need_checked (item, where, "wire", is_wire, &rule->wire, error) ||
        !parse_role (item, where, rule, error) ||
        !need_address (item, where, "local_address", &rule->local, error) ||
        !need_address (item, where, "peer_address", &rule->peer, error) ||
        !parse_rule_ports (item, where, rule, error))
        return FALSE;
    json_t *mac = json_object_get (item, "peer_mac");
    rule->has_peer_mac = mac != NULL && !json_is_null (mac);
    if (rule->has_peer_mac && !need_mac (item, where, "peer_mac", &rule->peer_mac, error))
        return FALSE;
    if (rule->gateway && rule->role == WIRE_CLIENT && !rule->has_peer_mac)
        return invalid (error, where, "peer_mac", "is needed on a wire to a gateway");
    return TRUE;
}

static void
nic_free (gpointer data)
{
    WireNic *nic = data;
    g_free (nic->terminal);
    g_free (nic->segment);
    g_array_unref (nic->aliases);
    g_ptr_array_unref (nic->rules);
    g_free (nic);
}

static gboolean
is_own_address (const WireNic *nic, guint32 address)
{
    gboolean own = address == nic->address;
    for (guint i = 0; i < nic->aliases->len && !own; i++)
        own = g_array_index (nic->aliases, guint32, i) == address;
    return own;
}

static gboolean
parse_side (const json_t *item, const char *where, WireNic *nic, GError **error)
{
    static const char *const sides[] = {
        [WIRE_SIDE_INPUT] = "input", [WIRE_SIDE_OUTPUT] = "output", [WIRE_SIDE_OUTSIDE] = "outside"};
    const char *side = NULL;
    if (!json_need_string (item, where, "side", &side, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
        if (strcmp (side, sides[i]) == 0) {
            nic->side = (WireSide)i;
            return TRUE;
        }
    return invalid (error, where, "side", "must be input, output or outside");
}

static gboolean
parse_aliases (const json_t *item, const char *where, WireNic *nic, GError **error)
{
    json_t *aliases = NULL, *entry;
    size_t i;
    if (!get_array (item, where, "aliases", WIRE_ALIASES_MAX, &aliases, error))
        return FALSE;
    json_array_foreach (aliases, i, entry) {
        guint32 address;
        if (!wire_address_parse (json_string_value (entry), &address))
            return invalid (error, where, "aliases", "[%zu] is not an IPv4 address of a host", i);
        g_array_append_val (nic->aliases, address);
    }
    return TRUE;
}

static gboolean
parse_rules (const json_t *item, const char *where, WireNic *nic, GError **error)
{
    json_t *rules = NULL, *entry;
    size_t i;
    if (!get_array (item, where, "rules", WIRE_RULES_MAX, &rules, error))
        return FALSE;
    json_array_foreach (rules, i, entry) {
        g_autofree char *place = g_strdup_printf ("%s.rules[%zu]", where, i);
        if (!parse_rule (entry, place, nic->rules, error))
            return FALSE;
        WireRule *rule = g_ptr_array_index (nic->rules, i);
        if (!is_own_address (nic, rule->local))
            return invalid (error, place, "local_address", "is not an address of this NIC");
    }
    if (nic->rules->len > 0 && nic->segment == NULL)
        return invalid (error, where, "rules", "must be empty on a NIC without a segment");
    return TRUE;
}

static gboolean
parse_segment (const json_t *item, const char *where, WireNic *nic, const char *application_id,
               GError **error)
{
    json_t *segment = json_object_get (item, "segment");
    if (segment == NULL || json_is_null (segment))
        return TRUE;
    if (nic->side == WIRE_SIDE_OUTSIDE)
        return invalid (error, where, "segment", "must be null on an outside NIC");
    if (!need_checked (item, where, "segment", is_segment, &nic->segment, error))
        return FALSE;
    wire_bridge_name (application_id, nic->segment, nic->bridge);
    return TRUE;
}

static gboolean
parse_nic (const json_t *item, const char *where, WireMember *member, GError **error)
{
    WireNic *nic = g_new0 (WireNic, 1);
    nic->aliases = g_array_new (FALSE, FALSE, sizeof (guint32));
    nic->rules = g_ptr_array_new_with_free_func (wire_rule_free);
    g_ptr_array_add (member->nics, nic);

    if (!need_checked (item, where, "terminal", id_is_terminal, &nic->terminal, error) ||
        !parse_side (item, where, nic, error) || !need_mac (item, where, "mac", &nic->mac, error) ||
        !need_address (item, where, "address", &nic->address, error) ||
        !parse_aliases (item, where, nic, error) ||
        !parse_segment (item, where, nic, member->application_id, error) ||
        !parse_rules (item, where, nic, error))
        return FALSE;
    wire_tap_name (member->application_id, member->member, nic->terminal, nic->tap);
    return TRUE;
}

/* Two NICs of one member with the same MAC or tap would share a chain: the second one's rules would be the
 * first's. */
static gboolean
check_distinct (const WireMember *member, GError **error)
{
    for (guint i = 0; i < member->nics->len; i++)
        for (guint j = 0; j < i; j++) {
            const WireNic *a = g_ptr_array_index (member->nics, i), *b = g_ptr_array_index (member->nics, j);
            g_autofree char *where = g_strdup_printf ("nics[%u]", i);
            if (strcmp (a->tap, b->tap) == 0)
                return invalid (error, where, "terminal", "'%s' occurs twice", a->terminal);
            if (memcmp (&a->mac, &b->mac, sizeof a->mac) == 0)
                return invalid (error, where, "mac", "is that of '%s', too", b->terminal);
        }
    return TRUE;
}

static gboolean
parse_nics (const json_t *spec, WireMember *member, GError **error)
{
    json_t *nics = NULL, *item;
    size_t i;
    if (!json_need_array (spec, NULL, "nics", &nics, error))
        return FALSE;
    if (json_array_size (nics) > WIRE_NICS_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "nics has %zu entries, at most %u are allowed",
                     json_array_size (nics), WIRE_NICS_MAX);
        return FALSE;
    }
    json_array_foreach (nics, i, item) {
        g_autofree char *where = g_strdup_printf ("nics[%zu]", i);
        if (!parse_nic (item, where, member, error))
            return FALSE;
    }
    return check_distinct (member, error);
}

WireMember *
wire_member_parse (const json_t *spec, GError **error)
{
    g_autoptr (WireMember) member = g_new0 (WireMember, 1);
    member->nics = g_ptr_array_new_with_free_func (nic_free);

    if (!need_checked (spec, NULL, "application", id_is_name, &member->application, error) ||
        !need_checked (spec, NULL, "application_id", is_application_id, &member->application_id, error) ||
        !need_checked (spec, NULL, "member", is_member, &member->member, error))
        return NULL;
    gint64 bps = json_int (json_object_get (spec, "resources"), "network_bps", 0);
    if (bps != 0 && (bps < 64000 || bps > G_GINT64_CONSTANT (400000000000))) {
        invalid (error, "resources", "network_bps", "must be 0 or within 64000 to 400000000000");
        return NULL;
    }
    member->network_bps = (guint64)bps;
    if (!parse_nics (spec, member, error))
        return NULL;
    if (json_bool (spec, "unmanaged", FALSE))
        wire_member_add_probes (member);
    return g_steal_pointer (&member);
}

void
wire_member_free (WireMember *member)
{
    if (member == NULL)
        return;
    g_free (member->application);
    g_free (member->application_id);
    g_free (member->member);
    g_ptr_array_unref (member->nics);
    g_free (member);
}
