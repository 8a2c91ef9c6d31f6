/*
 * What is refused of a well-formed request before anybody is asked and before its body is read. On the net
 * thread.
 */
#include "vdc/http/server_private.h"

#include <string.h>

#include "vdc/base/bug.h"

gsize
http_guard_body_limit (const HttpRoute *route)
{
    return route->body_limit_bytes ? route->body_limit_bytes : HTTP_BODY_LIMIT_BYTES;
}

/* Takes @message. */
static gboolean
refuse (HttpRefusal *refusal, guint status, VdcErrorCode code, char *message)
{
    refusal->status = status;
    refusal->code = code;
    refusal->message = message;
    return FALSE;
}

static gboolean
not_routed (HttpRequest *request, char *allow, HttpRefusal *refusal)
{
    g_autofree char *path = g_utf8_make_valid (request->path, (gssize)MIN (strlen (request->path), 200));
    refusal->allow = allow;
    if (allow == NULL)
        return refuse (refusal, 404, VDC_ERROR_NOT_FOUND, g_strdup_printf ("there is nothing at %s", path));
    return refuse (refusal, 405, VDC_ERROR_METHOD,
                   g_strdup_printf ("%s is not possible on %s", request->method, path));
}

/* "application/json", also with parameters; not "application/jsonx". */
static gboolean
is_json (const char *type)
{
    static const char json[] = "application/json";
    gsize n = strlen (json);
    return g_ascii_strncasecmp (type, json, n) == 0 && (type[n] == '\0' || strchr ("; \t", type[n]) != NULL);
}

/* A form or a plain text posted by a foreign page must not pass for JSON. */
static gboolean
media_type_fits (HttpRequest *request)
{
    const char *type = g_hash_table_lookup (request->headers, "content-type");
    return request->route->body == HTTP_BODY_RAW || type == NULL || is_json (type);
}

gboolean
http_guard_request (HttpServer *server, HttpRequest *request, HttpRefusal *refusal)
{
    char *allow = NULL;
    request->route =
        http_router_match (server->router, request->method, request->path, &request->params, &allow);
    if (request->route == NULL)
        return not_routed (request, allow, refusal);
    if (!media_type_fits (request))
        return refuse (refusal, 415, VDC_ERROR_MEDIA_TYPE,
                       g_strdup ("Content-Type must be application/json"));
    if (request->content_length > http_guard_body_limit (request->route) && !vdc_bug ("http-any-length"))
        return refuse (refusal, 413, VDC_ERROR_TOO_LARGE,
                       g_strdup_printf ("the body is over the limit of %" G_GSIZE_FORMAT " bytes",
                                        http_guard_body_limit (request->route)));
    return TRUE;
}
