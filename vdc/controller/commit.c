/* How memory becomes durable: what differs from the last commit and the events noted since, in one
 * transaction. */
#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/controller/controller.h"

void
controller_note (Controller *controller, const char *kind, const char *object, const char *id,
                 const char *application, const char *state, json_t *data)
{
    json_array_append_new (controller->noted,
                           json_pack ("{s:s, s:s, s:s, s:s?, s:s?, s:o?}", "kind", kind, "object", object,
                                      "id", id, "application", application, "state", state, "data", data));
}

void
controller_write (Controller *controller, StoreTable table, const char *key, json_t *value)
{
    json_array_append_new (controller->written, json_pack ("[i, s, o?]", (int)table, key, value));
}

/* Put @now when it differs from *@stored. */
static void
put_changed (StoreTxn **txn, Store *store, StoreTable table, const char *key, json_t *now, json_t *stored)
{
    if (stored != NULL && json_equal (now, stored)) {
        json_decref (now);
        return;
    }
    if (*txn == NULL)
        *txn = store_begin (store);
    store_put (*txn, table, key, now);
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

static void
put_all (Controller *controller, StoreTxn **txn)
{
    GHashTableIter iter;
    const char *key;
    ApplicationRecord *application;
    VolumeRecord *volume;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&application))
        put_changed (txn, controller->store, STORE_APPLICATIONS, key, application_record_json (application),
                     application->stored);
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&volume))
        put_changed (txn, controller->store, STORE_VOLUMES, key, volume_record_json (volume), volume->stored);
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, (gpointer *)&key, (gpointer *)&job))
        put_changed (txn, controller->store, STORE_JOBS, key, job_record_json (job), job->stored);
}

static void
remember_all (Controller *controller)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    VolumeRecord *volume;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        record_set_json (&application->stored, application_record_json (application));
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        record_set_json (&volume->stored, volume_record_json (volume));
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        record_set_json (&job->stored, job_record_json (job));
}

static void
put_noted (Controller *controller, StoreTxn *txn)
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
    json_array_foreach (controller->noted, i, row) {
        json_t *data = json_object_get (row, "data");
        const Event event = {.kind = json_str (row, "kind", ""),
                             .object = json_str (row, "object", ""),
                             .id = json_str (row, "id", ""),
                             .application = json_str (row, "application", NULL),
                             .state = json_str (row, "state", NULL),
                             .data = json_is_object (data) ? json_incref (data) : NULL};
        event_add (txn, &event);
    }
}

gboolean
controller_commit (Controller *controller, GError **error)
{
    StoreTxn *txn = NULL;
    note_volumes (controller);
    put_all (controller, &txn);
    if (txn == NULL && json_array_size (controller->noted) == 0 && json_array_size (controller->written) == 0)
        return TRUE;
    if (txn == NULL)
        txn = store_begin (controller->store);
    put_noted (controller, txn);
    vdc_failpoint ("controller.before_commit");
    if (!store_commit (txn, NULL, error))
        return FALSE;
    vdc_failpoint ("controller.after_commit");
    json_array_clear (controller->noted);
    json_array_clear (controller->written);
    remember_all (controller);
    return TRUE;
}
