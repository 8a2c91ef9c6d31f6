/*
 * Anything a controller could send as a SPEC: the agent's parser and the wires' parser, and what the accepted
 * ones become: domain XML, nft text, the record.
 */
#include "vdc/agent/domain_xml.h"
#include "vdc/agent/guest_state.h"
#include "vdc/agent/wire_rules.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
must (gboolean holds)
{
    if (!holds)
        abort ();
}

/* Names of an accepted SPEC end in paths. */
static void
check_names (const Spec *spec)
{
    must (strchr (spec->application, '/') == NULL && spec->application[0] != '.');
    must (strchr (spec->member, '/') == NULL && strstr (spec->member, "..") == NULL);
    must (strchr (spec->image_root, '/') == NULL && spec->image_root[0] != '.');
    must (strlen (spec->image_digest) == 64);
}

static void
check_xml (const Spec *spec)
{
    static const GMarkupParser nothing = {NULL};
    DomainNic nics[SPEC_NICS_MAX];
    char *volumes[SPEC_VOLUMES_MAX];
    for (guint i = 0; i < SPEC_NICS_MAX; i++)
        nics[i] = (DomainNic){"vt0", 1450};
    for (guint i = 0; i < SPEC_VOLUMES_MAX; i++)
        volumes[i] = (char *)"/volume";
    Domain domain = {.spec = spec,
                     .uuid = "u",
                     .name = "n",
                     .accel = "tcg",
                     .root = "/r",
                     .root_base = "/b",
                     .kernel = "/k",
                     .initrd = "/i",
                     .channel = "/g",
                     .console = "/c",
                     .screen = "/v",
                     .console_log = "/l",
                     .volumes = volumes,
                     .nics = nics};
    g_autofree char *xml = domain_xml_write (&domain);
    GMarkupParseContext *context = g_markup_parse_context_new (&nothing, 0, NULL, NULL);

    must (g_markup_parse_context_parse (context, xml, -1, NULL));
    must (g_markup_parse_context_end_parse (context, NULL));
    g_markup_parse_context_free (context);
}

static void
check_rules (const WireMember *member)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < member->nics->len && i < 4; i++)
        wire_rules_nic (text, g_ptr_array_index (member->nics, i), member->network_bps, TRUE);
    for (const char *c = text->str; *c; c++)
        must (*c == '\n' || g_ascii_isprint (*c));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (json_t) document = json_parse ((const char *)data, size, NULL);
    g_autoptr (GError) error = NULL, wire_error = NULL;

    if (document == NULL)
        return 0;
    g_autoptr (Spec) spec = spec_new (document, NULL, NULL, &error);
    must ((spec == NULL) == (error != NULL));
    if (spec != NULL) {
        check_names (spec);
        check_xml (spec);
        g_autoptr (json_t) settings = guest_settings (spec, 1450);
        must (settings != NULL);
    }
    g_autoptr (WireMember) member = wire_member_parse (document, &wire_error);
    must ((member == NULL) == (wire_error != NULL));
    if (member != NULL)
        check_rules (member);
    return 0;
}
