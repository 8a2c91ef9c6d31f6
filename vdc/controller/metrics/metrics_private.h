/* Shared by the files of metrics. */
#pragma once

#include "vdc/controller/metrics/metrics.h"

/* A member or server at the last look: what counters are compared with. */
typedef struct {
    json_t *counters;
    gint64 at_us; /* of its server's monotonic clock */
} Look;

typedef struct {
    double values[METRICS_MAX];
    gint64 at_s;
} Latest;

struct Metrics {
    char *folder; /* NULL: no history */
    GThreadPool *worker;
    GHashTable *looks;                      /* "instance/ID/MEMBER", "server/NAME" → Look */
    GHashTable *latest;                     /* path → Latest */
    GHashTable *waiting;                    /* path → Waiting, see metrics_files.c */
    gint64 looked_us, flushed_us, swept_us; /* monotonic */
};

/* Remember @values as what is now at @path, and for history. */
void metrics_take (Metrics *metrics, MetricKind kind, const char *path, gint64 at_s, const double *values);
/* Have the worker remove the history of what is older than METRICS_KEEP_S and not in @known (taken):
 * "instance/ID", "volume/ID.rrd", … */
void metrics_sweep (Metrics *metrics, GHashTable *known);
/* Give the worker everything that waits. */
void metrics_flush (Metrics *metrics);
void metrics_files_new (Metrics *metrics);
/* Waits for the worker. */
void metrics_files_free (Metrics *metrics);
