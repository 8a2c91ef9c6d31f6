#include "vdc/agent/probe_frame.h"

#include <string.h>

#define ETHERNET 14
#define ARP_BYTES 28
#define IP_BYTES 20
#define TCP_BYTES 20
#define SYN 2
#define RST 4
#define ACK 16

G_STATIC_ASSERT (ETHERNET + IP_BYTES + TCP_BYTES <= PROBE_FRAME_BYTES);
G_STATIC_ASSERT (ETHERNET + ARP_BYTES <= PROBE_FRAME_BYTES);

static void
put16 (guint8 *at, guint16 value)
{
    at[0] = (guint8)(value >> 8);
    at[1] = (guint8)value;
}

static void
put32 (guint8 *at, guint32 value)
{
    put16 (at, (guint16)(value >> 16));
    put16 (at + 2, (guint16)value);
}

static guint16
get16 (const guint8 *at)
{
    return (guint16)(at[0] << 8 | at[1]);
}

static guint32
get32 (const guint8 *at)
{
    return (guint32)get16 (at) << 16 | get16 (at + 2);
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static void
put_ethernet (guint8 *frame, const guint8 *to, const ProbeEnds *ends, guint16 type)
{
    memset (frame, 0, PROBE_FRAME_BYTES);
    memcpy (frame, to, 6);
    memcpy (frame + 6, ends->mac.bytes, 6);
    put16 (frame + 12, type);
}

static gsize
put_arp (guint8 *frame, const ProbeEnds *ends, guint16 operation, gboolean to_all)
{
    static const guint8 all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    guint8 *arp = frame + ETHERNET;

    put_ethernet (frame, to_all ? all : ends->peer_mac.bytes, ends, 0x0806);
    put16 (arp, 1);
    put16 (arp + 2, 0x0800);
    arp[4] = 6;
    arp[5] = 4;
    put16 (arp + 6, operation);
    memcpy (arp + 8, ends->mac.bytes, 6);
    put32 (arp + 14, ends->address);
    if (!to_all)
        memcpy (arp + 18, ends->peer_mac.bytes, 6);
    put32 (arp + 24, ends->peer);
    return ETHERNET + ARP_BYTES;
}

gsize
probe_frame_who_has (guint8 *frame, const ProbeEnds *ends)
{
    return put_arp (frame, ends, 1, TRUE);
}

gsize
probe_frame_here (guint8 *frame, const ProbeEnds *ends)
{
    return put_arp (frame, ends, 2, FALSE);
}

static guint32
sum (guint32 value, const guint8 *data, gsize length)
{
    for (gsize i = 0; i + 1 < length; i += 2)
        value += get16 (data + i);
    return value;
}

static guint16
fold (guint32 value)
{
    while (value >> 16)
        value = (value & 0xffff) + (value >> 16);
    return (guint16)~value;
}

static gsize
put_tcp (guint8 *frame, const ProbeEnds *ends, const ProbeAsked *asked, guint32 sequence, guint8 flags)
{
    guint8 *ip = frame + ETHERNET, *tcp = ip + IP_BYTES;

    put_ethernet (frame, ends->peer_mac.bytes, ends, 0x0800);
    ip[0] = 0x45;
    put16 (ip + 2, IP_BYTES + TCP_BYTES);
    put16 (ip + 6, 0x4000); /* in one piece */
    ip[8] = 64;
    ip[9] = WIRE_TCP;
    put32 (ip + 12, ends->address);
    put32 (ip + 16, ends->peer);
    put16 (ip + 10, fold (sum (0, ip, IP_BYTES)));
    put16 (tcp, asked->own_port);
    put16 (tcp + 2, asked->port);
    put32 (tcp + 4, sequence);
    tcp[12] = TCP_BYTES / 4 << 4;
    tcp[13] = flags;
    put16 (tcp + 14, flags & SYN ? 1024 : 0);
    put16 (tcp + 16, fold (sum (sum (WIRE_TCP + TCP_BYTES, ip + 12, 8), tcp, TCP_BYTES)));
    return ETHERNET + IP_BYTES + TCP_BYTES;
}

gsize
probe_frame_syn (guint8 *frame, const ProbeEnds *ends, const ProbeAsked *asked)
{
    return put_tcp (frame, ends, asked, asked->sequence, SYN);
}

gsize
probe_frame_reset (guint8 *frame, const ProbeEnds *ends, const ProbeAsked *asked)
{
    return put_tcp (frame, ends, asked, asked->sequence + 1, RST);
}

/* --- reading ----------------------------------------------------------------------------------------------- */

static ProbeAnswer
read_arp (const guint8 *arp, gsize length, const ProbeEnds *ends)
{
    if (length < ARP_BYTES || get16 (arp) != 1 || get16 (arp + 2) != 0x0800 || arp[4] != 6 || arp[5] != 4 ||
        memcmp (arp + 8, ends->peer_mac.bytes, 6) != 0 || get32 (arp + 24) != ends->address)
        return PROBE_NOTHING;
    /* It may ask from an address of its on another NIC. */
    if (get16 (arp + 6) == 1)
        return PROBE_WHO_HAS;
    return get16 (arp + 6) == 2 && get32 (arp + 14) == ends->peer ? PROBE_HERE : PROBE_NOTHING;
}

static ProbeAnswer
read_tcp (const guint8 *ip, gsize length, const ProbeEnds *ends, const ProbeAsked *asked)
{
    if (length < IP_BYTES || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
        return PROBE_NOTHING;
    gsize head = (gsize)(ip[0] & 15) * 4, whole = get16 (ip + 2);
    if (whole > length || whole < head + TCP_BYTES || (get16 (ip + 6) & 0x3fff) != 0 || ip[9] != WIRE_TCP ||
        get32 (ip + 12) != ends->peer || get32 (ip + 16) != ends->address)
        return PROBE_NOTHING;
    const guint8 *tcp = ip + head;
    if (get16 (tcp) != asked->port || get16 (tcp + 2) != asked->own_port || !(tcp[13] & ACK) ||
        get32 (tcp + 8) != asked->sequence + 1)
        return PROBE_NOTHING;
    if (tcp[13] & RST)
        return PROBE_CLOSED;
    return tcp[13] & SYN ? PROBE_OPEN : PROBE_NOTHING;
}

ProbeAnswer
probe_frame_read (const guint8 *frame, gsize length, const ProbeEnds *ends, const ProbeAsked *asked)
{
    if (length < ETHERNET || length > PROBE_FRAME_MAX_BYTES ||
        memcmp (frame + 6, ends->peer_mac.bytes, 6) != 0)
        return PROBE_NOTHING;
    if (get16 (frame + 12) == 0x0806)
        return read_arp (frame + ETHERNET, length - ETHERNET, ends);
    if (get16 (frame + 12) == 0x0800)
        return read_tcp (frame + ETHERNET, length - ETHERNET, ends, asked);
    return PROBE_NOTHING;
}
