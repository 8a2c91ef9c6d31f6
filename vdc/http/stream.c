/*
 * Streamed answers: a bounded queue between a producer on the main loop and the reader on the net side.
 */
#include "vdc/http/request_private.h"

#include <string.h>

static HttpStream *
stream_new (HttpRequest *request, guint status, const HttpStreamEvents *events, gpointer user_data)
{
    HttpStream *stream = g_new0 (HttpStream, 1);
    stream->request = request;
    stream->events = events;
    stream->user_data = user_data;
    g_queue_init (&stream->chunks);
    stream->incoming = g_byte_array_new ();
    stream->raw = status == 101;
    request->stream = stream;
    http_request_hold (request); /* the producer's; released by end or closed */

    g_assert (!g_atomic_int_get (&request->answered));
    g_atomic_int_set (&request->answered, 1);
    request->status = status;
    http_reply_tell_watch (request, status);
    request->ops->answer (request);
    return stream;
}

HttpStream *
http_reply_stream (HttpRequest *request, const char *content_type, const HttpStreamEvents *events,
                   gpointer user_data)
{
    http_reply_header (request, "Content-Type", content_type);
    return stream_new (request, 200, events, user_data);
}

HttpStream *
http_reply_upgrade (HttpRequest *request, const char *protocol, const HttpStreamEvents *events,
                    gpointer user_data)
{
    http_reply_header (request, "Upgrade", protocol);
    http_reply_header (request, "Connection", "Upgrade");
    return stream_new (request, 101, events, user_data);
}

void
http_stream_received (HttpRequest *request)
{
    HttpStream *stream = request->stream;
    request->ops->lock (request);
    g_autoptr (GByteArray) data = g_steal_pointer (&stream->incoming);
    stream->incoming = g_byte_array_new ();
    request->ops->wake (request);
    request->ops->unlock (request);
    if (!stream->producer_done && stream->events->received != NULL)
        stream->events->received (stream, data->data, data->len, stream->user_data);
}

static void
drop_queue (HttpStream *stream)
{
    g_queue_clear_full (&stream->chunks, (GDestroyNotify)g_bytes_unref);
    stream->chunk_offset = 0;
    stream->queued_bytes = 0;
}

void
http_stream_free (HttpStream *stream)
{
    if (stream == NULL)
        return;
    drop_queue (stream);
    g_byte_array_unref (stream->incoming);
    g_free (stream);
}

gboolean
http_stream_write (HttpStream *stream, const void *data, gsize length)
{
    const HttpRequestOps *ops = stream->request->ops;
    gboolean go_on = TRUE;

    ops->lock (stream->request);
    if (!stream->broken && length > 0) {
        g_queue_push_tail (&stream->chunks, g_bytes_new (data, length));
        stream->queued_bytes += length;
        if (stream->queued_bytes > HTTP_STREAM_LIMIT_BYTES) {
            stream->broken = TRUE;
            drop_queue (stream);
            go_on = FALSE;
        } else if (stream->queued_bytes > HTTP_STREAM_HIGH_BYTES) {
            stream->over_high = TRUE;
            go_on = FALSE;
        }
        ops->wake (stream->request);
    }
    ops->unlock (stream->request);
    return go_on;
}

gboolean
http_stream_write_line (HttpStream *stream, const json_t *value)
{
    g_autofree char *text = json_text (value);
    g_autofree char *line = g_strconcat (text, "\n", NULL);
    return http_stream_write (stream, line, strlen (line));
}

gsize
http_stream_queued_bytes (HttpStream *stream)
{
    stream->request->ops->lock (stream->request);
    gsize queued = stream->queued_bytes;
    stream->request->ops->unlock (stream->request);
    return queued;
}

void
http_stream_hold (HttpStream *stream, gboolean hold)
{
    HttpRequest *request = stream->request;
    request->ops->lock (request);
    stream->held = hold;
    request->ops->wake (request);
    request->ops->unlock (request);
}

static void
producer_leaves (HttpStream *stream)
{
    HttpRequest *request = stream->request;
    if (stream->producer_done)
        return; /* called from within closed: harmless */
    stream->producer_done = TRUE;
    if (stream->heartbeat != 0)
        g_source_remove (stream->heartbeat);
    stream->heartbeat = 0;
    http_request_release (request);
}

static void
finish (HttpStream *stream, gboolean broken)
{
    const HttpRequestOps *ops = stream->request->ops;
    ops->lock (stream->request);
    stream->ended = TRUE;
    stream->broken |= broken;
    ops->wake (stream->request);
    ops->unlock (stream->request);
    producer_leaves (stream);
}

void
http_stream_end (HttpStream *stream)
{
    finish (stream, FALSE);
}

void
http_stream_abort (HttpStream *stream)
{
    finish (stream, TRUE);
}

void
http_stream_finished (HttpRequest *request)
{
    HttpStream *stream = request->stream;
    if (stream == NULL || stream->producer_done)
        return;
    http_request_hold (request);
    if (stream->heartbeat != 0)
        g_source_remove (stream->heartbeat);
    stream->heartbeat = 0;
    stream->producer_done = TRUE;
    if (stream->events != NULL && stream->events->closed != NULL)
        stream->events->closed (stream, stream->user_data);
    http_request_release (request); /* ours */
    http_request_release (request); /* the producer's */
}

static void
tell_drained (HttpRequest *request)
{
    HttpStream *stream = request->stream;
    if (!stream->producer_done && stream->events != NULL && stream->events->drained != NULL)
        stream->events->drained (stream, stream->user_data);
}

gsize
http_stream_take (HttpStream *stream, char *buffer, gsize max)
{
    gsize taken = 0;
    while (taken < max && !g_queue_is_empty (&stream->chunks)) {
        GBytes *chunk = g_queue_peek_head (&stream->chunks);
        gsize length = 0;
        const char *data = g_bytes_get_data (chunk, &length);
        gsize n = MIN (length - stream->chunk_offset, max - taken);
        memcpy (buffer + taken, data + stream->chunk_offset, n);
        taken += n;
        stream->chunk_offset += n;
        if (stream->chunk_offset == length) {
            g_bytes_unref (g_queue_pop_head (&stream->chunks));
            stream->chunk_offset = 0;
        }
    }
    stream->queued_bytes -= taken;
    if (stream->over_high && stream->queued_bytes <= HTTP_STREAM_LOW_BYTES) {
        stream->over_high = FALSE;
        stream->request->ops->post (stream->request, tell_drained);
    }
    return taken;
}

/* --- server-sent events -------------------------------------------------------------------------------- */

static gboolean
beat (gpointer data)
{
    http_stream_write (data, ": \n\n", 4);
    return G_SOURCE_CONTINUE;
}

HttpStream *
http_reply_events (HttpRequest *request, const HttpStreamEvents *events, gpointer user_data)
{
    HttpStream *stream = http_reply_stream (request, "text/event-stream", events, user_data);
    stream->heartbeat = g_timeout_add_seconds (HTTP_EVENTS_HEARTBEAT_S, beat, stream);
    /* Clients and proxies see that the stream is open before the first event. */
    beat (stream);
    return stream;
}

gboolean
http_stream_event (HttpStream *stream, guint64 seq, const char *name, const json_t *data)
{
    g_autofree char *text = json_text (data);
    g_autoptr (GString) lines = g_string_new (NULL);
    if (seq != 0)
        g_string_append_printf (lines, "id: %" G_GUINT64_FORMAT "\n", seq);
    if (name != NULL)
        g_string_append_printf (lines, "event: %s\n", name);
    g_string_append_printf (lines, "data: %s\n\n", text);
    return http_stream_write (stream, lines->str, lines->len);
}

gboolean
http_stream_event_mark (HttpStream *stream, guint64 seq)
{
    g_autofree char *line = g_strdup_printf ("id: %" G_GUINT64_FORMAT "\n\n", seq);
    return http_stream_write (stream, line, strlen (line));
}

guint64
http_request_events_after (HttpRequest *request, guint64 fallback)
{
    const char *text = http_request_header (request, "last-event-id");
    guint64 seq = 0;
    if (text == NULL)
        text = http_request_query (request, "after");
    if (text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &seq, NULL))
        return seq;
    return fallback;
}
