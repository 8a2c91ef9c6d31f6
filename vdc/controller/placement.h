/*
 * Asks the scheduler where members of an application go, with the grid as it is now.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/controller/scheduler.h"

/* Memory promised on @server: of every member that is on there, or is not yet gone from it. */
gint64 placement_reserved_bytes (Controller *controller, const char *server);

/*
 * Choose servers for @names (members of @topology, which need not be the application's current one). Result:
 * member → server, both owned by the table. @application NULL: a new one. NULL: VDC_ERROR_NO_CAPACITY, and
 * *@culprit (may be NULL, caller frees) is the member that does not fit.
 */
GHashTable *placement_choose (Controller *controller, const ApplicationRecord *application,
                              const Topology *topology, const GPtrArray *names, char **culprit,
                              GError **error);
