/*
 * Repairs: look, do what is safe, look again. What an agent does it checks again itself (vdc/agent/repair.h).
 */
#include <string.h>

#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/trash.h"
#include "vdc/controller/verify_internal.h"

#define CALL_TIMEOUT_MS 20000
/* Agents and reconciler need a moment for what they were asked. */
#define LOOK_AGAIN_MS 500
#define LOOKS_MAX 20

typedef struct {
    Controller *controller;
    VerifyDone done;
    gpointer user_data;
    json_t *repaired, *failed;
    guint open, looks;
} Repair;

typedef struct {
    Repair *repair;
    json_t *finding;
} Asked;

/* --- in the store -------------------------------------------------------------------------------------------- */

static ApplicationRecord *
application_of (Controller *controller, const json_t *finding)
{
    return controller_application (controller, json_str (finding, "application", ""), NULL);
}

static MemberRecord *
member_of (Controller *controller, const json_t *finding)
{
    const ApplicationRecord *application = application_of (controller, finding);
    return application != NULL ? application_record_member (application, json_str (finding, "object", ""))
                               : NULL;
}

static void
add_member (Controller *controller, const json_t *finding)
{
    ApplicationRecord *application = application_of (controller, finding);
    if (application != NULL && member_of (controller, finding) == NULL)
        application_record_add (application, json_str (finding, "object", ""));
}

static void
free_volume (Controller *controller, const json_t *finding)
{
    VolumeRecord *volume = g_hash_table_lookup (controller->volumes, json_str (finding, "object", ""));
    if (volume == NULL || application_of (controller, finding) != NULL)
        return;
    record_set_string (&volume->application, NULL);
    record_set_string (&volume->local, NULL);
    volume->unused = volume->dirty = TRUE;
}

static void
end_job (Controller *controller, const json_t *finding)
{
    JobRecord *job = g_hash_table_lookup (controller->jobs, json_str (finding, "object", ""));
    if (job == NULL)
        return;
    record_set_string (&job->state, "failed");
    g_free (job->ended);
    job->ended = controller_stamp (controller);
    record_set_json (&job->error, json_pack ("{s:s, s:s}", "code", "failed", "message",
                                             "nothing carried it on; ended by vdc verify --repair"));
    controller_note (controller, "job.state", "job", job->id, job->application, "failed",
                     json_pack ("{s:s, s:O}", "kind", job->kind, "error", job->error));
}

/* What is in use is right: an entry that was removed one day would erase it. */
static void
leave_trash (Controller *controller, const json_t *finding)
{
    const char *id = json_str (finding, "object", "");
    GHashTableIter iter;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        for (gsize i = json_array_size (entry->volumes); i > 0; i--)
            if (strcmp (json_str (json_array_get (entry->volumes, i - 1), "id", ""), id) == 0) {
                json_array_remove (entry->volumes, i - 1);
                g_clear_pointer (&entry->stored, json_decref); /* it is to be written again */
            }
}

static void
keep_volume (Controller *controller, const json_t *finding)
{
    const char *id = json_str (finding, "object", "");
    if (g_hash_table_contains (controller->volumes, id) || trash_volume (controller, id) != NULL)
        return;
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = g_strdup (id);
    volume->name = g_strdup (id);
    volume->server = g_strdup (json_str (finding, "server", NULL));
    volume->size_bytes = json_int (finding, "size_bytes", 0);
    volume->created = controller_stamp (controller);
    volume->made = volume->unused = TRUE;
    g_hash_table_insert (controller->volumes, g_strdup (id), volume);
    trash_put_volume (controller, volume, "found");
}

/* The next round makes a new generation and sends it. */
static void
tell_again (Controller *controller, const json_t *finding)
{
    ApplicationRecord *application = application_of (controller, finding);
    MemberRecord *member = member_of (controller, finding);
    if (member == NULL)
        return;
    record_set_string (&member->spec_digest, NULL);
    g_clear_pointer (&application->spec_inputs, g_free);
}

/* --- on servers ----------------------------------------------------------------------------------------------- */

static json_t *
wish_name (Controller *controller, const json_t *finding, const char *action)
{
    return json_pack ("{s:s, s:s}", "action", action, "name", json_str (finding, "object", ""));
}

static json_t *
wish_member (Controller *controller, const json_t *finding, const char *action)
{
    return json_pack ("{s:s, s:s, s:s}", "action", action, "application",
                      json_str (finding, "application", ""), "member", json_str (finding, "object", ""));
}

static json_t *
wish_volume (Controller *controller, const json_t *finding, const char *action)
{
    const VolumeRecord *volume = controller_volume (controller, json_str (finding, "object", ""), NULL);
    if (volume == NULL)
        return NULL;
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:I}", "action", action, "name", volume->id, "user",
                      json_str (finding, "user", ""), "volume", volume->name, "application",
                      volume->application != NULL ? volume->application : "", "size_bytes",
                      (json_int_t)volume->size_bytes);
}

static const struct {
    const char *code;
    void (*store) (Controller *controller, const json_t *finding);
    json_t *(*wish) (Controller *controller, const json_t *finding, const char *action);
    const char *action;
} repairs[] = {
    {"member_missing", add_member, NULL, NULL},
    {"volume_stray", free_volume, NULL, NULL},
    {"job_stuck", end_job, NULL, NULL},
    {"trash_clash", leave_trash, NULL, NULL},
    {"volume_orphan", keep_volume, NULL, NULL},
    {"spec_missing", tell_again, NULL, NULL},
    {"spec_stale", tell_again, NULL, NULL},
    {"spec_orphan", NULL, wish_member, NULL}, /* by the call that every member is deleted with */
    {"tap_orphan", NULL, wish_name, "remove_wire"},
    {"bridge_orphan", NULL, wish_name, "remove_wire"},
    {"chain_orphan", NULL, wish_name, "remove_wire"},
    {"chain_missing", NULL, wish_member, "lay_wires"},
    {"wire_differs", NULL, wish_member, "lay_wires"},
    {"cgroup_orphan", NULL, wish_name, "remove_group"},
    {"disk_orphan", NULL, wish_member, "quarantine_disk"},
    {"file_orphan", NULL, wish_name, "quarantine_file"},
    {"volume_open", NULL, wish_volume, "close_volume"},
    {"volume_unrecorded", NULL, wish_volume, "record_volume"},
};

static gint
find_repair (const char *code)
{
    for (guint i = 0; i < G_N_ELEMENTS (repairs); i++)
        if (strcmp (repairs[i].code, code) == 0)
            return (gint)i;
    return -1;
}

gboolean
verify_knows_repair (const char *code)
{
    return find_repair (code) >= 0;
}

/* --- asking --------------------------------------------------------------------------------------------------- */

static void look_again (Repair *repair);

/* Takes @finding. */
static void
note_failed (Repair *repair, json_t *finding, const char *problem)
{
    json_put (finding, "problem", json_str_new (problem));
    json_array_append_new (repair->failed, finding);
}

static void
commit (Repair *repair)
{
    g_autoptr (GError) error = NULL;
    if (!controller_commit (repair->controller, &error)) {
        controller_revert (repair->controller);
        gsize i;
        json_t *finding;
        json_array_foreach (repair->repaired, i, finding) {
            note_failed (repair, json_copy (finding), error->message);
        }
        json_array_clear (repair->repaired);
    }
    controller_wake (repair->controller);
}

static void
one_less (Repair *repair)
{
    if (--repair->open == 0)
        look_again (repair);
}

static void
on_repaired (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Asked *asked = user_data;
    if (error == NULL || vdc_error_is_not_found (error))
        json_array_append_new (asked->repair->repaired, asked->finding);
    else
        note_failed (asked->repair, asked->finding, error->message);
    one_less (asked->repair);
    g_free (asked);
}

static void
send_wish (Repair *repair, const Server *server, const json_t *finding, json_t *wish)
{
    const HttpCallOptions options = {.json = wish, .timeout_ms = CALL_TIMEOUT_MS};
    g_autofree char *url = g_strconcat (server->url, "/v1/repair", NULL);
    Asked *asked = g_new0 (Asked, 1);
    asked->repair = repair;
    asked->finding = json_copy ((json_t *)finding);
    repair->open++;
    http_client_send (repair->controller->agents, "POST", url, &options, on_repaired, asked);
    json_decref (wish);
}

static void
forget_member (Repair *repair, const Server *server, const json_t *finding)
{
    const HttpCallOptions options = {.timeout_ms = CALL_TIMEOUT_MS};
    g_autofree char *application = http_escape (json_str (finding, "application", ""));
    g_autofree char *member = http_escape (json_str (finding, "object", ""));
    g_autofree char *url =
        g_strdup_printf ("%s/v1/instances/%s/%s?root=keep", server->url, application, member);
    Asked *asked = g_new0 (Asked, 1);
    asked->repair = repair;
    asked->finding = json_copy ((json_t *)finding);
    repair->open++;
    http_client_send (repair->controller->agents, "DELETE", url, &options, on_repaired, asked);
}

/* A spec of nobody with a VM is more than a spec: its VM is told of, and left alone. */
static gboolean
has_vm_finding (const json_t *findings, const json_t *finding)
{
    gsize i;
    json_t *other;
    json_array_foreach ((json_t *)findings, i, other) {
        if (strcmp (json_str (other, "code", ""), "domain_orphan") == 0 &&
            g_strcmp0 (json_str (other, "application", NULL), json_str (finding, "application", NULL)) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
repair_on_server (Repair *repair, const json_t *findings, const json_t *finding, guint row)
{
    Controller *controller = repair->controller;
    const Server *server = g_hash_table_lookup (controller->servers, json_str (finding, "server", ""));
    json_t *wish = server != NULL ? repairs[row].wish (controller, finding,
                                                       repairs[row].action != NULL ? repairs[row].action : "")
                                  : NULL;
    if (wish == NULL)
        note_failed (repair, json_copy ((json_t *)finding), "it is not there any more");
    else if (repairs[row].action != NULL)
        send_wish (repair, server, finding, json_incref (wish));
    else if (has_vm_finding (findings, finding))
        note_failed (repair, json_copy ((json_t *)finding), "it has a VM");
    else
        forget_member (repair, server, finding);
    json_decref (wish);
}

static void
on_first_look (json_t *report, gpointer user_data)
{
    Repair *repair = user_data;
    const json_t *findings = json_object_get (report, "findings");
    gsize i;
    json_t *finding;
    repair->open = 1;
    json_array_foreach ((json_t *)findings, i, finding) {
        gint row = find_repair (json_str (finding, "code", ""));
        if (row < 0)
            continue;
        vdc_log (VDC_LOG_INFO, "repairing", "code", json_str (finding, "code", ""), "server",
                 json_str (finding, "server", ""), "application", json_str (finding, "application", ""),
                 "object", json_str (finding, "object", ""), NULL);
        if (repairs[row].store != NULL) {
            repairs[row].store (repair->controller, finding);
            json_array_append (repair->repaired, finding);
        } else
            repair_on_server (repair, findings, finding, (guint)row);
    }
    json_decref (report);
    commit (repair);
    one_less (repair);
}

/* --- looking again -------------------------------------------------------------------------------------------- */

static gboolean
still_there (const Repair *repair, const json_t *findings)
{
    gsize i, k;
    json_t *done, *now;
    json_array_foreach (repair->repaired, i, done) {
        json_array_foreach ((json_t *)findings, k, now) {
            if (strcmp (json_str (done, "code", ""), json_str (now, "code", "")) == 0 &&
                g_strcmp0 (json_str (done, "server", NULL), json_str (now, "server", NULL)) == 0 &&
                g_strcmp0 (json_str (done, "object", NULL), json_str (now, "object", NULL)) == 0)
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean
on_time (gpointer user_data)
{
    look_again (user_data);
    return G_SOURCE_REMOVE;
}

static void
on_look (json_t *report, gpointer user_data)
{
    Repair *repair = user_data;
    if (still_there (repair, json_object_get (report, "findings")) && ++repair->looks < LOOKS_MAX) {
        json_decref (report);
        g_timeout_add (LOOK_AGAIN_MS, on_time, repair);
        return;
    }
    json_put (report, "repaired", repair->repaired);
    json_put (report, "not_repaired", repair->failed);
    repair->done (report, repair->user_data);
    g_free (repair);
}

static void
look_again (Repair *repair)
{
    verify_start (repair->controller, on_look, repair);
}

void
verify_repair (Controller *controller, VerifyDone done, gpointer user_data)
{
    Repair *repair = g_new0 (Repair, 1);
    repair->controller = controller;
    repair->done = done;
    repair->user_data = user_data;
    repair->repaired = json_array ();
    repair->failed = json_array ();
    verify_start (controller, on_first_look, repair);
}
