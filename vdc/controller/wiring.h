/*
 * Topology + addresses → what each member's NICs are, who may talk to whom on them, and what the guest is
 * told. Pure. Not yet in it: which server a member is on; the agents get that from the controller.
 */
#pragma once

#include "vdc/controller/addresses.h"

/* An address of an outside network, bound to a member whose class says `outside: true`. */
typedef struct {
    char *address;
    guint prefix;
    char *gateway;
    char *network;
} OutsideAddress;

OutsideAddress *outside_address_new (const char *address, guint prefix, const char *gateway,
                                     const char *network);
void outside_address_free (OutsideAddress *address);

/* One peer of one wire, seen from one NIC. */
typedef struct {
    const MemberWire *wire;
    gboolean server; /* this NIC is the input end */
    const Member *peer;
    const char *local_address; /* the alias, where the wire has one */
    const char *peer_address;
    char *peer_mac;
} WireRule;

typedef struct {
    const Terminal *terminal; /* NULL: the outside NIC */
    char *mac;
    const char *address; /* outside: OutsideAddress.address, NULL when none is bound yet */
    GPtrArray *aliases;  /* const char *; inputs only */
    char *segment;       /* "web.in"; NULL: unwired, on no bridge (an input nobody is wired to as well) */
    const Protocol *protocol; /* outputs: the wire's; inputs: the terminal's */
    GPtrArray *rules;         /* WireRule * */
    const OutsideAddress *outside;
} WiringNic;

typedef struct {
    const Member *member;
    GPtrArray *nics; /* WiringNic *, terminals by name, outside last */
} WiringMember;

typedef struct Wiring Wiring;

/*
 * @outside: member name → OutsideAddress *, may be NULL or lack members: those NICs have no address yet.
 * Takes copies of it; @topology and @addresses must outlive the result. Every terminal must have its address
 * (addresses_assign), else VDC_ERROR_FAILED.
 */
Wiring *wiring_new (const Topology *topology, const Addresses *addresses, const char *grid_id,
                    const char *application_id, GHashTable *outside, GError **error);
void wiring_free (Wiring *wiring);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Wiring, wiring_free)

/* NULL when there is no such member. Borrowed. */
const WiringMember *wiring_member (const Wiring *wiring, const char *member);
