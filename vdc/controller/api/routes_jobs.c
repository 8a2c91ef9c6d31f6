#include <string.h>

#include "vdc/controller/api/routes.h"
#include "vdc/controller/jobs.h"

static char *
key_of (gconstpointer record)
{
    const JobRecord *job = record;
    return g_strconcat (job->created, ".", job->id, NULL);
}

static const char *
field_of (Controller *controller, gconstpointer record, const char *name)
{
    const JobRecord *job = record;
    return strcmp (name, "state") == 0 ? job->state : job->application;
}

static json_t *
render (Controller *controller, gconstpointer record)
{
    return job_json (controller, record);
}

/* Newest first. */
static void
list_jobs (HttpRequest *request, gpointer user_data)
{
    static const char *const filters[] = {"application", "state", NULL};
    static const ListKind kind = {key_of, TRUE, field_of, render, filters};
    Controller *controller = user_data;
    g_autoptr (GPtrArray) seen = g_ptr_array_new ();
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        if (access_sees (controller, request, job->application_id))
            g_ptr_array_add (seen, job);
    list_reply (request, controller, seen, &kind);
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
    api_end (request, &operation, answer, error);
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
