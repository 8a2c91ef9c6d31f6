#include <string.h>

#include "vdc/controller/api/routes.h"

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(VolumeRecord *const *)a)->name, (*(VolumeRecord *const *)b)->name);
}

static void
list_volumes (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
    json_t *items = json_array ();
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (access_sees (controller, request, volume->owner))
            g_ptr_array_add (sorted, volume);
    g_ptr_array_sort (sorted, compare_names);
    for (guint i = 0; i < sorted->len; i++)
        json_array_append_new (items, volume_json (controller, sorted->pdata[i]));
    http_reply_list (request, items, NULL);
}

static void
create_volume (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer = operation_volume_create (controller, &operation, body, &error);
    api_end (request, &operation, answer, 201, error);
}

static void
get_volume (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    VolumeRecord *volume = controller_volume (controller, http_request_param (request, "volume"), &error);
    if (volume != NULL)
        http_reply_json (request, 200, volume_json (controller, volume));
    else
        http_reply_error (request, error);
}

static void
destroy_volume (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    VolumeRecord *volume = controller_volume (controller, http_request_param (request, "volume"), &error);
    if (volume != NULL)
        answer = operation_volume_destroy (controller, &operation, volume, &error);
    api_end (request, &operation, answer, 200, error);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/volumes", VIEWER, FILTERED, "listVolumes"),
     .summary = "All volumes, unused ones too", .answer_schema = "VolumeList",
     .query = QUERY_PAGE " application state", .handler = list_volumes},
    {HTTP_ROUTE (POST, "/api/v1/volumes", EDITOR, FILTERED, "createVolume"),
     .summary = "A volume of its own {name, size}", .answer_schema = "Volume",
     .request_schema = "VolumeCreate", .status = 201, .handler = create_volume},
    {HTTP_ROUTE (GET, "/api/v1/volumes/{volume}", VIEWER, OBJECT, "getVolume"), .summary = "By name or id",
     .answer_schema = "Volume", .handler = get_volume},
    {HTTP_ROUTE (DELETE, "/api/v1/volumes/{volume}", EDITOR, OBJECT, "destroyVolume"),
     .summary = "Move an unused volume to the trash", .request_schema = "VolumeDestroy",
     .answer_schema = "Nothing", .handler = destroy_volume},
};

void
routes_add_volumes (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
