/*
 * The frames of one WebSocket (RFC 6455), server side, over bytes in memory: the one place that knows wslay.
 * No sockets, no time. Not thread-safe.
 *
 * What a client may make us keep is bounded: a message of at most FRAMES_MESSAGE_LIMIT_BYTES, in frames of
 * any number; what it is told goes out at once through `send`. A breach of the protocol (no mask, reserved
 * bits, wrong UTF-8, too long) ends with the close code of the RFC.
 */
#pragma once

#include <glib.h>

#define FRAMES_MESSAGE_LIMIT_BYTES (64 * 1024)

#define FRAMES_CLOSE_NORMAL 1000
#define FRAMES_CLOSE_GOING_AWAY 1001
#define FRAMES_CLOSE_ABNORMAL 1006 /* never sent: the connection was lost */
#define FRAMES_CLOSE_POLICY 1008
#define FRAMES_CLOSE_TOO_BIG 1009
#define FRAMES_CLOSE_INTERNAL 1011

typedef struct Frames Frames;

/* Neither may free the Frames. */
typedef struct {
    void (*send) (const void *data, gsize length, gpointer user_data);
    void (*message) (gboolean text, const void *data, gsize length, gpointer user_data);
} FramesEvents;

Frames *frames_new (const FramesEvents *events, gpointer user_data);
void frames_free (Frames *frames);

/* Bytes from the client. */
void frames_feed (Frames *frames, const void *data, gsize length);
/* A binary message. After frames_close it goes nowhere. */
void frames_send (Frames *frames, const void *data, gsize length);
void frames_ping (Frames *frames);
/* Say that we close, once; @reason is at most 123 bytes. */
void frames_close (Frames *frames, guint code, const char *reason);

/* We have sent our close: nothing more is sent. */
gboolean frames_is_closing (const Frames *frames);
/* Both sides have said close, or nothing can be read any more: end the connection when all is sent. */
gboolean frames_is_over (const Frames *frames);
/* The code that the client gave, or that we closed it with; FRAMES_CLOSE_ABNORMAL when there is none. */
guint frames_code (const Frames *frames);
