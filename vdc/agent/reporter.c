#include "vdc/agent/reporter.h"

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/http/client.h"

#define REPORT_TIMEOUT_MS 10000

struct Reporter {
    HttpClient *client;
    char *url;
    ReporterBody body;
    gpointer user_data;
    gint64 seq;
    HttpCall *call; /* under way */
    gboolean again; /* something changed meanwhile */
    guint soon, beat;
    gboolean complained;
};

static void
reported (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Reporter *reporter = user_data;

    reporter->call = NULL;
    if (error != NULL && !reporter->complained)
        vdc_log (VDC_LOG_WARNING, "controller does not take reports, trying again", "url", reporter->url,
                 "error", error->message, NULL);
    if (error == NULL && reporter->complained)
        vdc_log (VDC_LOG_INFO, "controller takes reports again", "url", reporter->url, NULL);
    reporter->complained = error != NULL;
    if (reporter->again && error == NULL)
        reporter_poke (reporter);
}

static void
push (Reporter *reporter)
{
    g_clear_handle_id (&reporter->soon, g_source_remove);
    if (reporter->call != NULL) {
        reporter->again = TRUE;
        return;
    }
    reporter->again = FALSE;
    g_autoptr (json_t) body = reporter->body (reporter->user_data);
    json_put (body, "seq", json_integer (++reporter->seq));
    HttpCallOptions options = {.json = body, .timeout_ms = REPORT_TIMEOUT_MS};
    reporter->call = http_client_send (reporter->client, "POST", reporter->url, &options, reported, reporter);
    FP ("start.31.report_sent");
}

static gboolean
push_soon (gpointer user_data)
{
    Reporter *reporter = user_data;
    reporter->soon = 0;
    push (reporter);
    return G_SOURCE_REMOVE;
}

static gboolean
push_beat (gpointer user_data)
{
    push (user_data);
    return G_SOURCE_CONTINUE;
}

void
reporter_poke (Reporter *reporter)
{
    if (reporter->soon == 0)
        reporter->soon = g_timeout_add (REPORT_COALESCE_MS, push_soon, reporter);
}

Reporter *
reporter_new (const char *controller, const char *pki_folder, ReporterBody body, gpointer user_data,
              GError **error)
{
    g_autofree char *ca = g_build_filename (pki_folder, "ca.crt", NULL);
    g_autofree char *certificate = g_build_filename (pki_folder, "agent.crt", NULL);
    g_autofree char *key = g_build_filename (pki_folder, "agent.key", NULL);
    HttpClientOptions options = {.ca_file = ca, .certificate_file = certificate, .key_file = key};
    HttpClient *client = http_client_new (&options, error);

    if (client == NULL)
        return NULL;
    Reporter *reporter = g_new0 (Reporter, 1);
    reporter->client = client;
    reporter->url = g_strconcat (controller, "/agent/v1/reports", NULL);
    reporter->body = body;
    reporter->user_data = user_data;
    return reporter;
}

void
reporter_begin (Reporter *reporter)
{
    reporter->beat = g_timeout_add (REPORT_BEAT_MS, push_beat, reporter);
    push (reporter);
}

void
reporter_free (Reporter *reporter)
{
    if (reporter == NULL)
        return;
    g_clear_handle_id (&reporter->soon, g_source_remove);
    g_clear_handle_id (&reporter->beat, g_source_remove);
    http_client_free (reporter->client);
    g_free (reporter->url);
    g_free (reporter);
}
