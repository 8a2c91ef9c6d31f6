/*
 * vdc-lab: the process that is a lab. It holds the fabric (a network namespace with the backbone and the
 * outside bridge), the machines, and the listeners on 127.0.0.1. When it ends, by whatever cause, all of that
 * ends; the lab's folder stays, and the next start goes on from it.
 */
#pragma once

#include "vdc/lab/paths.h"
#include "vdc/lab/settings.h"

#include <glib.h>

/*
 * Runs until the lab is down. Progress and the result of the start go to @ready_fd as lines of control.h (-1:
 * nowhere); it is closed after the result. Returns the exit status.
 */
int supervisor_run (const LabPaths *paths, const LabSettings *wanted, int ready_fd);

/* Remove what a supervisor that was killed could not: control groups, the folders run/ and client/. The lab
 * must not run.
 */
gboolean supervisor_sweep (const LabPaths *paths, GError **error);
