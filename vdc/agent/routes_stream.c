/* exec, put, get and their sessions; serial consoles. */
#include "vdc/agent/routes.h"

#include "vdc/base/error.h"

#define INPUT_LIMIT_BYTES (256 * 1024)
#define ARGV_MAX 256 /* what the guest takes */
#define TAIL_DEFAULT_BYTES (64 * 1024)

/* --- sessions ---------------------------------------------------------------------------------------------- */

static gboolean
is_argv (const json_t *argv)
{
    size_t i;
    json_t *word;

    if (!json_is_array (argv) || json_array_size (argv) == 0 || json_array_size (argv) > ARGV_MAX)
        return FALSE;
    json_array_foreach ((json_t *)argv, i, word)
        if (!json_is_string (word))
            return FALSE;
    return TRUE;
}

static void
begin_session (HttpRequest *request, Agent *agent, json_t *first)
{
    Instance *instance = routes_member_of (request, agent);
    g_autoptr (GError) error = NULL;

    if (instance == NULL) {
        json_decref (first);
        return;
    }
    const char *id = NULL;
    if (instance_spec (instance)->unmanaged) {
        json_decref (first);
        g_set_error (
            &error, VDC_ERROR, VDC_ERROR_REFUSED,
            "%s has no vdc-guest in it (its class is unmanaged), so nothing can be run or copied there; use "
            "its console, or ssh",
            instance_key (instance));
    } else if (instance_sessions (instance) == NULL) {
        json_decref (first);
        g_set_error (&error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "the member does not run");
    } else
        id = sessions_begin (instance_sessions (instance), first, &error);
    if (id != NULL)
        http_reply_json (request, 200, json_pack ("{s:s}", "session", id));
    else
        http_reply_error (request, error);
}

static void
exec_instance (HttpRequest *request, gpointer agent)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    json_t *argv = json_object_get (body, "argv");

    if (body != NULL && !is_argv (argv))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE, "argv must be a list of 1 to %d texts", ARGV_MAX);
    if (error != NULL)
        http_reply_error (request, error);
    else
        begin_session (request, agent, json_pack ("{s:s, s:O}", "t", "exec", "argv", argv));
}

static void
copy_instance (HttpRequest *request, Agent *agent, const char *type)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    const char *path = NULL;

    if (body != NULL && json_need_string (body, NULL, "path", &path, &error) && *path != '/')
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE, "path must begin with '/'");
    if (error != NULL) {
        http_reply_error (request, error);
        return;
    }
    begin_session (request, agent,
                   json_pack ("{s:s, s:s, s:I}", "t", type, "path", path, "mode",
                              (json_int_t)json_int (body, "mode", 0644)));
}

static void
put_file (HttpRequest *request, gpointer agent)
{
    copy_instance (request, agent, "put");
}

static void
get_file (HttpRequest *request, gpointer agent)
{
    copy_instance (request, agent, "get");
}

static Sessions *
session_of (HttpRequest *request, Agent *agent)
{
    Instance *instance = agent_find_session (agent, http_request_param (request, "session"));

    if (instance == NULL) {
        g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_NOT_FOUND, "the session has ended");
        http_reply_error (request, error);
        return NULL;
    }
    return instance_sessions (instance);
}

static void
session_output (HttpRequest *request, gpointer agent)
{
    Sessions *sessions = session_of (request, agent);
    if (sessions != NULL)
        sessions_output (sessions, http_request_param (request, "session"), request);
}

static void
session_input (HttpRequest *request, gpointer agent)
{
    Sessions *sessions = session_of (request, agent);
    if (sessions != NULL)
        sessions_input (sessions, http_request_param (request, "session"),
                        http_request_query_flag (request, "eof"), request);
}

static void
session_delete (HttpRequest *request, gpointer agent)
{
    Sessions *sessions = session_of (request, agent);
    if (sessions != NULL)
        sessions_delete (sessions, http_request_param (request, "session"), request);
}

/* --- consoles ---------------------------------------------------------------------------------------------- */

typedef struct {
    HttpStream *stream;
    ConsoleFollower *follower;
} Watching;

static gboolean
console_data (const void *data, gsize length, gpointer user_data)
{
    Watching *watching = user_data;
    return http_stream_write (watching->stream, data, length);
}

static void
console_ended (gpointer user_data)
{
    Watching *watching = user_data;
    http_stream_end (watching->stream);
    g_free (watching);
}

static void
watcher_drained (HttpStream *stream, gpointer user_data)
{
    Watching *watching = user_data;
    if (watching->follower != NULL)
        console_follower_resume (watching->follower);
}

static void
watcher_left (HttpStream *stream, gpointer user_data)
{
    Watching *watching = user_data;
    console_unfollow (watching->follower);
    g_free (watching);
}

static void
get_console (HttpRequest *request, gpointer agent)
{
    static const HttpStreamEvents events = {watcher_drained, watcher_left};
    g_autoptr (GError) error = NULL;
    gint64 tail = 0;
    Instance *instance = routes_member_of (request, agent);

    if (instance == NULL)
        return;
    if (!http_request_query_int (request, "tail", 0, 2 * CONSOLE_FILE_BYTES, TAIL_DEFAULT_BYTES, &tail,
                                 &error)) {
        http_reply_error (request, error);
        return;
    }
    g_autoptr (GBytes) bytes = console_tail (instance_console (instance), (gsize)tail);
    if (!http_request_query_flag (request, "follow")) {
        http_reply_bytes (request, 200, "text/plain; charset=utf-8", bytes);
        return;
    }
    Watching *watching = g_new0 (Watching, 1);
    watching->stream = http_reply_stream (request, "text/plain; charset=utf-8", &events, watching);
    http_stream_write (watching->stream, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    watching->follower = console_follow (instance_console (instance), console_data, console_ended, watching);
}

static void
put_console_input (HttpRequest *request, gpointer agent)
{
    Instance *instance = routes_member_of (request, agent);
    GError *error = NULL;
    gsize length = 0;

    if (instance == NULL)
        return;
    const void *data = g_bytes_get_data (http_request_body (request), &length);
    console_input (instance_console (instance), data, length, &error);
    routes_answer (request, 200, error);
}

/* --- table ------------------------------------------------------------------------------------------ */

static const HttpRoute routes[] = {
    ROW ("POST", MEMBER "/exec", "execInstance", "Run a program in a guest", exec_instance),
    ROW ("POST", MEMBER "/put", "putFile", "Copy a file into a guest", put_file),
    ROW ("POST", MEMBER "/get", "getFile", "Copy a file out of a guest", get_file),
    ROW ("GET", MEMBER "/console", "getConsole", "Serial console", get_console),
    RAW ("POST", MEMBER "/console/input", "putConsoleInput", "Type into the serial console", 64 * 1024,
         put_console_input),
    ROW ("GET", "/v1/sessions/{session}/output", "getSessionOutput", "Output of a session", session_output),
    RAW ("POST", "/v1/sessions/{session}/input", "putSessionInput", "Input of a session", INPUT_LIMIT_BYTES,
         session_input),
    ROW ("DELETE", "/v1/sessions/{session}", "deleteSession", "End a session", session_delete),
};

void
routes_add_streams (Agent *agent, HttpRouter *router)
{
    http_router_add (router, routes, G_N_ELEMENTS (routes), agent);
}
