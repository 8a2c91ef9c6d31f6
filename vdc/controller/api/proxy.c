#include <string.h>

#include "vdc/controller/api/gate.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/plan.h"

#define PROXY_TIMEOUT_MS 60000
/* Input is answered when the program in the guest has read it: that is up to the program. */
#define PROXY_INPUT_TIMEOUT_MS (24 * 3600 * 1000)

/* Who makes an agent act is in the audit before it does. FALSE: answered. */
static gboolean
may_pass (Controller *controller, HttpRequest *request)
{
    g_autoptr (GError) error = NULL;
    if (audit_pass (controller, request, &error))
        return TRUE;
    http_reply_error (request, error);
    return FALSE;
}

/* --- one answer -------------------------------------------------------------------------------------------- */

typedef struct {
    HttpRequest *request;
    ProxyChange change;
    gpointer user_data;
    GDestroyNotify free_data;
} Passing;

static void
on_answer (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Passing *passing = user_data;
    if (error != NULL)
        http_reply_error (passing->request, error);
    else {
        json_t *json = answer->json != NULL ? json_deep_copy (answer->json) : json_object ();
        if (passing->change != NULL)
            json = passing->change (json, passing->user_data);
        http_reply_json (passing->request, answer->status, json);
    }
    http_request_unref (passing->request);
    if (passing->free_data != NULL)
        passing->free_data (passing->user_data);
    g_free (passing);
}

void
proxy_json (Controller *controller, HttpRequest *request, const char *method, const char *url, json_t *body,
            ProxyChange change, gpointer user_data, GDestroyNotify free_data)
{
    const HttpCallOptions options = {
        .json = body, .idempotency_key = gate_operation (request), .timeout_ms = PROXY_TIMEOUT_MS};
    if (!may_pass (controller, request)) {
        if (free_data != NULL)
            free_data (user_data);
        return;
    }
    Passing *passing = g_new0 (Passing, 1);
    passing->request = http_request_ref (request);
    passing->change = change;
    passing->user_data = user_data;
    passing->free_data = free_data;
    http_client_send (controller->agents, method, url, &options, on_answer, passing);
}

void
proxy_raw (Controller *controller, HttpRequest *request, const char *method, const char *url)
{
    const HttpCallOptions options = {.bytes = http_request_body (request),
                                     .idempotency_key = gate_operation (request),
                                     .timeout_ms = PROXY_INPUT_TIMEOUT_MS};
    if (api_is_dry_run (request)) {
        http_reply_json (request, 200, plan_one ("input", http_request_path (request), "pass the bytes on"));
        return;
    }
    if (!may_pass (controller, request))
        return;
    Passing *passing = g_new0 (Passing, 1);
    passing->request = http_request_ref (request);
    http_client_send (controller->agents, method, url, &options, on_answer, passing);
}

/* --- a stream ---------------------------------------------------------------------------------------------- */

typedef struct {
    HttpRequest *request; /* until its answer has begun */
    HttpStream *stream;   /* then */
    HttpCall *call;       /* NULL once it has ended */
    char *content_type;
    Controller *controller;
    guint access;
    gboolean waiting; /* the call is held back until the client took what it has */
} Piping;

static void
piping_free (Piping *piping)
{
    if (piping->access != 0)
        access_unwatch (piping->controller, piping->access);
    if (piping->request != NULL)
        http_request_unref (piping->request);
    g_free (piping->content_type);
    g_free (piping);
}

static void
on_drained (HttpStream *stream, gpointer user_data)
{
    Piping *piping = user_data;
    if (!piping->waiting)
        return;
    piping->waiting = FALSE;
    http_call_resume (piping->call);
}

static void
on_closed (HttpStream *stream, gpointer user_data)
{
    Piping *piping = user_data;
    if (piping->call != NULL)
        http_call_cancel (piping->call);
    piping_free (piping);
}

/* Who listens may no longer: the call is cancelled, which tells nobody, and what was to come is cut off. */
static void
on_lost (gpointer user_data)
{
    Piping *piping = user_data;
    piping->access = 0;
    http_call_cancel (piping->call);
    if (piping->stream != NULL) {
        http_stream_abort (piping->stream);
    } else {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "the login or the role ended meanwhile");
        http_reply_error (piping->request, error);
    }
    piping_free (piping);
}

static const HttpStreamEvents stream_events = {.drained = on_drained, .closed = on_closed};

static void
begin_stream (Piping *piping)
{
    if (piping->stream != NULL)
        return;
    piping->stream = http_reply_stream (piping->request, piping->content_type, &stream_events, piping);
    g_clear_pointer (&piping->request, http_request_unref);
}

static gboolean
on_data (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    Piping *piping = user_data;
    begin_stream (piping);
    piping->waiting = !http_stream_write (piping->stream, data, length);
    return !piping->waiting;
}

static void
on_end (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Piping *piping = user_data;
    piping->call = NULL;
    if (error != NULL && piping->stream == NULL)
        http_reply_error (piping->request, error);
    else if (error != NULL)
        http_stream_abort (piping->stream);
    else {
        begin_stream (piping);
        http_stream_end (piping->stream);
    }
    piping_free (piping);
}

void
proxy_stream (Controller *controller, HttpRequest *request, const char *url, const char *content_type)
{
    const HttpCallOptions options = {.data = on_data, .accept = "*/*"};
    if (!may_pass (controller, request))
        return;
    Piping *piping = g_new0 (Piping, 1);
    piping->request = http_request_ref (request);
    piping->content_type = g_strdup (content_type);
    piping->controller = controller;
    piping->access = access_watch_request (controller, request, on_lost, piping);
    piping->call = http_client_send (controller->agents, "GET", url, &options, on_end, piping);
}
