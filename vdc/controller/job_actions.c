/*
 * What users ask of a job: cancel and retry. job_undo.h decides what a cancel wishes for; here it is written
 * down, and the reconciler goes there. data.undo of a job is
 *
 *   {"off": [MEMBER…], "on": [MEMBER…]}   members it switched on, which a cancel switches off, and the other
 * way round a description (change_keep)           what was applied before it
 *
 * data.request is {debug, force, keep_volumes, instance, action}, those that matter; data.target the
 * description that was to be applied.
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/controller/change_internal.h"
#include "vdc/controller/job_undo.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/life_internal.h"

/* --- cancel ------------------------------------------------------------------------------------------------ */

static gboolean
refuse_cancel (const JobRecord *job, const char *reason, GError **error)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "cannot cancel the %s of '%s' (job %s): %s", job->kind,
                 job->application != NULL ? job->application : "the grid", job->id, reason);
    return FALSE;
}

static gboolean
is_of_members (const json_t *undo)
{
    return json_object_get (undo, "off") != NULL || json_object_get (undo, "on") != NULL;
}

/* Wish for what was before. *@steps: the way there, new array. FALSE: nothing was changed. */
static gboolean
turn_back (Controller *controller, Operation *operation, ApplicationRecord *application, const JobRecord *job,
           json_t **steps, GError **error)
{
    g_autoptr (json_t) data = job_data (controller, job);
    const json_t *undo = json_object_get (data, "undo");
    const UndoFacts facts = {.kind = job->kind,
                             .phase = phase_from_name (application->phase),
                             .then_start = application->then_start,
                             .of_members = is_of_members (undo),
                             .described = json_object_get (undo, "applied") != NULL};
    const char *reason = NULL;
    switch (job_undo (&facts, &reason)) {
    case UNDO_BY_STOP:
        return life_stop_again (controller, application, steps);
    case UNDO_BY_START:
        return life_start_again (controller, operation, application, steps, error);
    case UNDO_OF_MEMBERS:
        return life_switch_back (controller, operation, application, undo, steps, error);
    case UNDO_OF_DESCRIPTION:
        return change_back (controller, operation, application, undo, steps, error);
    case UNDO_REFUSED:
        break;
    }
    return refuse_cancel (job, reason, error);
}

static json_t *
cancel_now (Controller *controller, Operation *operation, ApplicationRecord *application, JobRecord *job,
            GError **error)
{
    json_t *steps = NULL;
    if (!turn_back (controller, operation, application, job, &steps, error))
        return NULL;
    g_autofree char *line =
        g_strdup_printf ("cancelled by %s, going back", operation->user != NULL ? operation->user : "vdcd");
    job_log (controller, job, NULL, line);
    job_turn_back (controller, job, steps);
    vdc_log (VDC_LOG_INFO, "job is being cancelled", "job", job->id, "kind", job->kind, "application",
             application->name, "user", operation->user != NULL ? operation->user : "", NULL);
    json_t *answer = json_pack ("{s:s}", "job", job->id);
    FP ("cancel.01.decided");
    answer = operation_finish (controller, operation, answer, error);
    FP ("cancel.02.accepted");
    return answer;
}

json_t *
operation_job_cancel (Controller *controller, Operation *operation, JobRecord *job, GError **error)
{
    if (strcmp (job->state, "running") != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "job %s has ended: it is %s", job->id, job->state);
        return NULL;
    }
    ApplicationRecord *application =
        job->application != NULL ? controller_application (controller, job->application, NULL) : NULL;
    if (application == NULL || job_of (controller, application) != job) {
        refuse_cancel (job, "it goes to its end by itself", error);
        return NULL;
    }
    if (operation->dry_run)
        return json_object ();
    if (job->cancelling)
        return operation_finish (controller, operation, json_pack ("{s:s}", "job", job->id), error);
    return cancel_now (controller, operation, application, job, error);
}

/* --- retry ------------------------------------------------------------------------------------------------- */

static json_t *
retry_start (Controller *controller, Operation *operation, ApplicationRecord *application, const json_t *data,
             GError **error)
{
    operation->debug = json_bool (json_object_get (data, "request"), "debug", FALSE);
    if (phase_from_name (application->phase) == PHASE_STARTING && application->failed)
        return operation_continue (controller, operation, application, error);
    return operation_start (controller, operation, application, error);
}

static json_t *
retry_stop (Controller *controller, Operation *operation, ApplicationRecord *application, const json_t *data,
            GError **error)
{
    return operation_stop (controller, operation, application, error);
}

static json_t *
retry_restart (Controller *controller, Operation *operation, ApplicationRecord *application,
               const json_t *data, GError **error)
{
    return operation_restart (controller, operation, application, error);
}

/* What was to be applied may be in force already, with members that failed in it: then those start again. */
static json_t *
retry_change (Controller *controller, Operation *operation, ApplicationRecord *application,
              const json_t *data, GError **error)
{
    const json_t *target = json_object_get (data, "target");
    if (!change_is_applied (application, target))
        return change_again (controller, operation, application, json_str (data, "kind", "apply"), target,
                             error);
    if (phase_from_name (application->phase) == PHASE_STOPPED)
        return operation_finish (controller, operation, json_object (), error);
    return operation_start (controller, operation, application, error);
}

static json_t *
retry_kind (Controller *controller, Operation *operation, ApplicationRecord *application,
            const JobRecord *job, const json_t *data, GError **error)
{
    static const struct {
        const char *kind;
        json_t *(*again) (Controller *, Operation *, ApplicationRecord *, const json_t *, GError **);
    } kinds[] = {{"start", retry_start},  {"stop", retry_stop},    {"restart", retry_restart},
                 {"apply", retry_change}, {"scale", retry_change}, {"config", retry_change}};
    const json_t *request = json_object_get (data, "request");
    const char *instance = json_str (request, "instance", NULL);
    if (instance != NULL)
        return operation_instance (controller, operation, application, instance,
                                   json_str (request, "action", ""), error);
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
        if (strcmp (kinds[i].kind, job->kind) == 0)
            return kinds[i].again (controller, operation, application, data, error);
    g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "a %s is not repeated by its job: ask for it anew",
                 job->kind);
    return NULL;
}

json_t *
operation_job_retry (Controller *controller, Operation *operation, JobRecord *job, GError **error)
{
    if (strcmp (job->state, "failed") != 0 && strcmp (job->state, "cancelled") != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "job %s is %s; only one that failed or was cancelled is repeated", job->id, job->state);
        return NULL;
    }
    ApplicationRecord *application =
        job->application != NULL ? controller_application (controller, job->application, NULL) : NULL;
    if (application == NULL || g_strcmp0 (application->id, job->application_id) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                     "cannot repeat job %s: its application '%s' is gone", job->id,
                     job->application != NULL ? job->application : "");
        return NULL;
    }
    g_autoptr (json_t) data = job_data (controller, job);
    if (data == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                     "cannot repeat job %s: what it was asked for is not kept; ask for it anew", job->id);
        return NULL;
    }
    g_autofree char *id = g_strdup (job->id); /* on an error the records are read anew */
    operation->retry_of = id;
    json_put (data, "kind", json_string (job->kind));
    return retry_kind (controller, operation, application, job, data, error);
}
