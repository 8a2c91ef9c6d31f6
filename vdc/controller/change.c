/*
 * Changes of what an application is: apply, scale, config. create.c makes a new one, adopt.c takes a change
 * over.
 *
 * A change is checked against everything it needs (rules, capacity, outside addresses) before the first
 * record moves. Members that go away are drained and deleted under the old description; only then is the new
 * one adopted, so that the wiring of a leaving member exists as long as it does. Without leaving members the
 * new one is adopted at once.
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/change_internal.h"
#include "vdc/controller/draft.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/networks.h"
#include "vdc/controller/placement.h"
#include "vdc/controller/plan.h"

gboolean
change_set_all (Controller *controller, json_t *document, const Topology *topology, const json_t *settings,
                GError **error)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)settings, key, value) {
        if (!description_set (controller, document, topology, key, value, error))
            return FALSE;
    }
    return TRUE;
}

static PlanFacts
gather_facts (Controller *controller, const ApplicationRecord *application)
{
    PlanFacts facts = {.topology = application->topology};
    facts.servers = g_hash_table_new (g_str_hash, g_str_equal);
    facts.made = g_hash_table_new (g_str_hash, g_str_equal);
    facts.running = g_hash_table_new (g_str_hash, g_str_equal);
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (member->server != NULL)
            g_hash_table_insert (facts.servers, member->name, member->server);
        if (member->on)
            g_hash_table_add (facts.running, member->name);
    }
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application->name) == 0 && volume->made)
            g_hash_table_add (facts.made, volume->local);
    return facts;
}

static void
facts_clear (PlanFacts *facts)
{
    g_hash_table_unref (facts->servers);
    g_hash_table_unref (facts->made);
    g_hash_table_unref (facts->running);
}

static gboolean
may_change (Controller *controller, const ApplicationRecord *application, GError **error)
{
    Phase phase = phase_from_name (application->phase);
    if (job_is_running (controller, application, error))
        return FALSE;
    if (application->destroying || application->next != NULL || phase == PHASE_STOPPING ||
        phase == PHASE_FAILING) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "application '%s' is %s; try again when it is done", application->name,
                     application->destroying ? "being destroyed" : application->state);
        return FALSE;
    }
    return TRUE;
}

static gboolean
is_accepted (Operation *operation, const TopologyDiff *diff, GError **error)
{
    if (diff->volumes_problem->len > 0) {
        g_set_error_literal (error, VDC_ERROR, VDC_ERROR_REFUSED, diff->volumes_problem->pdata[0]);
        return FALSE;
    }
    if (problems_count (diff->warnings) > 0 && !operation->confirm) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "must be confirmed: %s",
                     problems_get (diff->warnings, 0)->message);
        operation->params = json_pack ("{s:o}", "warnings", problems_json (diff->warnings));
        return FALSE;
    }
    return TRUE;
}

static guint
drain_timeout_s (const ApplicationRecord *application, const char *member)
{
    const Member *described = topology_member (application->topology, member);
    return described != NULL ? described->instance->stop_timeout_s : 30;
}

/* Whether anything of a leaving member is, or may be, on a server. */
static gboolean
mark_leaving (Controller *controller, ApplicationRecord *application, const TopologyDiff *diff)
{
    gboolean any = FALSE;
    for (guint i = 0; i < diff->members->len; i++) {
        const MemberChange *change = diff->members->pdata[i];
        MemberRecord *member = application_record_member (application, change->member);
        if (change->kind != CHANGE_REMOVE || member == NULL || member->server == NULL)
            continue;
        member->leaving = any = TRUE;
        member->draining = member->on && !member->failed;
        member->drain_end_us = controller_now_us (controller) +
                               drain_timeout_s (application, member->name) * (gint64)G_USEC_PER_SEC;
        if (!member->draining)
            member->on = FALSE;
    }
    return any;
}

/* {applied, used, images, text, format}: as ApplicationRecord.next. */
static json_t *
target_of (const Prepared *prepared, const char *text, const char *format)
{
    return json_pack ("{s:O, s:O, s:O, s:s?, s:s?}", "applied", prepared->document, "used",
                      topology_used (prepared->topology), "images", prepared->images, "text", text, "format",
                      format);
}

/* The change is in memory; make it durable. Takes and returns @answer. */
static json_t *
finish_change (Controller *controller, Operation *operation, const char *kind, json_t *answer, GError **error)
{
    gboolean scales = strcmp (kind, "scale") == 0;
    if (scales)
        FP ("scale.02.decided");
    else
        FP ("apply.02.decided");
    answer = operation_finish (controller, operation, answer, error);
    if (scales)
        FP ("scale.03.accepted");
    else
        FP ("apply.03.accepted");
    return answer;
}

/* Everything that must be so before the first record moves. */
static gboolean
may_follow (Controller *controller, Operation *operation, ApplicationRecord *application,
            const Prepared *prepared, const TopologyDiff *diff, GError **error)
{
    g_autoptr (GPtrArray) names = change_members_to_place (application, prepared->topology, diff);
    if (!is_accepted (operation, diff, error) ||
        !volumes_may_follow (controller, operation, application->name, prepared->topology, error))
        return FALSE;
    g_autoptr (json_t) outside = networks_assign (controller, application, prepared->topology, error);
    if (outside == NULL)
        return FALSE;
    g_autoptr (GHashTable) placed =
        placement_choose (controller, application, prepared->topology, names, &operation->params, error);
    return placed != NULL;
}

/* At once, or when those that leave have left. On failure the records are read anew. */
static gboolean
follow (Controller *controller, ApplicationRecord *application, const Prepared *prepared,
        const TopologyDiff *diff, const json_t *target, GError **error)
{
    if (mark_leaving (controller, application, diff)) {
        record_set_json (&application->next, json_deep_copy (target));
        FP ("scale.01.next_kept");
        return TRUE;
    }
    if (!change_adopt (controller, application, prepared, error)) {
        controller_revert (controller);
        return FALSE;
    }
    change_take_text (controller, application, target);
    return TRUE;
}

void
change_set_author (ApplicationRecord *application, const Operation *operation, const char *cause)
{
    record_set_string (&application->author, operation->user);
    record_set_string (&application->cause, cause);
}

/*
 * What goes before the change itself: renamed volumes, which are the same ones; and what scale and config set
 * is set in the draft too. On failure the records are read anew.
 */
static gboolean
settle_draft (Controller *controller, const Operation *operation, ApplicationRecord *application,
              const Prepared *prepared, const char *kind, gboolean by_draft, GError **error)
{
    change_set_author (application, operation, kind);
    if (strcmp (kind, "apply") != 0)
        draft_force (controller, application, prepared->document, operation->user);
    if (!by_draft || draft_rename_volumes (controller, application, error))
        return TRUE;
    controller_revert (controller);
    return FALSE;
}

static json_t *
plan_of (Controller *controller, const ApplicationRecord *application, const Prepared *prepared,
         const TopologyDiff *diff)
{
    PlanFacts facts = gather_facts (controller, application);
    json_t *steps = plan_change (&facts, prepared->topology, diff);
    facts_clear (&facts);
    return steps;
}

/* @by_draft: it is the draft that is applied, with the volumes renamed in it. */
static json_t *
change (Controller *controller, Operation *operation, ApplicationRecord *application,
        const Prepared *prepared, const char *kind, const char *text, const char *format, gboolean by_draft,
        GError **error)
{
    g_autoptr (GError) local = NULL;
    g_autoptr (Topology) renamed =
        by_draft ? draft_renamed_topology (controller, application, NULL, &local) : NULL;
    if (local != NULL) {
        g_propagate_error (error, g_steal_pointer (&local));
        return NULL;
    }
    g_autoptr (TopologyDiff) diff =
        topology_diff (renamed != NULL ? renamed : application->topology, prepared->topology);
    g_autoptr (json_t) steps = plan_of (controller, application, prepared, diff);
    if (operation->dry_run)
        return json_pack ("{s:O, s:o, s:o}", "steps", steps, "changes", topology_diff_json (diff), "cycles",
                          plan_cycles (prepared->topology));
    g_autoptr (json_t) target = target_of (prepared, text, format);
    if (!may_change (controller, application, error) ||
        !may_follow (controller, operation, application, prepared, diff, error) ||
        !settle_draft (controller, operation, application, prepared, kind, by_draft, error))
        return NULL;
    g_autoptr (json_t) data =
        json_pack ("{s:{}, s:o, s:O}", "request", "undo", change_keep (application), "target", target);
    if (!follow (controller, application, prepared, diff, target, error))
        return NULL;
    json_t *answer = json_pack ("{s:o}", "changes", topology_diff_json (diff));
    if (json_array_size (steps) > 0)
        json_put (answer, "job",
                  json_string (job_start (controller, operation, application, kind, json_incref (steps),
                                          json_incref (data))
                                   ->id));
    return finish_change (controller, operation, kind, answer, error);
}

static json_t *
change_or_problems (Controller *controller, Operation *operation, ApplicationRecord *application,
                    Prepared *prepared, const char *kind, const char *text, const char *format,
                    gboolean by_draft, GError **error)
{
    g_autoptr (Prepared) owned = prepared;
    if (owned == NULL) {
        if (*error == NULL)
            problems_to_error (operation->problems, error);
        return NULL;
    }
    g_autofree char *kept = g_strdup (text);
    if (!description_seal (controller, application->id, owned, &kept,
                           g_strcmp0 (format, "json") == 0 ? DOCUMENT_JSON : DOCUMENT_YAML,
                           application->applied, error))
        return NULL;
    return change (controller, operation, application, owned, kind, kept, format, by_draft, error);
}

/* The draft as it is: {rev} says which was looked at. Its text goes with it where it is current. */
static json_t *
apply_draft (Controller *controller, Operation *operation, ApplicationRecord *application,
             const json_t *request, GError **error)
{
    const Draft *draft = draft_of (controller, application);
    gint64 wanted = json_int (request, "rev", draft->revision);
    if (wanted != draft->revision) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the draft of '%s' is at revision %" G_GINT64_FORMAT
                     ": look at what changed, then apply that",
                     application->name, draft->revision);
        operation->params = json_pack ("{s:I}", "rev", (json_int_t)draft->revision);
        return NULL;
    }
    g_autoptr (json_t) document = json_incref ((json_t *)draft_document (controller, application));
    gboolean has_text = draft->text != NULL;
    gboolean json = has_text && draft_text_behind (draft) == 0 && g_strcmp0 (draft->format, "json") == 0;
    g_autofree char *text = json       ? g_strdup (draft->text)
                            : has_text ? draft_text (controller, application)
                                       : NULL;
    const char *format = json ? "json" : "yaml";
    Prepared *prepared = description_prepare (controller, NULL, DOCUMENT_YAML, document, application->name,
                                              operation->problems);
    return change_or_problems (controller, operation, application, prepared, "apply", text, format, TRUE,
                               error);
}

json_t *
operation_apply (Controller *controller, Operation *operation, ApplicationRecord *application,
                 const json_t *request, GError **error)
{
    g_autofree char *text = NULL;
    DocumentFormat parsed;
    if (!description_of_request (request, &text, &parsed, error))
        return NULL;
    if (text == NULL)
        return apply_draft (controller, operation, application, request, error);
    const char *format = parsed == DOCUMENT_JSON ? "json" : "yaml";
    Prepared *prepared =
        description_prepare (controller, text, parsed, NULL, application->name, operation->problems);
    return change_or_problems (controller, operation, application, prepared, "apply", text, format, FALSE,
                               error);
}

json_t *
operation_scale (Controller *controller, Operation *operation, ApplicationRecord *application,
                 const json_t *counts, GError **error)
{
    g_autoptr (json_t) document = json_deep_copy (application->applied);
    const char *instance;
    json_t *count;
    if (!json_is_object (counts) || json_object_size (counts) == 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "instances must be an object {\"INSTANCE\": COUNT}");
        return NULL;
    }
    json_object_foreach ((json_t *)counts, instance, count) {
        if (!json_is_integer (count)) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "instances: every count must be a whole number");
            return NULL;
        }
        if (!application_edit_count (document, instance, json_integer_value (count), error))
            return NULL;
    }
    Prepared *prepared =
        description_prepare_edit (controller, application, document, operation->problems, error);
    return change_or_problems (controller, operation, application, prepared, "scale", NULL, NULL, FALSE,
                               error);
}

json_t *
operation_config (Controller *controller, Operation *operation, ApplicationRecord *application,
                  const json_t *settings, GError **error)
{
    g_autoptr (json_t) document = json_deep_copy (application->applied);
    if (!json_is_object (settings) || json_object_size (settings) == 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "set must be an object {\"PROPERTY\": VALUE}");
        return NULL;
    }
    if (!change_set_all (controller, document, application->topology, settings, error))
        return NULL;
    Prepared *prepared =
        description_prepare_edit (controller, application, document, operation->problems, error);
    return change_or_problems (controller, operation, application, prepared, "config", NULL, NULL, FALSE,
                               error);
}

/* --- taking back, and again -------------------------------------------------------------------------------- */

json_t *
change_keep (const ApplicationRecord *application)
{
    return json_pack ("{s:O, s:O, s:O, s:s?, s:s?, s:I}", "applied", application->applied, "used",
                      application->used, "images", application->images, "text", application->text, "format",
                      application->format, "behind",
                      (json_int_t)(application->revision - application->text_revision));
}

static Prepared *
prepare_target (const json_t *target, GError **error)
{
    return description_prepare_kept (json_object_get (target, "applied"), json_object_get (target, "used"),
                                     json_object_get (target, "images"), error);
}

/* Those that leave and still run stay. TRUE: some have gone too far and are made anew once they have left. */
static gboolean
stop_leaving (ApplicationRecord *application, json_t *steps)
{
    gboolean any = FALSE;
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (!member->leaving)
            continue;
        if (!member->on) {
            any = TRUE;
        } else {
            member->leaving = member->draining = FALSE;
            member->drain_end_us = 0;
        }
        json_array_append_new (
            steps, plan_step ("start", member->name, "it stays after all", "keep %s", member->name));
    }
    return any;
}

gboolean
change_back (Controller *controller, Operation *operation, ApplicationRecord *application, const json_t *undo,
             json_t **steps, GError **error)
{
    g_autoptr (Prepared) prepared = prepare_target (undo, error);
    if (prepared == NULL)
        return FALSE;
    if (application->next != NULL) { /* nothing was taken over yet */
        *steps = json_array ();
        gboolean any = stop_leaving (application, *steps);
        record_set_json (&application->next, any ? json_deep_copy (undo) : NULL);
        return TRUE;
    }
    g_autoptr (TopologyDiff) diff = topology_diff (application->topology, prepared->topology);
    g_autoptr (json_t) back = plan_of (controller, application, prepared, diff);
    operation->confirm = TRUE;
    change_set_author (application, operation,
                       g_strcmp0 (application->cause, "apply") == 0 ? CAUSE_APPLY_CANCELLED : "cancel");
    if (!may_follow (controller, operation, application, prepared, diff, error) ||
        !follow (controller, application, prepared, diff, undo, error)) {
        g_prefix_error (error, "cannot go back to the description before: ");
        return FALSE;
    }
    *steps = json_incref (back);
    return TRUE;
}

gboolean
change_is_applied (const ApplicationRecord *application, const json_t *target)
{
    return application->next == NULL &&
           json_equal (application->applied, json_object_get (target, "applied")) &&
           json_equal (application->used, json_object_get (target, "used"));
}

json_t *
change_again (Controller *controller, Operation *operation, ApplicationRecord *application, const char *kind,
              const json_t *target, GError **error)
{
    Prepared *prepared = prepare_target (target, error);
    operation->confirm = TRUE; /* it was, the first time */
    return change_or_problems (controller, operation, application, prepared, kind,
                               json_str (target, "text", NULL), json_str (target, "format", NULL), FALSE,
                               error);
}
