/*
 * The agent's API: server and members; routes_stream.c has sessions and consoles, routes_volume.c volumes and
 * the inventory. All rows ask for a peer with a certificate of the grid; main.c lets only the controller in.
 */
#include "vdc/agent/routes.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/http/reply.h"

#include <string.h>

Instance *
routes_member_of (HttpRequest *request, Agent *agent)
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

void
routes_answer (HttpRequest *request, guint status, GError *error)
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
    Instance *instance = routes_member_of (request, agent);
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
    routes_answer (request, 202, error);
}

static void
deleted (const GError *error, gpointer request)
{
    routes_answer (request, 202, error != NULL ? g_error_copy (error) : NULL);
    http_request_unref (request);
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
        agent_delete (agent, application, member, g_strcmp0 (root, "keep") != 0, deleted,
                      http_request_ref (request));
    if (error != NULL)
        routes_answer (request, 202, error);
}

static void
kill_instance (HttpRequest *request, gpointer agent)
{
    Instance *instance = routes_member_of (request, agent);
    GError *error = NULL;

    if (instance == NULL)
        return;
    instance_kill (instance, &error);
    routes_answer (request, 202, error);
}

/* The newest lines of its log, without what guests say. */
static void
get_log (HttpRequest *request, gpointer agent)
{
    g_autofree char *text = vdc_log_tail ();
    http_reply_text (request, 200, "text/plain; charset=utf-8", text);
}

/* --- table ------------------------------------------------------------------------------------------------- */

static const HttpRoute routes[] = {
    ROW ("GET", "/v1/server", "getServer", "This server", get_server),
    ROW ("GET", "/v1/log", "getLog", "The newest lines of the agent's log", get_log),
    ROW ("GET", "/v1/instances", "listInstances", "Reports of all members", list_instances),
    ROW ("GET", MEMBER, "getInstance", "Report of one member", get_instance),
    ROW ("PUT", MEMBER, "putInstance", "What a member shall be", put_instance),
    ROW ("DELETE", MEMBER, "deleteInstance", "Remove a member", delete_instance),
    ROW ("POST", MEMBER "/kill", "killInstance", "End a member's VM hard", kill_instance),
};

void
agent_add_routes (Agent *agent, HttpRouter *router)
{
    http_router_add (router, routes, G_N_ELEMENTS (routes), agent);
    routes_add_streams (agent, router);
    routes_add_screens (agent, router);
    routes_add_volumes (agent, router);
    routes_add_memos (agent, router);
    routes_do_once (router);
}
