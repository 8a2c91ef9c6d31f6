#include "vdc/model/wire_check.h"

#include "vdc/base/error.h"
#include "vdc/base/json.h"
#include "vdc/model/fields.h"

#include <string.h>

/* -- rules -- */

const char *
wire_side_refusal (const char *end, const Terminal *terminal, TerminalSide side, char **message)
{
    if (terminal->side == side)
        return NULL;
    *message = g_strdup_printf ("'%s' is an %s; here must be an %s", end, terminal_side_name (terminal->side),
                                terminal_side_name (side));
    return "side_mismatch";
}

const char *
wire_protocol_refusal (const char *from, const Protocol *a, const char *to, const Protocol *b, char **message)
{
    if (protocol_narrower (a, b) != NULL)
        return NULL;
    *message = g_strdup_printf ("'%s' speaks %s, '%s' speaks %s", from, a->name, to, b->name);
    return "protocol_mismatch";
}

json_t *
wire_rules_json (void)
{
    static const struct {
        const char *code, *meaning;
    } rules[] = {
        {"side_mismatch", "a wire goes from an output to an input"},
        {"protocol_mismatch", "both ends speak the same protocol, or one of them any"},
        {"output_wired_twice", "an output goes to one input; an input takes any number of wires"},
        {"terminal_required", "a required terminal is wired"},
        {"two_gateways", "an instance has one default route: one of its gateway outputs is wired"},
        {"unknown_instance", "both ends are instances of the same application or assembly"},
        {"unknown_terminal", "both ends are terminals of their instance's class"},
    };
    json_t *list = json_array ();

    for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
        json_array_append_new (list,
                               json_pack ("{s:s, s:s}", "code", rules[i].code, "meaning", rules[i].meaning));
    return list;
}

json_t *
protocols_json (void)
{
    const char *const *names = protocol_names ();
    json_t *list = json_array ();

    for (guint i = 0; names[i] != NULL; i++) {
        const Protocol *protocol = protocol_get (names[i]);
        json_t *others = json_array ();
        for (guint k = 0; names[k] != NULL; k++)
            if (protocol_narrower (protocol, protocol_get (names[k])) != NULL)
                json_array_append_new (others, json_string (names[k]));
        json_array_append_new (list, json_pack ("{s:s, s:b, s:o, s:o}", "name", protocol->name, "any",
                                                protocol->any, "ports", protocol_ports_json (protocol),
                                                "speaks_with", others));
    }
    return list;
}

/* -- one terminal against all -- */

typedef struct {
    const Catalog *catalog;
    const Body *body;
    const Boundary *boundary; /* of the assembly; NULL: the application */
    const char *from;
    const Terminal *terminal;
    json_t *items;
} WireCheck;

/* "lb.out -> web.in" of the output @end; NULL when it has none. Borrowed. */
static const char *
wire_of (const WireCheck *check, const char *end)
{
    for (guint i = 0; i < check->body->wires->len; i++) {
        const Wire *wire = check->body->wires->pdata[i];
        gsize length = strlen (wire->from_instance);
        if (strncmp (end, wire->from_instance, length) == 0 && end[length] == '.' &&
            strcmp (end + length + 1, wire->from_terminal) == 0)
            return wire->text;
    }
    return NULL;
}

/* The terminal of the assembly's boundary that the output @end is shown as. */
static const char *
shown_as (const WireCheck *check, const char *end)
{
    for (guint i = 0; check->boundary != NULL && i < check->boundary->terminals->len; i++) {
        const Terminal *outer = check->boundary->terminals->pdata[i];
        g_autofree char *inside = g_strconcat (outer->inside_instance, ".", outer->inside_terminal, NULL);
        if (outer->side == SIDE_OUTPUT && strcmp (inside, end) == 0)
            return outer->name;
    }
    return NULL;
}

static const char *
refusal (const WireCheck *check, const char *end, const Terminal *terminal, char **message)
{
    gboolean is_output = check->terminal->side == SIDE_OUTPUT;
    const char *output = is_output ? check->from : end, *input = is_output ? end : check->from;
    const char *code = wire_side_refusal (end, terminal, is_output ? SIDE_INPUT : SIDE_OUTPUT, message);

    if (code == NULL)
        code =
            wire_protocol_refusal (output, is_output ? check->terminal->protocol : terminal->protocol, input,
                                   is_output ? terminal->protocol : check->terminal->protocol, message);
    if (code != NULL)
        return code;
    const char *shown = shown_as (check, output), *wire = wire_of (check, output);
    g_autofree char *same = g_strconcat (output, " -> ", input, NULL);
    if (shown != NULL)
        *message = g_strdup_printf ("output '%s' is the assembly's terminal '%s'", output, shown);
    else if (wire != NULL && strcmp (wire, same) == 0)
        *message = g_strdup_printf ("there is the wire %s already", wire);
    return *message != NULL ? "output_wired_twice" : NULL;
}

static void
add_terminal (WireCheck *check, const Instance *instance, const Terminal *terminal)
{
    g_autofree char *end = g_strconcat (instance->name, ".", terminal->name, NULL);
    g_autofree char *message = NULL;

    if (strcmp (end, check->from) == 0)
        return;
    const char *code = refusal (check, end, terminal, &message);
    const char *replaces = code == NULL && terminal->side == SIDE_OUTPUT ? wire_of (check, end) : NULL;
    json_array_append_new (check->items,
                           json_pack ("{s:s, s:s, s:s, s:s, s:b, s:s?, s:s?, s:s?}", "terminal", end,
                                      "instance", instance->name, "side", terminal_side_name (terminal->side),
                                      "protocol", terminal->protocol->name, "may", code == NULL, "code", code,
                                      "message", message, "replaces", replaces));
}

static const Terminal *
find_terminal (const WireCheck *check, const char *end)
{
    g_autofree char *name = NULL;
    g_autofree char *terminal = NULL;
    CatalogEntry entry;

    if (!split_terminal (end, &name, &terminal))
        return NULL;
    const Instance *instance = body_instance (check->body, name);
    if (instance == NULL || instance->class_ref == NULL ||
        !catalog_get (check->catalog, instance->class_ref, &entry))
        return NULL;
    return boundary_terminal (catalog_entry_boundary (&entry), terminal);
}

static void
add_all (WireCheck *check)
{
    for (guint i = 0; i < check->body->instances->len; i++) {
        const Instance *instance = check->body->instances->pdata[i];
        CatalogEntry entry;
        if (instance->class_ref == NULL || !catalog_get (check->catalog, instance->class_ref, &entry))
            continue;
        const Boundary *boundary = catalog_entry_boundary (&entry);
        for (guint k = 0; k < boundary->terminals->len; k++)
            add_terminal (check, instance, boundary->terminals->pdata[k]);
    }
}

static gboolean
enter (WireCheck *check, const Application *application, const char *in, GError **error)
{
    check->body = &application->body;
    if (in == NULL)
        return TRUE;
    for (guint i = 0; i < application->assemblies->len; i++) {
        const Assembly *assembly = application->assemblies->pdata[i];
        if (strcmp (assembly->boundary.name, in) != 0)
            continue;
        check->body = &assembly->body;
        check->boundary = &assembly->boundary;
        return TRUE;
    }
    g_autofree char *quoted = problem_quote (in);
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the draft has no assembly %s, or it cannot be read",
                 quoted);
    return FALSE;
}

json_t *
wire_check_json (const json_t *document, const char *in, const char *from, const Catalog *catalog,
                 GError **error)
{
    g_autoptr (Problems) ignored = problems_new ();
    g_autoptr (Document) parsed = document_new ((json_t *)document);
    g_autoptr (Application) application = application_from_document (parsed, ignored);
    if (application == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "the draft cannot be read");
        return NULL;
    }
    g_autoptr (Catalog) with_own = catalog_new_local (catalog, application->assemblies);
    WireCheck check = {.catalog = with_own, .from = from};
    if (!enter (&check, application, in, error))
        return NULL;
    check.terminal = find_terminal (&check, from);
    if (check.terminal == NULL) {
        g_autofree char *quoted = problem_quote (from);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the draft has no terminal %s", quoted);
        return NULL;
    }
    check.items = json_array ();
    add_all (&check);
    return json_pack ("{s:s, s:s, s:s, s:s?, s:o}", "from", from, "side",
                      terminal_side_name (check.terminal->side), "protocol", check.terminal->protocol->name,
                      "wired", check.terminal->side == SIDE_OUTPUT ? wire_of (&check, from) : NULL, "items",
                      check.items);
}
