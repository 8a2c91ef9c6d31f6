#include "vdc/controller/specs.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/controller/agent_watch.h"
#include "vdc/controller/member_spec.h"

gboolean
specs_power (const ApplicationRecord *application, const MemberRecord *member)
{
    return member->on && !member->again && (!member->failed || application->debug);
}

/* --- go
 * -----------------------------------------------------------------------------------------------------------
 */

static gboolean
is_ready (const MemberRecord *member)
{
    State state = member != NULL ? state_from_name (member->state) : STATE_STOPPED;
    return state == STATE_RUNNING || state == STATE_DEGRADED;
}

static gboolean
any_ready (const ApplicationRecord *application, const MemberWire *wire)
{
    gboolean all_given_up = TRUE;
    for (guint i = 0; i < wire->to->len; i++) {
        const Member *server = wire->to->pdata[i];
        const MemberRecord *record = application_record_member (application, server->name);
        if (is_ready (record))
            return TRUE;
        if (record != NULL && record->on && !record->failed)
            all_given_up = FALSE;
    }
    return all_given_up; /* spares, stopped by hand, or may fail: nobody will come */
}

/* Members of a circle of wires share a stage and do not wait for each other. */
static gboolean
may_go (const ApplicationRecord *application, const Member *member)
{
    const Topology *topology = application->topology;
    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = topology->wires->pdata[i];
        if (wire->from != member || ((Member *)wire->to->pdata[0])->stage >= member->stage)
            continue;
        if (!any_ready (application, wire) && !vdc_bug ("reconcile-go-at-once"))
            return FALSE;
    }
    for (guint i = 0; i < topology->members->len; i++) {
        const Member *other = topology->members->pdata[i];
        if (other->instance->order >= member->instance->order || other->stage >= member->stage)
            continue;
        const MemberRecord *record = application_record_member (application, other->name);
        if (record != NULL && record->on && !record->failed && !is_ready (record))
            return FALSE;
    }
    return TRUE;
}

static void
update_go (Controller *controller, ApplicationRecord *application)
{
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        const Member *described = topology_member (application->topology, member->name);
        if (!member->on || member->go || described == NULL || !may_go (application, described))
            continue;
        member->go = TRUE;
        member->timer_us = controller_now_us (controller);
        FP ("start.34.go_given");
    }
}

/* --- documents --------------------------------------------------------------------------------------------- */

static GHashTable *
peer_states (const ApplicationRecord *application)
{
    GHashTable *states = g_hash_table_new (g_str_hash, g_str_equal);
    for (guint i = 0; i < application->topology->members->len; i++)
        g_hash_table_insert (
            states, ((Member *)application->topology->members->pdata[i])->name,
            (gpointer) "draining"); /* without a record: removed before the others that leave */
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        const char *state = "starting";
        if (member->draining || member->leaving)
            state = "draining";
        else if (is_ready (member) && member->on)
            state = "ready";
        else if (member->failed)
            state = "failed";
        g_hash_table_insert (states, member->name, (gpointer)state);
    }
    return states;
}

static GHashTable *
volume_identities (Controller *controller, const ApplicationRecord *application)
{
    GHashTable *identities = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        if (g_strcmp0 (volume->application, application->name) != 0 || volume->deleting)
            continue;
        VolumeIdentity *identity = g_new0 (VolumeIdentity, 1);
        identity->id = volume->id;
        identity->size_bytes = (guint64)volume->size_bytes;
        g_hash_table_insert (identities, volume->local, identity);
    }
    return identities;
}

typedef struct {
    GHashTable *states, *volumes;
} Shared;

static MemberRuntime
runtime_of (Controller *controller, const ApplicationRecord *application, const MemberRecord *member,
            const Shared *shared)
{
    const Member *described = topology_member (application->topology, member->name);
    g_autofree char *class_text = member_class_text (described);
    const Server *server =
        member->server != NULL ? g_hash_table_lookup (controller->servers, member->server) : NULL;
    const MemberRuntime runtime = {
        .application_id = application->id,
        .power_on = specs_power (application, member),
        .incarnation = member->incarnation,
        .root_epoch = member->root_epoch,
        .image = json_object_get (application->images, class_text),
        .volumes = shared->volumes,
        .states = shared->states,
        .revision = member->revision,
        .go = member->go,
        .draining = member->draining,
        .default_start_timeout_s = server_start_timeout_s (server),
    };
    return runtime;
}

static char *
digest (json_t *document)
{
    g_autofree char *text = json_text (document);
    json_decref (document);
    return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static void
update_member (Controller *controller, ApplicationRecord *application, MemberRecord *member,
               const Shared *shared)
{
    MemberRuntime runtime = runtime_of (controller, application, member, shared);
    runtime.revision = 0;
    g_autofree char *guest =
        digest (member_guest_settings (application->topology, application->wiring, member->name, &runtime));
    if (g_strcmp0 (guest, member->guest_digest) != 0) {
        record_set_string (&member->guest_digest, guest);
        member->revision = ++application->settings_revision;
    }
    runtime.revision = member->revision;
    g_autofree char *spec =
        digest (member_spec (application->topology, application->wiring, member->name, &runtime));
    if (g_strcmp0 (spec, member->spec_digest) == 0)
        return;
    record_set_string (&member->spec_digest, spec);
    g_free (member->operation);
    member->operation = id_random (8);
    member->generation++;
    member->retry_us = member->put_us = member->delete_us = 0;
    member->attempts = 0;
}

/*
 * Everything a spec depends on that may change from one round to the next. Making the specs of all members
 * costs far more than this text, and most rounds change nothing.
 */
static char *
inputs_of (Controller *controller, const ApplicationRecord *application, const Shared *shared)
{
    GString *text = g_string_new (NULL);
    g_string_append_printf (text, "%" G_GINT64_FORMAT, application->revision);
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        const Server *server =
            member->server != NULL ? g_hash_table_lookup (controller->servers, member->server) : NULL;
        g_string_append_printf (text, " %s:%d%d%d%d%d:%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT ":%s:%u",
                                member->name, member->server != NULL, member->sent || member->report != NULL,
                                specs_power (application, member), member->go, member->draining,
                                member->incarnation, member->root_epoch,
                                (const char *)g_hash_table_lookup (shared->states, member->name),
                                server_start_timeout_s (server));
    }
    for (guint i = 0; i < application->topology->volumes->len; i++) {
        const char *name = ((TopologyVolume *)application->topology->volumes->pdata[i])->name;
        const VolumeIdentity *volume = g_hash_table_lookup (shared->volumes, name);
        if (volume != NULL)
            g_string_append_printf (text, " %s:%" G_GUINT64_FORMAT, volume->id, volume->size_bytes);
    }
    return g_string_free (text, FALSE);
}

void
specs_update (Controller *controller, ApplicationRecord *application)
{
    update_go (controller, application);
    g_autoptr (GHashTable) states = peer_states (application);
    g_autoptr (GHashTable) volumes = volume_identities (controller, application);
    const Shared shared = {states, volumes};
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (member->server != NULL && specs_power (application, member) &&
            topology_member (application->topology, member->name) != NULL)
            member->sent = TRUE;
    }
    char *inputs = inputs_of (controller, application, &shared);
    gboolean same = g_strcmp0 (inputs, application->spec_inputs) == 0;
    g_free (application->spec_inputs);
    application->spec_inputs = inputs;
    for (guint i = 0; !same && i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (topology_member (application->topology, member->name) == NULL || member->server == NULL)
            continue;
        if (member->sent || member->report != NULL)
            update_member (controller, application, member, &shared);
    }
}

json_t *
specs_build (Controller *controller, ApplicationRecord *application, const MemberRecord *member)
{
    if (application->topology == NULL || topology_member (application->topology, member->name) == NULL)
        return NULL;
    g_autoptr (GHashTable) states = peer_states (application);
    g_autoptr (GHashTable) volumes = volume_identities (controller, application);
    const Shared shared = {states, volumes};
    MemberRuntime runtime = runtime_of (controller, application, member, &shared);
    runtime.operation = member->operation;
    runtime.generation = member->generation;
    return member_spec (application->topology, application->wiring, member->name, &runtime);
}
