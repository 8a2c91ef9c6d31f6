/*
 * A WebSocket between a browser and a producer on the main loop: handshake, frames (frames.h), pings,
 * closing, and back pressure both ways. Main loop only.
 *
 * A browser sends a page's Origin with the handshake; one that is not our own is refused. Cookies are not
 * looked at: who may open it is decided by the route (consoles: a one-time ticket).
 */
#pragma once

#include "vdc/http/frames.h"
#include "vdc/http/reply.h"

/* A client that says nothing, not even pong, for two of these has gone. */
#define WEBSOCKET_PING_S 20
/* After our close: how long the client may take to say its own. */
#define WEBSOCKET_CLOSE_S 5

typedef struct WebSocket WebSocket;

typedef struct {
    /* A whole message. */
    void (*message) (WebSocket *socket, const void *data, gsize length, gpointer user_data);
    /* What was queued has gone out: go on. May be NULL. */
    void (*drained) (WebSocket *socket, gpointer user_data);
    /* It has ended, unless by websocket_close: called once; the pointer is invalid when it returns. */
    void (*closed) (WebSocket *socket, guint code, gpointer user_data);
} WebSocketEvents;

/*
 * Answer @request with the upgrade. NULL: it was no proper handshake (VDC_ERROR_USAGE) or came from another
 * origin's page (VDC_ERROR_NOT_PERMITTED); the request is not answered yet. @events is static.
 */
WebSocket *websocket_accept (HttpRequest *request, const WebSocketEvents *events, gpointer user_data,
                             GError **error);
/* TRUE: the handshake is proper; as websocket_accept, without answering. */
gboolean websocket_check (HttpRequest *request, GError **error);
/* A binary message. FALSE: hold back until drained; it was taken all the same. */
gboolean websocket_send (WebSocket *socket, const void *data, gsize length);
/* Take no messages (TRUE), or again (FALSE): the client is held back, by its socket. */
void websocket_hold (WebSocket *socket, gboolean hold);
/* Say goodbye and end; no event comes any more, the pointer is invalid. */
void websocket_close (WebSocket *socket, guint code, const char *reason);
