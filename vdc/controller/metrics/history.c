#include "vdc/controller/metrics/history.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <errno.h>
#include <math.h>
#include <rrd.h>
#include <string.h>
#include <unistd.h>

#define HEARTBEAT_S (4 * METRIC_STEP_S)

/* {steps of 10 s in a row, rows} */
static const struct {
    guint steps, rows;
} archives[] = {{1, 720}, {6, 360}, {60, 1008}, {1080, 2920}};

void
history_free (History *history)
{
    if (history == NULL)
        return;
    g_free (history->values);
    g_free (history);
}

static gboolean
fail (const char *what, const char *path, GError **error)
{
    const char *text = rrd_get_error ();
    gboolean full = strstr (text, g_strerror (ENOSPC)) != NULL;
    g_set_error (error, VDC_ERROR, full ? VDC_ERROR_FULL : VDC_ERROR_FAILED, "cannot %s %s: %s", what, path,
                 text);
    rrd_clear_error ();
    return FALSE;
}

static gboolean
make (const char *path, MetricKind kind, gint64 first_s, GError **error)
{
    g_autofree char *folder = g_path_get_dirname (path);
    g_autofree char *new = g_strconcat (path, ".new", NULL);
    g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
    for (const Metric *metric = metric_list (kind); metric->name != NULL; metric++)
        g_ptr_array_add (words, g_strdup_printf ("DS:%s:GAUGE:%d:U:U", metric->name, HEARTBEAT_S));
    for (guint i = 0; i < G_N_ELEMENTS (archives); i++)
        g_ptr_array_add (words,
                         g_strdup_printf ("RRA:AVERAGE:0.5:%u:%u", archives[i].steps, archives[i].rows));
    if (!file_make_folder (folder, 0700, error))
        return FALSE;
    /* Under another name first: half a file would be refused for ever. */
    if (rrd_create_r (new, METRIC_STEP_S, first_s - METRIC_STEP_S, (int)words->len,
                      (const char **)words->pdata) != 0) {
        unlink (new);
        return fail ("make", path, error);
    }
    if (rename (new, path) == 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot rename %s: %s", new, g_strerror (errno));
    return FALSE;
}

static char *
sample_text (const Sample *sample, guint n)
{
    GString *text = g_string_new (NULL);
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_printf (text, "%" G_GINT64_FORMAT, sample->at_s);
    for (guint i = 0; i < n; i++)
        g_string_append_printf (
            text, ":%s",
            isnan (sample->values[i]) ? "U" : g_ascii_dtostr (number, sizeof number, sample->values[i]));
    return g_string_free (text, FALSE);
}

gboolean
history_write (const char *path, MetricKind kind, const GArray *samples, GError **error)
{
    g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
    if (samples->len == 0)
        return TRUE;
    if (access (path, F_OK) != 0 && !make (path, kind, g_array_index (samples, Sample, 0).at_s, error))
        return FALSE;
    for (guint i = 0; i < samples->len; i++)
        g_ptr_array_add (words, sample_text (&g_array_index (samples, Sample, i), metric_count (kind)));
    return rrd_updatex_r (path, NULL, RRD_SKIP_PAST_UPDATES, (int)words->len, (const char **)words->pdata) ==
               0 ||
           fail ("write", path, error);
}

/* --- reading ------------------------------------------------------------------------------------------------- */

static History *
history_new (gint64 from_s, gint64 step_s, guint n, guint n_metrics)
{
    History *history = g_new0 (History, 1);
    *history = (History){from_s, step_s, n, n_metrics, g_new (double, (gsize)n *n_metrics + 1)};
    for (gsize i = 0; i < (gsize)n * n_metrics; i++)
        history->values[i] = NAN;
    return history;
}

/* Average each @together points. */
static History *
put_together (const rrd_value_t *data, gint64 from_s, gint64 step_s, guint n, guint n_metrics, guint together)
{
    History *history = history_new (from_s, step_s * together, (n + together - 1) / together, n_metrics);
    for (guint point = 0; point < history->n; point++)
        for (guint metric = 0; metric < n_metrics; metric++) {
            double sum = 0;
            guint known = 0;
            for (guint i = point * together; i < MIN (n, (point + 1) * together); i++) {
                double value = data[(gsize)i * n_metrics + metric];
                if (isnan (value))
                    continue;
                sum += value;
                known++;
            }
            if (known > 0)
                history->values[(gsize)point * n_metrics + metric] = sum / known;
        }
    return history;
}

/* The finest archive that reaches back to @from_s at @now_s and is not finer than needed. */
static gint64
choose_step (gint64 from_s, gint64 to_s, gint64 now_s, guint max_points)
{
    gint64 wanted = (to_s - from_s) / max_points;
    for (guint i = 0; i < G_N_ELEMENTS (archives); i++) {
        gint64 step = (gint64)archives[i].steps * METRIC_STEP_S;
        gboolean last = i + 1 == G_N_ELEMENTS (archives);
        gboolean next_is_fine = !last && (gint64)archives[i + 1].steps * METRIC_STEP_S <= wanted;
        if (last || (now_s - from_s <= step * archives[i].rows && !next_is_fine))
            return step;
    }
    return METRIC_STEP_S;
}

History *
history_read (const char *path, MetricKind kind, gint64 from_s, gint64 to_s, guint max_points, GError **error)
{
    time_t start = from_s, end = to_s;
    unsigned long step, n_sources;
    char **names;
    rrd_value_t *data;
    gint64 now_s = MAX (to_s, g_get_real_time () / G_USEC_PER_SEC);

    step = (unsigned long)choose_step (from_s, to_s, now_s, max_points);
    if (access (path, F_OK) != 0) {
        guint n = (guint)CLAMP ((to_s - from_s) / (gint64)step, 1, max_points);
        return history_new (from_s, MAX ((to_s - from_s) / n, 1), n, metric_count (kind));
    }
    if (rrd_fetch_r (path, "AVERAGE", &start, &end, &step, &n_sources, &names, &data) != 0) {
        fail ("read", path, error);
        return NULL;
    }
    guint n = (guint)((end - start) / (gint64)step);
    History *history = NULL;
    if (n_sources == metric_count (kind))
        history = put_together (data, start, (gint64)step, n, (guint)n_sources,
                                MAX ((n + max_points - 1) / max_points, 1));
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "%s has %lu metrics, %u were expected; remove it",
                     path, n_sources, metric_count (kind));
    for (unsigned long i = 0; i < n_sources; i++)
        rrd_freemem (names[i]);
    rrd_freemem (names);
    rrd_freemem (data);
    return history;
}
