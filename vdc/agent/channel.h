/*
 * The agent's end of one guest channel (vdc/guest/PROTOCOL.md): a unix socket that QEMU made, JSON lines both
 * ways.
 *
 *     away → (socket there) → greeting → (hello with our nonce) → up → (socket closed, or the guest began
 * anew) → …
 *
 * What arrives before the guest repeats our nonce was meant for an agent before us and is dropped. Connects
 * again by itself for ever. Main loop only.
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

/* @events is borrowed and static. */
Channel *channel_new (const char *path, const ChannelEvents *events, gpointer user_data);
/* No event comes from within or afterwards. May be called from within an event. */
void channel_free (Channel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Channel, channel_free)

gboolean channel_is_up (const Channel *channel);
/* Queue @message (taken). FALSE, and nothing is sent, when the channel is not up. */
gboolean channel_send (Channel *channel, json_t *message);
