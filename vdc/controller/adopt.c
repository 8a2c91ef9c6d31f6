/*
 * Taking over what an application shall be, once it may be: wholly, or on failure not at all.
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/change_internal.h"
#include "vdc/controller/draft.h"
#include "vdc/controller/networks.h"
#include "vdc/controller/placement.h"

static gboolean
is_running (const ApplicationRecord *application)
{
    Phase phase = phase_from_name (application->phase);
    return phase == PHASE_RUNNING || phase == PHASE_STARTING;
}

/* Members that will need room: new ones, and restarted ones that may be larger now. */
GPtrArray *
change_members_to_place (const ApplicationRecord *application, const Topology *after,
                         const TopologyDiff *diff)
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
    for (guint i = 0; i < after->members->len; i++) { /* left before, see add_missing */
        const Member *member = after->members->pdata[i];
        if (application_record_member (application, member->name) == NULL && !member->instance->standby &&
            !g_ptr_array_find_with_equal_func (names, member->name, g_str_equal, NULL))
            g_ptr_array_add (names, g_strdup (member->name));
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

/* Those that left for a description that did not come to be. */
static void
add_missing (Controller *controller, ApplicationRecord *application, GHashTable *placed)
{
    const GPtrArray *described = application->topology->members;
    for (guint i = 0; i < described->len; i++) {
        const char *name = ((const Member *)described->pdata[i])->name;
        if (application_record_member (application, name) != NULL)
            continue;
        MemberRecord *member = application_record_add (application, name);
        const char *server = g_hash_table_lookup (placed, name);
        if (server != NULL)
            life_switch_on (controller, application, member, server);
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
gboolean
change_adopt (Controller *controller, ApplicationRecord *application, const Prepared *prepared,
              GError **error)
{
    g_autoptr (TopologyDiff) diff = topology_diff (application->topology, prepared->topology);
    g_autoptr (GPtrArray) names = change_members_to_place (application, prepared->topology, diff);
    g_autoptr (GHashTable) placed =
        placement_choose (controller, application, prepared->topology, names, NULL, error);
    if (placed == NULL)
        return FALSE;
    json_t *outside = networks_assign (controller, application, prepared->topology, error);
    if (outside == NULL)
        return FALSE;
    g_autoptr (json_t) before = json_incref (application->applied);
    if (!replace_applied (controller, application, prepared, outside, error))
        return FALSE;
    application->revision++;
    descriptions_keep (controller, application);
    draft_follow (controller, application, before);
    volumes_follow (controller, application);
    for (guint i = 0; i < diff->members->len; i++)
        follow_change (controller, application, diff->members->pdata[i], placed);
    add_missing (controller, application, placed);
    controller_note (controller, "application.changed", "application", application->name, application->name,
                     application->state, json_pack ("{s:I}", "revision", (json_int_t)application->revision));
    FP ("apply.01.adopted");
    return TRUE;
}

void
change_set_text (Controller *controller, ApplicationRecord *application, const char *text, const char *format)
{
    if (text == NULL)
        return;
    record_set_string (&application->text, text);
    record_set_string (&application->format, format);
    application->text_revision = application->revision;
    draft_take_text (controller, application);
}

void
change_take_text (Controller *controller, ApplicationRecord *application, const json_t *target)
{
    const json_t *behind = json_object_get (target, "behind");
    if (behind == NULL) {
        change_set_text (controller, application, json_str (target, "text", NULL),
                         json_str (target, "format", "yaml"));
        return;
    }
    record_set_string (&application->text, json_str (target, "text", NULL));
    record_set_string (&application->format, json_str (target, "format", NULL));
    application->text_revision = application->revision - json_integer_value (behind);
}

gboolean
operation_adopt_next (Controller *controller, ApplicationRecord *application, GError **error)
{
    g_autoptr (json_t) next = json_deep_copy (application->next);
    g_autoptr (Prepared) prepared =
        description_prepare_kept (json_object_get (next, "applied"), json_object_get (next, "used"),
                                  json_object_get (next, "images"), error);
    if (prepared == NULL || !change_adopt (controller, application, prepared, error))
        return FALSE;
    record_set_json (&application->next, NULL);
    change_take_text (controller, application, next);
    return TRUE;
}
