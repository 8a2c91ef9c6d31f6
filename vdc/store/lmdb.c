/*
 * The tables in LMDB (the one file that knows it).
 *
 * Rules of the library kept here: an environment is opened once a process and never used after fork; no
 * transaction outlives a call, so no pointer into the map escapes and no old pages stay pinned; the map is
 * resized only while no transaction is open: ours is the only thread but for tables_copy, which holds a lock.
 */
#include "vdc/store/store_private.h"

#include "vdc/base/bug.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <errno.h>
#include <lmdb.h>
#include <string.h>
#include <sys/file.h>
#include <fcntl.h>
#include <unistd.h>

#define FORMAT_VERSION 2
#define KEY_FORMAT "store.format"
#define KEY_COMMIT "store.commit"
#define KEY_LAST_SEQ "store.last_seq"
/* Longer names of applications (there are none) are found by looking at every event. */
#define INDEX_NAME_MAX 128
#define DEFAULT_MAP_BYTES ((guint64)64 << 20)
#define DEFAULT_LIMIT_BYTES ((guint64)16 << 30)
/* Old events are dropped a few at a time, so that no commit becomes long. */
#define TRIM_AT_ONCE 256
/* Pages that any commit may copy beside its own data: the paths to the root in every table, the free list. */
#define COMMIT_OVERHEAD_BYTES (256 * 1024)
/* Reserved beyond what is needed, so that few commits reserve, and deletes still work on a full disk. */
#define RESERVE_AHEAD_BYTES (1024 * 1024)

struct StoreTables {
    MDB_env *env;
    MDB_dbi table[STORE_N_TABLES];
    MDB_dbi events, events_of; /* the second: application, NUL, number → nothing */
    guint64 map_bytes, map_limit_bytes;
    guint64 reserved_bytes; /* of the file, from its start */
    int lock_fd;
    GMutex copying; /* held while the map is read by a copy: it must not be resized then */
};

static const char *const table_names[STORE_N_TABLES] = {
    [STORE_APPLICATIONS] = "applications",
    [STORE_VOLUMES] = "volumes",
    [STORE_SERVERS] = "servers",
    [STORE_NETWORKS] = "networks",
    [STORE_JOBS] = "jobs",
    [STORE_USERS] = "users",
    [STORE_TOKENS] = "tokens",
    [STORE_AUDIT] = "audit",
    [STORE_TRASH] = "trash",
    [STORE_CATALOGS] = "catalogs",
    [STORE_CLASSES] = "classes",
    [STORE_DRAFTS] = "drafts",
    [STORE_DESCRIPTIONS] = "descriptions",
    [STORE_META] = "meta",
};

const char *
store_table_name (StoreTable table)
{
    return table_names[table];
}

static gboolean
fail (GError **error, int rc, const char *what)
{
    VdcErrorCode code =
        rc == ENOSPC || rc == EDQUOT || rc == MDB_MAP_FULL ? VDC_ERROR_FULL : VDC_ERROR_FAILED;
    g_set_error (error, VDC_ERROR, code, "store: %s: %s%s", what, mdb_strerror (rc),
                 code == VDC_ERROR_FULL ? "; free some space and try again" : "");
    return FALSE;
}

/* Events sort by number: big-endian keys. */
static MDB_val
seq_key (guint64 *buffer, guint64 seq)
{
    *buffer = GUINT64_TO_BE (seq);
    return (MDB_val){sizeof *buffer, buffer};
}

static guint64
seq_of (const MDB_val *key)
{
    guint64 seq = 0;
    if (key->mv_size == sizeof seq)
        memcpy (&seq, key->mv_data, sizeof seq);
    return GUINT64_FROM_BE (seq);
}

/* The index's key; caller frees its data. */
static MDB_val
index_key (const char *application, guint64 seq)
{
    gsize length = strlen (application) + 1;
    char *data = g_malloc (length + sizeof seq);
    seq = GUINT64_TO_BE (seq);
    memcpy (data, application, length);
    memcpy (data + length, &seq, sizeof seq);
    return (MDB_val){length + sizeof seq, data};
}

static MDB_val
text_val (const char *text)
{
    return (MDB_val){strlen (text), (void *)text};
}

/* --- opening ------------------------------------------------------------------------------------------- */

/* LMDB lets several processes in; our numbering and caches want exactly one. */
static gboolean
lock_folder (StoreTables *tables, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename (folder, "owner", NULL);
    tables->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (tables->lock_fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", path);
    if (flock (tables->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "the store in %s is open in another process", folder);
    return FALSE;
}

static gboolean
open_environment (StoreTables *tables, const char *folder, GError **error)
{
    int rc = mdb_env_create (&tables->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs (tables->env, STORE_N_TABLES + 8);
    if (rc == 0)
        rc = mdb_env_set_mapsize (tables->env, tables->map_bytes);
    if (rc == 0)
        rc = mdb_env_open (tables->env, folder, MDB_NOTLS, 0600);
    if (rc != 0)
        return fail (error, rc, "cannot open");
    /* A store that grew in an earlier life is larger than the first size. */
    MDB_envinfo info;
    mdb_env_info (tables->env, &info);
    tables->map_bytes = MAX (tables->map_bytes, info.me_mapsize);
    return TRUE;
}

static gint64
read_number (MDB_txn *txn, MDB_dbi meta, const char *name)
{
    MDB_val key = text_val (name), value;
    if (mdb_get (txn, meta, &key, &value) != 0)
        return 0;
    g_autofree char *text = g_strndup (value.mv_data, value.mv_size);
    return g_ascii_strtoll (text, NULL, 10);
}

static int
write_number (MDB_txn *txn, MDB_dbi meta, const char *name, guint64 number)
{
    g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
    MDB_val key = text_val (name), value = text_val (text);
    return mdb_put (txn, meta, &key, &value, 0);
}

static int
open_tables (StoreTables *tables, MDB_txn *txn)
{
    int rc = mdb_dbi_open (txn, "events", MDB_CREATE, &tables->events);
    if (rc == 0)
        rc = mdb_dbi_open (txn, "events_of", MDB_CREATE, &tables->events_of);
    for (int i = 0; rc == 0 && i < STORE_N_TABLES; i++)
        rc = mdb_dbi_open (txn, table_names[i], MDB_CREATE, &tables->table[i]);
    return rc;
}

void
tables_close (StoreTables *tables)
{
    if (tables == NULL)
        return;
    if (tables->env != NULL)
        mdb_env_close (tables->env);
    g_mutex_clear (&tables->copying);
    if (tables->lock_fd >= 0)
        close (tables->lock_fd);
    g_free (tables);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static MDB_txn *
begin_read (StoreTables *tables, GError **error)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin (tables->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        fail (error, rc, "cannot read");
    return rc == 0 ? txn : NULL;
}

char *
tables_get (StoreTables *tables, StoreTable table, const char *name, GError **error)
{
    MDB_txn *txn = begin_read (tables, error);
    if (txn == NULL)
        return NULL;
    MDB_val key = text_val (name), value;
    int rc = *name ? mdb_get (txn, tables->table[table], &key, &value) : MDB_NOTFOUND;
    char *text = rc == 0 ? g_strndup (value.mv_data, value.mv_size) : NULL;
    mdb_txn_abort (txn);
    if (rc != 0 && rc != MDB_NOTFOUND && rc != MDB_BAD_VALSIZE)
        fail (error, rc, "cannot read");
    return text;
}

typedef struct {
    char *key;
    json_t *value;
} Row;

static void
row_free (gpointer data)
{
    Row *row = data;
    g_free (row->key);
    json_decref (row->value);
    g_free (row);
}

/* Moves @cursor to the first key wanted. */
static int
first_key (MDB_cursor *cursor, const char *prefix, const char *after, MDB_val *key, MDB_val *value)
{
    const char *from = prefix ? prefix : "";
    if (after != NULL && strcmp (after, from) > 0)
        from = after;
    if (*from == '\0')
        return mdb_cursor_get (cursor, key, value, MDB_FIRST);
    *key = text_val (from);
    int rc = mdb_cursor_get (cursor, key, value, MDB_SET_RANGE);
    if (rc == 0 && after != NULL && key->mv_size == strlen (after) &&
        memcmp (key->mv_data, after, key->mv_size) == 0)
        rc = mdb_cursor_get (cursor, key, value, MDB_NEXT);
    return rc;
}

static gboolean
has_prefix (const MDB_val *key, const char *prefix)
{
    gsize length = prefix ? strlen (prefix) : 0;
    return key->mv_size >= length && memcmp (key->mv_data, prefix ? prefix : "", length) == 0;
}

/* Copies rows out, so that no transaction is open while @row runs and it may read the store itself. */
static GPtrArray *
copy_rows (StoreTables *tables, StoreTable table, const char *prefix, const char *after, guint limit,
           GError **error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    MDB_txn *txn = begin_read (tables, error);
    if (txn == NULL)
        return NULL;
    g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (row_free);
    int rc = mdb_cursor_open (txn, tables->table[table], &cursor);
    if (rc == 0)
        rc = first_key (cursor, prefix, after, &key, &value);
    gboolean parsed = TRUE;
    for (; rc == 0 && has_prefix (&key, prefix) && (limit == 0 || rows->len < limit);
         rc = mdb_cursor_get (cursor, &key, &value, MDB_NEXT)) {
        if (table == STORE_META && key.mv_size > 6 && memcmp (key.mv_data, "store.", 6) == 0)
            continue;
        Row *row = g_new0 (Row, 1);
        row->key = g_strndup (key.mv_data, key.mv_size);
        row->value = json_parse (value.mv_data, value.mv_size, error);
        g_ptr_array_add (rows, row);
        if (!(parsed = row->value != NULL))
            break;
    }
    if (cursor != NULL)
        mdb_cursor_close (cursor);
    mdb_txn_abort (txn);
    if (!parsed || (rc != 0 && rc != MDB_NOTFOUND && !fail (error, rc, "cannot read")))
        return NULL;
    return g_steal_pointer (&rows);
}

gboolean
tables_list (StoreTables *tables, StoreTable table, const char *prefix, const char *after, guint limit,
             StoreRow row, gpointer user_data, GError **error)
{
    g_autoptr (GPtrArray) rows = copy_rows (tables, table, prefix, after, limit, error);
    if (rows == NULL)
        return FALSE;
    for (guint i = 0; i < rows->len; i++) {
        Row *next = rows->pdata[i];
        if (!row (next->key, next->value, user_data))
            break;
    }
    return TRUE;
}

gboolean
tables_list_events (StoreTables *tables, guint64 after, guint limit, json_t *events, GError **error)
{
    MDB_cursor *cursor = NULL;
    guint64 buffer;
    MDB_val key = seq_key (&buffer, after + 1), value;
    MDB_txn *txn = begin_read (tables, error);
    if (txn == NULL)
        return FALSE;
    int rc = mdb_cursor_open (txn, tables->events, &cursor);
    if (rc == 0)
        rc = mdb_cursor_get (cursor, &key, &value, MDB_SET_RANGE);
    gboolean parsed = TRUE;
    for (; rc == 0 && (limit == 0 || json_array_size (events) < limit);
         rc = mdb_cursor_get (cursor, &key, &value, MDB_NEXT)) {
        json_t *event = json_parse (value.mv_data, value.mv_size, error);
        if (!(parsed = event != NULL))
            break;
        json_array_append_new (events, event);
    }
    if (cursor != NULL)
        mdb_cursor_close (cursor);
    mdb_txn_abort (txn);
    return parsed && (rc == 0 || rc == MDB_NOTFOUND || fail (error, rc, "cannot read events"));
}

/* The event of that number, or NULL: it was dropped. */
static json_t *
read_event (StoreTables *tables, MDB_txn *txn, guint64 seq, GError **error)
{
    guint64 buffer;
    MDB_val key = seq_key (&buffer, seq), value;
    if (mdb_get (txn, tables->events, &key, &value) != 0)
        return NULL;
    return json_parse (value.mv_data, value.mv_size, error);
}

gboolean
tables_list_events_of (StoreTables *tables, const char *application, guint64 after, guint limit,
                       json_t *events, GError **error)
{
    MDB_cursor *cursor = NULL;
    g_autoptr (GError) local = NULL;
    gsize length = strlen (application) + 1;
    MDB_txn *txn = begin_read (tables, error);
    if (txn == NULL)
        return FALSE;
    MDB_val from = index_key (application, after + 1), key = from, value;
    int rc = mdb_cursor_open (txn, tables->events_of, &cursor);
    if (rc == 0)
        rc = mdb_cursor_get (cursor, &key, &value, MDB_SET_RANGE);
    for (; rc == 0 && local == NULL && (limit == 0 || json_array_size (events) < limit);
         rc = mdb_cursor_get (cursor, &key, &value, MDB_NEXT)) {
        if (key.mv_size != length + sizeof (guint64) || memcmp (key.mv_data, application, length) != 0)
            break;
        MDB_val number = {sizeof (guint64), (char *)key.mv_data + length};
        json_t *event = read_event (tables, txn, seq_of (&number), &local);
        if (event != NULL)
            json_array_append_new (events, event);
    }
    if (cursor != NULL)
        mdb_cursor_close (cursor);
    mdb_txn_abort (txn);
    g_free (from.mv_data);
    if (local != NULL) {
        g_propagate_error (error, g_steal_pointer (&local));
        return FALSE;
    }
    return rc == 0 || rc == MDB_NOTFOUND || fail (error, rc, "cannot read events");
}

gboolean
tables_read_numbers (StoreTables *tables, guint64 *first_seq, guint64 *last_seq, guint64 *last_commit,
                     GError **error)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    MDB_txn *txn = begin_read (tables, error);
    if (txn == NULL)
        return FALSE;
    *last_commit = (guint64)read_number (txn, tables->table[STORE_META], KEY_COMMIT);
    *last_seq = (guint64)read_number (txn, tables->table[STORE_META], KEY_LAST_SEQ);
    *first_seq = *last_seq + 1;
    int rc = mdb_cursor_open (txn, tables->events, &cursor);
    if (rc == 0 && mdb_cursor_get (cursor, &key, &value, MDB_FIRST) == 0)
        *first_seq = seq_of (&key);
    if (cursor != NULL)
        mdb_cursor_close (cursor);
    mdb_txn_abort (txn);
    return rc == 0 || fail (error, rc, "cannot read the numbers");
}

/* --- writing ------------------------------------------------------------------------------------------- */

static int
apply_changes (StoreTables *tables, MDB_txn *txn, const StoreRecord *record)
{
    int rc = 0;
    for (guint i = 0; rc == 0 && i < record->changes->len; i++) {
        const StoreChange *change = record->changes->pdata[i];
        MDB_dbi table = tables->table[change->table];
        MDB_val key = text_val (change->key);
        if (change->value != NULL) {
            MDB_val value = text_val (change->value);
            rc = mdb_put (txn, table, &key, &value, 0);
        } else {
            rc = mdb_del (txn, table, &key, NULL);
            rc = rc == MDB_NOTFOUND ? 0 : rc;
        }
    }
    return rc;
}

static int
put_index (StoreTables *tables, MDB_txn *txn, const json_t *event, guint64 seq)
{
    const char *application = json_str (event, "application", NULL);
    if (application == NULL || *application == '\0' || strlen (application) > INDEX_NAME_MAX)
        return 0;
    MDB_val key = index_key (application, seq), nothing = {0, NULL};
    int rc = mdb_put (txn, tables->events_of, &key, &nothing, 0);
    g_free (key.mv_data);
    return rc;
}

static int
del_index (StoreTables *tables, MDB_txn *txn, const MDB_val *value, guint64 seq)
{
    g_autoptr (json_t) event = json_parse (value->mv_data, value->mv_size, NULL);
    const char *application = json_str (event, "application", NULL);
    if (application == NULL || *application == '\0' || strlen (application) > INDEX_NAME_MAX)
        return 0;
    MDB_val key = index_key (application, seq);
    int rc = mdb_del (txn, tables->events_of, &key, NULL);
    g_free (key.mv_data);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
apply_events (StoreTables *tables, MDB_txn *txn, const StoreRecord *record)
{
    int rc = 0;
    for (guint i = 0; rc == 0 && i < record->events->len; i++) {
        guint64 buffer;
        g_autofree char *text = json_text (record->events->pdata[i]);
        MDB_val key = seq_key (&buffer, record->first_seq + i), value = text_val (text);
        rc = mdb_put (txn, tables->events, &key, &value, MDB_NOOVERWRITE);
        if (rc == 0)
            rc = put_index (tables, txn, record->events->pdata[i], record->first_seq + i);
    }
    MDB_dbi meta = tables->table[STORE_META];
    if (rc == 0 && record->events->len > 0)
        rc = write_number (txn, meta, KEY_LAST_SEQ, record->first_seq + record->events->len - 1);
    if (rc == 0)
        rc = write_number (txn, meta, KEY_COMMIT, record->number);
    return rc;
}

/* One that cannot be read is as old as can be. */
static gboolean
is_older (const MDB_val *value, const char *since)
{
    if (since == NULL)
        return FALSE;
    g_autoptr (json_t) event = json_parse (value->mv_data, value->mv_size, NULL);
    return strcmp (json_str (event, "time", ""), since) < 0;
}

static int
trim_events (StoreTables *tables, MDB_txn *txn, guint64 keep_from, const char *keep_since)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int rc = mdb_cursor_open (txn, tables->events, &cursor);
    for (guint n = 0; rc == 0 && n < TRIM_AT_ONCE; n++) {
        rc = mdb_cursor_get (cursor, &key, &value, MDB_FIRST);
        if (rc != 0 || (seq_of (&key) >= keep_from && !is_older (&value, keep_since)))
            break;
        rc = del_index (tables, txn, &value, seq_of (&key));
        if (rc == 0)
            rc = mdb_cursor_del (cursor, 0);
    }
    if (cursor != NULL)
        mdb_cursor_close (cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/*
 * Nobody knows what is on the disk after a failed sync, and trying it again may "succeed" without having
 * written: the process ends, the next one reads what is really there.
 */
static void G_GNUC_NORETURN
die (int rc)
{
    vdc_log (VDC_LOG_ERROR, "the store could not be synced to disk; ending at once", "error",
             mdb_strerror (rc), NULL);
    abort ();
}

static int
try_apply (StoreTables *tables, const StoreRecord *record, guint64 keep_from, const char *keep_since)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin (tables->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = vdc_bug ("store-events-without-changes") ? 0 : apply_changes (tables, txn, record);
    if (rc == 0)
        rc = apply_events (tables, txn, record);
    if (rc == 0)
        rc = trim_events (tables, txn, keep_from, keep_since);
    if (rc != 0) {
        mdb_txn_abort (txn);
        return rc;
    }
    if (vdc_bug ("store-commits-nothing")) {
        mdb_txn_abort (txn);
        return 0;
    }
    rc = vdc_bug ("store-sync-fails") ? EIO : mdb_txn_commit (txn);
    if (rc != 0 && rc != MDB_MAP_FULL && rc != ENOSPC && rc != EDQUOT)
        die (rc);
    return rc;
}

static gboolean
grow (StoreTables *tables, GError **error)
{
    guint64 wanted = MIN (tables->map_bytes * 2, tables->map_limit_bytes);
    if (wanted <= tables->map_bytes)
        return fail (error, MDB_MAP_FULL, "the limit of its size is reached");
    g_mutex_lock (&tables->copying);
    int rc = mdb_env_set_mapsize (tables->env, wanted);
    g_mutex_unlock (&tables->copying);
    if (rc != 0)
        return fail (error, rc, "cannot grow");
    tables->map_bytes = wanted;
    return TRUE;
}

static guint64
size_of (const StoreRecord *record)
{
    guint64 bytes = COMMIT_OVERHEAD_BYTES;
    for (guint i = 0; i < record->changes->len; i++) {
        const StoreChange *change = record->changes->pdata[i];
        bytes += 2 * (strlen (change->key) + (change->value ? strlen (change->value) : 0));
    }
    for (guint i = 0; i < record->events->len; i++)
        bytes += 2 * json_dumpb (record->events->pdata[i], NULL, 0, JSON_COMPACT);
    return bytes;
}

static int
reserve_to (StoreTables *tables, guint64 end)
{
    mdb_filehandle_t fd;
    int rc = mdb_env_get_fd (tables->env, &fd);
    if (rc != 0)
        return rc;
    do {
        rc = fallocate (fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)end) == 0 ? 0 : errno;
    } while (rc == EINTR);
    if (rc == 0)
        tables->reserved_bytes = end;
    return rc;
}

static gboolean
reserve (StoreTables *tables, const StoreRecord *record, GError **error)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info (tables->env, &info);
    mdb_env_stat (tables->env, &stat);
    guint64 end = ((guint64)info.me_last_pgno + 1) * stat.ms_psize + size_of (record);
    if (end <= tables->reserved_bytes || reserve_to (tables, end + RESERVE_AHEAD_BYTES) == 0)
        return TRUE;
    int rc = reserve_to (tables, end);
    if (rc == ENOSPC || rc == EDQUOT)
        return fail (error, rc, "cannot write");
    return TRUE; /* a file system that cannot reserve: go on without */
}

gboolean
tables_apply (StoreTables *tables, const StoreRecord *record, guint64 keep_from, const char *keep_since,
              GError **error)
{
    int rc;
    if (!reserve (tables, record, error))
        return FALSE;
    while ((rc = try_apply (tables, record, keep_from, keep_since)) == MDB_MAP_FULL)
        if (!grow (tables, error))
            return FALSE;
    return rc == 0 || fail (error, rc, "cannot write");
}

gboolean
tables_copy (StoreTables *tables, const char *folder, GError **error)
{
    if (!file_make_folder (folder, 0700, error))
        return FALSE;
    g_mutex_lock (&tables->copying);
    int rc = mdb_env_copy2 (tables->env, folder, MDB_CP_COMPACT);
    g_mutex_unlock (&tables->copying);
    return rc == 0 || fail (error, rc, "cannot copy");
}

/* --- formats ----------------------------------------------------------------------------------------------- */

/* 1 → 2: the events of an application are found without looking at all of them. */
static int
upgrade_index (StoreTables *tables, MDB_txn *txn)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int rc = mdb_cursor_open (txn, tables->events, &cursor);
    if (rc == 0)
        rc = mdb_cursor_get (cursor, &key, &value, MDB_FIRST);
    while (rc == 0) {
        g_autoptr (json_t) event = json_parse (value.mv_data, value.mv_size, NULL);
        rc = event != NULL ? put_index (tables, txn, event, seq_of (&key)) : 0;
        if (rc == 0)
            rc = mdb_cursor_get (cursor, &key, &value, MDB_NEXT);
    }
    if (cursor != NULL)
        mdb_cursor_close (cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* upgrades[i] makes format i + 2 of format i + 1. */
static int (*const upgrades[FORMAT_VERSION - 1]) (StoreTables *tables, MDB_txn *txn) = {upgrade_index};

/* All steps from @format on in one transaction. */
static gboolean
upgrade_copy (StoreTables *copy, gint64 format, GError **error)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin (copy->env, NULL, 0, &txn);
    if (rc != 0)
        return fail (error, rc, "cannot begin");
    rc = open_tables (copy, txn);
    for (gint64 i = format; rc == 0 && i < FORMAT_VERSION; i++)
        rc = upgrades[i - 1](copy, txn);
    if (rc == 0)
        rc = write_number (txn, copy->table[STORE_META], KEY_FORMAT, FORMAT_VERSION);
    if (rc != 0) {
        mdb_txn_abort (txn);
        return fail (error, rc, "cannot upgrade");
    }
    FP ("upgrade.02.changed");
    rc = mdb_txn_commit (txn);
    return rc == 0 || fail (error, rc, "cannot upgrade");
}

/* The upgraded copy takes the place of the store, which stays beside it under its format's name. */
static gboolean
replace_by_copy (const char *folder, const char *work, gint64 format, GError **error)
{
    g_autofree char *name = g_strdup_printf ("data.mdb.format%" G_GINT64_FORMAT, format);
    g_autofree char *data = g_build_filename (folder, "data.mdb", NULL);
    g_autofree char *kept = g_build_filename (folder, name, NULL);
    g_autofree char *made = g_build_filename (work, "data.mdb", NULL);
    g_autofree char *lock = g_build_filename (folder, "lock.mdb", NULL);
    unlink (kept);
    if (link (data, kept) != 0)
        return vdc_error_set_errno (error, errno, "cannot keep the store as %s", kept);
    FP ("upgrade.03.kept");
    unlink (lock); /* of another environment */
    if (rename (made, data) != 0)
        return vdc_error_set_errno (error, errno, "cannot put the upgraded store in its place");
    FP ("upgrade.04.replaced");
    return file_sync_folder (folder, error) && file_remove_tree (work, error);
}

/* A crash at any moment leaves the store as it was, or upgraded; the copy is begun anew. */
static gboolean
upgrade (StoreTables *tables, const char *folder, gint64 format, GError **error)
{
    g_autofree char *work = g_build_filename (folder, "upgrade", NULL);
    StoreTables copy = {.lock_fd = -1, .map_bytes = 2 * tables->map_bytes};
    if (!file_remove_tree (work, error) || !tables_copy (tables, work, error))
        return FALSE;
    FP ("upgrade.01.copied");
    mdb_env_close (g_steal_pointer (&tables->env));
    gboolean good = open_environment (&copy, work, error) && upgrade_copy (&copy, format, error);
    if (copy.env != NULL)
        mdb_env_close (copy.env);
    if (!good || !replace_by_copy (folder, work, format, error))
        return FALSE;
    vdc_log (VDC_LOG_INFO, "the store was upgraded; the one before is kept beside it", "folder", folder,
             NULL);
    return open_environment (tables, folder, error);
}

/* The format of what is in @txn; 0: a new store. */
static gboolean
format_of (StoreTables *tables, gint64 *format, GError **error)
{
    MDB_txn *txn = NULL;
    MDB_dbi meta;
    int rc = mdb_txn_begin (tables->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return fail (error, rc, "cannot read");
    rc = mdb_dbi_open (txn, table_names[STORE_META], 0, &meta);
    *format = rc == 0 ? read_number (txn, meta, KEY_FORMAT) : 0;
    mdb_txn_abort (txn);
    return rc == 0 || rc == MDB_NOTFOUND || fail (error, rc, "cannot read the format");
}

static gboolean
begin_tables (StoreTables *tables, GError **error)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin (tables->env, NULL, 0, &txn);
    if (rc != 0)
        return fail (error, rc, "cannot begin");
    rc = open_tables (tables, txn);
    if (rc == 0 && read_number (txn, tables->table[STORE_META], KEY_FORMAT) == 0)
        rc = write_number (txn, tables->table[STORE_META], KEY_FORMAT, FORMAT_VERSION);
    if (rc != 0) {
        mdb_txn_abort (txn);
        return fail (error, rc, "cannot open the tables");
    }
    rc = mdb_txn_commit (txn);
    return rc == 0 || fail (error, rc, "cannot open the tables");
}

static gboolean
check_format (StoreTables *tables, const char *folder, GError **error)
{
    gint64 format = 0;
    if (!format_of (tables, &format, error))
        return FALSE;
    if (format > FORMAT_VERSION) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the store has format %" G_GINT64_FORMAT ", this program knows %d: use a newer one",
                     format, FORMAT_VERSION);
        return FALSE;
    }
    if (format > 0 && format < FORMAT_VERSION && !upgrade (tables, folder, format, error))
        return FALSE;
    return begin_tables (tables, error);
}

StoreTables *
tables_open (const char *folder, guint64 map_size_bytes, guint64 map_limit_bytes, GError **error)
{
    StoreTables *tables = g_new0 (StoreTables, 1);
    tables->lock_fd = -1;
    tables->map_bytes = map_size_bytes ? map_size_bytes : DEFAULT_MAP_BYTES;
    tables->map_limit_bytes = map_limit_bytes ? map_limit_bytes : DEFAULT_LIMIT_BYTES;
    if (file_make_folder (folder, 0700, error) && lock_folder (tables, folder, error) &&
        open_environment (tables, folder, error) && check_format (tables, folder, error))
        return tables;
    tables_close (tables);
    return NULL;
}
