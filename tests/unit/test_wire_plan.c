/*
 * The wires' pure part: what a SPEC may say, names, and the rules as text. Golden files:
 * tests/golden/wires/NAME.json is the document, NAME.nft what it becomes; VDC_GOLDEN_WRITE=1 writes the
 * latter anew.
 */
#include "vdc/agent/wire_plan.h"
#include "vdc/agent/wire_rules.h"
#include "vdc/base/error.h"

#include <string.h>

static const char nic_text[] =
    "{'terminal':'in','side':'input','mac':'02:00:00:00:00:01','address':'100.64.0.5','aliases':[],"
    "'segment':'web.in','rules':[{'wire':'lb.out->web.in','role':'server','local_address':'100.64.0.5',"
    "'peer_address':'100.64.0.4','peer_mac':'02:00:00:00:00:02',"
    "'ports':[{'proto':'tcp','from':80,'to':80}],'any':false,'gateway':false}]}";

/* The SPEC of one NIC with @what replaced by @by; JSON with ' for ". */
static json_t *
spec_with (const char *what, const char *by)
{
    g_autofree char *whole =
        g_strdup_printf ("{'application':'lamp','application_id':'a1b2c3d4','member':'web.1',"
                         "'resources':{'network_bps':100000000},'nics':[%s]}",
                         nic_text);
    g_autoptr (GString) text = g_string_new (whole);
    if (what != NULL)
        g_assert_cmpuint (g_string_replace (text, what, by, 1), ==, 1);
    g_string_replace (text, "'", "\"", 0);
    g_autoptr (GError) error = NULL;
    json_t *spec = json_parse (text->str, text->len, &error);
    g_assert_no_error (error);
    return spec;
}

static void
test_good (void)
{
    g_autoptr (json_t) spec = spec_with (NULL, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (WireMember) member = wire_member_parse (spec, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (member->nics->len, ==, 1);
    const WireNic *nic = g_ptr_array_index (member->nics, 0);
    const WireRule *rule = g_ptr_array_index (nic->rules, 0);
    g_assert_cmpuint (nic->address, ==, 0x64400005);
    g_assert_cmpuint (rule->peer, ==, 0x64400004);
    g_assert_true (rule->has_peer_mac);
    g_assert_cmpuint (member->network_bps, ==, 100000000);
}

static const struct {
    const char *what, *by, *message;
} wrong[] = {
    {"'lamp'", "'La mp'", "application is not a valid name"},
    {"'lamp'", "'lamp\\ndrop'", "application is not a valid name"},
    {"'a1b2c3d4'", "'xyz'", "application_id is not a valid name"},
    {"'web.1'", "'web/1'", "member is not a valid name"},
    {"'web.1'", "'web; drop'", "member is not a valid name"},
    {"'web.1'", "''", "member is not a valid name"},
    {"100000000", "1", "resources.network_bps must be 0 or within 64000 to 400000000000"},
    {"100000000", "-5", "resources.network_bps must be 0 or within 64000 to 400000000000"},
    {"'terminal':'in'", "'terminal':'In'", "nics[0].terminal is not a valid name"},
    {"'terminal':'in',", "", "nics[0].terminal must be a string"},
    {"'side':'input'", "'side':'both'", "nics[0].side must be input, output or outside"},
    {"02:00:00:00:00:01", "02:00:00:00:00:1", "nics[0].mac is not a unicast MAC address"},
    {"02:00:00:00:00:01", "03:00:00:00:00:01", "nics[0].mac is not a unicast MAC address"},
    {"02:00:00:00:00:01", "02:00:00:00:00:01 drop", "nics[0].mac is not a unicast MAC address"},
    {"02:00:00:00:00:01", "02-00-00-00-00-01", "nics[0].mac is not a unicast MAC address"},
    {"'address':'100.64.0.5'", "'address':'100.64.0.256'",
     "nics[0].address is not an IPv4 address of a host"},
    {"'address':'100.64.0.5'", "'address':'100.64.0.5/8'",
     "nics[0].address is not an IPv4 address of a host"},
    {"'address':'100.64.0.5'", "'address':'0.0.0.0'", "nics[0].address is not an IPv4 address of a host"},
    {"'address':'100.64.0.5'", "'address':'224.0.0.1'", "nics[0].address is not an IPv4 address of a host"},
    {"'address':'100.64.0.5'", "'address':'127.0.0.1'", "nics[0].address is not an IPv4 address of a host"},
    {"'address':'100.64.0.5'", "'address':'::1'", "nics[0].address is not an IPv4 address of a host"},
    {"'aliases':[]", "'aliases':['x']", "nics[0].aliases [0] is not an IPv4 address of a host"},
    {"'aliases':[]", "'aliases':{}", "nics[0].aliases must be an array"},
    {"'segment':'web.in'", "'segment':'web in'", "nics[0].segment is not a valid name"},
    {"'segment':'web.in'", "'segment':null", "nics[0].rules must be empty on a NIC without a segment"},
    {"lb.out->web.in", "lb.out\\nflush ruleset", "nics[0].rules[0].wire is not a valid name"},
    {"lb.out->web.in", "}; drop", "nics[0].rules[0].wire is not a valid name"},
    {"lb.out->web.in", "a,b=c", "nics[0].rules[0].wire is not a valid name"},
    {"lb.out->web.in", "\\u202e", "nics[0].rules[0].wire is not a valid name"},
    {"'role':'server'", "'role':'peer'", "nics[0].rules[0].role must be client or server"},
    {"'local_address':'100.64.0.5'", "'local_address':'100.64.0.6'",
     "nics[0].rules[0].local_address is not an address of this NIC"},
    {"'peer_address':'100.64.0.4'", "'peer_address':4", "nics[0].rules[0].peer_address must be a string"},
    {"'02:00:00:00:00:02'", "'ff:ff:ff:ff:ff:ff'", "nics[0].rules[0].peer_mac is not a unicast MAC address"},
    {"'proto':'tcp'", "'proto':'sctp'", "nics[0].rules[0].ports[0].proto must be tcp or udp"},
    {"'from':80", "'from':0", "nics[0].rules[0].ports[0].from and to must be a range within 1 to 65535"},
    {"'to':80", "'to':65536", "nics[0].rules[0].ports[0].from and to must be a range within 1 to 65535"},
    {"'to':80", "'to':79", "nics[0].rules[0].ports[0].from and to must be a range within 1 to 65535"},
    {"'from':80,'to':80", "'from':'80','to':80", "nics[0].rules[0].ports[0].from must be an integer"},
    {"[{'proto':'tcp','from':80,'to':80}]", "[]", "nics[0].rules[0].ports must name a port, or any be true"},
};

static void
test_wrong (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_autoptr (json_t) spec = spec_with (wrong[i].what, wrong[i].by);
        g_autoptr (GError) error = NULL;
        g_autoptr (WireMember) member = wire_member_parse (spec, &error);
        g_assert_null (member);
        g_assert_cmpstr (error->message, ==, wrong[i].message);
        g_assert_true (error->domain == VDC_ERROR);
    }
}

static void
test_gateway_needs_mac (void)
{
    g_autoptr (json_t) spec = spec_with ("'role':'server'", "'role':'client'");
    json_t *rule =
        json_array_get (json_object_get (json_array_get (json_object_get (spec, "nics"), 0), "rules"), 0);
    json_put (rule, "gateway", json_true ());
    json_object_del (rule, "peer_mac");
    g_autoptr (GError) error = NULL;
    g_assert_null (wire_member_parse (spec, &error));
    g_assert_cmpstr (error->message, ==, "nics[0].rules[0].peer_mac is needed on a wire to a gateway");
}

static void
test_twice (void)
{
    g_autofree char *two = g_strdup_printf ("%s,%s", nic_text, nic_text);
    g_autoptr (json_t) spec = spec_with (nic_text, two);
    g_autoptr (GError) error = NULL;
    g_assert_null (wire_member_parse (spec, &error));
    g_assert_cmpstr (error->message, ==, "nics[1].terminal 'in' occurs twice");
}

static void
test_too_many (void)
{
    g_autoptr (json_t) spec = spec_with (NULL, NULL);
    json_t *nics = json_object_get (spec, "nics"), *nic = json_array_get (nics, 0);
    while (json_array_size (nics) <= WIRE_NICS_MAX)
        json_array_append (nics, nic);
    g_autoptr (GError) error = NULL;
    g_assert_null (wire_member_parse (spec, &error));
    g_assert_true (g_error_matches (error, VDC_ERROR, VDC_ERROR_TOO_LARGE));
}

static void
test_names (void)
{
    char tap[WIRE_NAME_SIZE], other[WIRE_NAME_SIZE], prefix[WIRE_NAME_SIZE], bridge[WIRE_NAME_SIZE];
    wire_tap_name ("a1b2c3d4", "web.1", "in", tap);
    wire_tap_name ("a1b2c3d4", "web.1", "db", other);
    wire_tap_prefix ("a1b2c3d4", "web.1", prefix);
    wire_bridge_name ("a1b2c3d4", "web.in", bridge);
    g_assert_cmpuint (strlen (tap), ==, 15);
    g_assert_cmpuint (strlen (bridge), ==, 15);
    g_assert_cmpuint (strlen (prefix), ==, 11);
    g_assert_true (g_str_has_prefix (tap, prefix) && g_str_has_prefix (other, prefix));
    g_assert_cmpstr (tap, !=, other);
    g_assert_true (wire_name_is_ours (tap) && wire_name_is_ours (bridge) && wire_name_is_ours ("vboutside"));
    wire_tap_name ("b1b2c3d4", "web.1", "in", other);
    g_assert_cmpstr (tap, !=, other);
    g_assert_false (wire_name_is_ours ("vtnet0") || wire_name_is_ours ("vbr0") || wire_name_is_ours ("eth0"));
    /* Written down: names in the kernel outlive the program that made them. */
    g_assert_cmpstr (tap, ==, "vtphvhawdl2dpfy");
    g_assert_cmpstr (bridge, ==, "vbuzw3qlep2czle");
}

static void
test_mtu (void)
{
    g_assert_cmpuint (wire_inner_mtu (1500), ==, 1450);
    g_assert_cmpuint (wire_inner_mtu (9000), ==, 8950);
    g_assert_cmpuint (wire_inner_mtu (626), ==, 576);
    g_assert_cmpuint (wire_inner_mtu (625), ==, 0);
}

static void
check_golden (const char *name)
{
    g_autofree char *json = g_strdup_printf ("%s/wires/%s.json", g_getenv ("VDC_GOLDEN"), name);
    g_autofree char *nft = g_strdup_printf ("%s/wires/%s.nft", g_getenv ("VDC_GOLDEN"), name);
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) spec = json_parse_file (json, &error);
    g_assert_no_error (error);
    g_autoptr (WireMember) member = wire_member_parse (spec, &error);
    g_assert_no_error (error);

    g_autoptr (GString) text = g_string_new (NULL);
    for (guint i = 0; i < member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (member->nics, i);
        g_string_append_printf (text, "%s## %s.%s\n", i > 0 ? "\n" : "", member->member, nic->terminal);
        wire_rules_nic (text, nic, member->network_bps, TRUE);
    }
    if (g_getenv ("VDC_GOLDEN_WRITE") != NULL)
        g_assert_true (g_file_set_contents (nft, text->str, -1, NULL));
    g_autofree char *wanted = NULL;
    g_assert_true (g_file_get_contents (nft, &wanted, NULL, NULL));
    g_assert_cmpstr (text->str, ==, wanted);
}

static void
test_golden (void)
{
    static const char *const names[] = {"client-of-a-tier",
                                        "member-with-every-kind-of-wire",
                                        "server-of-one-protocol",
                                        "server-of-any",
                                        "gateway",
                                        "outside-only",
                                        "alias-merged-ports-unknown-mac"};
    if (g_getenv ("VDC_GOLDEN") == NULL) {
        g_test_skip ("VDC_GOLDEN does not say where the golden files are");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        check_golden (names[i]);
}

/* The order of a document's rules is the controller's business: it must not change what is installed. */
static void
test_order_of_peers (void)
{
    g_autoptr (json_t) spec = spec_with (NULL, NULL);
    json_t *nic = json_array_get (json_object_get (spec, "nics"), 0);
    json_t *rules = json_object_get (nic, "rules");
    g_autoptr (json_t) second = json_deep_copy (json_array_get (rules, 0));
    json_put (second, "peer_address", json_string ("100.64.0.9"));
    json_put (second, "peer_mac", json_string ("02:00:00:00:00:09"));
    json_array_append (rules, second);
    g_autoptr (WireMember) member = wire_member_parse (spec, NULL);
    g_autofree char *one = wire_rules_nic_digest (g_ptr_array_index (member->nics, 0), 0);
    json_array_append (rules, json_array_get (rules, 0));
    json_array_remove (rules, 0);
    g_autoptr (WireMember) turned = wire_member_parse (spec, NULL);
    g_autofree char *two = wire_rules_nic_digest (g_ptr_array_index (turned->nics, 0), 0);
    g_assert_cmpstr (one, ==, two);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/wire-plan/good-document", test_good);
    g_test_add_func ("/wire-plan/wrong-documents-name-the-place", test_wrong);
    g_test_add_func ("/wire-plan/gateway-needs-mac", test_gateway_needs_mac);
    g_test_add_func ("/wire-plan/terminal-twice", test_twice);
    g_test_add_func ("/wire-plan/too-many-nics", test_too_many);
    g_test_add_func ("/wire-plan/names", test_names);
    g_test_add_func ("/wire-plan/mtu", test_mtu);
    g_test_add_func ("/wire-rules/golden", test_golden);
    g_test_add_func ("/wire-rules/order-of-peers-does-not-matter", test_order_of_peers);
    return g_test_run ();
}
