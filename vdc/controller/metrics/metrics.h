/*
 * Metrics of the whole grid: a look at the newest reports every METRIC_STEP_S, kept in memory (what is now)
 * and in history (history.h). Writing and reading files is a worker's; samples wait in memory for at most
 * FLUSH_S, and a read takes those of its object with it.
 *
 *     STATE/metrics/instance/APPLICATION_ID/MEMBER.rrd    wire/APPLICATION_ID/DIGEST.rrd    volume/ID.rrd
 *     guest/APPLICATION_ID/MEMBER/COUNTER.rrd             server/NAME.rrd
 *
 * Metrics are no part of the store: what is lost with a crash is at most FLUSH_S of them, and a full disk
 * costs samples, nothing else. Main loop only.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/controller/metrics/history.h"

typedef struct Metrics Metrics;

#define METRICS_FLUSH_S 60
#define METRICS_SWEEP_S 3600
#define METRICS_KEEP_S (48 * 3600)  /* history of what is there no more */
#define METRICS_GUEST_FILES_MAX 128 /* of one member; more counters have no history */

/* @folder NULL: only what is now, no history. */
Metrics *metrics_new (const char *folder);
/* Writes what waits. */
void metrics_free (Metrics *metrics);

/* Each second; looks when it is time. */
void metrics_tick (Controller *controller);

/* --- now ----------------------------------------------------------------------------------------------------- */

/* {"instances": {MEMBER: {"cpu": …}}, "wires": {"web.db->db.in": {…}}, "guests": {MEMBER: {COUNTER: {…}}}}.
 */
json_t *metrics_of_application (Controller *controller, const ApplicationRecord *application);
/* The newest values (METRICS_MAX) of an instance; FALSE and all NAN: none yet. */
gboolean metrics_of_instance (Controller *controller, const ApplicationRecord *application,
                              const char *member, double *values);
/* The text of a Prometheus scrape (format 0.0.4), with the applications that @sees. Caller frees. */
typedef gboolean (*MetricsSees) (const ApplicationRecord *application, gpointer user_data);
char *metrics_prometheus (Controller *controller, gboolean grid, MetricsSees sees, gpointer user_data);

/* --- over time ----------------------------------------------------------------------------------------------- */

/* The file of an object, for metrics_read. @part: member, wire or counter as its kind needs. Caller frees. */
char *metrics_path (MetricKind kind, const char *id, const char *part, const char *counter);
/* @history is NULL on failure, with @error; borrowed. Called once, later. FALSE: there is no history, and
 * @done is not called. */
typedef void (*MetricsDone) (const History *history, const GError *error, gpointer user_data);
gboolean metrics_read (Metrics *metrics, MetricKind kind, const char *path, gint64 from_s, gint64 to_s,
                       guint max_points, MetricsDone done, gpointer user_data);
