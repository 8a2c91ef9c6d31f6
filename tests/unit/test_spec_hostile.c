/*
 * Every text of a SPEC, wherever it stands, replaced by texts that would break out of XML, nft, QEMU options,
 * paths or a terminal: refused, or carried through the writers of domain XML and nft rules as the text it is.
 */
#include "tests/unit/agent_fixture.h"
#include "vdc/agent/domain_xml.h"
#include "vdc/agent/wire_rules.h"

#include <string.h>

static json_t *
whole_spec (void)
{
    json_t *document = fixture_spec ();
    json_t *nic = json_array_get (json_object_get (document, "nics"), 0);

    json_put (document, "instance", json_string ("web"));
    json_put (document, "class_version", json_string ("1.0.0"));
    json_put (nic, "aliases", json_pack ("[s]", "100.64.0.9"));
    json_put (nic, "rules",
              json_pack ("[{s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:i, s:i}], s:b, s:b}]", "wire",
                         "lb.out->web.in", "role", "server", "local_address", "100.64.0.5", "peer_address",
                         "100.64.0.4", "peer_mac", "02:00:00:00:00:04", "ports", "proto", "tcp", "from", 80,
                         "to", 80, "any", 0, "gateway", 0));
    json_put (document, "volumes",
              json_pack ("[{s:s, s:s, s:s, s:s, s:i, s:b}]", "slot", "data", "id", "0123456789abcdef", "name",
                         "shop-data", "serial", "vol-data", "size_bytes", 1024, "read_only", 0));
    json_put (document, "guest",
              json_pack ("{s:i, s:s, s:[{s:s, s:s}], s:{s:[s]}, s:{s:s}, s:b}", "revision", 1, "hostname",
                         "web-1", "nics", "terminal", "in", "mac", "02:00:00:00:00:05", "names", "in",
                         "100.64.0.5", "properties", "docroot", "/", "go", 1));
    return document;
}

/* --- what the writers made of it --------------------------------------------------------------------------- */

static void
count_start (GMarkupParseContext *context, const char *element, const char **names, const char **values,
             gpointer count, GError **error)
{
    *(guint *)count += 1 + 1000 * g_strv_length ((char **)names);
}

/* Elements and attributes. */
static guint
shape_of_xml (const char *xml)
{
    static const GMarkupParser counter = {.start_element = count_start};
    g_autoptr (GError) error = NULL;
    guint count = 0;
    GMarkupParseContext *context = g_markup_parse_context_new (&counter, 0, &count, NULL);

    g_markup_parse_context_parse (context, xml, -1, &error);
    g_assert_no_error (error);
    g_markup_parse_context_end_parse (context, &error);
    g_assert_no_error (error);
    g_markup_parse_context_free (context);
    return count;
}

static char *
write_xml (const Spec *spec)
{
    DomainNic nics[] = {{"vt0", 1450}};
    char *volumes[] = {(char *)"/v"};
    g_autofree char *name = domain_name (spec->application_id, spec->member);
    Domain domain = {.spec = spec,
                     .uuid = "u",
                     .name = name,
                     .accel = "tcg",
                     .root = "/r",
                     .root_base = "/b",
                     .kernel = "/k",
                     .initrd = "/i",
                     .channel = "/g",
                     .console = "/c",
                     .console_log = "/l",
                     .volumes = volumes,
                     .nics = nics};
    return domain_xml_write (&domain);
}

static void
check_xml (const Spec *spec, guint shape)
{
    g_autofree char *xml = write_xml (spec);
    const char *begin = strstr (xml, "<vdc:member");
    g_autofree char *element = g_strndup (begin, (gsize)(strstr (begin, "</vdc:member>") - begin) + 13);
    DomainMetadata found;

    g_assert_cmpuint (shape_of_xml (xml), ==, shape);
    g_assert_true (domain_metadata_parse (element, &found));
    g_assert_true (json_equal (found.spec, spec->document));
    g_assert_cmpstr (found.member, ==, spec->member);
    domain_metadata_clear (&found);
}

/* Every word of the text up to quotes: what is left of it when names and numbers are others. */
static guint
check_rules (const WireMember *member)
{
    g_autoptr (GString) text = g_string_new (NULL);
    guint lines = 0;

    wire_rules_nic (text, g_ptr_array_index (member->nics, 0), member->network_bps, TRUE);
    g_assert_null (strstr (text->str, "drop table"));
    for (const char *c = text->str; *c; c++) {
        g_assert_true (*c == '\n' || g_ascii_isprint (*c));
        lines += *c == '\n';
    }
    return lines;
}

/* --- every place × every text ------------------------------------------------------------------------------ */

typedef struct {
    json_t *document;
    guint places, accepted, shape, rules;
} Walk;

static void
try_document (Walk *walk)
{
    g_autoptr (GError) error = NULL, wire_error = NULL;
    g_autoptr (Spec) spec = spec_new (walk->document, NULL, NULL, &error);
    g_autoptr (WireMember) member = wire_member_parse (walk->document, &wire_error);

    g_assert_true ((spec == NULL) == (error != NULL));
    g_assert_true ((member == NULL) == (wire_error != NULL));
    if (spec != NULL) {
        check_xml (spec, walk->shape);
        walk->accepted++;
    }
    if (member != NULL)
        g_assert_cmpuint (check_rules (member), ==, walk->rules);
}

static void
try_place (Walk *walk, json_t *place)
{
    g_autofree char *long_text = g_strnfill (300, 'a');
    g_autofree char *before = g_strdup (json_string_value (place));
    const char *const texts[] = {"a,b=c",
                                 "\"><x y='",
                                 "; drop table bridge vdc",
                                 "a\nb",
                                 "a\n; drop table bridge vdc",
                                 "x\xe2\x80\xaey",
                                 long_text,
                                 "../../etc",
                                 "$(id)",
                                 "%s%n",
                                 "'",
                                 "]]>",
                                 "\x7f",
                                 ""};

    walk->places++;
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        json_string_set (place, texts[i]);
        try_document (walk);
    }
    json_string_set (place, before);
}

static void
visit (Walk *walk, json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_string (value))
        try_place (walk, value);
    json_array_foreach (value, i, child)
        visit (walk, child);
    json_object_foreach (value, key, child)
        visit (walk, child);
}

static void
test_every_text (void)
{
    g_autoptr (json_t) document = whole_spec ();
    g_autoptr (GError) error = NULL;
    g_autoptr (Spec) spec = spec_new (document, NULL, NULL, &error);
    g_assert_no_error (error);
    g_autoptr (WireMember) member = wire_member_parse (document, &error);
    g_assert_no_error (error);
    g_autofree char *xml = write_xml (spec);
    Walk walk = {.document = document, .shape = shape_of_xml (xml), .rules = check_rules (member)};

    visit (&walk, document);
    g_assert_cmpuint (walk.places, >=, 35);
    g_assert_cmpuint (walk.accepted, >, 0); /* texts for people and for the guest are free */
}

/* Texts that end in a path, a name or an option are refused, not repaired. */
static void
test_names_are_refused (void)
{
    static const char *const texts[] = {"a,b=c", "\"><x", "; drop", "a\nb", "x\xe2\x80\xaey", "../x"};
    static const char *const keys[] = {"application", "application_id", "member", "power"};
    static const char *const nic_keys[] = {"terminal", "side", "mac", "address", "segment"};
    static const char *const volume_keys[] = {"slot", "id", "serial"};

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        for (guint j = 0; j < 4 + 5 + 3; j++) {
            g_autoptr (json_t) document = whole_spec ();
            json_t *nic = json_array_get (json_object_get (document, "nics"), 0);
            json_t *volume = json_array_get (json_object_get (document, "volumes"), 0);
            json_t *object = j < 4 ? document : j < 9 ? nic : volume;
            json_put (object,
                      j < 4   ? keys[j]
                      : j < 9 ? nic_keys[j - 4]
                              : volume_keys[j - 9],
                      json_string (texts[i]));
            g_autoptr (Spec) spec = spec_new (document, NULL, NULL, NULL);
            g_autoptr (WireMember) member = wire_member_parse (document, NULL);
            g_assert_true (spec == NULL || member == NULL); /* a start needs both */
        }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/spec-hostile/every-text-is-refused-or-goes-round", test_every_text);
    g_test_add_func ("/spec-hostile/names-are-refused", test_names_are_refused);
    return g_test_run ();
}
