#include "vdc/controller/jobs.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"

json_t *
job_step_new (const char *kind, const char *object, const char *name, const char *text)
{
    return json_pack ("{s:s, s:s, s:s, s:s, s:s?}", "name", name, "kind", kind, "object", object, "state",
                      "pending", "text", text);
}

JobRecord *
job_start (Controller *controller, ApplicationRecord *application, const char *kind, json_t *steps)
{
    JobRecord *job = g_new0 (JobRecord, 1);
    job->id = id_random (8);
    job->kind = g_strdup (kind);
    job->application = g_strdup (application->name);
    job->application_id = g_strdup (application->id);
    job->state = g_strdup ("running");
    job->created = controller_stamp (controller);
    job->steps = steps;
    g_hash_table_insert (controller->jobs, g_strdup (job->id), job);
    record_set_string (&application->job, job->id);
    vdc_log (VDC_LOG_INFO, "job started", "job", job->id, "kind", kind, "application", application->name,
             NULL);
    controller_note (controller, "job.state", "job", job->id, application->name, "running",
                     json_pack ("{s:s}", "kind", kind));
    return job;
}

static JobRecord *
running_job (Controller *controller, const ApplicationRecord *application)
{
    JobRecord *job =
        application->job != NULL ? g_hash_table_lookup (controller->jobs, application->job) : NULL;
    return job != NULL && strcmp (job->state, "running") == 0 ? job : NULL;
}

static void
pass_end (const char *kind)
{
    if (strcmp (kind, "start") == 0)
        FP ("start.39.ended");
    else if (strcmp (kind, "stop") == 0)
        FP ("stop.22.ended");
    else if (strcmp (kind, "scale") == 0)
        FP ("scale.08.ended");
    else if (strcmp (kind, "destroy") == 0)
        FP ("destroy.06.ended");
    else if (strcmp (kind, "restore") == 0)
        FP ("restore.04.ended");
    else
        FP ("apply.08.ended");
}

void
job_end (Controller *controller, ApplicationRecord *application, const char *state, const json_t *error)
{
    JobRecord *job = running_job (controller, application);
    if (job == NULL)
        return;
    record_set_string (&job->state, state);
    g_free (job->ended);
    job->ended = controller_stamp (controller);
    record_set_json (&job->error, error != NULL ? json_deep_copy (error) : NULL);
    vdc_log (VDC_LOG_INFO, "job ended", "job", job->id, "kind", job->kind, "application", application->name,
             "state", state, NULL);
    controller_note (controller, "job.state", "job", job->id, application->name, state,
                     json_pack ("{s:s, s:O?}", "kind", job->kind, "error", job->error));
    pass_end (job->kind);
}

gboolean
job_is_running (Controller *controller, const ApplicationRecord *application, GError **error)
{
    const JobRecord *job = running_job (controller, application);
    if (job == NULL)
        return FALSE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "application '%s' is busy: job %s (%s) is running",
                 application->name, job->id, job->kind);
    return TRUE;
}

/* --- steps ------------------------------------------------------------------------------------------------- */

static gboolean
is_ready (const MemberRecord *member)
{
    State state = state_from_name (member->state);
    return state == STATE_RUNNING || state == STATE_DEGRADED;
}

static const char *
volume_step (const VolumeRecord *volume, const char **text)
{
    if (volume != NULL && volume->made)
        return "done";
    if (volume != NULL && volume->error != NULL) {
        *text = json_str (volume->error, "message", NULL);
        return "failed";
    }
    return "running";
}

/* Its agent knows it by its name again. */
static const char *
adopt_step (const VolumeRecord *volume, const char **text)
{
    if (volume == NULL || (volume->error == NULL && !volume->renamed))
        return "done";
    *text = json_str (volume->error, "message", NULL);
    return volume->error != NULL ? "failed" : "running";
}

/* Nothing of the member can go on: its server is silent. Static or NULL. */
static const char *
silence (Controller *controller, const MemberRecord *member)
{
    const Server *server = member != NULL && member->server != NULL
                               ? g_hash_table_lookup (controller->servers, member->server)
                               : NULL;
    if (member == NULL || member->server == NULL || member->known)
        return NULL;
    return server == NULL                 ? "waiting: its server is not registered"
           : server->state == SERVER_DOWN ? "waiting: its server is down; it goes on when the agent reports"
                                          : "waiting: its server has not reported since vdcd runs";
}

static const char *
start_step (const ApplicationRecord *application, const MemberRecord *member, const char **text)
{
    if (member == NULL)
        return application->next != NULL ? "pending" : "failed";
    if (member->failed) {
        *text = json_str (member->error, "message", NULL);
        return "failed";
    }
    if (application->then_start || member->again || !member->on)
        return "pending";
    *text = is_ready (member) ? member->state : member->text;
    return is_ready (member) ? "done" : "running";
}

static const char *
settings_step (const MemberRecord *member, const char **text)
{
    if (member == NULL || !member->on || member->failed)
        return "done";
    const json_t *guest = json_object_get (member->report, "guest");
    if (member->known && json_int (guest, "configured", -1) >= member->revision) {
        *text = json_str (guest, "configure_error", NULL);
        return *text != NULL ? "failed" : "done";
    }
    return "running";
}

static const char *
stop_step (const MemberRecord *member)
{
    if (member == NULL || (!member->on && member_is_gone (member)) ||
        (member->again && !member_has_vm (member)))
        return "done";
    return member->on ? "pending" : "running";
}

/* A step that is done stays done: a member stopped for a restart runs again before its job ends. */
static const char *
step_state (Controller *controller, const ApplicationRecord *application, const json_t *step,
            const char **text)
{
    const char *kind = json_str (step, "kind", ""), *object = json_str (step, "object", "");
    const MemberRecord *member = application_record_member (application, object);
    if (strcmp (kind, "volume") == 0)
        return volume_step (controller_application_volume (controller, application->name, object), text);
    if (strcmp (kind, "start") == 0)
        return start_step (application, member, text);
    if (strcmp (kind, "settings") == 0)
        return settings_step (member, text);
    if (strcmp (kind, "drain") == 0)
        return member == NULL || !member->on ? "done" : "running";
    if (strcmp (kind, "stop") == 0)
        return stop_step (member);
    if (strcmp (kind, "remove") == 0)
        return member == NULL ? "done" : member->on ? "pending" : "running";
    if (strcmp (kind, "trash") == 0)
        return application->members->len == 0 ? "done" : "pending";
    if (strcmp (kind, "adopt") == 0)
        return adopt_step (controller_application_volume (controller, application->name, object), text);
    return "done";
}

static gboolean
set_step (Controller *controller, JobRecord *job, json_t *step, const char *state, const char *text)
{
    gboolean waited = g_str_has_prefix (json_str (step, "text", ""), "waiting: ");
    gboolean waits = text != NULL && g_str_has_prefix (text, "waiting: ");
    gboolean moved = strcmp (json_str (step, "state", ""), state) != 0;
    json_put (step, "state", json_string (state));
    if (text != NULL || waited)
        json_put (step, "text", json_str_new (text));
    if (!moved && waits == waited)
        return FALSE;
    controller_note (controller, "job.step", "job", job->id, job->application, state, json_deep_copy (step));
    return TRUE;
}

static gboolean
may_fail (const ApplicationRecord *application, const json_t *step)
{
    const Member *described = application->topology != NULL
                                  ? topology_member (application->topology, json_str (step, "object", ""))
                                  : NULL;
    return described != NULL && described->instance->ignore_failure;
}

void
job_update (Controller *controller, ApplicationRecord *application)
{
    JobRecord *job = running_job (controller, application);
    gsize i;
    json_t *step, *failed = NULL;
    gboolean open = FALSE;
    if (job == NULL)
        return;
    json_array_foreach (job->steps, i, step) {
        const char *text = NULL;
        if (strcmp (json_str (step, "state", ""), "done") == 0)
            continue;
        const char *state = step_state (controller, application, step, &text);
        const MemberRecord *object = application_record_member (application, json_str (step, "object", ""));
        if (strcmp (state, "done") != 0 && strcmp (state, "failed") != 0 &&
            silence (controller, object) != NULL)
            text = silence (controller, object);
        set_step (controller, job, step, state, text);
        if (strcmp (state, "failed") == 0 && !may_fail (application, step))
            failed = step;
        else if (strcmp (state, "done") != 0 && strcmp (state, "failed") != 0)
            open = TRUE;
    }
    /* A step stays done, its member may still be seen once more in a late report: the phase decides. */
    Phase phase = phase_from_name (application->phase);
    if (open || application->next != NULL || phase == PHASE_STARTING || phase == PHASE_STOPPING ||
        phase == PHASE_FAILING)
        return;
    if (failed == NULL) {
        job_end (controller, application, "done", NULL);
        return;
    }
    const MemberRecord *member = application_record_member (application, json_str (failed, "object", ""));
    g_autoptr (json_t) error =
        json_pack ("{s:s, s:s, s:s?}", "instance", json_str (failed, "object", ""), "step",
                   json_str (failed, "kind", ""), "message", json_str (failed, "text", NULL));
    if (member != NULL && member->error != NULL)
        json_object_update (error, member->error);
    job_end (controller, application, "failed", error);
}

/* --- keeping ----------------------------------------------------------------------------------------------- */

static gint
compare_created (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(JobRecord *const *)a)->created, (*(JobRecord *const *)b)->created);
}

void
jobs_trim (Controller *controller)
{
    if (g_hash_table_size (controller->jobs) <= JOBS_KEPT)
        return;
    g_autoptr (GPtrArray) ended = g_ptr_array_new ();
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        if (strcmp (job->state, "running") != 0)
            g_ptr_array_add (ended, job);
    g_ptr_array_sort (ended, compare_created);
    guint excess = g_hash_table_size (controller->jobs) - JOBS_KEPT;
    for (guint i = 0; i < MIN (excess, ended->len); i++) {
        g_autofree char *id = g_strdup (((JobRecord *)ended->pdata[i])->id);
        controller_write (controller, STORE_JOBS, id, NULL);
        g_hash_table_remove (controller->jobs, id);
    }
}

json_t *
job_json (const JobRecord *job)
{
    json_t *object = job_record_json (job);
    gsize i, done = 0;
    json_t *step;
    json_array_foreach (job->steps, i, step) {
        done += strcmp (json_str (step, "state", ""), "done") == 0;
    }
    gsize all = json_array_size (job->steps);
    gboolean ended = strcmp (job->state, "done") == 0;
    json_put (object, "progress", json_integer (ended || all == 0 ? 100 : (json_int_t)(100 * done / all)));
    return object;
}
