/*
 * The agent's end of one guest channel (vdc/guest/PROTOCOL.md): a unix socket that QEMU made, JSON lines both
 * ways.
 *
 *     away → (socket there) → greeting → (hello with our nonce) → up → (socket closed, or the guest began
 * anew) → …
 *
 * A welcome without its hello is repeated with a new nonce after CHANNEL_HELLO_MS, then ever more seldom: a
 * guest that boots reads them all. What arrives before the guest repeats our nonce was meant for an agent
 * before us and is dropped. Connects again by itself for ever. Main loop only.
 */
#pragma once

#include "vdc/base/json.h"

typedef struct Channel Channel;

typedef struct {
    /* The guest is there and knows us; @message is its hello. May come again without `lost` before it. */
    void (*hello) (const json_t *message, gpointer user_data);
    /* Any other message, only while up. */
    void (*message) (const char *type, const json_t *message, gpointer user_data);
    /* Was up, is no longer. */
    void (*lost) (gpointer user_data);
} ChannelEvents;

/* Outgoing bytes that may wait; beyond that the guest does not read and the channel begins anew. */
#define CHANNEL_QUEUE_LIMIT_BYTES (8 * 1024 * 1024)

#define CHANNEL_HELLO_MS 5000

/* @events is borrowed and static. */
Channel *channel_new (const char *path, const ChannelEvents *events, gpointer user_data);
/* No event comes from within or afterwards. May be called from within an event. */
void channel_free (Channel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Channel, channel_free)

gboolean channel_is_up (const Channel *channel);
/*
 * Queue @message (taken). FALSE, and nothing is sent, when the channel is not up, too much waits, or the
 * message is longer than a line may be. No event comes from within.
 */
gboolean channel_send (Channel *channel, json_t *message);
/* The time of now: after a pause. After a hello it is sent by itself. */
gboolean channel_send_clock (Channel *channel);
