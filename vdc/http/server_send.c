/*
 * What a connection sends: answers, streams, refusals; and its bytes both ways. On the net thread; see
 * server_link.c.
 */
#include "vdc/http/server_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* An answer is to be taken at this rate at least, after one deadline for nothing. */
#define ANSWER_BYTES_PER_S (32 * 1024)
/* Deadlines that the reader of a stream may take nothing of what waits. */
#define STALL_DEADLINES 2
/* Between two requests. */
#define IDLE_US (60 * G_USEC_PER_SEC)
#define LINGER_US (2 * G_USEC_PER_SEC)
#define LINGER_LIMIT_BYTES (1024 * 1024)

void
link_receive_within (Link *link, LinkState state, gint64 within_us)
{
    link->state = state;
    link->began_us = g_get_monotonic_time ();
    link->deadline_us = link->began_us + within_us;
}

Step
link_die (Link *link)
{
    link->state = LINK_GONE;
    return STEP_WAIT;
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

TlsResult
link_read (Link *link, void *buffer, gsize size, gsize *n)
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

void
link_queue (Link *link, GBytes *bytes)
{
    if (g_bytes_get_size (bytes) > 0)
        g_queue_push_tail (&link->out, bytes);
    else
        g_bytes_unref (bytes);
}

void
link_drop_queue (Link *link)
{
    g_queue_clear_full (&link->out, (GDestroyNotify)g_bytes_unref);
    link->out_offset = 0;
}

/* TLS_DONE: all is out. *@some: anything went out. */
TlsResult
link_flush (Link *link, gboolean *some)
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
link_has_more (Link *link)
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
Step
link_refuse (Link *link, HttpRefusal *refusal)
{
    const char *headers[] = {"Content-Type", "application/json", "Allow", refusal->allow};
    GPtrArray list = {(gpointer *)headers, refusal->allow ? 4 : 2};
    GBytes *body = http_answer_refusal_body (refusal);
    gsize length = g_bytes_get_size (body);
    gboolean bodiless = link->request != NULL && strcmp (link->request->method, "HEAD") == 0;

    link->closing = TRUE;
    link_queue (link, http_answer_head (refusal->status, &list, HTTP_LENGTH_KNOWN, length, TRUE,
                                        link->tls != NULL, host_of (link)));
    link_queue (link, bodiless ? g_bytes_new (NULL, 0) : g_bytes_ref (body));
    g_bytes_unref (body);
    g_free (refusal->message);
    g_free (refusal->allow);
    answer_within (link, length);
    link->state = LINK_ANSWER;
    return STEP_AGAIN;
}

Step
link_refuse_head (Link *link)
{
    guint status = link->head.status;
    HttpRefusal refusal = {.status = status,
                           .code = status == 414 || status == 431 ? VDC_ERROR_TOO_LARGE : VDC_ERROR_USAGE,
                           .message = g_strdup (link->head.problem)};
    return link_refuse (link, &refusal);
}

static void
queue_stream_head (Link *link)
{
    HttpRequest *request = link->request;
    gboolean raw = request->stream->raw;
    link_queue (link, http_answer_head (request->status, request->answer_headers,
                                        raw ? HTTP_LENGTH_NONE : HTTP_LENGTH_CHUNKED, 0, FALSE,
                                        link->tls != NULL, host_of (link)));
    link->deadline_us = 0;
    link->state = LINK_STREAM;
}

Step
link_begin_answer (Link *link)
{
    HttpRequest *request = link->request;
    link->closing |= link->head.close || link->left || link_has_more (link);
    if (request->stream != NULL) {
        queue_stream_head (link);
        return STEP_AGAIN;
    }
    gsize length = g_bytes_get_size (request->answer);
    gboolean bodiless =
        strcmp (request->method, "HEAD") == 0 || request->status == 204 || request->status == 304;
    link_queue (link, http_answer_head (request->status, request->answer_headers, HTTP_LENGTH_KNOWN, length,
                                        link->closing, link->tls != NULL, host_of (link)));
    if (!bodiless)
        link_queue (link, g_bytes_ref (request->answer));
    answer_within (link, length);
    link->state = LINK_ANSWER;
    link->unsent_bytes = bodiless ? 0 : length;
    link->server->unsent_bytes += link->unsent_bytes;
    return STEP_AGAIN;
}

void
link_finish_request (Link *link)
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

Step
link_step_answer (Link *link)
{
    gboolean some;
    TlsResult result = link_flush (link, &some);
    if (result == TLS_FAILED)
        return link_die (link);
    if (result != TLS_DONE)
        return STEP_WAIT;
    link_finish_request (link);
    link->served = TRUE;
    if (!link->closing) {
        link_receive_within (link, LINK_HEAD, IDLE_US);
        return STEP_AGAIN;
    }
    if (link->tls != NULL)
        tls_session_end (link->tls);
    shutdown (link->fd, SHUT_WR);
    link_receive_within (link, LINK_LINGER, LINGER_US);
    return STEP_AGAIN;
}

/* A socket closed with bytes unread tells the other side of an error, perhaps before it has read the answer.
 */
Step
link_step_linger (Link *link)
{
    char buffer[READ_BYTES];
    ssize_t n = recv (link->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return STEP_WAIT;
    link->lingered_bytes += n > 0 ? (gsize)n : 0;
    if (n <= 0 || link->lingered_bytes > LINGER_LIMIT_BYTES)
        return link_die (link);
    return STEP_AGAIN;
}

/* --- streams ----------------------------------------------------------------------------------------------- */

/* The next piece of a stream into `out`. STEP_AGAIN: there is something; STEP_WAIT: nothing now, or it has
 * ended. */
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
        return link_die (link);
    if (n == 0 && !ended)
        return STEP_WAIT;
    if (!stream->raw) {
        g_autofree char *size = g_strdup_printf ("%" G_GSIZE_MODIFIER "x\r\n", n);
        link_queue (link, g_bytes_new (size, strlen (size)));
    }
    link_queue (link, g_bytes_new (buffer, n));
    if (!stream->raw)
        link_queue (link, g_bytes_new_static ("\r\n", 2));
    if (ended) {
        link->closing |= stream->raw || link_has_more (link);
        answer_within (link, 0);
        link->state = LINK_ANSWER;
    }
    return STEP_AGAIN;
}

/* [lock held] */
gboolean
link_takes_input (const HttpStream *stream)
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
    gboolean room = link_takes_input (request->stream);
    g_mutex_unlock (&server->lock);
    if (!room)
        return STEP_WAIT;
    if (n == 0) {
        TlsResult result = link_read (link, buffer, sizeof buffer, &n);
        if (result == TLS_FAILED || (result == TLS_DONE && n == 0))
            return link_die (link);
        if (result != TLS_DONE)
            return STEP_WAIT;
    }
    g_mutex_lock (&server->lock);
    gboolean tell = request->stream->incoming->len == 0;
    g_byte_array_append (request->stream->incoming, link->in->len ? link->in->data : buffer, (guint)n);
    g_mutex_unlock (&server->lock);
    g_byte_array_set_size (link->in, 0);
    if (tell)
        request->ops->post (request, http_stream_received);
    return STEP_AGAIN;
}

Step
link_step_stream (Link *link)
{
    gboolean some;
    TlsResult result = link_flush (link, &some);
    Step next = result == TLS_DONE ? fill_out (link) : STEP_WAIT;
    if (result == TLS_FAILED)
        return link_die (link);
    if (link->state != LINK_STREAM)
        return next;
    if (g_queue_is_empty (&link->out))
        link->deadline_us = 0;
    else if (some || link->deadline_us == 0)
        link->deadline_us = g_get_monotonic_time () + STALL_DEADLINES * link->server->deadline_us;
    if (link->request->stream->raw && take_in (link) == STEP_AGAIN)
        next = STEP_AGAIN;
    return next;
}
