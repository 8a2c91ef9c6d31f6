/*
 * What a member's wires are on its server: names of taps and bridges, and the nft text of each tap. Pure:
 * nothing here looks at or changes the kernel.
 *
 * Numbers: addresses are IPv4 in host byte order, rates bits per second.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

/* Interface names end up in IFNAMSIZ bytes, the closing 0 included. */
#define WIRE_NAME_SIZE 16
#define WIRE_TAP_PREFIX "vt"
#define WIRE_BRIDGE_PREFIX "vb"
#define WIRE_OUTSIDE_BRIDGE "vboutside"
/* Ethernet + IPv4 + UDP + VXLAN around an inner Ethernet payload. */
#define WIRE_OVERHEAD_BYTES 50
/* Limits of a document: a larger one is VDC_ERROR_TOO_LARGE. */
#define WIRE_NICS_MAX 64
#define WIRE_RULES_MAX 4096
#define WIRE_PORTS_MAX 64
#define WIRE_ALIASES_MAX 256

typedef enum { WIRE_TCP = 6, WIRE_UDP = 17 } WireProto;

typedef struct {
    WireProto proto;
    guint16 from, to; /* inclusive, from <= to */
} WirePorts;

typedef enum { WIRE_CLIENT, WIRE_SERVER } WireRole;

typedef struct {
    guint8 bytes[6];
} WireMac;

/* One end of one wire, towards one peer. A wire to a tier is one rule per peer, all with the same wire name.
 */
typedef struct {
    char *wire; /* "lb.out->web.in" */
    WireRole role;
    guint32 local, peer;
    gboolean has_peer_mac;
    WireMac peer_mac;
    GArray *ports; /* of WirePorts: those of the input, on both ends */
    gboolean any;
    gboolean gateway; /* beyond the peer lies the outside; has_peer_mac holds on the client's end */
} WireRule;

typedef enum { WIRE_SIDE_INPUT, WIRE_SIDE_OUTPUT, WIRE_SIDE_OUTSIDE } WireSide;

typedef struct {
    char *terminal;
    WireSide side;
    WireMac mac;
    guint32 address;
    GArray *aliases;  /* of guint32 */
    char *segment;    /* NULL: unwired, on no bridge. Always NULL for an outside NIC */
    GPtrArray *rules; /* of WireRule; empty for an outside NIC: it has rules of its own */
    gboolean probe;   /* the agent's own end (wire_probe.h), no NIC of the VM; these come last */
    char tap[WIRE_NAME_SIZE];
    char bridge[WIRE_NAME_SIZE]; /* "" when unwired, and for an outside NIC: the host knows which bridge that
                                    is */
} WireNic;

typedef struct {
    char *application;    /* name, for people */
    char *application_id; /* lower-case hex: what names are derived from */
    char *member;         /* "web.1" */
    guint64 network_bps;  /* each NIC, each direction; 0: no limit */
    GPtrArray *nics;      /* of WireNic */
} WireMember;

/*
 * The wires in a SPEC document (keys application, application_id, member, resources.network_bps, nics; others
 * are ignored). NULL and VDC_ERROR_INVALID, USAGE or TOO_LARGE with the place
 * ("nics[1].rules[0].peer_address"): all that later reaches nft text or a netlink message is checked here.
 * Free with wire_member_free.
 */
WireMember *wire_member_parse (const json_t *spec, GError **error);
void wire_member_free (WireMember *member);
void wire_rule_free (gpointer rule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WireMember, wire_member_free)

/* "vt" + 9 characters of the member + 4 of the terminal. The first 11 are the same for all taps of a member.
 */
void wire_tap_name (const char *application_id, const char *member, const char *terminal,
                    char name[WIRE_NAME_SIZE]);
void wire_tap_prefix (const char *application_id, const char *member, char prefix[WIRE_NAME_SIZE]);
void wire_bridge_name (const char *application_id, const char *segment, char name[WIRE_NAME_SIZE]);
/* TRUE when @name has the exact form of the names above: nobody else's "vt…" is taken for ours. */
gboolean wire_name_is_ours (const char *name);
/* The nft counter of wire @wire at @tap. Caller frees. */
char *wire_counter_name (const char *tap, const char *wire);
/* The nft counter of what @tap's chain dropped. Caller frees. */
char *wire_drop_counter_name (const char *tap);

/* What an inner NIC may carry over a backbone of @backbone_mtu; 0 when that leaves less than IPv4 needs
 * (576). */
guint wire_inner_mtu (guint backbone_mtu);

/* Address texts. wire_mac_parse takes "02:…" with two hex digits each, unicast only. */
gboolean wire_mac_parse (const char *text, WireMac *mac);
gboolean wire_address_parse (const char *text, guint32 *address);
