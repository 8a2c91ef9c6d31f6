/*
 * Addresses, wiring and specs. The golden files tests/golden/specs/CASE/MEMBER.json hold what an agent is
 * sent; after a change that is meant, VDC_GOLDEN_UPDATE=1 writes them anew: read the difference.
 */
#include "tests/lib/fixture_catalog.h"

#include "vdc/base/json.h"
#include "vdc/controller/member_spec.h"
#include "vdc/model/check.h"

#include <string.h>

static Catalog *
fixture_catalog (void)
{
    Catalog *catalog = catalog_new ();
    g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "tests", "fixtures", "catalog", NULL);

    g_assert_true (fixture_catalog_add (catalog, folder));
    return catalog;
}

static Topology *
open_text (const char *text, const Catalog *catalog)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_parse (text, strlen (text), DOCUMENT_YAML, problems);
    Topology *topology = document != NULL ? topology_from_document (document, catalog, problems) : NULL;
    g_autofree char *wrong = problems_text (problems);

    g_assert_cmpstr (wrong, ==, "");
    return topology;
}

/* -- specs -- */

static void
identity_free (gpointer data)
{
    VolumeIdentity *identity = data;
    g_free (identity->id);
    g_free (identity);
}

/* Ids made of the volume's place in the list, so that they are the same in every run. */
static GHashTable *
volume_identities (const Topology *topology)
{
    GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, identity_free);

    for (guint i = 0; i < topology->volumes->len; i++) {
        const TopologyVolume *volume = g_ptr_array_index (topology->volumes, i);
        VolumeIdentity *identity = g_new0 (VolumeIdentity, 1);
        identity->id = g_strdup_printf ("%016x", i + 1);
        identity->size_bytes = volume->declared->size_bytes;
        g_hash_table_insert (table, volume->name, identity);
    }
    return table;
}

static json_t *
test_image (void)
{
    g_autofree char *digest = g_strnfill (64, 'a');

    return json_pack ("{s:o, s:s, s:s, s:s, s:s, s:s}", "digest", json_sprintf ("sha256:%s", digest), "root",
                      "root.qcow2", "format", "qcow2", "kernel", "vmlinuz", "initrd", "initrd", "cmdline",
                      "console=ttyS0");
}

/* Every outside member has the next address; the first member of a tier is ready, the second drains. */
static json_t *
specs_of (const Topology *topology)
{
    g_autoptr (Addresses) addresses = addresses_new ();
    g_autoptr (GHashTable) outside =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)outside_address_free);
    g_autoptr (GHashTable) states = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GHashTable) volumes = volume_identities (topology);
    g_autoptr (json_t) image = test_image ();
    g_autoptr (GError) error = NULL;
    json_t *specs = json_object ();

    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        g_autofree char *address = g_strdup_printf ("192.0.2.%u", 20 + i);
        if (member->class->outside)
            g_hash_table_insert (outside, member->name,
                                 outside_address_new (address, 24, "192.0.2.1", "outside"));
        if (member->number == 1)
            g_hash_table_insert (states, member->name, (gpointer) "ready");
        if (member->number == 2)
            g_hash_table_insert (states, member->name, (gpointer) "draining");
    }
    g_assert_true (addresses_assign (addresses, topology, &error));
    g_autoptr (Wiring) wiring = wiring_new (topology, addresses, "grid", "a1b2c3d4", outside, &error);
    g_assert_no_error (error);
    MemberRuntime runtime = {.application_id = "a1b2c3d4",
                             .operation = "0f",
                             .generation = 3,
                             .power_on = TRUE,
                             .incarnation = 5,
                             .root_epoch = 1,
                             .image = image,
                             .volumes = volumes,
                             .states = states,
                             .revision = 12,
                             .go = TRUE,
                             .default_start_timeout_s = 180};
    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        json_put (specs, member->name, member_spec (topology, wiring, member->name, &runtime));
    }
    return specs;
}

static void
check_golden (const char *folder, const char *member, const json_t *spec)
{
    g_autofree char *name = g_strconcat (member, ".json", NULL);
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *have = json_pretty (spec);
    g_autofree char *with_newline = g_strconcat (have, "\n", NULL);
    g_autofree char *want = NULL;

    if (g_getenv ("VDC_GOLDEN_UPDATE") != NULL)
        g_assert_true (g_file_set_contents (path, with_newline, -1, NULL));
    g_test_message ("%s", path);
    g_assert_true (g_file_get_contents (path, &want, NULL, NULL));
    g_assert_cmpstr (with_newline, ==, want);
}

static void
test_golden (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "tests", "golden", "specs", NULL);
    g_auto (GStrv) cases = fixture_list (folder);

    g_assert_cmpuint (g_strv_length (cases), >, 0);
    for (char **name = cases; *name != NULL; name++) {
        g_autofree char *place = g_build_filename (folder, *name, NULL);
        g_autofree char *path = g_build_filename (place, "application.yaml", NULL);
        g_autofree char *text = NULL;
        g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
        g_autoptr (Topology) topology = open_text (text, catalog);
        g_autoptr (json_t) specs = specs_of (topology);
        const char *member;
        json_t *spec;
        json_object_foreach (specs, member, spec)
            check_golden (place, member, spec);
    }
}

/* -- addresses -- */

#define TIER(count, wires)                                                                                   \
    "application: a\ninstances:\n  lb: {class: LINUX}\n  web: {class: LINUX, count: " count                  \
    "}\nwires: [" wires "]\n"

static char *
assigned (Addresses *addresses, const char *text)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text (text, catalog);
    g_autoptr (GError) error = NULL;

    g_assert_true (addresses_assign (addresses, topology, &error));
    g_autoptr (json_t) map = addresses_json (addresses);
    return json_text (map);
}

static void
test_addresses_stay (void)
{
    g_autoptr (Addresses) addresses = addresses_new ();
    g_autofree char *two = assigned (addresses, TIER ("2", "lb.out -> web.in"));
    g_autofree char *first = g_strdup (addresses_get (addresses, "web.1", "in"));
    g_autofree char *second = g_strdup (addresses_get (addresses, "web.2", "in"));
    g_autofree char *one = assigned (addresses, TIER ("1", "lb.out -> web.in"));

    g_assert_null (addresses_get (addresses, "web.2", "in"));
    g_autofree char *three = assigned (addresses, TIER ("3", "lb.out -> web.in"));
    g_assert_cmpstr (addresses_get (addresses, "web.1", "in"), ==, first);
    /* The lowest free ones again. */
    g_assert_cmpstr (addresses_get (addresses, "web.2", "in"), ==, second);
    g_assert_cmpstr (addresses_get (addresses, "lb", "aux"), ==, "100.64.0.1");
}

static void
test_addresses_alias (void)
{
    g_autoptr (Addresses) addresses = addresses_new ();
    g_autofree char *single = assigned (addresses, TIER ("2", "lb.out -> web.in"));

    g_assert_null (addresses_get_alias (addresses, "web.1", "in", "lb", "out"));
    g_autofree char *both = assigned (addresses, TIER ("2", "lb.aux -> web.in, lb.out -> web.in"));
    g_assert_null (addresses_get_alias (addresses, "web.1", "in", "lb", "aux"));
    g_autofree char *alias = g_strdup (addresses_get_alias (addresses, "web.2", "in", "lb", "out"));
    g_assert_nonnull (alias);
    /* The wire that had the plain address goes: the other keeps its alias. */
    g_autofree char *rest = assigned (addresses, TIER ("2", "lb.out -> web.in"));
    g_assert_cmpstr (addresses_get_alias (addresses, "web.2", "in", "lb", "out"), ==, alias);
}

static void
test_addresses_never_end_badly (void)
{
    g_autoptr (Addresses) addresses = addresses_new ();
    g_autofree char *all = assigned (addresses, TIER ("60", "lb.out -> web.in"));
    g_autoptr (json_t) map = addresses_json (addresses);
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    const char *key;
    json_t *value;

    g_assert_cmpuint (json_object_size (map), ==, 61 * 5);
    json_object_foreach (map, key, value) {
        const char *text = json_string_value (value);
        g_assert_true (g_hash_table_add (seen, (gpointer)text));
        g_assert_true (g_str_has_prefix (text, "100.64.0.") || g_str_has_prefix (text, "100.64.1."));
        g_assert_false (g_str_has_suffix (text, ".0") || g_str_has_suffix (text, ".255"));
    }
    g_autoptr (Addresses) again = addresses_from_json (map, NULL);
    g_autoptr (json_t) same = addresses_json (again);
    g_assert_true (json_equal (map, same));
}

static void
test_addresses_refused (void)
{
    static const char *const texts[] = {
        "{\"a:in\": \"10.0.0.1\"}",
        "{\"a:in\": 5}",
        "{\"a:in\": \"100.64.0.1; drop\"}",
        "{\"a:in\": \"100.64.0.1\", \"b:in\": \"100.64.0.1\"}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (json_t) map = json_parse (texts[i], strlen (texts[i]), NULL);
        g_assert_null (addresses_from_json (map, &error));
        g_assert_nonnull (error);
    }
}

static void
test_mac (void)
{
    g_autofree char *mac = address_mac ("grid", "a1", "web.1", "in");
    g_autofree char *again = address_mac ("grid", "a1", "web.1", "in");
    g_autofree char *other = address_mac ("grid", "a2", "web.1", "in");

    g_assert_cmpuint (strlen (mac), ==, 17);
    g_assert_true (g_str_has_prefix (mac, "02:"));
    g_assert_cmpstr (mac, ==, again);
    g_assert_cmpstr (mac, !=, other);
}

/* Both ends of every wire agree, in all golden cases. */
static void
assert_both_ends (const json_t *specs, const char *name, const json_t *nic, const json_t *rule)
{
    const char *local = json_str (rule, "local_address", ""), *peer = json_str (rule, "peer_address", "");
    json_t *other = json_object_get (json_object_get (specs, json_str (rule, "peer", "")), "nics"), *peer_nic,
           *peer_rule;
    gsize i, j;

    json_array_foreach (other, i, peer_nic)
        json_array_foreach (json_object_get (peer_nic, "rules"), j, peer_rule)
            if (strcmp (json_str (peer_rule, "local_address", ""), peer) == 0 &&
                strcmp (json_str (peer_rule, "peer_address", ""), local) == 0) {
                g_assert_cmpstr (json_str (peer_rule, "wire", ""), ==, json_str (rule, "wire", ""));
                g_assert_cmpstr (json_str (peer_rule, "role", ""), !=, json_str (rule, "role", ""));
                g_assert_cmpstr (json_str (peer_nic, "mac", ""), ==, json_str (rule, "peer_mac", ""));
                g_assert_cmpstr (json_str (peer_nic, "segment", ""), ==, json_str (nic, "segment", ""));
                return;
            }
    g_error ("%s: nobody at the other end of %s", name, json_str (rule, "wire", ""));
}

static void
test_both_ends (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text (
        TIER ("3", "lb.out -> web.in, lb.aux -> web.in, web.out -> lb.in, web.aux -> lb.in"), catalog);
    g_autoptr (json_t) specs = specs_of (topology);
    const char *name;
    json_t *spec, *nic, *rule;
    gsize i, j, count = 0;

    json_object_foreach (specs, name, spec)
        json_array_foreach (json_object_get (spec, "nics"), i, nic)
            json_array_foreach (json_object_get (nic, "rules"), j, rule) {
                assert_both_ends (specs, name, nic, rule);
                count++;
            }
    g_assert_cmpuint (count, ==, 2 * 4 * 3);
}

/* -- hostile texts in every place -- */

static const char *const hostile[] = {
    "a,b=c",
    "\"><",
    "'; drop",
    "; drop",
    "$(reboot)",
    "`id`",
    "../../etc",
    "a\nb",
    "a\rb",
    "a\tb",
    "\xe2\x80\xae"
    "abc",
    "\xe2\x80\xa8",
    "\x1b[31m",
    "\x7f",
    "\xef\xbb\xbf",
    "&amp;",
    "<!--",
    "]]>",
    "%s%n",
    "\\",
    "\\n",
    "$",
    "${x}",
    "-",
    " ",
    "",
    "a b",
    "/",
    ".",
    "..",
    "null",
    "~",
    "012",
    "{}",
    "[]",
    "#",
    "\xc3\xa9",
    "\xf0\x9f\x92\xbe",
    NULL, /* 300 × x */
};

static const char THING[] = "class: THING\n"
                            "version: 1.0.0\n"
                            "summary: A thing\n"
                            "help: Some help\n"
                            "terminals:\n"
                            "  in:  {side: input, protocol: http, help: In}\n"
                            "  out: {side: output, protocol: http, help: Out}\n"
                            "properties:\n"
                            "  text: {type: string, default: abc, help: Text}\n"
                            "  mode: {type: enum, values: [fast, slow], default: fast}\n"
                            "  host: {type: ip, default: 192.0.2.1}\n"
                            "  key:  {type: secret, default: abc}\n"
                            "volumes:\n"
                            "  data: {mount: /mnt/data, mode: exclusive, help: Data}\n"
                            "resources:\n"
                            "  cpu:    {min: 0.1, max: 4, default: 1}\n"
                            "  memory: {min: 96M, max: 4G, default: 192M}\n";

static const char PAIR[] = "assembly: PAIR\n"
                           "version: 1.0.0\n"
                           "summary: A pair\n"
                           "help: Some help\n"
                           "terminals:\n"
                           "  in: {side: input, protocol: http, inside: a.in, help: In}\n"
                           "properties:\n"
                           "  text: {type: string, default: abc, help: Text}\n"
                           "volumes:\n"
                           "  data: {inside: a.data, help: Data}\n"
                           "  more: {inside: b.data}\n"
                           "instances:\n"
                           "  a: {class: THING, set: {text: $text}, failover_group: x, start_timeout: 5m}\n"
                           "  b: {class: system/THING@1.0.0, resources: {memory: 192M}}\n"
                           "wires: [a.out -> b.in]\n"
                           "layout: {a: {x: left}}\n";

static const char SHOP[] =
    "application: shop\n"
    "summary: A shop\n"
    "help: Some help\n"
    "properties: {title: abc}\n"
    "instances:\n"
    "  one: {class: THING, count: 1, set: {text: $title, key: secret, mode: slow, host: 192.0.2.7},\n"
    "        volumes: {data: first}, restart: {limit: 3, window: 24h}, failover_group: x}\n"
    "  two: {class: PAIR, set: {text: abc}, volumes: {data: second, more: third}}\n"
    "wires: [one.out -> two.in]\n"
    "volumes:\n"
    "  first:  {size: 2G, seed: content/}\n"
    "  second: {size: 2G}\n"
    "  third:  {size: 2G}\n"
    "layout: {one: {note: left}}\n";

/* What came of it. */
typedef struct {
    const char *texts[3]; /* class, assembly, application */
    guint which;          /* the one that is changed */
    guint refused, accepted;
} Hostile;

static void
assert_clean (const Problems *problems)
{
    for (guint i = 0; i < problems_kept (problems); i++) {
        const Problem *problem = problems_get (problems, i);
        g_autofree char *all = g_strconcat (problem->path, problem->message, problem->nearest, NULL);
        for (const char *at = all; *at != '\0'; at++)
            g_assert_true (*at >= 0x20 && *at < 0x7f);
    }
}

static void
assert_round (const json_t *value)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autofree char *yaml = document_yaml (value);
    g_autofree char *text = json_text (value);
    g_autoptr (Document) from_yaml = document_parse (yaml, strlen (yaml), DOCUMENT_YAML, problems);
    g_autoptr (Document) from_json = document_parse (text, strlen (text), DOCUMENT_JSON, problems);

    g_assert_cmpuint (problems_count (problems), ==, 0);
    g_assert_true (json_equal (document_root (from_yaml), value));
    g_assert_true (json_equal (document_root (from_json), value));
}

static Document *
read_one (const Hostile *hostile_case, guint which, const json_t *changed)
{
    g_autoptr (Problems) problems = problems_new ();
    const char *text = hostile_case->texts[which];

    if (which == hostile_case->which)
        return document_new ((json_t *)changed);
    return document_parse (text, strlen (text), DOCUMENT_YAML, problems);
}

static void
add_parts (const Hostile *hostile_case, const json_t *changed, Catalog *catalog, Problems *problems)
{
    g_autoptr (Document) class_document = read_one (hostile_case, 0, changed);
    g_autoptr (Document) assembly_document = read_one (hostile_case, 1, changed);
    g_autoptr (Class) class = class_from_document (class_document, problems);
    g_autoptr (Assembly) assembly = assembly_from_document (assembly_document, problems);

    if (class != NULL)
        catalog_add_class (catalog, "system", class);
    if (assembly != NULL)
        catalog_add_assembly (catalog, "system", assembly);
}

/* Refused cleanly, or everything made of it reads back as it was. */
static void
try_document (Hostile *hostile_case, const json_t *changed)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Catalog) catalog = catalog_new ();
    g_autoptr (Topology) topology = NULL;

    assert_round (changed);
    add_parts (hostile_case, changed, catalog, problems);
    g_autoptr (Document) document = read_one (hostile_case, 2, changed);
    if (problems_count (problems) == 0)
        topology = topology_from_document (document, catalog, problems);
    assert_clean (problems);
    if (topology == NULL) {
        g_assert_cmpuint (problems_count (problems), >, 0);
        hostile_case->refused++;
        return;
    }
    hostile_case->accepted++;
    g_autoptr (json_t) specs = specs_of (topology);
    assert_round (specs);
    assert_round (topology_used (topology));
}

static void walk (Hostile *hostile_case, json_t *root, json_t *at, const char *text);

static void
walk_object (Hostile *hostile_case, json_t *root, json_t *at, const char *text)
{
    g_autoptr (json_t) members = json_copy (at);
    const char *key;
    json_t *value;

    json_object_foreach (members, key, value) {
        if (json_object_get (at, text) == NULL) {
            /* As the key. */
            json_object_del (at, key);
            json_object_set (at, text, value);
            try_document (hostile_case, root);
            json_object_del (at, text);
            json_object_set (at, key, value);
        }
        if (json_is_string (value)) {
            json_object_set_new (at, key, json_string (text));
            try_document (hostile_case, root);
            json_object_set (at, key, value);
        } else {
            walk (hostile_case, root, value, text);
        }
    }
}

static void
walk (Hostile *hostile_case, json_t *root, json_t *at, const char *text)
{
    if (json_is_object (at)) {
        walk_object (hostile_case, root, at, text);
        return;
    }
    for (gsize i = 0; i < json_array_size (at); i++) {
        g_autoptr (json_t) value = json_incref (json_array_get (at, i));
        json_array_set_new (at, i, json_string (text));
        try_document (hostile_case, root);
        json_array_set (at, i, value);
    }
}

static void
test_hostile (void)
{
    Hostile hostile_case = {.texts = {THING, PAIR, SHOP}};
    g_autofree char *longest = g_strnfill (300, 'x');

    for (hostile_case.which = 0; hostile_case.which < 3; hostile_case.which++) {
        const char *text = hostile_case.texts[hostile_case.which];
        g_autoptr (Problems) problems = problems_new ();
        g_autoptr (Document) document = document_parse (text, strlen (text), DOCUMENT_YAML, problems);
        try_document (&hostile_case, document_root (document));
        g_assert_cmpuint (hostile_case.accepted, >, 0);
        for (gsize i = 0; i < G_N_ELEMENTS (hostile); i++)
            walk (&hostile_case, document_root (document), document_root (document),
                  hostile[i] ? hostile[i] : longest);
    }
    g_test_message ("%u refused, %u went round every generator", hostile_case.refused, hostile_case.accepted);
    g_assert_cmpuint (hostile_case.refused, >, 1000);
    g_assert_cmpuint (hostile_case.accepted, >, 100);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/planning/specs-are-as-the-golden-files", test_golden);
    g_test_add_func ("/planning/addresses-stay", test_addresses_stay);
    g_test_add_func ("/planning/second-wire-keeps-its-alias", test_addresses_alias);
    g_test_add_func ("/planning/addresses-never-end-in-0-or-255", test_addresses_never_end_badly);
    g_test_add_func ("/planning/stored-addresses-are-checked", test_addresses_refused);
    g_test_add_func ("/planning/mac-is-of-its-place", test_mac);
    g_test_add_func ("/planning/both-ends-of-a-wire-agree", test_both_ends);
    g_test_add_func ("/planning/hostile-texts-are-refused-or-survive", test_hostile);
    return g_test_run ();
}
