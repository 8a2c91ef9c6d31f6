/* Where a job is: its steps' states follow from what is wished and what was reported. */
#include "vdc/controller/jobs.h"

#include <string.h>

#include "vdc/base/bug.h"

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

static void
stamp_step (Controller *controller, json_t *step, const char *key)
{
    g_autofree char *stamp = controller_stamp (controller);
    json_put (step, key, json_string (stamp));
}

/* In the log each move of a step, and each new text of one that goes on. */
static void
log_step (Controller *controller, JobRecord *job, const json_t *step, gboolean moved, const char *text)
{
    g_autofree char *line = text != NULL && moved
                                ? g_strdup_printf ("%s, %s", json_str (step, "state", ""), text)
                                : g_strdup (moved ? json_str (step, "state", "") : text);
    if (line != NULL)
        job_log (controller, job, step, line);
}

static void
set_step (Controller *controller, JobRecord *job, json_t *step, const char *state, const char *text)
{
    g_autofree char *before = g_strdup (json_str (step, "text", NULL));
    gboolean waited = before != NULL && g_str_has_prefix (before, "waiting: ");
    gboolean waits = text != NULL && g_str_has_prefix (text, "waiting: ");
    gboolean moved = strcmp (json_str (step, "state", ""), state) != 0;
    gboolean said = text != NULL && g_strcmp0 (before, text) != 0;
    json_put (step, "state", json_string (state));
    if (text != NULL || waited)
        json_put (step, "text", json_str_new (text));
    if (moved && strcmp (state, "pending") != 0 && json_str (step, "began", NULL) == NULL)
        stamp_step (controller, step, "began");
    if (moved && (strcmp (state, "done") == 0 || strcmp (state, "failed") == 0))
        stamp_step (controller, step, "ended");
    if (moved || said)
        log_step (controller, job, step, moved, said ? text : NULL);
    if (moved || waits != waited)
        controller_note (controller, "job.step", "job", job->id, job->application, state,
                         json_deep_copy (step));
}

static gboolean
may_fail (const ApplicationRecord *application, const json_t *step)
{
    const Member *described = application->topology != NULL
                                  ? topology_member (application->topology, json_str (step, "object", ""))
                                  : NULL;
    return described != NULL && described->instance->ignore_failure;
}

/* A step that is done stays done; what came before a cancel is of no interest any more. */
static gboolean
is_over (const JobRecord *job, const json_t *step)
{
    const char *state = json_str (step, "state", "");
    return strcmp (state, "done") == 0 || (job->cancelling && !json_bool (step, "undoes", FALSE));
}

void
job_update (Controller *controller, ApplicationRecord *application)
{
    JobRecord *job = job_of (controller, application);
    gsize i;
    json_t *step, *failed = NULL;
    gboolean open = FALSE;
    if (job == NULL)
        return;
    json_array_foreach (job->steps, i, step) {
        const char *text = NULL;
        if (is_over (job, step))
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
    if (failed == NULL || vdc_bug ("reconcile-failure-is-done")) {
        job_end (controller, application, job->cancelling ? "cancelled" : "done", NULL);
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
