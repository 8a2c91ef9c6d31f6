/*
 * The listener, on libmicrohttpd 0.9.75 (the one file that knows it).
 *
 * Problem: the library runs its own thread, our state belongs to the main loop, and a client may send
 * anything, slowly, or leave at any moment.
 *
 * Idea: the library's thread collects a request, suspends the connection and posts the request to the main
 * loop. The answer (or each wake-up of a stream) resumes the connection; the library's thread then picks up
 * what is there.
 *
 * Invariants
 *  1. A connection is resumed only when `suspended` is set, under the lock: resuming a running one would make
 * the library ignore the next suspend and spin.
 *  2. `request->connection` is cleared under the lock when the library completes the request; nobody touches
 * the connection after that.
 *  3. Every open socket is in `links` from before the TLS handshake until before it is closed, both told by
 * the library, so shutting one down under the lock never hits a reused descriptor.
 *  4. The lock is never held while a handler or a producer's callback runs, and nothing is called from the
 * library's thread but what is in this file.
 *
 * Why a guard: this version's parser accepts requests with Content-Length and Transfer-Encoding, two
 * Content-Lengths, or a space before the colon, and runs what follows as a second request. It also never
 * times out a client that sends a byte now and then: its time-out is for silence. Hence check_framing and the
 * sweep.
 */
#include "vdc/http/server.h"

#include "vdc/base/log.h"
#include "vdc/http/pki.h"
#include "vdc/http/request_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_CONNECTION_LIMIT 512
#define DEFAULT_DEADLINE_MS 30000
#define SILENCE_TIMEOUT_S 60
#define HEADER_LIMIT_BYTES (32 * 1024)
#define CONNECTION_MEMORY_BYTES (64 * 1024)
#define STREAM_BLOCK_BYTES (32 * 1024)
#define IDEMPOTENCY_KEY_MAX 128
/* A body over this gets one more deadline per so many bytes of its limit. */
#define BODY_BYTES_PER_DEADLINE (8 * 1024 * 1024)
/* How much of a refused chunked body is read away before the connection is cut. */
#define DISCARD_LIMIT_BYTES (1024 * 1024)

/* One open socket. */
typedef struct {
    HttpServer *server;
    int fd;
    gint64 deadline_us;   /* [lock] 0: no request is being received */
    HttpRequest *request; /* [lock] not held */
    gboolean peer_checked;
    char *peer;
    GError *peer_error;
} Link;

struct HttpServer {
    gint refs; /* atomic: the owner, each request */
    GMutex lock;
    struct MHD_Daemon *daemon;
    const HttpRouter *router;
    GMainContext *context;
    GSource *sweep;
    GHashTable *links;   /* [lock] set of Link */
    GHashTable *streams; /* main loop: set of HttpRequest that stream, held */
    gboolean stopped;    /* [lock] */
    gboolean client_certificates;
    gint64 deadline_us;
    guint16 port;
};

static void
server_unref (HttpServer *server)
{
    if (!g_atomic_int_dec_and_test (&server->refs))
        return;
    g_hash_table_unref (server->links);
    g_hash_table_unref (server->streams);
    g_main_context_unref (server->context);
    g_mutex_clear (&server->lock);
    g_free (server);
}

/* --- from the main loop to the net side ---------------------------------------------------------------- */

static void
lock_request (HttpRequest *request)
{
    g_mutex_lock (&((HttpServer *)request->server)->lock);
}

static void
unlock_request (HttpRequest *request)
{
    g_mutex_unlock (&((HttpServer *)request->server)->lock);
}

/* [lock held] */
static void
wake (HttpRequest *request)
{
    if (!request->suspended || request->connection == NULL)
        return;
    request->suspended = FALSE;
    MHD_resume_connection (request->connection);
}

/* [lock held] A stream's reader may be asleep only while there is nothing to send. */
static void
wake_stream (HttpRequest *request)
{
    if (request->ready)
        wake (request);
}

/* Main loop: the library has completed a streamed request. */
static void
finished (HttpRequest *request)
{
    HttpServer *server = request->server;
    http_stream_finished (request);
    if (g_hash_table_remove (server->streams, request))
        http_request_release (request);
}

static void
hand_over (HttpRequest *request)
{
    HttpServer *server = request->server;
    if (request->stream != NULL)
        g_hash_table_add (server->streams, http_request_hold (request));
    g_mutex_lock (&server->lock);
    gboolean lost = request->connection == NULL;
    request->ready = TRUE;
    wake (request);
    g_mutex_unlock (&server->lock);
    if (lost && request->stream != NULL)
        request->ops->post (request, finished);
}

typedef struct {
    HttpRequest *request;
    void (*func) (HttpRequest *request);
} Posted;

static gboolean
run_posted (gpointer data)
{
    Posted *posted = data;
    posted->func (posted->request);
    return G_SOURCE_REMOVE;
}

static void
free_posted (gpointer data)
{
    Posted *posted = data;
    http_request_release (posted->request);
    g_free (posted);
}

/* Not g_main_context_invoke: that would run it here when the loop happens to be idle. */
static void
post (HttpRequest *request, void (*func) (HttpRequest *request))
{
    HttpServer *server = request->server;
    Posted *posted = g_new0 (Posted, 1);
    posted->request = http_request_hold (request);
    posted->func = func;
    GSource *source = g_idle_source_new ();
    g_source_set_priority (source, G_PRIORITY_DEFAULT);
    g_source_set_callback (source, run_posted, posted, free_posted);
    g_source_attach (source, server->context);
    g_source_unref (source);
}

static void
release (HttpRequest *request)
{
    server_unref (request->server);
}

static const HttpRequestOps request_ops = {
    .answer = hand_over,
    .wake = wake_stream,
    .lock = lock_request,
    .unlock = unlock_request,
    .post = post,
    .release = release,
};

/* --- net side: guard ----------------------------------------------------------------------------------- */

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
    if (key != NULL && (*key == '\0' || strlen (key) > IDEMPOTENCY_KEY_MAX))
        return "Idempotency-Key must have 1 to 128 characters";
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

/* --- net side: answers --------------------------------------------------------------------------------- */

static void
add_headers (struct MHD_Response *response, HttpRequest *request)
{
    for (guint i = 0; i + 1 < request->answer_headers->len; i += 2)
        MHD_add_response_header (response, request->answer_headers->pdata[i],
                                 request->answer_headers->pdata[i + 1]);
}

static enum MHD_Result
queue_response (struct MHD_Connection *connection, guint status, struct MHD_Response *response)
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
    return queue_response (connection, status, response);
}

static enum MHD_Result
refuse_error (struct MHD_Connection *connection, const GError *error)
{
    return refuse (connection, (guint)vdc_error_http_status (error), vdc_error_name (error), error->message,
                   NULL);
}

static ssize_t
read_stream (void *data, uint64_t position, char *buffer, size_t max)
{
    HttpRequest *request = data;
    HttpStream *stream = request->stream;
    ssize_t result = 0;

    lock_request (request);
    HttpServer *server = request->server;
    if (stream->broken || request->gone || server->stopped) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else {
        result = (ssize_t)http_stream_take (stream, buffer, max);
        if (result == 0 && stream->ended) {
            result = MHD_CONTENT_READER_END_OF_STREAM;
        } else if (result == 0) {
            request->suspended = TRUE;
            MHD_suspend_connection (request->connection);
        }
    }
    unlock_request (request);
    return result;
}

static void
release_request (void *data)
{
    http_request_release (data);
}

static enum MHD_Result
send_answer (struct MHD_Connection *connection, HttpRequest *request)
{
    struct MHD_Response *response;
    if (request->stream != NULL) {
        response = MHD_create_response_from_callback (MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream,
                                                      http_request_hold (request), release_request);
        if (response == NULL)
            http_request_release (request);
    } else {
        gsize length = 0;
        const void *data = g_bytes_get_data (request->answer, &length);
        /* The bytes live as long as the request, which is released when the library has completed it. */
        response =
            MHD_create_response_from_buffer (length, (void *)(length ? data : ""), MHD_RESPMEM_PERSISTENT);
    }
    if (response == NULL)
        return MHD_NO;
    add_headers (response, request);
    return queue_response (connection, request->status, response);
}

/* --- net side: receiving ------------------------------------------------------------------------------- */

static Link *
link_of (struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

static char *
address_of (struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "?";
    if (info != NULL && info->client_addr->sa_family == AF_INET)
        inet_ntop (AF_INET, &((struct sockaddr_in *)info->client_addr)->sin_addr, text, sizeof text);
    else if (info != NULL && info->client_addr->sa_family == AF_INET6)
        inet_ntop (AF_INET6, &((struct sockaddr_in6 *)info->client_addr)->sin6_addr, text, sizeof text);
    return g_strdup (text);
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

static gsize
body_limit (const HttpRoute *route)
{
    return route->body_limit_bytes ? route->body_limit_bytes : HTTP_BODY_LIMIT_BYTES;
}

static enum MHD_Result
too_large (struct MHD_Connection *connection, const HttpRoute *route)
{
    g_autofree char *message =
        g_strdup_printf ("the body is over the limit of %" G_GSIZE_FORMAT " bytes", body_limit (route));
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
    g_autofree char *path = g_utf8_make_valid (request->path, (gssize) MIN (strlen (request->path), 200));
    g_autofree char *message = allow ? g_strdup_printf ("%s is not possible on %s", request->method, path)
                                     : g_strdup_printf ("there is nothing at %s", path);
    return refuse (connection, allow ? 405 : 404, allow ? "usage" : "not_found", message, allow);
}

static HttpRequest *
begin_request (struct MHD_Connection *connection, Link *link, const char *path, const char *method)
{
    HttpRequest *request = http_request_new (&request_ops);
    g_atomic_int_inc (&link->server->refs);
    request->server = link->server;
    request->method = g_strdup (method);
    request->path = g_strdup (path);
    request->address = address_of (connection);
    g_mutex_lock (&link->server->lock);
    request->connection = connection;
    link->request = request;
    g_mutex_unlock (&link->server->lock);
    return request;
}

static void
extend_deadline (Link *link, const HttpRoute *route)
{
    gint64 more = (gint64)(body_limit (route) / BODY_BYTES_PER_DEADLINE) * link->server->deadline_us;
    g_mutex_lock (&link->server->lock);
    if (link->deadline_us != 0)
        link->deadline_us += more;
    g_mutex_unlock (&link->server->lock);
}

/* The header is complete: refuse at once what can be refused, before any body is read. */
static enum MHD_Result
on_header (struct MHD_Connection *connection, Link *link, HttpRequest *request, const char *version)
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
    if (length != NULL && g_ascii_strtoull (length, NULL, 10) > body_limit (request->route))
        return too_large (connection, request->route);
    extend_deadline (link, request->route);
    return MHD_YES;
}

static enum MHD_Result
on_body (HttpRequest *request, const char *data, size_t *length)
{
    gsize have = request->collected->len, limit = body_limit (request->route);
    if (have <= limit && *length > 0)
        g_byte_array_append (request->collected, (const guint8 *)data,
                             (guint)MIN (*length, limit + 1 - have));
    /* Over the limit: the rest is dropped, and a client that goes on for long is cut off. */
    if (have > limit) {
        request->discarded_bytes += *length;
        if (request->discarded_bytes > DISCARD_LIMIT_BYTES)
            return MHD_NO;
    }
    *length = 0;
    return MHD_YES;
}

static void
deliver (HttpRequest *request)
{
    HttpServer *server = request->server;
    if (!server->stopped)
        http_request_deliver (request, server->router);
}

static enum MHD_Result
on_complete (struct MHD_Connection *connection, Link *link, HttpRequest *request)
{
    HttpServer *server = link->server;
    if (request->collected->len > body_limit (request->route))
        return too_large (connection, request->route);
    g_mutex_lock (&server->lock);
    gboolean stopped = server->stopped;
    if (!stopped) {
        link->deadline_us = 0;
        request->suspended = TRUE;
        MHD_suspend_connection (connection);
    }
    g_mutex_unlock (&server->lock);
    if (stopped)
        return MHD_NO;
    request->delivered = TRUE;
    post (request, deliver);
    return MHD_YES;
}

static enum MHD_Result
on_access (void *data, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *upload, size_t *upload_length, void **context)
{
    Link *link = link_of (connection);
    HttpRequest *request = *context;

    if (request == NULL) {
        *context = request = begin_request (connection, link, url, method);
        return on_header (connection, link, request, version);
    }
    if (*upload_length > 0)
        return on_body (request, upload, upload_length);
    if (!request->delivered)
        return on_complete (connection, link, request);

    g_mutex_lock (&link->server->lock);
    gboolean ready = request->ready && !link->server->stopped;
    g_mutex_unlock (&link->server->lock);
    return ready ? send_answer (connection, request) : MHD_NO;
}

static void
on_completed (void *data, struct MHD_Connection *connection, void **context,
              enum MHD_RequestTerminationCode how)
{
    Link *link = link_of (connection);
    HttpRequest *request = *context;
    if (request == NULL)
        return;
    g_mutex_lock (&link->server->lock);
    request->connection = NULL;
    request->gone = TRUE;
    link->request = NULL;
    link->deadline_us = g_get_monotonic_time () + link->server->deadline_us;
    gboolean was_stream = request->ready && request->stream != NULL;
    g_mutex_unlock (&link->server->lock);
    if (was_stream)
        post (request, finished);
    *context = NULL;
    http_request_release (request);
}

static void
on_connection (void *data, struct MHD_Connection *connection, void **context,
               enum MHD_ConnectionNotificationCode what)
{
    HttpServer *server = data;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        Link *link = g_new0 (Link, 1);
        link->server = server;
        link->fd = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        link->deadline_us = g_get_monotonic_time () + server->deadline_us;
        int on = 1;
        setsockopt (link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        g_mutex_lock (&server->lock);
        g_hash_table_add (server->links, link);
        g_mutex_unlock (&server->lock);
        *context = link;
    } else if (*context != NULL) {
        Link *link = *context;
        g_mutex_lock (&server->lock);
        g_hash_table_remove (server->links, link);
        g_mutex_unlock (&server->lock);
        g_free (link->peer);
        g_clear_error (&link->peer_error);
        g_free (link);
        *context = NULL;
    }
}

/* Paths and queries reach us as they were sent; the router decodes segment by segment. */
static size_t
keep_escapes (void *data, struct MHD_Connection *connection, char *text)
{
    return strlen (text);
}

static void G_GNUC_PRINTF (2, 0) on_library_log (void *data, const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf (format, args);
    vdc_log (VDC_LOG_DEBUG, "http library", "text", g_strstrip (text), NULL);
}

/* --- sweep: deadlines, and clients that left while we were silent -------------------------------------- */

static void
sweep_link (Link *link, gint64 now_us)
{
    if (link->deadline_us != 0 && now_us > link->deadline_us) {
        shutdown (link->fd, SHUT_RDWR);
        link->deadline_us = 0;
        return;
    }
    HttpRequest *request = link->request;
    if (request == NULL || !request->suspended || request->gone)
        return;
    struct pollfd fd = {.fd = link->fd, .events = POLLRDHUP};
    if (poll (&fd, 1, 0) <= 0 || (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0)
        return;
    request->gone = TRUE;
    if (request->ready)
        wake (request);
}

static gboolean
sweep (gpointer data)
{
    HttpServer *server = data;
    gint64 now_us = g_get_monotonic_time ();
    GHashTableIter iter;
    gpointer link;
    g_mutex_lock (&server->lock);
    g_hash_table_iter_init (&iter, server->links);
    while (g_hash_table_iter_next (&iter, &link, NULL))
        sweep_link (link, now_us);
    g_mutex_unlock (&server->lock);
    return G_SOURCE_CONTINUE;
}

/* --- start and stop ------------------------------------------------------------------------------------ */

static gboolean
parse_listen (const char *text, struct sockaddr_storage *address, socklen_t *length, GError **error)
{
    const char *colon = text ? strrchr (text, ':') : NULL;
    guint64 port = 0;
    if (colon != NULL && g_ascii_string_to_unsigned (colon + 1, 10, 0, 65535, &port, NULL)) {
        g_autofree char *host = g_strndup (text, (gsize)(colon - text));
        struct sockaddr_in *v4 = (struct sockaddr_in *)address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
        memset (address, 0, sizeof *address);
        if (inet_pton (AF_INET, host, &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons ((guint16)port);
            *length = sizeof *v4;
            return TRUE;
        }
        gsize n = strlen (host);
        if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
            host[n - 1] = '\0';
            if (inet_pton (AF_INET6, host + 1, &v6->sin6_addr) == 1) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons ((guint16)port);
                *length = sizeof *v6;
                return TRUE;
            }
        }
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' is not ADDRESS:PORT, such as 127.0.0.1:8443",
                 text ? text : "");
    return FALSE;
}

static int
open_listener (const char *text, guint16 *port, GError **error)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    if (!parse_listen (text, &address, &length, error))
        return -1;
    int on = 1;
    int fd = socket (address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind (fd, (struct sockaddr *)&address, length) < 0 || listen (fd, 128) < 0 ||
        getsockname (fd, (struct sockaddr *)&address, &length) < 0) {
        vdc_error_set_errno (error, errno, "cannot listen on %s", text);
        if (fd >= 0)
            close (fd);
        return -1;
    }
    *port = ntohs (address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                : ((struct sockaddr_in6 *)&address)->sin6_port);
    return fd;
}

static HttpServer *
server_new (const HttpServerOptions *options)
{
    HttpServer *server = g_new0 (HttpServer, 1);
    server->refs = 1;
    g_mutex_init (&server->lock);
    server->router = options->router;
    server->context = g_main_context_ref_thread_default ();
    server->links = g_hash_table_new (NULL, NULL);
    server->streams = g_hash_table_new (NULL, NULL);
    server->client_certificates = options->client_ca_pem != NULL;
    server->deadline_us =
        (gint64)(options->request_deadline_ms ? options->request_deadline_ms : DEFAULT_DEADLINE_MS) * 1000;
    return server;
}

static struct MHD_Daemon *
start_daemon (HttpServer *server, const HttpServerOptions *options, int fd)
{
    struct MHD_OptionItem more[8];
    guint n = 0;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (options->certificate_pem != NULL) {
        flags |= MHD_USE_TLS;
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate_pem};
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key_pem};
        more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                            (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"};
        if (options->client_ca_pem != NULL)
            more[n++] =
                (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, (void *)options->client_ca_pem};
    }
    more[n++] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon (
        flags, 0, NULL, NULL, on_access, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENCE_TIMEOUT_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
        options->connection_limit ? options->connection_limit : DEFAULT_CONNECTION_LIMIT,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connection_limit_per_ip, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
}

HttpServer *
http_server_start (const HttpServerOptions *options, GError **error)
{
    guint16 port = 0;
    int fd = open_listener (options->listen, &port, error);
    if (fd < 0)
        return NULL;

    HttpServer *server = server_new (options);
    server->port = port;
    server->daemon = start_daemon (server, options, fd);
    if (server->daemon == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                     "cannot serve on %s: the HTTP library refused its settings (certificate or key?)",
                     options->listen);
        close (fd);
        server_unref (server);
        return NULL;
    }
    server->sweep = g_timeout_source_new (1000);
    g_source_set_callback (server->sweep, sweep, server, NULL);
    g_source_attach (server->sweep, server->context);
    return server;
}

guint16
http_server_port (const HttpServer *server)
{
    return server->port;
}

/* [lock held] Everything that sleeps wakes up, sees `stopped` and ends. */
static void
wake_all (HttpServer *server)
{
    GHashTableIter iter;
    gpointer data;
    g_hash_table_iter_init (&iter, server->links);
    while (g_hash_table_iter_next (&iter, &data, NULL)) {
        Link *link = data;
        if (link->request == NULL)
            continue;
        link->request->gone = TRUE;
        wake (link->request);
    }
}

void
http_server_stop (HttpServer *server)
{
    if (server == NULL)
        return;
    g_source_destroy (server->sweep);
    g_source_unref (server->sweep);
    g_mutex_lock (&server->lock);
    server->stopped = TRUE;
    wake_all (server);
    g_mutex_unlock (&server->lock);
    MHD_stop_daemon (server->daemon);
    server->daemon = NULL;

    GHashTableIter iter;
    gpointer request;
    g_hash_table_iter_init (&iter, server->streams);
    while (g_hash_table_iter_next (&iter, &request, NULL)) {
        g_hash_table_iter_steal (&iter);
        http_stream_finished (request);
        http_request_release (request);
        g_hash_table_iter_init (&iter, server->streams);
    }
    server_unref (server);
}
