/*
 * The few Ethernet frames with which one asks whether a TCP port is open: ARP, SYN, RST; and what comes back.
 * Pure; what is read was written by a guest.
 */
#pragma once

#include "vdc/agent/wire_plan.h"

#define PROBE_FRAME_BYTES 64
/* Longer ones are no answer to us. */
#define PROBE_FRAME_MAX_BYTES 2048

/* Who asks whom. Addresses in host byte order. */
typedef struct {
    WireMac mac, peer_mac;
    guint32 address, peer;
} ProbeEnds;

typedef enum {
    PROBE_NOTHING, /* none of ours */
    PROBE_WHO_HAS, /* the peer asks for our MAC: answer */
    PROBE_HERE,    /* the peer told its MAC */
    PROBE_OPEN,    /* SYN and ACK of what we asked */
    PROBE_CLOSED,  /* RST */
} ProbeAnswer;

typedef struct {
    guint16 own_port, port;
    guint32 sequence; /* of our SYN */
} ProbeAsked;

/* Each writes PROBE_FRAME_BYTES at most and gives the length. */
gsize probe_frame_who_has (guint8 *frame, const ProbeEnds *ends);
gsize probe_frame_here (guint8 *frame, const ProbeEnds *ends);
gsize probe_frame_syn (guint8 *frame, const ProbeEnds *ends, const ProbeAsked *asked);
/* Ends what SYN began: nobody at the other side ever sees a connection. */
gsize probe_frame_reset (guint8 *frame, const ProbeEnds *ends, const ProbeAsked *asked);

ProbeAnswer probe_frame_read (const guint8 *frame, gsize length, const ProbeEnds *ends,
                              const ProbeAsked *asked);
