#include "vdc/http/websocket.h"

#include "vdc/http/request_private.h"

#include <string.h>

#include "vdc/base/bug.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES 16

struct WebSocket {
    HttpStream *stream; /* NULL: ended */
    Frames *frames;
    const WebSocketEvents *events; /* NULL: the producer has gone */
    gpointer user_data;
    guint timer;
    gboolean heard; /* since the last ping */
    guint silent;   /* pings without anything heard */
    gboolean held;
    gboolean working; /* within frames: not to be freed now */
    GByteArray *kept; /* came while held */
};

/* --- handshake --------------------------------------------------------------------------------------------- */

static gboolean
names_upgrade (const char *connection)
{
    g_auto (GStrv) words = g_strsplit (connection ? connection : "", ",", -1);
    for (guint i = 0; words[i] != NULL; i++)
        if (g_ascii_strcasecmp (g_strstrip (words[i]), "upgrade") == 0)
            return TRUE;
    return FALSE;
}

static gboolean
is_key (const char *key)
{
    gsize length = 0;
    if (key == NULL || strlen (key) != 24)
        return FALSE;
    g_autofree guchar *bytes = g_base64_decode (key, &length);
    g_autofree char *again = g_base64_encode (bytes, length);
    return length == KEY_BYTES && strcmp (again, key) == 0;
}

/* A program sends none; a browser always does, and a page cannot change it. */
static gboolean
origin_fits (HttpRequest *request)
{
    const char *origin = http_request_header (request, "origin");
    g_autofree char *own =
        g_strconcat (request->secure ? "https://" : "http://", http_request_header (request, "host"), NULL);
    return origin == NULL || vdc_bug ("http-any-origin") || g_ascii_strcasecmp (origin, own) == 0;
}

gboolean
websocket_check (HttpRequest *request, GError **error)
{
    const char *upgrade = http_request_header (request, "upgrade");
    const char *version = http_request_header (request, "sec-websocket-version");
    if (upgrade == NULL || g_ascii_strcasecmp (upgrade, "websocket") != 0 ||
        !names_upgrade (http_request_header (request, "connection")) ||
        strcmp (http_request_method (request), "GET") != 0 ||
        !is_key (http_request_header (request, "sec-websocket-key")) || g_strcmp0 (version, "13") != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "this is for WebSockets (RFC 6455, version 13) only");
        return FALSE;
    }
    if (!origin_fits (request)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "pages of another origin may not open this");
        return FALSE;
    }
    return TRUE;
}

static void
add_accept (HttpRequest *request)
{
    g_autofree char *text =
        g_strconcat (http_request_header (request, "sec-websocket-key"), ACCEPT_GUID, NULL);
    GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize length = sizeof digest;
    g_checksum_update (sum, (const guchar *)text, -1);
    g_checksum_get_digest (sum, digest, &length);
    g_checksum_free (sum);
    g_autofree char *accept = g_base64_encode (digest, length);
    http_reply_header (request, "Sec-WebSocket-Accept", accept);
}

/* --- life -------------------------------------------------------------------------------------------------- */

static void
free_socket (WebSocket *socket)
{
    g_clear_handle_id (&socket->timer, g_source_remove);
    frames_free (socket->frames);
    g_byte_array_unref (socket->kept);
    g_free (socket);
}

/* Nothing is to be expected of it any more: tell the producer, let the connection end. */
static void
finish (WebSocket *socket)
{
    const WebSocketEvents *events = g_steal_pointer (&socket->events);
    HttpStream *stream = g_steal_pointer (&socket->stream);
    if (events != NULL)
        events->closed (socket, frames_code (socket->frames), socket->user_data);
    if (stream != NULL)
        http_stream_end (stream);
    free_socket (socket);
}

static void
settle (WebSocket *socket)
{
    if (!socket->working && frames_is_over (socket->frames))
        finish (socket);
}

static gboolean
on_close_late (gpointer user_data)
{
    WebSocket *socket = user_data;
    socket->timer = 0;
    finish (socket);
    return G_SOURCE_REMOVE;
}

static gboolean
on_ping_time (gpointer user_data)
{
    WebSocket *socket = user_data;
    socket->silent = socket->heard || socket->held ? 0 : socket->silent + 1;
    socket->heard = FALSE;
    if (socket->silent < 2) {
        frames_ping (socket->frames);
        return G_SOURCE_CONTINUE;
    }
    socket->timer = 0;
    finish (socket);
    return G_SOURCE_REMOVE;
}

/* --- bytes ------------------------------------------------------------------------------------------------- */

static void
on_frames_send (const void *data, gsize length, gpointer user_data)
{
    WebSocket *socket = user_data;
    if (socket->stream != NULL)
        http_stream_write (socket->stream, data, length);
}

static void
on_frames_message (gboolean text, const void *data, gsize length, gpointer user_data)
{
    WebSocket *socket = user_data;
    if (socket->events != NULL)
        socket->events->message (socket, data, length, socket->user_data);
}

static void
feed (WebSocket *socket, const void *data, gsize length)
{
    socket->working = TRUE;
    frames_feed (socket->frames, data, length);
    socket->working = FALSE;
    settle (socket);
}

static void
on_received (HttpStream *stream, const void *data, gsize length, gpointer user_data)
{
    WebSocket *socket = user_data;
    socket->heard = TRUE;
    if (socket->held)
        g_byte_array_append (socket->kept, data, (guint)length);
    else
        feed (socket, data, length);
}

static void
on_drained (HttpStream *stream, gpointer user_data)
{
    WebSocket *socket = user_data;
    if (socket->events != NULL && socket->events->drained != NULL)
        socket->events->drained (socket, socket->user_data);
}

static void
on_gone (HttpStream *stream, gpointer user_data)
{
    WebSocket *socket = user_data;
    socket->stream = NULL;
    finish (socket);
}

WebSocket *
websocket_accept (HttpRequest *request, const WebSocketEvents *events, gpointer user_data, GError **error)
{
    static const HttpStreamEvents stream_events = {on_drained, on_gone, on_received};
    static const FramesEvents frames_events = {on_frames_send, on_frames_message};
    if (!websocket_check (request, error))
        return NULL;
    WebSocket *socket = g_new0 (WebSocket, 1);
    socket->events = events;
    socket->user_data = user_data;
    socket->kept = g_byte_array_new ();
    socket->frames = frames_new (&frames_events, socket);
    socket->timer = g_timeout_add_seconds (WEBSOCKET_PING_S, on_ping_time, socket);
    add_accept (request);
    socket->stream = http_reply_upgrade (request, "websocket", &stream_events, socket);
    return socket;
}

gboolean
websocket_send (WebSocket *socket, const void *data, gsize length)
{
    frames_send (socket->frames, data, length);
    return socket->stream == NULL || http_stream_queued_bytes (socket->stream) <= HTTP_STREAM_HIGH_BYTES;
}

void
websocket_hold (WebSocket *socket, gboolean hold)
{
    socket->held = hold;
    if (socket->stream != NULL)
        http_stream_hold (socket->stream, hold);
    if (hold || socket->kept->len == 0)
        return;
    GByteArray *kept = g_steal_pointer (&socket->kept);
    socket->kept = g_byte_array_new ();
    feed (socket, kept->data, kept->len);
    g_byte_array_unref (kept);
}

void
websocket_close (WebSocket *socket, guint code, const char *reason)
{
    socket->events = NULL;
    frames_close (socket->frames, code, reason);
    g_clear_handle_id (&socket->timer, g_source_remove);
    socket->timer = g_timeout_add_seconds (WEBSOCKET_CLOSE_S, on_close_late, socket);
    if (socket->held)
        websocket_hold (socket, FALSE);
    else
        settle (socket);
}
