/*
 * What is refused before a handler is asked, and before a body is read. Everything here runs on the library's
 * thread.
 */
#include "vdc/http/server_private.h"

#include "vdc/http/pki.h"

#include <string.h>

#define HEADER_LIMIT_BYTES (32 * 1024)
#define IDEMPOTENCY_KEY_MAX 128
/* A body over this gets one more deadline per so many bytes of its limit. */
#define BODY_BYTES_PER_DEADLINE (8 * 1024 * 1024)

typedef struct {
    GHashTable *headers;
    guint hosts, lengths, encodings;
    gboolean bad;
} HeaderScan;

static gboolean
is_token (const char *name)
{
    if (*name == '\0')
        return FALSE;
    for (; *name != '\0'; name++)
        if (!g_ascii_isalnum (*name) && strchr ("!#$%&'*+-.^_`|~", *name) == NULL)
            return FALSE;
    return TRUE;
}

static enum MHD_Result
scan_header (void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    HeaderScan *scan = data;
    if (!is_token (name) || value == NULL) {
        scan->bad = TRUE;
        return MHD_NO;
    }
    scan->hosts += g_ascii_strcasecmp (name, "Host") == 0;
    scan->lengths += g_ascii_strcasecmp (name, "Content-Length") == 0;
    scan->encodings += g_ascii_strcasecmp (name, "Transfer-Encoding") == 0;
    for (const char *c = value; *c != '\0'; c++)
        scan->bad |= ((guchar)*c < ' ' && *c != '\t') || *c == 0x7f;
    g_hash_table_replace (scan->headers, g_ascii_strdown (name, -1), g_strdup (value));
    return MHD_YES;
}

static gboolean
plain_number (const char *text)
{
    return *text != '\0' && strspn (text, "0123456789") == strlen (text) && strlen (text) < 19;
}

static gboolean
is_key (const char *text)
{
    gsize length = strlen (text);
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isprint (*c))
            return FALSE;
    return length > 0 && length <= IDEMPOTENCY_KEY_MAX;
}

/* What two parsers could read differently is refused, and the connection with it. NULL: fine. */
static const char *
check_framing (struct MHD_Connection *connection, HttpRequest *request, const char *version)
{
    HeaderScan scan = {.headers = request->headers};
    MHD_get_connection_values (connection, MHD_HEADER_KIND, scan_header, &scan);
    const char *length = g_hash_table_lookup (request->headers, "content-length");
    const char *encoding = g_hash_table_lookup (request->headers, "transfer-encoding");
    const char *key = g_hash_table_lookup (request->headers, "idempotency-key");

    if (!g_str_equal (version, "HTTP/1.1"))
        return "only HTTP/1.1 is spoken here";
    if (scan.bad)
        return "a header is malformed";
    if (scan.hosts != 1)
        return "exactly one Host header is needed";
    if (scan.lengths + scan.encodings > 1)
        return "the length of the body is given twice";
    if (length != NULL && !plain_number (length))
        return "Content-Length is not a number";
    if (encoding != NULL && g_ascii_strcasecmp (encoding, "chunked") != 0)
        return "this Transfer-Encoding is not understood";
    if (key != NULL && !is_key (key))
        return "Idempotency-Key must be 1 to 128 printable ASCII characters";
    return NULL;
}

static enum MHD_Result
scan_query (void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    HttpRequest *request = data;
    char *plain_name = g_uri_unescape_string (name, NULL);
    char *plain = g_uri_unescape_string (value ? value : "", NULL);
    if (plain_name == NULL || plain == NULL || !g_utf8_validate (plain_name, -1, NULL) ||
        !g_utf8_validate (plain, -1, NULL)) {
        g_free (plain_name);
        g_free (plain);
        return MHD_NO;
    }
    g_hash_table_replace (request->query, plain_name, plain);
    return MHD_YES;
}

static gboolean
read_query (struct MHD_Connection *connection, HttpRequest *request)
{
    int given = MHD_get_connection_values (connection, MHD_GET_ARGUMENT_KIND, NULL, NULL);
    int taken = MHD_get_connection_values (connection, MHD_GET_ARGUMENT_KIND, scan_query, request);
    return given == taken;
}

enum MHD_Result
http_queue_response (struct MHD_Connection *connection, guint status, struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result rc = MHD_queue_response (connection, status, response);
    MHD_destroy_response (response);
    return rc;
}

/* An answer from the net side itself: the request never reached the main loop. */
static enum MHD_Result
refuse (struct MHD_Connection *connection, guint status, const char *code, const char *message,
        const char *allow)
{
    g_autoptr (json_t) body = json_object ();
    json_put (body, "code", json_string (code));
    json_put (body, "message", json_str_new (message));
    json_put (body, "params", json_object ());
    json_put (body, "path", NULL);
    char *text = json_text (body);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback (strlen (text), text, g_free);
    if (response == NULL) {
        g_free (text);
        return MHD_NO;
    }
    MHD_add_response_header (response, "Content-Type", "application/json");
    if (status == 400 || status == 401 || status == 413)
        MHD_add_response_header (response, "Connection", "close");
    if (allow != NULL)
        MHD_add_response_header (response, "Allow", allow);
    return http_queue_response (connection, status, response);
}

static enum MHD_Result
refuse_error (struct MHD_Connection *connection, const GError *error)
{
    return refuse (connection, (guint)vdc_error_http_status (error), vdc_error_name (error), error->message,
                   NULL);
}

static gboolean
check_peer (struct MHD_Connection *connection, Link *link)
{
    if (!link->server->client_certificates)
        return TRUE;
    if (!link->peer_checked) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info (connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        link->peer = pki_session_peer (info ? info->tls_session : NULL, &link->peer_error);
        link->peer_checked = TRUE;
    }
    return link->peer != NULL;
}

gsize
http_guard_body_limit (const HttpRoute *route)
{
    return route->body_limit_bytes ? route->body_limit_bytes : HTTP_BODY_LIMIT_BYTES;
}

enum MHD_Result
http_guard_too_large (struct MHD_Connection *connection, const HttpRoute *route)
{
    g_autofree char *message = g_strdup_printf ("the body is over the limit of %" G_GSIZE_FORMAT " bytes",
                                                http_guard_body_limit (route));
    return refuse (connection, 413, "too_large", message, NULL);
}

/* A form or a plain text posted by a foreign page must not pass for JSON. */
static gboolean
media_type_fits (HttpRequest *request)
{
    const char *type = g_hash_table_lookup (request->headers, "content-type");
    return request->route->body == HTTP_BODY_RAW || type == NULL ||
           g_ascii_strncasecmp (type, "application/json", 16) == 0;
}

static enum MHD_Result
not_routed (struct MHD_Connection *connection, HttpRequest *request, const char *allow)
{
    g_autofree char *path = g_utf8_make_valid (request->path, (gssize)MIN (strlen (request->path), 200));
    g_autofree char *message = allow ? g_strdup_printf ("%s is not possible on %s", request->method, path)
                                     : g_strdup_printf ("there is nothing at %s", path);
    return refuse (connection, allow ? 405 : 404, allow ? "usage" : "not_found", message, allow);
}

static void
extend_deadline (Link *link, const HttpRoute *route)
{
    gint64 more =
        (gint64)(http_guard_body_limit (route) / BODY_BYTES_PER_DEADLINE) * link->server->deadline_us;
    g_mutex_lock (&link->server->lock);
    if (link->deadline_us != 0)
        link->deadline_us += more;
    g_mutex_unlock (&link->server->lock);
}

/* The header is complete: refuse at once what can be refused, before any body is read. */
enum MHD_Result
http_guard_header (struct MHD_Connection *connection, Link *link, HttpRequest *request, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info != NULL && info->header_size > HEADER_LIMIT_BYTES)
        return refuse (connection, 431, "too_large", "the header is over the limit of 32768 bytes", NULL);
    const char *wrong = check_framing (connection, request, version);
    if (wrong != NULL)
        return refuse (connection, 400, "usage", wrong, NULL);
    if (!check_peer (connection, link))
        return refuse_error (connection, link->peer_error);
    request->peer = g_strdup (link->peer);
    if (!read_query (connection, request))
        return refuse (connection, 400, "usage", "the query is malformed", NULL);

    g_autofree char *allow = NULL;
    request->route =
        http_router_match (link->server->router, request->method, request->path, &request->params, &allow);
    if (request->route == NULL)
        return not_routed (connection, request, allow);
    if (!media_type_fits (request))
        return refuse (connection, 415, "usage", "Content-Type must be application/json", NULL);
    const char *length = g_hash_table_lookup (request->headers, "content-length");
    if (length != NULL && g_ascii_strtoull (length, NULL, 10) > http_guard_body_limit (request->route))
        return http_guard_too_large (connection, request->route);
    extend_deadline (link, request->route);
    return MHD_YES;
}
