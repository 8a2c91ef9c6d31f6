#include <string.h>

#include "vdc/controller/agent_watch.h"
#include "vdc/controller/api/routes.h"

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(Server *const *)a)->name, (*(Server *const *)b)->name);
}

static void
list_servers (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
    json_t *items = json_array ();
    GHashTableIter iter;
    Server *server;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server))
        g_ptr_array_add (sorted, server);
    g_ptr_array_sort (sorted, compare_names);
    for (guint i = 0; i < sorted->len; i++)
        json_array_append_new (items, server_json (controller, sorted->pdata[i]));
    http_reply_list (request, items, NULL);
}

/* The answer holds a private key: it is not remembered under the idempotency key; a repeat issues another
 * one. */
static void
register_server (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const char *name, *address;
    json_t *body = http_request_json (request, &error);
    json_t *answer = NULL;
    if (body != NULL && json_need_string (body, "server", "name", &name, &error) &&
        json_need_string (body, "server", "address", &address, &error))
        answer = agent_watch_register (controller, name, address,
                                       (guint)CLAMP (json_int (body, "port", 0), 0, 65535), &error);
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

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/servers", VIEWER, GRID, "listServers"), .summary = "All servers",
     .answer_schema = "ServerList", .query = QUERY_PAGE " state", .handler = list_servers},
    {HTTP_ROUTE (POST, "/api/v1/servers", ADMIN, GRID, "registerServer"),
     .summary = "Register {name, address, port?}; the certificate and key are shown once",
     .answer_schema = "ServerCertificate", .request_schema = "ServerRegister", .status = 201,
     .secret_answer = TRUE, .handler = register_server},
    {HTTP_ROUTE (GET, "/api/v1/servers/{server}", VIEWER, GRID, "getServer"), .summary = "One server",
     .answer_schema = "Server", .handler = get_server},
};

void
routes_add_servers (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
