/*
 * The listener's life, and the main loop's side of it.
 *
 * Problem: clients may send anything, slowly, many at once, or leave at any moment, and our state belongs to
 * the main loop.
 *
 * Idea: a thread of the server's own (net thread) does everything with sockets and TLS and parses; the main
 * loop sees whole requests only. Before a body is read the main loop is asked whether the caller may send it.
 *
 * Invariants
 *
 * 1. A Link belongs to the net thread. The main loop only puts it into `woken`, under the lock, and only
 * while `request->connection` names it.
 *
 * 2. `request->connection` is cleared under the lock when the connection has done with the request; nobody
 * touches the connection after that.
 *
 * 3. The lock is never held while a handler or a producer's callback runs, nor over a system call but the
 * write to wake_fd.
 *
 * Why no library: libmicrohttpd 0.9.75 runs what follows a request with two lengths, or with a blank before a
 * colon, as a second request, takes bare LF, folded lines and NUL, and does not let its user see the bytes; a
 * guard before it would have to be a whole parser and hold TLS. So that parser (head.c) is the only one.
 */
#include "vdc/http/server_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Left for store, files, agents. */
#define RESERVED_DESCRIPTORS 256
#define DEFAULT_DEADLINE_MS 30000
#define LISTEN_BACKLOG 1024

static void
server_free (HttpServer *server)
{
    tls_listener_free (server->tls);
    g_hash_table_unref (server->streams);
    g_hash_table_unref (server->links);
    g_hash_table_unref (server->addresses);
    g_ptr_array_unref (server->woken);
    g_main_context_unref (server->context);
    g_mutex_clear (&server->lock);
    g_free (server);
}

void
http_server_unref (HttpServer *server)
{
    if (g_atomic_int_dec_and_test (&server->refs))
        server_free (server);
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

void
http_server_wake_link (Link *link)
{
    const guint64 once = 1;
    if (link->woken)
        return;
    link->woken = TRUE;
    g_ptr_array_add (link->server->woken, link);
    /* Full means that it has been woken 2^64 times. */
    if (write (link->server->wake_fd, &once, sizeof once) < 0)
        return;
}

/* [lock held] */
static void
wake (HttpRequest *request)
{
    if (request->connection != NULL)
        http_server_wake_link (request->connection);
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

void
http_server_ask (HttpRequest *request)
{
    HttpServer *server = request->server;
    if (server->stopped || !http_router_authorise (server->router, request))
        return;
    g_mutex_lock (&server->lock);
    request->allowed = TRUE;
    wake (request);
    g_mutex_unlock (&server->lock);
}

void
http_server_deliver (HttpRequest *request)
{
    HttpServer *server = request->server;
    if (!server->stopped)
        http_request_deliver (request, server->router);
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
        bind (fd, (struct sockaddr *)&address, length) < 0 || listen (fd, LISTEN_BACKLOG) < 0 ||
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

/* Never so many that the rest of the process finds no descriptor. */
static guint
connection_limit (guint wanted)
{
    struct rlimit files = {.rlim_cur = 1024};
    getrlimit (RLIMIT_NOFILE, &files);
    rlim_t room = files.rlim_cur > 2 * RESERVED_DESCRIPTORS ? files.rlim_cur - RESERVED_DESCRIPTORS
                                                            : files.rlim_cur / 2;
    return (guint)MIN ((rlim_t)(wanted ? wanted : HTTP_CONNECTIONS_MAX), MAX (room, 1));
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
    server->addresses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    server->woken = g_ptr_array_new ();
    server->client_certificates = options->client_ca_pem != NULL;
    server->connection_limit = connection_limit (options->connection_limit);
    server->address_limit = options->connection_limit_per_ip;
    server->unsent_limit_bytes =
        options->unsent_limit_bytes ? options->unsent_limit_bytes : HTTP_UNSENT_MAX_BYTES;
    server->deadline_us =
        (gint64)(options->request_deadline_ms ? options->request_deadline_ms : DEFAULT_DEADLINE_MS) * 1000;
    server->listen_fd = server->epoll_fd = server->wake_fd = -1;
    return server;
}

static void
close_all (HttpServer *server)
{
    const int fds[] = {server->listen_fd, server->epoll_fd, server->wake_fd};
    for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
        if (fds[i] >= 0)
            close (fds[i]);
}

static gboolean
watch (HttpServer *server, int fd, int *place)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = place};
    *place = fd;
    return fd >= 0 && epoll_ctl (server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static gboolean
open_all (HttpServer *server, const HttpServerOptions *options, GError **error)
{
    int fd = open_listener (options->listen, &server->port, error);
    if (fd < 0)
        return FALSE;
    server->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    if (!watch (server, fd, &server->listen_fd) ||
        !watch (server, eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), &server->wake_fd)) {
        vdc_error_set_errno (error, errno, "cannot serve on %s", options->listen);
        return FALSE;
    }
    server->accepting = TRUE;
    return options->certificate_pem == NULL ||
           (server->tls = tls_listener_new (options->certificate_pem, options->key_pem,
                                            options->client_ca_pem, error)) != NULL;
}

HttpServer *
http_server_start (const HttpServerOptions *options, GError **error)
{
    HttpServer *server = server_new (options);
    if (!open_all (server, options, error)) {
        close_all (server);
        http_server_unref (server);
        return NULL;
    }
    server->thread = g_thread_new ("http", http_net_run, server);
    return server;
}

guint16
http_server_port (const HttpServer *server)
{
    return server->port;
}

static void
stop_thread (HttpServer *server)
{
    const guint64 once = 1;
    g_mutex_lock (&server->lock);
    server->stopped = TRUE;
    gboolean told = write (server->wake_fd, &once, sizeof once) > 0;
    g_mutex_unlock (&server->lock);
    g_assert (told);
    g_thread_join (server->thread);
    close_all (server);
}

void
http_server_stop (HttpServer *server)
{
    if (server == NULL)
        return;
    stop_thread (server);
    GHashTableIter iter;
    gpointer request;
    while (g_hash_table_iter_init (&iter, server->streams), g_hash_table_iter_next (&iter, &request, NULL)) {
        g_hash_table_iter_steal (&iter);
        http_stream_finished (request);
        http_request_release (request);
    }
    http_server_unref (server);
}
