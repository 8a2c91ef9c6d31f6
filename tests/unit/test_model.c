/* Classes, assemblies, applications: every wrong description of tests/fixtures, and what the right ones open
 * to. */
#include "tests/lib/fixture_catalog.h"

#include "vdc/base/json.h"
#include "vdc/model/check.h"
#include "vdc/model/fields.h"
#include "vdc/model/topology_diff.h"

#include <string.h>

static Catalog *
fixture_catalog (void)
{
    Catalog *catalog = catalog_new ();
    g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "tests", "fixtures", "catalog", NULL);

    g_assert_true (fixture_catalog_add (catalog, folder));
    return catalog;
}

/* -- wrong descriptions -- */

/* "# expect: CODE PATH LINE NEAREST" lines of @text, each as one line, sorted; without the line where @lines
 * is FALSE. */
static GPtrArray *
expected (const char *text, gboolean lines)
{
    GPtrArray *list = g_ptr_array_new_with_free_func (g_free);
    g_auto (GStrv) all = g_strsplit (text, "\n", -1);

    for (char **line = all; *line != NULL; line++) {
        if (!g_str_has_prefix (*line, "# expect: "))
            continue;
        /* A path may hold blanks: code first, line and nearest last. */
        g_auto (GStrv) words = g_strsplit (*line + strlen ("# expect: "), " ", -1);
        guint count = g_strv_length (words);
        g_assert_cmpuint (count, >=, 4);
        g_autofree char *nearest = g_strdup (words[count - 1]);
        g_autofree char *number = g_strdup (words[count - 2]);
        g_clear_pointer (&words[count - 2], g_free);
        g_clear_pointer (&words[count - 1], g_free);
        g_autofree char *start = g_strjoinv (" ", words);
        g_ptr_array_add (list, g_strdup_printf ("%s %s %s", start, lines ? number : "*", nearest));
    }
    return list;
}

static GPtrArray *
found (const Problems *problems, gboolean lines)
{
    GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

    for (guint i = 0; i < problems_kept (problems); i++) {
        const Problem *problem = problems_get (problems, i);
        g_autofree char *number = g_strdup_printf ("%u", problem->line);
        g_ptr_array_add (list, g_strdup_printf ("%s %s %s %s", problem->code,
                                                problem->path[0] ? problem->path : "-", lines ? number : "*",
                                                problem->nearest ? problem->nearest : "-"));
    }
    return list;
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

static void
assert_problems (const char *name, const char *text, const Problems *problems, gboolean lines)
{
    g_autoptr (GPtrArray) want = expected (text, lines), have = found (problems, lines);

    g_ptr_array_sort (want, by_text);
    g_ptr_array_sort (have, by_text);
    g_ptr_array_add (want, NULL);
    g_ptr_array_add (have, NULL);
    g_autofree char *left = g_strjoinv ("\n", (char **)have->pdata);
    g_autofree char *right = g_strjoinv ("\n", (char **)want->pdata);
    g_test_message ("%s", name);
    g_assert_cmpstr (left, ==, right);
}

/* The same document as JSON has the same problems, at other lines. */
static void
check_as_json (const char *name, const char *text, const Catalog *catalog)
{
    g_autoptr (Problems) reading = problems_new ();
    g_autoptr (Document) document = document_parse (text, strlen (text), DOCUMENT_YAML, reading);
    g_autofree char *json = json_pretty (document_root (document));
    g_autoptr (Problems) problems = fixture_check (json, strlen (json), DOCUMENT_JSON, catalog);

    g_assert_cmpuint (problems_count (reading), ==, 0);
    assert_problems (name, text, problems, FALSE);
    for (guint i = 0; i < problems_kept (problems); i++)
        g_assert_cmpuint (problems_get (problems, i)->line, >, 0);
}

static void
test_wrong_descriptions (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "tests", "fixtures", "descriptions", NULL);
    g_auto (GStrv) names = fixture_list (folder);

    for (char **name = names; *name != NULL; name++) {
        g_autofree char *path = g_build_filename (folder, *name, NULL);
        g_autofree char *text = NULL;
        gsize length;
        g_assert_true (g_file_get_contents (path, &text, &length, NULL));
        g_autoptr (Problems) problems = fixture_check (text, length, DOCUMENT_YAML, catalog);
        g_assert_cmpuint (problems_count (problems), >, 0);
        assert_problems (*name, text, problems, TRUE);
        if (!g_str_has_prefix (text, "# format: yaml only"))
            check_as_json (*name, text, catalog);
    }
    g_test_message ("%u wrong descriptions", g_strv_length (names));
    g_assert_cmpuint (g_strv_length (names), >=, 60);
}

/* -- right ones -- */

static Topology *
open_text (const char *text, const Catalog *catalog)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_parse (text, strlen (text), DOCUMENT_YAML, problems);
    g_assert_nonnull (document);
    Topology *topology = topology_from_document (document, catalog, problems);
    g_autofree char *wrong = problems_text (problems);

    g_assert_cmpstr (wrong, ==, "");
    g_assert_nonnull (topology);
    return topology;
}

static char *
member_names (const Topology *topology)
{
    GString *out = g_string_new (NULL);

    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        g_string_append_printf (out, "%s%s/%s:%u", i ? " " : "", member->name, member->group, member->stage);
    }
    return g_string_free (out, FALSE);
}

static char *
wire_names (const Topology *topology)
{
    GString *out = g_string_new (NULL);

    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = g_ptr_array_index (topology->wires, i);
        g_string_append_printf (out, "%s%s:%s(%s)=", i ? " " : "", wire->from->name, wire->text,
                                wire->protocol->name);
        for (guint j = 0; j < wire->to->len; j++)
            g_string_append_printf (out, "%s%s", j ? "," : "",
                                    ((const Member *)g_ptr_array_index (wire->to, j))->name);
    }
    return g_string_free (out, FALSE);
}

#define SHOP                                                                                                 \
    "application: shop\n"                                                                                    \
    "properties: {public_port: 8080}\n"                                                                      \
    "instances:\n"                                                                                           \
    "  in:  {class: IN, set: {port: $public_port}}\n"                                                        \
    "  lb:  {class: HLB, set: {cookie: $$x}}\n"                                                              \
    "  web: {class: WEB, count: 2, resources: {cpu: 0.5}}\n"                                                 \
    "  db:  {class: MYSQL, volumes: {data: shop-data}}\n"                                                    \
    "wires:\n"                                                                                               \
    "  - in.out -> lb.in\n"                                                                                  \
    "  - lb.out -> web.in\n"                                                                                 \
    "  - web.db -> db.in\n"                                                                                  \
    "volumes:\n"                                                                                             \
    "  shop-data: {size: 2G}\n"

static void
test_open (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text (SHOP, catalog);
    g_autofree char *members = member_names (topology);
    g_autofree char *wires = wire_names (topology);
    const Member *in = topology_member (topology, "in"), *web = topology_member (topology, "web.2");
    g_autoptr (GArray) ports = member_published_ports (in);

    g_assert_cmpstr (members, ==, "db/db:0 in/in:3 lb/lb:2 web.1/web:1 web.2/web:1");
    g_assert_cmpstr (wires, ==,
                     "in:in.out->lb.in(http)=lb lb:lb.out->web.in(http)=web.1,web.2 "
                     "web.1:web.db->db.in(mysql)=db web.2:web.db->db.in(mysql)=db");
    g_assert_cmpuint (ports->len, ==, 1);
    g_assert_cmpuint (g_array_index (ports, guint, 0), ==, 8080);
    g_assert_cmpstr (json_str (topology_member (topology, "lb")->settings, "cookie", NULL), ==, "$x");
    g_assert_cmpint (json_int (web->settings, "max_conn", 0), ==, 256);
    g_assert_cmpfloat (web->resources.cpu, ==, 0.5);
    g_assert_cmpuint (web->resources.memory_bytes, ==, 192 << 20);
    g_assert_cmpuint (topology->volumes->len, ==, 1);
    g_assert_null (topology_member (topology, "web"));
}

static void
test_assembly_in_place_of_class (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autofree char *text = g_strdup (SHOP);
    char *at = strstr (text, "{class: WEB, count: 2, resources: {cpu: 0.5}}");
    const char *instead = "{class: WEBX, set: {members: 3, docroot: /x}}";

    memset (at, ' ', strlen ("{class: WEB, count: 2, resources: {cpu: 0.5}}"));
    memcpy (at, instead, strlen (instead));
    g_autoptr (Topology) topology = open_text (text, catalog);
    g_autofree char *members = member_names (topology);
    g_autoptr (GPtrArray) all = topology_select (topology, "web"),
                          inner = topology_select (topology, "web.web");

    g_assert_cmpstr (members, ==,
                     "db/db:0 in/in:4 lb/lb:3 web.lb/web.lb:2 web.web.1/web.web:1 web.web.2/web.web:1 "
                     "web.web.3/web.web:1");
    g_assert_cmpuint (all->len, ==, 4);
    g_assert_cmpuint (inner->len, ==, 3);
    g_assert_cmpstr (json_str (topology_member (topology, "web.web.3")->settings, "docroot", NULL), ==, "/x");
    g_assert_true (topology_member (topology, "web.web.1")->spread);
}

static void
test_nested_tiers (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text ("application: a\n"
                                               "instances:\n"
                                               "  in: {class: IN}\n"
                                               "  shop: {class: SHOP, volumes: {data: d}, set: {sites: 2}}\n"
                                               "wires:\n"
                                               "  - in.out -> shop.in\n"
                                               "volumes: {d: {size: 1G}}\n",
                                               catalog);
    g_autofree char *members = member_names (topology);
    const MemberWire *wire = topology_wire (topology, topology_member (topology, "in"), "out");
    const Member *db = topology_member (topology, "shop.db");

    g_assert_cmpstr (members, ==,
                     "in/in:3 shop.db/shop.db:0 "
                     "shop.site.1.lb/shop.site.lb:2 shop.site.1.web.1/shop.site.web:1 "
                     "shop.site.1.web.2/shop.site.web:1 shop.site.2.lb/shop.site.lb:2 "
                     "shop.site.2.web.1/shop.site.web:1 shop.site.2.web.2/shop.site.web:1");
    g_assert_cmpuint (wire->to->len, ==, 2);
    g_assert_cmpstr (wire->text, ==, "in.out->shop.site.lb.in");
    g_assert_cmpuint (db->volumes->len, ==, 1);
    wire = topology_wire (topology, topology_member (topology, "shop.site.2.lb"), "out");
    g_assert_cmpuint (wire->to->len, ==, 2);
    g_assert_cmpstr (((const Member *)g_ptr_array_index (wire->to, 0))->name, ==, "shop.site.2.web.1");
}

static void
test_per_member_volumes (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text ("application: a\n"
                                               "instances:\n"
                                               "  in: {class: IN}\n"
                                               "  cache: {class: CACHE, count: 2, volumes: {store: s}}\n"
                                               "wires: [in.out -> cache.in]\n"
                                               "volumes: {s: {size: 1G}, unused: {size: 1G}}\n",
                                               catalog);
    const Member *second = topology_member (topology, "cache.2");
    const MemberVolume *volume = g_ptr_array_index (second->volumes, 0);

    g_assert_cmpstr (volume->volume, ==, "s.2");
    g_assert_cmpstr (volume->declared, ==, "s");
    g_assert_cmpuint (topology->volumes->len, ==, 3);
}

static void
test_cycle (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text ("application: a\n"
                                               "instances:\n"
                                               "  a: {class: LINUX}\n"
                                               "  b: {class: LINUX, order: 5}\n"
                                               "  c: {class: LINUX}\n"
                                               "  d: {class: LINUX}\n"
                                               "wires:\n"
                                               "  - a.out -> b.in\n"
                                               "  - b.out -> a.in\n"
                                               "  - b.aux -> c.in\n"
                                               "  - d.out -> a.in\n"
                                               "  - d.aux -> d.in\n",
                                               catalog);
    g_autofree char *members = member_names (topology);
    g_autoptr (GPtrArray) waits = topology_waits_for (topology, topology_member (topology, "b"));
    g_autoptr (GPtrArray) self = topology_waits_for (topology, topology_member (topology, "d"));
    char **cycle = g_ptr_array_index (topology->cycles, 0);

    /* `order` only orders what no wire does: a and b are one circle, b is numbered after a. */
    g_assert_cmpstr (members, ==, "a/a:1 b/b:2 c/c:0 d/d:3");
    g_assert_cmpuint (topology->cycles->len, ==, 1);
    g_assert_cmpstr (cycle[0], ==, "a");
    g_assert_cmpstr (cycle[1], ==, "b");
    g_assert_null (cycle[2]);
    g_assert_cmpuint (waits->len, ==, 1);
    g_assert_cmpstr (((const Member *)g_ptr_array_index (waits, 0))->name, ==, "c");
    g_assert_cmpuint (self->len, ==, 1);
    g_assert_cmpstr (((const Member *)g_ptr_array_index (self, 0))->name, ==, "a");
}

static void
test_assembly_cycle (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Problems) problems = problems_new ();
    const char *a = "assembly: A\nversion: 1.0.0\ninstances: {b: {class: B}}\n";
    const char *b = "assembly: B\nversion: 1.0.0\ninstances: {a: {class: A}}\n";
    const char *text = "application: x\ninstances: {a: {class: A}}\n";
    g_autoptr (Assembly) first = assembly_parse (a, strlen (a), DOCUMENT_YAML, problems);
    g_autoptr (Assembly) second = assembly_parse (b, strlen (b), DOCUMENT_YAML, problems);

    catalog_add_assembly (catalog, "system", first);
    catalog_add_assembly (catalog, "system", second);
    g_autoptr (Problems) wrong = fixture_check (text, strlen (text), DOCUMENT_YAML, catalog);
    g_assert_cmpuint (problems_count (problems), ==, 0);
    g_assert_cmpuint (problems_count (wrong), ==, 1);
    g_assert_cmpstr (problems_get (wrong, 0)->code, ==, "assembly_cycle");
    g_assert_cmpstr (problems_get (wrong, 0)->path, ==, "instances.a.class");
}

/* Ten assemblies in each other. */
static void
test_too_deep (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    const char *text = "application: x\ninstances: {a: {class: D0}}\n";

    for (guint i = 0; i < 10; i++) {
        g_autoptr (Problems) problems = problems_new ();
        g_autofree char *inner = i < 9 ? g_strdup_printf ("D%u", i + 1) : g_strdup ("LINUX");
        g_autofree char *each =
            g_strdup_printf ("assembly: D%u\nversion: 1.0.0\ninstances: {a: {class: %s}}\n", i, inner);
        g_autoptr (Assembly) assembly = assembly_parse (each, strlen (each), DOCUMENT_YAML, problems);
        catalog_add_assembly (catalog, "system", assembly);
    }
    g_autoptr (Problems) wrong = fixture_check (text, strlen (text), DOCUMENT_YAML, catalog);
    g_assert_true (problems_has (wrong, "too_deep"));
}

/* 64 × 64 × 64 members are asked for: refused without making them. */
static void
test_too_many (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    const char *text = "application: x\ninstances: {a: {class: M2, count: 64}}\n";

    for (guint i = 0; i < 3; i++) {
        g_autoptr (Problems) problems = problems_new ();
        g_autofree char *inner = i > 0 ? g_strdup_printf ("M%u", i - 1) : g_strdup ("LINUX");
        g_autofree char *each = g_strdup_printf (
            "assembly: M%u\nversion: 1.0.0\ninstances: {a: {class: %s, count: 64}}\n", i, inner);
        g_autoptr (Assembly) assembly = assembly_parse (each, strlen (each), DOCUMENT_YAML, problems);
        catalog_add_assembly (catalog, "system", assembly);
    }
    g_autoptr (Problems) wrong = fixture_check (text, strlen (text), DOCUMENT_YAML, catalog);
    g_assert_cmpuint (problems_count (wrong), ==, 1);
    g_assert_cmpstr (problems_get (wrong, 0)->code, ==, "too_many");
}

static void
test_snapshot (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) topology = open_text (SHOP, catalog);
    g_autofree char *stored = json_text (topology_used (topology));
    g_autoptr (json_t) read = json_parse (stored, strlen (stored), NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (Catalog) snapshot = catalog_from_snapshot (read, &error);

    g_assert_no_error (error);
    g_autoptr (Topology) again = open_text (SHOP, snapshot);
    g_autoptr (TopologyDiff) diff = topology_diff (topology, again);
    g_autoptr (json_t) changes = topology_diff_json (diff);
    g_autofree char *text = json_text (changes);
    g_test_message ("%s", text);
    g_assert_true (topology_diff_is_empty (diff));
}

static void
add_version (Catalog *catalog, const char *in, const char *version)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autofree char *text = g_strdup_printf ("class: V\nversion: %s\n", version);
    g_autoptr (Class) class = class_parse (text, strlen (text), DOCUMENT_YAML, problems);

    g_assert_nonnull (class);
    catalog_add_class (catalog, in, class);
}

static void
test_references (void)
{
    g_autoptr (Catalog) catalog = catalog_new ();
    CatalogEntry entry;

    add_version (catalog, "system", "1.9.0");
    add_version (catalog, "system", "1.10.0");
    add_version (catalog, "system", "1.10.0-rc1");
    add_version (catalog, "mine", "2.0.0");
    g_assert_true (catalog_get (catalog, "V", &entry));
    g_assert_cmpstr (entry.class->boundary.version, ==, "1.10.0");
    g_assert_true (catalog_get (catalog, "V@1.9.0", &entry));
    g_assert_cmpstr (entry.class->boundary.version, ==, "1.9.0");
    g_assert_true (catalog_get (catalog, "mine/V", &entry));
    g_assert_cmpstr (entry.class->boundary.version, ==, "2.0.0");
    g_assert_false (catalog_get (catalog, "mine/V@1.9.0", &entry));
    g_assert_false (catalog_get (catalog, "other/V", &entry));
    g_assert_cmpint (version_compare ("1.2", "1.2.1"), <, 0);
    g_assert_cmpint (version_compare ("1.0.0-rc1", "1.0.0"), <, 0);
}

/* -- differences -- */

static char *
diff_text (const char *before, const char *after)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    g_autoptr (Topology) old = open_text (before, catalog), new = open_text (after, catalog);
    g_autoptr (TopologyDiff) diff = topology_diff (old, new);
    g_autoptr (json_t) json = topology_diff_json (diff);
    GString *out = g_string_new (NULL);

    for (guint i = 0; i < diff->members->len; i++) {
        const MemberChange *change = g_ptr_array_index (diff->members, i);
        g_string_append_printf (out, "%s %s: %s\n", change_kind_name (change->kind), change->member,
                                change->text);
    }
    for (guint i = 0; i < problems_kept (diff->warnings); i++)
        g_string_append_printf (out, "%s %s\n", problems_get (diff->warnings, i)->code,
                                problems_get (diff->warnings, i)->path);
    return g_string_free (out, FALSE);
}

static char *
replace (const char *text, const char *old, const char *new)
{
    g_auto (GStrv) parts = g_strsplit (text, old, -1);
    g_assert_cmpuint (g_strv_length (parts), >, 1);
    return g_strjoinv (new, parts);
}

static void
assert_diff (const char *old, const char *new, const char *want)
{
    g_autofree char *after = replace (SHOP, old, new);
    g_autofree char *have = diff_text (SHOP, after);
    g_assert_cmpstr (have, ==, want);
}

static void
test_diff (void)
{
    assert_diff ("application", "application", "");
    assert_diff ("public_port: 8080", "public_port: 81", "live in: setting port: 8080 -> 81\n");
    assert_diff ("count: 2", "count: 3",
                 "live lb: wire lb.out->web.in: other members\nadd web.3: WEB@1.0.0\n");
    assert_diff ("count: 2", "count: 1",
                 "live lb: wire lb.out->web.in: other members\nremove web.2: WEB@1.0.0\n");
    assert_diff ("cpu: 0.5", "cpu: 1", "restart web.1: cpu: 0.5 -> 1\nrestart web.2: cpu: 0.5 -> 1\n");
    assert_diff ("  - web.db -> db.in\n", "",
                 "live web.1: wire web.db->db.in removed\nlive web.2: wire web.db->db.in removed\n");
    assert_diff (
        "count: 2", "count: 2, set: {password: hunter2}",
        "live web.1: setting password: unset -> (secret)\nlive web.2: setting password: unset -> (secret)\n");
    assert_diff ("shop-data", "shop-new",
                 "restart db: volume data: shop-data -> shop-new\nvolume_replaced volumes.shop-new\n"
                 "volume_unused volumes.shop-data\n");
}

static void
test_edits (void)
{
    g_autoptr (json_t) document =
        json_pack ("{s:s, s:{s:i}, s:{s:{s:s,s:i},s:{s:s,s:s},s:{s:s}}}", "application", "a", "properties",
                   "n", 2, "instances", "web", "class", "WEB", "count", 2, "sub", "class", "WEB", "count",
                   "$n", "db", "class", "MYSQL");
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) value = json_integer (7);
    json_t *instances = json_object_get (document, "instances"), *web = json_object_get (instances, "web");

    g_assert_true (application_edit_count (document, "web", 4, NULL));
    g_assert_cmpint (json_int (web, "count", 0), ==, 4);
    g_assert_true (application_edit_count (document, "sub", 5, NULL));
    g_assert_cmpint (json_int (json_object_get (document, "properties"), "n", 0), ==, 5);
    g_assert_false (application_edit_count (document, "db", 2, NULL));
    g_assert_false (application_edit_count (document, "wbe", 2, &error));
    g_assert_cmpstr (error->message, ==, "there is no instance \"wbe\" (did you mean 'web'?)");
    g_assert_true (application_edit_set (document, "web.max_conn", value, NULL));
    g_assert_cmpint (json_int (json_object_get (web, "set"), "max_conn", 0), ==, 7);
    g_assert_false (application_edit_set (document, "m", value, NULL));
    g_assert_true (application_edit_name (document, "b", NULL));
    g_assert_false (application_edit_name (document, "B", NULL));
}

static void
test_api_json (void)
{
    g_autoptr (Catalog) catalog = fixture_catalog ();
    CatalogEntry web, webx;

    g_assert_true (catalog_get (catalog, "WEB", &web) && catalog_get (catalog, "WEBX", &webx));
    g_autoptr (json_t) class = class_json (web.class);
    g_autoptr (json_t) assembly = assembly_json (webx.assembly);
    json_t *terminal = json_array_get (json_object_get (class, "terminals"), 0);
    json_t *inner = json_array_get (json_object_get (assembly, "instances"), 1);
    json_t *max_conn = json_array_get (json_object_get (class, "properties"), 1);
    json_t *memory = json_object_get (json_object_get (class, "resources"), "memory");

    g_assert_cmpstr (json_str (terminal, "name", ""), ==, "db");
    g_assert_cmpstr (json_str (terminal, "protocol", ""), ==, "mysql");
    g_assert_cmpint (json_int (max_conn, "max", 0), ==, 4096);
    g_assert_cmpint (json_int (memory, "max", 0), ==, 4LL << 30);
    g_assert_cmpstr (json_str (inner, "count", ""), ==, "$members");
}

static void
test_values_from_command_line (void)
{
    static const struct {
        PropertyType type;
        const char *text, *json;
    } cases[] = {
        {PROPERTY_INTEGER, "80", "80"},     {PROPERTY_STRING, "80", "\"80\""},
        {PROPERTY_BOOLEAN, "true", "true"}, {PROPERTY_BOOLEAN, "yes", "\"yes\""},
        {PROPERTY_NUMBER, "0.5", "0.5"},    {PROPERTY_SECRET, "~", "\"~\""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        const Property property = {.name = (char *)"p", .type = cases[i].type};
        g_autoptr (json_t) value = property_value_from_text (&property, cases[i].text);
        g_autofree char *text = json_text (value);
        g_assert_cmpstr (text, ==, cases[i].json);
    }
}

/* A thousand problems: all are counted, the first are kept. */
static void
test_many_problems (void)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (GError) error = NULL;

    for (guint i = 0; i < 1000; i++)
        problems_add (problems, "bad_value", "a", NULL, "wrong %u", i);
    g_autoptr (json_t) list = problems_json (problems);
    g_autofree char *text = problems_text (problems);
    g_assert_cmpuint (problems_count (problems), ==, 1000);
    g_assert_cmpuint (json_array_size (list), ==, PROBLEMS_LIMIT);
    g_assert_true (g_str_has_suffix (text, "and 800 more\n"));
    g_assert_false (problems_to_error (problems, &error));
    g_assert_cmpstr (error->message, ==, "a: wrong 0 (and 999 more)");
}

static void
test_amounts (void)
{
    static const struct {
        AmountKind kind;
        const char *text;
        double amount; /* 0: refused */
        const char *shown;
    } cases[] = {
        {AMOUNT_MEMORY, "192M", 192 << 20, "192M"},
        {AMOUNT_MEMORY, "1.5G", 1536 << 20, "1536M"},
        {AMOUNT_CPU, "0.25", 0.25, "0.25"},
        {AMOUNT_NETWORK, "100M", 100e6, "100M"},
        {AMOUNT_NETWORK, "1G", 1e9, "1G"},
        {AMOUNT_SIZE, "2T", 2199023255552.0, "2T"},
        {AMOUNT_SIZE, "1000", 1000, "1000"},
        {AMOUNT_MEMORY, "192m", 0, NULL},
        {AMOUNT_MEMORY, "192 M", 0, NULL},
        {AMOUNT_MEMORY, "-1M", 0, NULL},
        {AMOUNT_MEMORY, "", 0, NULL},
        {AMOUNT_MEMORY, "1e3", 0, NULL},
        {AMOUNT_MEMORY, "0.3", 0, NULL},
        {AMOUNT_CPU, "1K", 0, NULL},
        {AMOUNT_CPU, "0", 0, NULL},
        {AMOUNT_SIZE, "99999999999T", 0, NULL},
        {AMOUNT_MEMORY, "1.M", 0, NULL},
        {AMOUNT_MEMORY, "M", 0, NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (Problems) problems = problems_new ();
        g_autoptr (json_t) value = json_string (cases[i].text);
        double amount = 0;
        g_assert_cmpint (amount_parse (value, cases[i].kind, "a", problems, &amount), ==,
                         cases[i].amount > 0);
        g_assert_cmpfloat (amount, ==, cases[i].amount);
        g_autofree char *shown = amount > 0 ? amount_text (amount, cases[i].kind) : NULL;
        g_assert_cmpstr (shown, ==, cases[i].shown);
    }
}

static void
test_protocols (void)
{
    const Protocol *http = protocol_get ("http"), *any = protocol_get ("any"), *nfs = protocol_get ("nfs");

    g_assert_true (protocol_narrower (http, any) == http);
    g_assert_true (protocol_narrower (any, http) == http);
    g_assert_true (protocol_narrower (any, any) == any);
    g_assert_null (protocol_narrower (http, nfs));
    g_assert_null (protocol_get ("HTTP"));
    g_assert_cmpuint (nfs->ports[0].from, ==, 2049);
}

static void
test_nearest (void)
{
    static const char *const words[] = {"count", "class", "spread", "in", NULL};

    g_assert_cmpstr (nearest_word ("cuont", words), ==, "count");
    g_assert_cmpstr (nearest_word ("clas", words), ==, "class");
    g_assert_cmpstr (nearest_word ("n", words), ==, "in");
    g_assert_null (nearest_word ("colour", words));
    g_assert_null (nearest_word ("x", words));
    g_assert_null (nearest_word ("", words));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/model/wrong-descriptions-have-their-exact-problems", test_wrong_descriptions);
    g_test_add_func ("/model/application-opens-to-members", test_open);
    g_test_add_func ("/model/assembly-stands-where-a-class-can", test_assembly_in_place_of_class);
    g_test_add_func ("/model/assembly-in-assembly-in-tiers", test_nested_tiers);
    g_test_add_func ("/model/volume-per-member", test_per_member_volumes);
    g_test_add_func ("/model/circle-of-wires-starts-together", test_cycle);
    g_test_add_func ("/model/assembly-that-contains-itself", test_assembly_cycle);
    g_test_add_func ("/model/assemblies-too-deep", test_too_deep);
    g_test_add_func ("/model/too-many-members", test_too_many);
    g_test_add_func ("/model/snapshot-opens-the-same", test_snapshot);
    g_test_add_func ("/model/class-references", test_references);
    g_test_add_func ("/model/differences", test_diff);
    g_test_add_func ("/model/edits", test_edits);
    g_test_add_func ("/model/classes-for-the-api", test_api_json);
    g_test_add_func ("/model/values-from-a-command-line", test_values_from_command_line);
    g_test_add_func ("/model/more-problems-than-are-kept", test_many_problems);
    g_test_add_func ("/model/amounts", test_amounts);
    g_test_add_func ("/model/protocols", test_protocols);
    g_test_add_func ("/model/nearest-word", test_nearest);
    return g_test_run ();
}
