/* API tokens: for programs, with less than their owner may, until they expire or are revoked. */
#include <string.h>

#include "vdc/controller/access/access.h"
#include "vdc/controller/access/credentials.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"

/* The ids of the applications named. NULL: one is not there for the caller. */
static json_t *
ids_of (Controller *controller, HttpRequest *request, const json_t *names, GError **error)
{
    g_autoptr (json_t) ids = json_array ();
    gsize i;
    const json_t *name;
    json_array_foreach (names, i, name) {
        const char *text = json_string_value (name), *id = access_application_id (controller, text);
        if (id == NULL || !access_sees (controller, request, id)) {
            g_autofree char *quoted = problem_quote (text != NULL ? text : "");
            g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no application %s", quoted);
            return NULL;
        }
        json_array_append_new (ids, json_string (id));
    }
    return g_steal_pointer (&ids);
}

/* Shown once. A role above the owner's is no error: what he gets later the token gets, up to it. */
static json_t *
make_token (Controller *controller, HttpRequest *request, const json_t *body, GError **error)
{
    const Principal *principal = access_principal (request);
    const json_t *names = json_object_get (body, "applications"), *row;
    json_t *ids = NULL;
    HttpRole role;
    gint64 life_s = json_int (body, "expires_s", TOKEN_LIFE_DEFAULT_S);
    if (principal->kind == PRINCIPAL_TOKEN) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "a token makes no tokens; log in");
        return NULL;
    }
    if (life_s < TOKEN_LIFE_MIN_S || life_s > TOKEN_LIFE_MAX_S) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "expires_s must be from %d to %d", TOKEN_LIFE_MIN_S,
                     TOKEN_LIFE_MAX_S);
        return NULL;
    }
    if (!access_role_parse (json_str (body, "role", "viewer"), FALSE, &role, error) ||
        (json_is_array (names) && (ids = ids_of (controller, request, names, error)) == NULL))
        return NULL;
    char *secret = credential_new_token (controller, principal->user, json_str (body, "name", ""), role, ids,
                                         life_s, &row, error);
    if (secret == NULL)
        return NULL;
    json_t *answer = credential_json (controller, row);
    json_put (answer, "token", json_string (secret));
    password_wipe (secret);
    g_free (secret);
    return answer;
}

/* Not remembered under the idempotency key, as it holds a secret; the name makes a repeat a conflict. */
static void
create_token (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const json_t *body = http_request_json (request, &error);
    g_autoptr (json_t) answer = body != NULL ? make_token (controller, request, body, &error) : NULL;
    gboolean dry = json_bool (body, "dry_run", FALSE) || http_request_query_flag (request, "dry_run");
    if (answer != NULL && dry) {
        controller_revert (controller);
        http_reply_json (request, 200, json_object ());
    } else if (answer != NULL && controller_commit (controller, &error)) {
        http_reply_json (request, 201, g_steal_pointer (&answer));
    } else {
        if (answer != NULL)
            controller_revert (controller);
        http_reply_error (request, error);
    }
}

/* One's own; everybody's for an administrator. */
static gboolean
may_all (Controller *controller, HttpRequest *request)
{
    return access_role (controller, access_principal (request), NULL) >= HTTP_ROLE_ADMIN;
}

static void
list_tokens (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    gboolean all = http_request_query_flag (request, "all") && may_all (controller, request);
    http_reply_list (
        request, credential_list_json (controller, "token", all ? NULL : access_principal (request)->user),
        NULL);
}

static void
revoke_token (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *id = http_request_param (request, "token");
    const char *owner = may_all (controller, request) ? NULL : access_principal (request)->user;
    if (credential_is_of (controller, id, "token", owner)) {
        if (!operation.dry_run)
            credential_end (controller, id);
        answer = operation.dry_run ? json_object ()
                                   : operation_finish (controller, &operation, json_object (), &error);
    } else {
        g_autofree char *quoted = problem_quote (id);
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no token %s", quoted);
    }
    api_end (request, &operation, answer, error);
    access_changed (controller);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/tokens", VIEWER, NONE, "listTokens"),
     .summary = "One's own API tokens (?all: everybody's, for administrators)", .answer_schema = "TokenList",
     .query = QUERY_PAGE " all!", .handler = list_tokens},
    {HTTP_ROUTE (POST, "/api/v1/tokens", VIEWER, NONE, "createToken"),
     .summary = "A token with at most this role, on these applications, for so long; shown once",
     .request_schema = "TokenCreate", .answer_schema = "TokenCreated", .status = 201, .secret_answer = TRUE,
     .handler = create_token},
    {HTTP_ROUTE (DELETE, "/api/v1/tokens/{token}", VIEWER, NONE, "revokeToken"),
     .summary = "At once: its open streams end", .request_schema = "Empty", .answer_schema = "Nothing",
     .handler = revoke_token},
};

void
routes_add_tokens (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
