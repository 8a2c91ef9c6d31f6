#include "vdc/controller/agent_link.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/moves.h"
#include "vdc/controller/seed.h"
#include "vdc/controller/secrets/secrets.h"
#include "vdc/controller/specs.h"

#define CALL_TIMEOUT_MS 20000
#define SEED_TIMEOUT_MS 300000
/* After an accepted call the report is waited for; a lost one is asked again. */
#define AGAIN_US (10 * G_USEC_PER_SEC)
#define DELETE_AGAIN_US (3 * G_USEC_PER_SEC)
#define PAUSE_MAX_S 15

/* What a call was about; records may have changed or gone when it ends. */
typedef struct {
    Controller *controller;
    char *application, *member; /* or */
    char *volume;
    gint64 generation; /* PUT of a spec */
    gboolean erase;    /* DELETE with root=remove */
    gint64 size_bytes; /* PUT of a volume */
} Call;

static void
call_free (Call *call)
{
    g_free (call->application);
    g_free (call->member);
    g_free (call->volume);
    g_free (call);
}

static gint64
pause_us (guint *attempts)
{
    guint seconds = 1U << MIN (*attempts, 4);
    (*attempts)++;
    return MIN (seconds, PAUSE_MAX_S) * (gint64)G_USEC_PER_SEC;
}

static Server *
reachable (Controller *controller, const char *name)
{
    Server *server = name != NULL ? g_hash_table_lookup (controller->servers, name) : NULL;
    return server != NULL && server->full && server->state != SERVER_DOWN ? server : NULL;
}

static char *
instance_url (const Server *server, const char *application, const char *member, const char *suffix)
{
    return g_strdup_printf ("%s/v1/instances/%s/%s%s", server->url, application, member, suffix);
}

char *
agent_link_instance_url (Controller *controller, const ApplicationRecord *application,
                         const MemberRecord *member, const char *suffix)
{
    Server *server =
        member->server != NULL ? g_hash_table_lookup (controller->servers, member->server) : NULL;
    return server != NULL ? instance_url (server, application->name, member->name, suffix) : NULL;
}

/* --- instances --------------------------------------------------------------------------------------------- */

static MemberRecord *
call_member (const Call *call, ApplicationRecord **application)
{
    *application = g_hash_table_lookup (call->controller->applications, call->application);
    if (*application != NULL)
        controller_touch (*application);
    MemberRecord *member =
        *application != NULL ? application_record_member (*application, call->member) : NULL;
    if (member != NULL)
        member->calling = FALSE;
    return member;
}

/* TRUE: asking again later may help. */
static gboolean
is_passing (const GError *error)
{
    return vdc_error_is_unreachable (error) || g_error_matches (error, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT) ||
           g_error_matches (error, VDC_ERROR, VDC_ERROR_FAILED) || vdc_error_is_conflict (error) ||
           vdc_error_is_not_found (error);
}

static void
failed (const Call *call, ApplicationRecord *application, MemberRecord *member, const char *what,
        const GError *error)
{
    Controller *controller = call->controller;
    member->retry_us = clock_monotonic_us (controller->clock) + pause_us (&member->attempts);
    vdc_log (VDC_LOG_WARNING, what, "application", call->application, "instance", call->member, "server",
             member->server, "operation", member->operation != NULL ? member->operation : "", "error",
             error->message, NULL);
    if (!is_passing (error) && member->on && !member->failed) {
        member_give_up (controller, application, member, "agent", vdc_error_name (error), error->message,
                        g_error_matches (error, VDC_ERROR, VDC_ERROR_FULL)
                            ? "free space on the server's disk, then start again"
                            : "read the agent's log on the server",
                        NULL);
        member->on = application->debug && member->on;
    }
}

/* The agent has seen a higher generation than we remember: go past it. */
static void
raise_generation (MemberRecord *member)
{
    gint64 seen = json_int (member->report, "generation", 0);
    member->generation = MAX (member->generation, seen) + 1;
}

static void
on_put (HttpCall *http_call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Call *call = user_data;
    Controller *controller = call->controller;
    ApplicationRecord *application;
    MemberRecord *member = call_member (call, &application);
    if (member != NULL && error == NULL) {
        if (member->generation == call->generation)
            member->put_us = clock_monotonic_us (controller->clock) + AGAIN_US;
        member->attempts = 0;
        FP ("start.13.spec_answered");
    } else if (member != NULL) {
        if (vdc_error_is_conflict (error) && member->generation == call->generation)
            raise_generation (member);
        failed (call, application, member, "agent did not take the spec, retrying", error);
    }
    call_free (call);
    controller_wake (controller);
}

static void
put_spec (Controller *controller, Server *server, ApplicationRecord *application, MemberRecord *member)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) spec = specs_build (controller, application, member);
    json_t *secrets = spec != NULL ? secrets_of_spec (controller, application->id, spec, &error) : NULL;
    g_autofree char *url = instance_url (server, application->name, member->name, "");
    const HttpCallOptions options = {.json = spec, .timeout_ms = CALL_TIMEOUT_MS};
    if (spec == NULL)
        return;
    if (secrets == NULL) {
        vdc_log (VDC_LOG_ERROR, "a secret cannot be opened, its member is not sent", "application",
                 application->name, "member", member->name, "error", error->message, NULL);
        member->retry_us = clock_monotonic_us (controller->clock) + DELETE_AGAIN_US;
        return;
    }
    json_put (spec, "secrets", secrets);
    Call *call = g_new0 (Call, 1);
    call->controller = controller;
    call->application = g_strdup (application->name);
    call->member = g_strdup (member->name);
    call->generation = member->generation;
    member->calling = TRUE;
    http_client_send (controller->agents, "PUT", url, &options, on_put, call);
    if (specs_power (application, member))
        FP ("start.11.spec_sent");
    else
        FP ("stop.04.spec_sent");
}

static void
on_delete (HttpCall *http_call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Call *call = user_data;
    Controller *controller = call->controller;
    ApplicationRecord *application;
    MemberRecord *member = call_member (call, &application);
    if (member != NULL && (error == NULL || vdc_error_is_not_found (error))) {
        member->sent = FALSE;
        member->erased = call->erase;
        member->delete_us = clock_monotonic_us (controller->clock) + DELETE_AGAIN_US;
        member->attempts = 0;
        FP ("stop.20.delete_answered");
    } else if (member != NULL)
        failed (call, application, member, "agent did not delete the instance, retrying", error);
    call_free (call);
    controller_wake (controller);
}

/* A root disk that never came to serve anything is not worth keeping: a failed start leaves nothing behind.
 */
static void
delete_instance (Controller *controller, Server *server, ApplicationRecord *application, MemberRecord *member)
{
    gboolean erase = member->leaving || !member->rooted;
    g_autofree char *url =
        instance_url (server, application->name, member->name, erase ? "?root=remove" : "?root=keep");
    const HttpCallOptions options = {.timeout_ms = CALL_TIMEOUT_MS};
    Call *call = g_new0 (Call, 1);
    call->controller = controller;
    call->application = g_strdup (application->name);
    call->member = g_strdup (member->name);
    call->erase = erase;
    member->calling = TRUE;
    if (member->sent || member->report != NULL) {
        member->report_mark = server->reported;
        member->fresh = FALSE;
    }
    http_client_send (controller->agents, "DELETE", url, &options, on_delete, call);
    FP ("stop.16.delete_sent");
}

static gboolean
volumes_are_made (Controller *controller, const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *described = topology_member (application->topology, member->name);
    for (guint i = 0; described != NULL && i < described->volumes->len; i++) {
        const MemberVolume *slot = described->volumes->pdata[i];
        const VolumeRecord *volume =
            controller_application_volume (controller, application->name, slot->volume);
        if (volume == NULL || !volume->made)
            return FALSE;
    }
    return TRUE;
}

static void
act_on_member (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    Server *server = reachable (controller, member->server);
    if (server == NULL || member->calling || clock_monotonic_us (controller->clock) < member->retry_us)
        return;
    gint64 now_us = clock_monotonic_us (controller->clock);
    gboolean heard =
        member->report != NULL && json_int (member->report, "generation", -1) == member->generation;
    /* What was stopped and kept is to go for good. */
    gboolean erase = member->leaving && !member->erased && !member->sent && member->report == NULL;
    if (specs_power (application, member)) {
        if (!heard && now_us >= member->put_us && volumes_are_made (controller, application, member))
            put_spec (controller, server, application, member);
    } else if (member_has_vm (member) || (member->on && member->again)) {
        if (!heard && now_us >= member->put_us && member->report != NULL)
            put_spec (controller, server, application, member); /* power off: stops properly */
    } else if (erase || (now_us >= member->delete_us && (member->sent || member->report != NULL)))
        delete_instance (controller, server, application, member);
}

/* --- volumes
 * -----------------------------------------------------------------------------------------------------------
 */

static VolumeRecord *
call_volume (const Call *call)
{
    VolumeRecord *volume = g_hash_table_lookup (call->controller->volumes, call->volume);
    if (volume == NULL)
        return NULL;
    volume->calling = FALSE;
    volume->dirty = TRUE;
    return volume;
}

static void
volume_failed (Controller *controller, VolumeRecord *volume, const GError *error)
{
    volume->retry_us = clock_monotonic_us (controller->clock) + pause_us (&volume->attempts);
    vdc_log (VDC_LOG_WARNING, "volume call failed, retrying", "volume", volume->name, "server",
             volume->server, "error", error->message, NULL);
    if (g_error_matches (error, VDC_ERROR, VDC_ERROR_FULL)) {
        Server *server = g_hash_table_lookup (controller->servers, volume->server);
        if (server != NULL)
            server->space_need_bytes = MAX (server->space_need_bytes, volume->size_bytes);
    }
    /* CONFLICT: still open by a member that is being stopped. */
    if (vdc_error_is_unreachable (error) || vdc_error_is_conflict (error) || volume->deleting ||
        g_error_matches (error, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT))
        return;
    record_set_json (&volume->error,
                     json_pack ("{s:s, s:s}", "code", vdc_error_name (error), "message", error->message));
}

static void
volume_made (Controller *controller, VolumeRecord *volume, gint64 size_bytes)
{
    volume->renamed = FALSE;
    volume->made = volume->size_bytes == size_bytes; /* else it was grown meanwhile */
    volume->attempts = 0;
    record_set_json (&volume->error, NULL);
    record_set_string (&volume->seed, NULL);
    if (volume->seed_bytes > 0)
        job_bytes (controller, volume->application, "volume", volume->local, volume->seed_bytes,
                   volume->seed_bytes);
    FP ("start.10.volume_made");
    vdc_log (VDC_LOG_INFO, "volume made", "volume", volume->name, "id", volume->id, "server", volume->server,
             NULL);
}

static Call *
volume_call_new (Controller *controller, VolumeRecord *volume)
{
    Call *call = g_new0 (Call, 1);
    call->controller = controller;
    call->volume = g_strdup (volume->id);
    call->size_bytes = volume->size_bytes;
    volume->calling = TRUE;
    return call;
}

static void
on_volume_seeded (HttpCall *http_call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Call *call = user_data;
    VolumeRecord *volume = call_volume (call);
    /* REFUSED: it has been in use, so it was seeded and the answer was lost. */
    if (volume != NULL && (error == NULL || g_error_matches (error, VDC_ERROR, VDC_ERROR_REFUSED)))
        volume_made (call->controller, volume, call->size_bytes);
    else if (volume != NULL)
        volume_failed (call->controller, volume, error);
    controller_wake (call->controller);
    call_free (call);
}

static void
put_seed (Controller *controller, Server *server, VolumeRecord *volume)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) tar = seed_pack (volume->seed, &error);
    if (tar == NULL) {
        volume_failed (controller, volume, error);
        return;
    }
    volume->seed_bytes = (gint64)g_bytes_get_size (tar);
    job_bytes (controller, volume->application, "volume", volume->local, 0, volume->seed_bytes);
    g_autofree char *url = g_strdup_printf ("%s/v1/volumes/%s/seed", server->url, volume->id);
    const HttpCallOptions options = {
        .bytes = tar, .content_type = "application/x-tar", .timeout_ms = SEED_TIMEOUT_MS};
    http_client_send (controller->agents, "PUT", url, &options, on_volume_seeded,
                      volume_call_new (controller, volume));
    FP ("start.07.seed_sent");
}

static void
on_volume_put (HttpCall *http_call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Call *call = user_data;
    Controller *controller = call->controller;
    VolumeRecord *volume = call_volume (call);
    if (volume != NULL && error == NULL)
        FP ("start.06.volume_answered");
    if (volume != NULL && error != NULL)
        volume_failed (controller, volume, error);
    else if (volume != NULL && volume->seed != NULL) {
        Server *server = reachable (controller, volume->server);
        if (server != NULL)
            put_seed (controller, server, volume);
    } else if (volume != NULL)
        volume_made (controller, volume, call->size_bytes);
    controller_wake (controller);
    call_free (call);
}

static void
put_volume (Controller *controller, Server *server, VolumeRecord *volume)
{
    g_autoptr (json_t) body = json_pack ("{s:s, s:s?, s:I, s:s, s:b}", "name", volume->name, "application",
                                         volume->application, "size_bytes", (json_int_t)volume->size_bytes,
                                         "filesystem", "ext4", "existing", volume->renamed);
    g_autofree char *url = g_strdup_printf ("%s/v1/volumes/%s", server->url, volume->id);
    const HttpCallOptions options = {.json = body, .timeout_ms = SEED_TIMEOUT_MS};
    http_client_send (controller->agents, "PUT", url, &options, on_volume_put,
                      volume_call_new (controller, volume));
    FP ("start.03.volume_sent");
}

static void
on_volume_deleted (HttpCall *http_call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Call *call = user_data;
    VolumeRecord *volume = call_volume (call);
    if (volume != NULL && (error == NULL || vdc_error_is_not_found (error))) {
        record_set_string (&volume->server, NULL); /* the next round drops the record */
        FP ("empty.07.volume_answered");
    } else if (volume != NULL)
        volume_failed (call->controller, volume, error);
    controller_wake (call->controller);
    call_free (call);
}

static void
act_on_volume (Controller *controller, VolumeRecord *volume)
{
    Server *server = reachable (controller, volume->server);
    if (server == NULL || volume->calling || clock_monotonic_us (controller->clock) < volume->retry_us)
        return;
    if (volume->deleting) {
        g_autofree char *url = g_strdup_printf ("%s/v1/volumes/%s", server->url, volume->id);
        const HttpCallOptions options = {.timeout_ms = CALL_TIMEOUT_MS};
        http_client_send (controller->agents, "DELETE", url, &options, on_volume_deleted,
                          volume_call_new (controller, volume));
        FP ("empty.03.volume_sent");
    } else if ((!volume->made || volume->renamed) && volume->error == NULL)
        put_volume (controller, server, volume);
}

/* A new volume goes where the first member that needs it runs. */
static void
choose_servers (Controller *controller, ApplicationRecord *application)
{
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        const Member *described = topology_member (application->topology, member->name);
        for (guint k = 0; member->on && described != NULL && k < described->volumes->len; k++) {
            const MemberVolume *slot = described->volumes->pdata[k];
            VolumeRecord *volume =
                controller_application_volume (controller, application->name, slot->volume);
            if (volume != NULL && volume->server == NULL)
                record_set_string (&volume->server, member->server);
        }
    }
}

void
agent_link_decide_volumes (Controller *controller)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (application->visited && application->topology != NULL)
            choose_servers (controller, application);
    gboolean dropped = FALSE;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        if (!volume->deleting || volume->server != NULL || volume->calling)
            continue;
        controller_write (controller, STORE_VOLUMES, volume->id, NULL);
        controller_note (controller, "volume.destroyed", "volume", volume->name, volume->application, NULL,
                         NULL);
        g_hash_table_iter_remove (&iter);
        dropped = TRUE;
        FP ("empty.08.volume_dropped");
    }
    if (dropped)
        controller_wake (controller);
}

void
agent_link_act (Controller *controller)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        act_on_volume (controller, volume);
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        for (guint i = 0;
             application->visited && application->topology != NULL && i < application->members->len; i++)
            act_on_member (controller, application, application->members->pdata[i]);
}
