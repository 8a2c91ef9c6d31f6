#include "vdc/controller/audit.h"
#include "vdc/controller/verify_internal.h"

#define INVENTORY_TIMEOUT_MS 30000

json_t *
verify_add (json_t *findings, const char *code, const Server *server, const char *application,
            const char *object, const char *format, ...)
{
    const VerifyCode *row = verify_code (code);
    va_list args;
    va_start (args, format);
    g_autofree char *message = g_strdup_vprintf (format, args);
    va_end (args);
    json_t *finding = json_pack (
        "{s:s, s:s?, s:o, s:o, s:o, s:s, s:b}", "code", code, "server", server != NULL ? server->name : NULL,
        "application", json_str_new (application), "object", json_str_new (object), "message",
        json_str_new (message), "remedy", row->remedy, "repairable", row->repair != NULL);
    json_array_append_new (findings, finding);
    return finding;
}

typedef struct {
    Controller *controller;
    VerifyDone done;
    gpointer user_data;
    json_t *findings, *blind;
    guint open;
} Verification;

typedef struct {
    Verification *verification;
    char *server;
} Question;

static void
finish (Verification *verification)
{
    Controller *controller = verification->controller;
    guint instances = 0;
    GHashTableIter iter;
    ApplicationRecord *application;
    if (--verification->open > 0)
        return;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        instances += application->members->len;
    gboolean complete = json_array_size (verification->blind) == 0;
    json_t *report =
        json_pack ("{s:b, s:b, s:o, s:o, s:{s:i, s:i, s:i, s:i}}", "clean",
                   complete && json_array_size (verification->findings) == 0, "complete", complete,
                   "findings", verification->findings, "could_not_look", verification->blind, "checked",
                   "servers", (int)g_hash_table_size (controller->servers), "applications",
                   (int)g_hash_table_size (controller->applications), "instances", (int)instances, "volumes",
                   (int)g_hash_table_size (controller->volumes));
    verification->done (report, verification->user_data);
    g_free (verification);
}

static void
add_blind (Verification *verification, const char *server, const char *message)
{
    json_array_append_new (verification->blind,
                           json_pack ("{s:s, s:o}", "server", server, "message", json_str_new (message)));
}

static void
on_inventory (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Question *question = user_data;
    Verification *verification = question->verification;
    const Server *server = g_hash_table_lookup (verification->controller->servers, question->server);
    gsize i;
    json_t *problem;
    if (error != NULL || !json_is_object (answer->json) || server == NULL)
        add_blind (verification, question->server,
                   error != NULL ? error->message : "the answer is no object");
    else {
        verify_server (verification->controller, server, answer->json, verification->findings);
        json_array_foreach (json_object_get (answer->json, "problems"), i, problem) {
            add_blind (verification, question->server,
                       json_is_string (problem) ? json_string_value (problem) : "not said");
        }
    }
    g_free (question->server);
    g_free (question);
    finish (verification);
}

static void
on_audit (json_t *report, gpointer user_data)
{
    Verification *verification = user_data;
    const json_t *finding = json_object_get (report, "finding");
    if (json_is_object (finding)) {
        g_autofree char *seq = g_strdup_printf ("%" G_GINT64_FORMAT, json_int (finding, "seq", 0));
        verify_add (verification->findings, "audit_broken", NULL, NULL, seq, "entry %s of the audit: %s", seq,
                    json_str (finding, "message", json_str (finding, "code", "not whole")));
    }
    json_decref (report);
    finish (verification);
}

void
verify_start (Controller *controller, VerifyDone done, gpointer user_data)
{
    Verification *verification = g_new0 (Verification, 1);
    GHashTableIter iter;
    Server *server;
    verification->controller = controller;
    verification->done = done;
    verification->user_data = user_data;
    verification->findings = json_array ();
    verification->blind = json_array ();
    verification->open = 1;
    verify_store (controller, verification->findings);
    verification->open++;
    audit_verify (controller, on_audit, verification);
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        g_autofree char *url = g_strconcat (server->url, "/v1/inventory", NULL);
        const HttpCallOptions options = {.timeout_ms = INVENTORY_TIMEOUT_MS};
        Question *question = g_new0 (Question, 1);
        question->verification = verification;
        question->server = g_strdup (server->name);
        verification->open++;
        if (!server->full) {
            add_blind (verification, server->name, "has not reported since vdcd runs, or is silent");
            g_free (question->server);
            g_free (question);
            verification->open--;
            continue;
        }
        http_client_send (controller->agents, "GET", url, &options, on_inventory, question);
    }
    finish (verification);
}
