/*
 * Long operations as people follow them: numbered steps whose state is derived from the states of what they
 * are about. A job does nothing itself; the reconciler does. So a restarted vdcd has nothing to resume here,
 * and undoing one is wishing for something else (job_undo.h): the reconciler goes there.
 *
 *   running ──► done | failed | cancelled (on request, or another operation took over)
 *      └─ cancelling: still running, on its way back; ends cancelled, or failed when it could not get there
 *
 * A step: {number, name, kind, object, state: pending|running|done|failed|cancelled, text, undo, began,
 * ended, bytes, bytes_total, undoes}. `undo` says what a cancel does about it (null: nothing), `undoes`: it
 * is part of a cancel. Kinds: "volume" (made), "start" (member ready), "settings" (member took its settings
 * over), "drain", "stop", "remove" (member), "trash" (no member left:
 * into the trash), "restore" (the records are back), "adopt" (its server has the volume).
 *
 * What a job was asked for and what to go back to may be as large as a description: its row "job.ID" of
 * STORE_META, written once and deleted when nobody can need it any more: {request: {…, as the operation's
 * file says}, undo: {…}, target: {…}}
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/controller/operation.h"

#define JOBS_KEPT 500
#define JOB_LOG_LINES 200

/*
 * Begin a job, which becomes the application's. @steps is taken. @data: {request, undo, target}, taken; NULL:
 * it can neither be repeated nor be taken back. Borrowed result.
 */
JobRecord *job_start (Controller *controller, const Operation *operation, ApplicationRecord *application,
                      const char *kind, json_t *steps, json_t *data);
/* {request, undo, target} of an unended, failed or cancelled job; NULL: none was kept. New reference. */
json_t *job_data (Controller *controller, const JobRecord *job);
/* {name, kind, object, state:"pending", text}. @text may be NULL. New reference. */
json_t *job_step_new (const char *kind, const char *object, const char *name, const char *text);
/* Look where the application's running job is (job_steps.c). */
void job_update (Controller *controller, ApplicationRecord *application);
/* A line of its log; @step NULL: about all of it. */
void job_log (Controller *controller, JobRecord *job, const json_t *step, const char *text);
/* What was moved, where that is known: of the application's running job, the step about @object. */
void job_bytes (Controller *controller, const char *application, const char *kind, const char *object,
                gint64 bytes, gint64 bytes_total);
/* From now on it goes back: open steps are cancelled, @steps (taken) follow. */
void job_turn_back (Controller *controller, JobRecord *job, json_t *steps);
/* End the application's running job, if any: "failed" with @error (may be NULL, copied), "cancelled", "done".
 */
void job_end (Controller *controller, ApplicationRecord *application, const char *state, const json_t *error);
/* The application's running job; NULL: none. */
JobRecord *job_of (Controller *controller, const ApplicationRecord *application);
/* TRUE and VDC_ERROR_CONFLICT, which says who runs what since when, while a job is running. */
gboolean job_is_running (Controller *controller, const ApplicationRecord *application, GError **error);
/* A line in the log of each running job: vdcd was started again. Once, at start. */
void jobs_resumed (Controller *controller);
/* Drop ended jobs beyond JOBS_KEPT. */
void jobs_trim (Controller *controller);

/*
 * Seconds until the end of a job that runs for @elapsed_s: by what the last one of its kind took (@typical_s,
 * -1: there was none), else by the share of steps done. -1: nobody can know. Pure.
 */
gint64 job_eta_s (gint64 elapsed_s, gint64 typical_s, gsize done, gsize all);
/* JOB for the API, without its log. New reference. */
json_t *job_json (Controller *controller, const JobRecord *job);

/* --- job_actions.c: what users ask of a job ------------------------------------------------------------------ */

/*
 * Go back to what was before it: {"job": ID}, which ends as cancelled once that is so. VDC_ERROR_REFUSED says
 * why it cannot be, VDC_ERROR_CONFLICT: it has ended.
 */
json_t *operation_job_cancel (Controller *controller, Operation *operation, JobRecord *job, GError **error);
/* Ask again for what a failed or cancelled one was asked for: {"job": ID} of the new one, {} when it is so
 * already. */
json_t *operation_job_retry (Controller *controller, Operation *operation, JobRecord *job, GError **error);
