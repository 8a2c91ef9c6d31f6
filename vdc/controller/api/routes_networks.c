#include "vdc/controller/api/routes.h"
#include "vdc/controller/plan.h"
#include "vdc/controller/networks.h"

static gboolean
add_name (const char *key, json_t *value, gpointer user_data)
{
    json_array_append_new (user_data, json_string (key));
    return TRUE;
}

static void
list_networks (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) names = json_array ();
    json_t *items, *name;
    gsize i;
    if (!store_list (controller->store, STORE_NETWORKS, NULL, NULL, 0, add_name, names, &error)) {
        http_reply_error (request, error);
        return;
    }
    items = json_array ();
    json_array_foreach (names, i, name) {
        json_t *network = networks_json (controller, json_string_value (name), NULL);
        if (network != NULL)
            json_array_append_new (items, network);
    }
    list_reply_items (request, items, "name");
}

static void
create_network (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    gboolean created = networks_create (controller, body, &error);
    if (created && operation.dry_run) {
        controller_revert (controller);
        answer = plan_one ("network", json_str (body, "name", ""), "create it");
    } else if (created)
        answer = operation_finish (controller, &operation, json_deep_copy (body), &error);
    api_end (request, &operation, answer, error);
}

static void
get_network (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    json_t *network = networks_json (user_data, http_request_param (request, "network"), &error);
    if (network != NULL)
        http_reply_json (request, 200, network);
    else
        http_reply_error (request, error);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/networks", VIEWER, GRID, "listNetworks"), .summary = "Outside networks",
     .answer_schema = "NetworkList", .query = QUERY_PAGE, .handler = list_networks},
    {HTTP_ROUTE (POST, "/api/v1/networks", ADMIN, GRID, "createNetwork"),
     .summary = "{name, subnet, gateway, addresses, publish?}", .answer_schema = "Network",
     .request_schema = "NetworkCreate", .status = 201, .handler = create_network},
    {HTTP_ROUTE (GET, "/api/v1/networks/{network}", VIEWER, GRID, "getNetwork"),
     .summary = "One network and who uses it", .answer_schema = "Network", .handler = get_network},
};

void
routes_add_networks (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
