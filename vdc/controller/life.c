/*
 * What an application does: start, stop, restart, clean, destroy. These only write down what is wished; see
 * reconcile.c for what follows from it.
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/life_internal.h"
#include "vdc/controller/moves.h"
#include "vdc/controller/operation.h"
#include "vdc/controller/placement.h"
#include "vdc/controller/plan.h"

/* --- shared ------------------------------------------------------------------------------------------------ */

void
life_switch_on (Controller *controller, ApplicationRecord *application, MemberRecord *member,
                const char *server)
{
    if (g_strcmp0 (member->server, server) != 0) {
        if (member->server != NULL)
            member->root_epoch++; /* its root disk stayed behind */
        record_set_string (&member->server, server);
    }
    member->on = TRUE;
    member->failed = member->go = member->was_ready = member->again = FALSE;
    member->incarnation++;
    member->restarts = 0;
    member->timer_us = controller_now_us (controller);
    member->retry_us = 0;
    record_set_json (&member->failures, json_array ());
    record_set_json (&member->error, NULL);
    move_member (controller, application, member, STATE_STARTING, NULL);
}

static GHashTable *
made_volumes (Controller *controller, const ApplicationRecord *application)
{
    GHashTable *made = g_hash_table_new (g_str_hash, g_str_equal);
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application->name) == 0 && volume->made)
            g_hash_table_add (made, volume->local);
    return made;
}

static GHashTable *
running_members (const ApplicationRecord *application)
{
    GHashTable *running = g_hash_table_new (g_str_hash, g_str_equal);
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (member->on || member->report != NULL)
            g_hash_table_add (running, member->name);
    }
    return running;
}

static json_t *
start_steps (Controller *controller, const ApplicationRecord *application, GHashTable *servers)
{
    g_autoptr (GHashTable) made = made_volumes (controller, application);
    const PlanFacts facts = {.topology = application->topology, .servers = servers, .made = made};
    return plan_start (&facts);
}

static json_t *
stop_steps (const ApplicationRecord *application)
{
    g_autoptr (GHashTable) running = running_members (application);
    const PlanFacts facts = {.topology = application->topology, .running = running};
    return plan_stop (&facts);
}

static json_t *
begin_job (Controller *controller, const Operation *operation, ApplicationRecord *application,
           const char *kind, json_t *steps, json_t *data)
{
    return json_pack ("{s:s}", "job", job_start (controller, operation, application, kind, steps, data)->id);
}

/* What a job that is about all of an application needs to be repeated. */
static json_t *
request_data (const Operation *operation)
{
    return json_pack ("{s:{s:b, s:b, s:b}}", "request", "debug", operation->debug, "force", operation->force,
                      "keep_volumes", operation->keep_volumes);
}

/* One that switches members, @key "on" or "off" again when it is cancelled. */
static json_t *
members_data (const char *instance, const char *action, const char *key, const GPtrArray *names)
{
    json_t *list = json_array ();
    for (guint i = 0; i < names->len; i++)
        json_array_append_new (list, json_string (names->pdata[i]));
    return json_pack ("{s:{s:s?, s:s}, s:{s:o}}", "request", "instance", instance, "action", action, "undo",
                      key, list);
}

/* Asked for what goes on already. Also this is remembered: the same key must not begin it anew later. */
static json_t *
under_way (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    json_t *answer = application->job != NULL ? json_pack ("{s:s}", "job", application->job) : json_object ();
    return operation_finish (controller, operation, answer, error);
}

static gboolean
refuse_state (const ApplicationRecord *application, const char *verb, const char *hint, GError **error)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "cannot %s application '%s': it is %s%s%s", verb,
                 application->name, application->destroying ? "being destroyed" : application->state,
                 hint != NULL ? "; " : "", hint != NULL ? hint : "");
    return FALSE;
}

/* --- start ------------------------------------------------------------------------------------------------- */

/* An image built since the description was applied counts: only its absence was recorded. */
static gboolean
find_image (Controller *controller, Operation *operation, ApplicationRecord *application,
            const Member *member, GError **error)
{
    g_autofree char *text = member_class_text (member);
    if (json_object_get (application->images, text) != NULL)
        return TRUE;
    const json_t *image = controller_class_image (controller, member->catalog, member->class->boundary.name,
                                                  member->class->boundary.version);
    if (image != NULL) {
        json_object_set (application->images, text, (json_t *)image);
        return TRUE;
    }
    g_autofree char *remedy = g_strdup_printf ("build it: appliances/build %s", member->class->boundary.name);
    g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "cannot start '%s': the image of %s was not built; %s",
                 member->name, text, remedy);
    operation->params =
        json_pack ("{s:s, s:s, s:s}", "instance", member->name, "step", "image", "remedy", remedy);
    return FALSE;
}

static GPtrArray *
members_to_start (const ApplicationRecord *application)
{
    GPtrArray *names = g_ptr_array_new ();
    for (guint i = 0; i < application->topology->members->len; i++) {
        const Member *member = application->topology->members->pdata[i];
        const MemberRecord *record = application_record_member (application, member->name);
        if (record != NULL && !member->instance->standby && (!record->on || record->failed))
            g_ptr_array_add (names, member->name);
    }
    return names;
}

static GHashTable *
place (Controller *controller, Operation *operation, ApplicationRecord *application, const GPtrArray *names,
       GError **error)
{
    for (guint i = 0; i < names->len; i++)
        if (!find_image (controller, operation, application,
                         topology_member (application->topology, names->pdata[i]), error))
            return NULL;
    return placement_choose (controller, application, application->topology, names, &operation->params,
                             error);
}

static void
switch_on_all (Controller *controller, ApplicationRecord *application, const GPtrArray *names,
               GHashTable *placed)
{
    for (guint i = 0; i < names->len; i++)
        life_switch_on (controller, application, application_record_member (application, names->pdata[i]),
                        g_hash_table_lookup (placed, names->pdata[i]));
    application->failed = FALSE;
    record_set_json (&application->error, NULL);
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application->name) == 0) {
            record_set_json (&volume->error, NULL);
            volume->retry_us = 0;
        }
}

gboolean
life_begin_start (Controller *controller, Operation *operation, ApplicationRecord *application,
                  GError **error)
{
    g_autoptr (GPtrArray) names = members_to_start (application);
    g_autoptr (GHashTable) placed = place (controller, operation, application, names, error);
    if (placed == NULL)
        return FALSE;
    application->then_start = FALSE;
    application->debug = operation->debug;
    switch_on_all (controller, application, names, placed);
    move_phase (controller, application, PHASE_STARTING);
    move_application (controller, application, STATE_STARTING);
    return TRUE;
}

static gboolean
may_start (Controller *controller, const ApplicationRecord *application, GError **error)
{
    Phase phase = phase_from_name (application->phase);
    if (application->topology == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                     "the stored description of '%s' does not compile; apply it anew", application->name);
        return FALSE;
    }
    if (application->destroying || application->next != NULL || phase == PHASE_STOPPING ||
        phase == PHASE_FAILING)
        return refuse_state (application, "start", "try again when it is done", error);
    if (phase == PHASE_STARTING && application->failed)
        return refuse_state (application, "start", "continue or stop it", error);
    return TRUE;
}

static json_t *
plan_only (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    g_autoptr (GPtrArray) names = members_to_start (application);
    g_autoptr (GHashTable) placed = place (controller, operation, application, names, error);
    if (placed == NULL)
        return NULL;
    return json_pack ("{s:o, s:o}", "steps", start_steps (controller, application, placed), "cycles",
                      plan_cycles (application->topology));
}

/* In a running application: only those that are failed or were stopped by hand. */
static json_t *
start_rest (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    g_autoptr (GPtrArray) names = members_to_start (application);
    if (names->len == 0)
        return operation_finish (controller, operation, json_object (), error);
    g_autoptr (GHashTable) placed = place (controller, operation, application, names, error);
    if (placed == NULL)
        return NULL;
    json_t *steps = json_array ();
    for (guint i = 0; i < names->len; i++)
        json_array_append_new (
            steps, plan_step ("start", names->pdata[i], NULL, "start %s", (char *)names->pdata[i]));
    switch_on_all (controller, application, names, placed);
    json_t *data = members_data (NULL, "start", "off", names);
    return operation_finish (controller, operation,
                             begin_job (controller, operation, application, "start", steps, data), error);
}

json_t *
operation_start (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    if (!may_start (controller, application, error))
        return NULL;
    if (operation->dry_run)
        return plan_only (controller, operation, application, error);
    if (phase_from_name (application->phase) == PHASE_STARTING)
        return under_way (controller, operation, application, error);
    if (job_is_running (controller, application, error))
        return NULL;
    if (phase_from_name (application->phase) == PHASE_RUNNING)
        return start_rest (controller, operation, application, error);
    if (!life_begin_start (controller, operation, application, error))
        return NULL;
    json_t *steps = start_steps (controller, application, NULL);
    json_t *answer = begin_job (controller, operation, application, "start", steps, request_data (operation));
    FP ("start.01.decided");
    answer = operation_finish (controller, operation, answer, error);
    FP ("start.02.accepted");
    return answer;
}

json_t *
operation_continue (Controller *controller, Operation *operation, ApplicationRecord *application,
                    GError **error)
{
    if (phase_from_name (application->phase) != PHASE_STARTING || !application->failed) {
        refuse_state (application, "continue", "only a failed start with debug can be continued", error);
        return NULL;
    }
    if (operation->dry_run)
        return plan_only (controller, operation, application, error);
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (member->failed)
            life_switch_on (controller, application, member, member->server);
    }
    application->failed = FALSE;
    record_set_json (&application->error, NULL);
    move_application (controller, application, STATE_STARTING);
    json_t *steps = start_steps (controller, application, NULL);
    json_t *answer = begin_job (controller, operation, application, "start", steps, request_data (operation));
    return operation_finish (controller, operation, answer, error);
}

/* --- stop
 * ---------------------------------------------------------------------------------------------------------
 */

static void
wish_stopped (Controller *controller, ApplicationRecord *application)
{
    application->then_start = FALSE;
    application->failed = FALSE;
    record_set_json (&application->error, NULL);
    move_phase (controller, application, PHASE_STOPPING);
    move_application (controller, application, STATE_STOPPING);
}

static void
begin_stop (Controller *controller, ApplicationRecord *application)
{
    job_end (controller, application, "cancelled", NULL);
    wish_stopped (controller, application);
}

gboolean
life_stop_again (Controller *controller, ApplicationRecord *application, json_t **steps)
{
    wish_stopped (controller, application);
    *steps = stop_steps (application);
    return TRUE;
}

/* Nothing runs: what is stopped is only the wish, and with it what became of it. */
static json_t *
forget_failure (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    if (!application->failed)
        return operation_finish (controller, operation, json_object (), error);
    application->failed = FALSE;
    record_set_json (&application->error, NULL);
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        member->failed = FALSE;
        record_set_json (&member->error, NULL);
    }
    move_application (controller, application, STATE_STOPPED);
    return operation_finish (controller, operation, json_object (), error);
}

json_t *
operation_stop (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    Phase phase = phase_from_name (application->phase);
    if (operation->dry_run)
        return json_pack ("{s:o}", "steps", stop_steps (application));
    if (phase == PHASE_STOPPED)
        return forget_failure (controller, operation, application, error);
    if ((phase == PHASE_STOPPING && !application->then_start) || phase == PHASE_FAILING)
        return under_way (controller, operation, application, error);
    begin_stop (controller, application);
    json_t *answer = begin_job (controller, operation, application, "stop", stop_steps (application),
                                request_data (operation));
    FP ("stop.01.decided");
    answer = operation_finish (controller, operation, answer, error);
    FP ("stop.02.accepted");
    return answer;
}

json_t *
operation_restart (Controller *controller, Operation *operation, ApplicationRecord *application,
                   GError **error)
{
    if (!may_start (controller, application, error))
        return NULL;
    if (phase_from_name (application->phase) == PHASE_STOPPED)
        return operation_start (controller, operation, application, error);
    json_t *steps = stop_steps (application);
    g_autoptr (json_t) starts = start_steps (controller, application, NULL);
    json_array_extend (steps, starts);
    if (operation->dry_run)
        return json_pack ("{s:o}", "steps", steps);
    begin_stop (controller, application);
    application->then_start = TRUE;
    json_t *answer =
        begin_job (controller, operation, application, "restart", steps, request_data (operation));
    return operation_finish (controller, operation, answer, error);
}

json_t *
operation_clean (Controller *controller, Operation *operation, ApplicationRecord *application, GError **error)
{
    if (phase_from_name (application->phase) != PHASE_STOPPED || application->destroying) {
        refuse_state (application, "clean", "stop it first", error);
        return NULL;
    }
    if (operation->dry_run)
        return json_object ();
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        member->root_epoch++;
        member->rooted = FALSE;
    }
    controller_note (controller, "application.cleaned", "application", application->name, application->name,
                     application->state, NULL);
    return operation_finish (controller, operation, json_object (), error);
}

/* --- destroy ----------------------------------------------------------------------------------------------- */

static json_t *
destroy_steps (const ApplicationRecord *application)
{
    json_t *steps = stop_steps (application);
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        json_array_append_new (steps, plan_step ("remove", member->name, NULL, "remove %s", member->name));
    }
    json_array_append_new (
        steps, plan_step ("trash", application->name, NULL, "move %s to the trash", application->name));
    return steps;
}

json_t *
operation_destroy (Controller *controller, Operation *operation, ApplicationRecord *application,
                   GError **error)
{
    gboolean stopped = phase_from_name (application->phase) == PHASE_STOPPED;
    if (application->destroying)
        return under_way (controller, operation, application, error);
    if (!stopped && !operation->force) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "application '%s' is %s; stop it first, or force",
                     application->name, application->state);
        return NULL;
    }
    json_t *steps = destroy_steps (application);
    if (operation->dry_run)
        return json_pack ("{s:o}", "steps", steps);
    if (!stopped)
        begin_stop (controller, application);
    job_end (controller, application, "cancelled", NULL);
    application->destroying = TRUE;
    application->keep_volumes = operation->keep_volumes;
    record_set_json (&application->next, NULL);
    controller_note (controller, "application.destroying", "application", application->name,
                     application->name, application->state, NULL);
    json_t *answer =
        begin_job (controller, operation, application, "destroy", steps, request_data (operation));
    FP ("destroy.01.decided");
    answer = operation_finish (controller, operation, answer, error);
    FP ("destroy.02.accepted");
    return answer;
}

/* --- one instance ------------------------------------------------------------------------------------------ */

static void
act_on_member (Controller *controller, ApplicationRecord *application, MemberRecord *member,
               const char *action, json_t *steps, GHashTable *placed)
{
    if (strcmp (action, "stop") == 0) {
        member->on = FALSE;
        member->failed = member->again = FALSE;
        record_set_json (&member->error, NULL);
        move_member (controller, application, member, STATE_STOPPING, NULL);
        json_array_append_new (steps, plan_step ("stop", member->name, NULL, "stop %s", member->name));
        return;
    }
    if (strcmp (action, "restart") == 0 && member->on && !member->failed) {
        member->again = TRUE;
        json_array_append_new (steps, plan_step ("stop", member->name, NULL, "stop %s", member->name));
    } else if (!member->on || member->failed)
        life_switch_on (controller, application, member, g_hash_table_lookup (placed, member->name));
    json_array_append_new (steps, plan_step ("start", member->name, NULL, "start %s", member->name));
}

json_t *
operation_instance (Controller *controller, Operation *operation, ApplicationRecord *application,
                    const char *instance, const char *action, GError **error)
{
    g_autoptr (GPtrArray) selected =
        application->topology != NULL ? topology_select (application->topology, instance) : NULL;
    if (selected == NULL || selected->len == 0) {
        g_autofree char *quoted = problem_quote (instance);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "application '%s' has no instance %s",
                     application->name, quoted);
        return NULL;
    }
    if (strcmp (action, "start") != 0 && strcmp (action, "stop") != 0 && strcmp (action, "restart") != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "action must be start, stop, restart or kill");
        return NULL;
    }
    if (phase_from_name (application->phase) != PHASE_RUNNING || application->destroying) {
        refuse_state (application, "act on an instance of", "start the application first", error);
        return NULL;
    }
    if (job_is_running (controller, application, error))
        return NULL;
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    for (guint i = 0; i < selected->len; i++)
        g_ptr_array_add (names, ((Member *)selected->pdata[i])->name);
    g_autoptr (GHashTable) placed = NULL;
    if (strcmp (action, "stop") == 0)
        placed = g_hash_table_new (g_str_hash, g_str_equal);
    else if ((placed = place (controller, operation, application, names, error)) == NULL)
        return NULL;
    if (operation->dry_run)
        return json_object ();
    json_t *steps = json_array ();
    g_autoptr (GPtrArray) switched = g_ptr_array_new ();
    gboolean off = strcmp (action, "stop") == 0;
    for (guint i = 0; i < names->len; i++) {
        MemberRecord *member = application_record_member (application, names->pdata[i]);
        if (member == NULL)
            continue;
        if (member->on == off)
            g_ptr_array_add (switched, member->name);
        act_on_member (controller, application, member, action, steps, placed);
    }
    json_t *data = members_data (instance, action, off ? "on" : "off", switched);
    if (strcmp (action, "restart") == 0)
        json_object_del (data, "undo");
    return operation_finish (controller, operation,
                             begin_job (controller, operation, application, action, steps, data), error);
}

/* --- taking back ------------------------------------------------------------------------------------------- */

gboolean
life_start_again (Controller *controller, Operation *operation, ApplicationRecord *application,
                  json_t **steps, GError **error)
{
    g_autoptr (GPtrArray) names = members_to_start (application);
    if (!life_begin_start (controller, operation, application, error))
        return FALSE;
    *steps = json_array ();
    for (guint i = 0; i < names->len; i++)
        json_array_append_new (
            *steps, plan_step ("start", names->pdata[i], NULL, "start %s again", (char *)names->pdata[i]));
    return TRUE;
}

static GPtrArray *
known_members (const ApplicationRecord *application, const json_t *list)
{
    GPtrArray *names = g_ptr_array_new ();
    gsize i;
    json_t *name;
    json_array_foreach ((json_t *)list, i, name) {
        MemberRecord *member = application_record_member (application, json_string_value (name));
        if (member != NULL)
            g_ptr_array_add (names, member->name);
    }
    return names;
}

gboolean
life_switch_back (Controller *controller, Operation *operation, ApplicationRecord *application,
                  const json_t *undo, json_t **steps, GError **error)
{
    g_autoptr (GPtrArray) on = known_members (application, json_object_get (undo, "on"));
    g_autoptr (GPtrArray) off = known_members (application, json_object_get (undo, "off"));
    g_autoptr (GHashTable) placed = place (controller, operation, application, on, error);
    if (placed == NULL)
        return FALSE;
    *steps = json_array ();
    for (guint i = 0; i < off->len; i++)
        act_on_member (controller, application, application_record_member (application, off->pdata[i]),
                       "stop", *steps, placed);
    for (guint i = 0; i < on->len; i++)
        act_on_member (controller, application, application_record_member (application, on->pdata[i]),
                       "start", *steps, placed);
    return TRUE;
}
