/* What is measured: now, over time, the busiest, and for Prometheus. */
#include <math.h>
#include <string.h>

#include "vdc/controller/access/access.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/metrics/metrics.h"

#define DEFAULT_SPAN_S 3600
#define DEFAULT_POINTS 300

/* --- over time ------------------------------------------------------------------------------------------------ */

typedef struct {
    HttpRequest *request;
    MetricKind kind;
    char *object;
} Reading;

static json_t *
points_json (const History *history, guint metric)
{
    json_t *points = json_array ();
    for (guint i = 0; i < history->n; i++) {
        double value = history->values[(gsize)i * history->n_metrics + metric];
        json_array_append_new (points, isnan (value) ? json_null () : json_real (value));
    }
    return points;
}

static void
answer_history (const History *history, const GError *error, gpointer user_data)
{
    Reading *reading = user_data;
    const Metric *metrics = metric_list (reading->kind);
    if (history == NULL)
        http_reply_error (reading->request, error);
    else {
        json_t *series = json_array ();
        for (guint i = 0; i < history->n_metrics; i++)
            json_array_append_new (series, json_pack ("{s:s, s:s, s:s, s:o}", "name", metrics[i].name, "unit",
                                                      metrics[i].unit, "help", metrics[i].help, "points",
                                                      points_json (history, i)));
        http_reply_json (reading->request, 200,
                         json_pack ("{s:s, s:s, s:I, s:I, s:I, s:o}", "kind",
                                    metric_kind_name (reading->kind), "object", reading->object, "from",
                                    (json_int_t)history->from_s, "step", (json_int_t)history->step_s,
                                    "points", (json_int_t)history->n, "series", series));
    }
    http_request_unref (reading->request);
    g_free (reading->object);
    g_free (reading);
}

/* Takes @path. */
static void
read_history (Controller *controller, HttpRequest *request, MetricKind kind, const char *object, char *path)
{
    g_autofree char *owned = path;
    g_autoptr (GError) error = NULL;
    gint64 now_s = controller_now_us (controller) / G_USEC_PER_SEC, from_s, to_s, points;
    if (!http_request_query_int (request, "to", 0, G_MAXUINT32, now_s, &to_s, &error) ||
        !http_request_query_int (request, "from", 0, G_MAXUINT32, MAX (to_s - DEFAULT_SPAN_S, 0), &from_s,
                                 &error) ||
        !http_request_query_int (request, "max_points", 1, HISTORY_POINTS_MAX, DEFAULT_POINTS, &points,
                                 &error)) {
        http_reply_error (request, error);
        return;
    }
    if (from_s >= to_s) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE,
                     "'from' must be before 'to', both in seconds since 1970");
        http_reply_error (request, error);
        return;
    }
    Reading *reading = g_new0 (Reading, 1);
    *reading = (Reading){http_request_ref (request), kind, g_strdup (object)};
    if (!metrics_read (controller->metrics, kind, path, from_s, to_s, (guint)points, answer_history,
                       reading)) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "this controller keeps no history of metrics");
        answer_history (NULL, error, reading);
    }
}

static void
instance_history (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = api_application (controller, request);
    const char *name = http_request_param (request, "instance"),
               *counter = http_request_query (request, "counter");
    if (application == NULL)
        return;
    if (application_record_member (application, name) == NULL) {
        g_autofree char *quoted = problem_quote (name);
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "application '%s' has no instance %s",
                     application->name, quoted);
        http_reply_error (request, error);
        return;
    }
    g_autofree char *object = g_strdup_printf ("%s:%s", application->name, name);
    MetricKind kind = counter != NULL ? METRIC_GUEST : METRIC_INSTANCE;
    read_history (controller, request, kind, object, metrics_path (kind, application->id, name, counter));
}

static void
wire_history (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = api_application (controller, request);
    const char *text = http_request_param (request, "wire");
    gboolean known = FALSE;
    if (application == NULL)
        return;
    for (guint i = 0; application->topology != NULL && i < application->topology->wires->len; i++)
        known = known || strcmp (((MemberWire *)application->topology->wires->pdata[i])->text, text) == 0;
    if (!known) {
        g_autofree char *quoted = problem_quote (text);
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "application '%s' has no wire %s",
                     application->name, quoted);
        http_reply_error (request, error);
        return;
    }
    g_autofree char *object = g_strdup_printf ("%s:%s", application->name, text);
    read_history (controller, request, METRIC_WIRE, object,
                  metrics_path (METRIC_WIRE, application->id, text, NULL));
}

static void
volume_history (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    VolumeRecord *volume = controller_volume (controller, http_request_param (request, "volume"), &error);
    if (volume == NULL)
        http_reply_error (request, error);
    else
        read_history (controller, request, METRIC_VOLUME, volume->name,
                      metrics_path (METRIC_VOLUME, volume->id, NULL, NULL));
}

static void
server_history (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Server *server = controller_server (controller, http_request_param (request, "server"), &error);
    if (server == NULL)
        http_reply_error (request, error);
    else
        read_history (controller, request, METRIC_SERVER, server->name,
                      metrics_path (METRIC_SERVER, server->name, NULL, NULL));
}

/* --- now ------------------------------------------------------------------------------------------------------ */

static void
application_now (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    ApplicationRecord *application = api_application (controller, request);
    if (application != NULL)
        http_reply_json (request, 200, metrics_of_application (controller, application));
}

typedef struct {
    const ApplicationRecord *application;
    const MemberRecord *member;
    double values[METRICS_MAX], key;
} Row;

static double
known (double value)
{
    return isnan (value) ? 0 : value;
}

static double
key_of (const Row *row, const char *sort)
{
    if (strcmp (sort, "memory") == 0)
        return known (row->values[1]);
    if (strcmp (sort, "network") == 0)
        return known (row->values[2]) + known (row->values[3]);
    return known (row->values[0]);
}

static gint
busiest_first (gconstpointer a, gconstpointer b)
{
    const Row *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? 1 : -1;
    gint order = strcmp (left->application->name, right->application->name);
    return order != 0 ? order : strcmp (left->member->name, right->member->name);
}

static json_t *
row_json (const Row *row)
{
    json_t *object = metric_json (METRIC_INSTANCE, row->values);
    json_put (object, "application", json_string (row->application->name));
    json_put (object, "instance", json_string (row->member->name));
    json_put (object, "state", json_string (row->member->state));
    json_put (object, "server",
              row->member->server != NULL ? json_string (row->member->server) : json_null ());
    return object;
}

static void
top (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (Row));
    const char *only = http_request_query (request, "application"),
               *sort = http_request_query (request, "sort");
    GHashTableIter iter;
    const ApplicationRecord *application;
    gint64 limit;
    if (!http_request_query_int (request, "limit", 1, 10000, 20, &limit, &error)) {
        http_reply_error (request, error);
        return;
    }
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        if ((only != NULL && strcmp (application->name, only) != 0) ||
            !access_sees (controller, request, application->id))
            continue;
        for (guint i = 0; i < application->members->len; i++) {
            Row row = {.application = application, .member = application->members->pdata[i]};
            if (!metrics_of_instance (controller, application, row.member->name, row.values))
                continue;
            row.key = key_of (&row, sort != NULL ? sort : "cpu");
            g_array_append_val (rows, row);
        }
    }
    g_array_sort (rows, busiest_first);
    json_t *items = json_array ();
    for (guint i = 0; i < MIN (rows->len, (guint)limit); i++)
        json_array_append_new (items, row_json (&g_array_index (rows, Row, i)));
    http_reply_list (request, items, NULL);
}

typedef struct {
    Controller *controller;
    HttpRequest *request;
} Viewer;

static gboolean
sees (const ApplicationRecord *application, gpointer user_data)
{
    const Viewer *viewer = user_data;
    return access_sees (viewer->controller, viewer->request, application->id);
}

static void
scrape (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Viewer viewer = {controller, request};
    g_autofree char *text =
        metrics_prometheus (controller, access_sees (controller, request, NULL), sees, &viewer);
    http_reply_text (request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}

#define RANGE "from=0..4294967295 to=0..4294967295 max_points=1..5000"
#define APPLICATION "/api/v1/applications/{application}"

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, APPLICATION "/metrics", VIEWER, APPLICATION, "getApplicationMetrics"),
     .summary = "What its instances, wires and appliances do now", .answer_schema = "ApplicationMetrics",
     .handler = application_now},
    {HTTP_ROUTE (GET, APPLICATION "/instances/{instance}/metrics", VIEWER, APPLICATION, "getInstanceHistory"),
     .summary = "An instance over time, or a counter of its appliance", .answer_schema = "MetricHistory",
     .query = RANGE " counter", .handler = instance_history},
    {HTTP_ROUTE (GET, APPLICATION "/wires/{wire}/metrics", VIEWER, APPLICATION, "getWireHistory"),
     .summary = "A wire (\"web.db->db.in\") over time", .answer_schema = "MetricHistory", .query = RANGE,
     .handler = wire_history},
    {HTTP_ROUTE (GET, "/api/v1/volumes/{volume}/metrics", VIEWER, OBJECT, "getVolumeHistory"),
     .summary = "A volume over time", .answer_schema = "MetricHistory", .query = RANGE,
     .handler = volume_history},
    {HTTP_ROUTE (GET, "/api/v1/servers/{server}/metrics", VIEWER, GRID, "getServerHistory"),
     .summary = "A server over time", .answer_schema = "MetricHistory", .query = RANGE,
     .handler = server_history},
    {HTTP_ROUTE (GET, "/api/v1/top", VIEWER, FILTERED, "top"), .summary = "The busiest instances",
     .answer_schema = "TopList", .query = "limit=1..10000 application sort=cpu|memory|network",
     .handler = top},
    {HTTP_ROUTE (GET, "/api/v1/metrics", VIEWER, FILTERED, "getMetrics"),
     .summary = "Everything, for a Prometheus scrape", .answer_schema = HTTP_ANSWER_BYTES,
     .answer_type = "text/plain", .handler = scrape},
};

void
routes_add_metrics (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
