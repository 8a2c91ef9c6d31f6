#include "vdc/http/request_private.h"

#include <string.h>

typedef struct {
    const HttpRoute *route;
    gpointer user_data;
    char **segments; /* "{name}" and "{name*}" as written */
    guint n_segments;
    gboolean rest;
} Row;

struct HttpRouter {
    GPtrArray *rows; /* Row, in the order added */
    HttpAuthorize authorize;
    gpointer authorize_data;
    const HttpHooks *hooks;
    gpointer hooks_data;
    const HttpWatch *watch;
    gpointer watch_data;
    GSList *kept; /* Kept, see http_router_keep */
};

typedef struct {
    gpointer data;
    GDestroyNotify free;
} Kept;

static const char *const role_names[] = {
    [HTTP_ROLE_UNSET] = "unset",   [HTTP_ROLE_PUBLIC] = "public",     [HTTP_ROLE_VIEWER] = "viewer",
    [HTTP_ROLE_EDITOR] = "editor", [HTTP_ROLE_OPERATOR] = "operator", [HTTP_ROLE_ADMIN] = "admin",
    [HTTP_ROLE_SERVER] = "server",
};

static const char *const scope_names[] = {
    [HTTP_SCOPE_UNSET] = "unset",
    [HTTP_SCOPE_NONE] = "none",
    [HTTP_SCOPE_GRID] = "grid",
    [HTTP_SCOPE_OBJECT] = "object",
    [HTTP_SCOPE_FILTERED] = "filtered",
    [HTTP_SCOPE_CREATE] = "create",
    [HTTP_SCOPE_APPLICATION] = "application",
};

const char *
http_role_name (HttpRole role)
{
    return role_names[role];
}

const char *
http_scope_name (HttpScope scope)
{
    return scope_names[scope];
}

static void
row_free (gpointer data)
{
    Row *row = data;
    g_strfreev (row->segments);
    g_free (row);
}

HttpRouter *
http_router_new (void)
{
    HttpRouter *router = g_new0 (HttpRouter, 1);
    router->rows = g_ptr_array_new_with_free_func (row_free);
    return router;
}

static void
kept_free (gpointer data)
{
    Kept *kept = data;
    kept->free (kept->data);
    g_free (kept);
}

void
http_router_keep (HttpRouter *router, gpointer data, GDestroyNotify free)
{
    Kept *kept = g_new0 (Kept, 1);
    kept->data = data;
    kept->free = free;
    router->kept = g_slist_prepend (router->kept, kept);
}

void
http_router_free (HttpRouter *router)
{
    if (router == NULL)
        return;
    if (router->hooks != NULL && router->hooks->free != NULL)
        router->hooks->free (router->hooks_data);
    g_slist_free_full (router->kept, kept_free);
    g_ptr_array_unref (router->rows);
    g_free (router);
}

static gboolean
is_parameter (const char *segment)
{
    return *segment == '{';
}

/* Segments of a path; "/" has one, empty (g_strsplit gives none for ""). */
static char **
split (const char *path)
{
    if (path[1] != '\0')
        return g_strsplit (path + 1, "/", -1);
    char **segments = g_new0 (char *, 2);
    segments[0] = g_strdup ("");
    return segments;
}

static Row *
row_new (const HttpRoute *route, gpointer user_data)
{
    Row *row = g_new0 (Row, 1);
    g_assert (route->path[0] == '/' && route->handler != NULL && route->method != NULL);
    row->route = route;
    row->user_data = user_data;
    row->segments = split (route->path);
    row->n_segments = g_strv_length (row->segments);
    for (guint i = 0; i < row->n_segments; i++) {
        const char *segment = row->segments[i];
        if (!is_parameter (segment))
            continue;
        g_assert (g_str_has_suffix (segment, "}") && strlen (segment) > 2);
        if (g_str_has_suffix (segment, "*}")) {
            g_assert (i + 1 == row->n_segments);
            row->rest = TRUE;
        }
    }
    return row;
}

void
http_router_add (HttpRouter *router, const HttpRoute *routes, gsize n, gpointer user_data)
{
    for (gsize i = 0; i < n; i++) {
        if (routes[i].role == HTTP_ROLE_UNSET || routes[i].scope == HTTP_SCOPE_UNSET)
            g_error ("%s %s: no role or no scope", routes[i].method, routes[i].path);
        for (guint j = 0; j < router->rows->len; j++) {
            const HttpRoute *other = ((Row *)router->rows->pdata[j])->route;
            if (g_str_equal (other->method, routes[i].method) && g_str_equal (other->path, routes[i].path))
                g_error ("two routes for %s %s", other->method, other->path);
        }
        g_ptr_array_add (router->rows, row_new (&routes[i], user_data));
    }
}

void
http_router_set_authorize (HttpRouter *router, HttpAuthorize authorize, gpointer user_data)
{
    router->authorize = authorize;
    router->authorize_data = user_data;
}

void
http_router_set_hooks (HttpRouter *router, const HttpHooks *hooks, gpointer user_data)
{
    router->hooks = hooks;
    router->hooks_data = user_data;
}

void
http_router_set_watch (HttpRouter *router, const HttpWatch *watch, gpointer user_data)
{
    router->watch = watch;
    router->watch_data = user_data;
}

GPtrArray *
http_router_list (const HttpRouter *router)
{
    GPtrArray *list = g_ptr_array_new ();
    for (guint i = 0; i < router->rows->len; i++)
        g_ptr_array_add (list, (gpointer)((Row *)router->rows->pdata[i])->route);
    return list;
}

/* NULL for a broken encoding, NUL, control characters or bytes that are not UTF-8. */
static char *
decode (const char *segment)
{
    char *text = g_uri_unescape_string (segment, NULL);
    if (text == NULL || !g_utf8_validate (text, -1, NULL)) {
        g_free (text);
        return NULL;
    }
    return text;
}

static gboolean
row_matches (const Row *row, char **segments, guint n)
{
    if (row->rest ? n < row->n_segments : n != row->n_segments)
        return FALSE;
    for (guint i = 0; i < row->n_segments; i++) {
        if (is_parameter (row->segments[i])) {
            if (*segments[i] == '\0')
                return FALSE;
        } else if (!g_str_equal (row->segments[i], segments[i])) {
            return FALSE;
        }
    }
    return TRUE;
}

/* A literal beats a parameter at the first place where two matching rows differ; a rest parameter loses to
 * both. */
static gboolean
row_is_closer (const Row *row, const Row *than)
{
    for (guint i = 0; i < MIN (row->n_segments, than->n_segments); i++) {
        gboolean mine = is_parameter (row->segments[i]), other = is_parameter (than->segments[i]);
        if (mine != other)
            return !mine;
    }
    return than->rest && !row->rest;
}

static GHashTable *
row_params (const Row *row, char **segments)
{
    GHashTable *params = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < row->n_segments; i++) {
        const char *pattern = row->segments[i];
        if (!is_parameter (pattern))
            continue;
        gboolean rest = row->rest && i + 1 == row->n_segments;
        char *name = g_strndup (pattern + 1, strlen (pattern) - (rest ? 3 : 2));
        char *value = rest ? g_strjoinv ("/", segments + i) : g_strdup (segments[i]);
        g_hash_table_insert (params, name, value);
    }
    return params;
}

static gboolean
method_fits (const HttpRoute *route, const char *method)
{
    return g_str_equal (route->method, method) ||
           (g_str_equal (method, "HEAD") && g_str_equal (route->method, "GET"));
}

static const Row *
find_row (const HttpRouter *router, const char *method, char **segments, guint n, GString *allow)
{
    const Row *best = NULL;
    for (guint i = 0; i < router->rows->len; i++) {
        const Row *row = router->rows->pdata[i];
        if (!row_matches (row, segments, n))
            continue;
        if (!method_fits (row->route, method)) {
            g_string_append_printf (allow, "%s%s", allow->len ? ", " : "", row->route->method);
            continue;
        }
        if (best == NULL || row_is_closer (row, best))
            best = row;
    }
    return best;
}

static const Row *
match_row (const HttpRouter *router, const char *method, const char *path, char ***segments_out, char **allow)
{
    if (path[0] != '/')
        return NULL;
    g_auto (GStrv) segments = split (path);
    guint n = g_strv_length (segments);
    for (guint i = 0; i < n; i++) {
        char *plain = decode (segments[i]);
        if (plain == NULL)
            return NULL;
        g_free (segments[i]);
        segments[i] = plain;
    }
    g_autoptr (GString) others = g_string_new (NULL);
    const Row *row = find_row (router, method, segments, n, others);
    if (row == NULL && others->len > 0)
        *allow = g_strdup (others->str);
    *segments_out = g_steal_pointer (&segments);
    return row;
}

const HttpRoute *
http_router_match (const HttpRouter *router, const char *method, const char *path, GHashTable **params,
                   char **allow)
{
    g_auto (GStrv) segments = NULL;
    *allow = NULL;
    const Row *row = match_row (router, method, path, &segments, allow);
    if (row == NULL)
        return NULL;
    *params = row_params (row, segments);
    return row->route;
}

static gboolean
authorised (const HttpRouter *router, HttpRequest *request, const HttpRoute *route, GError **error)
{
    if (route->role == HTTP_ROLE_PUBLIC)
        return TRUE;
    if (router->authorize != NULL)
        return router->authorize (request, route, router->authorize_data, error);
    if (route->role == HTTP_ROLE_SERVER && http_request_peer (request) != NULL)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN, "%s %s needs a log-in", route->method,
                 http_request_path (request));
    return FALSE;
}

gboolean
http_router_authorise (const HttpRouter *router, HttpRequest *request)
{
    g_autoptr (GError) error = NULL;
    request->hooks = router->hooks;
    request->hooks_data = router->hooks_data;
    request->watch = router->watch;
    request->watch_data = router->watch_data;
    if (!request->permitted)
        request->permitted = authorised (router, request, http_request_route (request), &error);
    if (request->permitted)
        return TRUE;
    HttpRefused refused =
        router->hooks == NULL || router->hooks->refused == NULL
            ? HTTP_REFUSED_TELL
            : router->hooks->refused (request, http_request_route (request), error, router->hooks_data);
    if (refused == HTTP_REFUSED_TELL)
        http_reply_error (request, error);
    return refused == HTTP_REFUSED_BODY;
}

static void
call_handler (const HttpRouter *router, const Row *row, HttpRequest *request)
{
    const HttpHooks *hooks = router->hooks;
    if (router->watch != NULL)
        router->watch->begin (request, router->watch_data);
    if (hooks == NULL || hooks->before == NULL || hooks->before (request, row->route, router->hooks_data))
        row->route->handler (request, row->user_data);
    if (router->watch != NULL)
        router->watch->handled (request, router->watch_data);
}

void
http_router_dispatch (const HttpRouter *router, HttpRequest *request)
{
    const HttpRoute *route = http_request_route (request);

    if (!http_router_authorise (router, request))
        return;
    for (guint i = 0; i < router->rows->len; i++) {
        Row *row = router->rows->pdata[i];
        if (row->route == route) {
            call_handler (router, row, request);
            return;
        }
    }
    g_assert_not_reached ();
}
