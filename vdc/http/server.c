/*
 * The listener, on libmicrohttpd 0.9.75 (server*.c alone know it).
 *
 * Problem: the library runs its own thread, our state belongs to the main loop, and a client may send
 * anything, slowly, or leave at any moment.
 *
 * Idea: the library's thread collects a request, suspends the connection and posts the request to the main
 * loop. The answer (or each wake-up of a stream) resumes the connection; the library's thread then picks up
 * what is there.
 *
 * Invariants
 *
 * 1. A connection is resumed only when `suspended` is set, under the lock: resuming a running one would make
 * the library ignore the next suspend and spin.
 *
 * 2. `request->connection` is cleared under the lock when the library completes the request; nobody touches
 * the connection after that.
 *
 * 3. Every open socket is in `links` from before the TLS handshake until before it is closed, both told by
 * the library, so shutting one down under the lock never hits a reused descriptor.
 *
 * 4. The lock is never held while a handler or a producer's callback runs. On the library's thread runs what
 * is in server_net.c and server_guard.c, nothing else of ours.
 *
 * Why a guard: this version's parser accepts requests with Content-Length and Transfer-Encoding, two
 * Content-Lengths, or a space before the colon, and runs what follows as a second request. It also never
 * times out a client that sends a byte now and then: its time-out is for silence. Hence server_guard.c and
 * the sweep.
 */
#include "vdc/http/server_private.h"

#include "vdc/base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_CONNECTION_LIMIT 512
#define DEFAULT_DEADLINE_MS 30000
#define SILENCE_TIMEOUT_S 60
#define CONNECTION_MEMORY_BYTES (64 * 1024)

void
http_server_unref (HttpServer *server)
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
void
http_server_finished (HttpRequest *request)
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
        request->ops->post (request, http_server_finished);
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
    http_server_unref (request->server);
}

const HttpRequestOps http_server_request_ops = {
    .answer = hand_over,
    .wake = wake_stream,
    .lock = lock_request,
    .unlock = unlock_request,
    .post = post,
    .release = release,
};

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
    return MHD_start_daemon (flags, 0, NULL, NULL, http_net_access, NULL, MHD_OPTION_EXTERNAL_LOGGER,
                             on_library_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION,
                             http_net_connection, server, MHD_OPTION_NOTIFY_COMPLETED, http_net_completed,
                             NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                             MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_TIMEOUT_S,
                             MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
                             options->connection_limit ? options->connection_limit : DEFAULT_CONNECTION_LIMIT,
                             MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connection_limit_per_ip,
                             MHD_OPTION_ARRAY, more, MHD_OPTION_END);
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
        http_server_unref (server);
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
    http_server_unref (server);
}
