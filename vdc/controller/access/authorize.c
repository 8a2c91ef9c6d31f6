/* From the bytes of a request to its principal, and from its route to yes or no. */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/access/access_private.h"
#include "vdc/controller/access/credentials.h"

/* --- who asks -------------------------------------------------------------------------------------------------- */

static Principal *
principal_new (PrincipalKind kind, const char *user, const json_t *credential)
{
    Principal *principal = g_rc_box_new0 (Principal);
    principal->kind = kind;
    principal->user = g_strdup (user);
    principal->cookie = json_bool (credential, "cookie", FALSE);
    principal->credential = g_strdup (json_str (credential, "id", NULL));
    return principal;
}

/* The session or token of that secret, when it is shown the way it was given out: a cookie as a cookie. */
static Principal *
principal_of_secret (Controller *controller, const char *secret, gboolean cookie)
{
    const json_t *row = credential_find (controller, secret);
    if (row == NULL || json_bool (row, "cookie", FALSE) != cookie)
        return NULL;
    gboolean token = strcmp (json_str (row, "kind", ""), "token") == 0;
    g_autoptr (Principal) principal =
        principal_new (token ? PRINCIPAL_TOKEN : PRINCIPAL_SESSION, json_str (row, "user", ""), row);
    if (!access_is_live (controller, principal))
        return NULL;
    credential_used (controller, json_str (row, "id", ""));
    return g_steal_pointer (&principal);
}

/* A browser sends the cookie by itself, whoever wrote the page; these it sends only for our own pages. */
static gboolean
came_from_our_page (HttpRequest *request, GError **error)
{
    const char *method = http_request_method (request), *why = NULL;
    if (strcmp (method, "GET") == 0 || strcmp (method, "HEAD") == 0)
        return TRUE;
    if (vdc_bug ("access-csrf-unchecked"))
        return TRUE;
    gboolean has_body = strcmp (method, "DELETE") != 0;
    const char *type =
        http_request_route (request)->body == HTTP_BODY_RAW ? "application/octet-stream" : "application/json";
    if (!http_origin_is_ours (http_request_header (request, "origin"), http_request_header (request, "host")))
        why = "Origin must be this address";
    else if (g_strcmp0 (http_request_header (request, "x-vdc-request"), "1") != 0)
        why = "the header X-VDC-Request: 1 is needed";
    else if (has_body && !http_type_is (http_request_header (request, "content-type"), type))
        why = "Content-Type must be that of the body";
    if (why == NULL)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "a browser session changes nothing so: %s", why);
    return FALSE;
}

/* With an Authorization header the cookie does not count. */
static Principal *
identify (Controller *controller, HttpRequest *request, GError **error)
{
    const char *bearer = http_request_bearer (request);
    g_autoptr (Principal) principal = NULL;
    if (bearer != NULL && http_token_equal (bearer, controller->token))
        return principal_new (PRINCIPAL_LOCAL, ACCESS_LOCAL_USER, NULL);
    if (bearer != NULL) {
        principal = principal_of_secret (controller, bearer, FALSE);
    } else {
        g_autofree char *cookie = credential_cookie (http_request_header (request, "cookie"));
        if (cookie != NULL)
            principal = principal_of_secret (controller, cookie, TRUE);
        if (principal != NULL && !came_from_our_page (request, error))
            return NULL;
    }
    if (principal == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN,
                     bearer == NULL ? "log in first: vdc login, or a token (Authorization: Bearer …)"
                                    : "the token is not valid, or is no longer");
    return g_steal_pointer (&principal);
}

/* --- may he ---------------------------------------------------------------------------------------------------- */

/* On an application that may not be seen the answer is that of a missing one, to the byte. */
static gboolean
may_on (Controller *controller, HttpRequest *request, HttpRole role, const char *application_id,
        GError **error)
{
    if (vdc_bug ("access-objects-unchecked") && http_request_route (request)->scope == HTTP_SCOPE_OBJECT)
        return TRUE;
    if (!access_sees (controller, request, application_id)) {
        access_object_missing (request, error);
        return FALSE;
    }
    return access_may (controller, request, role, application_id, error);
}

static gboolean
may_application (Controller *controller, HttpRequest *request, HttpRole role, GError **error)
{
    const char *id = access_application_id (controller, http_request_param (request, "application"));
    if (id == NULL) {
        access_object_missing (request, error);
        return FALSE;
    }
    return may_on (controller, request, role, id, error);
}

static gboolean
may_object (Controller *controller, HttpRequest *request, HttpRole role, GError **error)
{
    g_autofree char *id = NULL;
    return access_object (controller, request, &id, error) && may_on (controller, request, role, id, error);
}

static gboolean
refuse (HttpRole role, GError **error)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "this needs the role %s",
                 access_role_name (role));
    return FALSE;
}

gboolean
access_authorize (HttpRequest *request, const HttpRoute *route, gpointer user_data, GError **error)
{
    Controller *controller = user_data;
    HttpRole role = route->role;
    Principal *principal = identify (controller, request, error);
    if (principal == NULL)
        return FALSE;
    http_request_set_data (request, "principal", principal, (GDestroyNotify)principal_unref);
    http_request_set_user (request, principal->user);
    if (role > HTTP_ROLE_ADMIN)
        return refuse (HTTP_ROLE_ADMIN, error);
    if (vdc_bug ("access-viewer-may-all"))
        role = HTTP_ROLE_VIEWER;
    if (vdc_bug ("access-one-route-unchecked") && strcmp (route->name, "getApplicationLogs") == 0)
        return TRUE;
    switch (route->scope) {
    case HTTP_SCOPE_GRID:
        return access_may (controller, request, role, NULL, error);
    case HTTP_SCOPE_APPLICATION:
        return may_application (controller, request, role, error);
    case HTTP_SCOPE_OBJECT:
        return may_object (controller, request, role, error);
    case HTTP_SCOPE_CREATE:
        return access_may_create (controller, principal) || refuse (role, error);
    case HTTP_SCOPE_FILTERED:
        return role == HTTP_ROLE_VIEWER || access_highest (controller, principal) >= role ||
               refuse (role, error);
    case HTTP_SCOPE_NONE:
        return TRUE;
    case HTTP_SCOPE_UNSET:
        break;
    }
    g_assert_not_reached ();
}

void
access_check_routes (const HttpRouter *router)
{
    g_autoptr (GPtrArray) routes = http_router_list (router);
    for (guint i = 0; i < routes->len; i++) {
        const HttpRoute *route = routes->pdata[i];
        gboolean application = strstr (route->path, "{application}") != NULL;
        if (route->scope == HTTP_SCOPE_OBJECT && !access_object_is_known (route))
            g_error ("%s %s: no rule says what its object belongs to", route->method, route->path);
        if (application != (route->scope == HTTP_SCOPE_APPLICATION))
            g_error ("%s %s: scope APPLICATION and {application} go together", route->method, route->path);
        if ((route->role == HTTP_ROLE_PUBLIC) && route->scope != HTTP_SCOPE_NONE)
            g_error ("%s %s: public with a scope", route->method, route->path);
    }
}
