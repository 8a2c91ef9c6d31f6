/*
 * Inner addresses of an application: 100.64.0.0/10, handed out flat, lowest free first, and kept with the
 * applied description, so that they are the same in every copy and do not move while anything else changes.
 *
 * Keys: "MEMBER:TERMINAL"; an alias on an input for a further wire from the same group is
 * "MEMBER:TERMINAL:GROUP.OUTPUT" (of the client). Never handed out: addresses that end in .0 or .255.
 */
#pragma once

#include "vdc/model/topology.h"

typedef struct Addresses Addresses;

Addresses *addresses_new (void);
/* From addresses_json's form {"web.1:in": "100.64.0.5"}. NULL is an empty map. VDC_ERROR_INVALID when
 * malformed or an address is there twice. */
Addresses *addresses_from_json (const json_t *map, GError **error);
void addresses_free (Addresses *addresses);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Addresses, addresses_free)
/* New reference. */
json_t *addresses_json (const Addresses *addresses);

/*
 * Give every terminal of @topology its address and every second wire its alias; free those of members and
 * wires that are gone. Those there are stay. VDC_ERROR_FULL when there are none left; then nothing has
 * changed.
 */
gboolean addresses_assign (Addresses *addresses, const Topology *topology, GError **error);

/* "100.64.0.5", or NULL. Borrowed until the next assign. */
const char *addresses_get (const Addresses *addresses, const char *member, const char *terminal);
/* The alias on @member's input @terminal for the wire from @client_group's @output, or NULL: it uses the
 * address itself. */
const char *addresses_get_alias (const Addresses *addresses, const char *member, const char *terminal,
                                 const char *client_group, const char *output);

/* "02:…": from SHA-256 of "GRID/APPLICATION_ID/MEMBER/TERMINAL". Caller frees. */
char *address_mac (const char *grid_id, const char *application_id, const char *member, const char *terminal);
