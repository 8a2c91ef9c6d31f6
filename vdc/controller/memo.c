#include "vdc/controller/memo.h"

#include <string.h>

#include "vdc/base/log.h"

#define CALL_TIMEOUT_MS 20000
#define PAUSE_US (10 * (gint64)G_USEC_PER_SEC)

/* What one server remembers. */
typedef struct {
    Controller *controller;
    char *server;
    GHashTable *digests; /* application's id → digest; NULL: not asked yet */
    char *id, *digest;   /* of the call under way; digest NULL: it is a DELETE or the list */
    gboolean calling;
    gint64 retry_us;
    guint64 looked; /* commit up to which everything is told */
} Remembered;

struct Memos {
    GHashTable *servers; /* name → Remembered */
};

static void
remembered_free (gpointer data)
{
    Remembered *remembered = data;
    g_free (remembered->server);
    g_clear_pointer (&remembered->digests, g_hash_table_unref);
    g_free (remembered->id);
    g_free (remembered->digest);
    g_free (remembered);
}

Memos *
memos_new (void)
{
    Memos *memos = g_new0 (Memos, 1);
    memos->servers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, remembered_free);
    return memos;
}

void
memos_free (Memos *memos)
{
    if (memos == NULL)
        return;
    g_hash_table_unref (memos->servers);
    g_free (memos);
}

/* --- what ------------------------------------------------------------------------------------------------- */

static int
by_id (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(VolumeRecord *const *)a)->id, (*(VolumeRecord *const *)b)->id);
}

static GPtrArray *
volumes_of (Controller *controller, const ApplicationRecord *application)
{
    GPtrArray *volumes = g_ptr_array_new ();
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application->name) == 0)
            g_ptr_array_add (volumes, volume);
    g_ptr_array_sort (volumes, by_id);
    return volumes;
}

static char *
digest_of (Controller *controller, const ApplicationRecord *application, const GPtrArray *volumes)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_string_append_printf (text, "%" G_GINT64_FORMAT " %s %" G_GINT64_FORMAT " %s %d%d%d%d", controller->era,
                            application->name, application->revision, application->phase, application->failed,
                            application->debug, application->destroying, application->next != NULL);
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        g_string_append_printf (text, " %s@%s %d%d%d%d%d%d%d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                                member->name, member->server != NULL ? member->server : "", member->on,
                                member->failed, member->go, member->was_ready, member->rooted,
                                member->leaving, member->sent, member->incarnation, member->root_epoch);
    }
    for (guint i = 0; i < volumes->len; i++) {
        const VolumeRecord *volume = volumes->pdata[i];
        g_string_append_printf (text, " %s@%s %" G_GINT64_FORMAT " %d%d%d", volume->id,
                                volume->server != NULL ? volume->server : "", volume->size_bytes,
                                volume->made, volume->unused, volume->deleting);
    }
    return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text->str, (gssize)text->len);
}

char *
memo_digest (Controller *controller, const ApplicationRecord *application)
{
    g_autoptr (GPtrArray) volumes = volumes_of (controller, application);
    return digest_of (controller, application, volumes);
}

static json_t *
memo_new (Controller *controller, const ApplicationRecord *application)
{
    g_autoptr (GPtrArray) volumes = volumes_of (controller, application);
    g_autofree char *digest = digest_of (controller, application, volumes);
    json_t *rows = json_array ();
    for (guint i = 0; i < volumes->len; i++)
        json_array_append_new (rows, volume_record_json (volumes->pdata[i]));
    return json_pack ("{s:s, s:I, s:I, s:o, s:o}", "digest", digest, "era", (json_int_t)controller->era,
                      "commit", (json_int_t)store_last_commit (controller->store), "record",
                      application_record_json (application), "volumes", rows);
}

/* Something of it is, or may be, on that server. */
static gboolean
is_on (Controller *controller, const ApplicationRecord *application, const char *server)
{
    for (guint i = 0; i < application->members->len; i++)
        if (g_strcmp0 (((MemberRecord *)application->members->pdata[i])->server, server) == 0)
            return TRUE;
    g_autoptr (GPtrArray) volumes = volumes_of (controller, application);
    for (guint i = 0; i < volumes->len; i++)
        if (g_strcmp0 (((VolumeRecord *)volumes->pdata[i])->server, server) == 0)
            return TRUE;
    return FALSE;
}

/* --- telling ----------------------------------------------------------------------------------------------- */

static void tell_next (Remembered *remembered);

static Remembered *
end_call (gpointer user_data, const GError *error, const char *what)
{
    Remembered *remembered = user_data;
    remembered->calling = FALSE;
    if (error != NULL) {
        remembered->retry_us = clock_monotonic_us (remembered->controller->clock) + PAUSE_US;
        vdc_log (VDC_LOG_WARNING, what, "server", remembered->server, "error", error->message, NULL);
    }
    return remembered;
}

static void
on_listed (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Remembered *remembered = end_call (user_data, error, "server does not say what it remembers, retrying");
    gsize i;
    json_t *row;
    if (error != NULL)
        return;
    remembered->digests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    json_array_foreach (json_object_get (answer->json, "items"), i, row) {
        g_hash_table_replace (remembered->digests, g_strdup (json_str (row, "id", "")),
                              g_strdup (json_str (row, "digest", "")));
    }
    tell_next (remembered);
}

static void
on_told (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Remembered *remembered = end_call (user_data, error, "server does not remember an application, retrying");
    if (error != NULL)
        return;
    if (remembered->digest != NULL)
        g_hash_table_replace (remembered->digests, g_strdup (remembered->id), g_strdup (remembered->digest));
    else
        g_hash_table_remove (remembered->digests, remembered->id);
    tell_next (remembered);
}

static void
send (Remembered *remembered, const char *method, const char *suffix, json_t *body, HttpDone done)
{
    const Server *server = g_hash_table_lookup (remembered->controller->servers, remembered->server);
    g_autofree char *url = g_strdup_printf ("%s/v1/memos%s", server->url, suffix);
    const HttpCallOptions options = {.json = body, .timeout_ms = CALL_TIMEOUT_MS};
    remembered->calling = TRUE;
    http_client_send (remembered->controller->agents, method, url, &options, done, remembered);
}

static void
send_one (Remembered *remembered, const char *id, const ApplicationRecord *application)
{
    g_autofree char *suffix = g_strconcat ("/", id, NULL);
    g_free (remembered->id);
    g_free (remembered->digest);
    remembered->id = g_strdup (id);
    remembered->digest = application != NULL ? g_strdup (application->memo) : NULL;
    g_autoptr (json_t) memo = application != NULL ? memo_new (remembered->controller, application) : NULL;
    send (remembered, application != NULL ? "PUT" : "DELETE", suffix, memo, on_told);
}

/* One whose memo there is not the newest; and the ids of all that have one there. */
static const ApplicationRecord *
find_untold (Remembered *remembered, GHashTable *ids)
{
    Controller *controller = remembered->controller;
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        if (application->id == NULL || !is_on (controller, application, remembered->server))
            continue;
        g_hash_table_add (ids, application->id);
        if (application->memo_of != application->stored || application->memo == NULL) {
            g_free (application->memo);
            application->memo = memo_digest (controller, application);
            record_set_json (&application->memo_of, json_incref (application->stored));
        }
        if (g_strcmp0 (g_hash_table_lookup (remembered->digests, application->id), application->memo) != 0)
            return application;
    }
    return NULL;
}

static const char *
find_forgotten (Remembered *remembered, GHashTable *ids)
{
    GHashTableIter iter;
    const char *id;
    g_hash_table_iter_init (&iter, remembered->digests);
    while (g_hash_table_iter_next (&iter, (gpointer *)&id, NULL))
        if (!g_hash_table_contains (ids, id))
            return id;
    return NULL;
}

static void
tell_next (Remembered *remembered)
{
    Controller *controller = remembered->controller;
    const Server *server = g_hash_table_lookup (controller->servers, remembered->server);
    guint64 commit = store_last_commit (controller->store);
    if (remembered->calling || server == NULL || !server->full || server->state == SERVER_DOWN ||
        clock_monotonic_us (controller->clock) < remembered->retry_us)
        return;
    if (remembered->digests == NULL) {
        send (remembered, "GET", "", NULL, on_listed);
        return;
    }
    if (remembered->looked == commit)
        return;
    g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
    const ApplicationRecord *application = find_untold (remembered, ids);
    const char *forgotten = application == NULL ? find_forgotten (remembered, ids) : NULL;
    if (application != NULL)
        send_one (remembered, application->id, application);
    else if (forgotten != NULL)
        send_one (remembered, forgotten, NULL);
    else
        remembered->looked = commit;
}

void
memos_round (Controller *controller)
{
    GHashTableIter iter;
    Server *server;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        Remembered *remembered = g_hash_table_lookup (controller->memos->servers, server->name);
        if (remembered == NULL) {
            remembered = g_new0 (Remembered, 1);
            remembered->controller = controller;
            remembered->server = g_strdup (server->name);
            g_hash_table_insert (controller->memos->servers, remembered->server, remembered);
        }
        tell_next (remembered);
    }
}
