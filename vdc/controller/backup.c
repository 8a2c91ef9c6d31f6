#include "vdc/controller/backup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vdc/base/file.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/store/audit_chain.h"
#include "vdc/store/backup_file.h"

#define META_KEY "backup"
/* More than any controller starts between two backups. */
#define RESTORE_GENERATIONS 1000000
#define AGAIN_US (3600 * (gint64)G_USEC_PER_SEC)

struct Backups {
    int hour;
    gint64 retry_us; /* monotonic; no nightly one before */
    GThread *thread; /* NULL: none is under way */
    gpointer making; /* what it works at */
};

/* One under way. The thread has it until it posts its end. */
typedef struct {
    Controller *controller;
    Store *store;
    char *state, *folder, *file, *work;
    json_t *index;
    gboolean nightly, prune;
    GError *error;
    BackupMade made;
    gpointer user_data;
} Making;

static void
making_free (Making *making)
{
    g_free (making->state);
    g_free (making->folder);
    g_free (making->file);
    g_free (making->work);
    json_decref (making->index);
    g_clear_error (&making->error);
    g_free (making);
}

static char *
usual_folder (const Controller *controller)
{
    return g_build_filename (controller->state_folder, "backups", NULL);
}

/* --- in the thread ----------------------------------------------------------------------------------------- */

static gboolean
count_row (const char *key, json_t *value, gpointer user_data)
{
    ++*(gint64 *)user_data;
    return TRUE;
}

/* The copy is a store: it opens, every row of it is read, its audit ends where its head says. */
static gboolean
read_copy (Making *making, GError **error)
{
    g_autoptr (Store) copy = store_open (making->work, NULL, error);
    gint64 rows = 0;
    if (copy == NULL)
        return FALSE;
    for (int table = 0; table < STORE_N_TABLES; table++)
        if (!store_list (copy, (StoreTable)table, NULL, NULL, 0, count_row, &rows, error))
            return FALSE;
    g_autoptr (json_t) head = store_get (copy, STORE_META, "audit", NULL);
    guint64 seq = (guint64)json_int (head, "seq", 0);
    char key[AUDIT_KEY_BYTES];
    audit_chain_key (seq, key);
    g_autoptr (json_t) entry = store_get (copy, STORE_AUDIT, key, NULL);
    if (seq > 0 && strcmp (json_str (entry, "digest", ""), json_str (head, "digest", "-")) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "the copy's audit does not end where its head says");
        return FALSE;
    }
    json_put (making->index, "rows", json_integer (rows));
    json_put (making->index, "audit",
              json_pack ("{s:I, s:s}", "seq", (json_int_t)seq, "digest",
                         json_str (head, "digest", AUDIT_NO_DIGEST)));
    return TRUE;
}

static gboolean
make (Making *making, GError **error)
{
    if (!file_make_folder (making->folder, 0700, error) || !file_remove_tree (making->work, error))
        return FALSE;
    return store_copy (making->store, making->work, error) && read_copy (making, error) &&
           backup_write (making->file, making->work, making->state, making->index, error);
}

static gint
newest_first (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)b, *(const char *const *)a);
}

/* Names of backups in @folder that begin with @prefix, newest first: their stamps sort. */
static GPtrArray *
names_in (const char *folder, const char *prefix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        if (g_str_has_prefix (name, prefix) && g_str_has_suffix (name, BACKUP_SUFFIX))
            g_ptr_array_add (names, g_strdup (name));
    g_ptr_array_sort (names, newest_first);
    return names;
}

static void
prune (const Making *making)
{
    g_autoptr (GPtrArray) names = names_in (making->folder, making->nightly ? "nightly-" : "store-");
    for (guint i = BACKUPS_KEPT; i < names->len; i++) {
        g_autofree char *path = g_build_filename (making->folder, names->pdata[i], NULL);
        unlink (path);
    }
}

static void
work (Making *making)
{
    gboolean good = make (making, &making->error);
    file_remove_tree (making->work, NULL);
    if (good && making->prune)
        prune (making);
}

/* --- on the main loop -------------------------------------------------------------------------------------- */

static json_t *
backup_json (const char *path, const json_t *index)
{
    g_autofree char *name = g_path_get_basename (path);
    struct stat about = {0};
    stat (path, &about);
    json_t *audit = json_object_get (index, "audit");
    return json_pack ("{s:s, s:s, s:s, s:I, s:s, s:I, s:O?, s:b}", "name", name, "path", path, "created",
                      json_str (index, "created", ""), "size_bytes", (json_int_t)about.st_size, "grid",
                      json_str (index, "grid", ""), "commit", (json_int_t)json_int (index, "commit", 0),
                      "audit", audit, "nightly", (int)g_str_has_prefix (name, "nightly-"));
}

static void
tell (Controller *controller, const Making *making)
{
    g_autofree char *name = g_path_get_basename (making->file);
    if (making->error != NULL) {
        vdc_log (VDC_LOG_ERROR, "backup failed", "file", making->file, "error", making->error->message, NULL);
        controller_note (controller, "backup.failed", "backup", name, NULL, "failed",
                         json_pack ("{s:s}", "message", making->error->message));
    } else {
        vdc_log (VDC_LOG_INFO, "backup made", "file", making->file, NULL);
        controller_note (controller, "backup.made", "backup", name, NULL, "ready", NULL);
    }
    controller_wake (controller); /* commits it */
}

/* The day of the machine's calendar: "2026-11-22"; its hour. */
static char *
day_of (Controller *controller, int *hour)
{
    g_autoptr (GDateTime) now =
        g_date_time_new_from_unix_local (controller_now_us (controller) / G_USEC_PER_SEC);
    *hour = g_date_time_get_hour (now);
    return g_date_time_format (now, "%Y-%m-%d");
}

static void
day_done (Controller *controller)
{
    int hour;
    g_autofree char *day = day_of (controller, &hour);
    controller_write (controller, STORE_META, META_KEY, json_pack ("{s:s}", "day", day));
}

static gboolean
on_made (gpointer data)
{
    Making *making = data;
    Controller *controller = making->controller;
    Backups *backups = controller->backups;
    backups->making = NULL;
    g_clear_pointer (&backups->thread, g_thread_join);
    if (making->nightly && making->error != NULL)
        backups->retry_us = clock_monotonic_us (controller->clock) + AGAIN_US;
    else if (making->nightly)
        day_done (controller);
    tell (controller, making);
    if (making->made != NULL)
        making->made (making->error == NULL ? backup_json (making->file, making->index) : NULL, making->error,
                      making->user_data);
    making_free (making);
    return G_SOURCE_REMOVE;
}

static gpointer
thread_main (gpointer data)
{
    work (data);
    g_idle_add_full (G_PRIORITY_DEFAULT, on_made, data, NULL);
    return NULL;
}

static char *
file_name (Controller *controller, gboolean nightly)
{
    g_autofree char *stamp = controller_stamp (controller);
    GString *name = g_string_new (nightly ? "nightly-" : "store-");
    for (const char *c = stamp; *c != '\0'; c++)
        if (g_ascii_isalnum (*c))
            g_string_append_c (name, *c);
    g_string_append (name, BACKUP_SUFFIX);
    return g_string_free (name, FALSE);
}

static gboolean
begin (Controller *controller, const char *folder, gboolean nightly, BackupMade then, gpointer user_data,
       GError **error)
{
    Backups *backups = controller->backups;
    if (backups->thread != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "a backup is being made; wait for it");
        return FALSE;
    }
    g_autofree char *stamp = controller_stamp (controller), *name = file_name (controller, nightly);
    Making *making = g_new0 (Making, 1);
    making->controller = controller;
    making->store = controller->store;
    making->state = g_strdup (controller->state_folder);
    making->folder = folder != NULL ? g_strdup (folder) : usual_folder (controller);
    making->file = g_build_filename (making->folder, name, NULL);
    making->work = g_build_filename (controller->state_folder, "backup.work", NULL);
    making->nightly = nightly;
    making->prune = folder == NULL;
    making->made = then;
    making->user_data = user_data;
    making->index = json_pack ("{s:s, s:s, s:s, s:I, s:I}", "created", stamp, "program", VDC_VERSION, "grid",
                               controller->grid_id, "generation", (json_int_t)controller->generation,
                               "commit", (json_int_t)store_last_commit (controller->store));
    backups->making = making;
    backups->thread = g_thread_new ("backup", thread_main, making);
    return TRUE;
}

gboolean
backup_folder_fits (const char *folder, GError **error)
{
    if (folder == NULL || (g_path_is_absolute (folder) && g_file_test (folder, G_FILE_TEST_IS_DIR)))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                 "the folder for the backup must be there, on the controller's machine, and absolute");
    return FALSE;
}

gboolean
backup_make (Controller *controller, const char *folder, BackupMade then, gpointer user_data, GError **error)
{
    return backup_folder_fits (folder, error) &&
           begin (controller, folder, FALSE, then, user_data, error);
}

/* --- by night ---------------------------------------------------------------------------------------------- */

void
backups_open (Controller *controller, int hour)
{
    controller->backups = g_new0 (Backups, 1);
    controller->backups->hour = hour;
}

void
backups_close (Controller *controller)
{
    Backups *backups = controller->backups;
    if (backups == NULL)
        return;
    if (backups->thread != NULL)
        g_thread_join (g_steal_pointer (&backups->thread));
    Making *making = backups->making;
    if (making != NULL) { /* its end is not told any more, but to who waits for it */
        g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_UNREACHABLE, "the controller ends");
        g_source_remove_by_user_data (making);
        if (making->made != NULL)
            making->made (NULL, error, making->user_data);
        making_free (making);
    }
    g_free (backups);
    controller->backups = NULL;
}

void
backups_tick (Controller *controller)
{
    Backups *backups = controller->backups;
    int hour;
    if (backups->hour < 0 || backups->thread != NULL ||
        clock_monotonic_us (controller->clock) < backups->retry_us)
        return;
    g_autofree char *day = day_of (controller, &hour);
    g_autoptr (json_t) last = store_get (controller->store, STORE_META, META_KEY, NULL);
    const char *done = json_str (last, "day", NULL);
    if (g_strcmp0 (done, day) == 0 || (done != NULL && hour < backups->hour))
        return;
    if (done != NULL)
        begin (controller, NULL, TRUE, NULL, NULL, NULL);
    else if (hour >= backups->hour) /* a new grid has nothing yet that is worth it: its first night comes */
        day_done (controller);
}

gboolean
backups_under_way (const Controller *controller)
{
    return controller->backups->thread != NULL;
}

/* --- listing ----------------------------------------------------------------------------------------------- */

json_t *
backup_list (Controller *controller, GError **error)
{
    g_autofree char *folder = usual_folder (controller);
    g_autoptr (GPtrArray) names = names_in (folder, "");
    json_t *list = json_array ();
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
        g_autoptr (json_t) index = backup_read_index (path, NULL);
        if (index != NULL)
            json_array_append_new (list, backup_json (path, index));
    }
    return list;
}

/* --- restoring --------------------------------------------------------------------------------------------- */

static gboolean
end_session (const char *key, json_t *value, gpointer user_data)
{
    if (strcmp (json_str (value, "kind", ""), "token") != 0)
        store_del (user_data, STORE_TOKENS, key);
    return TRUE;
}

/*
 * The store knows that it is an old one. The generation goes up so that agents tell this controller from the
 * one that made the backup. Who was logged in then logs in again.
 */
static gboolean
mark_restored (const char *folder, const char *file, GError **error)
{
    g_autoptr (json_t) index = backup_read_index (file, error);
    g_autofree char *store_folder = g_build_filename (folder, "store", NULL);
    g_autoptr (Store) store = index != NULL ? store_open (store_folder, NULL, error) : NULL;
    if (store == NULL)
        return FALSE;
    g_autofree char *stamp = clock_stamp (clock_real ()), *name = g_path_get_basename (file);
    json_t *grid = store_get (store, STORE_META, "grid", error);
    if (grid == NULL)
        return FALSE;
    json_put (grid, "generation", json_integer (json_int (grid, "generation", 0) + RESTORE_GENERATIONS));
    StoreTxn *txn = store_begin (store);
    store_put (txn, STORE_META, "grid", grid);
    store_put (txn, STORE_META, "restored",
               json_pack ("{s:s, s:s, s:s}", "backup", name, "created", json_str (index, "created", ""),
                          "time", stamp));
    return store_list (store, STORE_TOKENS, NULL, NULL, 0, end_session, txn, error)
               ? store_commit (txn, NULL, error)
               : (store_abort (txn), FALSE);
}

gboolean
backup_restore (const char *file, const char *state, GError **error)
{
    g_autofree char *part = g_strconcat (state, ".restoring", NULL), *parent = g_path_get_dirname (state);
    if (!file_remove_tree (part, error) || !file_make_folder (parent, 0755, error) ||
        !backup_unpack (file, part, error) || !mark_restored (part, file, error)) {
        file_remove_tree (part, NULL);
        return FALSE;
    }
    if (rename (part, state) == 0) /* over a folder only when that is empty */
        return TRUE;
    int problem = errno;
    file_remove_tree (part, NULL);
    if (problem == ENOTEMPTY || problem == EEXIST || problem == ENOTDIR) {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_REFUSED,
            "%s is not empty: move what is there away, a restored controller begins with nothing else",
            state);
        return FALSE;
    }
    return vdc_error_set_errno (error, problem, "cannot make %s", state);
}
