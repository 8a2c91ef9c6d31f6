/*
 * Making, filling and clearing the grid's catalogs. Each change is one commit of the store; the images that
 * classes name lie outside of it and are there before (image_store.h).
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/catalog_uses.h"
#include "vdc/controller/draft.h"
#include "vdc/controller/image_store.h"
#include "vdc/controller/operation.h"
#include "vdc/model/check.h"
#include "vdc/model/fields.h"

/* --- catalogs ---------------------------------------------------------------------------------------------- */

/* "catalog/lamp" is how templates of `system` are named, and templates share the path with catalogs. */
static gboolean
name_is_free (Controller *controller, const char *name, GError **error)
{
    if (strcmp (name, CATALOG_SYSTEM) == 0 || strcmp (name, CATALOG_LOCAL) == 0 ||
        strcmp (name, "catalog") == 0 || catalog_folder_template (controller->catalog, name) != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "'%s' is a name of the catalog that comes with the programs; take another", name);
        return FALSE;
    }
    if (g_hash_table_size (controller->catalogs->catalogs) < CATALOGS_MAX)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "there are %d catalogs already", CATALOGS_MAX);
    return FALSE;
}

static gint64
next_number (const CatalogGrid *grid)
{
    g_autoptr (GPtrArray) list = catalog_grid_list (grid);
    return list->len > 0 ? ((GridCatalog *)list->pdata[list->len - 1])->number + 1 : 1;
}

json_t *
operation_catalog_create (Controller *controller, Operation *operation, const json_t *request, GError **error)
{
    const char *name = json_str (request, "name", ""), *summary = json_str (request, "summary", "");
    CatalogGrid *grid = controller->catalogs;

    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "a catalog's name must be %s", id_name_rule ());
        return NULL;
    }
    if (!field_check_text (summary, TEXT_LINE, TEXT_SUMMARY_MAX, "summary", operation->problems))
        return NULL;
    if (catalog_grid_catalog (grid, name) != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "catalog '%s' exists", name);
        return NULL;
    }
    if (!name_is_free (controller, name, error))
        return NULL;
    if (operation->dry_run)
        return json_object ();
    GridCatalog *catalog = grid_catalog_new ();
    catalog->name = g_strdup (name);
    catalog->summary = g_strdup (summary);
    catalog->created = controller_stamp (controller);
    catalog->number = next_number (grid);
    controller_write (controller, STORE_CATALOGS, name, grid_catalog_json (catalog));
    controller_note (controller, "catalog.created", "catalog", name, NULL, NULL, NULL);
    json_t *answer = operation_finish (controller, operation, grid_catalog_json (catalog), error);
    if (answer == NULL) {
        grid_catalog_free (catalog);
        return NULL;
    }
    g_hash_table_insert (grid->catalogs, g_strdup (name), catalog);
    catalog_add_name (catalog_folder_all (controller->catalog), name);
    return answer;
}

static GridCatalog *
find_catalog (Controller *controller, const char *name, GError **error)
{
    GridCatalog *catalog = catalog_grid_catalog (controller->catalogs, name);
    g_autofree char *quoted = problem_quote (name);

    if (catalog != NULL)
        return catalog;
    if (strcmp (name, CATALOG_SYSTEM) == 0)
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_REFUSED,
            "catalog 'system' comes with the programs and cannot be changed; make one with `vdc catalog "
            "create`");
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "no catalog %s; make it with `vdc catalog create`", quoted);
    return NULL;
}

/* --- removing ---------------------------------------------------------------------------------------------- */

static char *
join (GPtrArray *names)
{
    g_ptr_array_add (names, NULL);
    char *text = g_strjoinv (", ", (char **)names->pdata);
    g_ptr_array_remove_index (names, names->len - 1);
    return text;
}

/* Those that are not removed with it. */
static void
leave_out_own (GPtrArray *assemblies, const char *catalog)
{
    g_autofree char *prefix = g_strconcat (catalog, "/", NULL);
    for (guint i = assemblies->len; i > 0; i--)
        if (g_str_has_prefix (assemblies->pdata[i - 1], prefix))
            g_ptr_array_remove_index (assemblies, i - 1);
}

/*
 * An assembly that names it could not be used any more: that is refused always. An application has recorded
 * what it runs with, so with `force` it goes on, also through restart and scale; only a new apply of a
 * description that names it will be refused. Its image stays as long as an application needs it.
 */
static gboolean
may_remove (Controller *controller, const Operation *operation, const GridEntry *entry,
            gboolean whole_catalog, GError **error)
{
    CatalogEntry found;
    g_autofree char *key = grid_entry_key (entry->catalog, entry->name, entry->version);

    if (!catalog_get_exact (catalog_folder_classes (controller->catalog), entry->catalog, entry->name,
                            entry->version, &found))
        return TRUE;
    g_autoptr (CatalogUses) uses = catalog_uses (controller, &found);
    if (whole_catalog)
        leave_out_own (uses->assemblies, entry->catalog);
    if (uses->assemblies->len > 0) {
        g_autofree char *names = join (uses->assemblies);
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "%s is used by assemblies: %s; remove those first",
                     key, names);
        return FALSE;
    }
    for (guint i = 0; i < uses->drafts->len; i++)
        g_ptr_array_add (uses->applications, g_strconcat ("the draft of ", uses->drafts->pdata[i], NULL));
    if (uses->applications->len == 0 || operation->force)
        return TRUE;
    g_autofree char *names = join (uses->applications);
    g_set_error (
        error, VDC_ERROR, VDC_ERROR_REFUSED,
        "%s is used by %s; change or destroy what uses it first. With --force it is removed all the same: "
        "what runs goes on, and cannot be applied again as it is",
        key, names);
    return FALSE;
}

static void
note_removal (Controller *controller, const GridEntry *entry)
{
    g_autofree char *key = grid_entry_key (entry->catalog, entry->name, entry->version);
    controller_write (controller, STORE_CLASSES, key, NULL);
    controller_note (controller, "class.removed", "class", key, NULL, NULL, NULL);
}

/* After the commit. */
static void
forget_entry (Controller *controller, const GridEntry *entry)
{
    g_autofree char *key = grid_entry_key (entry->catalog, entry->name, entry->version);
    catalog_remove (catalog_folder_all (controller->catalog), entry->catalog, entry->name, entry->version);
    g_hash_table_remove (controller->catalogs->entries, key);
}

json_t *
operation_catalog_remove (Controller *controller, Operation *operation, const char *name, GError **error)
{
    GridCatalog *catalog = find_catalog (controller, name, error);
    if (catalog == NULL)
        return NULL;
    g_autoptr (GPtrArray) entries = catalog_grid_entries (controller->catalogs, name);
    for (guint i = 0; i < entries->len; i++)
        if (!may_remove (controller, operation, entries->pdata[i], TRUE, error))
            return NULL;
    if (operation->dry_run)
        return json_object ();
    for (guint i = 0; i < entries->len; i++)
        note_removal (controller, entries->pdata[i]);
    controller_write (controller, STORE_CATALOGS, name, NULL);
    controller_note (controller, "catalog.removed", "catalog", name, NULL, NULL, NULL);
    json_t *answer = operation_finish (controller, operation, json_object (), error);
    if (answer == NULL)
        return NULL;
    for (guint i = 0; i < entries->len; i++)
        forget_entry (controller, entries->pdata[i]);
    g_hash_table_remove (controller->catalogs->catalogs, name);
    image_store_sweep (controller);
    return answer;
}

json_t *
operation_unpublish (Controller *controller, Operation *operation, const char *catalog,
                     const char *entry_text, GError **error)
{
    g_auto (GStrv) parts = g_strsplit (entry_text, "@", 2);
    if (find_catalog (controller, catalog, error) == NULL)
        return NULL;
    GridEntry *entry = parts[0] != NULL && parts[1] != NULL
                           ? catalog_grid_entry (controller->catalogs, catalog, parts[0], parts[1])
                           : NULL;
    if (entry == NULL) {
        g_autofree char *quoted = problem_quote (entry_text);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "catalog '%s' has no %s; name one version, such as WEB@1.0.0", catalog, quoted);
        return NULL;
    }
    if (!may_remove (controller, operation, entry, FALSE, error))
        return NULL;
    if (operation->dry_run)
        return json_object ();
    note_removal (controller, entry);
    json_t *answer = operation_finish (controller, operation, json_object (), error);
    if (answer != NULL) {
        FP ("publish.10.removed");
        forget_entry (controller, entry);
        image_store_sweep (controller);
    }
    return answer;
}

/* --- publishing -------------------------------------------------------------------------------------------- */

/* "sha256:…" of an image there is, or the class whose image it is. NULL and @error when there is none. */
static json_t *
find_image (Controller *controller, const char *image, GError **error)
{
    CatalogEntry entry;
    g_autofree char *quoted = problem_quote (image);

    if (g_str_has_prefix (image, "sha256:"))
        return image_store_describe (controller->images, image + strlen ("sha256:"), error);
    if (!catalog_ref_is_valid (image) ||
        !catalog_get (catalog_folder_classes (controller->catalog), image, &entry) || entry.class == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no class %s to take the image of", quoted);
        return NULL;
    }
    const json_t *known = controller_class_image (controller, entry.catalog, entry.class->boundary.name,
                                                  entry.class->boundary.version);
    if (known == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the image of class %s was not built", quoted);
        return NULL;
    }
    return json_deep_copy (known);
}

static gboolean
take_image (Controller *controller, GridEntry *entry, const Class *class, const char *image, GError **error)
{
    if (image == NULL) {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_INVALID,
            "a class needs an image: say whose it has (--image-of CLASS), or make it from a file with "
            "`vdc class create`");
        return FALSE;
    }
    entry->image = find_image (controller, image, error);
    if (entry->image == NULL)
        return FALSE;
    gboolean raw = g_strcmp0 (json_str (entry->image, "format", NULL), "raw") == 0;
    if (raw == class->unmanaged)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "%s",
                 raw ? "that image has no vdc-guest: the class must say 'unmanaged: true'"
                     : "that image is started by vdc-guest: the class must not say 'unmanaged: true'");
    return FALSE;
}

/* What it names in other catalogs of the grid is kept as it is now; system classes change with the programs.
 */
static void
take_pins (Controller *controller, GridEntry *entry)
{
    const Catalog *classes = catalog_folder_classes (controller->catalog);
    json_t *pins = json_object (), *instance;
    const char *name;

    json_object_foreach (json_object_get (entry->document, "instances"), name, instance) {
        const char *ref = json_str (instance, "class", "");
        CatalogEntry meant;
        if (!catalog_ref_is_valid (ref) || !catalog_get (classes, ref, &meant) ||
            strcmp (meant.catalog, CATALOG_SYSTEM) == 0)
            continue;
        const Boundary *boundary = catalog_entry_boundary (&meant);
        g_autofree char *key = grid_entry_key (meant.catalog, boundary->name, boundary->version);
        json_put (pins, ref, json_string (key));
    }
    record_set_json (&entry->pins, pins);
}

static gboolean
read_entry (Controller *controller, GridEntry *entry, const char *image, Problems *problems, GError **error)
{
    DocumentFormat format = strcmp (entry->format, "json") == 0 ? DOCUMENT_JSON : DOCUMENT_YAML;
    g_autoptr (Document) document = document_parse (entry->text, strlen (entry->text), format, problems);
    const Boundary *boundary = NULL;

    if (document == NULL)
        return FALSE;
    entry->kind =
        g_strdup (json_object_get (document_root (document), "assembly") != NULL ? "assembly" : "class");
    g_autoptr (Assembly) assembly =
        strcmp (entry->kind, "assembly") == 0 ? assembly_from_document (document, problems) : NULL;
    g_autoptr (Class) class =
        strcmp (entry->kind, "class") == 0 ? class_from_document (document, problems) : NULL;
    if (assembly != NULL)
        assembly_check (assembly, catalog_folder_classes (controller->catalog), problems);
    document_locate (document, problems);
    if (problems_count (problems) > 0)
        return FALSE;
    boundary = assembly != NULL ? &assembly->boundary : &class->boundary;
    entry->name = g_strdup (boundary->name);
    entry->version = g_strdup (boundary->version);
    entry->document = json_deep_copy (document_root (document));
    if (class != NULL)
        return take_image (controller, entry, class, image, error);
    take_pins (controller, entry);
    return grid_entry_parse (entry, problems);
}

static gboolean
is_same (const GridEntry *a, const GridEntry *b)
{
    return json_equal (a->document, b->document) &&
           g_strcmp0 (json_str (a->image, "digest", NULL), json_str (b->image, "digest", NULL)) == 0;
}

/* What is there already: the same again is no error and changes nothing. */
static gboolean
check_version (const GridEntry *before, const GridEntry *entry, GError **error)
{
    if (before == NULL || is_same (before, entry))
        return TRUE;
    g_set_error (
        error, VDC_ERROR, VDC_ERROR_CONFLICT,
        "%s/%s@%s is published with another content, and a version never changes; raise the version in "
        "the description",
        entry->catalog, entry->name, entry->version);
    return FALSE;
}

static json_t *
entry_answer (const GridEntry *entry, gboolean published)
{
    g_autofree char *ref = grid_entry_key (entry->catalog, entry->name, entry->version);
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:O?, s:b}", "ref", ref, "catalog", entry->catalog, "kind",
                      entry->kind, "name", entry->name, "version", entry->version, "image", entry->image,
                      "published", published);
}

static json_t *
commit_entry (Controller *controller, Operation *operation, GridEntry *entry, GError **error)
{
    g_autofree char *key = grid_entry_key (entry->catalog, entry->name, entry->version);

    if (g_hash_table_size (controller->catalogs->entries) >= CATALOG_ENTRIES_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE,
                     "the grid's catalogs hold %d entries already; remove some", CATALOG_ENTRIES_MAX);
        return NULL;
    }
    if (operation->dry_run)
        return entry_answer (entry, FALSE);
    FP ("publish.01.checked");
    entry->created = controller_stamp (controller);
    controller_write (controller, STORE_CLASSES, key, grid_entry_json (entry));
    controller_note (controller, "class.published", "class", key, NULL, NULL,
                     json_pack ("{s:s}", "kind", entry->kind));
    return operation_finish (controller, operation, entry_answer (entry, TRUE), error);
}

json_t *
operation_publish (Controller *controller, Operation *operation, const char *catalog, const char *text,
                   const char *format, const char *image, GError **error)
{
    g_autoptr (GridEntry) entry = grid_entry_new ();

    if (find_catalog (controller, catalog, error) == NULL)
        return NULL;
    entry->catalog = g_strdup (catalog);
    entry->text = g_strdup (text);
    entry->format = g_strdup (format);
    if (!read_entry (controller, entry, image, operation->problems, error)) {
        if (*error == NULL)
            problems_to_error (operation->problems, error);
        return NULL;
    }
    const GridEntry *before = catalog_grid_entry (controller->catalogs, catalog, entry->name, entry->version);
    if (!check_version (before, entry, error))
        return NULL;
    if (before != NULL)
        return entry_answer (before, FALSE);
    json_t *answer = commit_entry (controller, operation, entry, error);
    if (answer == NULL || operation->dry_run)
        return answer;
    FP ("publish.02.committed");
    vdc_log (VDC_LOG_INFO, "published", "catalog", catalog, "name", entry->name, "version", entry->version,
             NULL);
    grid_entry_add (entry, catalog_folder_all (controller->catalog), operation->problems);
    g_autofree char *key = grid_entry_key (catalog, entry->name, entry->version);
    g_hash_table_insert (controller->catalogs->entries, g_steal_pointer (&key), g_steal_pointer (&entry));
    return answer;
}

char *
catalog_own_assembly (Controller *controller, ApplicationRecord *application, const char *assembly,
                      const char *version, GError **error)
{
    const json_t *own =
        json_object_get (json_object_get (draft_document (controller, application), "assemblies"), assembly);
    g_autofree char *quoted = problem_quote (assembly);

    if (!json_is_object (own)) {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
            "application '%s' has no assembly %s of its own; make one by grouping instances in its draft",
            application->name, quoted);
        return NULL;
    }
    g_autoptr (json_t) document = json_deep_copy (own);
    json_put (document, "assembly", json_string (assembly));
    json_put (document, "version", json_string (version));
    return json_pretty (document);
}
