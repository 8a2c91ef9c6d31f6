/*
 * Shared by the files of topology. Inside vdc/model only.
 */
#pragma once

#include "vdc/model/topology.h"

/* Sets stage and circle of every member, cycles and n_stages. Members and wires must be complete. */
void topology_set_order (Topology *topology);
/* "web.2" before "web.10". */
gint member_name_compare (const char *a, const char *b);
