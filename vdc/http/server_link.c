/*
 * One connection, step by step; see LinkState. Everything here runs on the net thread.
 *
 * A step does what can be done now and says whether the next one may be tried at once. Nothing is read ahead
 * of what is wanted: while a request is at work the kernel's buffer is all that a client can fill. Requests
 * behind one another in one go are not taken: when bytes wait before the answer goes out, the connection ends
 * with it, and they are thrown away unread.
 */
#include "vdc/http/server_private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (16 * 1024)
/* Of one connection before others have their turn. */
#define STEPS_MAX 32
/* Handshake and head together, or the whole head of a later request. */
#define HEAD_DEADLINE_US (10 * G_USEC_PER_SEC)
#define IDLE_US (60 * G_USEC_PER_SEC)
/* A body over this gets one more deadline for each so many bytes that it has. */
#define BODY_BYTES_PER_DEADLINE (8 * 1024 * 1024)
/* An answer is to be taken at this rate at least, after one deadline for nothing. */
#define ANSWER_BYTES_PER_S (32 * 1024)
/* Deadlines that the reader of a stream may take nothing of what waits. */
#define STALL_DEADLINES 2
#define LINGER_US (2 * G_USEC_PER_SEC)
#define LINGER_LIMIT_BYTES (1024 * 1024)

typedef enum { WAIT, AGAIN } Step;

static void
set_receiving (Link *link, LinkState state, gint64 within_us)
{
    link->state = state;
    link->began_us = g_get_monotonic_time ();
    link->deadline_us = link->began_us + within_us;
}

static Step
die (Link *link)
{
    link->state = LINK_GONE;
    return WAIT;
}

/* --- bytes ------------------------------------------------------------------------------------------------- */

static TlsResult
plain_result (ssize_t rc, gsize *n, TlsResult wait)
{
    *n = rc > 0 ? (gsize)rc : 0;
    if (rc >= 0)
        return TLS_DONE;
    return errno == EAGAIN || errno == EINTR ? wait : TLS_FAILED;
}

static TlsResult
read_bytes (Link *link, void *buffer, gsize size, gsize *n)
{
    if (link->tls != NULL)
        return tls_session_read (link->tls, buffer, size, n);
    return plain_result (recv (link->fd, buffer, size, MSG_DONTWAIT), n, TLS_WAIT_READ);
}

static TlsResult
write_bytes (Link *link, const void *data, gsize size, gsize *n)
{
    if (link->tls != NULL)
        return tls_session_write (link->tls, data, size, n);
    return plain_result (send (link->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL), n, TLS_WAIT_WRITE);
}

static void
send_bytes (Link *link, GBytes *bytes)
{
    if (g_bytes_get_size (bytes) > 0)
        g_queue_push_tail (&link->out, bytes);
    else
        g_bytes_unref (bytes);
}

static void
drop_out (Link *link)
{
    g_queue_clear_full (&link->out, (GDestroyNotify)g_bytes_unref);
    link->out_offset = 0;
}

/* TLS_DONE: all is out. *@some: anything went out. */
static TlsResult
flush (Link *link, gboolean *some)
{
    *some = FALSE;
    while (!g_queue_is_empty (&link->out)) {
        GBytes *bytes = g_queue_peek_head (&link->out);
        gsize size = 0, n = 0;
        const guint8 *data = g_bytes_get_data (bytes, &size);
        TlsResult result =
            write_bytes (link, data + link->out_offset, MIN (size - link->out_offset, READ_BYTES), &n);
        if (result != TLS_DONE)
            return result;
        *some = TRUE;
        link->out_offset += n;
        if (link->out_offset == size) {
            g_bytes_unref (g_queue_pop_head (&link->out));
            link->out_offset = 0;
        }
    }
    return TLS_DONE;
}

/* Bytes of the client wait that belong to no request it may have sent. */
static gboolean
has_more (Link *link)
{
    char byte;
    return link->in->len > 0 || (link->tls != NULL && tls_session_pending (link->tls)) ||
           recv (link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static const char *
host_of (Link *link)
{
    GHashTable *headers = link->request != NULL ? link->request->headers : link->head.headers;
    return headers != NULL ? g_hash_table_lookup (headers, "host") : NULL;
}

static void
answer_within (Link *link, gsize bytes)
{
    link->began_us = g_get_monotonic_time ();
    link->deadline_us =
        link->began_us + link->server->deadline_us + (gint64)(bytes / ANSWER_BYTES_PER_S) * G_USEC_PER_SEC;
}

/* The request has never reached the main loop, or never will. */
static Step
refuse (Link *link, HttpRefusal *refusal)
{
    const char *headers[] = {"Content-Type", "application/json", "Allow", refusal->allow};
    GPtrArray list = {(gpointer *)headers, refusal->allow ? 4 : 2};
    GBytes *body = http_answer_refusal_body (refusal);
    gsize length = g_bytes_get_size (body);
    gboolean bodiless = link->request != NULL && strcmp (link->request->method, "HEAD") == 0;

    link->closing = TRUE;
    send_bytes (link, http_answer_head (refusal->status, &list, HTTP_LENGTH_KNOWN, length, TRUE,
                                        link->tls != NULL, host_of (link)));
    send_bytes (link, bodiless ? g_bytes_new (NULL, 0) : g_bytes_ref (body));
    g_bytes_unref (body);
    g_free (refusal->message);
    g_free (refusal->allow);
    answer_within (link, length);
    link->state = LINK_ANSWER;
    return AGAIN;
}

static Step
refuse_head (Link *link)
{
    guint status = link->head.status;
    HttpRefusal refusal = {.status = status,
                           .code = status == 414 || status == 431 ? VDC_ERROR_TOO_LARGE : VDC_ERROR_USAGE,
                           .message = g_strdup (link->head.problem)};
    return refuse (link, &refusal);
}

static void
queue_stream_head (Link *link)
{
    HttpRequest *request = link->request;
    gboolean raw = request->stream->raw;
    send_bytes (link, http_answer_head (request->status, request->answer_headers,
                                        raw ? HTTP_LENGTH_NONE : HTTP_LENGTH_CHUNKED, 0, FALSE,
                                        link->tls != NULL, host_of (link)));
    link->deadline_us = 0;
    link->state = LINK_STREAM;
}

static Step
begin_answer (Link *link)
{
    HttpRequest *request = link->request;
    link->closing |= link->head.close || link->left || has_more (link);
    if (request->stream != NULL) {
        queue_stream_head (link);
        return AGAIN;
    }
    gsize length = g_bytes_get_size (request->answer);
    gboolean bodiless =
        strcmp (request->method, "HEAD") == 0 || request->status == 204 || request->status == 304;
    send_bytes (link, http_answer_head (request->status, request->answer_headers, HTTP_LENGTH_KNOWN, length,
                                        link->closing, link->tls != NULL, host_of (link)));
    if (!bodiless)
        send_bytes (link, g_bytes_ref (request->answer));
    answer_within (link, length);
    link->state = LINK_ANSWER;
    link->unsent_bytes = bodiless ? 0 : length;
    link->server->unsent_bytes += link->unsent_bytes;
    return AGAIN;
}

static void
finish_request (Link *link)
{
    HttpRequest *request = g_steal_pointer (&link->request);
    HttpServer *server = link->server;
    http_head_clear (&link->head);
    server->unsent_bytes -= link->unsent_bytes;
    link->unsent_bytes = 0;
    if (request == NULL)
        return;
    g_mutex_lock (&server->lock);
    request->connection = NULL;
    request->gone = TRUE;
    gboolean was_stream = request->ready && request->stream != NULL;
    g_mutex_unlock (&server->lock);
    if (was_stream)
        request->ops->post (request, http_server_finished);
    http_request_release (request);
}

static Step
step_answer (Link *link)
{
    gboolean some;
    TlsResult result = flush (link, &some);
    if (result == TLS_FAILED)
        return die (link);
    if (result != TLS_DONE)
        return WAIT;
    finish_request (link);
    link->served = TRUE;
    if (!link->closing) {
        set_receiving (link, LINK_HEAD, IDLE_US);
        return AGAIN;
    }
    if (link->tls != NULL)
        tls_session_end (link->tls);
    shutdown (link->fd, SHUT_WR);
    set_receiving (link, LINK_LINGER, LINGER_US);
    return AGAIN;
}

/* A socket closed with bytes unread tells the other side of an error, perhaps before it has read the answer.
 */
static Step
step_linger (Link *link)
{
    char buffer[READ_BYTES];
    ssize_t n = recv (link->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return WAIT;
    link->lingered_bytes += n > 0 ? (gsize)n : 0;
    if (n <= 0 || link->lingered_bytes > LINGER_LIMIT_BYTES)
        return die (link);
    return AGAIN;
}

/* --- receiving --------------------------------------------------------------------------------------------- */

static Step
step_handshake (Link *link)
{
    TlsResult result = tls_session_handshake (link->tls);
    link->want_write = result == TLS_WAIT_WRITE;
    if (result == TLS_FAILED)
        return die (link);
    if (result != TLS_DONE)
        return WAIT;
    if (link->server->client_certificates)
        link->peer = tls_session_peer (link->tls, &link->peer_error);
    link->state = LINK_HEAD;
    return AGAIN;
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
        return refuse (link, &refusal);
    g_mutex_lock (&server->lock);
    link->request->connection = link;
    g_mutex_unlock (&server->lock);
    if (link->request->content_length > 0)
        post (link, LINK_ASKING, http_server_ask);
    else
        post (link, LINK_WAITING, http_server_deliver);
    return WAIT;
}

static Step
step_head (Link *link)
{
    guint8 buffer[READ_BYTES];
    gsize n = 0;
    HttpHeadState state =
        link->in->len > 0 ? http_head_read (&link->head, link->in->data, link->in->len) : HTTP_HEAD_MORE;
    if (state == HTTP_HEAD_REFUSED)
        return refuse_head (link);
    if (state == HTTP_HEAD_WHOLE)
        return begin_request (link);
    TlsResult result = read_bytes (link, buffer, sizeof buffer, &n);
    if (result == TLS_FAILED || (result == TLS_DONE && n == 0))
        return die (link);
    if (result != TLS_DONE)
        return WAIT;
    if (link->in->len == 0 && link->served)
        set_receiving (link, LINK_HEAD, MIN (HEAD_DEADLINE_US, link->server->deadline_us));
    g_byte_array_append (link->in, buffer, (guint)n);
    return AGAIN;
}

static Step
begin_body (Link *link)
{
    HttpRequest *request = link->request;
    gint64 more = (gint64)(request->content_length / BODY_BYTES_PER_DEADLINE) * link->server->deadline_us;
    if (link->head.continues && link->in->len == 0) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        send_bytes (link, g_bytes_new_static (text, sizeof text - 1));
    }
    set_receiving (link, LINK_BODY, link->server->deadline_us + more);
    return AGAIN;
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
        return begin_answer (link);
    }
    return link->state == LINK_ASKING && allowed ? begin_body (link) : WAIT;
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
        return WAIT;
    }
    if (link->in->len > 0) {
        n = MIN (missing, link->in->len);
        g_byte_array_append (request->collected, link->in->data, (guint)n);
        g_byte_array_remove_range (link->in, 0, (guint)n);
        return AGAIN;
    }
    if (flush (link, &some) == TLS_FAILED)
        return die (link);
    TlsResult result = read_bytes (link, buffer, MIN (sizeof buffer, missing), &n);
    if (result == TLS_FAILED || (result == TLS_DONE && n == 0))
        return die (link);
    if (result != TLS_DONE)
        return WAIT;
    g_byte_array_append (request->collected, buffer, (guint)n);
    return AGAIN;
}

/* --- streams ----------------------------------------------------------------------------------------------- */

/* The next piece of a stream into `out`. AGAIN: there is something; WAIT: nothing now, or it has ended. */
static Step
fill_out (Link *link)
{
    HttpStream *stream = link->request->stream;
    HttpServer *server = link->server;
    char buffer[READ_BYTES];

    g_mutex_lock (&server->lock);
    gboolean dead = stream->broken || link->left || server->stopped;
    gsize n = dead ? 0 : http_stream_take (stream, buffer, sizeof buffer);
    gboolean ended = n == 0 && stream->ended;
    g_mutex_unlock (&server->lock);
    if (dead)
        return die (link);
    if (n == 0 && !ended)
        return WAIT;
    if (!stream->raw) {
        g_autofree char *size = g_strdup_printf ("%" G_GSIZE_MODIFIER "x\r\n", n);
        send_bytes (link, g_bytes_new (size, strlen (size)));
    }
    send_bytes (link, g_bytes_new (buffer, n));
    if (!stream->raw)
        send_bytes (link, g_bytes_new_static ("\r\n", 2));
    if (ended) {
        link->closing |= stream->raw || has_more (link);
        answer_within (link, 0);
        link->state = LINK_ANSWER;
    }
    return AGAIN;
}

/* [lock held] */
static gboolean
takes_input (const HttpStream *stream)
{
    return stream->raw && !stream->held && stream->incoming->len < HTTP_STREAM_INPUT_BYTES;
}

/* What comes in on an upgraded connection goes to the main loop, as much as it takes. */
static Step
take_in (Link *link)
{
    HttpRequest *request = link->request;
    HttpServer *server = link->server;
    guint8 buffer[READ_BYTES];
    gsize n = link->in->len;
    g_mutex_lock (&server->lock);
    gboolean room = takes_input (request->stream);
    g_mutex_unlock (&server->lock);
    if (!room)
        return WAIT;
    if (n == 0) {
        TlsResult result = read_bytes (link, buffer, sizeof buffer, &n);
        if (result == TLS_FAILED || (result == TLS_DONE && n == 0))
            return die (link);
        if (result != TLS_DONE)
            return WAIT;
    }
    g_mutex_lock (&server->lock);
    gboolean tell = request->stream->incoming->len == 0;
    g_byte_array_append (request->stream->incoming, link->in->len ? link->in->data : buffer, (guint)n);
    g_mutex_unlock (&server->lock);
    g_byte_array_set_size (link->in, 0);
    if (tell)
        request->ops->post (request, http_stream_received);
    return AGAIN;
}

static Step
step_stream (Link *link)
{
    gboolean some;
    TlsResult result = flush (link, &some);
    Step next = result == TLS_DONE ? fill_out (link) : WAIT;
    if (result == TLS_FAILED)
        return die (link);
    if (link->state != LINK_STREAM)
        return next;
    if (g_queue_is_empty (&link->out))
        link->deadline_us = 0;
    else if (some || link->deadline_us == 0)
        link->deadline_us = g_get_monotonic_time () + STALL_DEADLINES * link->server->deadline_us;
    if (link->request->stream->raw && take_in (link) == AGAIN)
        next = AGAIN;
    return next;
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
    set_receiving (link, link->tls ? LINK_HANDSHAKE : LINK_HEAD, MIN (HEAD_DEADLINE_US, server->deadline_us));
    if (server->tls != NULL && link->tls == NULL)
        link->state = LINK_GONE;
    return link;
}

void
http_link_free (Link *link)
{
    finish_request (link);
    drop_out (link);
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
        [LINK_HANDSHAKE] = step_handshake, [LINK_HEAD] = step_head,     [LINK_ASKING] = step_asked,
        [LINK_BODY] = step_body,           [LINK_WAITING] = step_asked, [LINK_ANSWER] = step_answer,
        [LINK_STREAM] = step_stream,       [LINK_LINGER] = step_linger,
    };
    for (int i = 0; i < STEPS_MAX; i++)
        if (link->state == LINK_GONE || steps[link->state](link) == WAIT)
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
    gboolean room = takes_input (link->request->stream);
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
