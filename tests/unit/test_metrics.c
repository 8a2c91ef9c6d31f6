/* Rates from counters, and what history keeps of them. */
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/controller/metrics/history.h"

#include <math.h>

static json_t *
parsed (const char *text)
{
    json_t *value = json_loads (text, 0, NULL);
    g_assert_nonnull (value);
    return value;
}

static void
test_rates (void)
{
    g_autoptr (json_t) before =
        parsed ("{\"cpu_us\": 1000000, \"nics\": {\"in\": {\"rx_bytes\": 100, \"tx_bytes\": 9}}}");
    g_autoptr (json_t) now = parsed ("{\"cpu_us\": 3000000, \"memory_bytes\": 77, \"nics\": {\"in\": {\"rx_bytes\": 300, "
                                     "\"tx_bytes\": 5}, \"db\": {\"rx_bytes\": 50, \"tx_bytes\": 5}}}");
    double values[METRICS_MAX];

    metric_of_instance (now, before, 10, values);
    g_assert_cmpfloat (values[0], ==, 0.2);
    g_assert_cmpfloat (values[1], ==, 77);
    g_assert_cmpfloat (values[2], ==, 20); /* db was not there before: no rate of it */
    g_assert_true (isnan (values[3]));     /* it went down: began anew */
    g_assert_true (isnan (values[4]));
    metric_of_instance (now, NULL, 0, values);
    g_assert_true (isnan (values[0]) && values[1] == 77);
    metric_of_instance (now, before, METRIC_GAP_S, values);
    g_assert_false (isnan (values[0]));
    metric_of_instance (now, before, METRIC_GAP_S + 1, values);
    g_assert_true (isnan (values[0]));
    metric_of_instance (NULL, NULL, 10, values);
    g_assert_true (isnan (values[0]) && isnan (values[1]));
}

static void
test_kinds (void)
{
    for (MetricKind kind = 0; kind < METRIC_N_KINDS; kind++) {
        double values[METRICS_MAX];
        g_assert_cmpuint (metric_count (kind), >, 0);
        g_assert_cmpuint (metric_count (kind), <=, METRICS_MAX);
        metric_clear (values);
        g_autoptr (json_t) object = metric_json (kind, values);
        g_assert_cmpuint (json_object_size (object), ==, metric_count (kind));
        for (const Metric *metric = metric_list (kind); metric->name != NULL; metric++)
            g_assert_cmpuint (strlen (metric->name), <=, 19); /* librrd's limit */
    }
}

/* --- history ------------------------------------------------------------------------------------------------- */

typedef struct {
    char *folder, *path;
    gint64 start_s;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp ("vdc-metrics-XXXXXX", NULL);
    fixture->path = g_build_filename (fixture->folder, "instance", "app", "web.1.rrd", NULL);
    fixture->start_s = (g_get_real_time () / G_USEC_PER_SEC / 3600 - 3) * 3600;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    file_remove_tree (fixture->folder, NULL);
    g_free (fixture->folder);
    g_free (fixture->path);
}

/* @n samples, one each step, CPU counting up from 0. */
static void
fill (Fixture *fixture, guint n)
{
    g_autoptr (GArray) samples = g_array_new (FALSE, FALSE, sizeof (Sample));
    g_autoptr (GError) error = NULL;
    for (guint i = 0; i < n; i++) {
        Sample sample = {.at_s = fixture->start_s + (gint64)i * METRIC_STEP_S};
        metric_clear (sample.values);
        sample.values[0] = i;
        g_array_append_val (samples, sample);
    }
    history_write (fixture->path, METRIC_INSTANCE, samples, &error);
    g_assert_no_error (error);
}

static History *
read_back (Fixture *fixture, gint64 span_s, guint max_points)
{
    g_autoptr (GError) error = NULL;
    History *history = history_read (fixture->path, METRIC_INSTANCE, fixture->start_s, fixture->start_s + span_s,
                                     max_points, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (history->n, <=, max_points);
    g_assert_cmpuint (history->n_metrics, ==, metric_count (METRIC_INSTANCE));
    return history;
}

static void
test_read_back (Fixture *fixture, gconstpointer data)
{
    fill (fixture, 180);
    /* Three hours ago: only minutes are left of it, each the average of six. */
    g_autoptr (History) history = read_back (fixture, 1800, 100);
    guint known = 0;
    g_assert_cmpint (history->step_s, ==, 60);
    for (guint i = 0; i < history->n; i++) {
        double value = history->values[i * history->n_metrics];
        gint64 end_s = history->from_s + (gint64)(i + 1) * history->step_s;
        if (isnan (value))
            continue;
        known++;
        g_assert_cmpfloat_with_epsilon (value, (double)(end_s - fixture->start_s) / METRIC_STEP_S - 2.5, 0.01);
    }
    g_assert_cmpuint (known, >=, 28);
}

static void
test_max_points (Fixture *fixture, gconstpointer data)
{
    fill (fixture, 180);
    for (guint max = 1; max < 40; max++) {
        g_autoptr (History) history = read_back (fixture, 1800, max);
        g_assert_cmpint (history->step_s * history->n, >=, 1800);
    }
}

static void
test_unknown_is_a_gap (Fixture *fixture, gconstpointer data)
{
    g_autoptr (History) none = read_back (fixture, 1800, 30);
    g_assert_cmpuint (none->n, ==, 30);
    g_assert_true (isnan (none->values[0]));
    fill (fixture, 60);
    g_autoptr (History) history = read_back (fixture, 3600, 300);
    g_assert_true (isnan (history->values[(history->n - 1) * history->n_metrics]));
    g_assert_true (isnan (history->values[1]));
}

static void
test_old_samples_are_left_out (Fixture *fixture, gconstpointer data)
{
    fill (fixture, 60);
    fill (fixture, 30); /* all of them are old */
    fill (fixture, 90);
    g_autoptr (History) history = read_back (fixture, 900, 100);
    g_assert_false (isnan (history->values[5 * history->n_metrics]));
}

static void
test_damaged_file_is_told (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    fill (fixture, 10);
    g_assert_true (g_file_set_contents (fixture->path, "not an RRD", -1, NULL));
    g_assert_null (history_read (fixture->path, METRIC_INSTANCE, 0, 100, 10, &error));
    g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/metrics/rates", test_rates);
    g_test_add_func ("/metrics/kinds", test_kinds);
#define CASE(name, function) g_test_add ("/metrics/" name, Fixture, NULL, set_up, function, tear_down)
    CASE ("read-back", test_read_back);
    CASE ("max-points", test_max_points);
    CASE ("unknown-is-a-gap", test_unknown_is_a_gap);
    CASE ("old-samples-are-left-out", test_old_samples_are_left_out);
    CASE ("damaged-file-is-told", test_damaged_file_is_told);
    return g_test_run ();
}
