/*
 * What `vdc verify --repair` may have an agent do: small things that lose nothing. Each looks again whether
 * it is safe, for what the controller saw may have changed meanwhile. Nothing is deleted that may hold data:
 * it is moved to STATE/quarantine, which nobody empties but a person.
 */
#pragma once

#include "vdc/agent/host.h"
#include "vdc/agent/spec.h"

/*
 * Do @wish, {action, …}:
 *
 *   remove_wire      {name}                    a tap, bridge or chain that no member has
 *   remove_group     {name}                    a control group without processes
 *   quarantine_disk  {application, member}     the root disk of a member that is not here
 *   quarantine_file  {name}                    one that leftovers_list told of
 *   close_volume     {name, user}              a volume noted as open by a member that has no VM
 *   record_volume    {name, volume, application, size_bytes}   the lost record of a volume's file
 *
 * @specs: of Spec, all members of this server. VDC_ERROR_REFUSED: not safe. Blocks; any thread.
 */
gboolean repair_do (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error);

/* A file is nobody's only when nobody has touched it for so long: what is being made has its rests. */
#define LEFTOVER_AGE_S 600
/* Paths below the state folder of files that belong to no member and no volume. New array; any thread. */
json_t *leftovers_list (const Host *host, const GPtrArray *specs);
