/*
 * Asks the scheduler where members of an application go, with the grid as it is now.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/controller/scheduler.h"

/*
 * What a VM takes of its server on top of its guest's memory: QEMU itself, its translation buffer (tb-size of
 * the domain, 64 MiB under TCG) and page tables. Seen on idle appliances: 110 to 150 MiB, of which some 40
 * are shared.
 */
#define VM_OVERHEAD_BYTES ((gint64)128 << 20)

/* Memory promised on @server: of every member that is on there, or is not yet gone from it, with
 * VM_OVERHEAD_BYTES. */
gint64 placement_reserved_bytes (Controller *controller, const char *server);

/*
 * Choose servers for @names (members of @topology, which need not be the application's current one). Result:
 * member → server, both owned by the table. @application NULL: a new one. NULL: VDC_ERROR_NO_CAPACITY, and
 * *@params (may be NULL, caller frees) says {instance, step, remedy}.
 */
GHashTable *placement_choose (Controller *controller, const ApplicationRecord *application,
                              const Topology *topology, const GPtrArray *names, json_t **params,
                              GError **error);
