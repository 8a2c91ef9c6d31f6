/*
 * Shared by wire_apply.c (makes and removes) and wire_inventory.c (looks): not for others.
 */
#pragma once

#include "vdc/agent/wire_apply.h"
#include "vdc/agent/wire_link.h"
#include "vdc/agent/wire_nft.h"

struct WireHost {
    GMutex lock; /* all below, and every change of ours in the kernel */
    char *server, *backbone, *outside;
    WireLink *link;
    WireNft *nft;
};

gboolean wire_is_tap (const char *name);
gboolean wire_is_bridge (const LinkInfo *info);

/* Names of our counters (with their numbers, of WireCount) and chains. No table gives none. */
typedef struct {
    guint64 packets, bytes;
} WireCount;
GHashTable *wire_host_counters (WireHost *host, GError **error);
GPtrArray *wire_host_chains (WireHost *host, GError **error);

/* The bridge an outside NIC belongs to, and whether it is ours. */
gboolean wire_host_outside_bridge (WireHost *host, char bridge[WIRE_NAME_SIZE], gboolean *ours,
                                   GError **error);
char *wire_tap_alias (const WireMember *member, const WireNic *nic);

/* As wires_remove for the taps whose names begin with @prefix; the lock is held. */
gboolean wire_host_remove_taps (WireHost *host, const char *prefix, GError **error);
/* The bridge and what the rules say of its outside port. It must have no tap; the lock is held. */
gboolean wire_host_remove_bridge (WireHost *host, const LinkInfo *bridge, GError **error);
