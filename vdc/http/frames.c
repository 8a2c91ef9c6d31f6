#include "vdc/http/frames.h"

#include <string.h>
#include <wslay/wslay.h>

struct Frames {
    const FramesEvents *events;
    gpointer user_data;
    wslay_event_context_ptr context;
    const guint8 *data; /* being fed */
    gsize length;
    gboolean working; /* within wslay: what is queued now is sent when it returns */
    gboolean broken;
    guint code; /* ours */
};

static ssize_t
on_want (wslay_event_context_ptr context, uint8_t *buffer, size_t size, int flags, void *user_data)
{
    Frames *frames = user_data;
    gsize n = MIN (size, frames->length);
    if (n == 0) {
        wslay_event_set_error (context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy (buffer, frames->data, n);
    frames->data += n;
    frames->length -= n;
    return (ssize_t)n;
}

static ssize_t
on_send (wslay_event_context_ptr context, const uint8_t *data, size_t length, int flags, void *user_data)
{
    Frames *frames = user_data;
    frames->events->send (data, length, frames->user_data);
    return (ssize_t)length;
}

static void
on_message (wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *message,
            void *user_data)
{
    Frames *frames = user_data;
    if (!wslay_is_ctrl_frame (message->opcode))
        frames->events->message (message->opcode == WSLAY_TEXT_FRAME, message->msg, message->msg_length,
                                 frames->user_data);
}

Frames *
frames_new (const FramesEvents *events, gpointer user_data)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_want, .send_callback = on_send, .on_msg_recv_callback = on_message};
    Frames *frames = g_new0 (Frames, 1);
    frames->events = events;
    frames->user_data = user_data;
    if (wslay_event_context_server_init (&frames->context, &callbacks, frames) != 0)
        g_error ("no memory for a WebSocket");
    wslay_event_config_set_max_recv_msg_length (frames->context, FRAMES_MESSAGE_LIMIT_BYTES);
    return frames;
}

void
frames_free (Frames *frames)
{
    if (frames == NULL)
        return;
    wslay_event_context_free (frames->context);
    g_free (frames);
}

static void
flush (Frames *frames)
{
    if (frames->working)
        return;
    frames->working = TRUE;
    while (!frames->broken && wslay_event_want_write (frames->context))
        frames->broken = wslay_event_send (frames->context) != 0;
    frames->working = FALSE;
}

/* wslay sends nothing more when it cannot read on at all; the client is told all the same. */
static void
give_up (Frames *frames)
{
    static const guint8 close[] = {0x88, 2, WSLAY_CODE_PROTOCOL_ERROR >> 8, WSLAY_CODE_PROTOCOL_ERROR & 0xff};
    if (!frames_is_closing (frames)) {
        frames->code = WSLAY_CODE_PROTOCOL_ERROR;
        frames->events->send (close, sizeof close, frames->user_data);
    }
    frames->broken = TRUE;
}

void
frames_feed (Frames *frames, const void *data, gsize length)
{
    frames->data = data;
    frames->length = length;
    frames->working = TRUE;
    while (!frames->broken && frames->length > 0 && wslay_event_want_read (frames->context))
        if (wslay_event_recv (frames->context) != 0)
            give_up (frames);
    frames->working = FALSE;
    frames->data = NULL;
    frames->length = 0;
    flush (frames);
}

static void
queue (Frames *frames, guint8 opcode, const void *data, gsize length)
{
    const struct wslay_event_msg message = {opcode, data, length};
    if (!frames_is_closing (frames) && wslay_event_queue_msg (frames->context, &message) == 0)
        flush (frames);
}

void
frames_send (Frames *frames, const void *data, gsize length)
{
    queue (frames, WSLAY_BINARY_FRAME, data, length);
}

void
frames_ping (Frames *frames)
{
    queue (frames, WSLAY_PING, NULL, 0);
}

void
frames_close (Frames *frames, guint code, const char *reason)
{
    gsize length = MIN (strlen (reason), 123);
    if (frames_is_closing (frames))
        return;
    frames->code = code;
    wslay_event_queue_close (frames->context, (uint16_t)code, (const uint8_t *)reason, length);
    flush (frames);
}

gboolean
frames_is_closing (const Frames *frames)
{
    return frames->broken || frames->code != 0 || wslay_event_get_close_sent (frames->context) ||
           wslay_event_get_close_received (frames->context);
}

gboolean
frames_is_over (const Frames *frames)
{
    return frames->broken || !wslay_event_get_read_enabled (frames->context) ||
           wslay_event_get_close_received (frames->context);
}

guint
frames_code (const Frames *frames)
{
    guint received = wslay_event_get_status_code_received (frames->context);
    guint sent = wslay_event_get_status_code_sent (frames->context);
    /* A close that is itself wrong is answered by what is wrong with it. */
    if (sent == WSLAY_CODE_PROTOCOL_ERROR || sent == WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA)
        return sent;
    if (wslay_event_get_close_received (frames->context))
        return received;
    if (frames->code != 0)
        return frames->code;
    return wslay_event_get_close_sent (frames->context) ? sent : FRAMES_CLOSE_ABNORMAL;
}
