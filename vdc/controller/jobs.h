/*
 * Long operations as people follow them: named steps whose state is derived from the states of what they are
 * about. A job does nothing itself; the reconciler does. So a restarted vdcd has nothing to resume here.
 *
 *   running ──► done | failed | cancelled (another operation took over)
 *
 * A step: {name, kind, object, state: pending|running|done|failed, text}. Kinds: "volume" (made), "start"
 * (member ready), "settings" (member took its settings over), "drain", "stop", "remove" (member), "trash"
 * (no member left: into the trash), "restore" (the records are back), "adopt" (its server has the volume).
 */
#pragma once

#include "vdc/controller/controller.h"

#define JOBS_KEPT 500

/* Begin a job, which becomes the application's. @steps is taken. Borrowed result. */
JobRecord *job_start (Controller *controller, ApplicationRecord *application, const char *kind,
                      json_t *steps);
/* {name, kind, object, state:"pending", text}. @text may be NULL. New reference. */
json_t *job_step_new (const char *kind, const char *object, const char *name, const char *text);
/* Look where the application's running job is. */
void job_update (Controller *controller, ApplicationRecord *application);
/* End the application's running job, if any: "failed" with @error (may be NULL, copied), "cancelled", "done".
 */
void job_end (Controller *controller, ApplicationRecord *application, const char *state, const json_t *error);
/* TRUE and VDC_ERROR_CONFLICT when a job is running. */
gboolean job_is_running (Controller *controller, const ApplicationRecord *application, GError **error);
/* Drop ended jobs beyond JOBS_KEPT. */
void jobs_trim (Controller *controller);
/* JOB for the API. New reference. */
json_t *job_json (const JobRecord *job);
