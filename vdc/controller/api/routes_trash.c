#include "vdc/controller/api/routes.h"
#include "vdc/controller/trash.h"

static void
list_trash (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GPtrArray) sorted = trash_sorted (user_data);
    json_t *items = json_array ();
    for (guint i = 0; i < sorted->len; i++)
        if (access_sees (user_data, request, ((TrashRecord *)sorted->pdata[i])->owner))
            json_array_append_new (items, trash_json (sorted->pdata[i]));
    http_reply_list (request, items, NULL);
}

static void
get_trash (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    const TrashRecord *entry = trash_find (user_data, request, http_request_param (request, "entry"), &error);
    if (entry != NULL)
        http_reply_json (request, 200, trash_json (entry));
    else
        http_reply_error (request, error);
}

static void
restore_trash (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    TrashRecord *entry = trash_find (controller, request, http_request_param (request, "entry"), &error);
    if (entry != NULL)
        answer = operation_trash_restore (controller, &operation, entry, body, &error);
    api_end (request, &operation, answer, error);
}

static void
remove_trash (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    TrashRecord *entry = trash_find (controller, request, http_request_param (request, "entry"), &error);
    if (entry != NULL)
        answer = operation_trash_empty (controller, &operation, entry, &error);
    api_end (request, &operation, answer, error);
}

static void
empty_trash (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer = operation_trash_empty (controller, &operation, NULL, &error);
    api_end (request, &operation, answer, error);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/trash", VIEWER, FILTERED, "listTrash"),
     .summary = "What was destroyed and can be restored, oldest first", .answer_schema = "TrashList",
     .query = QUERY_PAGE, .handler = list_trash},
    {HTTP_ROUTE (GET, "/api/v1/trash/{entry}", VIEWER, OBJECT, "getTrash"), .summary = "By id or name",
     .answer_schema = "Trash", .handler = get_trash},
    {HTTP_ROUTE (POST, "/api/v1/trash/{entry}/restore", EDITOR, OBJECT, "restoreTrash"),
     .summary = "Bring it back {as?, confirm?, dry_run?}", .request_schema = "TrashRestore",
     .answer_schema = "TrashRestored", .handler = restore_trash},
    {HTTP_ROUTE (DELETE, "/api/v1/trash/{entry}", EDITOR, OBJECT, "removeTrash"),
     .summary = "Erase it with its data, for good", .request_schema = "Empty",
     .answer_schema = "TrashRemoved", .handler = remove_trash},
    {HTTP_ROUTE (DELETE, "/api/v1/trash", ADMIN, GRID, "emptyTrash"),
     .summary = "Erase everything in the trash, for good", .request_schema = "Empty",
     .answer_schema = "TrashRemoved", .handler = empty_trash},
};

void
routes_add_trash (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
