/*
 * Members of an application, and what is done inside them: programs, files, consoles. Streams belong to the
 * agent of the member's server and are passed on; a session's name here is made by access_session_name.
 */
#include <string.h>

#include "vdc/controller/agent_link.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/plan.h"
#include "vdc/controller/view.h"

static char *
key_of (gconstpointer record)
{
    return g_strdup (((const MemberRecord *)record)->name);
}

static const char *
field_of (Controller *controller, gconstpointer record, const char *name)
{
    const MemberRecord *member = record;
    return strcmp (name, "state") == 0 ? member->state : member->server;
}

static json_t *
render (Controller *controller, gpointer application, gconstpointer record)
{
    return view_instance (controller, application, record);
}

static void
list_instances (HttpRequest *request, gpointer user_data)
{
    static const char *const filters[] = {"state", "server", NULL};
    static const ListKind kind = {.key = key_of, .field = field_of, .render_in = render, .filters = filters};
    ApplicationRecord *application = api_application (user_data, request);
    if (application != NULL)
        list_reply_in (request, user_data, application, application->members, &kind);
}

/* A member as an object, a tier as a list. */
static void
get_instance (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const char *name = http_request_param (request, "instance");
    ApplicationRecord *application = api_application (controller, request);
    if (application == NULL)
        return;
    g_autoptr (GPtrArray) members = view_select (application, name, &error);
    if (members == NULL) {
        http_reply_error (request, error);
        return;
    }
    if (members->len == 1 && strcmp (((MemberRecord *)members->pdata[0])->name, name) == 0) {
        http_reply_json (request, 200, view_instance (controller, application, members->pdata[0]));
        return;
    }
    json_t *items = json_array ();
    for (guint i = 0; i < members->len; i++)
        json_array_append_new (items, view_instance (controller, application, members->pdata[i]));
    http_reply_list (request, items, NULL);
}

/* --- one member -------------------------------------------------------------------------------------------- */

/* The one member of the path. NULL: answered. */
static MemberRecord *
one_member (Controller *controller, HttpRequest *request, ApplicationRecord **application)
{
    g_autoptr (GError) error = NULL;
    *application = api_application (controller, request);
    if (*application == NULL)
        return NULL;
    MemberRecord *member = view_select_one (*application, http_request_param (request, "instance"), &error);
    if (member == NULL)
        http_reply_error (request, error);
    return member;
}

/* The agent's address for something of that member. NULL: answered. */
static char *
member_url (Controller *controller, HttpRequest *request, MemberRecord **member, const char *suffix)
{
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application;
    *member = one_member (controller, request, &application);
    if (*member == NULL)
        return NULL;
    char *url = agent_link_instance_url (controller, application, *member, suffix);
    if (url == NULL || ((*member)->report == NULL && (*member)->known)) {
        g_clear_pointer (&url, g_free);
        g_set_error (&error, VDC_ERROR, VDC_ERROR_CONFLICT, "instance '%s' of '%s' is %s", (*member)->name,
                     application->name, (*member)->state);
        http_reply_error (request, error);
    }
    return url;
}

static void
post_action (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *action = json_str (body, "action", "");
    if (strcmp (action, "kill") == 0) {
        MemberRecord *member;
        g_autofree char *url = member_url (controller, request, &member, "/kill");
        if (url != NULL && operation.dry_run)
            http_reply_json (request, 200, plan_one ("kill", member->name, "end its VM hard"));
        else if (url != NULL)
            proxy_json (controller, request, "POST", url, NULL, NULL, NULL, NULL);
        problems_free (operation.problems);
        return;
    }
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    if (application != NULL)
        answer = operation_instance (controller, &operation, application,
                                     http_request_param (request, "instance"), action, &error);
    api_end (request, &operation, answer, error);
}

/* --- sessions ---------------------------------------------------------------------------------------------- */

typedef struct {
    Controller *controller;
    HttpRequest *request;
    char *server, *application_id;
} Naming;

static void
naming_free (gpointer data)
{
    Naming *naming = data;
    http_request_unref (naming->request);
    g_free (naming->server);
    g_free (naming->application_id);
    g_free (naming);
}

static json_t *
name_session (json_t *answer, gpointer user_data)
{
    Naming *naming = user_data;
    const char *id = json_str (answer, "session", NULL);
    if (id == NULL) /* an error of the agent's */
        return answer;
    g_autofree char *session =
        access_session_name (naming->controller, naming->request, naming->server, id, naming->application_id);
    json_put (answer, "session", json_str_new (session));
    return answer;
}

static void
begin_session (HttpRequest *request, Controller *controller, const char *verb)
{
    g_autoptr (GError) error = NULL;
    MemberRecord *member;
    json_t *body = http_request_json (request, &error);
    if (body == NULL) {
        http_reply_error (request, error);
        return;
    }
    g_autofree char *url = member_url (controller, request, &member, verb);
    if (url == NULL)
        return;
    if (api_is_dry_run (request)) {
        http_reply_json (request, 200, plan_one (verb + 1, member->name, "begin a session in it"));
        return;
    }
    Naming *naming = g_new0 (Naming, 1);
    naming->controller = controller;
    naming->request = http_request_ref (request);
    naming->server = g_strdup (member->server);
    naming->application_id =
        g_strdup (access_application_id (controller, http_request_param (request, "application")));
    proxy_json (controller, request, "POST", url, body, name_session, naming, naming_free);
}

static void
post_exec (HttpRequest *request, gpointer user_data)
{
    begin_session (request, user_data, "/exec");
}

static void
post_put (HttpRequest *request, gpointer user_data)
{
    begin_session (request, user_data, "/put");
}

static void
post_get (HttpRequest *request, gpointer user_data)
{
    begin_session (request, user_data, "/get");
}

static char *
session_url (Controller *controller, HttpRequest *request, const char *suffix)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *name = NULL, *agent_id = NULL;
    Server *server = access_session_parse (controller, request, &name, &agent_id)
                         ? controller_server (controller, name, &error)
                         : NULL;
    if (server == NULL) {
        http_reply_error (request, error);
        return NULL;
    }
    g_autofree char *id = http_escape (agent_id);
    return g_strdup_printf ("%s/v1/sessions/%s%s", server->url, id, suffix);
}

static void
get_output (HttpRequest *request, gpointer user_data)
{
    g_autofree char *url = session_url (user_data, request, "/output");
    if (url != NULL)
        proxy_stream (user_data, request, url, "application/x-ndjson");
}

static void
post_input (HttpRequest *request, gpointer user_data)
{
    g_autofree char *url = session_url (
        user_data, request, http_request_query_flag (request, "eof") ? "/input?eof=1" : "/input?eof=0");
    if (url != NULL)
        proxy_raw (user_data, request, "POST", url);
}

static void
delete_session (HttpRequest *request, gpointer user_data)
{
    g_autofree char *url = session_url (user_data, request, "");
    if (url != NULL && api_is_dry_run (request))
        http_reply_json (request, 200,
                         plan_one ("session", http_request_param (request, "session"), "end it"));
    else if (url != NULL)
        proxy_json (user_data, request, "DELETE", url, NULL, NULL, NULL, NULL);
}

/* --- console
 * -----------------------------------------------------------------------------------------------------------
 */

static void
get_console (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    gint64 tail;
    MemberRecord *member;
    if (!http_request_query_int (request, "tail", 0, 16 * 1024 * 1024, 16384, &tail, &error)) {
        http_reply_error (request, error);
        return;
    }
    g_autofree char *suffix = g_strdup_printf ("/console?tail=%" G_GINT64_FORMAT "&follow=%d", tail,
                                               http_request_query_flag (request, "follow") ? 1 : 0);
    g_autofree char *url = member_url (user_data, request, &member, suffix);
    if (url != NULL)
        proxy_stream (user_data, request, url, "text/plain; charset=utf-8");
}

static void
post_console (HttpRequest *request, gpointer user_data)
{
    MemberRecord *member;
    g_autofree char *url = member_url (user_data, request, &member, "/console/input");
    if (url != NULL)
        proxy_raw (user_data, request, "POST", url);
}

#define INSTANCE "/api/v1/applications/{application}/instances/{instance}"
#define SESSION_INPUT_LIMIT_BYTES (256 * 1024)

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/applications/{application}/instances", VIEWER, APPLICATION, "listInstances"),
     .summary = "All members", .answer_schema = "InstanceList", .query = QUERY_PAGE " state server",
     .handler = list_instances},
    {HTTP_ROUTE (GET, INSTANCE, VIEWER, APPLICATION, "getInstance"),
     .summary = "A member, or the members of a tier", .answer_schema = "InstanceOrList",
     .handler = get_instance},
    {HTTP_ROUTE (POST, INSTANCE "/actions", OPERATOR, APPLICATION, "actOnInstance"),
     .summary = "start, stop, restart, kill", .answer_schema = "JobStarted",
     .request_schema = "InstanceAction", .handler = post_action},
    {HTTP_ROUTE (POST, INSTANCE "/exec", OPERATOR, APPLICATION, "execInInstance"),
     .summary = "Run a program {argv}", .answer_schema = "Session", .request_schema = "Exec",
     .handler = post_exec},
    {HTTP_ROUTE (POST, INSTANCE "/put", OPERATOR, APPLICATION, "putFile"),
     .summary = "Write a file {path, mode}", .answer_schema = "Session", .request_schema = "FilePut",
     .handler = post_put},
    {HTTP_ROUTE (POST, INSTANCE "/get", OPERATOR, APPLICATION, "getFile"), .summary = "Read a file {path}",
     .answer_schema = "Session", .request_schema = "FileGet", .handler = post_get},
    {HTTP_ROUTE (GET, INSTANCE "/console", OPERATOR, APPLICATION, "getConsole"),
     .summary = "Serial console (?tail, ?follow)", .answer_schema = HTTP_ANSWER_STREAM,
     .answer_type = "text/plain", .query = "tail=0..16777216 follow!", .handler = get_console},
    {HTTP_ROUTE (POST, INSTANCE "/console/input", OPERATOR, APPLICATION, "typeIntoConsole"),
     .summary = "Raw bytes", .body = HTTP_BODY_RAW, .counted = TRUE, .answer_schema = "Nothing",
     .handler = post_console},
    {HTTP_ROUTE (GET, "/api/v1/sessions/{session}/output", OPERATOR, OBJECT, "getSessionOutput"),
     .summary = "JSON lines until exit or error", .answer_schema = HTTP_ANSWER_STREAM,
     .answer_type = "application/x-ndjson", .handler = get_output},
    {HTTP_ROUTE (POST, "/api/v1/sessions/{session}/input", OPERATOR, OBJECT, "postSessionInput"),
     .summary = "Raw bytes (?eof)", .body = HTTP_BODY_RAW, .counted = TRUE,
     .body_limit_bytes = SESSION_INPUT_LIMIT_BYTES, .answer_schema = "Nothing", .query = "eof!",
     .handler = post_input},
    {HTTP_ROUTE (DELETE, "/api/v1/sessions/{session}", OPERATOR, OBJECT, "deleteSession"),
     .summary = "End it", .request_schema = "Empty", .answer_schema = "Nothing", .handler = delete_session},
};

void
routes_add_instances (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
