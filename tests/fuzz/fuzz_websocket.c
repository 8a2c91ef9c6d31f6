/*
 * What a WebSocket client sends, cut by the first byte of the input, with our own messages, pings and a close in
 * between, as the second byte says.
 */
#include "vdc/http/frames.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

typedef struct {
    gsize sent, taken;
} Count;

static void
must (gboolean holds)
{
    if (!holds)
        abort ();
}

static void
on_send (const void *data, gsize length, gpointer user_data)
{
    ((Count *)user_data)->sent += length;
}

static void
on_message (gboolean text, const void *data, gsize length, gpointer user_data)
{
    must (length <= FRAMES_MESSAGE_LIMIT_BYTES);
    must (!text || g_utf8_validate_len (data, length, NULL) || memchr (data, 0, length) != NULL);
    ((Count *)user_data)->taken += length;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    static const FramesEvents events = {on_send, on_message};
    Count count = {0};
    if (size < 2)
        return 0;
    gsize piece = MAX (data[0], 1);
    guint8 acts = data[1];
    Frames *frames = frames_new (&events, &count);
    for (gsize at = 2; at < size && !frames_is_over (frames); at += piece) {
        frames_feed (frames, data + at, MIN (piece, size - at));
        if (acts & 1)
            frames_send (frames, "abc", 3);
        if (acts & 2)
            frames_ping (frames);
        if (acts & 4)
            frames_close (frames, FRAMES_CLOSE_GOING_AWAY, "end");
        must (frames_code (frames) >= 1000 || frames_code (frames) == 0);
    }
    must (count.taken <= size);
    /* What is said back is bounded by what came: a pong for each ping, one close. */
    must (count.sent <= 2 * size + 16 * (size / piece + 1) + 200);
    frames_free (frames);
    return 0;
}
