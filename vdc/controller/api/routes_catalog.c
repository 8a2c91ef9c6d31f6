#include <string.h>

#include "vdc/controller/api/routes.h"

typedef struct {
    Controller *controller;
    json_t *items;
    const char *name; /* only this one; NULL: all */
} Listing;

static json_t *
class_entry (Controller *controller, const Class *class)
{
    json_t *object = class_json (class);
    const json_t *image =
        catalog_folder_image (controller->catalog, class->boundary.name, class->boundary.version);
    json_put (object, "kind", json_string ("class"));
    json_put (object, "image", image != NULL ? json_deep_copy (image) : NULL);
    return object;
}

static void
list_entry (const char *catalog, const CatalogEntry *entry, gpointer data)
{
    Listing *listing = data;
    const Boundary *boundary = catalog_entry_boundary (entry);
    if (listing->name != NULL && strcmp (boundary->name, listing->name) != 0)
        return;
    json_t *object = entry->class != NULL ? class_entry (listing->controller, entry->class)
                                          : assembly_json (entry->assembly);
    if (entry->assembly != NULL)
        json_put (object, "kind", json_string ("assembly"));
    json_put (object, "catalog", json_string (catalog));
    json_array_append_new (listing->items, object);
}

static void
list_classes (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Listing listing = {controller, json_array (), NULL};
    catalog_foreach (catalog_folder_classes (controller->catalog), list_entry, &listing);
    http_reply_list (request, listing.items, NULL);
}

/* The highest version: the last of its name. */
static void
get_class (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const Catalog *classes = catalog_folder_classes (controller->catalog);
    const char *ref = http_request_param (request, "class");
    CatalogEntry entry;
    if (catalog_ref_is_valid (ref) && catalog_get (classes, ref, &entry)) {
        g_autoptr (json_t) items = json_array ();
        Listing listing = {controller, items, NULL};
        list_entry (CATALOG_NAME, &entry, &listing);
        http_reply_json (request, 200, json_incref (json_array_get (items, 0)));
        return;
    }
    g_autofree char *quoted = problem_quote (ref);
    const char *nearest = catalog_nearest (classes, ref);
    g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no class %s%s%s%s", quoted,
                 nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                 nearest != NULL ? "'?" : "");
    http_reply_error (request, error);
}

static json_t *
template_entry (const Template *template)
{
    json_t *properties = json_object_get (template->document, "properties");
    return json_pack ("{s:s, s:s, s:s, s:s?, s:O?}", "name", template->name, "kind", "application", "catalog",
                      CATALOG_NAME, "summary", json_str (template->document, "summary", NULL), "properties",
                      properties);
}

static void
list_catalogs (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    GPtrArray *templates = catalog_folder_templates (controller->catalog);
    json_t *items = json_array ();
    for (guint i = 0; i < templates->len; i++)
        json_array_append_new (items, template_entry (templates->pdata[i]));
    Listing listing = {controller, items, NULL};
    catalog_foreach (catalog_folder_classes (controller->catalog), list_entry, &listing);
    http_reply_json (request, 200,
                     json_pack ("{s:o, s:n, s:O}", "items", items, "next", "problems",
                                catalog_folder_problems (controller->catalog)));
}

static void
get_template (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const Template *template =
        catalog_folder_template (controller->catalog, http_request_param (request, "template"));
    if (template == NULL) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the catalog has no application of that name");
        http_reply_error (request, error);
        return;
    }
    json_t *object = template_entry (template);
    json_put (object, "description", json_str_new (template->text));
    http_reply_json (request, 200, object);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/classes", VIEWER, FILTERED, "listClasses"), .summary = "Classes and assemblies",
     .answer_schema = "ClassList", .query = QUERY_PAGE, .handler = list_classes},
    {HTTP_ROUTE (GET, "/api/v1/classes/{class}", VIEWER, FILTERED, "getClass"), .summary = "One of them",
     .answer_schema = "Class", .handler = get_class},
    {HTTP_ROUTE (GET, "/api/v1/catalogs", VIEWER, FILTERED, "listCatalog"),
     .summary = "Templates, assemblies, classes, and what is wrong with the folders",
     .answer_schema = "Catalog", .handler = list_catalogs},
    {HTTP_ROUTE (GET, "/api/v1/catalogs/{template}", VIEWER, FILTERED, "getTemplate"),
     .summary = "An application template with its text", .answer_schema = "Template",
     .handler = get_template},
};

void
routes_add_catalog (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
