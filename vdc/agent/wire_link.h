/*
 * Links, bridge ports and rates by rtnetlink: one message each, no forks. Blocking, one caller at a time, in
 * the network namespace the process was in at wire_link_open.
 */
#pragma once

#include "vdc/agent/wire_plan.h"

#include <glib.h>

typedef struct WireLink WireLink;

typedef struct {
    int index, master; /* master 0: none */
    char name[WIRE_NAME_SIZE];
    char *alias; /* NULL: none */
    char *kind;  /* "tun", "bridge", "veth"; NULL: a hardware interface */
    guint mtu;
    gboolean up;
    guint64 rx_bytes, tx_bytes, rx_packets, tx_packets, rx_dropped, tx_dropped;
} LinkInfo;

void link_info_free (LinkInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LinkInfo, link_info_free)

WireLink *wire_link_open (GError **error);
void wire_link_close (WireLink *link);

/* All links, of LinkInfo. With statistics only when asked: they cost. */
GPtrArray *link_list (WireLink *link, gboolean statistics, GError **error);
/* VDC_ERROR_NOT_FOUND when there is none. */
LinkInfo *link_get (WireLink *link, const char *name, GError **error);

/* A persistent tap with virtio-net headers, down. One that exists is kept as it is. */
gboolean link_make_tap (const char *name, GError **error);
/* A bridge without STP, multicast snooping and VLAN filtering, down. One that exists is kept as it is. */
gboolean link_make_bridge (WireLink *link, const char *name, GError **error);
/* A missing link is no error. */
gboolean link_delete (WireLink *link, const char *name, GError **error);

gboolean link_set_alias (WireLink *link, int index, const char *alias, GError **error);
gboolean link_set_mtu (WireLink *link, int index, guint mtu, GError **error);
/* @master 0: released. */
gboolean link_set_master (WireLink *link, int index, int master, GError **error);
gboolean link_set_up (WireLink *link, int index, gboolean up, GError **error);
/* The server itself says nothing on it: no IPv6, no answer to ARP. A kernel without IPv6 is no error. */
gboolean link_keep_silent (const char *name, GError **error);
/* TRUE in @carries when the interface has an IPv4 address, or an IPv6 address beyond link scope. */
gboolean link_has_address (WireLink *link, int index, gboolean *carries, GError **error);

/* The port learns nothing and gets no frame for unknown addresses: @mac is where it is. @isolated: not to
 * others alike. */
gboolean link_set_port (WireLink *link, int index, const WireMac *mac, gboolean isolated, GError **error);

/* Shape what leaves by this interface (towards the guest); 0: no limit. */
gboolean link_set_rate (WireLink *link, int index, guint64 bps, GError **error);
