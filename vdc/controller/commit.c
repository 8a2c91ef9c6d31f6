/* How memory becomes durable: what differs from the last commit and the events noted since, in one
 * transaction. */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/controller/audit.h"

void
controller_note (Controller *controller, const char *kind, const char *object, const char *id,
                 const char *application, const char *state, json_t *data)
{
    json_array_append_new (controller->noted,
                           json_pack ("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:o?}", "kind", kind, "object",
                                      object, "id", id, "application", application, "application_id",
                                      access_application_id (controller, application), "state", state, "data",
                                      data));
}

void
controller_write (Controller *controller, StoreTable table, const char *key, json_t *value)
{
    json_array_append_new (controller->written, json_pack ("[i, s, o?]", (int)table, key, value));
}

/* A record that differs from what is stored. */
typedef struct {
    json_t **stored; /* of the record */
    json_t *now;
} Change;

typedef struct {
    Store *store;
    StoreTxn *txn; /* NULL: nothing differs yet */
    GArray *changes;
} Changes;

/* Takes @now. */
static void
put_changed (Changes *changes, StoreTable table, const char *key, json_t *now, json_t **stored)
{
    const Change change = {stored, now};
    if (*stored != NULL && json_equal (now, *stored)) {
        json_decref (now);
        return;
    }
    if (changes->txn == NULL)
        changes->txn = store_begin (changes->store);
    g_array_append_val (changes->changes, change);
    store_put (changes->txn, table, key, json_incref (now));
}

/* What was written is what is stored; on failure it still differs. */
static void
changes_end (Changes *changes, gboolean written)
{
    for (guint i = 0; i < changes->changes->len; i++) {
        Change *change = &g_array_index (changes->changes, Change, i);
        if (written)
            record_set_json (change->stored, change->now);
        else
            json_decref (change->now);
    }
    g_array_unref (changes->changes);
}

/* Every change of a volume's state is told from here, once, whatever changed it. */
static void
note_volumes (Controller *controller)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        const char *state = volume_state (volume);
        if (g_strcmp0 (state, volume->published) == 0)
            continue;
        volume->published = state;
        controller_note (controller, "volume.state", "volume", volume->name, volume->application, state,
                         volume->error != NULL ? json_deep_copy (volume->error) : NULL);
    }
}

/* What changes an application may change its volumes. */
static gboolean
of_marked (Controller *controller, const VolumeRecord *volume)
{
    const ApplicationRecord *application =
        volume->application != NULL ? g_hash_table_lookup (controller->applications, volume->application)
                                    : NULL;
    return volume->application != NULL &&
           (application == NULL || application->dirty || application->stored == NULL);
}

#ifdef VDC_TEST_BUILD
/* Takes @now. */
static void
check_unmarked (const char *name, json_t *now, const json_t *stored)
{
    if (!json_equal (now, stored)) {
        g_autofree char *before = json_text (stored), *after = json_text (now);
        g_error ("'%s' was changed and not marked, from %s to %s", name, before, after);
    }
    json_decref (now);
}
#else
#define check_unmarked(name, now, stored)                                                                    \
    do {                                                                                                     \
    } while (0)
#endif

/* All that was marked is written. */
static void
unmark_all (Controller *controller)
{
    GHashTableIter iter;
    gpointer record;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        ((ApplicationRecord *)record)->dirty = FALSE;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        ((VolumeRecord *)record)->dirty = FALSE;
}

static void
put_all (Controller *controller, Changes *changes)
{
    GHashTableIter iter;
    const char *key;
    ApplicationRecord *application;
    VolumeRecord *volume;
    JobRecord *job;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&application))
        if (application->stored == NULL || application->dirty)
            put_changed (changes, STORE_APPLICATIONS, key, application_record_json (application),
                         &application->stored);
        else
            check_unmarked (application->name, application_record_json (application), application->stored);
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&volume))
        if (volume->stored == NULL || volume->dirty || of_marked (controller, volume))
            put_changed (changes, STORE_VOLUMES, key, volume_record_json (volume), &volume->stored);
        else
            check_unmarked (volume->name, volume_record_json (volume), volume->stored);
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&entry))
        if (entry->stored == NULL || json_int (entry->stored, "expires_us", 0) != entry->expires_us)
            put_changed (changes, STORE_TRASH, key, trash_record_json (entry), &entry->stored);
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&job))
        if (job->stored == NULL || strcmp (job->state, "running") == 0 ||
            strcmp (json_str (job->stored, "state", ""), job->state) !=
                0) /* one that has ended stays as it is */
            put_changed (changes, STORE_JOBS, key, job_record_json (job), &job->stored);
}

/* Before the records: a row that goes and a record that comes under its key in one commit is a move. */
static void
put_rows (Controller *controller, StoreTxn *txn)
{
    gsize i;
    json_t *row;
    json_array_foreach (controller->written, i, row) {
        StoreTable table = (StoreTable)json_integer_value (json_array_get (row, 0));
        const char *key = json_string_value (json_array_get (row, 1));
        json_t *value = json_array_get (row, 2);
        if (json_is_null (value))
            store_del (txn, table, key);
        else
            store_put (txn, table, key, json_incref (value));
    }
}

static void
put_noted (Controller *controller, StoreTxn *txn)
{
    gsize i;
    json_t *row;
    json_array_foreach (controller->noted, i, row) {
        json_t *data = json_object_get (row, "data");
        const Event event = {.kind = json_str (row, "kind", ""),
                             .object = json_str (row, "object", ""),
                             .id = json_str (row, "id", ""),
                             .application = json_str (row, "application", NULL),
                             .application_id = json_str (row, "application_id", NULL),
                             .state = json_str (row, "state", NULL),
                             .data = json_is_object (data) ? json_incref (data) : NULL};
        event_add (txn, &event);
    }
}

/* Takes @changes. */
static gboolean
commit (Controller *controller, Changes *changes, GError **error)
{
    if (changes->txn == NULL && json_array_size (controller->noted) == 0 && !audit_has_noted (controller)) {
        changes_end (changes, FALSE);
        return TRUE;
    }
    if (changes->txn == NULL)
        changes->txn = store_begin (controller->store);
    put_noted (controller, changes->txn);
    audit_put (controller, changes->txn);
    FP ("commit.01.before");
    gboolean written = store_commit (changes->txn, NULL, error);
    changes_end (changes, written);
    audit_put_done (controller, written);
    if (!written)
        return FALSE;
    FP ("commit.02.after");
    json_array_clear (controller->noted);
    json_array_clear (controller->written);
    return TRUE;
}

static Changes
begin_rows (Controller *controller)
{
    Changes changes = {controller->store, NULL, g_array_new (FALSE, FALSE, sizeof (Change))};
    if (json_array_size (controller->written) > 0) {
        changes.txn = store_begin (controller->store);
        put_rows (controller, changes.txn);
    }
    return changes;
}

gboolean
controller_commit_rows (Controller *controller, GError **error)
{
    Changes changes = begin_rows (controller);
    return commit (controller, &changes, error);
}

gboolean
controller_commit (Controller *controller, GError **error)
{
    note_volumes (controller);
    Changes changes = begin_rows (controller);
    put_all (controller, &changes);
    if (!commit (controller, &changes, error))
        return FALSE;
    unmark_all (controller);
    return TRUE;
}
