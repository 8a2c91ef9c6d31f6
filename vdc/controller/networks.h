/*
 * Outside networks: ranges of addresses given to gateways, never twice, and local ports that lead to them.
 *
 * Stored: {name, mode:"addresses", subnet, gateway, addresses:"A-B", publish:"IP:P1-P2"|null}. What is in use
 * is kept with the applications (ApplicationRecord.outside), so that it can never disagree with them.
 */
#pragma once

#include "vdc/controller/controller.h"

/*
 * Make the network `outside` from the option text, unless it exists or @option is NULL.
 * "192.0.2.0/24,gateway=192.0.2.1,addresses=192.0.2.20-192.0.2.250,publish=127.0.0.1:20080-20999".
 */
gboolean networks_ensure_outside (Controller *controller, const char *option, GError **error);
/* Check and normalise {name, subnet, gateway, addresses, publish?} of the API, and note it for the next
 * commit. */
gboolean networks_create (Controller *controller, const json_t *request, GError **error);
/* NETWORK with `used`, as the API shows it. New reference; NULL: VDC_ERROR_NOT_FOUND. */
json_t *networks_json (Controller *controller, const char *name, GError **error);

/*
 * Give every gateway of @topology an address and its published ports a local one; keep those it has; drop
 * those of members that are gone. Returns the new ApplicationRecord.outside; NULL: VDC_ERROR_FULL or
 * NOT_FOUND.
 */
json_t *networks_assign (Controller *controller, const ApplicationRecord *application,
                         const Topology *topology, GError **error);
/* Those of @outside whose address and local ports nobody else has got meanwhile. New reference. */
json_t *networks_still_free (Controller *controller, const json_t *outside);
