/*
 * A lab from outside: what "vdc lab …" does. Blocking; for command-line tools.
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/lab/paths.h"
#include "vdc/lab/settings.h"

#include <glib.h>

/* Called for each step that takes a moment. */
typedef void (*LabProgress) (const char *text, gpointer user_data);

/*
 * Bring the lab up and wait until its API answers and its server has reported. A lab that is up is left as it
 * is. Result: what lab_status gives, caller owns. On failure nothing runs and nothing is left outside the
 * lab's folder.
 */
json_t *lab_up (const LabPaths *paths, const LabSettings *wanted, LabProgress progress, gpointer user_data,
                GError **error);

/*
 * Stop the applications in their order (@now: power them off), then everything else. Returns when no process
 * of the lab is left. A lab that is down is swept and gives TRUE. @purge removes the lab's folder, volumes
 * included.
 */
gboolean lab_down (const LabPaths *paths, gboolean now, gboolean purge, LabProgress progress,
                   gpointer user_data, GError **error);

/*
 * {"name","state":"down|starting|up|stopping","folder","url","pid",
 *  "machines":[{"name","state":"on|off","address","pid","processes":[{"pid","name"}]}],
 *  "published":[{"application","member","address","port","local_port","error"}]}; caller owns.
 */
json_t *lab_status (const LabPaths *paths, GError **error);

/* Cut the server's power, or give it back (@on). Returns when it is cut, or is being started. */
gboolean lab_power (const LabPaths *paths, const char *server, gboolean on, GError **error);
