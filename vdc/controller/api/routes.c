#include "vdc/controller/api/routes.h"

#include <string.h>

#include "vdc/controller/agent_watch.h"
#include "vdc/controller/api/gate.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/learn.h"

/* --- operations -------------------------------------------------------------------------------------------- */

gboolean
api_begin (Controller *controller, HttpRequest *request, Operation *operation, json_t **body)
{
    g_autoptr (GError) error = NULL;
    memset (operation, 0, sizeof *operation);
    operation->problems = problems_new ();
    operation->key = gate_key (request);
    operation->status = http_request_route (request)->status;
    operation->user = http_request_user (request);
    operation->principal = access_principal (request);
    *body = http_request_json (request, &error);
    if (*body == NULL) {
        api_end (request, operation, NULL, error);
        return FALSE;
    }
    operation->dry_run = api_is_dry_run (request);
    operation->debug = json_bool (*body, "debug", FALSE);
    operation->confirm = json_bool (*body, "confirm", FALSE);
    operation->force = json_bool (*body, "force", FALSE) || http_request_query_flag (request, "force");
    operation->keep_volumes =
        json_bool (*body, "keep_volumes", FALSE) || http_request_query_flag (request, "keep_volumes");
    return TRUE;
}

void
api_end (HttpRequest *request, Operation *operation, json_t *answer, const GError *error)
{
    if (answer != NULL)
        http_reply_json (request, operation_status (operation, answer), answer);
    else if (problems_count (operation->problems) > 0)
        http_reply_problems (request, error != NULL ? error->message : "the description is not valid",
                             problems_json (operation->problems));
    else
        http_reply_error_at (request, error, g_steal_pointer (&operation->params), NULL);
    g_clear_pointer (&operation->params, json_decref);
    g_clear_pointer (&operation->problems, problems_free);
}

gboolean
api_is_dry_run (HttpRequest *request)
{
    return http_request_query_flag (request, "dry_run") ||
           (http_request_route (request)->body == HTTP_BODY_JSON &&
            json_bool (http_request_json (request, NULL), "dry_run", FALSE));
}

ApplicationRecord *
api_application (Controller *controller, HttpRequest *request)
{
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    if (application == NULL)
        http_reply_error (request, error);
    return application;
}

void
routes_add_all (HttpRouter *router, Controller *controller)
{
    routes_add_applications (router, controller);
    routes_add_draft (router, controller);
    routes_add_instances (router, controller);
    routes_add_consoles (router, controller);
    routes_add_catalog (router, controller);
    routes_add_images (router, controller);
    routes_add_volumes (router, controller);
    routes_add_servers (router, controller);
    routes_add_networks (router, controller);
    routes_add_jobs (router, controller);
    routes_add_events (router, controller);
    routes_add_support (router, controller);
    routes_add_trash (router, controller);
    routes_add_login (router, controller);
    routes_add_users (router, controller);
    routes_add_tokens (router, controller);
    routes_add_metrics (router, controller);
    routes_add_verify (router, controller);
    routes_add_audit (router, controller);
    routes_add_backup (router, controller);
    routes_add_ui (router, controller);
    routes_add_docs (router, controller);
    audit_watch_router (controller, router);
    access_check_routes (router);
    http_router_set_authorize (router, access_authorize, controller);
    gate_add (router, controller);
}

/* --- agents
 * ----------------------------------------------------------------------------------------------------------
 */

static void
post_report (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    learn_server (controller, http_request_peer (request), http_request_address (request));
    if (body == NULL || !agent_watch_report (controller, http_request_peer (request), body, &error))
        http_reply_error (request, error);
    else
        http_reply_json (request, 200, json_pack ("{s:I}", "generation", (json_int_t)controller->generation));
}

static const HttpRoute agent_rows[] = {
    {HTTP_ROUTE (POST, "/agent/v1/reports", SERVER, NONE, "report"), .summary = "A server's report",
     .body_limit_bytes = 8 * 1024 * 1024, .request_schema = "Report", .answer_schema = "ReportTaken",
     .handler = post_report},
};

void
routes_add_agents (HttpRouter *router, Controller *controller)
{
    http_router_add (router, agent_rows, G_N_ELEMENTS (agent_rows), controller);
    routes_add_agent_images (router, controller);
    audit_watch_router (controller, router);
}
