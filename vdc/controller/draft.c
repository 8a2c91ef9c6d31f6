#include "vdc/controller/draft.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/description.h"
#include "vdc/model/description_diff.h"
#include "vdc/model/description_text.h"
#include "vdc/model/ops.h"
#include "vdc/model/description_changes.h"

#define FIELD RECORD_FIELD

static const RecordField fields[] = {
    FIELD (Draft, RECORD_INT, revision),
    FIELD (Draft, RECORD_INT, base),
    FIELD (Draft, RECORD_ORDERED, document),
    FIELD (Draft, RECORD_STRING, text),
    FIELD (Draft, RECORD_STRING, format),
    FIELD (Draft, RECORD_INT, text_revision),
    FIELD (Draft, RECORD_INT, text_behind),
    FIELD (Draft, RECORD_JSON, renamed),
    FIELD (Draft, RECORD_STRING, user),
    FIELD (Draft, RECORD_STRING, time),
    {NULL},
};

void
draft_free (Draft *draft)
{
    if (draft == NULL)
        return;
    record_clear (fields, draft);
    json_decref (draft->pending);
    g_free (draft);
}

static char *
log_key (const ApplicationRecord *application, gint64 revision)
{
    return g_strdup_printf ("%s.%010" G_GINT64_FORMAT, application->id, revision);
}

/* Brought back from the trash under another name, or written by an editor who did not care. */
static void
correct_name (const ApplicationRecord *application, Draft *draft)
{
    if (draft->document == NULL ||
        strcmp (json_str (draft->document, "application", ""), application->name) == 0)
        return;
    json_t *copy = json_copy (draft->document);
    json_put (copy, "application", json_string (application->name));
    record_set_json (&draft->document, copy);
    draft->text_behind++;
}

Draft *
draft_of (Controller *controller, ApplicationRecord *application)
{
    if (application->draft != NULL)
        return application->draft;
    Draft *draft = g_new0 (Draft, 1);
    g_autoptr (json_t) row = store_has (controller->store, STORE_DRAFTS, application->id)
                                 ? store_get (controller->store, STORE_DRAFTS, application->id, NULL)
                                 : NULL;
    if (row != NULL) {
        record_load (fields, draft, row);
        correct_name (application, draft);
    }
    application->draft = draft;
    return draft;
}

const json_t *
draft_document (Controller *controller, ApplicationRecord *application)
{
    const Draft *draft = draft_of (controller, application);
    return draft->document != NULL ? draft->document : application->applied;
}

/* --- text -------------------------------------------------------------------------------------------------- */

/* What is stored of a draft begins with the text of what is applied. */
static void
begin (const ApplicationRecord *application, Draft *draft)
{
    if (draft->document != NULL)
        return;
    draft->document = json_incref (application->applied);
    draft->base = application->revision;
    record_set_string (&draft->text, application->text);
    record_set_string (&draft->format, application->format);
    draft->text_revision = draft->revision;
    draft->text_behind = application->revision - application->text_revision;
}

gint64
draft_text_behind (const Draft *draft)
{
    if (draft->text == NULL)
        return -1;
    return draft->revision - draft->text_revision + draft->text_behind;
}

char *
draft_text (Controller *controller, ApplicationRecord *application)
{
    const Draft *draft = draft_of (controller, application);
    const json_t *document = draft_document (controller, application);
    gboolean yaml = draft->text != NULL && g_strcmp0 (draft->format, "yaml") == 0;
    if (yaml && draft_text_behind (draft) == 0)
        return g_strdup (draft->text);
    char *followed = yaml ? description_text_follow (draft->text, document) : NULL;
    return followed != NULL ? followed : document_yaml (document);
}

/* --- changing ---------------------------------------------------------------------------------------------- */

static json_t *
all_places (const json_t *before, const json_t *after)
{
    g_autoptr (GPtrArray) changes = description_changes (before, after);
    json_t *places = json_array ();
    for (guint i = 0; i < changes->len; i++) {
        g_autofree char *path = description_change_path (changes->pdata[i]);
        json_array_append_new (places, json_string (path));
    }
    return places;
}

/* One that is too large is told as null: who needs it reads the draft anew. */
static json_t *
log_entry (const Draft *draft, json_t *ops, const json_t *touched)
{
    g_autofree char *text = json_text (ops);
    g_autofree char *places = json_text (touched);
    gboolean large = strlen (text) + strlen (places) > DRAFT_LOG_ENTRY_BYTES;
    return json_pack ("{s:I, s:o, s:o, s:s?, s:s}", "rev", (json_int_t)draft->revision, "ops",
                      large ? json_null () : json_incref (ops), "touched",
                      large ? json_null () : json_incref ((json_t *)touched), "user", draft->user, "time",
                      draft->time);
}

void
draft_keep (Controller *controller, ApplicationRecord *application)
{
    controller_write (controller, STORE_DRAFTS, application->id,
                      record_save (fields, draft_of (controller, application)));
}

void
draft_change (Controller *controller, ApplicationRecord *application, json_t *document, json_t *ops,
              const json_t *touched, const char *user)
{
    Draft *draft = draft_of (controller, application);
    g_autoptr (json_t) taken = ops;
    begin (application, draft);
    g_autoptr (json_t) places =
        touched != NULL ? json_incref ((json_t *)touched) : all_places (draft->document, document);
    record_set_json (&draft->document, json_incref (document));
    draft->revision++;
    record_set_string (&draft->user, user);
    g_free (draft->time);
    draft->time = controller_stamp (controller);
    record_set_json (&draft->pending, NULL);
    json_t *entry = log_entry (draft, ops, places);
    g_autofree char *key = log_key (application, draft->revision);
    g_autofree char *oldest = log_key (application, draft->revision - DRAFT_LOG_MAX);
    controller_write (controller, STORE_DRAFTS, key, json_incref (entry));
    if (draft->revision > DRAFT_LOG_MAX)
        controller_write (controller, STORE_DRAFTS, oldest, NULL);
    draft_keep (controller, application);
    controller_note (controller, "draft.changed", "application", application->name, application->name,
                     application->state, entry);
    FP ("draft.01.noted");
}

json_t *
draft_log_since (Controller *controller, ApplicationRecord *application, gint64 revision)
{
    const Draft *draft = draft_of (controller, application);
    g_autofree char *after = log_key (application, revision);
    g_autofree char *prefix = g_strconcat (application->id, ".", NULL);
    if (revision >= draft->revision)
        return json_array ();
    if (revision < 0 || draft->revision - revision > DRAFT_LOG_MAX)
        return NULL;
    json_t *list = store_list_json (controller->store, STORE_DRAFTS, prefix, after, 0, NULL);
    if (json_array_size (list) == (gsize)(draft->revision - revision))
        return list;
    json_decref (list);
    return NULL;
}

/* --- together with what is applied ------------------------------------------------------------------------- */

static gboolean
overlaps_any (const json_t *places, const json_t *others)
{
    gsize i, k;
    json_t *place, *other;
    json_array_foreach ((json_t *)places, i, place) {
        json_array_foreach ((json_t *)others, k, other)
            if (paths_overlap (json_string_value (place), json_string_value (other)))
                return TRUE;
    }
    return FALSE;
}

/* @document with those of @ops that touch none of @taken and can be done. New reference. */
static json_t *
merge (const json_t *document, const json_t *ops, const json_t *taken)
{
    json_t *merged = json_incref ((json_t *)document), *op;
    gsize i;
    json_array_foreach ((json_t *)ops, i, op) {
        g_autoptr (json_t) one = json_pack ("[O]", op), changes = json_array (), needs = json_array ();
        g_autoptr (Problems) problems = problems_new ();
        g_auto (OpsResult) result = {0};
        ops_places (one, changes, needs);
        if (overlaps_any (changes, taken) || !ops_apply (merged, one, NULL, &result, problems))
            continue;
        json_decref (merged);
        merged = json_incref (result.document);
    }
    return merged;
}

/* A rename is done once the applied description has the new name, and void once the draft has not. */
static void
prune_renamed (const ApplicationRecord *application, Draft *draft)
{
    const json_t *mine = json_object_get (draft->document, "volumes");
    const json_t *running = json_object_get (application->applied, "volumes");
    const char *name;
    json_t *old;
    void *next;
    json_object_foreach_safe (draft->renamed, next, name, old) {
        if (json_object_get (mine, name) == NULL || json_object_get (running, name) != NULL ||
            json_object_get (mine, json_string_value (old)) != NULL ||
            json_object_get (running, json_string_value (old)) == NULL)
            json_object_del (draft->renamed, name);
    }
}

void
draft_follow (Controller *controller, ApplicationRecord *application, const json_t *before)
{
    Draft *draft = draft_of (controller, application);
    record_set_json (&draft->pending, NULL);
    if (draft->document == NULL || before == NULL)
        return;
    g_autoptr (json_t) ops = ops_between (before, application->applied);
    g_autoptr (json_t) taken = all_places (before, draft->document);
    g_autoptr (json_t) merged = g_strcmp0 (application->cause, CAUSE_APPLY_CANCELLED) == 0
                                    ? json_incref (draft->document)
                                : json_array_size (taken) == 0 ? json_incref (application->applied)
                                                               : merge (draft->document, ops, taken);
    draft->base = application->revision;
    g_autoptr (json_t) changed = all_places (draft->document, merged);
    if (json_array_size (changed) > 0)
        draft_change (controller, application, merged, ops_between (draft->document, merged), changed,
                      application->author);
    prune_renamed (application, draft);
    draft_keep (controller, application);
}

void
draft_take_text (Controller *controller, ApplicationRecord *application)
{
    Draft *draft = draft_of (controller, application);
    if (draft->document == NULL || !json_equal (draft->document, application->applied))
        return;
    record_set_string (&draft->text, application->text);
    record_set_string (&draft->format, application->format);
    draft->text_revision = draft->revision;
    draft->text_behind = 0;
    draft_keep (controller, application);
}

void
draft_force (Controller *controller, ApplicationRecord *application, const json_t *document, const char *user)
{
    Draft *draft = draft_of (controller, application);
    if (draft->document == NULL)
        return;
    g_autoptr (json_t) ops = ops_between (application->applied, document), none = json_array ();
    g_autoptr (json_t) merged = merge (draft->document, ops, none);
    g_autoptr (json_t) changed = all_places (draft->document, merged);
    if (json_array_size (changed) > 0)
        draft_change (controller, application, merged, ops_between (draft->document, merged), changed, user);
}

/* --- renamed volumes --------------------------------------------------------------------------------------- */

/* [{"op": "rename", …}] that make the applied description have the draft's names. */
static json_t *
rename_ops (const Draft *draft)
{
    json_t *ops = json_array (), *old;
    const char *name;
    json_object_foreach (draft->renamed, name, old) {
        g_autofree char *path = path_key ("volumes", json_string_value (old));
        json_array_append_new (ops, json_pack ("{s:s, s:s, s:s}", "op", "rename", "path", path, "to", name));
    }
    return ops;
}

Topology *
draft_renamed_topology (Controller *controller, ApplicationRecord *application, json_t **document,
                        GError **error)
{
    const Draft *draft = draft_of (controller, application);
    g_autoptr (Problems) problems = problems_new ();
    g_auto (OpsResult) result = {0};
    if (json_object_size (draft->renamed) == 0)
        return NULL;
    g_autoptr (json_t) ops = rename_ops (draft);
    if (!ops_apply (application->applied, ops, NULL, &result, problems)) {
        problems_to_error (problems, error);
        return NULL;
    }
    g_autoptr (Prepared) prepared =
        description_prepare_kept (result.document, application->used, application->images, error);
    if (prepared == NULL)
        return NULL;
    if (document != NULL)
        *document = json_incref (prepared->document);
    return g_steal_pointer (&prepared->topology);
}

/* "rows" and, of a tier, "rows.1". */
static gboolean
is_of_volume (const VolumeRecord *volume, const ApplicationRecord *application, const char *name)
{
    gsize length = strlen (name);
    return g_strcmp0 (volume->application, application->name) == 0 && !volume->deleting &&
           volume->local != NULL && strncmp (volume->local, name, length) == 0 &&
           (volume->local[length] == '\0' || volume->local[length] == '.');
}

/* An unused volume may have the new name. */
static gboolean
name_is_free (Controller *controller, const ApplicationRecord *application, const char *name, GError **error)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_autofree char *full = g_strdup_printf ("%s.%s", application->name, name);
    gsize length = strlen (full);
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (strncmp (volume->name, full, length) == 0 &&
            (volume->name[length] == '\0' || volume->name[length] == '.')) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                         "volume '%s' exists: destroy it first, or give the renamed volume another name",
                         volume->name);
            return FALSE;
        }
    return TRUE;
}

static void
rename_records (Controller *controller, const ApplicationRecord *application, const char *from,
                const char *to)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        if (!is_of_volume (volume, application, from))
            continue;
        g_autofree char *local = g_strconcat (to, volume->local + strlen (from), NULL);
        g_autofree char *name = g_strdup_printf ("%s.%s", application->name, local);
        record_set_string (&volume->local, local);
        record_set_string (&volume->name, name);
        volume->renamed = volume->made && volume->server != NULL;
        controller_note (controller, "volume.renamed", "volume", name, application->name,
                         volume_state (volume), json_pack ("{s:s}", "from", from));
    }
}

gboolean
draft_rename_volumes (Controller *controller, ApplicationRecord *application, GError **error)
{
    Draft *draft = draft_of (controller, application);
    json_t *document = NULL, *old;
    const char *name;
    if (json_object_size (draft->renamed) == 0)
        return TRUE;
    json_object_foreach (draft->renamed, name, old)
        if (!name_is_free (controller, application, name, error))
            return FALSE;
    topology_free (draft_renamed_topology (controller, application, &document, error));
    if (document == NULL)
        return FALSE;
    record_set_json (&application->applied, document);
    if (!controller_compile (controller, application, error))
        return FALSE;
    json_object_foreach (draft->renamed, name, old)
        rename_records (controller, application, json_string_value (old), name);
    record_set_json (&draft->renamed, NULL);
    draft_keep (controller, application);
    return TRUE;
}

/* --- earlier descriptions ---------------------------------------------------------------------------------- */

void
descriptions_keep (Controller *controller, ApplicationRecord *application)
{
    g_autofree char *key = log_key (application, application->revision);
    g_autofree char *oldest = log_key (application, application->revision - DESCRIPTIONS_KEPT);
    g_autofree char *time = controller_stamp (controller);
    g_autofree char *document = json_dumps (application->applied, JSON_COMPACT);
    controller_write (controller, STORE_DESCRIPTIONS, key,
                      json_pack ("{s:I, s:s, s:s?, s:s?, s:s}", "revision", (json_int_t)application->revision,
                                 "time", time, "user", application->author, "cause", application->cause,
                                 "document", document)); /* as text: the order of keys is for people */
    if (application->revision > DESCRIPTIONS_KEPT)
        controller_write (controller, STORE_DESCRIPTIONS, oldest, NULL);
}

typedef struct {
    Controller *controller;
    StoreTable table;
} Forgetting;

static gboolean
forget_row (const char *key, json_t *value, gpointer user_data)
{
    const Forgetting *forgetting = user_data;
    controller_write (forgetting->controller, forgetting->table, key, NULL);
    return TRUE;
}

void
draft_forget (Controller *controller, const char *application_id)
{
    static const StoreTable tables[] = {STORE_DRAFTS, STORE_DESCRIPTIONS};
    for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
        Forgetting forgetting = {controller, tables[i]};
        store_list (controller->store, tables[i], application_id, NULL, 0, forget_row, &forgetting, NULL);
    }
}
