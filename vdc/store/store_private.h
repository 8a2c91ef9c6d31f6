/*
 * Inside of the store: the commit record, the back end that makes it durable, and what store.c and events.c
 * share.
 */
#pragma once

#include "vdc/store/events.h"
#include "vdc/store/store.h"

/* One key change. A NULL value deletes. */
typedef struct {
    StoreTable table;
    char *key;
    char *value; /* JSON text */
} StoreChange;

/* What one commit is: the unit that every back end makes durable, whole or not at all. */
typedef struct {
    guint64 number;     /* of the commit, 1, 2, 3 … */
    guint64 first_seq;  /* number of the first event in it */
    GPtrArray *changes; /* StoreChange, in order; a later one wins */
    GPtrArray *events;  /* json_t, "seq" set */
} StoreRecord;

/*
 * How a record becomes durable. append returns TRUE only when the record is on the disk (of the standby, the
 * quorum, …) and applied to the local tables; FALSE with VDC_ERROR_FULL when nothing was done. An unknown
 * outcome is not returned: the back end reads the log back, or ends the process.
 */
typedef struct {
    const char *name;
    gboolean (*append) (Store *store, const StoreRecord *record, GError **error);
} StoreLog;

extern const StoreLog store_log_local; /* the LMDB transaction itself */

typedef struct StoreTables StoreTables; /* the LMDB side, lmdb.c */

struct Store {
    StoreTables *tables;
    const StoreLog *log;
    Clock *clock;
    guint64 events_kept;
    guint events_days;
    guint64 last_commit, last_seq, first_seq;
    StoreTxn *open_txn;
    GPtrArray *watches;
    guint next_watch;
};

struct StoreTxn {
    Store *store;
    GPtrArray *changes;
    GPtrArray *events;
};

/* events.c: tell every watcher. */
void event_watches_tell (Store *store, const json_t *event);

/* --- lmdb.c: the one file that knows LMDB -------------------------------------------------------------- */

StoreTables *tables_open (const char *folder, guint64 map_size_bytes, guint64 map_limit_bytes,
                          GError **error);
void tables_close (StoreTables *tables);

/* JSON text of a value, caller frees; NULL without @error when there is none. */
char *tables_get (StoreTables *tables, StoreTable table, const char *key, GError **error);
gboolean tables_list (StoreTables *tables, StoreTable table, const char *prefix, const char *after,
                      guint limit, StoreRow row, gpointer user_data, GError **error);
/* Events after @after, appended to @events. */
gboolean tables_list_events (StoreTables *tables, guint64 after, guint limit, json_t *events, GError **error);
/* The same of one application, by the index. */
gboolean tables_list_events_of (StoreTables *tables, const char *application, guint64 after, guint limit,
                                json_t *events, GError **error);
/* Numbers of the oldest and newest event and of the last commit; zeros in a new store. */
gboolean tables_read_numbers (StoreTables *tables, guint64 *first_seq, guint64 *last_seq,
                              guint64 *last_commit, GError **error);
/*
 * Apply @record and drop events below @keep_from or with a stamp before @keep_since (NULL: any), in one
 * durable transaction. Grows the map when it is full. FALSE: VDC_ERROR_FULL, nothing applied. Aborts the
 * process when the disk cannot be synced.
 */
gboolean tables_apply (StoreTables *tables, const StoreRecord *record, guint64 keep_from,
                       const char *keep_since, GError **error);
gboolean tables_copy (StoreTables *tables, const char *folder, GError **error);
