#include "vdc/controller/reconcile.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/controller/agent_link.h"
#include "vdc/controller/agent_watch.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/learn.h"
#include "vdc/controller/memo.h"
#include "vdc/controller/moves.h"
#include "vdc/controller/observe.h"
#include "vdc/controller/keys.h"
#include "vdc/controller/operation.h"
#include "vdc/controller/specs.h"
#include "vdc/controller/trash.h"

/* Less is the clock being kept right. */
#define CLOCK_STEP_US (2 * (gint64)G_USEC_PER_SEC)
#define VISIT_US (10 * (gint64)G_USEC_PER_SEC)
#define HOUSEKEEPING_US (3600 * (gint64)G_USEC_PER_SEC)

static Phase
phase_of (const ApplicationRecord *application)
{
    return phase_from_name (application->phase);
}

/* --- starting ---------------------------------------------------------------------------------------------- */

static gboolean
may_fail (const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *described = topology_member (application->topology, member->name);
    return described != NULL && described->instance->ignore_failure;
}

static void
fail_start (Controller *controller, ApplicationRecord *application, const MemberRecord *culprit)
{
    json_t *error = json_pack ("{s:s}", "instance", culprit->name);
    json_object_update (error, culprit->error);
    application->failed = TRUE;
    record_set_json (&application->error, error);
    vdc_log (VDC_LOG_ERROR, "start failed", "application", application->name, "instance", culprit->name,
             "step", json_str (error, "step", ""), "error", json_str (error, "message", ""), "debug",
             application->debug ? "left up" : "taken down", NULL);
    if (application->debug || vdc_bug ("reconcile-failed-start-stays-up")) {
        job_end (controller, application, "failed", application->error);
        return;
    }
    move_phase (controller, application, PHASE_FAILING);
    for (guint i = 0; i < application->members->len; i++)
        ((MemberRecord *)application->members->pdata[i])->on = FALSE;
}

static void
decide_starting (Controller *controller, ApplicationRecord *application)
{
    gboolean whole = TRUE;
    for (guint i = 0; i < application->members->len && !application->failed; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (member->failed && !may_fail (application, member)) {
            fail_start (controller, application, member);
            return;
        }
        State state = state_from_name (member->state);
        whole = whole && (!member->on || state == STATE_RUNNING || state == STATE_DEGRADED);
    }
    if (whole && !application->failed) {
        move_phase (controller, application, PHASE_RUNNING);
        FP ("start.38.running");
    }
}

/* --- stopping ---------------------------------------------------------------------------------------------- */

/* Clients stop before those that serve them; members of a circle of wires together. */
static gboolean
may_stop (const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *described = topology_member (application->topology, member->name);
    if (described == NULL || vdc_bug ("reconcile-servers-stop-first"))
        return TRUE;
    g_autoptr (GPtrArray) clients = topology_clients (application->topology, described);
    for (guint i = 0; i < clients->len; i++) {
        const Member *client = clients->pdata[i];
        const MemberRecord *record = application_record_member (application, client->name);
        if (client->stage > described->stage && record != NULL && (record->on || member_has_vm (record)))
            return FALSE;
    }
    return TRUE;
}

static void
end_stop (Controller *controller, ApplicationRecord *application)
{
    g_autoptr (GError) error = NULL;
    Operation operation = {.debug = application->debug};
    gboolean failing = phase_of (application) == PHASE_FAILING;
    job_update (controller, application); /* its stop steps end here, before anything starts again */
    move_phase (controller, application, PHASE_STOPPED);
    if (failing) {
        job_end (controller, application, "failed", application->error);
        return;
    }
    if (!application->then_start)
        return;
    application->then_start = FALSE;
    if (life_begin_start (controller, &operation, application, &error))
        return;
    application->failed = TRUE;
    record_set_json (&application->error, json_pack ("{s:s, s:s, s:s}", "step", "place", "code",
                                                     vdc_error_name (error), "message", error->message));
    if (operation.params != NULL)
        json_object_update (application->error, operation.params);
    json_decref (operation.params);
    job_end (controller, application, "failed", application->error);
}

static void
decide_stopping (Controller *controller, ApplicationRecord *application)
{
    gboolean gone = TRUE;
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (member->on && may_stop (application, member)) {
            member->on = member->again = FALSE;
            member->failed = FALSE;
            record_set_json (&member->error, NULL);
            FP ("stop.03.member_off");
        } else if (phase_of (application) == PHASE_STOPPING && member->failed) {
            member->failed = FALSE;
            record_set_json (&member->error, NULL);
        }
        gone = gone && !member->on && member_is_gone (member);
    }
    if (!gone)
        return;
    FP ("stop.21.all_gone");
    end_stop (controller, application);
}

/* --- running ----------------------------------------------------------------------------------------------- */

/* Restarted by order: the old VM ended properly, or there is none. */
static void
decide_again (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    if (!member->on || !member->again || !member->known || member_has_vm (member))
        return;
    if (member->report != NULL && json_int (member->report, "generation", -1) != member->generation)
        return;                           /* it has not heard of it yet */
    job_update (controller, application); /* its stop step ends here, before it starts again */
    if (member->renew) {
        member->root_epoch++;
        member->rooted = FALSE;
    }
    member->again = member->renew = FALSE;
    member->incarnation++;
    member->timer_us = controller_now_us (controller);
    FP ("apply.06.restarting");
}

/* Every client confirmed the settings that say so, and nothing is under way on its inputs any more; or time
 * is up. */
static gboolean
is_drained (Controller *controller, const ApplicationRecord *application, MemberRecord *member)
{
    const Member *described = topology_member (application->topology, member->name);
    gint64 left_us = member->drain_end_us - controller_now_us (controller);
    if (described == NULL || left_us <= 0 || vdc_bug ("reconcile-no-drain"))
        return TRUE;
    if (left_us > described->instance->stop_timeout_s * (gint64)G_USEC_PER_SEC) /* the clock was set back */
        member->drain_end_us -= left_us - described->instance->stop_timeout_s * (gint64)G_USEC_PER_SEC;
    g_autoptr (GPtrArray) clients = topology_clients (application->topology, described);
    for (guint i = 0; i < clients->len; i++) {
        const MemberRecord *client =
            application_record_member (application, ((Member *)clients->pdata[i])->name);
        const json_t *guest = client != NULL ? json_object_get (client->report, "guest") : NULL;
        if (client == NULL || !client->on || client->failed || client->leaving)
            continue;
        if (json_int (guest, "configured", -1) < client->revision)
            return FALSE;
    }
    const json_t *guest = json_object_get (member->report, "guest");
    return json_int (guest, "configured", -1) >= member->revision && json_bool (guest, "drained", FALSE);
}

static void
decide_leaving (Controller *controller, ApplicationRecord *application)
{
    for (guint i = application->members->len; i > 0; i--) {
        MemberRecord *member = application->members->pdata[i - 1];
        if (!member->leaving)
            continue;
        if (member->on && (!member->draining || member->failed || !member_has_vm (member) ||
                           is_drained (controller, application, member))) {
            member->on = FALSE;
            FP ("scale.05.drained");
        }
        if (!member->on && (member->server == NULL || (member->erased && member_is_gone (member)))) {
            controller_note (controller, "instance.removed", "instance", member->name, application->name,
                             NULL, NULL);
            g_ptr_array_remove_index (application->members, i - 1);
            FP ("scale.06.member_removed");
        }
    }
}

/* What was to leave has left; the old description stays and names it. It can be started again. */
static void
restore_members (ApplicationRecord *application)
{
    for (guint i = 0; i < application->topology->members->len; i++) {
        const char *name = ((Member *)application->topology->members->pdata[i])->name;
        if (application_record_member (application, name) == NULL)
            application_record_add (application, name);
    }
}

static void
decide_next (Controller *controller, ApplicationRecord *application)
{
    g_autoptr (GError) error = NULL;
    if (application->next == NULL)
        return;
    for (guint i = 0; i < application->members->len; i++)
        if (((MemberRecord *)application->members->pdata[i])->leaving)
            return;
    if (operation_adopt_next (controller, application, &error)) {
        FP ("scale.07.next_adopted");
        return;
    }
    restore_members (application);
    vdc_log (VDC_LOG_ERROR, "change cannot be taken over, keeping the old description", "application",
             application->name, "error", error->message, NULL);
    record_set_json (&application->next, NULL);
    g_autoptr (json_t) why = json_pack ("{s:s, s:s, s:s}", "step", "apply", "code", vdc_error_name (error),
                                        "message", error->message);
    job_end (controller, application, "failed", why);
}

/* --- destroying -------------------------------------------------------------------------------------------- */

/* TRUE: nothing of it is left on the servers but the files of its volumes; it is in the trash. */
static gboolean
decide_destroying (Controller *controller, ApplicationRecord *application)
{
    if (!application->destroying || phase_of (application) != PHASE_STOPPED)
        return FALSE;
    for (guint i = 0; i < application->members->len; i++)
        ((MemberRecord *)application->members->pdata[i])->leaving = TRUE;
    decide_leaving (controller, application);
    if (application->members->len > 0)
        return FALSE;
    FP ("destroy.05.members_left");
    job_update (controller, application);
    job_end (controller, application, "done", NULL);
    trash_put_application (controller, application);
    FP ("destroy.07.trashed");
    return TRUE;
}

/* --- a round ----------------------------------------------------------------------------------------------- */

/* A new member of a running application takes nothing from it until it is ready. */
static gboolean
is_joining (const ApplicationRecord *application, const MemberRecord *member)
{
    return phase_of (application) == PHASE_RUNNING && member->on && !member->was_ready &&
           state_from_name (member->state) == STATE_STARTING;
}

static void
publish (Controller *controller, ApplicationRecord *application)
{
    g_autofree State *states = g_new (State, application->members->len + 1);
    guint n = 0;
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        observe_publish (controller, application, member);
        const Member *described = topology_member (application->topology, member->name);
        if (described != NULL && !described->instance->standby && !described->instance->ignore_failure &&
            !member->leaving && !is_joining (application, member))
            states[n++] = state_from_name (member->state);
    }
    move_application (controller, application,
                      lifecycle_application (phase_of (application), application->failed, states, n));
}

/* TRUE: the application is gone for good. */
static gboolean
decide (Controller *controller, ApplicationRecord *application)
{
    Phase phase = phase_of (application);
    if (application->topology == NULL)
        return FALSE;
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (phase == PHASE_STARTING || phase == PHASE_RUNNING)
            observe_member (controller, application, member);
        decide_again (controller, application, member);
        observe_publish (controller, application, member);
    }
    if (phase == PHASE_STARTING)
        decide_starting (controller, application);
    if (phase == PHASE_STOPPING || phase_of (application) == PHASE_FAILING)
        decide_stopping (controller, application);
    if (!application->destroying)
        decide_leaving (controller, application);
    decide_next (controller, application);
    if (decide_destroying (controller, application))
        return TRUE;
    publish (controller, application);
    specs_update (controller, application);
    job_update (controller, application);
    return FALSE;
}

/* The next report or answer will be about it, or time will. */
static gboolean
member_is_busy (const ApplicationRecord *application, const MemberRecord *member)
{
    if (member->calling || member->again || member->draining || member->leaving)
        return TRUE;
    if (!specs_power (application, member))
        return !member_is_gone (member);
    State state = state_from_name (member->state);
    return json_int (member->report, "generation", -1) != member->generation ||
           (state != STATE_RUNNING && state != STATE_DEGRADED);
}

static gboolean
is_busy (Controller *controller, const ApplicationRecord *application)
{
    Phase phase = phase_of (application);
    if (application->next != NULL || application->destroying || application->then_start ||
        (phase != PHASE_STOPPED && phase != PHASE_RUNNING) || job_is_running (controller, application, NULL))
        return TRUE;
    for (guint i = 0; i < application->members->len; i++)
        if (member_is_busy (application, application->members->pdata[i]))
            return TRUE;
    return FALSE;
}

/* Also one to which nothing happened, now and then: what was forgotten here is only late. */
static gboolean
is_due (Controller *controller, ApplicationRecord *application)
{
    gint64 now_us = clock_monotonic_us (controller->clock);
    if (!application->touched && !application->busy && !application->dirty &&
        now_us - application->visited_us < VISIT_US)
        return FALSE;
    application->visited_us = now_us;
    return TRUE;
}

static void
decide_all (Controller *controller)
{
    GHashTableIter iter;
    const char *name;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&application)) {
        application->visited = is_due (controller, application);
        if (!application->visited)
            continue;
        agent_watch_attach (controller, application);
        application->touched = FALSE;
        application->dirty = TRUE;
        gboolean gone = decide (controller, application);
        application->busy = is_busy (controller, application);
        if (!gone)
            continue;
        vdc_log (VDC_LOG_INFO, "application destroyed", "application", name, NULL);
        controller_write (controller, STORE_APPLICATIONS, name, NULL);
        g_hash_table_iter_remove (&iter);
        FP ("destroy.08.dropped");
    }
}

static void
housekeeping (Controller *controller)
{
    gint64 now_us = clock_monotonic_us (controller->clock);
    jobs_trim (controller);
    if (controller->kept_us != 0 && now_us - controller->kept_us < HOUSEKEEPING_US)
        return;
    controller->kept_us = now_us;
    keys_forget (controller);
}

/*
 * Times are stored by the wall clock, so that they mean something to the next vdcd too. When somebody sets
 * it, what is waited for is moved with it: nobody times out at once, and nobody waits for a day.
 */
static void
follow_clock (Controller *controller)
{
    gint64 offset_us = controller_now_us (controller) - clock_monotonic_us (controller->clock);
    gint64 delta_us = offset_us - controller->clock_us;
    if (controller->clock_us == 0 || ABS (delta_us) >= CLOCK_STEP_US) {
        controller_touch_all (controller);
        GHashTableIter iter;
        ApplicationRecord *application;
        gint64 now_us = controller_now_us (controller);
        g_hash_table_iter_init (&iter, controller->applications);
        while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
            if (controller->clock_us != 0)
                application_record_shift (application, delta_us);
            else
                application_record_clamp (application, now_us);
        if (controller->clock_us != 0) {
            trash_shift (controller, delta_us);
            vdc_log (VDC_LOG_WARNING, "the clock was set, following", NULL);
        }
    }
    controller->clock_us = offset_us;
}

void
reconcile_all (Controller *controller)
{
    g_autoptr (GError) error = NULL;
    follow_clock (controller);
    if (learn_round (controller))
        return;
    if (controller->reported)
        agent_watch_attach_all (controller);
    decide_all (controller);
    trash_tick (controller);
    agent_link_decide_volumes (controller);
    housekeeping (controller);
    if (!controller_commit (controller, &error)) {
        vdc_log (VDC_LOG_ERROR, "cannot store the state, doing nothing, retrying", "error", error->message,
                 NULL);
        return;
    }
    FP ("round.01.stored");
    agent_link_act (controller);
    memos_round (controller);
}
