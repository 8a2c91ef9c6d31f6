/* Operations on descriptions: each one, what it refuses, and that its inverse puts back what was there. */
#include "tests/lib/fixture_catalog.h"

#include "vdc/base/json.h"
#include "vdc/model/description_changes.h"
#include "vdc/model/description_diff.h"
#include "vdc/model/description_text.h"
#include "vdc/model/ops.h"
#include "vdc/model/wire_check.h"

#include <string.h>

#define SEQUENCES 400
#define SEQUENCE_OPS 12

static const char shop[] =
    "application: shop\n"
    "properties: {title: welcome, members: 2}\n"
    "instances:\n"
    "  in:  {class: IN}\n"
    "  lb:  {class: HLB}\n"
    "  web: {class: WEB, count: $members, set: {docroot: $title}, volumes: {content: pages}}\n"
    "  db:  {class: MYSQL, volumes: {data: rows}}\n"
    "wires:\n"
    "  - in.out -> lb.in\n"
    "  - lb.out -> web.in\n"
    "  - web.db -> db.in\n"
    "volumes:\n"
    "  pages: {size: 1G}\n"
    "  rows:  {size: 2G}\n"
    "layout:\n"
    "  in:  {x: 80, y: 120}\n"
    "  lb:  {x: 300, y: 120}\n"
    "  web: {x: 520, y: 200}\n";

static Catalog *
test_catalog (void)
{
    static Catalog *catalog;

    if (catalog == NULL) {
        g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "tests", "fixtures", "catalog", NULL);
        catalog = catalog_new ();
        g_assert_true (fixture_catalog_add (catalog, folder));
    }
    return catalog;
}

static json_t *
read_yaml (const char *text)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_parse (text, strlen (text), DOCUMENT_YAML, problems);

    g_assert_cmpuint (problems_count (problems), ==, 0);
    return json_incref (document_root (document));
}

/* JSON with ' for ". */
static json_t *
ops (const char *text)
{
    g_autofree char *json = g_strdelimit (g_strdup (text), "'", '"');
    json_error_t error;
    json_t *value = json_loads (json, JSON_REJECT_DUPLICATES, &error);

    if (value == NULL)
        g_error ("%s: %s", error.text, text);
    return value;
}

static void
assert_equal (const json_t *have, const json_t *want)
{
    g_autofree char *left = document_yaml (have);
    g_autofree char *right = document_yaml (want);

    if (!json_equal (have, want))
        g_assert_cmpstr (left, ==, right);
}

static void
assert_sound (const json_t *document)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) parsed = document_new ((json_t *)document);
    g_autoptr (Topology) topology = topology_from_document (parsed, test_catalog (), problems);
    g_autofree char *text = problems_text (problems);

    g_assert_cmpstr (text, ==, "");
    g_assert_nonnull (topology);
}

/* The result, after its inverse was seen to put @document back. */
static json_t *
applied (const json_t *document, const char *text)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (json_t) list = ops (text), copy = json_deep_copy (document);
    g_auto (OpsResult) result = {0}, back = {0};
    gboolean good = ops_apply (document, list, test_catalog (), &result, problems);
    g_autofree char *wrong = problems_text (problems);

    g_assert_cmpstr (wrong, ==, "");
    g_assert_true (good);
    assert_equal (document, copy);
    g_assert_true (ops_apply (result.document, result.inverse, NULL, &back, problems));
    assert_equal (back.document, document);
    return json_incref (result.document);
}

/* "CODE PATH" of each problem, one a line. */
static void
assert_refused (const json_t *document, const char *text, const char *expected)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (json_t) list = ops (text), copy = json_deep_copy (document);
    g_autoptr (GString) found = g_string_new (NULL);
    g_auto (OpsResult) result = {0};

    g_assert_false (ops_apply (document, list, test_catalog (), &result, problems));
    for (guint i = 0; i < problems_kept (problems); i++)
        g_string_append_printf (found, "%s%s %s", i > 0 ? "\n" : "", problems_get (problems, i)->code,
                                problems_get (problems, i)->path);
    g_assert_cmpstr (found->str, ==, expected);
    g_assert_null (result.document);
    assert_equal (document, copy);
}

static const char *
text_at (const json_t *document, const char *path)
{
    g_auto (GStrv) words = path_split (path);

    for (char **word = words; *word != NULL; word++)
        document = json_object_get (document, *word);
    return json_string_value (document);
}

static json_t *
wires_of (const json_t *document)
{
    return json_object_get (document, "wires");
}

/* -- each operation -- */

static void
test_add_remove (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) added = applied (
        before, "[{'op': 'add', 'path': 'instances.log', 'value': {'class': 'WEB'}, 'before': 'db'}]");
    const char *order[] = {"in", "lb", "web", "log", "db"}, *name;
    json_t *value;
    guint i = 0;

    json_object_foreach (json_object_get (added, "instances"), name, value)
        g_assert_cmpstr (name, ==, order[i++]);
    g_autoptr (json_t) removed = applied (before, "[{'op': 'remove', 'path': 'instances.web'}]");
    g_assert_cmpuint (json_array_size (wires_of (removed)), ==, 1);
    g_assert_null (json_object_get (json_object_get (removed, "layout"), "web"));
    g_autoptr (json_t) volume = applied (before, "[{'op': 'remove', 'path': 'volumes.rows'}]");
    g_assert_null (text_at (volume, "instances.db.volumes.data"));
    assert_refused (before, "[{'op': 'remove', 'path': 'instances.wed'}]", "unknown_instance instances.wed");
    assert_refused (before, "[{'op': 'add', 'path': 'instances.web', 'value': {'class': 'WEB'}}]",
                    "duplicate_key instances.web");
    assert_refused (before, "[{'op': 'add', 'path': 'instances.x', 'value': {'class': 'WEBB'}}]",
                    "unknown_class instances.x.class");
}

static void
test_set (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) set =
        applied (before, "[{'op': 'set', 'path': 'instances.web.set.docroot', 'value': '/x'},"
                         " {'op': 'set', 'path': 'instances.lb.resources.cpu', 'value': 0.5},"
                         " {'op': 'set', 'path': 'summary', 'value': 'A shop'},"
                         " {'op': 'set', 'path': 'layout._notes.n1', 'value': {'text': 'x'}}]");
    g_assert_cmpstr (text_at (set, "instances.web.set.docroot"), ==, "/x");
    g_autoptr (json_t) unset =
        applied (set, "[{'op': 'set', 'path': 'instances.lb.resources.cpu', 'value': null}]");
    g_assert_null (
        json_object_get (json_object_get (json_object_get (unset, "instances"), "lb"), "resources"));
    assert_refused (before, "[{'op': 'set', 'path': 'instances.web.set.docrot', 'value': '/'}]",
                    "unknown_property instances.web.set.docrot");
    assert_refused (before, "[{'op': 'set', 'path': 'instances.web.cuont', 'value': 2}]",
                    "unknown_key instances.web.cuont");
    assert_refused (before, "[{'op': 'set', 'path': 'instances', 'value': {}}]", "bad_path ops[0].path");
    assert_refused (before, "[{'op': 'set', 'path': 'application', 'value': 'x'}]", "bad_path ops[0].path");
    assert_refused (before, "[{'op': 'set', 'path': 'volumes.rows', 'value': null}]",
                    "not_allowed volumes.rows");
}

static void
test_move (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) moved = applied (before, "[{'op': 'move', 'path': 'instances.db', 'x': 7, 'y': 8.5},"
                                                " {'op': 'move', 'path': 'instances.in', 'x': 1, 'y': 2}]");
    g_assert_cmpint (json_int (json_object_get (json_object_get (moved, "layout"), "db"), "x", 0), ==, 7);
    assert_refused (before, "[{'op': 'move', 'path': 'instances.db', 'x': 'left', 'y': 1}]",
                    "wrong_type ops[0].x");
    assert_refused (before, "[{'op': 'move', 'path': 'wires.db', 'x': 1, 'y': 1}]", "bad_path ops[0].path");
}

static void
test_wire (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) without = applied (before, "[{'op': 'unwire', 'from': 'lb.out'}]");
    g_autoptr (json_t) again =
        applied (without, "[{'op': 'wire', 'from': 'lb.out', 'to': 'web.in', 'index': 1}]");
    assert_equal (again, before);
    assert_refused (before, "[{'op': 'wire', 'from': 'lb.out', 'to': 'web.in'}]",
                    "output_wired_twice wires[\"lb.out\"]");
    g_autoptr (json_t) replaced =
        applied (before, "[{'op': 'wire', 'from': 'in.out', 'to': 'web.in', 'replace': true}]");
    g_assert_cmpstr (json_string_value (json_array_get (wires_of (replaced), 0)), ==, "in.out -> web.in");
    assert_refused (without, "[{'op': 'wire', 'from': 'lb.out', 'to': 'db.in'}]",
                    "protocol_mismatch wires[2]");
    assert_refused (without, "[{'op': 'wire', 'from': 'web.in', 'to': 'lb.in'}]", "side_mismatch wires[2]");
    assert_refused (before, "[{'op': 'unwire', 'from': 'db.out'}]", "unknown_wire wires[\"db.out\"]");
    g_autoptr (json_t) none =
        applied (before, "[{'op': 'unwire', 'from': 'lb.out'}, {'op': 'unwire', 'from': "
                         "'in.out'}, {'op': 'unwire', 'from': 'web.db', 'to': 'db.in'}]");
    g_assert_null (wires_of (none));
}

static void
test_rename (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) after =
        applied (before, "[{'op': 'rename', 'path': 'instances.web', 'to': 'www'},"
                         " {'op': 'rename', 'path': 'volumes.rows', 'to': 'tables'},"
                         " {'op': 'rename', 'path': 'properties.members', 'to': 'n'}]");
    assert_sound (after);
    g_assert_cmpstr (json_string_value (json_array_get (wires_of (after), 1)), ==, "lb.out -> www.in");
    g_assert_cmpstr (text_at (after, "instances.db.volumes.data"), ==, "tables");
    g_assert_cmpstr (text_at (after, "instances.www.count"), ==, "$n");
    g_assert_nonnull (json_object_get (json_object_get (after, "layout"), "www"));
    assert_refused (before, "[{'op': 'rename', 'path': 'instances.web', 'to': 'db'}]",
                    "duplicate_key instances.db");

    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (json_t) list = ops ("[{'op': 'rename', 'path': 'volumes.rows', 'to': 'tables'}]");
    g_auto (OpsResult) result = {0};
    g_assert_true (ops_apply (before, list, test_catalog (), &result, problems));
    g_autofree char *renamed = json_text (result.renamed);
    g_assert_cmpstr (renamed, ==, "[[\"rows\",\"tables\"]]");
}

#define GROUP "{'op': 'group', 'instances': ['lb', 'web'], 'as': 'FRONT', 'name': 'front'}"

static void
test_group (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) after = applied (before, "[" GROUP "]");
    g_autoptr (json_t) expected = read_yaml ("terminals:\n"
                                             "  in: {side: input, protocol: http, inside: lb.in}\n"
                                             "  db: {side: output, protocol: mysql, inside: web.db}\n"
                                             "properties:\n"
                                             "  members: {type: integer, min: 1, max: 64}\n"
                                             "  title: {type: string, default: /}\n"
                                             "instances:\n"
                                             "  lb:  {class: HLB}\n"
                                             "  web: {class: WEB, count: $members, set: {docroot: $title}}\n"
                                             "wires:\n"
                                             "  - lb.out -> web.in\n"
                                             "volumes: {content: {inside: web.content}}\n"
                                             "layout:\n"
                                             "  lb:  {x: 80, y: 80}\n"
                                             "  web: {x: 300, y: 160}\n");
    json_t *made = json_object_get (json_object_get (after, "assemblies"), "FRONT");
    json_t *title = json_object_get (json_object_get (made, "properties"), "title");
    json_object_del (title, "help");
    assert_equal (made, expected);
    assert_sound (after);
    g_assert_cmpstr (json_string_value (json_array_get (wires_of (after), 0)), ==, "in.out -> front.in");
    g_assert_cmpstr (text_at (after, "instances.front.class"), ==, "local/FRONT");
    g_assert_cmpstr (text_at (after, "instances.front.volumes.content"), ==, "pages");
    assert_refused (after, "[{'op': 'remove', 'path': 'assemblies.FRONT'}]", "in_use assemblies.FRONT");
    assert_refused (before, "[{'op': 'group', 'instances': ['lb', 'no'], 'as': 'F', 'name': 'f'}]",
                    "unknown_instance instances.no");
    assert_refused (before, "[{'op': 'group', 'instances': ['lb'], 'as': 'front', 'name': 'db'}]",
                    "bad_name ops[0].as");
}

/* Opened, an application is the same before, grouped (but for the names), and grouped and ungrouped. */
static void
test_group_ungroup (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) after = applied (before, "[" GROUP ", {'op': 'ungroup', 'path': 'instances.front'}]");
    g_autoptr (GPtrArray) changes = description_changes (before, after);

    g_assert_cmpuint (changes->len, ==, 0);
    /* In an assembly, with what that shows, and two deep. */
    g_autoptr (json_t) deep = applied (
        before,
        "[" GROUP ", {'op': 'group', 'in': 'FRONT', 'instances': ['web'], 'as': 'PAGES', 'name': 'pages'}]");
    assert_sound (deep);
    g_autoptr (json_t) flat = applied (deep, "[{'op': 'ungroup', 'path': 'instances.front'},"
                                             " {'op': 'ungroup', 'path': 'instances.pages'}]");
    g_autoptr (GPtrArray) left = description_changes (before, flat);
    g_assert_cmpuint (left->len, ==, 0);
    assert_refused (before, "[{'op': 'ungroup', 'path': 'instances.web'}]", "not_allowed instances.web");
}

static void
test_in_assembly (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) grouped = applied (before, "[" GROUP "]");
    g_autoptr (json_t) after =
        applied (grouped, "[{'op': 'rename', 'in': 'FRONT', 'path': 'terminals.in', 'to': 'http'},"
                          " {'op': 'rename', 'in': 'FRONT', 'path': 'instances.web', 'to': 'www'},"
                          " {'op': 'rename', 'in': 'FRONT', 'path': 'volumes.content', 'to': 'files'},"
                          " {'op': 'rename', 'in': 'FRONT', 'path': 'properties.title', 'to': 'root'},"
                          " {'op': 'rename', 'path': 'assemblies.FRONT', 'to': 'EDGE'},"
                          " {'op': 'set', 'in': 'EDGE', 'path': 'instances.www.order', 'value': 3}]");
    assert_sound (after);
    g_assert_cmpstr (json_string_value (json_array_get (wires_of (after), 0)), ==, "in.out -> front.http");
    g_assert_cmpstr (text_at (after, "instances.front.class"), ==, "local/EDGE");
    g_assert_cmpstr (text_at (after, "instances.front.volumes.files"), ==, "pages");
    g_assert_cmpstr (text_at (after, "instances.front.set.root"), ==, "$title");
    assert_refused (grouped, "[{'op': 'set', 'in': 'FRUNT', 'path': 'summary', 'value': 'x'}]",
                    "unknown_assembly ops[0].in");
    assert_refused (grouped, "[{'op': 'set', 'in': 'FRONT', 'path': 'instances.web.set.no', 'value': 1}]",
                    "unknown_property assemblies.FRONT.instances.web.set.no");
}

/* -- what is refused -- */

static void
test_all_problems_at_once (void)
{
    g_autoptr (json_t) before = read_yaml (shop);

    assert_refused (
        before, "[{'op': 'wier'}, {'path': 'x'}, 7, {'op': 'set', 'path': 'instances.no.count', 'value': 1}]",
        "bad_value ops[0].op\nmissing_key ops[1]\nwrong_type ops[2]\nunknown_instance instances.no");
}

static void
test_hostile_names (void)
{
    static const char *const names[] = {"../../etc", "a.b",       "web ",       "We", "-a",
                                        "a b",       "$(reboot)", "\\u202eweb", ""};
    g_autoptr (json_t) before = read_yaml (shop);

    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *add = g_strdup_printf (
            "[{'op': 'add', 'path': 'instances[\\\"%s\\\"]', 'value': {'class': 'WEB'}}]", names[i]);
        g_autofree char *rename =
            g_strdup_printf ("[{'op': 'rename', 'path': 'instances.web', 'to': '%s'}]", names[i]);
        g_autofree char *group =
            g_strdup_printf ("[{'op': 'group', 'instances': ['lb'], 'as': 'F', 'name': '%s'}]", names[i]);
        const char *const texts[] = {add, rename, group};
        for (gsize k = 0; k < G_N_ELEMENTS (texts); k++) {
            g_autoptr (Problems) problems = problems_new ();
            g_autoptr (json_t) list = ops (texts[k]);
            g_auto (OpsResult) result = {0};
            g_assert_false (ops_apply (before, list, test_catalog (), &result, problems));
            g_assert_true (problems_has (problems, "bad_name"));
        }
    }
}

static void
test_limits (void)
{
    g_autoptr (json_t) before = read_yaml (shop);

    for (int n = OPS_MAX - 1; n <= OPS_MAX + 1; n++) {
        g_autoptr (Problems) problems = problems_new ();
        g_autoptr (json_t) list = json_array ();
        g_auto (OpsResult) result = {0};
        for (int i = 0; i < n; i++)
            json_array_append_new (list, json_pack ("{s:s, s:s, s:i, s:i}", "op", "move", "path",
                                                    "instances.db", "x", i, "y", i));
        g_assert_cmpint (ops_apply (before, list, NULL, &result, problems), ==, n <= OPS_MAX);
        g_assert_cmpint (problems_has (problems, "too_many"), ==, n > OPS_MAX);
    }
}

/* -- sequences -- */

static const char *const members[] = {"in", "lb", "web", "db", "nas", "x1", "front"};
static const char *const ends[] = {"in.out", "lb.out", "web.db", "web.fs",  "web.in",
                                   "lb.in",  "db.in",  "x1.db",  "front.in"};
static const char *const places[] = {"instances.web.count",
                                     "instances.web.set.docroot",
                                     "instances.lb.order",
                                     "volumes.rows.size",
                                     "properties.title",
                                     "summary",
                                     "instances.web.volumes.content",
                                     "layout._frames.f1.x"};

static const char *
pick (GRand *random, const char *const *list, gsize n)
{
    return list[g_rand_int_range (random, 0, (gint)n)];
}

#define PICK(list) pick (random, list, G_N_ELEMENTS (list))

static json_t *
random_op (GRand *random)
{
    g_autofree char *path = g_strconcat ("instances.", PICK (members), NULL);

    switch (g_rand_int_range (random, 0, 10)) {
    case 0:
        return json_pack ("{s:s, s:s, s:{s:s}}", "op", "add", "path", path, "value", "class", "WEB");
    case 1:
        return json_pack ("{s:s, s:s}", "op", "remove", "path",
                          g_rand_boolean (random) ? path : "volumes.rows");
    case 2:
        return json_pack ("{s:s, s:s, s:i}", "op", "set", "path", PICK (places), "value",
                          g_rand_int_range (random, 1, 5));
    case 3:
        return json_pack ("{s:s, s:s, s:n}", "op", "set", "path", PICK (places), "value");
    case 4:
        return json_pack ("{s:s, s:s, s:i, s:i}", "op", "move", "path", path, "x",
                          g_rand_int_range (random, 0, 9), "y", 2);
    case 5:
        return json_pack ("{s:s, s:s, s:s}", "op", "rename", "path",
                          g_rand_boolean (random) ? path : "volumes.pages", "to", PICK (members));
    case 6:
        return json_pack ("{s:s, s:s, s:s, s:b}", "op", "wire", "from", PICK (ends), "to", PICK (ends),
                          "replace", g_rand_boolean (random));
    case 7:
        return json_pack ("{s:s, s:s}", "op", "unwire", "from", PICK (ends));
    case 8:
        return json_pack ("{s:s, s:[s, s], s:s, s:s}", "op", "group", "instances", PICK (members),
                          PICK (members), "as", g_rand_boolean (random) ? "A" : "B", "name", PICK (members));
    default:
        return json_pack ("{s:s, s:s}", "op", "ungroup", "path", path);
    }
}

/* The seed of a failure is in the program's output ("random seed"); --seed runs it again. */
static void
test_inverse_of_sequences (void)
{
    g_autoptr (json_t) start = read_yaml (shop);
    guint done = 0;

    for (guint round = 0; round < SEQUENCES; round++) {
        GRand *random = g_rand_new_with_seed ((guint32)g_test_rand_int ());
        g_autoptr (json_t) document = json_incref (start);
        g_autoptr (json_t) undo = json_array ();
        for (guint i = 0; i < SEQUENCE_OPS; i++) {
            g_autoptr (Problems) problems = problems_new ();
            g_autoptr (json_t) list = json_pack ("[o]", random_op (random));
            g_auto (OpsResult) result = {0}, back = {0};
            if (!ops_apply (document, list, i % 2 ? test_catalog () : NULL, &result, problems))
                continue;
            done++;
            g_assert_true (ops_apply (result.document, result.inverse, NULL, &back, problems));
            assert_equal (back.document, document);
            json_array_insert (undo, 0, result.inverse);
            /* Operations made from the difference lead to the same. */
            g_autoptr (json_t) same = ops_between (document, result.document);
            g_auto (OpsResult) there = {0};
            g_assert_true (ops_apply (document, same, NULL, &there, problems));
            g_autoptr (GPtrArray) rest = description_changes (there.document, result.document);
            g_assert_cmpuint (rest->len, ==, 0);
            json_decref (document);
            document = json_incref (result.document);
        }
        gsize i;
        json_t *inverse;
        json_array_foreach (undo, i, inverse) {
            g_autoptr (Problems) problems = problems_new ();
            g_auto (OpsResult) back = {0};
            g_assert_true (ops_apply (document, inverse, NULL, &back, problems));
            json_decref (document);
            document = json_incref (back.document);
        }
        assert_equal (document, start);
        g_rand_free (random);
    }
    g_test_message ("%u operations done and undone", done);
    g_assert_cmpuint (done, >, SEQUENCES);
}

/* -- differences and what they do -- */

static Topology *
topology_of (json_t *document)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) parsed = document_new (document);

    return topology_from_document (parsed, test_catalog (), problems);
}

/* "PATH EFFECT MEMBER,MEMBER" of each change, one a line. */
static void
assert_diff (const json_t *before, const char *text, const char *expected)
{
    g_autoptr (json_t) after = applied (before, text);
    g_autoptr (Topology) old = topology_of ((json_t *)before), new = topology_of (after);
    g_autoptr (json_t) changes = description_diff (before, after, old, new, test_catalog ());
    g_autoptr (GString) found = g_string_new (NULL);
    gsize i, k;
    json_t *change, *member;

    g_assert_nonnull (new);
    json_array_foreach (changes, i, change) {
        g_string_append_printf (found, "%s%s %s", i > 0 ? "\n" : "", json_str (change, "path", ""),
                                json_str (change, "effect", ""));
        json_array_foreach (json_object_get (change, "members"), k, member)
            g_string_append_printf (found, "%s%s", k > 0 ? "," : " ", json_string_value (member));
    }
    g_assert_cmpstr (found->str, ==, expected);
}

static void
test_effects (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) grouped = applied (before, "[" GROUP "]");

    assert_diff (before, "[{'op': 'move', 'path': 'instances.in', 'x': 1, 'y': 1}]",
                 "layout.in.x none\nlayout.in.y none");
    assert_diff (before, "[{'op': 'set', 'path': 'properties.members', 'value': 3}]",
                 "properties.members live");
    assert_diff (before, "[{'op': 'set', 'path': 'instances.web.resources.cpu', 'value': 1}]",
                 "instances.web.resources restart web.1,web.2");
    assert_diff (before,
                 "[{'op': 'set', 'path': 'instances.web.resources.cpu', 'value': 1},"
                 " {'op': 'set', 'path': 'instances.web.set.max_conn', 'value': 7}]",
                 "instances.web.set.max_conn live\ninstances.web.resources restart web.1,web.2");
    assert_diff (grouped, "[{'op': 'set', 'in': 'FRONT', 'path': 'instances.lb.resources.cpu', 'value': 1}]",
                 "assemblies.FRONT.instances.lb.resources restart front.lb");
    g_autoptr (json_t) small = read_yaml ("application: small\n"
                                          "instances: {a: {class: local/L}, b: {class: local/L}}\n"
                                          "assemblies: {L: {instances: {x: {class: LINUX}}}}\n");
    assert_diff (small, "[{'op': 'set', 'in': 'L', 'path': 'instances.x.resources.memory', 'value': '256M'}]",
                 "assemblies.L.instances.x.resources restart_all a.x,b.x");
}

static void
test_own_assemblies (void)
{
    static const char *const wrong[][2] = {
        {"class: local/NO", "unknown_class instances.a.class"},
        {"class: L", "unknown_class instances.a.class"},
        {"class: local/L, set: {q: 1}", "unknown_property instances.a.set.q"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_autofree char *text = g_strdup_printf ("application: small\ninstances: {a: {%s}}\n"
                                                 "assemblies: {L: {instances: {x: {class: LINUX}}}}\n",
                                                 wrong[i][0]);
        g_autoptr (json_t) root = read_yaml (text);
        g_autoptr (Problems) problems = problems_new ();
        g_autoptr (Document) document = document_new (root);
        g_assert_null (topology_from_document (document, test_catalog (), problems));
        g_autofree char *found =
            g_strdup_printf ("%s %s", problems_get (problems, 0)->code, problems_get (problems, 0)->path);
        g_assert_cmpstr (found, ==, wrong[i][1]);
    }
    g_autoptr (json_t) circle = read_yaml ("application: small\ninstances: {a: {class: local/L}}\n"
                                           "assemblies:\n"
                                           "  L: {instances: {x: {class: local/M}}}\n"
                                           "  M: {instances: {y: {class: local/L}}}\n"
                                           "  N: {assembly: N, instances: {z: {class: WEB, cuont: 1}}}\n");
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_new (circle);
    g_assert_null (topology_from_document (document, test_catalog (), problems));
    g_autofree char *text = problems_text (problems);
    g_assert_true (problems_has (problems, "assembly_cycle"));
    g_assert_nonnull (strstr (text, "assemblies.N.instances.z.cuont"));
    g_assert_nonnull (strstr (text, "assemblies.N.assembly: its key is its name"));
}

/* What an editor lights up is what is accepted: each terminal's answer against the operation itself. */
static void
test_wire_check_is_what_operations_say (void)
{
    g_autoptr (json_t) before = read_yaml (shop);
    g_autoptr (json_t) list = wire_check_json (before, NULL, "web.fs", test_catalog (), NULL);
    gsize i;
    json_t *item;
    guint allowed = 0;

    g_assert_cmpuint (json_array_size (json_object_get (list, "items")), >, 5);
    json_array_foreach (json_object_get (list, "items"), i, item) {
        g_autoptr (json_t) one = json_pack ("[{s:s, s:s, s:O}]", "op", "wire", "from", "web.fs", "to",
                                            json_object_get (item, "terminal"));
        g_autoptr (Problems) problems = problems_new ();
        g_auto (OpsResult) result = {0};
        gboolean good = ops_apply (before, one, test_catalog (), &result, problems);
        g_assert_cmpint (good, ==, json_is_true (json_object_get (item, "may")));
        if (!good)
            g_assert_cmpstr (problems_get (problems, 0)->code, ==, json_str (item, "code", ""));
        allowed += good;
    }
    g_assert_cmpuint (allowed, ==, 0);
    g_autoptr (json_t) more =
        applied (before, "[{'op': 'add', 'path': 'instances.nas', 'value': {'class': 'NAS'}}]");
    g_autoptr (json_t) lit = wire_check_json (more, NULL, "web.fs", test_catalog (), NULL);
    json_array_foreach (json_object_get (lit, "items"), i, item) {
        gboolean nas = strcmp (json_str (item, "terminal", ""), "nas.nfs") == 0;
        g_assert_cmpint (nas, ==, json_is_true (json_object_get (item, "may")));
    }
}

static void
test_text_follows (void)
{
    static const char text[] = "# head\napplication: a  # name\nproperties: {n: 1, t: \"x\"} # both\n"
                               "instances:\n  web: {class: WEB, count: 2}   # two\n";
    g_autoptr (json_t) before = read_yaml (text);
    g_autoptr (json_t) values = applied (before, "[{'op': 'set', 'path': 'properties.n', 'value': 25},"
                                                 " {'op': 'set', 'path': 'properties.t', 'value': 'a: #b'},"
                                                 " {'op': 'set', 'path': 'instances.web.count', 'value': 3},"
                                                 " {'op': 'move', 'path': 'instances.web', 'x': 1, 'y': 2}]");
    g_autofree char *followed = description_text_follow (text, values);
    g_assert_cmpstr (followed, ==,
                     "# head\napplication: a  # name\nproperties: {n: 25, t: \"a: #b\"} # both\n"
                     "instances:\n  web: {class: WEB, count: 3}   # two\n"
                     "layout:\n  web:\n    x: 1\n    y: 2\n");
    g_autoptr (json_t) added =
        applied (before, "[{'op': 'add', 'path': 'instances.db', 'value': {'class': 'WEB'}}]");
    g_assert_null (description_text_follow (text, added));
}

/* -- a large draft -- */

/* 200 instances, 500 members. */
static json_t *
large (void)
{
    json_t *instances = json_object (), *wires = json_array ();

    json_object_set_new (instances, "lb", json_pack ("{s:s}", "class", "HLB"));
    for (int i = 0; i < 199; i++) {
        g_autofree char *name = g_strdup_printf ("web%d", i);
        json_object_set_new (instances, name,
                             json_pack ("{s:s, s:i}", "class", "WEB", "count", i < 101 ? 3 : 2));
    }
    json_array_append_new (wires, json_string ("lb.out -> web0.in"));
    return json_pack ("{s:s, s:o, s:o}", "application", "large", "instances", instances, "wires", wires);
}

static void
test_large (void)
{
    g_autoptr (json_t) document = large ();
    g_autoptr (json_t) list = ops ("[{'op': 'set', 'path': 'instances.web7.count', 'value': 1}]");
    gint64 start_us = g_get_monotonic_time ();

    for (int i = 0; i < 20; i++) {
        g_autoptr (Problems) problems = problems_new ();
        g_auto (OpsResult) result = {0};
        g_assert_true (ops_apply (document, list, test_catalog (), &result, problems));
    }
    g_test_message ("an operation on 200 instances, 500 members: %.2f ms",
                    (double)(g_get_monotonic_time () - start_us) / 20000);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/ops/add-remove", test_add_remove);
    g_test_add_func ("/ops/set", test_set);
    g_test_add_func ("/ops/move", test_move);
    g_test_add_func ("/ops/wire", test_wire);
    g_test_add_func ("/ops/rename", test_rename);
    g_test_add_func ("/ops/group-computes-the-boundary", test_group);
    g_test_add_func ("/ops/group-and-ungroup-give-the-same-topology", test_group_ungroup);
    g_test_add_func ("/ops/inside-an-assembly", test_in_assembly);
    g_test_add_func ("/ops/all-problems-at-once", test_all_problems_at_once);
    g_test_add_func ("/ops/hostile-names-refused", test_hostile_names);
    g_test_add_func ("/ops/limits", test_limits);
    g_test_add_func ("/ops/inverse-of-generated-sequences", test_inverse_of_sequences);
    g_test_add_func ("/ops/large-draft", test_large);
    g_test_add_func ("/diff/effects", test_effects);
    g_test_add_func ("/assemblies/of-the-application-itself", test_own_assemblies);
    g_test_add_func ("/wires/what-is-lit-is-what-is-accepted", test_wire_check_is_what_operations_say);
    g_test_add_func ("/text/follows-with-its-comments", test_text_follows);
    return g_test_run ();
}
