#include "vdc/controller/api/gate.h"

#include <string.h>

#include "vdc/controller/api/query.h"
#include "vdc/controller/api/schemas.h"
#include "vdc/http/reply.h"
#include "vdc/model/problems.h"

static void
refuse (HttpRequest *request, const GError *error, const char *path, const char *nearest)
{
    json_t *params = json_object ();
    if (nearest != NULL)
        json_put (params, "nearest", json_str_new (nearest));
    http_reply_error_at (request, error, params, path);
}

static gboolean
check_query (HttpRequest *request, const HttpRoute *route)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *name = NULL;
    if (query_check (request, route, &name, &error))
        return TRUE;
    g_autofree char *quoted = problem_quote (name);
    refuse (request, error, quoted, NULL);
    return FALSE;
}

/* The whole body is right before anything is done. */
static gboolean
check_body (HttpRequest *request, const HttpRoute *route)
{
    g_autoptr (GError) error = NULL;
    g_auto (SchemaProblem) problem = {0};
    const json_t *schema = route->request_schema != NULL ? schemas_get (route->request_schema) : NULL;
    if (schema == NULL || route->body == HTTP_BODY_RAW)
        return TRUE;
    const json_t *body = http_request_json (request, &error);
    if (body == NULL) {
        refuse (request, error, "", NULL);
        return FALSE;
    }
    if (schema_fits (schema, body, schemas_lookup, NULL, &problem))
        return TRUE;
    g_set_error (&error, VDC_ERROR, VDC_ERROR_INVALID, "%s %s",
                 *problem.path != '\0' ? problem.path : "the body", problem.message);
    refuse (request, error, problem.path, problem.nearest);
    return FALSE;
}

/* A restored controller reads, but changes nothing before it knows what there is. */
static gboolean
may_change (Controller *controller, HttpRequest *request, const HttpRoute *route)
{
    static const char *const always[] = {"acceptRestore", "login", "logout", "verify", "verifyAudit", NULL};
    if (controller->learning == NULL || strcmp (route->method, "GET") == 0 ||
        g_strv_contains (always, route->name))
        return TRUE;
    g_autoptr (GError) error = g_error_new (
        VDC_ERROR, VDC_ERROR_BUSY,
        "the controller was restored from a backup and is asking its servers what there is; try again");
    http_reply_header (request, "Retry-After", "5");
    http_reply_error (request, error);
    return FALSE;
}

static gboolean
before (HttpRequest *request, const HttpRoute *route, gpointer user_data)
{
    return may_change (user_data, request, route) && check_query (request, route) &&
           check_body (request, route);
}

static const HttpHooks hooks = {.before = before};

void
gate_add (HttpRouter *router, Controller *controller)
{
    http_router_set_hooks (router, &hooks, controller);
}
