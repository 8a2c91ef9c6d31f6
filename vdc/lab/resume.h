/*
 * Applications over "lab down" and the next "lab up": those that run are stopped in their order, written to
 * FOLDER/resume.json first, and started again when the lab is up again.
 */
#pragma once

#include "vdc/lab/link.h"
#include "vdc/lab/paths.h"

/*
 * @applications: GET /api/v1/applications. Write down those that are to run and ask vdcd to stop them.
 * FALSE when there is none, or when they could not be written down: then there is nothing to wait for.
 */
gboolean resume_stop (const LabPaths *paths, Link *link, const json_t *applications);
/* TRUE when no application of that answer has a running part any more. */
gboolean resume_all_stopped (const json_t *applications);
/* Start what was written down, then forget it. */
void resume_start (const LabPaths *paths, Link *link);
