/*
 * Any JSON as operations, on a description that is part of the input or on a sound one: they are refused with
 * problems that can be printed, or they are applied, and their inverse puts back what was there.
 *
 * The input is a list of operations, or {"document": …, "ops": […]}.
 *
 *     build/fuzz/tests/fuzz/fuzz_ops -max_total_time=120 NEW tests/fixtures/ops
 */
#include "tests/lib/fixture_catalog.h"

#include "vdc/base/json.h"
#include "vdc/model/ops.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static Catalog *
test_catalog (void)
{
    static Catalog *catalog;

    if (catalog == NULL) {
        catalog = catalog_new ();
        g_assert_true (fixture_catalog_add (catalog, SOURCE_ROOT "/tests/fixtures/catalog"));
    }
    return catalog;
}

static json_t *
sound_document (void)
{
    return json_pack ("{s:s, s:{s:{s:s}, s:{s:s, s:i}, s:{s:s, s:{s:s}}}, s:[s, s], s:{s:{s:s}}, s:{s:i}}",
                      "application", "shop", "instances", "lb", "class", "HLB", "web", "class", "WEB", "count", 2,
                      "db", "class", "MYSQL", "volumes", "data", "rows", "wires", "lb.out -> web.in",
                      "web.db -> db.in", "volumes", "rows", "size", "1G", "properties", "a", 1);
}

static void
check_problems (const Problems *problems)
{
    for (guint i = 0; i < problems_kept (problems); i++)
        for (const char *at = problems_get (problems, i)->message; *at != '\0'; at++)
            g_assert_true (*at >= 0x20 && *at < 0x7f);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (json_t) input = json_loadb ((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *given = json_object_get (input, "document");
    g_autoptr (json_t) document = json_is_object (given) ? json_incref (given) : sound_document ();
    const json_t *ops = json_is_array (input) ? input : json_object_get (input, "ops");
    g_autoptr (json_t) copy = json_deep_copy (document);
    g_autoptr (Problems) problems = problems_new ();
    g_auto (OpsResult) result = {0}, back = {0};

    if (ops == NULL)
        return 0;
    g_autoptr (json_t) changes = json_array (), needs = json_array ();
    ops_places (ops, changes, needs);
    gboolean good = ops_apply (document, ops, test_catalog (), &result, problems);
    check_problems (problems);
    g_assert_true (json_equal (document, copy));
    /* What a broken document held where a section should be, operations do not keep. */
    if (good && document != given) {
        g_assert_true (ops_apply (result.document, result.inverse, NULL, &back, problems));
        g_assert_true (json_equal (back.document, document));
    }
    return 0;
}
