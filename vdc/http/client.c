/*
 * HTTP client on libcurl's multi interface and GLib sources (the one file that knows libcurl).
 *
 * libcurl tells which descriptors and which time-out it waits for; both become GLib sources. Finished
 * transfers are collected after each step and told from an idle source, so that a caller's callback never
 * runs inside libcurl and may send, cancel and free as it likes. Only HttpData runs inside libcurl; a cancel
 * from there is carried out afterwards.
 */
#include "vdc/http/client.h"

#include <curl/curl.h>
#include <glib-unix.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_CONNECT_MS 5000
/* Less than the server's silence time-out, so that we never send into a connection it is about to close. */
#define IDLE_CONNECTION_S 15L

typedef struct {
    curl_socket_t fd;
    GSource *source;
} Watch;

struct HttpClient {
    CURLM *multi;
    GMainContext *context;
    GSource *timer;      /* libcurl's time-out, NULL: none */
    GHashTable *calls;   /* set of HttpCall */
    GHashTable *watches; /* set of Watch */
    GSource *reaper;     /* pending idle source, NULL: none */
    char *ca_file, *certificate_file, *key_file, *token, *user_agent;
    guint connect_timeout_ms;
    guint inside; /* depth of calls into libcurl */
};

struct HttpCall {
    HttpClient *client;
    CURL *easy;
    struct curl_slist *headers;
    GBytes *sent;
    GByteArray *received;
    HttpData data;
    HttpDone done;
    gpointer user_data;
    char *url;
    char problem[CURL_ERROR_SIZE];
    CURLcode code;
    gboolean finished, cancelled, paused, unpause, is_get, too_large;
};

static void schedule_reaper (HttpClient *client);

/* --- GLib glue ----------------------------------------------------------------------------------------- */

static void
collect (HttpClient *client)
{
    CURLMsg *message;
    int left = 0;
    while ((message = curl_multi_info_read (client->multi, &left)) != NULL) {
        HttpCall *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo (message->easy_handle, CURLINFO_PRIVATE, &call);
        call->finished = TRUE;
        call->code = message->data.result;
        schedule_reaper (client);
    }
}

static void
step (HttpClient *client, curl_socket_t fd, int what)
{
    int running = 0;
    client->inside++;
    curl_multi_socket_action (client->multi, fd, what, &running);
    client->inside--;
    collect (client);
}

static gboolean
on_fd (gint fd, GIOCondition condition, gpointer data)
{
    int what = 0;
    if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
        what |= CURL_CSELECT_IN;
    if (condition & G_IO_OUT)
        what |= CURL_CSELECT_OUT;
    if (condition & G_IO_ERR)
        what |= CURL_CSELECT_ERR;
    step (data, fd, what);
    return G_SOURCE_CONTINUE;
}

static void
watch_free (gpointer data)
{
    Watch *watch = data;
    g_source_destroy (watch->source);
    g_source_unref (watch->source);
    g_free (watch);
}

static int
watch_socket (CURL *easy, curl_socket_t fd, int what, void *user_data, void *socket_data)
{
    HttpClient *client = user_data;
    if (socket_data != NULL)
        g_hash_table_remove (client->watches, socket_data);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign (client->multi, fd, NULL);
        return 0;
    }
    GIOCondition condition = 0;
    if (what & CURL_POLL_IN)
        condition |= G_IO_IN;
    if (what & CURL_POLL_OUT)
        condition |= G_IO_OUT;
    Watch *watch = g_new0 (Watch, 1);
    watch->fd = fd;
    watch->source = g_unix_fd_source_new (fd, condition);
    g_source_set_callback (watch->source, G_SOURCE_FUNC (on_fd), client, NULL);
    g_source_attach (watch->source, client->context);
    g_hash_table_add (client->watches, watch);
    curl_multi_assign (client->multi, fd, watch);
    return 0;
}

static void
clear_source (GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy (*source);
    g_source_unref (*source);
    *source = NULL;
}

static gboolean
on_timer (gpointer data)
{
    HttpClient *client = data;
    clear_source (&client->timer);
    step (client, CURL_SOCKET_TIMEOUT, 0);
    return G_SOURCE_REMOVE;
}

static int
set_timer (CURLM *multi, long timeout_ms, void *user_data)
{
    HttpClient *client = user_data;
    clear_source (&client->timer);
    if (timeout_ms < 0)
        return 0;
    client->timer = g_timeout_source_new ((guint)timeout_ms);
    g_source_set_priority (client->timer, G_PRIORITY_DEFAULT);
    g_source_set_callback (client->timer, on_timer, client, NULL);
    g_source_attach (client->timer, client->context);
    return 0;
}

/* --- results ------------------------------------------------------------------------------------------- */

static void
call_detach (HttpCall *call)
{
    if (call->client != NULL)
        curl_multi_remove_handle (call->client->multi, call->easy);
    call->client = NULL;
}

static void
call_free (HttpCall *call)
{
    call_detach (call);
    curl_easy_cleanup (call->easy);
    curl_slist_free_all (call->headers);
    g_clear_pointer (&call->sent, g_bytes_unref);
    g_byte_array_unref (call->received);
    g_free (call->url);
    g_free (call);
}

/* Did any byte of a request leave? After a connection or TLS failure: no. */
static gboolean
nothing_sent (HttpCall *call)
{
    long sent_bytes = 0;
    curl_easy_getinfo (call->easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
    return sent_bytes == 0;
}

static void
set_transport_error (HttpCall *call, GError **error)
{
    const char *why = call->problem[0] ? call->problem : curl_easy_strerror (call->code);
    if (call->too_large)
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "the answer of %s is over %d bytes", call->url,
                     HTTP_ANSWER_LIMIT_BYTES);
    else if (nothing_sent (call))
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "cannot reach %s: %s", call->url, why);
    else if (call->is_get)
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "no whole answer from %s: %s", call->url, why);
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT,
                     "no answer from %s: %s; it may or may not have been done", call->url, why);
}

/* An answer of somebody who is not ours (a proxy) has a status only. */
static VdcErrorCode
code_of_status (guint status)
{
    switch (status) {
    case 400:
        return VDC_ERROR_USAGE;
    case 401:
        return VDC_ERROR_NOT_LOGGED_IN;
    case 403:
        return VDC_ERROR_NOT_PERMITTED;
    case 404:
        return VDC_ERROR_NOT_FOUND;
    case 409:
        return VDC_ERROR_CONFLICT;
    case 405:
        return VDC_ERROR_METHOD;
    case 412:
        return VDC_ERROR_PRECONDITION;
    case 415:
        return VDC_ERROR_MEDIA_TYPE;
    case 413:
        return VDC_ERROR_TOO_LARGE;
    case 422:
        return VDC_ERROR_INVALID;
    case 503:
        return VDC_ERROR_UNREACHABLE;
    case 504:
        return VDC_ERROR_UNKNOWN_RESULT;
    case 507:
        return VDC_ERROR_FULL;
    default:
        return VDC_ERROR_FAILED;
    }
}

static void
set_answer_error (HttpCall *call, const HttpAnswer *answer, GError **error)
{
    const char *code = json_str (answer->json, "code", NULL);
    const char *message = json_str (answer->json, "message", NULL);
    if (code != NULL && message != NULL)
        g_set_error (error, VDC_ERROR, vdc_error_from_name (code), "%s", message);
    else
        g_set_error (error, VDC_ERROR, code_of_status (answer->status), "%s answered with HTTP status %u",
                     call->url, answer->status);
}

static void
tell (HttpCall *call)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) body = g_bytes_new (call->received->data, call->received->len);
    HttpAnswer answer = {.body = body};
    long status = 0;
    char *type = NULL;

    if (call->code == CURLE_OK) {
        curl_easy_getinfo (call->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo (call->easy, CURLINFO_CONTENT_TYPE, &type);
        answer.status = (guint)status;
        answer.content_type = type;
        if (type != NULL && g_str_has_prefix (type, "application/json") && call->received->len > 0)
            answer.json = json_parse ((const char *)call->received->data, call->received->len, NULL);
        if (status < 200 || status > 299)
            set_answer_error (call, &answer, &error);
    } else {
        set_transport_error (call, &error);
    }
    if (call->done != NULL)
        call->done (call, &answer, error, call->user_data);
    json_decref (answer.json);
}

/* libcurl may hand held-back data to HttpData here, which may pause again or cancel. */
static void
unpause (HttpCall *call)
{
    HttpClient *client = call->client;
    call->unpause = FALSE;
    client->inside++;
    curl_easy_pause (call->easy, CURLPAUSE_CONT);
    client->inside--;
    collect (client);
}

static HttpCall *
next_to_reap (HttpClient *client)
{
    GHashTableIter iter;
    gpointer data;
    g_hash_table_iter_init (&iter, client->calls);
    while (g_hash_table_iter_next (&iter, &data, NULL)) {
        HttpCall *call = data;
        if (call->finished || call->cancelled || call->unpause)
            return call;
    }
    return NULL;
}

static gboolean
reap (gpointer data)
{
    HttpClient *client = data;
    clear_source (&client->reaper);
    HttpCall *call = next_to_reap (client);
    if (call == NULL)
        return G_SOURCE_REMOVE;
    /* One a turn: the callback may free the client. */
    schedule_reaper (client);
    if (!call->finished && !call->cancelled) {
        unpause (call);
        return G_SOURCE_REMOVE;
    }
    g_hash_table_remove (client->calls, call);
    call_detach (call);
    if (!call->cancelled)
        tell (call);
    call_free (call);
    return G_SOURCE_REMOVE;
}

static void
schedule_reaper (HttpClient *client)
{
    if (client->reaper != NULL)
        return;
    client->reaper = g_idle_source_new ();
    g_source_set_priority (client->reaper, G_PRIORITY_DEFAULT);
    g_source_set_callback (client->reaper, reap, client, NULL);
    g_source_attach (client->reaper, client->context);
}

/* --- calls --------------------------------------------------------------------------------------------- */

static size_t
on_received (char *data, size_t size, size_t n, void *user_data)
{
    HttpCall *call = user_data;
    gsize length = size * n;
    long status = 0;

    if (call->cancelled)
        return 0;
    curl_easy_getinfo (call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (call->data != NULL && status >= 200 && status <= 299) {
        if (call->paused)
            return CURL_WRITEFUNC_PAUSE;
        /* libcurl hands paused data in again, so the pause starts with the next piece. */
        call->paused = !call->data (call, data, length, call->user_data);
        return call->cancelled ? 0 : length;
    }
    if (call->received->len + length > HTTP_ANSWER_LIMIT_BYTES) {
        call->too_large = TRUE;
        return 0;
    }
    g_byte_array_append (call->received, (const guint8 *)data, (guint)length);
    return length;
}

static void
add_header (HttpCall *call, const char *name, const char *value)
{
    g_autofree char *line = g_strconcat (name, ": ", value, NULL);
    call->headers = curl_slist_append (call->headers, line);
}

static void
set_body (HttpCall *call, const char *method, const HttpCallOptions *options)
{
    gsize length = 0;
    if (options->json != NULL) {
        char *text = json_text (options->json);
        call->sent = g_bytes_new_take (text, strlen (text));
        add_header (call, "Content-Type", "application/json");
    } else if (options->bytes != NULL) {
        call->sent = g_bytes_ref (options->bytes);
        add_header (call, "Content-Type",
                    options->content_type ? options->content_type : "application/octet-stream");
    } else if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD") &&
               !g_str_equal (method, "DELETE")) {
        call->sent = g_bytes_new_static ("", 0);
        add_header (call, "Content-Type", "application/json");
    }
    if (call->sent == NULL)
        return;
    const char *data = g_bytes_get_data (call->sent, &length);
    curl_easy_setopt (call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt (call->easy, CURLOPT_POSTFIELDS, data ? data : "");
}

static void
set_headers (HttpCall *call, const HttpCallOptions *options)
{
    add_header (call, "Accept", options->accept ? options->accept : "application/json");
    /* "Expect: 100-continue" costs a round trip for every body over 1 MiB. */
    call->headers = curl_slist_append (call->headers, "Expect:");
    if (options->idempotency_key != NULL)
        add_header (call, "Idempotency-Key", options->idempotency_key);
    if (call->client->token != NULL) {
        g_autofree char *value = g_strconcat ("Bearer ", call->client->token, NULL);
        add_header (call, "Authorization", value);
    }
    for (guint i = 0; options->headers != NULL && options->headers[i] != NULL; i++)
        call->headers = curl_slist_append (call->headers, options->headers[i]);
    curl_easy_setopt (call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void
set_tls (CURL *easy, const HttpClient *client)
{
    if (client->ca_file != NULL) {
        curl_easy_setopt (easy, CURLOPT_CAINFO, client->ca_file);
        /* The library's default folder would be trusted too, and be read whole for every connection: 5 MB. */
        curl_easy_setopt (easy, CURLOPT_CAPATH, NULL);
    }
    if (client->certificate_file != NULL) {
        curl_easy_setopt (easy, CURLOPT_SSLCERT, client->certificate_file);
        curl_easy_setopt (easy, CURLOPT_SSLKEY, client->key_file);
    }
    curl_easy_setopt (easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void
set_timeouts (HttpCall *call, const HttpCallOptions *options)
{
    guint timeout_ms = options->timeout_ms ? options->timeout_ms : options->data ? 0 : DEFAULT_TIMEOUT_MS;
    curl_easy_setopt (call->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt (call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->client->connect_timeout_ms);
    if (options->silence_timeout_ms != 0) {
        curl_easy_setopt (call->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt (call->easy, CURLOPT_LOW_SPEED_TIME,
                          (long)MAX (1, options->silence_timeout_ms / 1000));
    }
    curl_easy_setopt (call->easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
}

static void
set_basics (HttpCall *call, const char *method)
{
    CURL *easy = call->easy;
    curl_easy_setopt (easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt (easy, CURLOPT_URL, call->url);
    curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, call->problem);
    curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Ours is an inner network: a proxy of the environment must not see tokens. */
    curl_easy_setopt (easy, CURLOPT_PROXY, "");
    curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt (easy, CURLOPT_USERAGENT, call->client->user_agent);
    curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, on_received);
    curl_easy_setopt (easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt (easy, CURLOPT_TCP_NODELAY, 1L);
    if (g_str_equal (method, "HEAD"))
        curl_easy_setopt (easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt (easy, CURLOPT_CUSTOMREQUEST, method);
}

HttpCall *
http_client_send (HttpClient *client, const char *method, const char *url, const HttpCallOptions *options,
                  HttpDone done, gpointer user_data)
{
    static const HttpCallOptions none;
    HttpCall *call = g_new0 (HttpCall, 1);
    if (options == NULL)
        options = &none;
    call->client = client;
    call->url = g_strdup (url);
    call->easy = curl_easy_init ();
    call->received = g_byte_array_new ();
    call->data = options->data;
    call->done = done;
    call->user_data = user_data;
    call->is_get = g_str_equal (method, "GET") || g_str_equal (method, "HEAD");
    g_assert (call->easy != NULL);
    /* A body makes libcurl POST; the method of set_basics then overrides the name only. */
    set_body (call, method, options);
    set_basics (call, method);
    set_headers (call, options);
    set_tls (call->easy, client);
    set_timeouts (call, options);
    g_hash_table_add (client->calls, call);
    /* Starts by itself: adding sets libcurl's timer to now. */
    CURLMcode rc = curl_multi_add_handle (client->multi, call->easy);
    g_assert (rc == CURLM_OK);
    return call;
}

void
http_call_cancel (HttpCall *call)
{
    HttpClient *client = call->client;
    call->cancelled = TRUE;
    if (client == NULL)
        return; /* its done is running just now; it is freed afterwards */
    if (client->inside > 0) {
        schedule_reaper (client);
        return;
    }
    g_hash_table_remove (client->calls, call);
    call_free (call);
}

void
http_call_resume (HttpCall *call)
{
    if (!call->paused || call->cancelled || call->finished || call->client == NULL)
        return;
    call->paused = FALSE;
    /* Not from within libcurl, and not recursively from the data that the pause held back. */
    call->unpause = TRUE;
    schedule_reaper (call->client);
}

/* --- client -------------------------------------------------------------------------------------------- */

static gboolean
can_read (const char *path, GError **error)
{
    if (path == NULL || g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot read %s", path);
    return FALSE;
}

HttpClient *
http_client_new (const HttpClientOptions *options, GError **error)
{
    static gsize initialised;
    if (g_once_init_enter (&initialised)) {
        curl_global_init (CURL_GLOBAL_DEFAULT);
        g_once_init_leave (&initialised, 1);
    }
    if (!can_read (options->ca_file, error) || !can_read (options->certificate_file, error) ||
        !can_read (options->key_file, error))
        return NULL;
    HttpClient *client = g_new0 (HttpClient, 1);
    client->context = g_main_context_ref_thread_default ();
    client->calls = g_hash_table_new (NULL, NULL);
    client->watches = g_hash_table_new_full (NULL, NULL, watch_free, NULL);
    client->ca_file = g_strdup (options->ca_file);
    client->certificate_file = g_strdup (options->certificate_file);
    client->key_file = g_strdup (options->key_file);
    client->token = g_strdup (options->token);
    client->user_agent = g_strdup (options->user_agent ? options->user_agent : "vdc/" VDC_VERSION);
    client->connect_timeout_ms =
        options->connect_timeout_ms ? options->connect_timeout_ms : DEFAULT_CONNECT_MS;
    client->multi = curl_multi_init ();
    g_assert (client->multi != NULL);
    curl_multi_setopt (client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt (client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt (client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt (client->multi, CURLMOPT_TIMERDATA, client);
    return client;
}

void
http_client_free (HttpClient *client)
{
    if (client == NULL)
        return;
    g_assert (client->inside == 0);
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init (&iter, client->calls);
    while (g_hash_table_iter_next (&iter, &call, NULL)) {
        g_hash_table_iter_remove (&iter);
        call_free (call);
    }
    clear_source (&client->timer);
    clear_source (&client->reaper);
    curl_multi_cleanup (client->multi);
    clear_source (&client->timer);
    g_hash_table_unref (client->calls);
    g_hash_table_unref (client->watches);
    g_main_context_unref (client->context);
    g_free (client->ca_file);
    g_free (client->certificate_file);
    g_free (client->key_file);
    g_free (client->token);
    g_free (client->user_agent);
    g_free (client);
}

/* --- waiting ------------------------------------------------------------------------------------------- */

typedef struct {
    gboolean done;
    GBytes *body;
    json_t *json;
    char *content_type;
    GError *error;
} Waited;

static void
on_waited (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Waited *waited = user_data;
    waited->done = TRUE;
    waited->body = g_bytes_ref (answer->body);
    waited->json = json_incref (answer->json);
    waited->content_type = g_strdup (answer->content_type);
    waited->error = error ? g_error_copy (error) : NULL;
}

static Waited
wait_for (HttpClient *client, const char *method, const char *url, const HttpCallOptions *options)
{
    Waited waited = {0};
    http_client_send (client, method, url, options, on_waited, &waited);
    while (!waited.done)
        g_main_context_iteration (client->context, TRUE);
    return waited;
}

json_t *
http_client_call (HttpClient *client, const char *method, const char *url, json_t *body, json_t **answer_out,
                  GError **error)
{
    HttpCallOptions options = {.json = body};
    Waited waited = wait_for (client, method, url, &options);
    g_autoptr (json_t) json = waited.json;
    g_bytes_unref (waited.body);
    g_free (waited.content_type);
    if (answer_out != NULL)
        *answer_out = NULL;
    if (waited.error == NULL)
        return json ? g_steal_pointer (&json) : json_object ();
    if (answer_out != NULL)
        *answer_out = g_steal_pointer (&json);
    g_propagate_error (error, waited.error);
    return NULL;
}

GBytes *
http_client_call_bytes (HttpClient *client, const char *method, const char *url,
                        const HttpCallOptions *options, char **content_type, GError **error)
{
    Waited waited = wait_for (client, method, url, options);
    json_decref (waited.json);
    if (waited.error != NULL) {
        g_bytes_unref (waited.body);
        g_free (waited.content_type);
        g_propagate_error (error, waited.error);
        return NULL;
    }
    if (content_type != NULL)
        *content_type = waited.content_type;
    else
        g_free (waited.content_type);
    return waited.body;
}

char *
http_escape (const char *text)
{
    return g_uri_escape_string (text, NULL, FALSE);
}
