/* Server, client and certificates against each other over real loopback sockets. */
#include "vdc/base/file.h"
#include "vdc/http/client.h"
#include "vdc/http/pki.h"
#include "vdc/http/reply.h"
#include "vdc/http/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    char *folder;
    HttpRouter *router;
    HttpServer *server;
    HttpClient *client;
    char *base;
} Fixture;

/* What handlers saw and did. */
static HttpRequest *held;
static HttpStream *stream;
static guint closed_count, drained_count;

static void
on_stream_closed (HttpStream *which, gpointer user_data)
{
    closed_count++;
    stream = NULL;
}

static void
on_stream_drained (HttpStream *which, gpointer user_data)
{
    drained_count++;
}

static const HttpStreamEvents stream_events = {on_stream_drained, on_stream_closed};

static void
echo (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    if (body == NULL) {
        http_reply_error (request, error);
        return;
    }
    json_t *answer = json_object ();
    json_put (answer, "name", json_string (http_request_param (request, "name")));
    json_put (answer, "q", json_str_new (http_request_query (request, "q")));
    json_put (answer, "key", json_str_new (http_request_idempotency_key (request)));
    json_put (answer, "peer", json_str_new (http_request_peer (request)));
    json_put (answer, "bearer", json_str_new (http_request_bearer (request)));
    json_put (answer, "body", json_incref (body));
    http_reply_json (request, 200, answer);
}

static void
raw (HttpRequest *request, gpointer user_data)
{
    http_reply_bytes (request, 200, "application/octet-stream", http_request_body (request));
}

static void
hold (HttpRequest *request, gpointer user_data)
{
    held = http_request_ref (request);
}

static void
forget (HttpRequest *request, gpointer user_data)
{
}

static void
problems (HttpRequest *request, gpointer user_data)
{
    http_reply_problems (request, "2 problems", json_pack ("[{s:s}]", "code", "unknown_key"));
}

static void
start_stream (HttpRequest *request, gpointer user_data)
{
    stream = http_reply_stream (request, "application/octet-stream", &stream_events, NULL);
}

static void
start_events (HttpRequest *request, gpointer user_data)
{
    stream = http_reply_events (request, &stream_events, NULL);
    g_autoptr (json_t) data = json_pack ("{s:i}", "after", (int)http_request_events_after (request, 0));
    http_stream_event (stream, 7, "event", data);
}

static const HttpRoute routes[] = {
    {HTTP_ROUTE (POST, "/echo/{name}", PUBLIC, NONE, "echo"), .handler = echo},
    {HTTP_ROUTE (GET, "/echo/{name}", PUBLIC, NONE, "echoGet"), .handler = echo},
    {HTTP_ROUTE (GET, "/server/{name}", SERVER, NONE, "server"), .handler = echo},
    {HTTP_ROUTE (GET, "/admin/{name}", ADMIN, GRID, "admin"), .handler = echo},
    {HTTP_ROUTE (POST, "/raw", PUBLIC, NONE, "raw"), .body = HTTP_BODY_RAW,
     .body_limit_bytes = 4 * 1024 * 1024, .handler = raw},
    {HTTP_ROUTE (POST, "/small", PUBLIC, NONE, "small"), .body = HTTP_BODY_RAW, .body_limit_bytes = 100,
     .handler = raw},
    {HTTP_ROUTE (POST, "/most", PUBLIC, NONE, "most"), .body = HTTP_BODY_RAW, .handler = raw},
    {HTTP_ROUTE (GET, "/hold", PUBLIC, NONE, "hold"), .handler = hold},
    {HTTP_ROUTE (POST, "/hold", PUBLIC, NONE, "holdPost"), .handler = hold},
    {HTTP_ROUTE (GET, "/forget", PUBLIC, NONE, "forget"), .handler = forget},
    {HTTP_ROUTE (GET, "/problems", PUBLIC, NONE, "problems"), .handler = problems},
    {HTTP_ROUTE (GET, "/stream", PUBLIC, NONE, "stream"), .handler = start_stream},
    {HTTP_ROUTE (GET, "/events", PUBLIC, NONE, "events"), .handler = start_events},
};

typedef enum { PLAIN, TLS, MUTUAL } Kind;

static char *
in_folder (Fixture *f, const char *name)
{
    return g_build_filename (f->folder, name, NULL);
}

static char *
text_of (Fixture *f, const char *name)
{
    g_autofree char *path = in_folder (f, name);
    char *text = NULL;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    return text;
}

static void
make_certificates (Fixture *f)
{
    const char *names[] = {"localhost", "127.0.0.1", NULL};
    PkiSubject server = {"vdcd", names, PKI_SERVER, 0};
    PkiSubject agent = {"s1", NULL, PKI_CLIENT, 0};
    g_assert_true (pki_ensure_ca (f->folder, "test grid", NULL));
    g_assert_true (pki_ensure (f->folder, "server", &server, NULL));
    g_assert_true (pki_ensure (f->folder, "agent", &agent, NULL));
}

static void
set_up (Fixture *f, Kind kind, guint deadline_ms)
{
    g_autoptr (GError) error = NULL;
    closed_count = drained_count = 0;
    stream = NULL;
    held = NULL;
    f->folder = g_dir_make_tmp ("vdc-http-XXXXXX", NULL);
    f->router = http_router_new ();
    http_router_add (f->router, routes, G_N_ELEMENTS (routes), NULL);
    HttpServerOptions options = {
        .listen = "127.0.0.1:0", .router = f->router, .request_deadline_ms = deadline_ms};
    HttpClientOptions client = {.token = "secret"};
    g_autofree char *certificate = NULL, *key = NULL, *ca = NULL;
    g_autofree char *ca_path = in_folder (f, "ca.crt"), *cert_path = in_folder (f, "agent.crt");
    g_autofree char *key_path = in_folder (f, "agent.key");
    if (kind != PLAIN) {
        make_certificates (f);
        options.certificate_pem = certificate = text_of (f, "server.crt");
        options.key_pem = key = text_of (f, "server.key");
        ca = text_of (f, "ca.crt");
        client.ca_file = ca_path;
    }
    if (kind == MUTUAL) {
        options.client_ca_pem = ca;
        client.certificate_file = cert_path;
        client.key_file = key_path;
    }
    f->server = http_server_start (&options, &error);
    g_assert_no_error (error);
    f->client = http_client_new (&client, &error);
    g_assert_no_error (error);
    f->base =
        g_strdup_printf ("%s://127.0.0.1:%u", kind == PLAIN ? "http" : "https", http_server_port (f->server));
}

static void
tear_down (Fixture *f)
{
    http_client_free (f->client);
    http_server_stop (f->server);
    while (g_main_context_iteration (NULL, FALSE))
        ;
    http_router_free (f->router);
    g_assert_true (file_remove_tree (f->folder, NULL));
    g_free (f->folder);
    g_free (f->base);
}

static char *
url (Fixture *f, const char *path)
{
    return g_strconcat (f->base, path, NULL);
}

static void
iterate_until (gboolean (*done) (void))
{
    gint64 end_us = g_get_monotonic_time () + 100 * G_USEC_PER_SEC;
    while (!done ()) {
        g_assert_cmpint (g_get_monotonic_time (), <, end_us);
        g_main_context_iteration (NULL, FALSE) ? (void)0 : g_usleep (1000);
    }
}

static gboolean
is_held (void)
{
    return held != NULL;
}

static gboolean
is_streaming (void)
{
    return stream != NULL;
}

static gboolean
is_closed (void)
{
    return closed_count == 1;
}

/* --- requests ------------------------------------------------------------------------------------------ */

static void
test_json (gconstpointer kind)
{
    Fixture f;
    set_up (&f, (Kind)GPOINTER_TO_INT (kind), 0);
    g_autoptr (GError) error = NULL;
    g_autofree char *where = url (&f, "/echo/a%20b?q=%C3%A9+%26");
    g_autoptr (json_t) body = json_pack ("{s:i}", "x", 1);
    for (int i = 0; i < 20; i++) {
        g_autoptr (json_t) answer = http_client_call (f.client, "POST", where, body, NULL, &error);
        g_assert_no_error (error);
        g_assert_cmpstr (json_str (answer, "name", ""), ==, "a b");
        g_assert_cmpstr (json_str (answer, "q", ""), ==, "é &");
        g_assert_cmpstr (json_str (answer, "bearer", ""), ==, "secret");
        g_assert_cmpstr (json_str (answer, "peer", "none"), ==,
                         GPOINTER_TO_INT (kind) == MUTUAL ? "s1" : "none");
        g_assert_cmpint (json_int (json_object_get (answer, "body"), "x", 0), ==, 1);
    }
    tear_down (&f);
}

static void
expect_error (Fixture *f, const char *method, const char *path, VdcErrorCode code)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *where = url (f, path);
    g_autoptr (json_t) answer = http_client_call (f->client, method, where, NULL, NULL, &error);
    g_assert_null (answer);
    g_assert_error (error, VDC_ERROR, (int)code);
}

static void
test_errors (void)
{
    Fixture f;
    set_up (&f, TLS, 0);
    expect_error (&f, "GET", "/nothing", VDC_ERROR_NOT_FOUND);
    expect_error (&f, "DELETE", "/echo/x", VDC_ERROR_METHOD);
    expect_error (&f, "GET", "/admin/x", VDC_ERROR_NOT_LOGGED_IN);
    expect_error (&f, "GET", "/server/x", VDC_ERROR_NOT_LOGGED_IN);
    expect_error (&f, "GET", "/forget", VDC_ERROR_FAILED);
    g_autofree char *where = url (&f, "/problems");
    g_autoptr (json_t) answer = NULL;
    g_autoptr (GError) error = NULL;
    g_assert_null (http_client_call (f.client, "GET", where, NULL, &answer, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_INVALID);
    g_assert_cmpuint (json_array_size (json_object_get (answer, "problems")), ==, 1);
    tear_down (&f);
}

static void
test_server_role_by_certificate (void)
{
    Fixture f;
    set_up (&f, MUTUAL, 0);
    g_autoptr (GError) error = NULL;
    g_autofree char *where = url (&f, "/server/x");
    g_autoptr (json_t) answer = http_client_call (f.client, "GET", where, NULL, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (json_str (answer, "peer", ""), ==, "s1");

    /* Without a certificate nothing is served, not even what is public. */
    g_autofree char *ca = in_folder (&f, "ca.crt");
    HttpClientOptions bare = {.ca_file = ca};
    g_autoptr (HttpClient) stranger = http_client_new (&bare, NULL);
    g_autofree char *public = url (&f, "/echo/x");
    g_assert_null (http_client_call (stranger, "GET", public, NULL, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN);
    g_clear_error (&error);

    /* A certificate for serving is not one for logging in. */
    g_autofree char *cert = in_folder (&f, "server.crt"), *key = in_folder (&f, "server.key");
    HttpClientOptions wrong = {.ca_file = ca, .certificate_file = cert, .key_file = key};
    g_autoptr (HttpClient) pretender = http_client_new (&wrong, NULL);
    g_assert_null (http_client_call (pretender, "GET", public, NULL, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN);
    tear_down (&f);
}

static void
test_foreign_ca_is_refused (void)
{
    Fixture f;
    set_up (&f, MUTUAL, 0);
    g_autofree char *other = g_build_filename (f.folder, "other", NULL);
    PkiSubject subject = {"s1", NULL, PKI_CLIENT, 0};
    g_assert_true (pki_ensure_ca (other, "another grid", NULL));
    g_assert_true (pki_ensure (other, "agent", &subject, NULL));
    g_autofree char *ca = in_folder (&f, "ca.crt"), *other_ca = g_build_filename (other, "ca.crt", NULL);
    g_autofree char *cert = g_build_filename (other, "agent.crt", NULL),
                    *key = g_build_filename (other, "agent.key", NULL);
    g_autofree char *where = url (&f, "/echo/x");
    g_autoptr (GError) error = NULL;

    HttpClientOptions options = {.ca_file = ca, .certificate_file = cert, .key_file = key};
    g_autoptr (HttpClient) client = http_client_new (&options, NULL);
    g_assert_null (http_client_call (client, "GET", where, NULL, NULL, &error));
    g_assert_nonnull (error);
    g_clear_error (&error);

    /* And the client refuses a server of another CA, before anything is sent. */
    options = (HttpClientOptions){.ca_file = other_ca};
    g_autoptr (HttpClient) wary = http_client_new (&options, NULL);
    g_assert_null (http_client_call (wary, "POST", where, NULL, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE);
    tear_down (&f);
}

static void
send_raw (Fixture *f, const char *path, gsize length, VdcErrorCode *code)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *where = url (f, path);
    char *data = g_malloc (length);
    memset (data, 'x', length);
    g_autoptr (GBytes) bytes = g_bytes_new_take (data, length);
    HttpCallOptions options = {.bytes = bytes};
    g_autoptr (GBytes) answer = http_client_call_bytes (f->client, "POST", where, &options, NULL, &error);
    *code = error ? (VdcErrorCode)error->code : VDC_N_ERRORS;
    if (answer != NULL)
        g_assert_true (g_bytes_equal (answer, bytes));
}

static void
test_body_limits (void)
{
    Fixture f;
    VdcErrorCode code;
    set_up (&f, TLS, 0);
    send_raw (&f, "/small", 99, &code);
    g_assert_cmpint (code, ==, VDC_N_ERRORS);
    send_raw (&f, "/small", 100, &code);
    g_assert_cmpint (code, ==, VDC_N_ERRORS);
    send_raw (&f, "/small", 101, &code);
    g_assert_cmpint (code, ==, VDC_ERROR_TOO_LARGE);
    for (int more = -1; more <= 1; more++) {
        send_raw (&f, "/most", (gsize)(HTTP_BODY_LIMIT_BYTES + more), &code);
        g_assert_cmpint (code, ==, more <= 0 ? VDC_N_ERRORS : VDC_ERROR_TOO_LARGE);
    }
    send_raw (&f, "/raw", 4 * 1024 * 1024, &code);
    g_assert_cmpint (code, ==, VDC_N_ERRORS);
    send_raw (&f, "/small", 50, &code);
    g_assert_cmpint (code, ==, VDC_N_ERRORS);
    tear_down (&f);
}

static void
count_done (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    guint *status = user_data;
    *status = error ? 1000 + (guint)error->code : answer->status;
}

static void
test_late_answer (void)
{
    Fixture f;
    guint status = 0;
    set_up (&f, TLS, 0);
    g_autofree char *where = url (&f, "/hold");
    http_client_send (f.client, "GET", where, NULL, count_done, &status);
    iterate_until (is_held);
    for (int i = 0; i < 50; i++)
        g_main_context_iteration (NULL, FALSE);
    g_assert_cmpuint (status, ==, 0);
    http_reply_text (held, 200, "text/plain", "late");
    http_request_unref (held);
    while (status == 0)
        g_main_context_iteration (NULL, TRUE);
    g_assert_cmpuint (status, ==, 200);
    tear_down (&f);
}

/* The server goes down with a request in work: of a POST nobody knows the result, of a GET it does not
 * matter. */
static void
test_unknown_result (void)
{
    for (int get = 0; get < 2; get++) {
        Fixture f;
        guint status = 0;
        set_up (&f, TLS, 0);
        g_autofree char *where = url (&f, "/hold");
        http_client_send (f.client, get ? "GET" : "POST", where, NULL, count_done, &status);
        iterate_until (is_held);
        http_server_stop (f.server);
        f.server = NULL;
        http_reply_text (held, 200, "text/plain", "too late");
        http_request_unref (held);
        while (status == 0)
            g_main_context_iteration (NULL, TRUE);
        g_assert_cmpuint (status, ==, 1000 + (get ? VDC_ERROR_UNREACHABLE : VDC_ERROR_UNKNOWN_RESULT));
        tear_down (&f);
    }
}

static void
test_unreachable (void)
{
    HttpClientOptions options = {0};
    g_autoptr (HttpClient) client = http_client_new (&options, NULL);
    g_autoptr (GError) error = NULL;
    g_assert_null (http_client_call (client, "POST", "http://127.0.0.1:1/x", NULL, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE);
}

static void
never_told (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    g_assert_not_reached ();
}

static void
test_cancel (void)
{
    Fixture f;
    set_up (&f, TLS, 0);
    g_autofree char *where = url (&f, "/hold");
    HttpCall *call = http_client_send (f.client, "GET", where, NULL, never_told, NULL);
    iterate_until (is_held);
    http_call_cancel (call);
    gint64 end_us = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
    while (!http_request_is_gone (held)) {
        g_assert_cmpint (g_get_monotonic_time (), <, end_us);
        g_main_context_iteration (NULL, TRUE);
    }
    http_reply_empty (held, 204);
    http_request_unref (held);
    tear_down (&f);
}

/* --- streams ------------------------------------------------------------------------------------------- */

typedef struct {
    gsize bytes;
    gboolean hold_back;
    HttpCall *call;
    GString *text;
} Sink;

static gboolean
on_data (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    Sink *sink = user_data;
    sink->bytes += length;
    if (sink->text != NULL)
        g_string_append_len (sink->text, data, (gssize)length);
    return !sink->hold_back;
}

static guint stream_status;

static void
stream_done (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    stream_status = error ? 1000 + (guint)error->code : answer->status;
}

static HttpCall *
open_stream (Fixture *f, const char *path, Sink *sink)
{
    g_autofree char *where = url (f, path);
    HttpCallOptions options = {.data = on_data};
    stream_status = 0;
    sink->call = http_client_send (f->client, "GET", where, &options, stream_done, sink);
    iterate_until (is_streaming);
    return sink->call;
}

static void
test_stream_whole (void)
{
    Fixture f;
    Sink sink = {0};
    static char block[10000];
    set_up (&f, TLS, 0);
    open_stream (&f, "/stream", &sink);
    gsize written = 0;
    while (written < 3 * 1000 * 1000) {
        http_stream_write (stream, block, sizeof block);
        written += sizeof block;
        while (http_stream_queued_bytes (stream) > HTTP_STREAM_HIGH_BYTES)
            g_main_context_iteration (NULL, FALSE);
    }
    http_stream_end (stream);
    while (stream_status == 0)
        g_main_context_iteration (NULL, TRUE);
    g_assert_cmpuint (stream_status, ==, 200);
    g_assert_cmpuint (sink.bytes, ==, written);
    g_assert_cmpuint (closed_count, ==, 0);
    tear_down (&f);
}

/* A reader that holds back makes the producer hold back, and goes on from where it was. */
static void
test_stream_back_pressure (void)
{
    Fixture f;
    Sink sink = {.hold_back = TRUE};
    static char block[64 * 1024 + 1]; /* never just to the mark */
    set_up (&f, TLS, 0);
    open_stream (&f, "/stream", &sink);
    gsize written = 0;
    gint64 end_us = g_get_monotonic_time () + 100 * G_USEC_PER_SEC;
    for (int full = 0; full < 200;) {
        g_assert_cmpint (g_get_monotonic_time (), <, end_us);
        if (http_stream_queued_bytes (stream) < HTTP_STREAM_HIGH_BYTES) {
            http_stream_write (stream, block, sizeof block);
            written += sizeof block;
            full = 0;
        } else {
            full++;
            g_usleep (1000);
        }
        g_main_context_iteration (NULL, FALSE);
    }
    g_assert_cmpuint (drained_count, >=, 0);
    guint before = drained_count;
    g_assert_cmpuint (sink.bytes, <, written);
    sink.hold_back = FALSE;
    http_call_resume (sink.call);
    while (sink.bytes < written)
        g_main_context_iteration (NULL, TRUE);
    while (drained_count == before)
        g_main_context_iteration (NULL, TRUE);
    http_stream_end (stream);
    while (stream_status == 0)
        g_main_context_iteration (NULL, TRUE);
    tear_down (&f);
}

static void
test_stream_client_leaves (void)
{
    Fixture f;
    Sink sink = {0};
    set_up (&f, TLS, 0);
    open_stream (&f, "/stream", &sink);
    http_stream_write (stream, "x", 1);
    while (sink.bytes == 0)
        g_main_context_iteration (NULL, TRUE);
    http_call_cancel (sink.call);
    iterate_until (is_closed);
    tear_down (&f);
}

static void
test_stream_server_stops (void)
{
    Fixture f;
    Sink sink = {0};
    set_up (&f, TLS, 0);
    open_stream (&f, "/stream", &sink);
    http_server_stop (f.server);
    f.server = NULL;
    g_assert_cmpuint (closed_count, ==, 1);
    while (stream_status == 0)
        g_main_context_iteration (NULL, TRUE);
    g_assert_cmpuint (stream_status, ==, 1000 + VDC_ERROR_UNREACHABLE);
    tear_down (&f);
}

static void
test_stream_too_slow_is_cut (void)
{
    Fixture f;
    Sink sink = {.hold_back = TRUE};
    static char block[256 * 1024];
    set_up (&f, TLS, 0);
    open_stream (&f, "/stream", &sink);
    for (int i = 0; i < 400 && stream != NULL; i++) {
        http_stream_write (stream, block, sizeof block);
        g_main_context_iteration (NULL, FALSE);
    }
    iterate_until (is_closed);
    tear_down (&f);
}

static void
test_events (void)
{
    Fixture f;
    Sink sink = {.text = g_string_new (NULL)};
    set_up (&f, TLS, 0);
    open_stream (&f, "/events?after=5", &sink);
    while (strstr (sink.text->str, "data:") == NULL)
        g_main_context_iteration (NULL, TRUE);
    g_assert_nonnull (strstr (sink.text->str, "id: 7\nevent: event\ndata: {\"after\":5}\n\n"));
    http_stream_end (stream);
    while (stream_status == 0)
        g_main_context_iteration (NULL, TRUE);
    g_string_free (sink.text, TRUE);
    tear_down (&f);
}

/* --- hostile clients ----------------------------------------------------------------------------------- */

static int
dial (Fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons (http_server_port (f->server))};
    inet_pton (AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint (connect (fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    return fd;
}

/* Everything until the server closes or is silent for a second, while the main loop runs. */
static char *
read_all (int fd)
{
    GString *text = g_string_new (NULL);
    gint64 quiet_us = g_get_monotonic_time () + 3 * G_USEC_PER_SEC;
    while (g_get_monotonic_time () < quiet_us) {
        struct pollfd p = {fd, POLLIN, 0};
        g_main_context_iteration (NULL, FALSE);
        if (poll (&p, 1, 5) <= 0)
            continue;
        char buffer[4096];
        ssize_t n = recv (fd, buffer, sizeof buffer, 0);
        if (n <= 0)
            break;
        g_string_append_len (text, buffer, n);
        quiet_us = g_get_monotonic_time () + 3 * G_USEC_PER_SEC;
    }
    return g_string_free (text, FALSE);
}

static void
test_framing_guard (void)
{
    static const char *const cases[] = {
        "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n",
        "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length : 40\r\n\r\n",
        "POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /raw HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n",
        "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        "POST /raw HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /raw HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    };
    Fixture f;
    set_up (&f, PLAIN, 0);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        /* The request that must not be run rides behind. */
        g_autofree char *sent =
            g_strconcat (cases[i], "GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n", NULL);
        int fd = dial (&f);
        g_assert_cmpint (send (fd, sent, strlen (sent), 0), >, 0);
        g_autofree char *got = read_all (fd);
        close (fd);
        if (strstr (got, "smuggled") != NULL || strstr (got, "HTTP/1.1 200") != NULL)
            g_error ("case %u was let through: %s", i, got);
    }
    tear_down (&f);
}

static void
test_media_type_guard (void)
{
    Fixture f;
    set_up (&f, PLAIN, 0);
    const char *sent =
        "POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    int fd = dial (&f);
    g_assert_cmpint (send (fd, sent, strlen (sent), 0), >, 0);
    g_autofree char *got = read_all (fd);
    close (fd);
    g_assert_true (g_str_has_prefix (got, "HTTP/1.1 415"));
    tear_down (&f);
}

/* One byte now and then never looks idle; the deadline for the whole request cuts it. */
static void
test_trickler_is_cut (void)
{
    Fixture f;
    set_up (&f, PLAIN, 1500);
    int fd = dial (&f);
    gint64 start_us = g_get_monotonic_time ();
    gboolean cut = FALSE;
    while (!cut && g_get_monotonic_time () - start_us < 60 * G_USEC_PER_SEC) {
        if (send (fd, "G", 1, MSG_NOSIGNAL) < 0)
            cut = TRUE;
        struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
        if (poll (&p, 1, 50) > 0)
            cut = TRUE;
        while (g_main_context_iteration (NULL, FALSE))
            ;
    }
    close (fd);
    g_assert_true (cut);
    g_assert_cmpint (g_get_monotonic_time () - start_us, <, 50 * G_USEC_PER_SEC);
    tear_down (&f);
}

/* Until the other side closes, with a byte of @trickle now and then (0: none). FALSE: it never does. */
static gboolean
is_cut (int fd, char trickle)
{
    gint64 start_us = g_get_monotonic_time ();
    gboolean cut = FALSE;
    while (!cut && g_get_monotonic_time () - start_us < 50 * G_USEC_PER_SEC) {
        if (trickle != 0 && send (fd, &trickle, 1, MSG_NOSIGNAL) < 0)
            cut = TRUE;
        struct pollfd p = {fd, POLLRDHUP, 0};
        if (poll (&p, 1, 50) > 0)
            cut = TRUE;
        while (g_main_context_iteration (NULL, FALSE))
            ;
    }
    return cut;
}

static void
test_slow_body_is_cut (void)
{
    Fixture f;
    set_up (&f, PLAIN, 1500);
    int fd = dial (&f);
    const char *sent = "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
    g_assert_cmpint (send (fd, sent, strlen (sent), 0), >, 0);
    g_assert_true (is_cut (fd, 'x'));
    close (fd);
    tear_down (&f);
}

/* A body says its length: one in chunks is refused before any of it is looked at. */
static void
test_chunked_body_is_refused (void)
{
    Fixture f;
    set_up (&f, PLAIN, 0);
    const char *sent =
        "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    int fd = dial (&f);
    g_assert_cmpint (send (fd, sent, strlen (sent), 0), >, 0);
    g_autofree char *got = read_all (fd);
    close (fd);
    g_assert_true (g_str_has_prefix (got, "HTTP/1.1 411"));
    tear_down (&f);
}

/* --- many connections ----------------------------------------------------------------------------------- */

static HttpServer *
limited (Fixture *f, guint connections, guint per_address, gsize unsent_bytes)
{
    HttpServerOptions options = {.listen = "127.0.0.1:0",
                                 .router = f->router,
                                 .connection_limit = connections,
                                 .connection_limit_per_ip = per_address,
                                 .unsent_limit_bytes = unsent_bytes};
    http_server_stop (f->server);
    return http_server_start (&options, NULL);
}

/* The other side has ended it, within @wait_ms. */
static gboolean
has_ended (int fd, int wait_ms)
{
    struct pollfd p = {fd, POLLRDHUP, 0};
    return poll (&p, 1, wait_ms) > 0;
}

/* One more than there may be: the oldest makes room, nobody else. */
static void
test_slowest_makes_room (gconstpointer per_address)
{
    enum { LIMIT = 3 };
    Fixture f;
    int fds[LIMIT + 1];
    set_up (&f, PLAIN, 0);
    f.server = limited (&f, per_address ? 100 : LIMIT, per_address ? LIMIT : 0, 0);
    for (int i = 0; i < LIMIT; i++)
        fds[i] = dial (&f);
    for (int i = 0; i < LIMIT; i++)
        g_assert_false (has_ended (fds[i], 100));
    fds[LIMIT] = dial (&f);
    g_assert_true (has_ended (fds[0], 20000));
    for (int i = 1; i <= LIMIT; i++)
        g_assert_false (has_ended (fds[i], 100));
    for (int i = 0; i <= LIMIT; i++)
        close (fds[i]);
    tear_down (&f);
}

static void
test_who_has_a_request_at_work_stays (void)
{
    Fixture f;
    set_up (&f, PLAIN, 0);
    f.server = limited (&f, 1, 0, 0);
    int working = dial (&f);
    const char *sent = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n";
    g_assert_cmpint (send (working, sent, strlen (sent), 0), >, 0);
    iterate_until (is_held);
    int late = dial (&f);
    g_assert_true (has_ended (late, 20000));
    g_assert_false (has_ended (working, 100));
    http_reply_empty (held, 204);
    http_request_unref (held);
    g_autofree char *got = read_all (working);
    g_assert_true (g_str_has_prefix (got, "HTTP/1.1 204"));
    close (working);
    close (late);
    tear_down (&f);
}

/* Asks for @size bytes and reads none of them. */
static int
slow_reader (Fixture *f, gsize size)
{
    int fd = dial (f), small = 4096;
    g_autofree char *head = g_strdup_printf (
        "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n", size);
    g_autofree char *body = g_malloc0 (size);
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    g_assert_cmpint (send (fd, head, strlen (head), 0), >, 0);
    for (gsize at = 0; at < size;) {
        ssize_t n = send (fd, body + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? (gsize)n : 0;
        while (g_main_context_iteration (NULL, FALSE))
            ;
    }
    struct pollfd p = {fd, POLLIN, 0};
    while (poll (&p, 1, 1) <= 0) /* its answer has begun */
        g_main_context_iteration (NULL, FALSE);
    return fd;
}

static void
test_slow_readers_are_bounded (void)
{
    enum { SIZE = 4 * 1024 * 1024 };
    Fixture f;
    set_up (&f, PLAIN, 0);
    f.server = limited (&f, 0, 0, 2 * SIZE);
    int first = slow_reader (&f, SIZE), second = slow_reader (&f, SIZE);
    g_assert_false (has_ended (first, 600));
    int third = slow_reader (&f, SIZE);
    g_assert_true (has_ended (first, 20000));
    g_assert_false (has_ended (second, 300));
    g_assert_false (has_ended (third, 300));
    close (first);
    close (second);
    close (third);
    tear_down (&f);
}

/* --- certificates -------------------------------------------------------------------------------------- */

static void
test_pki_ensure_is_stable_and_renews (void)
{
    Fixture f = {.folder = g_dir_make_tmp ("vdc-pki-XXXXXX", NULL)};
    make_certificates (&f);
    g_autofree char *first = text_of (&f, "server.crt");
    make_certificates (&f);
    g_autofree char *second = text_of (&f, "server.crt");
    g_assert_cmpstr (first, ==, second);

    const char *more[] = {"localhost", "127.0.0.1", "10.254.0.250", "::1", NULL};
    PkiSubject subject = {"vdcd", more, PKI_SERVER, 0};
    g_assert_true (pki_ensure (f.folder, "server", &subject, NULL));
    g_autofree char *third = text_of (&f, "server.crt");
    g_assert_cmpstr (first, !=, third);

    /* What a crash between the two files of a renewal leaves is noticed. */
    g_autofree char *key = text_of (&f, "agent.key");
    g_autofree char *key_path = in_folder (&f, "server.key");
    g_assert_true (file_replace (key_path, key, strlen (key), 0600, NULL));
    g_assert_true (pki_ensure (f.folder, "server", &subject, NULL));
    g_autofree char *fourth = text_of (&f, "server.crt");
    g_assert_cmpstr (third, !=, fourth);

    g_autofree char *ca = text_of (&f, "ca.crt");
    g_autofree char *name = NULL;
    g_assert_true (pki_check (fourth, ca, PKI_SERVER, &name, NULL));
    g_assert_cmpstr (name, ==, "vdcd");
    g_assert_false (pki_check (fourth, ca, PKI_CLIENT, NULL, NULL));

    g_autofree char *ca_key = in_folder (&f, "ca.key");
    g_autoptr (GError) error = NULL;
    g_assert_true (file_remove (ca_key, NULL));
    g_assert_false (pki_ensure_ca (f.folder, "x", &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_FAILED);
    g_assert_true (file_remove_tree (f.folder, NULL));
    g_free (f.folder);
}

static void
test_start_refuses (void)
{
    g_autoptr (HttpRouter) router = http_router_new ();
    g_autoptr (GError) error = NULL;
    HttpServerOptions options = {.listen = "nonsense", .router = router};
    g_assert_null (http_server_start (&options, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_USAGE);
    g_clear_error (&error);
    options = (HttpServerOptions){
        .listen = "127.0.0.1:0", .router = router, .certificate_pem = "x", .key_pem = "y"};
    g_assert_null (http_server_start (&options, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_FAILED);
}

static void
test_token_equal (void)
{
    g_assert_true (http_token_equal ("abc", "abc"));
    g_assert_false (http_token_equal ("abc", "abd"));
    g_assert_false (http_token_equal ("abc", "abcabc"));
    g_assert_false (http_token_equal ("abc", ""));
    g_assert_false (http_token_equal (NULL, NULL));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_data_func ("/http/json/plain", GINT_TO_POINTER (PLAIN), test_json);
    g_test_add_data_func ("/http/json/tls", GINT_TO_POINTER (TLS), test_json);
    g_test_add_data_func ("/http/json/mutual-tls", GINT_TO_POINTER (MUTUAL), test_json);
    g_test_add_func ("/http/errors", test_errors);
    g_test_add_func ("/http/server-role-by-certificate", test_server_role_by_certificate);
    g_test_add_func ("/http/foreign-ca-is-refused", test_foreign_ca_is_refused);
    g_test_add_func ("/http/body-limits", test_body_limits);
    g_test_add_func ("/http/late-answer", test_late_answer);
    g_test_add_func ("/http/unknown-result", test_unknown_result);
    g_test_add_func ("/http/unreachable", test_unreachable);
    g_test_add_func ("/http/cancel", test_cancel);
    g_test_add_func ("/http/stream/whole", test_stream_whole);
    g_test_add_func ("/http/stream/back-pressure", test_stream_back_pressure);
    g_test_add_func ("/http/stream/client-leaves", test_stream_client_leaves);
    g_test_add_func ("/http/stream/server-stops", test_stream_server_stops);
    g_test_add_func ("/http/stream/too-slow-is-cut", test_stream_too_slow_is_cut);
    g_test_add_func ("/http/events", test_events);
    g_test_add_func ("/http/framing-guard", test_framing_guard);
    g_test_add_data_func ("/http/connections/slowest-makes-room", NULL, test_slowest_makes_room);
    g_test_add_data_func ("/http/connections/slowest-of-an-address-makes-room", GINT_TO_POINTER (1),
                          test_slowest_makes_room);
    g_test_add_func ("/http/connections/who-has-a-request-at-work-stays",
                     test_who_has_a_request_at_work_stays);
    g_test_add_func ("/http/connections/slow-readers-are-bounded", test_slow_readers_are_bounded);
    g_test_add_func ("/http/media-type-guard", test_media_type_guard);
    g_test_add_func ("/http/trickler-is-cut", test_trickler_is_cut);
    g_test_add_func ("/http/slow-body-is-cut", test_slow_body_is_cut);
    g_test_add_func ("/http/chunked-body-is-refused", test_chunked_body_is_refused);
    g_test_add_func ("/http/start-refuses", test_start_refuses);
    g_test_add_func ("/http/token-equal", test_token_equal);
    g_test_add_func ("/pki/ensure-is-stable-and-renews", test_pki_ensure_is_stable_and_renews);
    return g_test_run ();
}
