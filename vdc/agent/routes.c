/*
 * The agent's API: server, members, sessions, consoles, volumes, inventory. All rows ask for a peer with a
 * certificate of the grid; main.c lets only the controller in. What may block (volumes, inventory) runs in a
 * thread with copies.
 */
#include "vdc/agent/agent.h"

#include "vdc/agent/survey.h"
#include "vdc/base/error.h"
#include "vdc/base/id.h"
#include "vdc/http/reply.h"

#include <string.h>

#define INPUT_LIMIT_BYTES (256 * 1024)
#define SEED_LIMIT_BYTES (64 * 1024 * 1024)
#define ARGV_MAX 256 /* what the guest takes */
#define TAIL_DEFAULT_BYTES (64 * 1024)

/* Answers NULL (with the error) for a path that names no member here. */
static Instance *
member_of (HttpRequest *request, Agent *agent)
{
    const char *application = http_request_param (request, "app");
    const char *member = http_request_param (request, "member");
    Instance *instance = agent_find (agent, application, member);

    if (instance == NULL) {
        g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_NOT_FOUND,
                                                "member %s/%s is not on this server", application, member);
        http_reply_error (request, error);
    }
    return instance;
}

static void
answer (HttpRequest *request, guint status, GError *error)
{
    g_autoptr (GError) owned = error;
    if (owned != NULL)
        http_reply_error (request, owned);
    else
        http_reply_json (request, status, json_object ());
}

/* --- server and members ------------------------------------------------------------------------------------ */

static void
get_server (HttpRequest *request, gpointer agent)
{
    http_reply_json (request, 200, agent_server (agent));
}

static void
list_instances (HttpRequest *request, gpointer agent)
{
    http_reply_list (request, agent_reports (agent), NULL);
}

static void
get_instance (HttpRequest *request, gpointer agent)
{
    Instance *instance = member_of (request, agent);
    if (instance != NULL)
        http_reply_json (request, 200, instance_report (instance));
}

static void
put_instance (HttpRequest *request, gpointer agent)
{
    GError *error = NULL;
    json_t *document = http_request_json (request, &error);
    g_autoptr (Spec) spec = NULL;

    if (document != NULL)
        spec = spec_new (document, http_request_param (request, "app"),
                         http_request_param (request, "member"), &error);
    if (spec != NULL)
        agent_put (agent, spec, &error);
    answer (request, 202, error);
}

static void
delete_instance (HttpRequest *request, gpointer agent)
{
    const char *application = http_request_param (request, "app");
    const char *member = http_request_param (request, "member");
    const char *root = http_request_query (request, "root");
    GError *error = NULL;

    if (!id_is_name (application) || !spec_is_member (member))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "there is no such member");
    else if (root != NULL && strcmp (root, "keep") != 0 && strcmp (root, "remove") != 0)
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE, "root must be keep or remove");
    else
        agent_delete (agent, application, member, g_strcmp0 (root, "keep") != 0, &error);
    answer (request, 202, error);
}

static void
kill_instance (HttpRequest *request, gpointer agent)
{
    Instance *instance = member_of (request, agent);
    GError *error = NULL;

    if (instance == NULL)
        return;
    instance_kill (instance, &error);
    answer (request, 202, error);
}

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
    Instance *instance = member_of (request, agent);
    g_autoptr (GError) error = NULL;

    if (instance == NULL) {
        json_decref (first);
        return;
    }
    const char *id = NULL;
    if (instance_sessions (instance) == NULL) {
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
    Instance *instance = member_of (request, agent);

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
    Instance *instance = member_of (request, agent);
    GError *error = NULL;
    gsize length = 0;

    if (instance == NULL)
        return;
    const void *data = g_bytes_get_data (http_request_body (request), &length);
    console_input (instance_console (instance), data, length, &error);
    answer (request, 200, error);
}

/* --- volumes and inventory: in a thread -------------------------------------------------------------------- */

typedef struct {
    HttpRequest *request;
    const Host *host;
    char *id, *name, *application, *filesystem;
    guint64 size_bytes;
    GBytes *bytes;
    GPtrArray *specs, *settled; /* settled: of a running member whose wires nobody is changing now */
    json_t *(*act) (gpointer task, GError **error); /* NULL without @error: an empty answer */
    json_t *result;
    gboolean list;
    GError *error;
} Task;

static gboolean
task_done (gpointer data)
{
    Task *task = data;

    if (task->error != NULL)
        http_reply_error (task->request, task->error);
    else if (task->list)
        http_reply_list (task->request, g_steal_pointer (&task->result), NULL);
    else
        http_reply_json (task->request, 200, task->result ? g_steal_pointer (&task->result) : json_object ());
    http_request_unref (task->request);
    json_decref (task->result);
    g_clear_error (&task->error);
    g_clear_pointer (&task->bytes, g_bytes_unref);
    g_clear_pointer (&task->specs, g_ptr_array_unref);
    g_clear_pointer (&task->settled, g_ptr_array_unref);
    g_free (task->id);
    g_free (task->name);
    g_free (task->application);
    g_free (task->filesystem);
    g_free (task);
    return G_SOURCE_REMOVE;
}

static gpointer
task_thread (gpointer data)
{
    Task *task = data;
    task->result = task->act (task, &task->error);
    g_idle_add_full (G_PRIORITY_DEFAULT, task_done, task, NULL);
    return NULL;
}

static Task *
task_new (HttpRequest *request, Agent *agent, json_t *(*act) (gpointer task, GError **error))
{
    Task *task = g_new0 (Task, 1);
    task->request = http_request_ref (request);
    task->host = agent_host (agent);
    task->act = act;
    return task;
}

/* For the rows with {volume}; NULL after an answer that it cannot be. */
static Task *
volume_task (HttpRequest *request, Agent *agent, json_t *(*act) (gpointer task, GError **error))
{
    const char *id = http_request_param (request, "volume");

    if (!spec_is_volume_id (id)) {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_INVALID, "a volume's id is 16 hex digits");
        http_reply_error (request, error);
        return NULL;
    }
    Task *task = task_new (request, agent, act);
    task->id = g_strdup (id);
    return task;
}

static void
task_begin (Task *task)
{
    if (task != NULL)
        g_thread_unref (g_thread_new ("request", task_thread, task));
}

static json_t *
act_list_volumes (gpointer data, GError **error)
{
    Task *task = data;
    return volume_list (task->host->disks);
}

static void
list_volumes (HttpRequest *request, gpointer agent)
{
    Task *task = task_new (request, agent, act_list_volumes);
    task->list = TRUE;
    task_begin (task);
}

static json_t *
act_get_volume (gpointer data, GError **error)
{
    Task *task = data;
    return volume_get (task->host->disks, task->id, error);
}

static void
get_volume (HttpRequest *request, gpointer agent)
{
    task_begin (volume_task (request, agent, act_get_volume));
}

static json_t *
act_put_volume (gpointer data, GError **error)
{
    Task *task = data;
    if (!volume_create (task->host->disks, task->id, task->name, task->application, task->size_bytes,
                        task->filesystem, error))
        return NULL;
    return volume_get (task->host->disks, task->id, error);
}

static void
put_volume (HttpRequest *request, gpointer agent)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    gint64 size = 0;

    if (body == NULL || !json_need_int (body, NULL, "size_bytes", &size, &error)) {
        http_reply_error (request, error);
        return;
    }
    Task *task = volume_task (request, agent, act_put_volume);
    if (task == NULL)
        return;
    task->name = g_strdup (json_str (body, "name", ""));
    task->application = g_strdup (json_str (body, "application", ""));
    task->filesystem = g_strdup (json_str (body, "filesystem", "ext4"));
    task->size_bytes = (guint64)MAX (size, 0);
    task_begin (task);
}

static json_t *
act_delete_volume (gpointer data, GError **error)
{
    Task *task = data;
    volume_delete (task->host->disks, task->id, error);
    return NULL;
}

static void
delete_volume (HttpRequest *request, gpointer agent)
{
    task_begin (volume_task (request, agent, act_delete_volume));
}

static json_t *
act_seed_volume (gpointer data, GError **error)
{
    Task *task = data;
    volume_seed (task->host->disks, task->id, task->bytes, error);
    return NULL;
}

static void
seed_volume (HttpRequest *request, gpointer agent)
{
    Task *task = volume_task (request, agent, act_seed_volume);
    if (task != NULL)
        task->bytes = g_bytes_ref (http_request_body (request));
    task_begin (task);
}

static json_t *
act_inventory (gpointer data, GError **error)
{
    Task *task = data;
    return inventory_read (task->host, task->specs, task->settled);
}

static GPtrArray *
settled_specs (Agent *agent, const GPtrArray *specs)
{
    GPtrArray *settled = g_ptr_array_new_with_free_func ((GDestroyNotify)spec_unref);
    for (guint i = 0; i < specs->len; i++) {
        Spec *spec = g_ptr_array_index (specs, i);
        const Instance *instance = agent_find (agent, spec->application, spec->member);
        if (instance != NULL && instance_vm (instance) == VM_RUNNING && !instance_is_busy (instance))
            g_ptr_array_add (settled, spec_ref (spec));
    }
    return settled;
}

static void
get_inventory (HttpRequest *request, gpointer agent)
{
    Task *task = task_new (request, agent, act_inventory);
    task->specs = agent_specs (agent);
    task->settled = settled_specs (agent, task->specs);
    task_begin (task);
}

/* --- table ------------------------------------------------------------------------------------------------- */

#define MEMBER "/v1/instances/{app}/{member}"
#define ROW(method, path, id, text, function)                                                                \
    {                                                                                                        \
        method, path, HTTP_ROLE_SERVER, .name = id, .summary = text, .handler = function                     \
    }
#define RAW(method, path, id, text, limit, function)                                                         \
    {                                                                                                        \
        method, path, HTTP_ROLE_SERVER, .name = id, .summary = text, .body = HTTP_BODY_RAW,                  \
                                        .body_limit_bytes = limit, .handler = function                       \
    }

static const HttpRoute routes[] = {
    ROW ("GET", "/v1/server", "getServer", "This server", get_server),
    ROW ("GET", "/v1/instances", "listInstances", "Reports of all members", list_instances),
    ROW ("GET", MEMBER, "getInstance", "Report of one member", get_instance),
    ROW ("PUT", MEMBER, "putInstance", "What a member shall be", put_instance),
    ROW ("DELETE", MEMBER, "deleteInstance", "Remove a member", delete_instance),
    ROW ("POST", MEMBER "/kill", "killInstance", "End a member's VM hard", kill_instance),
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
    ROW ("GET", "/v1/volumes", "listVolumes", "Volumes on this server", list_volumes),
    ROW ("GET", "/v1/volumes/{volume}", "getVolume", "One volume", get_volume),
    ROW ("PUT", "/v1/volumes/{volume}", "putVolume", "Create or grow a volume", put_volume),
    ROW ("DELETE", "/v1/volumes/{volume}", "deleteVolume", "Delete a volume", delete_volume),
    RAW ("PUT", "/v1/volumes/{volume}/seed", "seedVolume", "Fill an unused volume from a tar archive",
         SEED_LIMIT_BYTES, seed_volume),
    ROW ("GET", "/v1/inventory", "getInventory", "All that is found here", get_inventory),
};

void
agent_add_routes (Agent *agent, HttpRouter *router)
{
    http_router_add (router, routes, G_N_ELEMENTS (routes), agent);
}
