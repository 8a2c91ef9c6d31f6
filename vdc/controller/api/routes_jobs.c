#include <string.h>

#include "vdc/controller/api/routes.h"
#include "vdc/controller/jobs.h"

static gint
compare_created (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(JobRecord *const *)b)->created, (*(JobRecord *const *)a)->created);
}

/* Newest first; ?application=NAME only its own. */
static void
list_jobs (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    const char *application = http_request_query (request, "application");
    g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
    json_t *items = json_array ();
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        if ((application == NULL || g_strcmp0 (application, job->application) == 0) &&
            access_sees (controller, request, job->application_id))
            g_ptr_array_add (sorted, job);
    g_ptr_array_sort (sorted, compare_created);
    for (guint i = 0; i < sorted->len; i++)
        json_array_append_new (items, job_json (controller, sorted->pdata[i]));
    http_reply_list (request, items, NULL);
}

static void
get_job (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    JobRecord *job = controller_job (user_data, http_request_param (request, "job"), &error);
    if (job != NULL)
        http_reply_json (request, 200, job_json (user_data, job));
    else
        http_reply_error (request, error);
}

/* A line is stored as "TIME TEXT". */
static void
get_log (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    JobRecord *job = controller_job (user_data, http_request_param (request, "job"), &error);
    json_t *items = json_array (), *line;
    gsize i;
    if (job == NULL) {
        json_decref (items);
        http_reply_error (request, error);
        return;
    }
    json_array_foreach (job->log, i, line) {
        g_auto (GStrv) parts = g_strsplit (json_string_value (line), " ", 2);
        json_array_append_new (items, json_pack ("{s:s, s:s}", "time", parts[0], "text", parts[1]));
    }
    http_reply_list (request, items, NULL);
}

static void
post_action (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    JobRecord *job = controller_job (controller, http_request_param (request, "job"), &error);
    if (job != NULL && strcmp (json_str (body, "action", ""), "cancel") == 0)
        answer = operation_job_cancel (controller, &operation, job, &error);
    else if (job != NULL)
        answer = operation_job_retry (controller, &operation, job, &error);
    api_end (request, &operation, answer, 200, error);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/jobs", VIEWER, FILTERED, "listJobs"),
     .summary = "Jobs, newest first (?application)", .answer_schema = "JobList",
     .query = QUERY_PAGE " application state", .handler = list_jobs},
    {HTTP_ROUTE (GET, "/api/v1/jobs/{job}", VIEWER, OBJECT, "getJob"), .summary = "One job with its steps",
     .answer_schema = "Job", .handler = get_job},
    {HTTP_ROUTE (GET, "/api/v1/jobs/{job}/log", VIEWER, OBJECT, "getJobLog"),
     .summary = "What happened in it, oldest first", .answer_schema = "JobLineList", .handler = get_log},
    {HTTP_ROUTE (POST, "/api/v1/jobs/{job}/actions", OPERATOR, OBJECT, "actOnJob"),
     .summary = "cancel: go back to what was before it; retry: ask again for what failed",
     .request_schema = "JobAction", .answer_schema = "JobStarted", .handler = post_action},
};

void
routes_add_jobs (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
