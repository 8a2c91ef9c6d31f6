#include "vdc/controller/api/gate.h"

#include <string.h>

#include "vdc/base/log.h"
#include "vdc/controller/api/fields.h"
#include "vdc/controller/access/redact.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/api/schemas.h"
#include "vdc/controller/api/tags.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/plan.h"
#include "vdc/http/replay.h"
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
    if (query_check (request, route, &name, &error)) {
        name = g_strdup ("fields");
        if (fields_check (request, route, &error))
            return TRUE;
    }
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

/* --- the same request again -------------------------------------------------------------------------------- */

#define KEY_DATA "api-key"
#define UNDER_WAY_MAX 10000
#define SECRETS_KEPT_US (3600 * (gint64)G_USEC_PER_SEC)

typedef struct {
    Controller *controller;
    HttpReplay *replay; /* requests under way, and answers that are never written down */
} Gate;

static void
gate_free (gpointer data)
{
    Gate *gate = data;
    http_replay_free (gate->replay);
    g_free (gate);
}

RequestKey *
gate_key (HttpRequest *request)
{
    return http_request_data (request, KEY_DATA);
}

const char *
gate_operation (HttpRequest *request)
{
    const RequestKey *key = gate_key (request);
    return key != NULL ? key->hash : NULL;
}

/* FALSE: answered as before, or refused. */
static gboolean
answer_remembered (Gate *gate, HttpRequest *request, const RequestKey *key)
{
    g_autofree char *text = NULL;
    guint status = 0;
    VdcErrorCode code = VDC_ERROR_KEY_REUSED;
    switch (keys_look_up (gate->controller, key, &status, &text)) {
    case KEYS_NEW:
        return TRUE;
    case KEYS_ANSWERED: {
        g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
        http_reply_again (request, status, bytes);
        return FALSE;
    }
    case KEYS_SECRET:
        code = VDC_ERROR_SHOWN_ONCE;
        break;
    case KEYS_OTHER:
        break;
    }
    g_autoptr (GError) error = g_error_new_literal (VDC_ERROR, (gint)code, vdc_error_info (code)->meaning);
    http_reply_error (request, error);
    return FALSE;
}

/* Nobody is known on a public route, and a dry run does nothing: their keys mean nothing. */
static gboolean
check_key (Gate *gate, HttpRequest *request, const HttpRoute *route)
{
    const char *given = http_request_idempotency_key (request), *user = http_request_user (request);
    if (given == NULL || user == NULL || strcmp (route->method, "GET") == 0 || api_is_dry_run (request))
        return TRUE;
    g_autofree char *digest = http_request_digest (request);
    g_autoptr (RequestKey) key = request_key_new (user, given, digest, route->secret_answer);
    if (!http_replay_begin (gate->replay, request, key->hash, digest))
        return FALSE;
    if (!answer_remembered (gate, request, key))
        return FALSE;
    http_request_set_data (request, KEY_DATA, g_steal_pointer (&key), (GDestroyNotify)request_key_free);
    return TRUE;
}

/* What an operation did not write with what it did is written before its answer leaves. */
static void
remember (Gate *gate, HttpRequest *request, guint status, GBytes *bytes)
{
    g_autoptr (GError) error = NULL;
    RequestKey *key = gate_key (request);
    gsize length = 0;
    const char *data = g_bytes_get_data (bytes, &length);
    if (key != NULL && status / 100 == 2 && !key->noted && g_utf8_validate (data, (gssize)length, NULL)) {
        g_autofree char *text = g_strndup (data, length);
        keys_note (gate->controller, key, status, text);
        if (!controller_commit (gate->controller, &error))
            vdc_log (VDC_LOG_WARNING, "cannot remember an answer", "path", http_request_path (request),
                     "error", error->message, NULL);
    }
    http_replay_end (gate->replay, request, status, bytes, key != NULL && key->secret);
}

/* What somebody destroyed, and asks to be destroyed again as the reply was lost, cannot be found any more. */
static HttpRefused
refused (HttpRequest *request, const HttpRoute *route, const GError *error, gpointer user_data)
{
    Gate *gate = user_data;
    const char *given = http_request_idempotency_key (request), *user = http_request_user (request);
    g_autofree char *text = NULL;
    guint status = 0;
    if (!vdc_error_is_not_found (error) || given == NULL || user == NULL || route->body != HTTP_BODY_JSON ||
        strcmp (route->method, "GET") == 0)
        return HTTP_REFUSED_TELL;
    if (http_request_body (request) == NULL)
        return HTTP_REFUSED_BODY;
    g_autofree char *digest = http_request_digest (request);
    g_autoptr (RequestKey) key = request_key_new (user, given, digest, FALSE);
    if (keys_look_up (gate->controller, key, &status, &text) != KEYS_ANSWERED)
        return HTTP_REFUSED_TELL;
    g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
    http_reply_again (request, status, bytes);
    return HTTP_REFUSED_ANSWERED;
}

/* --- hooks ------------------------------------------------------------------------------------------------- */

static gboolean
before (HttpRequest *request, const HttpRoute *route, gpointer user_data)
{
    Gate *gate = user_data;
    return may_change (gate->controller, request, route) && check_query (request, route) &&
           check_body (request, route) && check_key (gate, request, route) &&
           tags_check (gate->controller, request, route);
}

/* A dry run says what would be done, also where the handler had no more to say than that it may be. */
static void
add_steps (HttpRequest *request, json_t *body)
{
    const HttpRoute *route = http_request_route (request);
    const char *last = strrchr (http_request_path (request), '/');
    if (!json_is_object (body) || json_object_get (body, "steps") != NULL)
        return;
    g_autoptr (json_t) plan = plan_one (route->name, "", route->summary);
    json_t *first = json_array_get (json_object_get (plan, "steps"), 0);
    json_put (first, "object", json_str_new (last != NULL ? last + 1 : ""));
    json_object_update (body, plan);
}

static json_t *
shape (HttpRequest *request, guint status, json_t *body, gpointer user_data)
{
    Gate *gate = user_data;
    body = access_redact (gate->controller, access_principal (request), body);
    if (status != 200)
        return body;
    if (strcmp (http_request_method (request), "GET") == 0)
        return fields_shape (request, body);
    if (api_is_dry_run (request))
        add_steps (request, body);
    return body;
}

static void
after (HttpRequest *request, guint *status, GBytes **bytes, gpointer user_data)
{
    Gate *gate = user_data;
    if (strcmp (http_request_method (request), "GET") == 0 ||
        strcmp (http_request_method (request), "HEAD") == 0)
        tags_answer (request, status, bytes);
    else if (http_reply_header_set (request, "Idempotency-Replayed") != NULL) {
        audit_set_result (request, "repeated");
        http_replay_end (gate->replay, request, *status, *bytes, FALSE);
    } else
        remember (gate, request, *status, *bytes);
}

static const HttpHooks hooks = {
    .refused = refused, .before = before, .shape = shape, .after = after, .free = gate_free};

void
gate_add (HttpRouter *router, Controller *controller)
{
    Gate *gate = g_new0 (Gate, 1);
    gate->controller = controller;
    gate->replay = http_replay_new (UNDER_WAY_MAX, SECRETS_KEPT_US, clock_real ());
    http_router_set_hooks (router, &hooks, gate);
}
