/* What a draft, its differences and its earlier descriptions look like to those who ask. */
#include <string.h>

#include "vdc/controller/description.h"
#include "vdc/controller/draft.h"
#include "vdc/model/description_diff.h"
#include "vdc/model/wire_check.h"

/* --- the draft --------------------------------------------------------------------------------------------- */

/* All problems of it, by the catalogs as they are now; with lines where its text is current. */
static json_t *
problems_of (Controller *controller, ApplicationRecord *application)
{
    const Draft *draft = draft_of (controller, application);
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Problems) ignored = problems_new ();
    DocumentFormat format = g_strcmp0 (draft->format, "json") == 0 ? DOCUMENT_JSON : DOCUMENT_YAML;
    g_autoptr (Document) document = draft_text_behind (draft) == 0
                                        ? document_parse (draft->text, strlen (draft->text), format, ignored)
                                        : NULL;
    if (document == NULL)
        document = document_new ((json_t *)draft_document (controller, application));
    topology_free (topology_from_document (document, catalog_folder_classes (controller->catalog), problems));
    return problems_json (problems);
}

json_t *
draft_json (Controller *controller, ApplicationRecord *application)
{
    const Draft *draft = draft_of (controller, application);
    const json_t *document = draft_document (controller, application);
    gboolean own = draft->document != NULL;
    gint64 behind = own                         ? draft_text_behind (draft)
                    : application->text != NULL ? application->revision - application->text_revision
                                                : -1;
    g_autofree char *text =
        own || behind != 0 ? draft_text (controller, application) : g_strdup (application->text);
    json_t *object = json_pack (
        "{s:s, s:I, s:I, s:I, s:O, s:s, s:s, s:s, s:I, s:s?, s:o, s:O, s:O?, s:s?, s:s?}", "application",
        application->name, "rev", (json_int_t)draft->revision, "applied_revision",
        (json_int_t)application->revision, "base_applied_revision",
        (json_int_t)(own ? draft->base : application->revision), "document", document, "text", text, "format",
        behind != 0 ? "yaml"
        : own       ? draft->format
                    : application->format,
        "text_state",
        behind < 0   ? "generated"
        : behind > 0 ? "behind"
                     : "current",
        "text_behind", (json_int_t)MAX (behind, 0), "last_text",
        behind > 0 ? (own ? draft->text : application->text) : NULL, "problems",
        problems_of (controller, application), "pending", draft_pending (controller, application), "renamed",
        draft->renamed, "user", draft->user, "time", draft->time);
    return object;
}

/* --- differences ------------------------------------------------------------------------------------------- */

/* What @document opens to: by the classes it was applied with, or by the catalogs. NULL: it does not. */
static Topology *
topology_of (Controller *controller, const ApplicationRecord *application, const json_t *document,
             gboolean applied)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) parsed = document_new ((json_t *)document);
    g_autoptr (Catalog) known = applied ? catalog_from_snapshot (application->used, NULL) : NULL;
    Topology *topology = known != NULL ? topology_from_document (parsed, known, problems) : NULL;
    g_autoptr (Problems) again = problems_new ();
    return topology != NULL
               ? topology
               : topology_from_document (parsed, catalog_folder_classes (controller->catalog), again);
}

/* Renamed volumes: no member notices. */
static void
add_renamed (json_t *changes, const Draft *draft)
{
    const char *name;
    json_t *old;
    json_object_foreach (draft->renamed, name, old) {
        g_autofree char *path = path_key ("volumes", name);
        json_array_append_new (changes,
                               json_pack ("{s:s, s:O, s:s, s:s, s:n, s:[], s:b}", "path", path, "from", old,
                                          "to", name, "effect", "live", "instance", "members", "renamed", 1));
    }
}

/* From what runs to the draft. */
static json_t *
pending_changes (Controller *controller, ApplicationRecord *application)
{
    const Draft *draft = draft_of (controller, application);
    const json_t *document = draft_document (controller, application);
    g_autoptr (json_t) renamed = NULL;
    if (draft->document == NULL || json_equal (document, application->applied))
        return json_array ();
    g_autoptr (Topology) before = draft_renamed_topology (controller, application, &renamed, NULL);
    g_autoptr (Topology) after = topology_of (controller, application, document, FALSE);
    json_t *changes = description_diff (renamed != NULL ? renamed : application->applied, document,
                                        before != NULL ? before : application->topology, after,
                                        catalog_folder_classes (controller->catalog));
    if (renamed != NULL)
        add_renamed (changes, draft);
    return changes;
}

const json_t *
draft_pending (Controller *controller, ApplicationRecord *application)
{
    Draft *draft = draft_of (controller, application);
    if (draft->pending == NULL)
        draft->pending = pending_changes (controller, application);
    return draft->pending;
}

/* "applied", "draft" or a revision. New reference; NULL and @error. */
static json_t *
document_named (Controller *controller, ApplicationRecord *application, const char *name, GError **error)
{
    char *end = NULL;
    gint64 revision = g_ascii_strtoll (name, &end, 10);
    if (strcmp (name, "applied") == 0)
        return json_incref (application->applied);
    if (strcmp (name, "draft") == 0)
        return json_incref ((json_t *)draft_document (controller, application));
    if (end == name || *end != '\0') {
        g_autofree char *quoted = problem_quote (name);
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s must be applied, draft or a revision", quoted);
        return NULL;
    }
    g_autoptr (json_t) row = descriptions_get (controller, application, revision, error);
    return row != NULL ? json_incref (json_object_get (row, "document")) : NULL;
}

json_t *
draft_diff (Controller *controller, ApplicationRecord *application, const char *from, const char *to,
            GError **error)
{
    gboolean pending = strcmp (from, "applied") == 0 && strcmp (to, "draft") == 0;
    g_autoptr (json_t) before = document_named (controller, application, from, error);
    g_autoptr (json_t) after = before != NULL ? document_named (controller, application, to, error) : NULL;
    if (after == NULL)
        return NULL;
    json_t *changes;
    if (pending) {
        changes = json_incref ((json_t *)draft_pending (controller, application));
    } else {
        g_autoptr (Topology) old = topology_of (controller, application, before, strcmp (from, "draft") != 0);
        g_autoptr (Topology) new = topology_of (controller, application, after, strcmp (to, "draft") != 0);
        changes = description_diff (before, after, old, new, catalog_folder_classes (controller->catalog));
    }
    return json_pack ("{s:s, s:s, s:o, s:I, s:I}", "from", from, "to", to, "changes", changes,
                      "applied_revision", (json_int_t)application->revision, "rev",
                      (json_int_t)draft_of (controller, application)->revision);
}

/* --- earlier descriptions ---------------------------------------------------------------------------------- */

static json_t *
description_entry (const ApplicationRecord *application, const json_t *row)
{
    gint64 revision = json_int (row, "revision", 0);
    return json_pack ("{s:I, s:O?, s:O?, s:O?, s:b}", "revision", (json_int_t)revision, "time",
                      json_object_get (row, "time"), "user", json_object_get (row, "user"), "cause",
                      json_object_get (row, "cause"), "applied", revision == application->revision);
}

/* One that was applied before descriptions were kept. */
static json_t *
unrecorded (const ApplicationRecord *application)
{
    return json_pack ("{s:I}", "revision", (json_int_t)application->revision);
}

json_t *
descriptions_list (Controller *controller, const ApplicationRecord *application)
{
    g_autofree char *prefix = g_strconcat (application->id, ".", NULL);
    g_autoptr (json_t) rows = store_list_json (controller->store, STORE_DESCRIPTIONS, prefix, NULL, 0, NULL);
    json_t *items = json_array ();
    gsize n = json_array_size (rows);
    if (n == 0 || json_int (json_array_get (rows, n - 1), "revision", 0) != application->revision) {
        g_autoptr (json_t) row = unrecorded (application);
        json_array_append_new (items, description_entry (application, row));
    }
    for (; n > 0; n--)
        json_array_append_new (items, description_entry (application, json_array_get (rows, n - 1)));
    return items;
}

json_t *
descriptions_get (Controller *controller, const ApplicationRecord *application, gint64 revision,
                  GError **error)
{
    g_autofree char *key = g_strdup_printf ("%s.%010" G_GINT64_FORMAT, application->id, revision);
    g_autoptr (json_t) row =
        revision > 0 ? store_get (controller->store, STORE_DESCRIPTIONS, key, NULL) : NULL;
    if (row == NULL && revision == application->revision)
        row = unrecorded (application);
    if (row == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "application '%s' has no description of revision %" G_GINT64_FORMAT
                     "; the last %d are kept",
                     application->name, revision, DESCRIPTIONS_KEPT);
        return NULL;
    }
    json_t *entry = description_entry (application, row);
    const char *text = json_str (row, "document", NULL);
    json_t *document = text != NULL ? json_loads (text, 0, NULL) : json_incref (application->applied);
    g_autofree char *yaml = document_yaml (document);
    json_put (entry, "document", document);
    json_put (entry, "text", json_string (yaml));
    return entry;
}

/* --- wires ------------------------------------------------------------------------------------------------- */

json_t *
draft_wire_check (Controller *controller, ApplicationRecord *application, const json_t *request,
                  GError **error)
{
    return wire_check_json (draft_document (controller, application), json_str (request, "in", NULL),
                            json_str (request, "from", ""), catalog_folder_classes (controller->catalog),
                            error);
}
