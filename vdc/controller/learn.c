#include "vdc/controller/learn.h"

#include <string.h>

#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/agent_watch.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/memo.h"
#include "vdc/controller/moves.h"

#define CALL_TIMEOUT_MS 30000
#define PAUSE_US (2 * (gint64)G_USEC_PER_SEC)

typedef struct {
    Controller *controller;
    char *server, *after; /* id of the last memo read */
    gboolean calling, done;
    gint64 retry_us;
} Asked;

struct Learning {
    json_t *restored;  /* the row */
    gint64 began_us;   /* monotonic */
    gboolean accepted; /* without those that do not answer */
    GHashTable *asked; /* server → Asked */
    GHashTable *memos; /* application's id → newest memo */
};

static void
asked_free (gpointer data)
{
    Asked *asked = data;
    g_free (asked->server);
    g_free (asked->after);
    g_free (asked);
}

gboolean
learn_open (Controller *controller, GError **error)
{
    g_autoptr (json_t) era = store_get (controller->store, STORE_META, "era", NULL);
    g_autoptr (json_t) restored = store_get (controller->store, STORE_META, "restored", NULL);
    controller->era = json_int (era, "number", 0);
    if (restored == NULL)
        return TRUE;
    Learning *learning = controller->learning = g_new0 (Learning, 1);
    learning->restored = g_steal_pointer (&restored);
    learning->began_us = clock_monotonic_us (controller->clock);
    learning->asked = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, asked_free);
    learning->memos = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
    vdc_log (VDC_LOG_WARNING, "the store was restored: asking the servers before anything is done", "backup",
             json_str (learning->restored, "backup", ""), "created",
             json_str (learning->restored, "created", ""), NULL);
    return TRUE;
}

void
learn_close (Controller *controller)
{
    Learning *learning = controller->learning;
    if (learning == NULL)
        return;
    controller->learning = NULL;
    json_decref (learning->restored);
    g_hash_table_unref (learning->asked);
    g_hash_table_unref (learning->memos);
    g_free (learning);
}

/* --- asking ------------------------------------------------------------------------------------------------ */

static void
keep_newest (Learning *learning, const char *id, json_t *memo)
{
    const json_t *have = g_hash_table_lookup (learning->memos, id);
    gint64 era = json_int (memo, "era", 0), commit = json_int (memo, "commit", 0);
    gint64 have_era = json_int (have, "era", -1), have_commit = json_int (have, "commit", -1);
    if (era > have_era || (era == have_era && commit > have_commit))
        g_hash_table_replace (learning->memos, g_strdup (id), json_incref (memo));
}

static void
on_memos (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Asked *asked = user_data;
    Learning *learning = asked->controller->learning;
    json_t *items = answer != NULL ? json_object_get (answer->json, "items") : NULL, *row;
    gsize i;
    asked->calling = FALSE;
    if (error != NULL) {
        asked->retry_us = clock_monotonic_us (asked->controller->clock) + PAUSE_US;
        vdc_log (VDC_LOG_WARNING, "server does not say what it remembers, retrying", "server", asked->server,
                 "error", error->message, NULL);
        return;
    }
    json_array_foreach (items, i, row) {
        const char *id = json_str (row, "id", "");
        keep_newest (learning, id, json_object_get (row, "memo"));
        g_free (asked->after);
        asked->after = g_strdup (id);
    }
    asked->done = json_array_size (items) == 0;
    controller_wake (asked->controller);
}

static void
ask (Controller *controller, const Server *server)
{
    Asked *asked = g_hash_table_lookup (controller->learning->asked, server->name);
    if (asked == NULL) {
        asked = g_new0 (Asked, 1);
        asked->controller = controller;
        asked->server = g_strdup (server->name);
        g_hash_table_insert (controller->learning->asked, asked->server, asked);
    }
    if (!server->full || server->state == SERVER_DOWN || asked->calling || asked->done ||
        clock_monotonic_us (controller->clock) < asked->retry_us)
        return;
    g_autofree char *url =
        g_strdup_printf ("%s/v1/memos?whole=1%s%s", server->url, asked->after != NULL ? "&after=" : "",
                         asked->after != NULL ? asked->after : "");
    const HttpCallOptions options = {.timeout_ms = CALL_TIMEOUT_MS};
    asked->calling = TRUE;
    http_client_send (controller->agents, "GET", url, &options, on_memos, asked);
}

void
learn_server (Controller *controller, const char *name, const char *address)
{
    if (controller->learning == NULL || !id_is_name (name) ||
        g_hash_table_contains (controller->servers, name))
        return;
    g_autofree char *url = g_strdup_printf (
        strchr (address, ':') != NULL ? "https://[%s]:%s" : "https://%s:%s", address, controller->agent_port);
    vdc_log (VDC_LOG_WARNING, "a server registered after the backup is known again", "server", name, "url",
             url, NULL);
    controller_write (controller, STORE_SERVERS, name,
                      json_pack ("{s:s, s:s, s:s}", "name", name, "address", address, "url", url));
    controller_note (controller, "server.registered", "server", name, NULL, NULL, NULL);
    agent_watch_add (controller, name, address, url);
}

/* --- applying ---------------------------------------------------------------------------------------------- */

static ApplicationRecord *
by_id (Controller *controller, const char *id)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (g_strcmp0 (application->id, id) == 0)
            return application;
    return NULL;
}

static void
drop (Controller *controller, const ApplicationRecord *application)
{
    g_autofree char *name = g_strdup (application->name);
    controller_write (controller, STORE_APPLICATIONS, name, NULL);
    g_hash_table_remove (controller->applications, name);
}

/* A volume that is there again is not in the trash. */
static void
out_of_trash (Controller *controller, const char *owner)
{
    GHashTableIter iter;
    const char *id;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, (gpointer *)&id, (gpointer *)&entry))
        if (g_strcmp0 (entry->owner, owner) == 0) {
            controller_write (controller, STORE_TRASH, id, NULL);
            g_hash_table_iter_remove (&iter);
        }
}

static void
take_volumes (Controller *controller, const json_t *rows)
{
    gsize i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        VolumeRecord *volume = volume_record_new (row);
        g_clear_pointer (&volume->stored, json_decref);
        if (volume->id == NULL || volume->name == NULL)
            volume_record_free (volume);
        else
            g_hash_table_replace (controller->volumes, g_strdup (volume->id), volume);
    }
}

static void
take_memo (Controller *controller, const char *id, const json_t *memo)
{
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = application_record_new (json_object_get (memo, "record"));
    g_clear_pointer (&application->stored, json_decref);
    if (g_strcmp0 (application->id, id) != 0 || application->name == NULL ||
        !id_is_name (application->name) || !controller_compile (controller, application, &error)) {
        vdc_log (VDC_LOG_ERROR, "what a server remembers of an application cannot be used", "id", id, "error",
                 error != NULL ? error->message : "malformed", NULL);
        application_record_free (application);
        return;
    }
    const ApplicationRecord *same = by_id (controller, id);
    g_autofree char *digest = same != NULL ? memo_digest (controller, same) : NULL;
    if (g_strcmp0 (digest, json_str (memo, "digest", NULL)) == 0) { /* the backup knows no less */
        application_record_free (application);
        return;
    }
    if (same != NULL && strcmp (same->name, application->name) != 0)
        drop (controller, same);
    out_of_trash (controller, id);
    take_volumes (controller, json_object_get (memo, "volumes"));
    controller_note (controller, "application.learned", "application", application->name, application->name,
                     application->state, json_pack ("{s:I}", "revision", (json_int_t)application->revision));
    g_hash_table_replace (controller->applications, g_strdup (application->name), application);
}

/* As its server has it: no life is begun anew, and no order is older than one it has heard. */
static void
take_report (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    const json_t *report = member->report, *guest = json_object_get (report, "guest");
    const Server *server =
        member->server != NULL ? g_hash_table_lookup (controller->servers, member->server) : NULL;
    if (report == NULL)
        return;
    member->sent = TRUE;
    member->generation = MAX (member->generation, json_int (report, "generation", 0));
    member->incarnation = MAX (member->incarnation, json_int (report, "incarnation", 0));
    application->settings_revision = MAX (application->settings_revision, json_int (guest, "configured", 0));
    const char *state = json_str (guest, "state", "");
    if (!member_has_vm (member) || (strcmp (state, "ready") != 0 && strcmp (state, "degraded") != 0))
        return;
    member->go = member->was_ready = member->rooted = TRUE;
    member->seen = member->incarnation;
    member->timer_us = 0;
    if (server != NULL)
        record_set_string (&member->boot_id, json_str (server->info, "boot_id", NULL));
}

static gboolean
is_expected (const ApplicationRecord *application)
{
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        if (member->server != NULL && (member->on || member->sent))
            return TRUE;
    }
    return FALSE;
}

/* It may be on a server that was left out: then nobody knows, and nothing is said about it. */
static gboolean
may_be_elsewhere (Controller *controller, const ApplicationRecord *application)
{
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        const Asked *asked =
            member->server != NULL ? g_hash_table_lookup (controller->learning->asked, member->server) : NULL;
        if (member->server != NULL && (asked == NULL || !asked->done))
            return TRUE;
    }
    return FALSE;
}

static void
set_stopped (Controller *controller, ApplicationRecord *application)
{
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        member->on = member->again = member->sent = member->go = member->was_ready = member->failed = FALSE;
        record_set_string (&member->state, state_name (STATE_STOPPED));
    }
    record_set_string (&application->phase, phase_name (PHASE_STOPPED));
    record_set_string (&application->job, NULL);
    application->failed = TRUE;
    record_set_json (
        &application->error,
        json_pack ("{s:s, s:s, s:s, s:s}", "step", "restore", "code", "not_found", "message",
                   "the controller was restored from a backup, and no server knows this application any "
                   "more",
                   "remedy", "destroy it, or start it anew"));
    controller_note (controller, "application.lost", "application", application->name, application->name,
                     "stopped", NULL);
}

static void
end_jobs (Controller *controller)
{
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job)) {
        if (strcmp (job->state, "running") != 0)
            continue;
        g_autofree char *stamp = controller_stamp (controller);
        record_set_string (&job->state, "failed");
        record_set_string (&job->ended, stamp);
        record_set_json (
            &job->error,
            json_pack ("{s:s, s:s}", "code", "failed", "message",
                       "the controller was restored from a backup meanwhile; look at what is there"));
        controller_note (controller, "job.state", "job", job->id, job->application, "failed", NULL);
    }
}

static void
take_all (Controller *controller)
{
    Learning *learning = controller->learning;
    GHashTableIter iter;
    const char *id;
    json_t *memo;
    ApplicationRecord *application;
    gint64 era = controller->era;
    end_jobs (controller);
    g_hash_table_iter_init (&iter, learning->memos);
    while (g_hash_table_iter_next (&iter, (gpointer *)&id, (gpointer *)&memo)) {
        era = MAX (era, json_int (memo, "era", 0));
        take_memo (controller, id, memo);
    }
    agent_watch_attach_all (controller);
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        gboolean known = g_hash_table_contains (learning->memos, application->id);
        for (guint i = 0; i < application->members->len; i++)
            take_report (controller, application, application->members->pdata[i]);
        const JobRecord *job =
            application->job != NULL ? g_hash_table_lookup (controller->jobs, application->job) : NULL;
        if (job == NULL || strcmp (job->state, "running") != 0)
            record_set_string (&application->job, NULL);
        if (!known && is_expected (application) && !may_be_elsewhere (controller, application))
            set_stopped (controller, application);
    }
    controller_touch_all (controller);
    controller_touch_all (controller);
    controller->era = era + 1;
    controller_write (controller, STORE_META, "era",
                      json_pack ("{s:I}", "number", (json_int_t)controller->era));
}

static gboolean
finish (Controller *controller)
{
    g_autoptr (GError) error = NULL;
    Learning *learning = controller->learning;
    take_all (controller);
    g_autofree char *count = g_strdup_printf ("%u", g_hash_table_size (learning->memos));
    controller_write (controller, STORE_META, "restored", NULL);
    controller_note (controller, "store.restored", "store", json_str (learning->restored, "backup", ""), NULL,
                     NULL, json_incref (learning->restored));
    controller_audit (controller, &(AuditEntry){.who = "vdcd",
                                                .action = "restoreStore",
                                                .object = "store",
                                                .id = json_str (learning->restored, "backup", NULL),
                                                .params = json_incref (learning->restored)});
    if (!controller_commit (controller, &error)) {
        vdc_log (VDC_LOG_ERROR, "cannot store what was learned, retrying", "error", error->message, NULL);
        controller_revert (controller);
        return FALSE;
    }
    vdc_log (VDC_LOG_INFO, "everything is learned, going on", "applications", count, NULL);
    learn_close (controller);
    return TRUE;
}

/* --- rounds ------------------------------------------------------------------------------------------------ */

static guint
count_waiting (Controller *controller, json_t *names)
{
    GHashTableIter iter;
    Server *server;
    guint waiting = 0;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        const Asked *asked = g_hash_table_lookup (controller->learning->asked, server->name);
        if (asked != NULL && asked->done)
            continue;
        waiting++;
        if (names != NULL)
            json_array_append_new (names, json_string (server->name));
    }
    return waiting;
}

static gboolean
any_calling (const Learning *learning)
{
    GHashTableIter iter;
    Asked *asked;
    g_hash_table_iter_init (&iter, learning->asked);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&asked))
        if (asked->calling)
            return TRUE;
    return FALSE;
}

gboolean
learn_round (Controller *controller)
{
    Learning *learning = controller->learning;
    GHashTableIter iter;
    Server *server;
    if (learning == NULL)
        return FALSE;
    agent_watch_attach_all (controller);
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server))
        ask (controller, server);
    gint64 past_us = clock_monotonic_us (controller->clock) - learning->began_us;
    guint waiting = count_waiting (controller, NULL);
    if (past_us < controller->learn_min_us || any_calling (learning) ||
        (waiting > 0 && !learning->accepted)) {
        controller_commit (controller, NULL);
        return TRUE;
    }
    return !finish (controller);
}

json_t *
learn_json (Controller *controller)
{
    if (controller->learning == NULL)
        return NULL;
    json_t *names = json_array ();
    count_waiting (controller, names);
    return json_pack ("{s:s, s:s, s:o}", "backup", json_str (controller->learning->restored, "backup", ""),
                      "created", json_str (controller->learning->restored, "created", ""), "waiting", names);
}

void
learn_accept (Controller *controller)
{
    if (controller->learning != NULL)
        controller->learning->accepted = TRUE;
    controller_wake (controller);
}
