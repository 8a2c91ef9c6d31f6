/*
 * What is measured of what: one table. A sample of an object has a value for each metric of its kind, in the
 * table's order; NAN is "not known". Pure.
 *
 * Counters of agents become rates here, per second: a counter that went down (a VM began anew) or that was
 * not looked at for long gives no rate, rather than a wrong one.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

typedef enum {
    METRIC_INSTANCE,
    METRIC_WIRE,  /* of an application, all members at its client end together */
    METRIC_GUEST, /* one counter that an appliance counts itself */
    METRIC_VOLUME,
    METRIC_SERVER,
    METRIC_N_KINDS
} MetricKind;

#define METRICS_MAX 8 /* of one kind */
#define METRIC_STEP_S 10
/* Older than this, two looks give no rate. */
#define METRIC_GAP_S 60

typedef struct {
    const char *name; /* at most 19 characters */
    const char *unit; /* "cores", "bytes", "bytes/s", "packets/s", "requests/s", "" */
    const char *help;
} Metric;

/* "instance", "wire", … Static. */
const char *metric_kind_name (MetricKind kind);
/* Its metrics, ended by a NULL name; at most METRICS_MAX. Static. */
const Metric *metric_list (MetricKind kind);
guint metric_count (MetricKind kind);

/* (@now - @before) / @seconds; NAN when @before is NULL, no number, or greater, or @seconds is no good time.
 */
double metric_rate (const json_t *now, const json_t *before, const char *key, double seconds);

/*
 * One look at a member: its report's "counters" now and before (NULL: none yet), @seconds apart. Fills
 * @values (METRICS_MAX) of METRIC_INSTANCE.
 */
void metric_of_instance (const json_t *counters, const json_t *before, double seconds, double *values);
/* Of METRIC_WIRE, from one member's counters of that wire; adds to @values where there is a number. */
void metric_add_wire (const json_t *wire, const json_t *before, double seconds, double *values);
/* Of METRIC_GUEST: the number and its rate. */
void metric_of_guest (const json_t *value, const json_t *before, double seconds, double *values);
/* Of METRIC_VOLUME, from {read_bytes, written_bytes, reads, writes, used_bytes}. */
void metric_of_volume (const json_t *counters, const json_t *before, double seconds, double *values);
/* Of METRIC_SERVER, from an agent's report without its instances. */
void metric_of_server (const json_t *info, const json_t *before, double seconds, double *values);
/* All NAN. */
void metric_clear (double *values);
/* {"cpu": 0.2, …}; NAN is null. New reference. */
json_t *metric_json (MetricKind kind, const double *values);
