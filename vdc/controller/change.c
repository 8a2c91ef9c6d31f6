/*
 * Changes of what an application is: create, apply, scale, config.
 *
 * A change is checked against everything it needs (rules, capacity, outside addresses) before the first
 * record moves. Members that go away are drained and deleted under the old description; only then is the new
 * one adopted, so that the wiring of a leaving member exists as long as it does. Without leaving members the
 * new one is adopted at once.
 */
#include <string.h>

#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/description.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/moves.h"
#include "vdc/controller/networks.h"
#include "vdc/controller/operation.h"
#include "vdc/controller/placement.h"
#include "vdc/controller/plan.h"
#include "vdc/controller/view.h"

/* --- adopting ---------------------------------------------------------------------------------------------- */

static gboolean
is_running (const ApplicationRecord *application)
{
    Phase phase = phase_from_name (application->phase);
    return phase == PHASE_RUNNING || phase == PHASE_STARTING;
}

/* Members that will need room: new ones, and restarted ones that may be larger now. */
static GPtrArray *
members_to_place (const ApplicationRecord *application, const Topology *after, const TopologyDiff *diff)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    if (!is_running (application))
        return names;
    for (guint i = 0; i < diff->members->len; i++) {
        const MemberChange *change = diff->members->pdata[i];
        const Member *member = topology_member (after, change->member);
        const MemberRecord *record = application_record_member (application, change->member);
        if ((change->kind == CHANGE_ADD && member != NULL && !member->instance->standby) ||
            (change->kind == CHANGE_RESTART && record != NULL && record->on))
            g_ptr_array_add (names, g_strdup (change->member));
    }
    return names;
}

static void
follow_change (Controller *controller, ApplicationRecord *application, const MemberChange *change,
               GHashTable *placed)
{
    MemberRecord *member = application_record_member (application, change->member);
    if (change->kind == CHANGE_REMOVE && member != NULL) {
        g_ptr_array_remove (application->members, member);
    } else if (change->kind == CHANGE_ADD && member == NULL) {
        member = application_record_add (application, change->member);
        const char *server = g_hash_table_lookup (placed, change->member);
        if (server != NULL)
            life_switch_on (controller, application, member, server);
    } else if (change->kind == CHANGE_RESTART && member != NULL && member->on) {
        member->again = TRUE;
        member->renew = member->renew || change->new_root;
    } else if (change->kind == CHANGE_RESTART && member != NULL && change->new_root) {
        member->root_epoch++;
        member->rooted = FALSE;
    }
}

/* Replace what is applied by @prepared; on failure it is what it was. Takes @outside. */
static gboolean
replace_applied (Controller *controller, ApplicationRecord *application, const Prepared *prepared,
                 json_t *outside, GError **error)
{
    json_t **const fields[] = {&application->outside, &application->applied, &application->used,
                               &application->images};
    json_t *const before[] = {*fields[0], *fields[1], *fields[2], *fields[3]};
    json_t *const after[] = {outside, json_deep_copy (prepared->document),
                             json_deep_copy (topology_used (prepared->topology)),
                             json_deep_copy (prepared->images)};
    for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
        *fields[i] = after[i];
    gboolean compiles = controller_compile (controller, application, error);
    for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
        json_decref (compiles ? before[i] : after[i]);
        *fields[i] = compiles ? after[i] : before[i];
    }
    return compiles;
}

/* Take over @prepared: wholly, or on failure not at all. */
static gboolean
adopt (Controller *controller, ApplicationRecord *application, const Prepared *prepared, GError **error)
{
    g_autoptr (TopologyDiff) diff = topology_diff (application->topology, prepared->topology);
    g_autoptr (GPtrArray) names = members_to_place (application, prepared->topology, diff);
    g_autoptr (GHashTable) placed =
        placement_choose (controller, application, prepared->topology, names, NULL, error);
    if (placed == NULL)
        return FALSE;
    json_t *outside = networks_assign (controller, application, prepared->topology, error);
    if (outside == NULL)
        return FALSE;
    if (!replace_applied (controller, application, prepared, outside, error))
        return FALSE;
    application->revision++;
    volumes_follow (controller, application);
    for (guint i = 0; i < diff->members->len; i++)
        follow_change (controller, application, diff->members->pdata[i], placed);
    controller_note (controller, "application.changed", "application", application->name, application->name,
                     application->state, json_pack ("{s:I}", "revision", (json_int_t)application->revision));
    return TRUE;
}

static void
set_text (ApplicationRecord *application, const char *text, const char *format)
{
    if (text == NULL)
        return;
    record_set_string (&application->text, text);
    record_set_string (&application->format, format);
    application->text_revision = application->revision;
}

gboolean
operation_adopt_next (Controller *controller, ApplicationRecord *application, GError **error)
{
    g_autoptr (json_t) next = json_deep_copy (application->next);
    g_autoptr (Prepared) prepared =
        description_prepare_kept (json_object_get (next, "applied"), json_object_get (next, "used"),
                                  json_object_get (next, "images"), error);
    if (prepared == NULL || !adopt (controller, application, prepared, error))
        return FALSE;
    record_set_json (&application->next, NULL);
    set_text (application, json_str (next, "text", NULL), json_str (next, "format", "yaml"));
    return TRUE;
}

/* --- create ------------------------------------------------------------------------------------------------ */

static gboolean
set_all (Controller *controller, json_t *document, const Topology *topology, const json_t *settings,
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

/* A template's document under the new name, with the settings given. */
static Prepared *
prepare_template (Controller *controller, Operation *operation, const Template *template, const char *name,
                  const json_t *settings, GError **error)
{
    g_autoptr (json_t) document = json_deep_copy (template->document);
    if (!application_edit_name (document, name, error))
        return NULL;
    g_autoptr (Prepared) plain =
        description_prepare (controller, NULL, DOCUMENT_YAML, document, name, operation->problems);
    if (plain == NULL || json_object_size (settings) == 0)
        return g_steal_pointer (&plain);
    if (!set_all (controller, document, plain->topology, settings, error))
        return NULL;
    return description_prepare (controller, NULL, DOCUMENT_YAML, document, name, operation->problems);
}

/* Only what comes with the catalog may fill a volume: a description sent to us cannot name our files. */
static json_t *
template_seeds (const Template *template, const Topology *topology)
{
    json_t *seeds = json_object ();
    for (guint i = 0; i < topology->volumes->len; i++) {
        const ApplicationVolume *volume = ((TopologyVolume *)topology->volumes->pdata[i])->declared;
        if (volume->seed == NULL || g_path_is_absolute (volume->seed) || strstr (volume->seed, "..") != NULL)
            continue;
        g_autofree char *folder = g_canonicalize_filename (volume->seed, template->folder);
        json_put (seeds, volume->name, json_str_new (folder));
    }
    return seeds;
}

static ApplicationRecord *
new_application (Controller *controller, const char *name)
{
    ApplicationRecord *application = application_record_new (NULL);
    application->name = g_strdup (name);
    application->id = id_random (4);
    application->created = controller_stamp (controller);
    application->phase = g_strdup (phase_name (PHASE_STOPPED));
    application->state = g_strdup (state_name (STATE_STOPPED));
    return application;
}

static json_t *
create_from (Controller *controller, Operation *operation, const char *name, const Template *template,
             const Prepared *prepared, const char *text, const char *format, GError **error)
{
    if (operation->dry_run) {
        const PlanFacts facts = {.topology = prepared->topology};
        return json_pack ("{s:o, s:o}", "steps", plan_start (&facts), "cycles",
                          plan_cycles (prepared->topology));
    }
    if (!volumes_may_follow (controller, name, prepared->topology, operation->confirm, error))
        return NULL;
    ApplicationRecord *application = new_application (controller, name);
    if (template != NULL) {
        record_set_string (&application->template, template->name);
        record_set_json (&application->seeds, template_seeds (template, prepared->topology));
    }
    g_hash_table_insert (controller->applications, g_strdup (name), application);
    if (!adopt (controller, application, prepared, error)) {
        controller_revert (controller);
        return NULL;
    }
    set_text (application, text, format);
    vdc_log (VDC_LOG_INFO, "application created", "application", name, "id", application->id, "template",
             template != NULL ? template->name : "", NULL);
    controller_note (controller, "application.created", "application", name, name, application->state, NULL);
    return operation_finish (controller, operation, view_application (controller, application), error);
}

json_t *
operation_create (Controller *controller, Operation *operation, const json_t *request, GError **error)
{
    const char *name = json_str (request, "name", ""), *from = json_str (request, "from", NULL);
    g_autofree char *text = NULL;
    const json_t *settings = json_object_get (request, "set");
    const Template *template = NULL;
    DocumentFormat parsed;
    g_autoptr (Prepared) prepared = NULL;

    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "an application's name must be %s",
                     id_name_rule ());
        return NULL;
    }
    if (g_hash_table_contains (controller->applications, name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "application '%s' exists", name);
        return NULL;
    }
    if (!description_of_request (request, &text, &parsed, error))
        return NULL;
    const char *format = parsed == DOCUMENT_JSON ? "json" : "yaml";
    if ((from == NULL) == (text == NULL) || (text != NULL && json_object_size (settings) > 0)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "give 'from' (with 'set', if wished) or 'description', one of them");
        return NULL;
    }
    if (from != NULL && (template = catalog_folder_template (controller->catalog, from)) == NULL) {
        g_autofree char *quoted = problem_quote (from);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the catalog has no application %s", quoted);
        return NULL;
    }
    prepared = template != NULL
                   ? prepare_template (controller, operation, template, name, settings, error)
                   : description_prepare (controller, text, parsed, NULL, name, operation->problems);
    if (prepared == NULL) {
        if (*error == NULL)
            problems_to_error (operation->problems, error);
        return NULL;
    }
    return create_from (controller, operation, name, template, prepared, text, format, error);
}

/* --- change ------------------------------------------------------------------------------------------------ */

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

static void
set_next (ApplicationRecord *application, const Prepared *prepared, const char *text, const char *format)
{
    record_set_json (&application->next,
                     json_pack ("{s:O, s:O, s:O, s:s?, s:s?}", "applied", prepared->document, "used",
                                topology_used (prepared->topology), "images", prepared->images, "text", text,
                                "format", format));
}

static json_t *
change (Controller *controller, Operation *operation, ApplicationRecord *application,
        const Prepared *prepared, const char *kind, const char *text, const char *format, GError **error)
{
    g_autoptr (TopologyDiff) diff = topology_diff (application->topology, prepared->topology);
    PlanFacts facts = gather_facts (controller, application);
    g_autoptr (json_t) steps = plan_change (&facts, prepared->topology, diff);
    facts_clear (&facts);
    if (operation->dry_run)
        return json_pack ("{s:O, s:o, s:o}", "steps", steps, "changes", topology_diff_json (diff), "cycles",
                          plan_cycles (prepared->topology));
    g_autoptr (GPtrArray) names = members_to_place (application, prepared->topology, diff);
    g_autoptr (GHashTable) placed = NULL;
    if (!may_change (controller, application, error) || !is_accepted (operation, diff, error) ||
        !volumes_may_follow (controller, application->name, prepared->topology, operation->confirm, error))
        return NULL;
    g_autoptr (json_t) outside = networks_assign (controller, application, prepared->topology, error);
    if (outside == NULL)
        return NULL;
    placed = placement_choose (controller, application, prepared->topology, names, &operation->params, error);
    if (placed == NULL)
        return NULL;
    if (mark_leaving (controller, application, diff))
        set_next (application, prepared, text, format);
    else if (!adopt (controller, application, prepared, error)) {
        controller_revert (controller);
        return NULL;
    } else
        set_text (application, text, format);
    json_t *answer = json_pack ("{s:o}", "changes", topology_diff_json (diff));
    if (json_array_size (steps) > 0)
        json_put (answer, "job",
                  json_string (job_start (controller, application, kind, json_incref (steps))->id));
    return operation_finish (controller, operation, answer, error);
}

static json_t *
change_or_problems (Controller *controller, Operation *operation, ApplicationRecord *application,
                    Prepared *prepared, const char *kind, const char *text, const char *format,
                    GError **error)
{
    g_autoptr (Prepared) owned = prepared;
    if (owned == NULL) {
        if (*error == NULL)
            problems_to_error (operation->problems, error);
        return NULL;
    }
    return change (controller, operation, application, owned, kind, text, format, error);
}

json_t *
operation_apply (Controller *controller, Operation *operation, ApplicationRecord *application,
                 const json_t *request, GError **error)
{
    g_autofree char *text = NULL;
    DocumentFormat parsed;
    if (!description_of_request (request, &text, &parsed, error))
        return NULL;
    const char *format = parsed == DOCUMENT_JSON ? "json" : "yaml";
    Prepared *prepared = description_prepare (controller, text, parsed, application->applied,
                                              application->name, operation->problems);
    return change_or_problems (controller, operation, application, prepared, "apply", text, format, error);
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
    return change_or_problems (controller, operation, application, prepared, "scale", NULL, NULL, error);
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
    if (!set_all (controller, document, application->topology, settings, error))
        return NULL;
    Prepared *prepared =
        description_prepare_edit (controller, application, document, operation->problems, error);
    return change_or_problems (controller, operation, application, prepared, "config", NULL, NULL, error);
}
