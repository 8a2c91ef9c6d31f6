#include "vdc/controller/agent_watch.h"

#include <gio/gio.h>
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/placement.h"
#include "vdc/http/pki.h"

static const char *const state_names[] = {"new", "up", "suspect", "down"};

const char *
server_state_name (ServerState state)
{
    return state_names[state];
}

Server *
agent_watch_add (Controller *controller, const char *name, const char *address, const char *url)
{
    Server *server = g_hash_table_lookup (controller->servers, name);
    if (server == NULL) {
        server = g_new0 (Server, 1);
        server->name = g_strdup (name);
        server->reports =
            g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
        server->heard_us = clock_monotonic_us (controller->clock);
        g_hash_table_insert (controller->servers, server->name, server);
    }
    record_set_string (&server->address, address);
    record_set_string (&server->url, url);
    return server;
}

json_t *
agent_watch_register (Controller *controller, const char *name, const char *address, guint port,
                      GError **error)
{
    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "a server's name must be %s", id_name_rule ());
        return NULL;
    }
    if (!g_hostname_is_ip_address (address)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "address of server '%s' must be an IP address",
                     name);
        return NULL;
    }
    const char *const names[] = {address, name, NULL};
    const PkiSubject subject = {.common_name = name, .names = names, .use = PKI_SERVER | PKI_CLIENT};
    g_autofree char *certificate = NULL, *key = NULL, *ca = NULL;
    g_autofree char *ca_file = g_build_filename (controller->pki_folder, "ca.crt", NULL);
    g_autofree char *usual = port == 0 ? g_strdup (controller->agent_port) : g_strdup_printf ("%u", port);
    g_autofree char *url = strchr (address, ':') != NULL ? g_strdup_printf ("https://[%s]:%s", address, usual)
                                                         : g_strdup_printf ("https://%s:%s", address, usual);
    if (!pki_issue (controller->pki_folder, &subject, &certificate, &key, error) ||
        !g_file_get_contents (ca_file, &ca, NULL, error))
        return NULL;
    controller_write (controller, STORE_SERVERS, name,
                      json_pack ("{s:s, s:s, s:s}", "name", name, "address", address, "url", url));
    controller_note (controller, "server.registered", "server", name, NULL, NULL, NULL);
    if (!controller_commit (controller, error)) {
        controller_revert (controller);
        return NULL;
    }
    agent_watch_add (controller, name, address, url);
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s}", "server", name, "address", address, "url", url,
                      "certificate", certificate, "key", key, "ca", ca);
}

/* --- removing ---------------------------------------------------------------------------------------------- */

/* "shop:web.1", "volume shop.data"; NULL: nothing. Caller frees. */
static char *
held_by (Controller *controller, const char *server)
{
    GHashTableIter iter;
    gpointer record;
    gsize i;
    json_t *volume;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &record)) {
        const ApplicationRecord *application = record;
        for (i = 0; i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            if (g_strcmp0 (member->server, server) == 0 && (member->on || member->sent || member->rooted))
                return g_strdup_printf ("instance %s:%s", application->name, member->name);
        }
    }
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        if (g_strcmp0 (((VolumeRecord *)record)->server, server) == 0)
            return g_strdup_printf ("volume %s", ((VolumeRecord *)record)->name);
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, &record)) {
        json_array_foreach (((TrashRecord *)record)->volumes, i, volume) {
            if (g_strcmp0 (json_str (volume, "server", NULL), server) == 0)
                return g_strdup_printf ("%s in the trash", ((TrashRecord *)record)->name);
        }
    }
    return NULL;
}

gboolean
agent_watch_may_remove (Controller *controller, const Server *server, GError **error)
{
    g_autofree char *held = held_by (controller, server->name);
    if (held == NULL)
        return TRUE;
    g_set_error (
        error, VDC_ERROR, VDC_ERROR_REFUSED,
        "server '%s' holds %s; destroy what it holds, clean stopped applications, empty the trash, then "
        "remove it",
        server->name, held);
    return FALSE;
}

/* A member that left nothing there is placed anew at its next start. */
static void
forget_places (Controller *controller, const char *server)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        for (guint i = 0; i < application->members->len; i++) {
            MemberRecord *member = application->members->pdata[i];
            if (g_strcmp0 (member->server, server) != 0)
                continue;
            record_set_string (&member->server, NULL);
            controller_touch (application);
        }
}

gboolean
agent_watch_remove (Controller *controller, const Server *server, GError **error)
{
    g_autofree char *name = g_strdup (server->name);
    if (!agent_watch_may_remove (controller, server, error))
        return FALSE;
    forget_places (controller, name);
    controller_write (controller, STORE_SERVERS, name, NULL);
    controller_note (controller, "server.removed", "server", name, NULL, NULL, NULL);
    if (!controller_commit (controller, error)) {
        controller_revert (controller);
        return FALSE;
    }
    vdc_log (VDC_LOG_INFO, "server removed", "server", name, NULL);
    g_hash_table_remove (controller->servers, name);
    agent_watch_attach_all (controller);
    return TRUE;
}

/* --- reports ----------------------------------------------------------------------------------------------- */

static void
move_server (Controller *controller, Server *server, ServerState to)
{
    if (server->state == to)
        return;
    vdc_log (to == SERVER_UP ? VDC_LOG_INFO : VDC_LOG_WARNING, "server state", "server", server->name, "from",
             server_state_name (server->state), "to", server_state_name (to), NULL);
    server->state = to;
    controller->reported = TRUE;
    controller_note (controller, "server.state", "server", server->name, NULL, server_state_name (to), NULL);
}

static void
keep_instances (Server *server, json_t *instances, gboolean full)
{
    gsize i;
    json_t *report;
    if (full)
        g_hash_table_remove_all (server->reports);
    json_array_foreach (instances, i, report) {
        const char *application = json_str (report, "application", ""),
                   *member = json_str (report, "member", "");
        g_hash_table_replace (server->reports, g_strdup_printf ("%s/%s", application, member),
                              json_incref (report));
    }
}

gboolean
agent_watch_report (Controller *controller, const char *peer, json_t *report, GError **error)
{
    const char *name;
    json_t *instances;
    if (!json_need_string (report, "report", "server", &name, error) ||
        !json_need_array (report, "report", "instances", &instances, error))
        return FALSE;
    if (g_strcmp0 (name, peer) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "'%s' may not report for server '%s'",
                     peer != NULL ? peer : "nobody", name);
        return FALSE;
    }
    Server *server = controller_server (controller, name, error);
    if (server == NULL)
        return FALSE;
    gboolean full = json_bool (report, "full", FALSE);
    keep_instances (server, instances, full);
    server->full = server->full || full;
    server->reported++;
    controller->reported = TRUE;
    server->heard_us = clock_monotonic_us (controller->clock);
    record_set_json (&server->info, json_copy (report));
    json_object_del (server->info, "instances");
    move_server (controller, server, SERVER_UP);
    controller_wake (controller);
    FP ("start.32.report_taken");
    return TRUE;
}

void
agent_watch_tick (Controller *controller)
{
    gint64 now_us = clock_monotonic_us (controller->clock);
    GHashTableIter iter;
    Server *server;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        gint64 silence_us = now_us - server->heard_us;
        if (silence_us > SERVER_DOWN_US && server->state != SERVER_DOWN) {
            server->full = FALSE;
            move_server (controller, server, SERVER_DOWN);
        } else if (silence_us > SERVER_SUSPECT_US && server->state == SERVER_UP)
            move_server (controller, server, SERVER_SUSPECT);
    }
}

/* Counters change with every report, and decide nothing. */
static gboolean
same_but_counters (json_t *a, json_t *b)
{
    const char *key;
    json_t *value;
    if (a == b)
        return TRUE;
    if (a == NULL || b == NULL || json_object_size (a) != json_object_size (b))
        return FALSE;
    json_object_foreach (a, key, value)
        if (strcmp (key, "counters") != 0 && !json_equal (value, json_object_get (b, key)))
            return FALSE;
    return TRUE;
}

static void
attach (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    Server *server =
        member->server != NULL ? g_hash_table_lookup (controller->servers, member->server) : NULL;
    json_t *report = NULL;
    if (server != NULL) {
        g_autofree char *key = g_strdup_printf ("%s/%s", application->name, member->name);
        report = g_hash_table_lookup (server->reports, key);
    }
    gboolean known = server != NULL && server->full && server->state != SERVER_DOWN;
    if (known != member->known || !same_but_counters (member->report, report))
        controller_touch (application);
    if (json_int (report, "generation", 0) == -1 && json_int (member->report, "generation", 0) != -1)
        member->put_us = 0; /* its agent was started anew and has no secrets: at once */
    record_set_json (&member->report, json_incref (report));
    member->fresh = server != NULL && server->reported != member->report_mark;
    member->known = known;
}

void
agent_watch_attach (Controller *controller, ApplicationRecord *application)
{
    for (guint i = 0; i < application->members->len; i++)
        attach (controller, application, application->members->pdata[i]);
}

void
agent_watch_attach_all (Controller *controller)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    controller->reported = FALSE;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        agent_watch_attach (controller, application);
}

guint
server_start_timeout_s (const Server *server)
{
    return server != NULL && g_strcmp0 (json_str (server->info, "accel", NULL), "kvm") == 0 ? 60 : 180;
}

json_t *
server_json (Controller *controller, const Server *server)
{
    json_t *object = server->info != NULL ? json_deep_copy (server->info) : json_object ();
    json_object_del (object, "full");
    json_object_del (object, "seq");
    json_object_del (object, "server");
    json_put (object, "name", json_string (server->name));
    json_put (object, "address", json_string (server->address));
    json_put (object, "url", json_string (server->url));
    json_put (object, "state", json_string (server_state_name (server->state)));
    json_put (object, "memory_reserved_bytes",
              json_integer (placement_reserved_bytes (controller, server->name)));
    json_put (object, "instances", json_integer (g_hash_table_size (server->reports)));
    json_put (object, "silence_ms",
              json_integer ((clock_monotonic_us (controller->clock) - server->heard_us) / 1000));
    return object;
}
