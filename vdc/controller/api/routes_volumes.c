#include <string.h>

#include "vdc/controller/api/routes.h"

static char *
key_of (gconstpointer record)
{
    return g_strdup (((const VolumeRecord *)record)->name);
}

static const char *
field_of (Controller *controller, gconstpointer record, const char *name)
{
    const VolumeRecord *volume = record;
    return strcmp (name, "state") == 0 ? volume_state (volume) : volume->application;
}

static json_t *
render (Controller *controller, gconstpointer record)
{
    return volume_json (controller, record);
}

static void
list_volumes (HttpRequest *request, gpointer user_data)
{
    static const char *const filters[] = {"application", "state", NULL};
    static const ListKind kind = {key_of, FALSE, field_of, render, filters};
    Controller *controller = user_data;
    g_autoptr (GPtrArray) seen = g_ptr_array_new ();
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (access_sees (controller, request, volume->owner))
            g_ptr_array_add (seen, volume);
    list_reply (request, controller, seen, &kind);
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
    api_end (request, &operation, answer, error);
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
    api_end (request, &operation, answer, error);
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
     .answer_schema = "Nothing", .if_match = HTTP_MATCH_OBJECT, .handler = destroy_volume},
};

void
routes_add_volumes (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
