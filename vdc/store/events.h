/*
 * The numbered change log, written in the same commit as the change it tells of. Numbers start at 1, have no
 * gaps and are never used twice, also over restarts. The oldest are dropped beyond StoreOptions.events_kept.
 *
 * EVENT as JSON: {"seq", "time", "kind", "object", "id", "application", "application_id",
 * "state", "data"}.
 */
#pragma once

#include "vdc/store/store.h"

typedef struct {
    const char *kind;           /* "application.state", "instance.ready", "job.step", … */
    const char *object;         /* "application", "instance", "volume", "server", "job" */
    const char *id;             /* its name or id */
    const char *application;    /* may be NULL */
    const char *application_id; /* may be NULL; a later application of that name is another */
    const char *state;          /* may be NULL */
    json_t *data;               /* an object, taken; may be NULL */
} Event;

/* Add to the commit. The number is given at the commit; the stamp is taken now. Strings are copied. */
void event_add (StoreTxn *txn, const Event *event);

/* Newest number, 0 when there was never one. */
guint64 events_last (Store *store);
/* Oldest number still kept; events_last + 1 when none is. */
guint64 events_first (Store *store);
/*
 * Up to @limit (0: all) events with a number greater than @after, oldest first, as a JSON array; caller owns.
 * When some of them are no longer kept *@gap (may be NULL) is TRUE: the reader must read the whole state
 * anew. NULL and @error.
 */
json_t *events_list (Store *store, guint64 after, guint limit, gboolean *gap, GError **error);

/* The same of one application: costs what it has, not what there is. */
json_t *events_list_of (Store *store, const char *application, guint64 after, guint limit, gboolean *gap,
                        GError **error);

/*
 * Told every event after its commit, in order, from within store_commit: do not commit in it. Several may
 * watch. Returns an id for events_unwatch.
 */
typedef void (*EventWatch) (const json_t *event, gpointer user_data);
guint events_watch (Store *store, EventWatch watch, gpointer user_data);
void events_unwatch (Store *store, guint id);
