#include "vdc/http/request_private.h"

#include <string.h>

#define JSON_TYPE "application/json"
#define RETRY_AFTER_S "2"

void
http_reply_header (HttpRequest *request, const char *name, const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        g_assert ((guchar)*c >= ' ' && *c != 0x7f);
    g_ptr_array_add (request->answer_headers, g_strdup (name));
    g_ptr_array_add (request->answer_headers, g_strdup (value));
}

/* Before an answer is handed over, the router's watch hears of it. */
void
http_reply_tell_watch (HttpRequest *request, guint status)
{
    if (request->watch != NULL)
        request->watch->answer (request, status, request->code, request->watch_data);
}

static void
begin (HttpRequest *request, guint status, const char *content_type)
{
    if (g_atomic_int_get (&request->answered))
        g_error ("%s %s was answered twice", request->method, request->path);
    g_atomic_int_set (&request->answered, 1);
    request->status = status;
    if (content_type != NULL)
        http_reply_header (request, "Content-Type", content_type);
}

void
http_reply_send (HttpRequest *request, guint status, const char *content_type, GBytes *bytes)
{
    g_autoptr (GBytes) content = bytes ? g_bytes_ref (bytes) : g_bytes_new (NULL, 0);
    if (request->hooks != NULL && request->hooks->after != NULL)
        request->hooks->after (request, &status, &content, request->hooks_data);
    http_reply_tell_watch (request, status);
    begin (request, status, content_type);
    request->answer = g_steal_pointer (&content);
    request->ops->answer (request);
}

void
http_reply_bytes (HttpRequest *request, guint status, const char *content_type, GBytes *bytes)
{
    http_reply_send (request, status, content_type, bytes);
}

void
http_reply_again (HttpRequest *request, guint status, GBytes *bytes)
{
    http_reply_header (request, "Idempotency-Replayed", "true");
    http_reply_send (request, status, JSON_TYPE, bytes);
}

void
http_reply_text (HttpRequest *request, guint status, const char *content_type, const char *text)
{
    g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
    http_reply_send (request, status, content_type, bytes);
}

void
http_reply_json (HttpRequest *request, guint status, json_t *body)
{
    if (request->hooks != NULL && request->hooks->shape != NULL)
        body = request->hooks->shape (request, status, body, request->hooks_data);
    char *text = json_text (body);
    gsize length = strlen (text);
    text = g_realloc (text, length + 1);
    text[length] = '\n';
    g_autoptr (GBytes) bytes = g_bytes_new_take (text, length + 1);
    json_decref (body);
    http_reply_send (request, status, JSON_TYPE, bytes);
}

void
http_reply_empty (HttpRequest *request, guint status)
{
    if (status == 204)
        http_reply_send (request, status, NULL, NULL);
    else
        http_reply_json (request, status, json_object ());
}

const char *
http_reply_header_set (HttpRequest *request, const char *name)
{
    for (guint i = 0; i < request->answer_headers->len; i += 2)
        if (g_ascii_strcasecmp (request->answer_headers->pdata[i], name) == 0)
            return request->answer_headers->pdata[i + 1];
    return NULL;
}

/* Trying again is right: when there is room, when less is under way. */
static void
say_when (HttpRequest *request, const GError *error)
{
    gboolean full = g_error_matches (error, VDC_ERROR, VDC_ERROR_FULL);
    if (!full && !g_error_matches (error, VDC_ERROR, VDC_ERROR_BUSY))
        return;
    for (guint i = 0; i + 1 < request->answer_headers->len; i += 2)
        if (g_ascii_strcasecmp (request->answer_headers->pdata[i], "Retry-After") == 0)
            return;
    http_reply_header (request, "Retry-After", full ? "30" : "2");
}

void
http_reply_error_at (HttpRequest *request, const GError *error, json_t *params, const char *path)
{
    say_when (request, error);
    json_t *body = json_object ();
    request->code = vdc_error_name (error);
    json_put (body, "code", json_string (request->code));
    json_put (body, "message", json_str_new (error ? error->message : "unknown error"));
    json_put (body, "params", params ? params : json_object ());
    json_put (body, "path", json_str_new (path));
    /* Nothing was done and it may work soon. */
    if (vdc_error_http_status (error) == 503 && http_reply_header_set (request, "Retry-After") == NULL)
        http_reply_header (request, "Retry-After", RETRY_AFTER_S);
    http_reply_json (request, (guint)vdc_error_http_status (error), body);
}

void
http_reply_error (HttpRequest *request, const GError *error)
{
    http_reply_error_at (request, error, NULL, NULL);
}

void
http_reply_problems (HttpRequest *request, const char *message, json_t *problems)
{
    json_t *body = json_object ();
    request->code = "invalid";
    json_put (body, "code", json_string (request->code));
    json_put (body, "message", json_str_new (message));
    json_put (body, "problems", problems);
    http_reply_json (request, 422, body);
}

void
http_reply_list (HttpRequest *request, json_t *items, const char *next)
{
    json_t *body = json_object ();
    json_put (body, "items", items);
    json_put (body, "next", json_str_new (next));
    http_reply_json (request, 200, body);
}

void
http_reply_html (HttpRequest *request, const char *html)
{
    http_reply_header (request, "Content-Security-Policy", HTTP_PAGE_POLICY);
    http_reply_text (request, 200, "text/html; charset=utf-8", html);
}
