/*
 * Samples over time, in one RRD file per object (librrd): all metrics of its kind, averages of
 *
 *     10 s for two hours, 1 min for 6 hours, 10 min for a week, 3 h for a year
 *
 * so an object costs a fixed 40 kB per metric from its first sample on. Blocking; any one thread at a time.
 */
#pragma once

#include "vdc/controller/metrics/metric.h"

#define HISTORY_POINTS_MAX 5000

typedef struct {
    gint64 at_s; /* wall clock */
    double values[METRICS_MAX];
} Sample;

/* A part of it. `values` has n × n_metrics numbers, one point after the other; NAN is a gap. */
typedef struct {
    gint64 from_s, step_s; /* point i is the average of the step_s that end at from_s + (i + 1) * step_s */
    guint n, n_metrics;
    double *values;
} History;

void history_free (History *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (History, history_free)

/*
 * Add @samples (Sample, by time) to the file @path, made when there is none. A sample not newer than the last
 * one is left out. VDC_ERROR_FULL, VDC_ERROR_FAILED: those not yet written are lost, the file stays sound.
 */
gboolean history_write (const char *path, MetricKind kind, const GArray *samples, GError **error);
/*
 * What there is of [from_s, to_s], in at most @max_points (1 to HISTORY_POINTS_MAX) points of equal length:
 * the finest averages that reach back so far, put together where they are too many. No file: all gaps.
 */
History *history_read (const char *path, MetricKind kind, gint64 from_s, gint64 to_s, guint max_points,
                       GError **error);
