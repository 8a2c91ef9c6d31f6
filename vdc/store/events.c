#include "vdc/store/store_private.h"

#include "vdc/base/bug.h"

typedef struct {
    guint id;
    EventWatch watch;
    gpointer user_data;
} Watcher;

void
event_add (StoreTxn *txn, const Event *event)
{
    g_autofree char *stamp = clock_stamp (txn->store->clock);
    json_t *value = json_object ();
    json_put (value, "seq", json_integer (0)); /* first among the keys; numbered at the commit */
    json_put (value, "time", json_string (stamp));
    json_put (value, "kind", json_str_new (event->kind));
    json_put (value, "object", json_str_new (event->object));
    json_put (value, "id", json_str_new (event->id));
    json_put (value, "application", json_str_new (event->application));
    json_put (value, "application_id", json_str_new (event->application_id));
    json_put (value, "state", json_str_new (event->state));
    json_put (value, "data", event->data ? event->data : json_object ());
    g_ptr_array_add (txn->events, value);
}

guint64
events_last (Store *store)
{
    return store->last_seq;
}

guint64
events_first (Store *store)
{
    return store->first_seq;
}

json_t *
events_list (Store *store, guint64 after, guint limit, gboolean *gap, GError **error)
{
    g_autoptr (json_t) events = json_array ();
    if (!tables_list_events (store->tables, after, limit, events, error))
        return NULL;
    if (gap != NULL)
        *gap = after + 1 < store->first_seq && !vdc_bug ("store-gap-unsaid");
    return g_steal_pointer (&events);
}

json_t *
events_list_of (Store *store, const char *application, guint64 after, guint limit, gboolean *gap,
                GError **error)
{
    g_autoptr (json_t) events = json_array ();
    if (!tables_list_events_of (store->tables, application, after, limit, events, error))
        return NULL;
    if (gap != NULL)
        *gap = after + 1 < store->first_seq;
    return g_steal_pointer (&events);
}

guint
events_watch (Store *store, EventWatch watch, gpointer user_data)
{
    Watcher *watcher = g_new0 (Watcher, 1);
    watcher->id = ++store->next_watch;
    watcher->watch = watch;
    watcher->user_data = user_data;
    g_ptr_array_add (store->watches, watcher);
    return watcher->id;
}

void
events_unwatch (Store *store, guint id)
{
    for (guint i = 0; i < store->watches->len; i++) {
        Watcher *watcher = store->watches->pdata[i];
        if (watcher->id == id) {
            g_ptr_array_remove_index (store->watches, i);
            return;
        }
    }
}

void
event_watches_tell (Store *store, const json_t *event)
{
    /* A watcher may leave while it is told; ids only grow, so going by id misses nobody and tells nobody
     * twice. */
    guint told = 0;
    for (guint i = 0; i < store->watches->len;) {
        Watcher *watcher = store->watches->pdata[i];
        if (watcher->id <= told) {
            i++;
            continue;
        }
        told = watcher->id;
        watcher->watch (event, watcher->user_data);
        i = 0;
    }
}
