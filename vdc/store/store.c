#include "vdc/store/store_private.h"

#include <string.h>

#include "vdc/base/bug.h"

#define DEFAULT_EVENTS_KEPT 100000

/* --- local back end ------------------------------------------------------------------------------------ */

/* Stamps are of one form: they compare as text. */
static char *
keep_since (const Store *store)
{
    if (store->events_days == 0)
        return NULL;
    gint64 since_s = clock_wall_us (store->clock) / G_USEC_PER_SEC - (gint64)store->events_days * 24 * 3600;
    g_autoptr (GDateTime) since = g_date_time_new_from_unix_utc (since_s);
    return g_date_time_format (since, "%Y-%m-%dT%H:%M:%S");
}

static gboolean
append_local (Store *store, const StoreRecord *record, GError **error)
{
    guint64 last = record->first_seq + record->events->len - 1;
    guint64 keep_from = last > store->events_kept ? last - store->events_kept + 1 : 1;
    g_autofree char *since = keep_since (store);
    return tables_apply (store->tables, record, keep_from, since, error);
}

const StoreLog store_log_local = {"local", append_local};

/* --- open and read ------------------------------------------------------------------------------------- */

Store *
store_open (const char *folder, const StoreOptions *options, GError **error)
{
    static const StoreOptions defaults;
    options = options ? options : &defaults;
    StoreTables *tables = tables_open (folder, options->map_size_bytes, options->map_limit_bytes, error);
    if (tables == NULL)
        return NULL;
    Store *store = g_new0 (Store, 1);
    store->tables = tables;
    store->log = &store_log_local;
    store->clock = options->clock ? options->clock : clock_real ();
    store->events_kept = options->events_kept ? options->events_kept : DEFAULT_EVENTS_KEPT;
    store->events_days = options->events_days;
    store->watches = g_ptr_array_new_with_free_func (g_free);
    if (!tables_read_numbers (tables, &store->first_seq, &store->last_seq, &store->last_commit, error)) {
        store_close (store);
        return NULL;
    }
    return store;
}

void
store_close (Store *store)
{
    if (store == NULL)
        return;
    g_assert (store->open_txn == NULL);
    tables_close (store->tables);
    g_ptr_array_unref (store->watches);
    g_free (store);
}

/* "application" for messages. */
static char *
singular (StoreTable table)
{
    const char *name = store_table_name (table);
    gsize length = strlen (name);
    return g_strndup (name, name[length - 1] == 's' ? length - 1 : length);
}

json_t *
store_get (Store *store, StoreTable table, const char *key, GError **error)
{
    g_autoptr (GError) local = NULL;
    g_autofree char *text = tables_get (store->tables, table, key, &local);
    if (text != NULL)
        return json_parse (text, strlen (text), error);
    if (local != NULL) {
        g_propagate_error (error, g_steal_pointer (&local));
        return NULL;
    }
    g_autofree char *what = singular (table);
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no %s '%s'", what, key);
    return NULL;
}

gboolean
store_has (Store *store, StoreTable table, const char *key)
{
    g_autofree char *text = tables_get (store->tables, table, key, NULL);
    return text != NULL;
}

gboolean
store_list (Store *store, StoreTable table, const char *prefix, const char *after, guint limit, StoreRow row,
            gpointer user_data, GError **error)
{
    return tables_list (store->tables, table, prefix, after, limit, row, user_data, error);
}

static gboolean
append_value (const char *key, json_t *value, gpointer user_data)
{
    json_array_append (user_data, value);
    return TRUE;
}

json_t *
store_list_json (Store *store, StoreTable table, const char *prefix, const char *after, guint limit,
                 GError **error)
{
    g_autoptr (json_t) values = json_array ();
    if (!store_list (store, table, prefix, after, limit, append_value, values, error))
        return NULL;
    return g_steal_pointer (&values);
}

guint64
store_last_commit (const Store *store)
{
    return store->last_commit;
}

gboolean
store_copy (Store *store, const char *folder, GError **error)
{
    return tables_copy (store->tables, folder, error);
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void
change_free (gpointer data)
{
    StoreChange *change = data;
    g_free (change->key);
    g_free (change->value);
    g_free (change);
}

StoreTxn *
store_begin (Store *store)
{
    g_assert (store->open_txn == NULL);
    StoreTxn *txn = g_new0 (StoreTxn, 1);
    txn->store = store;
    txn->changes = g_ptr_array_new_with_free_func (change_free);
    txn->events = g_ptr_array_new_with_free_func ((GDestroyNotify)json_decref);
    store->open_txn = txn;
    return txn;
}

static void
add_change (StoreTxn *txn, StoreTable table, const char *key, char *value)
{
    g_assert (*key != '\0' && strlen (key) <= STORE_KEY_MAX);
    g_assert (table != STORE_META || !g_str_has_prefix (key, "store."));
    StoreChange *change = g_new0 (StoreChange, 1);
    change->table = table;
    change->key = g_strdup (key);
    change->value = value;
    g_ptr_array_add (txn->changes, change);
}

void
store_put (StoreTxn *txn, StoreTable table, const char *key, json_t *value)
{
    add_change (txn, table, key, json_text (value));
    json_decref (value);
}

void
store_del (StoreTxn *txn, StoreTable table, const char *key)
{
    if (vdc_bug ("store-deletes-nothing"))
        return;
    add_change (txn, table, key, NULL);
}

void
store_abort (StoreTxn *txn)
{
    if (txn == NULL)
        return;
    txn->store->open_txn = NULL;
    g_ptr_array_unref (txn->changes);
    g_ptr_array_unref (txn->events);
    g_free (txn);
}

static void
number_events (GPtrArray *events, guint64 first_seq)
{
    for (guint i = 0; i < events->len; i++)
        json_put (events->pdata[i], "seq", json_integer ((json_int_t)(first_seq + i)));
}

static void
tell_watches (Store *store, GPtrArray *events)
{
    for (guint i = 0; i < events->len; i++)
        event_watches_tell (store, events->pdata[i]);
}

gboolean
store_commit (StoreTxn *txn, guint64 *last_seq, GError **error)
{
    Store *store = txn->store;
    StoreRecord record = {store->last_commit + 1, store->last_seq + 1, txn->changes, txn->events};
    g_autoptr (GPtrArray) events = g_ptr_array_ref (txn->events);

    number_events (events, record.first_seq);
    gboolean done = store->log->append (store, &record, error);
    store_abort (txn);
    if (!done)
        return FALSE;
    store->last_commit = record.number;
    store->last_seq += events->len;
    guint64 first, last, commit;
    if (tables_read_numbers (store->tables, &first, &last, &commit, NULL))
        store->first_seq = first;
    if (last_seq != NULL)
        *last_seq = store->last_seq;
    tell_watches (store, events);
    return TRUE;
}
