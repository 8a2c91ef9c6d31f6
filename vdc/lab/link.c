#include "vdc/lab/link.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/http/client.h"

#include <string.h>

#define RETRY_MS 100
#define GATHER_MS 20 /* events come in bursts: one look for all */

struct Link {
    char *url, *ca_file, *token_file;
    LinkChanged changed;
    gpointer user_data;
    HttpClient *client; /* NULL until vdcd has made its CA and token */
    HttpCall *events;
    guint retry, gather;
};

typedef struct {
    Link *link;
    LinkAnswer answer;
    gpointer user_data;
} Request;

static gboolean connect_again (gpointer user_data);

static gboolean
on_gathered (gpointer user_data)
{
    Link *link = user_data;
    link->gather = 0;
    link->changed (link, link->user_data);
    return G_SOURCE_REMOVE;
}

static void
look_soon (Link *link)
{
    if (link->gather == 0)
        link->gather = g_timeout_add (GATHER_MS, on_gathered, link);
}

static gboolean
on_event_data (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    /* What changed is not read from the event: the look that follows sees all of it. */
    look_soon (user_data);
    return TRUE;
}

static void
retry_soon (Link *link)
{
    if (link->retry == 0)
        link->retry = g_timeout_add (RETRY_MS, connect_again, link);
}

static void
on_events_end (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Link *link = user_data;
    link->events = NULL;
    retry_soon (link);
}

static gboolean
make_client (Link *link)
{
    g_autofree char *token = NULL;
    if (!g_file_get_contents (link->token_file, &token, NULL, NULL) || *g_strstrip (token) == '\0')
        return FALSE;
    const HttpClientOptions options = {.ca_file = link->ca_file, .token = token, .user_agent = "vdc-lab"};
    link->client = http_client_new (&options, NULL);
    return link->client != NULL;
}

/* vdcd answers: follow its events, then look once, in this order, so that nothing falls between. */
static void
on_probe (Link *link, const json_t *answer, const GError *error, gpointer user_data)
{
    if (error != NULL) {
        retry_soon (link);
        return;
    }
    g_autofree char *url = g_strconcat (link->url, "/api/v1/events?follow=1", NULL);
    const HttpCallOptions options = {.accept = "text/event-stream", .data = on_event_data};
    if (link->events == NULL)
        link->events = http_client_send (link->client, "GET", url, &options, on_events_end, link);
    look_soon (link);
}

static gboolean
connect_again (gpointer user_data)
{
    Link *link = user_data;
    if (link->client == NULL && !make_client (link))
        return G_SOURCE_CONTINUE;
    link->retry = 0;
    link_get (link, "/api/v1/servers", on_probe, NULL);
    return G_SOURCE_REMOVE;
}

Link *
link_new (const char *url, const char *state_folder, LinkChanged changed, gpointer user_data)
{
    Link *link = g_new0 (Link, 1);
    link->url = g_strdup (url);
    link->ca_file = g_build_filename (state_folder, "pki", "ca.crt", NULL);
    link->token_file = g_build_filename (state_folder, "token", NULL);
    link->changed = changed;
    link->user_data = user_data;
    retry_soon (link);
    return link;
}

void
link_free (Link *link)
{
    if (link == NULL)
        return;
    g_clear_handle_id (&link->retry, g_source_remove);
    g_clear_handle_id (&link->gather, g_source_remove);
    http_client_free (link->client);
    g_free (link->url);
    g_free (link->ca_file);
    g_free (link->token_file);
    g_free (link);
}

static void
on_answer (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    g_autofree Request *request = user_data;
    if (request->answer != NULL)
        request->answer (request->link, answer ? answer->json : NULL, error, request->user_data);
}

static void
send_request (Link *link, const char *method, const char *path, json_t *body, LinkAnswer answer,
              gpointer user_data)
{
    g_autofree char *url = g_strconcat (link->url, path, NULL);
    g_autofree char *key = id_random (16);
    const HttpCallOptions options = {.json = body, .idempotency_key = body ? key : NULL, .timeout_ms = 10000};
    Request *request = g_new0 (Request, 1);
    *request = (Request){link, answer, user_data};
    http_client_send (link->client, method, url, &options, on_answer, request);
}

void
link_get (Link *link, const char *path, LinkAnswer answer, gpointer user_data)
{
    send_request (link, "GET", path, NULL, answer, user_data);
}

void
link_post (Link *link, const char *path, json_t *body, LinkAnswer answer, gpointer user_data)
{
    g_autoptr (json_t) owned = body;
    send_request (link, "POST", path, owned, answer, user_data);
}
