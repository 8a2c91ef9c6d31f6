/*
 * What users do to a draft: operations, a whole new text, discard.
 *
 * Only rows and events are committed: a draft has no part in any record, so that drawing in one application
 * costs the same however large the grid is.
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/draft.h"
#include "vdc/controller/secrets/secrets.h"
#include "vdc/model/description_changes.h"
#include "vdc/model/ops.h"

/* --- conflicts --------------------------------------------------------------------------------------------- */

/* What other people did since the editor looked. */
typedef struct {
    gint64 revision;   /* of the draft now */
    json_t *log;       /* entries since; NULL: they are not kept so long */
    json_t *conflicts; /* [{path, mine, theirs, rev, user, time}] */
} Meanwhile;

static void
meanwhile_clear (Meanwhile *meanwhile)
{
    json_decref (meanwhile->log);
    json_decref (meanwhile->conflicts);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Meanwhile, meanwhile_clear)

/* The value at @path; NULL when there is none. Borrowed, for a wire new in *@made. */
static json_t *
value_at (const json_t *document, const char *path)
{
    g_auto (GStrv) words = path_split (path);
    const json_t *at = document;
    for (guint i = 0; words != NULL && words[i] != NULL && at != NULL; i++) {
        if (strcmp (words[i], "wires") != 0 || words[i + 1] == NULL) {
            at = json_object_get (at, words[i]);
            continue;
        }
        gsize k;
        json_t *wire;
        json_array_foreach (json_object_get (at, "wires"), k, wire) {
            g_autofree char *from = NULL;
            g_autofree char *to = NULL;
            if (json_is_string (wire) && wire_split (json_string_value (wire), &from, &to) &&
                strcmp (from, words[i + 1]) == 0)
                return wire;
        }
        return NULL;
    }
    return words != NULL ? (json_t *)at : NULL;
}

static gboolean
is_layout (const char *path)
{
    g_auto (GStrv) words = path_split (path);
    guint at = words != NULL && strcmp (words[0], "assemblies") == 0 && g_strv_length (words) > 2 ? 2 : 0;
    return words != NULL && strcmp (words[at], "layout") == 0;
}

/* The newest entry that changed @path, or with @whole the thing itself, not something in it. */
static const json_t *
who_changed (const Meanwhile *meanwhile, const char *path, gboolean whole, const char **place)
{
    for (gsize i = json_array_size (meanwhile->log); i > 0; i--) {
        const json_t *entry = json_array_get (meanwhile->log, i - 1);
        json_t *touched = json_object_get (entry, "touched"), *other;
        gsize k;
        *place = path;
        if (!json_is_array (touched)) /* too much to be told */
            return entry;
        json_array_foreach (touched, k, other) {
            const char *text = json_string_value (other);
            if (whole ? strlen (text) <= strlen (path) && paths_overlap (text, path)
                      : paths_overlap (text, path)) {
                *place = text;
                return entry;
            }
        }
    }
    return NULL;
}

/* @mine: the document as the editor wants it, NULL: it could not be made. */
static void
find_conflicts (Meanwhile *meanwhile, const json_t *places, gboolean whole, const json_t *now,
                const json_t *mine)
{
    gsize i;
    json_t *path;
    json_array_foreach ((json_t *)places, i, path) {
        const char *text = json_string_value (path), *place = NULL;
        const json_t *entry = is_layout (text) ? NULL : who_changed (meanwhile, text, whole, &place);
        if (entry == NULL || vdc_bug ("planner-conflicts-unseen"))
            continue;
        json_array_append_new (meanwhile->conflicts,
                               json_pack ("{s:s, s:s, s:O?, s:O?, s:O, s:O?, s:O?}", "path", text, "place",
                                          place, "mine", value_at (mine, text), "theirs",
                                          value_at (now, text), "rev", json_object_get (entry, "rev"), "user",
                                          json_object_get (entry, "user"), "time",
                                          json_object_get (entry, "time")));
    }
}

static json_t *
refuse_conflict (Operation *operation, const ApplicationRecord *application, const Meanwhile *meanwhile,
                 GError **error)
{
    const json_t *first = json_array_get (meanwhile->conflicts, 0);
    if (first != NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "%s of '%s' was changed by %s meanwhile",
                     json_str (first, "path", ""), application->name, json_str (first, "user", "vdcd"));
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the draft of '%s' is at revision %" G_GINT64_FORMAT " now: read it anew",
                     application->name, meanwhile->revision);
    operation->params =
        json_pack ("{s:I, s:O?, s:b, s:O}", "rev", (json_int_t)meanwhile->revision, "ops", meanwhile->log,
                   "reload", meanwhile->log == NULL, "conflicts", meanwhile->conflicts);
    return NULL;
}

/* FALSE with an error: @base is no revision that there was, or too long ago. */
static gboolean
look_back (Controller *controller, Operation *operation, ApplicationRecord *application, gint64 base,
           Meanwhile *meanwhile, GError **error)
{
    meanwhile->revision = draft_of (controller, application)->revision;
    meanwhile->log = base <= meanwhile->revision ? draft_log_since (controller, application, base) : NULL;
    meanwhile->conflicts = json_array ();
    if (meanwhile->log != NULL)
        return TRUE;
    refuse_conflict (operation, application, meanwhile, error);
    return FALSE;
}

/* --- finishing --------------------------------------------------------------------------------------------- */

static json_t *
finish (Controller *controller, const Operation *operation, json_t *answer, GError **error)
{
    answer = operation_finish_rows (controller, operation, "draft.changed", answer, error);
    FP ("draft.02.kept");
    return answer;
}

/* A draft under a destroy has no future. */
static gboolean
may_edit (const ApplicationRecord *application, GError **error)
{
    if (application->destroying)
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "application '%s' is being destroyed",
                     application->name);
    return !application->destroying;
}

/* --- operations -------------------------------------------------------------------------------------------- */

/* New names lead to the volume's name in the applied description, through any number of renames. */
static void
note_renamed (Draft *draft, const json_t *applied, const json_t *renamed)
{
    gsize i;
    json_t *pair;
    if (vdc_bug ("planner-renamed-volume-is-new"))
        return;
    json_array_foreach ((json_t *)renamed, i, pair) {
        const char *from = json_string_value (json_array_get (pair, 0));
        const char *to = json_string_value (json_array_get (pair, 1));
        g_autofree char *first = g_strdup (json_str (draft->renamed, from, from));
        if (draft->renamed == NULL)
            draft->renamed = json_object ();
        json_object_del (draft->renamed, from);
        if (strcmp (first, to) != 0 && json_object_get (json_object_get (applied, "volumes"), first) != NULL)
            json_object_set_new (draft->renamed, to, json_string (first));
    }
}

/* A name that is gone, or is another volume by now, leads nowhere. */
static void
drop_renamed (Draft *draft, const json_t *document)
{
    const json_t *volumes = json_object_get (document, "volumes");
    const char *name;
    json_t *old;
    void *next;
    json_object_foreach_safe (draft->renamed, next, name, old) {
        if (json_object_get (volumes, name) == NULL ||
            json_object_get (volumes, json_string_value (old)) != NULL)
            json_object_del (draft->renamed, name);
    }
}

/*
 * What a draft holds is kept and shown: no secret may be in it. Where one was given, the operations that are
 * kept and the inverse are made anew, of what is kept.
 */
static gboolean
seal (Controller *controller, const ApplicationRecord *application, const json_t *now, OpsResult *result,
      json_t **ops, GError **error)
{
    g_autoptr (GHashTable) sealed = NULL;
    g_autoptr (json_t) document = json_deep_copy (result->document);
    *ops = NULL;
    if (!secrets_seal_document (controller, application->id, document, now, &sealed, error))
        return FALSE;
    if (g_hash_table_size (sealed) == 0)
        return TRUE;
    *ops = ops_between (now, document);
    record_set_json (&result->inverse, ops_between (document, now));
    record_set_json (&result->document, g_steal_pointer (&document));
    return TRUE;
}

static json_t *
try_answer (const OpsResult *result, gint64 revision)
{
    return json_pack ("{s:I, s:O, s:O, s:O}", "rev", (json_int_t)revision, "inverse", result->inverse,
                      "problems", result->problems, "touched", result->touched);
}

json_t *
operation_draft_ops (Controller *controller, Operation *operation, ApplicationRecord *application,
                     const json_t *request, GError **error)
{
    gint64 base = json_int (request, "base", -1);
    json_t *ops = json_object_get (request, "ops");
    Draft *draft = draft_of (controller, application);
    const json_t *now = draft_document (controller, application);
    g_auto (Meanwhile) meanwhile = {0};
    g_auto (OpsResult) result = {0};
    g_autoptr (json_t) changes = json_array (), needs = json_array (), sealed_ops = NULL;
    if (!may_edit (application, error) ||
        !look_back (controller, operation, application, base, &meanwhile, error))
        return NULL;
    gboolean good =
        ops_apply (now, ops, catalog_folder_classes (controller->catalog), &result, operation->problems);
    if (good && !seal (controller, application, now, &result, &sealed_ops, error))
        return NULL;
    if (!good && json_array_size (meanwhile.log) > 0) {
        ops_places (ops, changes, needs);
        find_conflicts (&meanwhile, changes, FALSE, now, NULL);
        find_conflicts (&meanwhile, needs, TRUE, now, NULL);
    } else if (good)
        find_conflicts (&meanwhile, result.touched, FALSE, now, result.document);
    if (json_array_size (meanwhile.conflicts) > 0) {
        problems_free (operation->problems);
        operation->problems = problems_new ();
        return refuse_conflict (operation, application, &meanwhile, error);
    }
    if (!good) {
        problems_to_error (operation->problems, error);
        return NULL;
    }
    json_t *answer = try_answer (&result, draft->revision + !operation->dry_run);
    if (operation->dry_run) {
        json_put (answer, "document", json_incref (result.document));
        return answer;
    }
    note_renamed (draft, application->applied, result.renamed);
    drop_renamed (draft, result.document);
    draft_change (controller, application, result.document,
                  json_incref (sealed_ops != NULL ? sealed_ops : ops), result.touched, operation->user);
    return finish (controller, operation, answer, error);
}

/* --- a whole text ------------------------------------------------------------------------------------------ */

/* The document that @request says; NULL with problems, or an error. New reference. */
static json_t *
requested_document (const json_t *request, const char *text, DocumentFormat format, Operation *operation,
                    GError **error)
{
    json_t *document = json_object_get (request, "document");
    if (text == NULL && document == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "give 'text' or 'document'");
        return NULL;
    }
    if (text == NULL)
        return json_deep_copy (document);
    g_autoptr (Document) parsed = document_parse (text, strlen (text), format, operation->problems);
    if (parsed == NULL || problems_count (operation->problems) > 0)
        return NULL;
    if (document != NULL && !json_equal (document_root (parsed), document)) {
        g_autoptr (GPtrArray) differences = json_is_object (document_root (parsed))
                                                ? description_changes (document_root (parsed), document)
                                                : NULL;
        g_autofree char *path = differences != NULL && differences->len > 0
                                    ? description_change_path (differences->pdata[0])
                                    : g_strdup ("");
        problems_add (operation->problems, "text_mismatch", path, NULL,
                      "text and document say different things");
        return NULL;
    }
    return json_deep_copy (document_root (parsed));
}

/* Problems that no draft may have go to the operation's. */
static void
check_shape (const json_t *document, const ApplicationRecord *application, const char *text,
             DocumentFormat format, const Catalog *catalog, Problems *problems)
{
    g_autoptr (Problems) found = problems_new ();
    g_autoptr (Problems) ignored = problems_new ();
    g_autoptr (Document) parsed = text != NULL ? document_parse (text, strlen (text), format, ignored)
                                               : document_new ((json_t *)document);
    topology_free (topology_from_document (parsed, catalog, found));
    for (guint i = 0; i < problems_kept (found); i++) {
        const Problem *problem = problems_get (found, i);
        if (ops_problem_is_shape (problem))
            problems_add_at (problems, problem->code, problem->path, problem->line, problem->column, "%s",
                             problem->message);
    }
    if (g_strcmp0 (json_str (document, "application", NULL), application->name) != 0)
        problems_add (problems, "name_mismatch", "application", NULL, "must be '%s'", application->name);
    ops_check_limits (document, problems);
    document_locate (parsed, problems);
}

static json_t *
take_document (Controller *controller, Operation *operation, ApplicationRecord *application, json_t *document,
               const char *text, const char *format, GError **error)
{
    Draft *draft = draft_of (controller, application);
    const json_t *now = draft_document (controller, application);
    draft_change (controller, application, document, ops_between (now, document), NULL, operation->user);
    if (text != NULL) {
        record_set_string (&draft->text, text);
        record_set_string (&draft->format, format);
        draft->text_revision = draft->revision;
        draft->text_behind = 0;
    }
    drop_renamed (draft, document);
    draft_keep (controller, application);
    return finish (controller, operation, draft_json (controller, application), error);
}

json_t *
operation_draft_put (Controller *controller, Operation *operation, ApplicationRecord *application,
                     const json_t *request, GError **error)
{
    const char *text = json_str (request, "text", NULL), *name = json_str (request, "format", "yaml");
    DocumentFormat format = strcmp (name, "json") == 0 ? DOCUMENT_JSON : DOCUMENT_YAML;
    g_auto (Meanwhile) meanwhile = {0};
    if (!may_edit (application, error) ||
        !look_back (controller, operation, application, json_int (request, "base", -1), &meanwhile, error))
        return NULL;
    if (json_array_size (meanwhile.log) > 0)
        return refuse_conflict (operation, application, &meanwhile, error);
    g_autoptr (json_t) document = requested_document (request, text, format, operation, error);
    if (document != NULL)
        check_shape (document, application, text, format, catalog_folder_classes (controller->catalog),
                     operation->problems);
    if (document == NULL || problems_count (operation->problems) > 0) {
        if (*error == NULL)
            problems_to_error (operation->problems, error);
        return NULL;
    }
    g_autoptr (GHashTable) sealed = NULL;
    if (!secrets_seal_document (controller, application->id, document,
                                draft_document (controller, application), &sealed, error))
        return NULL;
    g_autofree char *kept = text != NULL ? secrets_seal_text (text, format, document, sealed) : NULL;
    if (operation->dry_run)
        return json_pack ("{s:I, s:o}", "rev", (json_int_t)meanwhile.revision, "ops",
                          ops_between (draft_document (controller, application), document));
    return take_document (controller, operation, application, document, kept, name, error);
}

/* --- discard ----------------------------------------------------------------------------------------------- */

json_t *
operation_draft_discard (Controller *controller, Operation *operation, ApplicationRecord *application,
                         const json_t *request, GError **error)
{
    Draft *draft = draft_of (controller, application);
    const json_t *now = draft_document (controller, application);
    g_auto (Meanwhile) meanwhile = {0};
    gint64 base = json_int (request, "base", draft->revision);
    if (!may_edit (application, error) ||
        !look_back (controller, operation, application, base, &meanwhile, error))
        return NULL;
    if (json_array_size (meanwhile.log) > 0)
        return refuse_conflict (operation, application, &meanwhile, error);
    gboolean current = application->text != NULL && application->text_revision == application->revision;
    if (operation->dry_run ||
        (json_equal (now, application->applied) && json_object_size (draft->renamed) == 0))
        return draft_json (controller, application);
    record_set_json (&draft->renamed, NULL);
    return take_document (controller, operation, application, application->applied,
                          current ? application->text : NULL, application->format, error);
}
