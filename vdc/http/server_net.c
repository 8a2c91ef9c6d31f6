/*
 * The library's side: requests come in, answers go out. Everything here runs on the library's thread; see
 * server.c for the invariants.
 */
#include "vdc/http/server_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define STREAM_BLOCK_BYTES (32 * 1024)
/* How much of a refused chunked body is read away before the connection is cut. */
#define DISCARD_LIMIT_BYTES (1024 * 1024)

/* --- answers ------------------------------------------------------------------------------------------- */

static void
add_headers (struct MHD_Response *response, HttpRequest *request)
{
    for (guint i = 0; i + 1 < request->answer_headers->len; i += 2)
        MHD_add_response_header (response, request->answer_headers->pdata[i],
                                 request->answer_headers->pdata[i + 1]);
}

static ssize_t
read_stream (void *data, uint64_t position, char *buffer, size_t max)
{
    HttpRequest *request = data;
    HttpServer *server = request->server;
    HttpStream *stream = request->stream;
    ssize_t result = 0;

    g_mutex_lock (&server->lock);
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
    g_mutex_unlock (&server->lock);
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
    return http_queue_response (connection, request->status, response);
}

/* --- receiving ----------------------------------------------------------------------------------------- */

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

static HttpRequest *
begin_request (struct MHD_Connection *connection, Link *link, const char *path, const char *method)
{
    HttpRequest *request = http_request_new (&http_server_request_ops);
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

static enum MHD_Result
on_body (HttpRequest *request, const char *data, size_t *length)
{
    gsize have = request->collected->len, limit = http_guard_body_limit (request->route);
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
    if (request->collected->len > http_guard_body_limit (request->route))
        return http_guard_too_large (connection, request->route);
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
    request->ops->post (request, deliver);
    return MHD_YES;
}

enum MHD_Result
http_net_access (void *data, struct MHD_Connection *connection, const char *url, const char *method,
                 const char *version, const char *upload, size_t *upload_length, void **context)
{
    Link *link = link_of (connection);
    HttpRequest *request = *context;

    if (request == NULL) {
        *context = request = begin_request (connection, link, url, method);
        return http_guard_header (connection, link, request, version);
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

void
http_net_completed (void *data, struct MHD_Connection *connection, void **context,
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
        request->ops->post (request, http_server_finished);
    *context = NULL;
    http_request_release (request);
}

void
http_net_connection (void *data, struct MHD_Connection *connection, void **context,
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
