/*
 * What a chain says, in this order:
 *   forged source MAC, over the rate, ARP (own sender, to peers of wires), anything not IPv4, fragments and
 * IP options, forged source address, DHCP, then what each wire allows, then drop. Traps
 *   - "ip saddr" alone asks the packet's protocol after the kernel took a VLAN tag off. "ether type" asks the
 * frame as sent. So the check of the frame's type comes first, as its own rule.
 *   - Stateless: "answer" means from the input's ports and, for TCP, not a bare SYN.
 *   - Rules of all peers of a wire are one rule with a set, so that a tier of 100 costs as much as one.
 */
#include "vdc/agent/wire_rules.h"

#include "vdc/base/bug.h"

#include <string.h>

/* Never on the far side of a gateway: this network, inner addresses, loopback, multicast and above. */
#define NOT_OUTSIDE "{ 0.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 224.0.0.0/3 }"
#define NOT_OUTSIDE_RAW                                                                                      \
    "{ 0x00000000-0x00ffffff, 0x64400000-0x647fffff, 0x7f000000-0x7fffffff, 0xe0000000-0xffffffff }"
#define NOT_BARE_SYN "tcp flags & (syn|ack) != syn"

/* Rules that differ in the peer only. */
typedef struct {
    const WireRule *like;
    GPtrArray *rules; /* of const WireRule, borrowed */
} Group;

/* The body of one chain while it is written. */
typedef struct {
    GString *text;
    const WireNic *nic;
    guint count;
    char *digest; /* NULL while the digest is not known */
} Chain;

static void G_GNUC_PRINTF (2, 3) add (Chain *chain, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *rule = g_strdup_vprintf (format, args);
    va_end (args);
    g_string_append_printf (chain->text, "add rule bridge " WIRE_TABLE " %s %s", chain->nic->tap, rule);
    if (chain->count++ == 0 && chain->digest != NULL)
        g_string_append_printf (chain->text, " comment \"" WIRE_DIGEST_MARK "%s\"", chain->digest);
    g_string_append_c (chain->text, '\n');
}

static void
append_address (GString *text, guint32 a)
{
    g_string_append_printf (text, "%u.%u.%u.%u", a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255);
}

static void
append_mac (GString *text, const WireMac *mac)
{
    const guint8 *b = mac->bytes;
    g_string_append_printf (text, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

static int
compare_u64 (gconstpointer a, gconstpointer b)
{
    guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;
    return x < y ? -1 : x > y;
}

/* "{ a, b }" of sorted distinct values; nft refuses a set that names one twice. */
static char *
set_text (GArray *values, void (*append) (GString *, guint64))
{
    GString *text = g_string_new ("{ ");
    g_array_sort (values, compare_u64);
    for (guint i = 0; i < values->len; i++) {
        guint64 value = g_array_index (values, guint64, i);
        if (i > 0 && value == g_array_index (values, guint64, i - 1))
            continue;
        if (i > 0)
            g_string_append (text, ", ");
        append (text, value);
    }
    g_string_append (text, " }");
    return g_string_free (text, FALSE);
}

static void
append_address_value (GString *text, guint64 value)
{
    append_address (text, (guint32)value);
}

static void
append_raw_value (GString *text, guint64 value)
{
    g_string_append_printf (text, "0x%08x", (guint32)value);
}

static void
append_mac_value (GString *text, guint64 value)
{
    WireMac mac;
    for (guint i = 0; i < 6; i++)
        mac.bytes[i] = (guint8)(value >> (40 - 8 * i));
    append_mac (text, &mac);
}

static guint64
mac_value (const WireMac *mac)
{
    guint64 value = 0;
    for (guint i = 0; i < 6; i++)
        value = value << 8 | mac->bytes[i];
    return value;
}

static char *
own_addresses (const WireNic *nic)
{
    g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (guint64));
    guint64 value = nic->address;
    g_array_append_val (values, value);
    for (guint i = 0; i < nic->aliases->len; i++) {
        value = g_array_index (nic->aliases, guint32, i);
        g_array_append_val (values, value);
    }
    return set_text (values, append_address_value);
}

static char *
peer_set (const GPtrArray *rules, void (*append) (GString *, guint64))
{
    g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (guint64));
    for (guint i = 0; i < rules->len; i++) {
        guint64 value = ((const WireRule *)g_ptr_array_index (rules, i))->peer;
        g_array_append_val (values, value);
    }
    return set_text (values, append);
}

/* NULL when no peer's MAC is known. */
static char *
peer_macs (const GPtrArray *rules, gboolean with_broadcast)
{
    g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (guint64));
    for (guint i = 0; i < rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (rules, i);
        guint64 value = mac_value (&rule->peer_mac);
        if (rule->has_peer_mac)
            g_array_append_val (values, value);
    }
    if (values->len == 0)
        return NULL;
    guint64 broadcast = G_GUINT64_CONSTANT (0xffffffffffff);
    if (with_broadcast)
        g_array_append_val (values, broadcast);
    return set_text (values, append_mac_value);
}

/* ---- groups ---- */

static gboolean
same_but_peer (const WireRule *a, const WireRule *b)
{
    return strcmp (a->wire, b->wire) == 0 && a->role == b->role && a->local == b->local && a->any == b->any &&
           a->gateway == b->gateway && a->has_peer_mac == b->has_peer_mac && a->ports->len == b->ports->len &&
           memcmp (a->ports->data, b->ports->data, a->ports->len * sizeof (WirePorts)) == 0;
}

static void
group_free (gpointer data)
{
    Group *group = data;
    g_ptr_array_unref (group->rules);
    g_free (group);
}

static GPtrArray *
make_groups (const WireNic *nic)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func (group_free);
    for (guint i = 0; i < nic->rules->len; i++) {
        WireRule *rule = g_ptr_array_index (nic->rules, i);
        Group *group = NULL;
        for (guint j = 0; j < groups->len && group == NULL; j++) {
            Group *candidate = g_ptr_array_index (groups, j);
            if (same_but_peer (candidate->like, rule))
                group = candidate;
        }
        if (group == NULL) {
            group = g_new0 (Group, 1);
            group->like = rule;
            group->rules = g_ptr_array_new ();
            g_ptr_array_add (groups, group);
        }
        g_ptr_array_add (group->rules, rule);
    }
    return groups;
}

static int
compare_peers (gconstpointer a, gconstpointer b)
{
    guint32 x = (*(const WireRule *const *)a)->peer, y = (*(const WireRule *const *)b)->peer;
    return x < y ? -1 : x > y;
}

/* "ether daddr . ip daddr { … }" where MACs are known, else "ip daddr { … }". */
static char *
to_peers (const Group *group)
{
    if (!group->like->has_peer_mac) {
        g_autofree char *peers = peer_set (group->rules, append_address_value);
        return g_strdup_printf ("ip daddr %s", peers);
    }
    g_autoptr (GPtrArray) sorted = g_ptr_array_copy (group->rules, NULL, NULL);
    g_ptr_array_sort (sorted, compare_peers);
    GString *text = g_string_new ("ether daddr . ip daddr { ");
    for (guint i = 0; i < sorted->len; i++) {
        const WireRule *rule = g_ptr_array_index (sorted, i);
        if (i > 0 && rule->peer == ((const WireRule *)g_ptr_array_index (sorted, i - 1))->peer)
            continue;
        if (i > 0)
            g_string_append (text, ", ");
        append_mac (text, &rule->peer_mac);
        g_string_append (text, " . ");
        append_address (text, rule->peer);
    }
    g_string_append (text, " }");
    return g_string_free (text, FALSE);
}

static int
compare_ports (gconstpointer a, gconstpointer b)
{
    return (int)((const WirePorts *)a)->from - (int)((const WirePorts *)b)->from;
}

/* "{ 80, 8000-8010 }", overlapping ranges merged; NULL when @rule has no port of @proto. */
static char *
port_set (const WireRule *rule, WireProto proto)
{
    g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (WirePorts));
    for (guint i = 0; i < rule->ports->len; i++)
        if (g_array_index (rule->ports, WirePorts, i).proto == proto)
            g_array_append_val (list, g_array_index (rule->ports, WirePorts, i));
    if (list->len == 0)
        return NULL;
    g_array_sort (list, compare_ports);

    GString *text = g_string_new ("{ ");
    for (guint i = 0; i < list->len;) {
        WirePorts merged = g_array_index (list, WirePorts, i);
        for (i++; i < list->len && g_array_index (list, WirePorts, i).from <= (guint)merged.to + 1; i++)
            merged.to = MAX (merged.to, g_array_index (list, WirePorts, i).to);
        g_string_append_printf (text, text->len > 2 ? ", %u" : "%u", merged.from);
        if (merged.to > merged.from)
            g_string_append_printf (text, "-%u", merged.to);
    }
    g_string_append (text, " }");
    return g_string_free (text, FALSE);
}

/* ---- the wires ---- */

typedef struct {
    Chain *chain;
    const Group *group;
    const char *head;   /* what source and destination must be */
    const char *quoted; /* what a quoted header's source and destination must be */
    const char *accept; /* counter and verdict */
} Flow;

/*
 * An ICMP error may go the way of the wire when it quotes a packet that came the other way on it: from this
 * end's point of view a packet of the peer, to an input's port (server) or from one (client). Quoted headers
 * with options are dropped: then the ports would be elsewhere.
 */
static void
add_icmp_error (const Flow *flow, WireProto proto, const char *ports)
{
    guint offset = flow->group->like->role == WIRE_SERVER ? 240 : 224;
    g_autofree char *quoted_ports = ports ? g_strdup_printf (" @th,%u,16 %s", offset, ports) : g_strdup ("");
    add (flow->chain, "%s icmp type destination-unreachable @th,64,8 0x45 @th,136,8 %d%s%s %s", flow->head,
         (int)proto, flow->quoted, quoted_ports, flow->accept);
}

static void
add_proto (const Flow *flow, WireProto proto)
{
    const WireRule *rule = flow->group->like;
    const char *name = proto == WIRE_TCP ? "tcp" : "udp";
    gboolean answers = rule->role == WIRE_SERVER;
    g_autofree char *ports = rule->any ? NULL : port_set (rule, proto);
    if (!rule->any && ports == NULL)
        return;
    GString *match = g_string_new (flow->head);
    if (ports != NULL)
        g_string_append_printf (match, " %s %s %s", name, answers ? "sport" : "dport", ports);
    else
        g_string_append_printf (match, " meta l4proto %s", name);
    if (answers && proto == WIRE_TCP && !vdc_bug ("wires-bare-syn"))
        g_string_append (match, " " NOT_BARE_SYN);
    add (flow->chain, "%s %s", match->str, flow->accept);
    g_string_free (match, TRUE);
    add_icmp_error (flow, proto, ports);
}

static void
add_flow (const Flow *flow)
{
    const WireRule *rule = flow->group->like;
    add_proto (flow, WIRE_TCP);
    add_proto (flow, WIRE_UDP);
    if (!rule->any)
        return;
    gboolean answers = rule->role == WIRE_SERVER;
    add (flow->chain, "%s icmp type %s %s", flow->head, answers ? "echo-reply" : "echo-request",
         flow->accept);
    if (answers)
        /* The quoted packet's own time may have run out on the way behind a gateway; an error as any other.
         */
        add (flow->chain, "%s icmp type destination-unreachable @th,64,8 0x45 @th,136,8 1%s %s", flow->head,
             flow->quoted, flow->accept);
}

/* To or from the gateway itself on a wire that leads beyond it: names are asked for, and it may be pinged. */
static void
add_gateway_itself (Chain *chain, const Group *group, const char *head, const char *accept)
{
    if (group->like->role == WIRE_CLIENT) {
        add (chain, "%s tcp dport 53 %s", head, accept);
        add (chain, "%s udp dport 53 %s", head, accept);
        add (chain, "%s icmp type echo-request %s", head, accept);
    } else {
        add (chain, "%s tcp sport 53 " NOT_BARE_SYN " %s", head, accept);
        add (chain, "%s udp sport 53 %s", head, accept);
        add (chain, "%s icmp type echo-reply %s", head, accept);
    }
}

static char *
gateway_macs (const Group *group)
{
    g_autofree char *macs = peer_macs (group->rules, FALSE);
    return g_strdup_printf ("ether daddr %s", macs);
}

/* Traffic with the world behind a gateway. */
static void
add_beyond (Chain *chain, const Group *group, const char *accept)
{
    g_autoptr (GString) head = g_string_new (NULL);
    g_autofree char *quoted = NULL;
    if (group->like->role == WIRE_CLIENT) {
        g_autofree char *macs = gateway_macs (group);
        g_string_append_printf (head, "%s ip saddr ", macs);
        append_address (head, group->like->local);
        g_string_append (head, " ip daddr != " NOT_OUTSIDE);
        quoted = g_strdup_printf (" @th,160,32 != " NOT_OUTSIDE_RAW " @th,192,32 0x%08x", group->like->local);
    } else {
        g_autofree char *peers = to_peers (group);
        g_autofree char *raw = peer_set (group->rules, append_raw_value);
        g_string_append_printf (head, "%s ip saddr != " NOT_OUTSIDE, peers);
        quoted = g_strdup_printf (" @th,160,32 %s @th,192,32 != " NOT_OUTSIDE_RAW, raw);
    }
    Flow flow = {chain, group, head->str, quoted, accept};
    add_flow (&flow);
}

static void
add_group (Chain *chain, const Group *group)
{
    const WireRule *rule = group->like;
    g_autofree char *counter = wire_counter_name (chain->nic->tap, rule->wire);
    g_autofree char *accept = g_strdup_printf ("counter name \"%s\" accept", counter);
    g_autofree char *peers = to_peers (group);
    g_autofree char *raw = peer_set (group->rules, append_raw_value);
    g_autoptr (GString) head = g_string_new (peers);
    g_string_append (head, " ip saddr ");
    append_address (head, rule->local);
    g_autofree char *quoted = g_strdup_printf (" @th,160,32 %s @th,192,32 0x%08x", raw, rule->local);

    g_string_append_printf (chain->text, "# wire %s, %s%s\n", rule->wire,
                            rule->role == WIRE_CLIENT ? "client" : "server",
                            rule->gateway ? ", gateway" : "");
    Flow flow = {chain, group, head->str, quoted, accept};
    /* "any" beyond a gateway is not "any" at the gateway. */
    if (!(rule->gateway && rule->any))
        add_flow (&flow);
    if (rule->gateway) {
        add_gateway_itself (chain, group, head->str, accept);
        add_beyond (chain, group, accept);
    }
}

/* ---- the chain ---- */

static void
add_forged_and_rate (Chain *chain, const char *drop, guint64 network_bps)
{
    g_autoptr (GString) mac = g_string_new (NULL);
    append_mac (mac, &chain->nic->mac);
    g_string_append_printf (chain->text, "# sender and rate\n");
    if (vdc_bug ("wires-accept-all"))
        add (chain, "accept");
    if (!vdc_bug ("wires-any-source-mac"))
        add (chain, "ether saddr != %s %s", mac->str, drop);
    if (network_bps == 0)
        return;
    /* The kernel's bucket is one second of the rate and this. A burst of 50 ms lets TCP reach the rate; no
     * less than a few of the 64 KB frames that virtio hands over. */
    guint64 bytes = network_bps / 8, burst = MAX (bytes / 20, G_GUINT64_CONSTANT (262144));
    add (chain, "limit rate over %" G_GUINT64_FORMAT " bytes/second burst %" G_GUINT64_FORMAT " bytes %s",
         bytes, MIN (burst, G_GUINT64_CONSTANT (0xffffffff)), drop);
}

static char *
arp_head (const WireNic *nic)
{
    g_autoptr (GString) mac = g_string_new (NULL);
    g_autofree char *own = own_addresses (nic);
    append_mac (mac, &nic->mac);
    return g_strdup_printf ("ether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 "
                            "arp saddr ether %s arp saddr ip %s",
                            mac->str, own);
}

/* Peers' MACs are either all known (the controller knows its grid) or taken as unknown: then only the target
 * counts. */
static void
add_arp (Chain *chain)
{
    const GPtrArray *rules = chain->nic->rules;
    g_string_append (chain->text, "# ARP: own sender, about peers of wires\n");
    if (rules->len == 0)
        return;
    g_autofree char *head = arp_head (chain->nic);
    g_autofree char *peers = peer_set (rules, append_address_value);
    g_autofree char *macs = peer_macs (rules, FALSE), *macs_and_all = peer_macs (rules, TRUE);
    gboolean known = macs != NULL;
    for (guint i = 0; i < rules->len; i++)
        known = known && ((const WireRule *)g_ptr_array_index (rules, i))->has_peer_mac;

    if (!known) {
        add (chain, "%s arp operation { request, reply } arp daddr ip %s accept", head, peers);
        return;
    }
    add (chain, "%s arp operation request ether daddr %s arp daddr ip %s accept", head, macs_and_all, peers);
    /* A peer may ask from an address of its that is on another wire; the answer says nothing untrue. */
    add (chain, "%s arp operation reply ether daddr %s accept", head, macs);
}

static gboolean
answers_for_outside (const WireNic *nic)
{
    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        if (rule->gateway && rule->role == WIRE_SERVER)
            return TRUE;
    }
    return FALSE;
}

static void
add_inner (Chain *chain, const char *drop)
{
    const WireNic *nic = chain->nic;
    g_autofree char *own = own_addresses (nic);
    add_arp (chain);
    g_string_append (chain->text, "# frames and packets that are on no wire\n");
    if (!vdc_bug ("wires-any-frame-type"))
        add (chain, "ether type != ip %s", drop);
    add (chain, "ip frag-off & 0x3fff != 0 %s", drop);
    add (chain, "ip hdrlength != 5 %s", drop);
    if (!answers_for_outside (nic))
        add (chain, "ip saddr != %s %s", own, drop);
    add (chain, "udp sport { 67, 68 } udp dport { 67, 68 } %s", drop);

    g_autoptr (GPtrArray) groups = make_groups (nic);
    for (guint i = 0; i < groups->len; i++)
        add_group (chain, g_ptr_array_index (groups, i));
}

static void
add_outside (Chain *chain, const char *drop)
{
    g_autofree char *head = arp_head (chain->nic), *own = own_addresses (chain->nic);
    g_string_append (chain->text, "# outside: its own address, and no service that is not its\n");
    add (chain, "%s arp operation { request, reply } accept", head);
    add (chain, "ether type != ip %s", drop);
    add (chain, "ip saddr != %s %s", own, drop);
    add (chain, "udp sport 67 %s", drop);
    add (chain, "accept");
}

static void
write_chain (Chain *chain, guint64 network_bps)
{
    g_autofree char *counter = wire_drop_counter_name (chain->nic->tap);
    g_autofree char *drop = g_strdup_printf ("counter name \"%s\" drop", counter);
    add_forged_and_rate (chain, drop, network_bps);
    if (chain->nic->side == WIRE_SIDE_OUTSIDE)
        add_outside (chain, drop);
    else
        add_inner (chain, drop);
    g_string_append (chain->text, "# the rest\n");
    add (chain, "%s", drop);
}

char *
wire_rules_nic_digest (const WireNic *nic, guint64 network_bps)
{
    Chain chain = {.text = g_string_new (NULL), .nic = nic};
    write_chain (&chain, network_bps);
    g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, chain.text->str, -1);
    g_string_free (chain.text, TRUE);
    return g_strndup (digest, 32);
}

GHashTable *
wire_rules_nic_counters (const WireNic *nic)
{
    GHashTable *names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add (names, wire_drop_counter_name (nic->tap));
    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        g_hash_table_add (names, wire_counter_name (nic->tap, rule->wire));
    }
    return names;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (a, b);
}

static void
declare_counters (GString *text, const WireNic *nic)
{
    g_autoptr (GHashTable) names = wire_rules_nic_counters (nic);
    GList *sorted = g_list_sort (g_hash_table_get_keys (names), compare_names);
    for (GList *item = sorted; item != NULL; item = item->next)
        g_string_append_printf (text, "add counter bridge " WIRE_TABLE " %s\n", (char *)item->data);
    g_list_free (sorted);
}

/* What reaches the guest: a broadcast question is for the one it asks. Outside, gratuitous ARP moves
 * addresses. */
static void
write_arp_chain (GString *text, const WireNic *nic)
{
    g_autofree char *own = own_addresses (nic);
    g_string_append_printf (text, "# ARP towards it\nadd chain bridge " WIRE_TABLE " %s_arp\n", nic->tap);
    g_string_append_printf (text, "flush chain bridge " WIRE_TABLE " %s_arp\n", nic->tap);
    if (nic->side != WIRE_SIDE_OUTSIDE)
        g_string_append_printf (text, "add rule bridge " WIRE_TABLE " %s_arp arp daddr ip != %s drop\n",
                                nic->tap, own);
    g_string_append_printf (text, "add element bridge " WIRE_TABLE " arp_taps { %s : goto %s_arp }\n",
                            nic->tap, nic->tap);
}

void
wire_rules_nic (GString *text, const WireNic *nic, guint64 network_bps, gboolean host_cut)
{
    g_autofree char *digest = wire_rules_nic_digest (nic, network_bps);
    Chain chain = {.text = text, .nic = nic, .digest = digest};

    declare_counters (text, nic);
    g_string_append_printf (text, "add chain bridge " WIRE_TABLE " %s\n", nic->tap);
    g_string_append_printf (text, "flush chain bridge " WIRE_TABLE " %s\n", nic->tap);
    write_chain (&chain, network_bps);
    g_string_append_printf (text, "add element bridge " WIRE_TABLE " taps { %s : goto %s }\n", nic->tap,
                            nic->tap);
    write_arp_chain (text, nic);
    wire_rules_cut_port (text, nic->tap, host_cut);
}

void
wire_rules_base (GString *text)
{
    g_string_append (text, "add table bridge " WIRE_TABLE "\n"
                           "add map bridge " WIRE_TABLE " taps { type ifname : verdict; }\n"
                           "add map bridge " WIRE_TABLE " arp_taps { type ifname : verdict; }\n"
                           "add set bridge " WIRE_TABLE " cut_ports { type ifname; }\n"
                           "add chain bridge " WIRE_TABLE
                           " from_taps { type filter hook prerouting priority -300; policy accept; }\n"
                           "add chain bridge " WIRE_TABLE
                           " to_taps { type filter hook postrouting priority 300; policy accept; }\n"
                           "add chain bridge " WIRE_TABLE
                           " to_server { type filter hook input priority -300; policy accept; }\n"
                           "add chain bridge " WIRE_TABLE
                           " from_server { type filter hook output priority -300; policy accept; }\n"
                           "flush chain bridge " WIRE_TABLE " from_taps\n"
                           "flush chain bridge " WIRE_TABLE " to_taps\n"
                           "flush chain bridge " WIRE_TABLE " to_server\n"
                           "flush chain bridge " WIRE_TABLE " from_server\n"
                           "add rule bridge " WIRE_TABLE " from_taps iifname vmap @taps\n"
                           "add rule bridge " WIRE_TABLE " from_taps iifname \"" WIRE_TAP_PREFIX "*\" drop\n"
                           "add rule bridge " WIRE_TABLE " to_taps ether type arp oifname vmap @arp_taps\n"
                           "add rule bridge " WIRE_TABLE " to_server iifname @cut_ports drop\n"
                           "add rule bridge " WIRE_TABLE " from_server oifname @cut_ports drop\n"
                           /* A tap on no bridge would speak to the server itself; it is down, and this. */
                           "add table inet " WIRE_TABLE "\n"
                           "add chain inet " WIRE_TABLE
                           " from_taps { type filter hook prerouting priority -300; policy accept; }\n"
                           "flush chain inet " WIRE_TABLE " from_taps\n"
                           "add rule inet " WIRE_TABLE " from_taps iifname \"" WIRE_TAP_PREFIX "*\" drop\n");
}

void
wire_rules_cut_port (GString *text, const char *interface, gboolean cut)
{
    /* Adding first makes the deletion right whether it was there or not. */
    g_string_append_printf (text, "add element bridge " WIRE_TABLE " cut_ports { \"%s\" }\n", interface);
    if (!cut)
        g_string_append_printf (text, "delete element bridge " WIRE_TABLE " cut_ports { \"%s\" }\n",
                                interface);
}

void
wire_rules_remove_tap (GString *text, const char *tap)
{
    static const struct {
        const char *map, *suffix;
    } parts[] = {{"taps", ""}, {"arp_taps", "_arp"}};

    for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
        g_autofree char *chain = g_strconcat (tap, parts[i].suffix, NULL);
        g_string_append_printf (text,
                                "add chain bridge " WIRE_TABLE " %s\n"
                                "add element bridge " WIRE_TABLE " %s { %s : goto %s }\n"
                                "delete element bridge " WIRE_TABLE " %s { %s }\n"
                                "flush chain bridge " WIRE_TABLE " %s\n"
                                "delete chain bridge " WIRE_TABLE " %s\n",
                                chain, parts[i].map, tap, chain, parts[i].map, tap, chain, chain);
    }
    wire_rules_cut_port (text, tap, FALSE);
}

void
wire_rules_remove_counter (GString *text, const char *counter)
{
    g_string_append_printf (text, "delete counter bridge " WIRE_TABLE " %s\n", counter);
}

/* ---- for comparison ---- */

/* One command for the other table; NULL: it is not about rules of the bridge family. */
static char *
scratch_command (const char *line, const char *table)
{
    static const char of_ours[] = " bridge " WIRE_TABLE " ";
    const char *name = strstr (line, of_ours), *hook = strstr (line, " { type filter");
    if (name == NULL || (!g_str_has_prefix (line, "add chain") && !g_str_has_prefix (line, "add rule") &&
                         !g_str_has_prefix (line, "add counter") && !g_str_has_prefix (line, "add map") &&
                         !g_str_has_prefix (line, "add set")))
        return NULL;
    gsize length = hook != NULL ? (gsize)(hook - line) : strlen (line);
    gsize before = (gsize)(name - line), after = before + strlen (of_ours);
    return g_strdup_printf ("%.*s bridge %s %.*s", (int)before, line, table, (int)(length - after),
                            line + after);
}

void
wire_rules_scratch (GString *text, const char *table, const WireMember *member)
{
    g_autoptr (GString) all = g_string_new (NULL);
    wire_rules_base (all);
    for (guint i = 0; i < member->nics->len; i++)
        wire_rules_nic (all, g_ptr_array_index (member->nics, i), member->network_bps, TRUE);
    g_auto (GStrv) lines = g_strsplit (all->str, "\n", -1);
    g_string_append_printf (text, "add table bridge %s\n", table);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_autofree char *command = scratch_command (lines[i], table);
        if (command != NULL)
            g_string_append_printf (text, "%s\n", command);
    }
}
