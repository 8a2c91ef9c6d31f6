#include <string.h>

#include "vdc/controller/access/access.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/catalog_uses.h"
#include "vdc/controller/class_create.h"
#include "vdc/controller/description.h"

typedef struct {
    Controller *controller;
    json_t *items;
    const char *name; /* only this one; NULL: all */
    const char *catalog;
} Listing;

static json_t *
class_entry (Controller *controller, const char *catalog, const Class *class)
{
    json_t *object = class_json (class);
    const json_t *image =
        controller_class_image (controller, catalog, class->boundary.name, class->boundary.version);
    json_put (object, "kind", json_string ("class"));
    json_put (object, "image", image != NULL ? json_deep_copy (image) : NULL);
    return object;
}

static void
list_entry (const char *catalog, const CatalogEntry *entry, gpointer data)
{
    Listing *listing = data;
    if (listing->catalog != NULL && strcmp (catalog, listing->catalog) != 0)
        return;
    json_t *object = entry->class != NULL ? class_entry (listing->controller, catalog, entry->class)
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
    Listing listing = {controller, json_array (), NULL, http_request_query (request, "catalog")};
    catalog_foreach (catalog_folder_classes (controller->catalog), list_entry, &listing);
    http_reply_list (request, listing.items, NULL);
}

/* Only those applications that the caller sees; how many there are more is nobody else's business. */
static json_t *
used_by (Controller *controller, HttpRequest *request, const CatalogEntry *entry)
{
    g_autoptr (CatalogUses) uses = catalog_uses (controller, entry);
    GPtrArray *const lists[] = {uses->applications, uses->drafts};
    for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
        for (guint j = lists[i]->len; j > 0; j--) {
            const char *id = access_application_id (controller, lists[i]->pdata[j - 1]);
            if (id == NULL || !access_sees (controller, request, id))
                g_ptr_array_remove_index (lists[i], j - 1);
        }
    return catalog_uses_json (uses);
}

static void
add_version (const char *catalog, const CatalogEntry *entry, gpointer data)
{
    Listing *listing = data;
    const Boundary *boundary = catalog_entry_boundary (entry);
    if (strcmp (boundary->name, listing->name) == 0 && strcmp (catalog, listing->catalog) == 0)
        json_array_append_new (listing->items, json_string (boundary->version));
}

static void
add_details (Controller *controller, HttpRequest *request, const CatalogEntry *entry, json_t *object)
{
    const Boundary *boundary = catalog_entry_boundary (entry);
    const GridEntry *published =
        catalog_grid_entry (controller->catalogs, entry->catalog, boundary->name, boundary->version);
    Listing versions = {controller, json_array (), boundary->name, entry->catalog};
    catalog_foreach (catalog_folder_classes (controller->catalog), add_version, &versions);
    json_put (object, "versions", versions.items);
    json_put (object, "used_by", used_by (controller, request, entry));
    json_put (object, "created", published != NULL ? json_str_new (published->created) : NULL);
    json_put (object, "description", published != NULL ? json_str_new (published->text) : NULL);
}

/* The highest version, unless one is named. */
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
        Listing listing = {controller, items, NULL, NULL};
        list_entry (entry.catalog, &entry, &listing);
        add_details (controller, request, &entry, json_array_get (items, 0));
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

/* The one that comes with the programs, and the grid's. */
static json_t *
catalog_json (Controller *controller, const GridCatalog *catalog)
{
    g_autoptr (GPtrArray) entries = catalog_grid_entries (controller->catalogs, catalog->name);
    json_t *object = grid_catalog_json (catalog);
    json_put (object, "kind", json_string ("catalog"));
    json_put (object, "entries", json_integer (entries->len));
    json_object_del (object, "number");
    return object;
}

static json_t *
catalogs_json (Controller *controller)
{
    g_autoptr (GPtrArray) catalogs = catalog_grid_list (controller->catalogs);
    json_t *list = json_array ();
    for (guint i = 0; i < catalogs->len; i++)
        json_array_append_new (list, catalog_json (controller, catalogs->pdata[i]));
    return list;
}

static void
list_catalogs (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    GPtrArray *templates = catalog_folder_templates (controller->catalog);
    json_t *items = json_array ();
    for (guint i = 0; i < templates->len; i++)
        json_array_append_new (items, template_entry (templates->pdata[i]));
    Listing listing = {controller, items, NULL, NULL};
    catalog_foreach (catalog_folder_classes (controller->catalog), list_entry, &listing);
    /* They name folders of the controller's machine. */
    g_autoptr (json_t) problems = access_sees (controller, request, NULL)
                                      ? json_deep_copy (catalog_folder_problems (controller->catalog))
                                      : json_array ();
    http_reply_json (request, 200,
                     json_pack ("{s:o, s:n, s:O, s:o}", "items", items, "next", "problems", problems,
                                "catalogs", catalogs_json (controller)));
}

static void
reply_catalog (HttpRequest *request, Controller *controller, const GridCatalog *catalog)
{
    json_t *object = catalog_json (controller, catalog), *items = json_array ();
    Listing listing = {controller, items, NULL, catalog->name};
    catalog_foreach (catalog_folder_classes (controller->catalog), list_entry, &listing);
    json_put (object, "items", items);
    http_reply_json (request, 200, object);
}

/* A catalog of the grid; or a template of the one that comes with the programs: no two have the same name. */
static void
get_catalog (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const char *name = http_request_param (request, "catalog");
    const GridCatalog *catalog = catalog_grid_catalog (controller->catalogs, name);
    const Template *template = catalog_folder_template (controller->catalog, name);
    if (catalog != NULL) {
        reply_catalog (request, controller, catalog);
        return;
    }
    if (template == NULL) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "there is neither a catalog nor an application of that name in the catalogs");
        http_reply_error (request, error);
        return;
    }
    json_t *object = template_entry (template);
    json_put (object, "description", json_str_new (template->text));
    http_reply_json (request, 200, object);
}

/* --- changes ----------------------------------------------------------------------------------------------- */

static void
create_catalog (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Operation operation;
    g_autoptr (GError) error = NULL;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer = operation_catalog_create (controller, &operation, body, &error);
    api_end (request, &operation, answer, error);
}

static void
remove_catalog (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Operation operation;
    g_autoptr (GError) error = NULL;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer =
        operation_catalog_remove (controller, &operation, http_request_param (request, "catalog"), &error);
    api_end (request, &operation, answer, error);
}

/* What is to be published: a text, or an application's own assembly. FALSE and @error. */
static gboolean
publish_text (Controller *controller, HttpRequest *request, const json_t *body, char **text,
              DocumentFormat *format, GError **error)
{
    const char *name = json_str (body, "application", NULL), *assembly = json_str (body, "assembly", NULL);
    const char *version = json_str (body, "version", NULL);
    if (!description_of_request (body, text, format, error))
        return FALSE;
    if ((name == NULL) == (*text == NULL) || (name != NULL && (assembly == NULL || version == NULL))) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "give 'description', or 'application' with 'assembly' and 'version'");
        return FALSE;
    }
    if (name == NULL)
        return TRUE;
    const char *id = access_application_id (controller, name);
    if (id == NULL || !access_sees (controller, request, id)) {
        g_autofree char *quoted = problem_quote (name);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no application %s", quoted);
        return FALSE;
    }
    ApplicationRecord *application = controller_application (controller, name, error);
    *format = DOCUMENT_JSON;
    *text =
        application != NULL ? catalog_own_assembly (controller, application, assembly, version, error) : NULL;
    return *text != NULL;
}

static void
publish (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Operation operation;
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;
    DocumentFormat format;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    if (publish_text (controller, request, body, &text, &format, &error))
        answer = operation_publish (controller, &operation, http_request_param (request, "catalog"), text,
                                    format == DOCUMENT_JSON ? "json" : "yaml", json_str (body, "image", NULL),
                                    &error);
    api_end (request, &operation, answer, error);
}

static void
unpublish (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Operation operation;
    g_autoptr (GError) error = NULL;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer = operation_unpublish (controller, &operation, http_request_param (request, "catalog"),
                                          http_request_param (request, "entry"), &error);
    api_end (request, &operation, answer, error);
}

static void
create_class (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    Operation operation;
    g_autoptr (GError) error = NULL;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer = operation_class_create (controller, &operation, body, &error);
    api_end (request, &operation, answer, error);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/classes", VIEWER, FILTERED, "listClasses"),
     .summary = "Classes and assemblies", .answer_schema = "ClassList", .query = QUERY_PAGE " catalog",
     .handler = list_classes},
    {HTTP_ROUTE (GET, "/api/v1/classes/{class}", VIEWER, FILTERED, "getClass"),
     .summary = "One of them, [CATALOG/]NAME[@VERSION], with who uses it", .answer_schema = "Class",
     .handler = get_class},
    {HTTP_ROUTE (POST, "/api/v1/classes", EDITOR, GRID, "createClass"),
     .summary = "A class of an uploaded disk image", .request_schema = "ClassCreate",
     .answer_schema = "ClassCreated", .handler = create_class},
    {HTTP_ROUTE (GET, "/api/v1/catalogs", VIEWER, FILTERED, "listCatalog"),
     .summary =
         "Templates, assemblies, classes, the catalogs they are in, and what is wrong with the folders",
     .answer_schema = "Catalog", .handler = list_catalogs},
    {HTTP_ROUTE (POST, "/api/v1/catalogs", EDITOR, GRID, "createCatalog"), .summary = "A catalog of the grid",
     .request_schema = "CatalogCreate", .answer_schema = "GridCatalog", .status = 201,
     .handler = create_catalog},
    {HTTP_ROUTE (GET, "/api/v1/catalogs/{catalog}", VIEWER, FILTERED, "getCatalog"),
     .summary = "A catalog with what is in it, or an application template with its text",
     .answer_schema = "GridCatalogOrTemplate", .handler = get_catalog},
    {HTTP_ROUTE (DELETE, "/api/v1/catalogs/{catalog}", EDITOR, GRID, "removeCatalog"),
     .summary = "Remove a catalog with what is in it", .request_schema = "CatalogRemove",
     .answer_schema = "Nothing", .query = "force!", .handler = remove_catalog},
    {HTTP_ROUTE (POST, "/api/v1/catalogs/{catalog}/entries", EDITOR, GRID, "publish"),
     .summary = "Put a class or an assembly into a catalog; a version never changes",
     .request_schema = "Publish", .answer_schema = "Published", .handler = publish},
    {HTTP_ROUTE (DELETE, "/api/v1/catalogs/{catalog}/entries/{entry}", EDITOR, GRID, "unpublish"),
     .summary = "Remove one version, NAME@VERSION", .request_schema = "CatalogRemove",
     .answer_schema = "Nothing", .query = "force!", .handler = unpublish},
};

void
routes_add_catalog (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
