#include "vdc/http/request_private.h"

#include <string.h>

HttpRequest *
http_request_new (const HttpRequestOps *ops)
{
    HttpRequest *request = g_new0 (HttpRequest, 1);
    request->ops = ops;
    request->memory_refs = 1;
    request->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    request->query = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    request->collected = g_byte_array_new ();
    request->answer_headers = g_ptr_array_new_with_free_func (g_free);
    return request;
}

HttpRequest *
http_request_hold (HttpRequest *request)
{
    g_atomic_int_inc (&request->memory_refs);
    return request;
}

void
http_request_release (HttpRequest *request)
{
    if (!g_atomic_int_dec_and_test (&request->memory_refs))
        return;
    request->ops->release (request);
    http_stream_free (request->stream);
    g_free (request->method);
    g_free (request->path);
    g_free (request->address);
    g_free (request->peer);
    g_free (request->bearer);
    g_free (request->user);
    g_hash_table_unref (request->headers);
    g_hash_table_unref (request->query);
    g_clear_pointer (&request->params, g_hash_table_unref);
    g_byte_array_unref (request->collected);
    g_clear_pointer (&request->body, g_bytes_unref);
    g_clear_pointer (&request->answer, g_bytes_unref);
    json_decref (request->json);
    g_ptr_array_unref (request->answer_headers);
    g_datalist_clear (&request->data);
    g_free (request);
}

HttpRequest *
http_request_ref (HttpRequest *request)
{
    g_atomic_int_inc (&request->user_refs);
    return request;
}

static void
answer_for_nobody (HttpRequest *request)
{
    if (g_atomic_int_get (&request->answered))
        return;
    g_autoptr (GError) error = g_error_new (
        VDC_ERROR, VDC_ERROR_FAILED, "%s %s was not answered; this is a bug", request->method, request->path);
    http_reply_error (request, error);
}

void
http_request_unref (HttpRequest *request)
{
    if (request == NULL || !g_atomic_int_dec_and_test (&request->user_refs))
        return;
    if (!g_atomic_int_get (&request->answered))
        request->ops->post (request, answer_for_nobody);
    http_request_release (request);
}

void
http_request_deliver (HttpRequest *request, const HttpRouter *router)
{
    request->body = g_byte_array_free_to_bytes (request->collected);
    request->collected = g_byte_array_new ();
    http_request_hold (request);
    http_request_ref (request);
    http_router_dispatch (router, request);
    http_request_unref (request);
}

const char *
http_request_method (HttpRequest *request)
{
    return request->method;
}

const char *
http_request_path (HttpRequest *request)
{
    return request->path;
}

GHashTable *
http_request_params (HttpRequest *request)
{
    return request->params;
}

GHashTable *
http_request_query_all (HttpRequest *request)
{
    return request->query;
}

const HttpRoute *
http_request_route (HttpRequest *request)
{
    return request->route;
}

const char *
http_request_param (HttpRequest *request, const char *name)
{
    const char *value = g_hash_table_lookup (request->params, name);
    if (value == NULL)
        g_error ("route %s has no parameter {%s}", request->route->path, name);
    return value;
}

const char *
http_request_query (HttpRequest *request, const char *name)
{
    return g_hash_table_lookup (request->query, name);
}

gboolean
http_request_query_int (HttpRequest *request, const char *name, gint64 min, gint64 max, gint64 fallback,
                        gint64 *value, GError **error)
{
    const char *text = http_request_query (request, name);
    if (text == NULL) {
        *value = fallback;
        return TRUE;
    }
    if (g_ascii_string_to_signed (text, 10, min, max, value, NULL))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                 "%s must be a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, min, max);
    return FALSE;
}

gboolean
http_request_query_flag (HttpRequest *request, const char *name)
{
    const char *text = http_request_query (request, name);
    return text != NULL && strcmp (text, "0") != 0 && strcmp (text, "false") != 0;
}

const char *
http_request_header (HttpRequest *request, const char *name)
{
    g_autofree char *lower = g_ascii_strdown (name, -1);
    return g_hash_table_lookup (request->headers, lower);
}

gboolean
http_request_accepts (HttpRequest *request, const char *media_type)
{
    const char *accept = http_request_header (request, "accept");
    return accept != NULL && strstr (accept, media_type) != NULL;
}

const char *
http_request_bearer (HttpRequest *request)
{
    const char *value = http_request_header (request, "authorization");
    if (value == NULL || g_ascii_strncasecmp (value, "Bearer ", 7) != 0)
        return NULL;
    if (request->bearer == NULL)
        request->bearer = g_strstrip (g_strdup (value + 7));
    return request->bearer;
}

const char *
http_request_idempotency_key (HttpRequest *request)
{
    return http_request_header (request, "idempotency-key");
}

const char *
http_request_peer (HttpRequest *request)
{
    return request->peer;
}

const char *
http_request_address (HttpRequest *request)
{
    return request->address;
}

void
http_request_set_user (HttpRequest *request, const char *user)
{
    char *copy = g_strdup (user);
    g_free (request->user);
    request->user = copy;
}

const char *
http_request_user (HttpRequest *request)
{
    return request->user;
}

void
http_request_set_data (HttpRequest *request, const char *name, gpointer data, GDestroyNotify free)
{
    g_datalist_id_set_data_full (&request->data, g_quark_from_static_string (name), data, free);
}

gpointer
http_request_data (HttpRequest *request, const char *name)
{
    return g_datalist_id_get_data (&request->data, g_quark_from_static_string (name));
}

GPtrArray *
http_request_query_names (HttpRequest *request)
{
    GPtrArray *names = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init (&iter, request->query);
    while (g_hash_table_iter_next (&iter, &name, NULL))
        g_ptr_array_add (names, name);
    return names;
}

GBytes *
http_request_body (HttpRequest *request)
{
    return request->body;
}

json_t *
http_request_json (HttpRequest *request, GError **error)
{
    if (request->json != NULL)
        return request->json;
    gsize length = 0;
    const char *text = request->body != NULL ? g_bytes_get_data (request->body, &length) : NULL;
    if (json_text_depth (text, length) > HTTP_JSON_DEPTH_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "the body is nested more than %d deep",
                     HTTP_JSON_DEPTH_MAX);
        return NULL;
    }
    g_autoptr (json_t) value = length == 0 ? json_object () : json_parse (text, length, error);
    if (value == NULL)
        return NULL;
    if (!json_is_object (value)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "the body must be a JSON object");
        return NULL;
    }
    request->json = g_steal_pointer (&value);
    return request->json;
}

gboolean
http_request_is_gone (HttpRequest *request)
{
    request->ops->lock (request);
    gboolean gone = request->gone;
    request->ops->unlock (request);
    return gone;
}

gboolean
http_token_equal (const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return FALSE;
    gsize length_a = strlen (a), length_b = strlen (b);
    guint8 difference = length_a != length_b;
    for (gsize i = 0; i < length_a; i++)
        difference |= (guint8)a[i] ^ (guint8)b[length_b ? i % length_b : 0];
    return difference == 0;
}
