/*
 * The controller's durable state: tables of JSON values by key, and a numbered event log, in one LMDB
 * environment. The format is in FORMAT.md.
 *
 * Writing: collect changes and events in a StoreTxn, then store_commit. A commit is one record: all of it is
 * durable, in order, when store_commit returns TRUE, or none of it was applied. Nothing is visible to readers
 * before. There is one writer, the main loop; begin and commit within one turn of it. Reads see the last
 * commit and return copies.
 *
 * How a commit becomes durable is a table of functions (StoreLog), so that other back ends (a standby, etcd)
 * can stand in for the local one.
 *
 * When the disk cannot be synced the process ends by abort: after a failed fsync nobody knows what is on the
 * disk. Main loop only.
 */
#pragma once

#include "vdc/base/clock.h"
#include "vdc/base/error.h"
#include "vdc/base/json.h"

#include <glib.h>

typedef struct Store Store;
typedef struct StoreTxn StoreTxn;

typedef enum {
    STORE_APPLICATIONS, /* by name */
    STORE_VOLUMES,      /* by id */
    STORE_SERVERS,      /* by name */
    STORE_NETWORKS,     /* by name */
    STORE_JOBS,         /* by id */
    STORE_USERS,        /* by name */
    STORE_TOKENS,       /* by id */
    STORE_AUDIT,        /* by event number, 16 hex digits */
    STORE_TRASH,        /* by id */
    STORE_CATALOGS,     /* by name */
    STORE_CLASSES,      /* of grid catalogs, by "CATALOG/NAME@VERSION" */
    STORE_DRAFTS,       /* by application id; with a revision behind it: what made that revision */
    STORE_DESCRIPTIONS, /* those applied, by application id and revision */
    STORE_META, /* counters and settings of the controller by name; keys of the store itself start with
                   "store." */
    STORE_N_TABLES
} StoreTable;

/* "applications", … Static. */
const char *store_table_name (StoreTable table);

#define STORE_KEY_MAX 511 /* bytes */

typedef struct {
    guint64 map_size_bytes;  /* first size of the map, 0: 64 MiB; it grows by itself */
    guint64 map_limit_bytes; /* 0: 16 GiB; a commit that needs more is VDC_ERROR_FULL */
    guint64 events_kept;     /* 0: 100000 */
    guint events_days;       /* older ones are dropped too; 0: any age */
    Clock *clock;            /* stamps events; NULL: the machine's */
} StoreOptions;

/*
 * Open or create the store in @folder (made 0700). @options may be NULL. NULL: VDC_ERROR_CONFLICT when
 * another process has it open or it was written by a newer format, VDC_ERROR_FULL, VDC_ERROR_FAILED.
 */
Store *store_open (const char *folder, const StoreOptions *options, GError **error);
void store_close (Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Store, store_close)

/* --- reading ------------------------------------------------------------------------------------------- */

/* A copy, caller owns. NULL: VDC_ERROR_NOT_FOUND "no application 'shop'", or the store failed. */
json_t *store_get (Store *store, StoreTable table, const char *key, GError **error);
gboolean store_has (Store *store, StoreTable table, const char *key);
/*
 * Rows whose key starts with @prefix (NULL: all) and is greater than @after (NULL: from the first), in byte
 * order, at most @limit (0: all): calls @row with a value it may keep by reference. FALSE from @row ends the
 * walk.
 */
typedef gboolean (*StoreRow) (const char *key, json_t *value, gpointer user_data);
gboolean store_list (Store *store, StoreTable table, const char *prefix, const char *after, guint limit,
                     StoreRow row, gpointer user_data, GError **error);
/* The same as a JSON array of the values. Caller owns; NULL and @error. */
json_t *store_list_json (Store *store, StoreTable table, const char *prefix, const char *after, guint limit,
                         GError **error);

/* --- writing ------------------------------------------------------------------------------------------- */

/* One at a time. */
StoreTxn *store_begin (Store *store);
/* Takes @value. A key that is empty or over STORE_KEY_MAX is our own bug (ids are checked where they come
 * in). */
void store_put (StoreTxn *txn, StoreTable table, const char *key, json_t *value);
/* A missing key is no error. */
void store_del (StoreTxn *txn, StoreTable table, const char *key);
/* Events: event_add in events.h. */

/*
 * Make it durable and free @txn, whatever the result. On success *@last_seq (may be NULL) is the number of
 * the newest event of the store, and event watchers are called before it returns. FALSE: VDC_ERROR_FULL (disk
 * or map limit) and nothing was applied; trying again later is right.
 */
gboolean store_commit (StoreTxn *txn, guint64 *last_seq, GError **error);
/* Drop it. NULL does nothing. */
void store_abort (StoreTxn *txn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StoreTxn, store_abort)

/* Number of the last commit, 0 in a new store. */
guint64 store_last_commit (const Store *store);
/*
 * A consistent copy of the live store into @folder (made, must be empty). Blocking; any thread, while the
 * main loop goes on, but before store_close.
 */
gboolean store_copy (Store *store, const char *folder, GError **error);
