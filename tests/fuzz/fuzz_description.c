/*
 * Any text as a description: it is refused with problems that can be printed, or it can be printed and read
 * back, and opened against the test catalog. Corpus: tests/fixtures/descriptions and tests/fixtures/catalog
 * as they are.
 *
 *     build/fuzz/tests/fuzz/fuzz_description -max_total_time=120 NEW tests/fixtures/descriptions
 * tests/fixtures/catalog
 */
#include "tests/lib/fixture_catalog.h"

#include "vdc/base/json.h"
#include "vdc/controller/member_spec.h"
#include "vdc/model/topology_diff.h"

#include <string.h>

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

static void
check_problems (const Problems *problems)
{
    g_autofree char *text = problems_text (problems);
    g_autoptr (json_t) json = problems_json (problems);

    g_assert_true (g_utf8_validate (text, -1, NULL));
    g_assert_cmpuint (json_array_size (json), ==, problems_kept (problems));
    for (guint i = 0; i < problems_kept (problems); i++)
        for (const char *at = problems_get (problems, i)->message; *at != '\0'; at++)
            g_assert_true (*at >= 0x20 && *at < 0x7f);
}

static void
check_round (json_t *root)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autofree char *yaml = document_yaml (root);
    g_autoptr (Document) again = document_parse (yaml, strlen (yaml), DOCUMENT_YAML, problems);

    /* Printed text is longer than what it was read from: only the limit may refuse it. */
    if (again == NULL && problems_has (problems, "too_large"))
        return;
    g_assert_cmpuint (problems_count (problems), ==, 0);
    g_assert_true (json_equal (document_root (again), root));
}

static void
check_specs (const Document *document)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Topology) topology = topology_from_document (document, test_catalog (), problems);
    g_autoptr (Addresses) addresses = addresses_new ();
    MemberRuntime runtime = {.application_id = "a1b2c3d4"};

    if (topology == NULL || !addresses_assign (addresses, topology, NULL))
        return;
    g_autoptr (Wiring) wiring = wiring_new (topology, addresses, "grid", "a1b2c3d4", NULL, NULL);
    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        json_decref (member_spec (topology, wiring, member->name, &runtime));
    }
    g_autoptr (TopologyDiff) diff = topology_diff (topology, topology);
    g_assert_true (topology_diff_is_empty (diff));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    const char *text = (const char *)data;
    DocumentFormat format = size > 0 && text[0] == '{' ? DOCUMENT_JSON : DOCUMENT_YAML;
    g_autoptr (Problems) problems = fixture_check (text, size, format, test_catalog ());
    g_autoptr (Problems) reading = problems_new ();
    g_autoptr (Document) document = document_parse (text, size, format, reading);

    check_problems (problems);
    if (document == NULL || problems_count (reading) > 0)
        return 0;
    check_round (document_root (document));
    if (problems_count (problems) == 0)
        check_specs (document);
    return 0;
}
