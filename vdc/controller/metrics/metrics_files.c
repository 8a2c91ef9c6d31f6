/* History's files: what waits for them, and the worker that alone touches them. */
#include "vdc/controller/metrics/metrics_private.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    MetricKind kind;
    GArray *samples;
} Waiting;

typedef struct {
    char *path;
    MetricKind kind;
    GArray *samples; /* to write first; may be NULL */
    gboolean reads;
    GHashTable *known; /* sweep */
    gint64 from_s, to_s;
    guint max_points;
    History *history;
    GError *error;
    MetricsDone done;
    gpointer user_data;
} Task;

static void
waiting_free (gpointer data)
{
    Waiting *waiting = data;
    g_clear_pointer (&waiting->samples, g_array_unref);
    g_free (waiting);
}

static void
task_free (Task *task)
{
    g_free (task->path);
    g_clear_pointer (&task->samples, g_array_unref);
    g_clear_pointer (&task->known, g_hash_table_unref);
    history_free (task->history);
    g_clear_error (&task->error);
    g_free (task);
}

static gboolean
answer (gpointer data)
{
    Task *task = data;
    task->done (task->history, task->error, task->user_data);
    task_free (task);
    return G_SOURCE_REMOVE;
}

/* The first failure of its kind is told; the next when it has worked in between. */
static void
tell (const char *path, const GError *error)
{
    static gboolean told;
    if (error != NULL && !told)
        vdc_log (VDC_LOG_WARNING, "metrics are lost, going on", "file", path, "error", error->message, NULL);
    told = error != NULL;
}

/* A guest names its counters itself, new ones after every boot if it likes. */
static gboolean
has_room (const char *path)
{
    g_autofree char *folder = g_path_get_dirname (path);
    g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_EXISTS) ? NULL : g_dir_open (folder, 0, NULL);
    guint n = 0;
    while (dir != NULL && g_dir_read_name (dir) != NULL)
        n++;
    return n < METRICS_GUEST_FILES_MAX;
}

static gint64
newest_s (const char *path)
{
    GStatBuf found;
    g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
    const char *name;
    gint64 newest = g_stat (path, &found) == 0 ? found.st_mtime : 0;
    while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
        g_autofree char *inner = g_build_filename (path, name, NULL);
        newest = MAX (newest, newest_s (inner));
    }
    return newest;
}

static void
sweep (const Task *task)
{
    gint64 old_s = g_get_real_time () / G_USEC_PER_SEC - METRICS_KEEP_S;
    for (MetricKind kind = 0; kind < METRIC_N_KINDS; kind++) {
        g_autofree char *path = g_build_filename (task->path, metric_kind_name (kind), NULL);
        g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
        const char *name;
        while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
            g_autofree char *key = g_strdup_printf ("%s/%s", metric_kind_name (kind), name);
            g_autofree char *inner = g_build_filename (path, name, NULL);
            if (!g_hash_table_contains (task->known, key) && newest_s (inner) < old_s)
                file_remove_tree (inner, NULL);
        }
    }
}

static void
work (gpointer data, gpointer user_data)
{
    Task *task = data;
    g_autoptr (GError) error = NULL;
    if (task->known != NULL)
        sweep (task);
    else if (task->samples != NULL && (task->kind != METRIC_GUEST || has_room (task->path)))
        history_write (task->path, task->kind, task->samples, &error);
    tell (task->path, error);
    if (!task->reads) {
        task_free (task);
        return;
    }
    task->history =
        history_read (task->path, task->kind, task->from_s, task->to_s, task->max_points, &task->error);
    g_idle_add (answer, task);
}

void
metrics_files_new (Metrics *metrics)
{
    metrics->waiting = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, waiting_free);
    metrics->worker = g_thread_pool_new (work, NULL, 1, TRUE, NULL);
}

void
metrics_files_free (Metrics *metrics)
{
    metrics_flush (metrics);
    g_thread_pool_free (metrics->worker, FALSE, TRUE);
    g_hash_table_unref (metrics->waiting);
}

static Task *
task_new (Metrics *metrics, MetricKind kind, const char *path)
{
    Task *task = g_new0 (Task, 1);
    task->path = g_build_filename (metrics->folder, path, NULL);
    task->kind = kind;
    return task;
}

void
metrics_take (Metrics *metrics, MetricKind kind, const char *path, gint64 at_s, const double *values)
{
    Latest *latest = g_new0 (Latest, 1);
    Sample sample = {.at_s = at_s};
    memcpy (latest->values, values, sizeof latest->values);
    memcpy (sample.values, values, sizeof sample.values);
    latest->at_s = at_s;
    g_hash_table_replace (metrics->latest, g_strdup (path), latest);
    if (metrics->folder == NULL)
        return;
    Waiting *waiting = g_hash_table_lookup (metrics->waiting, path);
    if (waiting == NULL) {
        waiting = g_new0 (Waiting, 1);
        waiting->kind = kind;
        waiting->samples = g_array_new (FALSE, FALSE, sizeof (Sample));
        g_hash_table_insert (metrics->waiting, g_strdup (path), waiting);
    }
    g_array_append_val (waiting->samples, sample);
}

void
metrics_flush (Metrics *metrics)
{
    GHashTableIter iter;
    const char *path;
    Waiting *waiting;
    g_hash_table_iter_init (&iter, metrics->waiting);
    while (g_hash_table_iter_next (&iter, (gpointer *)&path, (gpointer *)&waiting)) {
        Task *task = task_new (metrics, waiting->kind, path);
        task->samples = g_steal_pointer (&waiting->samples);
        g_thread_pool_push (metrics->worker, task, NULL);
    }
    g_hash_table_remove_all (metrics->waiting);
}

gboolean
metrics_read (Metrics *metrics, MetricKind kind, const char *path, gint64 from_s, gint64 to_s,
              guint max_points, MetricsDone done, gpointer user_data)
{
    if (metrics->folder == NULL)
        return FALSE;
    Waiting *waiting = g_hash_table_lookup (metrics->waiting, path);
    Task *task = task_new (metrics, kind, path);
    if (waiting != NULL) {
        task->samples = g_steal_pointer (&waiting->samples);
        g_hash_table_remove (metrics->waiting, path);
    }
    task->reads = TRUE;
    task->from_s = from_s;
    task->to_s = to_s;
    task->max_points = max_points;
    task->done = done;
    task->user_data = user_data;
    g_thread_pool_push (metrics->worker, task, NULL);
    return TRUE;
}

void
metrics_sweep (Metrics *metrics, GHashTable *known)
{
    Task *task = task_new (metrics, METRIC_INSTANCE, ".");
    task->known = known;
    g_thread_pool_push (metrics->worker, task, NULL);
}
