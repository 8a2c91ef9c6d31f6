/* What a machine of the lab sees of the file system. Runs in the machine's mount namespace, once, before its
 * daemons. */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

/* @settings: see machine.h. */
gboolean machine_mounts_make (const json_t *settings, GError **error);
