/* Compared with files that a person can read; VDC_UPDATE_GOLDEN=1 writes them anew. */
#include "tests/unit/agent_fixture.h"
#include "vdc/agent/domain_xml.h"

#include <string.h>

static void
compare (const char *name, const char *text)
{
    g_autofree char *path = g_test_build_filename (G_TEST_DIST, "tests", "golden", "domains", name, NULL);
    g_autofree char *golden = NULL;

    if (g_getenv ("VDC_UPDATE_GOLDEN") != NULL)
        g_assert_true (g_file_set_contents (path, text, -1, NULL));
    g_assert_true (g_file_get_contents (path, &golden, NULL, NULL));
    g_assert_cmpstr (text, ==, golden);
}

static void
well_formed (const char *xml)
{
    static const GMarkupParser nothing = {NULL};
    g_autoptr (GError) error = NULL;
    GMarkupParseContext *context = g_markup_parse_context_new (&nothing, 0, NULL, NULL);

    g_markup_parse_context_parse (context, xml, -1, &error);
    g_assert_no_error (error);
    g_markup_parse_context_end_parse (context, &error);
    g_assert_no_error (error);
    g_markup_parse_context_free (context);
}

static Domain
domain_of (const Spec *spec, const char *accel, char *const *volumes, const DomainNic *nics)
{
    return (Domain){.spec = spec,
                    .uuid = "bc26caec-afd8-4406-8371-ec9fb114de07",
                    .name = "vdc-a1b2c3d4-web.1",
                    .accel = accel,
                    .root = "/state/disks/shop/web.1.qcow2",
                    .root_base = "/images/aaaa/root.qcow2",
                    .kernel = "/images/aaaa/vmlinuz",
                    .initrd = "/images/aaaa/initrd",
                    .channel = "/state/run/g-1",
                    .console = "/state/run/c-1",
                    .screen = "/state/run/v-1",
                    .console_log = "/state/consoles/shop/web.1.log",
                    .volumes = volumes,
                    .nics = nics};
}

static void
test_plain (void)
{
    g_autoptr (Spec) spec = fixture_parse (fixture_spec ());
    DomainNic nics[] = {{"vt0", 1450}};
    Domain domain = domain_of (spec, "tcg", NULL, nics);
    g_autofree char *xml = domain_xml_write (&domain);

    well_formed (xml);
    compare ("plain.xml", xml);
}

static void
test_full (void)
{
    json_t *document = fixture_spec ();
    json_array_append_new (json_object_get (document, "nics"),
                           json_pack ("{s:s, s:s, s:s, s:s}", "terminal", "outside", "side", "outside", "mac",
                                      "02:00:00:00:00:06", "address", "192.0.2.20"));
    json_put (json_object_get (document, "resources"), "cpu", json_real (2.5));
    json_put (document, "screen", json_true ());
    json_put (document, "volumes",
              json_pack ("[{s:s, s:s, s:s, s:i, s:b}, {s:s, s:s, s:s, s:i, s:b}]", "slot", "data", "id",
                         "0123456789abcdef", "serial", "vol-data", "size_bytes", 1024, "read_only", 0, "slot",
                         "content", "id", "fedcba9876543210", "serial", "vol-content", "size_bytes", 1024,
                         "read_only", 1));
    g_autoptr (Spec) spec = fixture_parse (document);
    DomainNic nics[] = {{"vt0", 1450}, {"vt1", 1500}};
    char *volumes[] = {(char *)"/state/volumes/0123456789abcdef.raw",
                       (char *)"/state/volumes/fedcba9876543210.raw"};
    Domain domain = domain_of (spec, "kvm", volumes, nics);
    g_autofree char *xml = domain_xml_write (&domain);

    well_formed (xml);
    compare ("full.xml", xml);
}

/* Whatever a property holds goes round the writer and comes back as it was. */
static void
test_hostile (void)
{
    static const char *const texts[] = {"\"><domain type='x'>",
                                        "]]>",
                                        "a,b=c",
                                        "; drop",
                                        "line\nline\r\ttab",
                                        "\xe2\x80\xae"
                                        "reversed",
                                        "&amp;<!-- -->",
                                        "\x01\x02\x7f",
                                        "\xef\xbf\xbe\xef\xbf\xbf"};
    json_t *document = fixture_spec ();
    json_t *properties = json_object ();
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autofree char *key = g_strdup_printf ("p%u", i);
        json_put (properties, key, json_string (texts[i]));
    }
    json_put (json_object_get (document, "guest"), "properties", properties);
    g_autoptr (Spec) spec = fixture_parse (document);
    DomainNic nics[] = {{"vt0", 1450}};
    Domain domain = domain_of (spec, "tcg", NULL, nics);
    domain.root = "/state/a'b\"<&>/x.qcow2";
    domain.name = "vdc-</name>";
    g_autofree char *xml = domain_xml_write (&domain);

    well_formed (xml);
    compare ("hostile.xml", xml);

    DomainMetadata found;
    const char *begin = strstr (xml, "<vdc:member");
    g_autofree char *element = g_strndup (begin, (gsize)(strstr (begin, "</vdc:member>") - begin) + 13);
    g_assert_true (domain_metadata_parse (element, &found));
    g_assert_cmpstr (found.application, ==, "shop");
    g_assert_cmpstr (found.member, ==, "web.1");
    g_assert_cmpint (found.incarnation, ==, 1);
    g_assert_true (json_equal (found.spec, spec->document));
    domain_metadata_clear (&found);
}

static void
test_names (void)
{
    g_autofree char *a = domain_uuid ("a1b2c3d4", "web.1");
    g_autofree char *again = domain_uuid ("a1b2c3d4", "web.1");
    g_autofree char *b = domain_uuid ("a1b2c3d4", "web.2");

    g_assert_true (g_uuid_string_is_valid (a));
    g_assert_cmpstr (a, ==, again);
    g_assert_cmpstr (a, !=, b);
}

static void
test_foreign_metadata (void)
{
    DomainMetadata found = {NULL};
    g_assert_false (domain_metadata_parse ("<other/>", &found));
    g_assert_false (domain_metadata_parse ("<member", &found));
    g_assert_false (domain_metadata_parse ("", &found));
    g_assert_false (domain_metadata_parse ("<member application='a'>x</member>", &found));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/domain-xml/plain", test_plain);
    g_test_add_func ("/domain-xml/full", test_full);
    g_test_add_func ("/domain-xml/hostile-text-goes-round", test_hostile);
    g_test_add_func ("/domain-xml/names", test_names);
    g_test_add_func ("/domain-xml/foreign-metadata", test_foreign_metadata);
    return g_test_run ();
}
