#include <string.h>

#include "vdc/controller/agent_watch.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/plan.h"

static char *
key_of (gconstpointer record)
{
    return g_strdup (((const Server *)record)->name);
}

static const char *
field_of (Controller *controller, gconstpointer record, const char *name)
{
    const Server *server = record;
    return server_state_name (server->state);
}

static json_t *
render (Controller *controller, gconstpointer record)
{
    return server_json (controller, record);
}

static void
list_servers (HttpRequest *request, gpointer user_data)
{
    static const char *const filters[] = {"state", NULL};
    static const ListKind kind = {key_of, FALSE, field_of, render, filters};
    Controller *controller = user_data;
    g_autoptr (GPtrArray) seen = list_of_table (controller->servers);
    list_reply (request, controller, seen, &kind);
}

/* The answer holds a private key: it is never written down. */
static void
register_server (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    const char *name = json_str (body, "name", ""), *address = json_str (body, "address", "");
    json_t *answer;
    if (api_is_dry_run (request)) {
        http_reply_json (request, 200, plan_one ("server", name, "register it and issue its certificate"));
        return;
    }
    answer = agent_watch_register (controller, name, address, (guint)json_int (body, "port", 0), &error);
    if (answer != NULL)
        http_reply_json (request, 201, answer);
    else
        http_reply_error (request, error);
}

static void
get_server (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Server *server = controller_server (controller, http_request_param (request, "server"), &error);
    if (server != NULL)
        http_reply_json (request, 200, server_json (controller, server));
    else
        http_reply_error (request, error);
}

static void
remove_server (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const Server *server = controller_server (controller, http_request_param (request, "server"), &error);
    gboolean done =
        server != NULL && (api_is_dry_run (request) ? agent_watch_may_remove (controller, server, &error)
                                                    : agent_watch_remove (controller, server, &error));
    if (!done)
        http_reply_error (request, error);
    else if (api_is_dry_run (request))
        http_reply_json (request, 200,
                         plan_one ("server", http_request_param (request, "server"), "forget it"));
    else
        http_reply_json (request, 200, json_object ());
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/servers", VIEWER, GRID, "listServers"), .summary = "All servers",
     .answer_schema = "ServerList", .query = QUERY_PAGE " state", .handler = list_servers},
    {HTTP_ROUTE (POST, "/api/v1/servers", ADMIN, GRID, "registerServer"),
     .summary = "Register {name, address, port?}; the certificate and key are shown once",
     .answer_schema = "ServerCertificate", .request_schema = "ServerRegister", .status = 201,
     .secret_answer = TRUE, .handler = register_server},
    {HTTP_ROUTE (GET, "/api/v1/servers/{server}", VIEWER, GRID, "getServer"), .summary = "One server",
     .answer_schema = "Server", .handler = get_server},
    {HTTP_ROUTE (DELETE, "/api/v1/servers/{server}", ADMIN, GRID, "removeServer"),
     .summary = "Forget a server that holds nothing", .request_schema = "Empty", .answer_schema = "Nothing",
     .handler = remove_server},
};

void
routes_add_servers (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
