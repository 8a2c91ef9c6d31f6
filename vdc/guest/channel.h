/*
 * The virtio-serial port org.vdc.guest.0, kept open for our life (it opens once, and closing it makes the
 * agent's next connection fail). A disconnected agent reads as end of file; then output is forgotten,
 * sessions are told, and the next connection starts with hello.
 */
#pragma once

#include "vdc/guest/message.h"

typedef struct {
    /* A message of a welcomed connection; the reference stays the channel's. */
    void (*message) (const json_t *message);
    /* The agent said welcome: @nonce is to be echoed in hello. */
    void (*welcome) (const char *nonce, int64_t time_ns);
    /* What was begun on the old connection is void. */
    void (*lost) (void);
    /* Output fell below the mark again. */
    void (*writable) (void);
} ChannelHandler;

/* Looks for the port, again and again while it is not there. @hello is made anew for each connection. */
void channel_start (const ChannelHandler *handler, json_t *(*hello) (void));
/* Steals @message. Dropped while no agent is welcomed (hello carries what matters). */
void channel_send (json_t *message);
/* Unconditionally, for hello. Steals. */
void channel_send_now (json_t *message);
/* True when so much waits to be sent that bulk data should pause. */
bool channel_full (void);
/* Tries to get out what waits; for the last words before power-off. */
void channel_flush (int limit_ms);
