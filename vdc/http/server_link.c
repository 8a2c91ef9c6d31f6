/*
 * One connection, step by step; see LinkState. Everything here runs on the net thread. What it sends:
 * server_send.c.
 *
 * A step does what can be done now and says whether the next one may be tried at once. Nothing is read ahead
 * of what is wanted: while a request is at work the kernel's buffer is all that a client can fill. Requests
 * behind one another in one go are not taken: when bytes wait before the answer goes out, the connection ends
 * with it, and they are thrown away unread.
 */
#include "vdc/http/server_link.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Of one connection before others have their turn. */
#define STEPS_MAX 32
/* Handshake and head together, or the whole head of a later request. */
#define HEAD_DEADLINE_US (10 * G_USEC_PER_SEC)
/* A body over this gets one more deadline for each so many bytes that it has. */
#define BODY_BYTES_PER_DEADLINE (8 * 1024 * 1024)

/* --- receiving --------------------------------------------------------------------------------------------- */

static Step
step_handshake (Link *link)
{
    TlsResult result = tls_session_handshake (link->tls);
    link->want_write = result == TLS_WAIT_WRITE;
    if (result == TLS_FAILED)
        return link_die (link);
    if (result != TLS_DONE)
        return STEP_WAIT;
    if (link->server->client_certificates)
        link->peer = tls_session_peer (link->tls, &link->peer_error);
    link->state = LINK_HEAD;
    return STEP_AGAIN;
}

static void
post (Link *link, LinkState state, void (*func) (HttpRequest *request))
{
    link->state = state;
    link->deadline_us = 0;
    link->request->ops->post (link->request, func);
}

static void
make_request (Link *link)
{
    HttpRequest *request = http_request_new (&http_server_request_ops);
    HttpHead *head = &link->head;
    g_atomic_int_inc (&link->server->refs);
    request->server = link->server;
    request->method = g_steal_pointer (&head->method);
    request->path = g_steal_pointer (&head->path);
    request->address = g_strdup (link->address);
    request->peer = g_strdup (link->peer);
    request->secure = link->tls != NULL;
    request->content_length = head->content_length;
    g_hash_table_unref (request->headers);
    request->headers = g_steal_pointer (&head->headers);
    link->request = request;
}

static gboolean
take_query (Link *link, HttpRefusal *refusal)
{
    GHashTable *query = http_query_parse (link->head.query);
    if (query == NULL) {
        *refusal = (HttpRefusal){400, VDC_ERROR_USAGE, g_strdup ("the query is malformed"), NULL};
        return FALSE;
    }
    g_hash_table_unref (link->request->query);
    link->request->query = query;
    return TRUE;
}

static gboolean
check_peer (Link *link, HttpRefusal *refusal)
{
    if (!link->server->client_certificates || link->peer != NULL)
        return TRUE;
    refusal->status = (guint)vdc_error_http_status (link->peer_error);
    refusal->code = vdc_error_from_name (vdc_error_name (link->peer_error));
    refusal->message = g_strdup (link->peer_error ? link->peer_error->message : "no client certificate");
    return FALSE;
}

/* The head is whole: refuse what can be refused, have the main loop asked before a body is read. */
static Step
begin_request (Link *link)
{
    HttpServer *server = link->server;
    HttpRefusal refusal = {0};
    g_byte_array_remove_range (link->in, 0, (guint)link->head.length);
    make_request (link);
    if (!check_peer (link, &refusal) || !take_query (link, &refusal) ||
        !http_guard_request (server, link->request, &refusal))
        return link_refuse (link, &refusal);
    g_mutex_lock (&server->lock);
    link->request->connection = link;
    g_mutex_unlock (&server->lock);
    if (link->request->content_length > 0)
        post (link, LINK_ASKING, http_server_ask);
    else
        post (link, LINK_WAITING, http_server_deliver);
    return STEP_WAIT;
}

static Step
step_head (Link *link)
{
    guint8 buffer[READ_BYTES];
    gsize n = 0;
    HttpHeadState state =
        link->in->len > 0 ? http_head_read (&link->head, link->in->data, link->in->len) : HTTP_HEAD_MORE;
    if (state == HTTP_HEAD_REFUSED)
        return link_refuse_head (link);
    if (state == HTTP_HEAD_WHOLE)
        return begin_request (link);
    TlsResult result = link_read (link, buffer, sizeof buffer, &n);
    if (result == TLS_FAILED || (result == TLS_DONE && n == 0))
        return link_die (link);
    if (result != TLS_DONE)
        return STEP_WAIT;
    if (link->in->len == 0 && link->served)
        link_receive_within (link, LINK_HEAD, MIN (HEAD_DEADLINE_US, link->server->deadline_us));
    g_byte_array_append (link->in, buffer, (guint)n);
    return STEP_AGAIN;
}

static Step
begin_body (Link *link)
{
    HttpRequest *request = link->request;
    gint64 more = (gint64)(request->content_length / BODY_BYTES_PER_DEADLINE) * link->server->deadline_us;
    if (link->head.continues && link->in->len == 0) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        link_queue (link, g_bytes_new_static (text, sizeof text - 1));
    }
    link_receive_within (link, LINK_BODY, link->server->deadline_us + more);
    return STEP_AGAIN;
}

/* The main loop has said whether the body is wanted, or whether there is an answer. */
static Step
step_asked (Link *link)
{
    HttpServer *server = link->server;
    g_mutex_lock (&server->lock);
    gboolean ready = link->request->ready, allowed = link->request->allowed;
    g_mutex_unlock (&server->lock);
    if (ready) {
        link->closing |= link->state == LINK_ASKING; /* its body lies unread */
        return link_begin_answer (link);
    }
    return link->state == LINK_ASKING && allowed ? begin_body (link) : STEP_WAIT;
}

static Step
step_body (Link *link)
{
    HttpRequest *request = link->request;
    guint8 buffer[READ_BYTES];
    gboolean some;
    gsize missing = (gsize)request->content_length - request->collected->len, n = 0;
    if (missing == 0) {
        post (link, LINK_WAITING, http_server_deliver);
        return STEP_WAIT;
    }
    if (link->in->len > 0) {
        n = MIN (missing, link->in->len);
        g_byte_array_append (request->collected, link->in->data, (guint)n);
        g_byte_array_remove_range (link->in, 0, (guint)n);
        return STEP_AGAIN;
    }
    if (link_flush (link, &some) == TLS_FAILED)
        return link_die (link);
    TlsResult result = link_read (link, buffer, MIN (sizeof buffer, missing), &n);
    if (result == TLS_FAILED || (result == TLS_DONE && n == 0))
        return link_die (link);
    if (result != TLS_DONE)
        return STEP_WAIT;
    g_byte_array_append (request->collected, buffer, (guint)n);
    return STEP_AGAIN;
}

/* --- life -------------------------------------------------------------------------------------------------- */

Link *
http_link_new (HttpServer *server, int fd, const char *address)
{
    Link *link = g_new0 (Link, 1);
    link->server = server;
    link->fd = fd;
    link->in = g_byte_array_new ();
    g_queue_init (&link->out);
    g_strlcpy (link->address, address, sizeof link->address);
    if (server->tls != NULL)
        link->tls = tls_session_new (server->tls, fd);
    link_receive_within (link, link->tls ? LINK_HANDSHAKE : LINK_HEAD,
                         MIN (HEAD_DEADLINE_US, server->deadline_us));
    if (server->tls != NULL && link->tls == NULL)
        link->state = LINK_GONE;
    return link;
}

void
http_link_detach (Link *link)
{
    link_finish_request (link);
}

void
http_link_free (Link *link)
{
    link_drop_queue (link);
    tls_session_free (link->tls);
    close (link->fd);
    g_byte_array_unref (link->in);
    g_free (link->peer);
    g_clear_error (&link->peer_error);
    g_free (link);
}

void
http_link_step (Link *link)
{
    static Step (*const steps[]) (Link * link) = {
        [LINK_HANDSHAKE] = step_handshake, [LINK_HEAD] = step_head,          [LINK_ASKING] = step_asked,
        [LINK_BODY] = step_body,           [LINK_WAITING] = step_asked,      [LINK_ANSWER] = link_step_answer,
        [LINK_STREAM] = link_step_stream,  [LINK_LINGER] = link_step_linger,
    };
    for (int i = 0; i < STEPS_MAX; i++)
        if (link->state == LINK_GONE || steps[link->state](link) == STEP_WAIT)
            return;
    /* Others first: what lies decrypted in TLS would not be told by the socket. */
    g_mutex_lock (&link->server->lock);
    http_server_wake_link (link);
    g_mutex_unlock (&link->server->lock);
}

gboolean
http_link_is_idle (const Link *link)
{
    return link->state == LINK_HANDSHAKE || link->state == LINK_HEAD || link->state == LINK_LINGER;
}

guint32
http_link_events (Link *link)
{
    guint32 left = link->left ? 0 : EPOLLRDHUP, out = g_queue_is_empty (&link->out) ? 0 : EPOLLOUT;
    switch (link->state) {
    case LINK_HANDSHAKE:
        return link->want_write ? EPOLLOUT : EPOLLIN;
    case LINK_HEAD:
    case LINK_LINGER:
        return EPOLLIN;
    case LINK_BODY:
        return EPOLLIN | out;
    case LINK_ANSWER:
        return EPOLLOUT;
    case LINK_ASKING:
    case LINK_WAITING:
        return left;
    case LINK_STREAM:
        break;
    case LINK_GONE:
        return 0;
    }
    g_mutex_lock (&link->server->lock);
    gboolean room = link_takes_input (link->request->stream);
    g_mutex_unlock (&link->server->lock);
    return left | out | (room ? EPOLLIN : 0);
}

void
http_link_left (Link *link)
{
    link->left = TRUE;
    if (link->request == NULL)
        return;
    g_mutex_lock (&link->server->lock);
    link->request->gone = TRUE;
    g_mutex_unlock (&link->server->lock);
}
