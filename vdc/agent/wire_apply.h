/*
 * The wires of this server: taps, segment bridges and nft rules, made, changed, found again and removed.
 *
 * Invariants
 *  1. A frame from an interface whose name begins with "vt" passes only by a rule of that tap's chain. A tap
 * without a chain is mute, so no order of steps and no crash opens a window.
 *  2. Nothing is remembered: all is found in the kernel by name and interface alias. After kill -9 anywhere,
 * ensure completes and remove removes.
 *  3. The server has no address on a segment and neither receives from nor sends to one.
 *
 * All calls block and may come from any thread, one at a time is served. Work is done in the network
 * namespace of the process.
 */
#pragma once

#include "vdc/agent/wire_plan.h"

typedef struct WireHost WireHost;

typedef struct {
    const char *server;   /* name, for logs */
    const char *backbone; /* interface whose MTU decides the inner MTU; NULL: 1500 is taken */
    const char *outside;  /* NULL: no outside. A bridge is used as it is; another interface becomes a port of
                             "vboutside" while an outside NIC exists, and must not carry an address */
} WireConfig;

/* Opens the kernel's sockets, installs the base table. @config's strings are copied. Free with
 * wire_host_free. */
WireHost *wire_host_new (const WireConfig *config, GError **error);
/* Leaves everything in the kernel as it is. */
void wire_host_free (WireHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WireHost, wire_host_free)

/* Inner MTU of this server, read now. 0 and @error when the backbone is missing or too small. */
guint wire_host_mtu (WireHost *host, GError **error);

typedef struct {
    char terminal[33];
    char tap[WIRE_NAME_SIZE]; /* for <target dev='…' managed='no'/> */
    char mac[18];
    guint mtu; /* for <mtu size='…'/> and the guest's settings */
} WireTap;

/*
 * Make it so: taps (mute until their chain stands), all chains of the member in one transaction, bridges,
 * ports, rate limits; then the taps go up. Also the way to change a running member: a chain is replaced at
 * once, counters of remaining wires go on counting. Taps of terminals no longer in @member go, and bridges
 * without taps.
 * @taps (may be NULL): of WireTap, in the order of @member's NICs, g_array_unref by the caller.
 * On failure what was done stays, mute or correct; call again, or wires_remove.
 */
gboolean wires_ensure (WireHost *host, const WireMember *member, GArray **taps, GError **error);

/* Removes taps, chains, counters of the member, and bridges that have no tap left. Nothing there is no error.
 */
gboolean wires_remove (WireHost *host, const char *application_id, const char *member, GError **error);

/*
 * All of ours in the kernel, as {"taps":[…],"bridges":[…],"chains":[…]}, each entry {"name", and when known
 * "application", "application_id", "member", "terminal" | "segment"}. A chain has what its tap says, a chain
 * without a tap only its name and "orphan":true. Caller owns.
 */
json_t *wires_inventory (WireHost *host, GError **error);
/* Removes one entry of the inventory by its name: a tap with its chain, a chain, or a bridge (refused while
 * it has taps). A missing one is no error; a name that is not ours is VDC_ERROR_INVALID. */
gboolean wires_remove_name (WireHost *host, const char *name, GError **error);
/* Compares the kernel with what ensure would make: one sentence per difference is appended to @problems
 * (owned by it, g_free). FALSE only when it could not look. */
gboolean wires_check (WireHost *host, const WireMember *member, GPtrArray *problems, GError **error);

/* All counters of the server at one moment: read once, asked per member. */
typedef struct WireCounters WireCounters;
WireCounters *wires_counters (WireHost *host, GError **error);
void wire_counters_free (WireCounters *counters);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WireCounters, wire_counters_free)
/*
 * {"nics":{TERMINAL:{rx_bytes,tx_bytes,rx_packets,tx_packets,dropped}},"wires":{WIRE:{bytes,packets}}}, as in
 * a report. rx and tx as the guest sees them; dropped: sent by the guest against a rule or over the rate. A
 * wire counts what this end sent. Caller owns.
 */
json_t *wire_counters_member (const WireCounters *counters, const WireMember *member);
