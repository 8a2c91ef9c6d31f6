#include "vdc/controller/catalog_grid.h"

#include <string.h>

#include "vdc/base/log.h"
#include "vdc/controller/record.h"
#include "vdc/model/fields.h"

static const RecordField catalog_fields[] = {
    RECORD_FIELD (GridCatalog, RECORD_STRING, name),
    RECORD_FIELD (GridCatalog, RECORD_STRING, summary),
    RECORD_FIELD (GridCatalog, RECORD_STRING, created),
    RECORD_FIELD (GridCatalog, RECORD_INT, number),
    {NULL},
};

static const RecordField entry_fields[] = {
    RECORD_FIELD (GridEntry, RECORD_STRING, catalog), RECORD_FIELD (GridEntry, RECORD_STRING, name),
    RECORD_FIELD (GridEntry, RECORD_STRING, version), RECORD_FIELD (GridEntry, RECORD_STRING, kind),
    RECORD_FIELD (GridEntry, RECORD_STRING, text),    RECORD_FIELD (GridEntry, RECORD_STRING, format),
    RECORD_FIELD (GridEntry, RECORD_STRING, created), RECORD_FIELD (GridEntry, RECORD_JSON, pins),
    RECORD_FIELD (GridEntry, RECORD_JSON, image),     {NULL},
};

/* --- one of each ------------------------------------------------------------------------------------------- */

GridCatalog *
grid_catalog_new (void)
{
    return g_new0 (GridCatalog, 1);
}

GridEntry *
grid_entry_new (void)
{
    return g_new0 (GridEntry, 1);
}

void
grid_catalog_free (GridCatalog *catalog)
{
    if (catalog == NULL)
        return;
    record_clear (catalog_fields, catalog);
    g_free (catalog);
}

void
grid_entry_free (GridEntry *entry)
{
    if (entry == NULL)
        return;
    record_clear (entry_fields, entry);
    json_decref (entry->document);
    g_free (entry);
}

json_t *
grid_catalog_json (const GridCatalog *catalog)
{
    return record_save (catalog_fields, catalog);
}

json_t *
grid_entry_json (const GridEntry *entry)
{
    return record_save (entry_fields, entry);
}

char *
grid_entry_key (const char *catalog, const char *name, const char *version)
{
    return g_strdup_printf ("%s/%s@%s", catalog, name, version);
}

/* What an assembly's references meant when it was published is what they mean. */
static void
put_pins (const GridEntry *entry, json_t *document)
{
    json_t *instances = json_object_get (document, "instances"), *instance;
    const char *name;

    json_object_foreach (instances, name, instance) {
        json_t *pin = json_object_get (entry->pins, json_str (instance, "class", ""));
        if (pin != NULL)
            json_object_set (instance, "class", pin);
    }
}

gboolean
grid_entry_parse (GridEntry *entry, Problems *problems)
{
    DocumentFormat format = g_strcmp0 (entry->format, "json") == 0 ? DOCUMENT_JSON : DOCUMENT_YAML;
    g_autoptr (Document) document = document_parse (entry->text, strlen (entry->text), format, problems);

    if (document == NULL || problems_count (problems) > 0)
        return FALSE;
    json_decref (entry->document);
    entry->document = json_deep_copy (document_root (document));
    put_pins (entry, entry->document);
    return TRUE;
}

gboolean
grid_entry_add (const GridEntry *entry, Catalog *classes, Problems *problems)
{
    g_autoptr (Document) document = document_new (entry->document);

    if (strcmp (entry->kind, "assembly") == 0) {
        g_autoptr (Assembly) assembly = assembly_from_document (document, problems);
        if (assembly != NULL)
            catalog_add_assembly (classes, entry->catalog, assembly);
        return assembly != NULL;
    }
    g_autoptr (Class) class = class_from_document (document, problems);
    if (class != NULL)
        catalog_add_class (classes, entry->catalog, class);
    return class != NULL;
}

/* --- all of them ------------------------------------------------------------------------------------------- */

CatalogGrid *
catalog_grid_new (void)
{
    CatalogGrid *grid = g_new0 (CatalogGrid, 1);
    grid->catalogs =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)grid_catalog_free);
    grid->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)grid_entry_free);
    return grid;
}

void
catalog_grid_free (CatalogGrid *grid)
{
    if (grid == NULL)
        return;
    g_hash_table_unref (grid->catalogs);
    g_hash_table_unref (grid->entries);
    g_free (grid);
}

static gboolean
load_catalog (const char *key, json_t *value, gpointer user_data)
{
    CatalogGrid *grid = user_data;
    GridCatalog *catalog = grid_catalog_new ();
    record_load (catalog_fields, catalog, value);
    g_hash_table_replace (grid->catalogs, g_strdup (key), catalog);
    return TRUE;
}

static gboolean
load_entry (const char *key, json_t *value, gpointer user_data)
{
    CatalogGrid *grid = user_data;
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (GError) error = NULL;
    g_autoptr (GridEntry) entry = grid_entry_new ();

    record_load (entry_fields, entry, value);
    if (entry->text == NULL || entry->kind == NULL || !grid_entry_parse (entry, problems)) {
        problems_to_error (problems, &error);
        vdc_log (VDC_LOG_ERROR, "stored catalog entry cannot be read, left out", "entry", key, "error",
                 error != NULL ? error->message : "it has no text", NULL);
        return TRUE;
    }
    g_hash_table_replace (grid->entries, g_strdup (key), g_steal_pointer (&entry));
    return TRUE;
}

gboolean
catalog_grid_load (CatalogGrid *grid, Store *store, GError **error)
{
    g_hash_table_remove_all (grid->catalogs);
    g_hash_table_remove_all (grid->entries);
    return store_list (store, STORE_CATALOGS, NULL, NULL, 0, load_catalog, grid, error) &&
           store_list (store, STORE_CLASSES, NULL, NULL, 0, load_entry, grid, error);
}

GridCatalog *
catalog_grid_catalog (const CatalogGrid *grid, const char *name)
{
    return g_hash_table_lookup (grid->catalogs, name);
}

GridEntry *
catalog_grid_entry (const CatalogGrid *grid, const char *catalog, const char *name, const char *version)
{
    g_autofree char *key = grid_entry_key (catalog, name, version);
    return g_hash_table_lookup (grid->entries, key);
}

static gint
by_number (gconstpointer a, gconstpointer b)
{
    const GridCatalog *left = *(GridCatalog *const *)a, *right = *(GridCatalog *const *)b;
    return left->number < right->number ? -1 : left->number > right->number;
}

GPtrArray *
catalog_grid_list (const CatalogGrid *grid)
{
    GPtrArray *list = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer catalog;

    g_hash_table_iter_init (&iter, grid->catalogs);
    while (g_hash_table_iter_next (&iter, NULL, &catalog))
        g_ptr_array_add (list, catalog);
    g_ptr_array_sort (list, by_number);
    return list;
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
    const GridEntry *left = *(GridEntry *const *)a, *right = *(GridEntry *const *)b;
    gint order = strcmp (left->catalog, right->catalog);
    if (order == 0)
        order = strcmp (left->name, right->name);
    return order != 0 ? order : version_compare (left->version, right->version);
}

GPtrArray *
catalog_grid_entries (const CatalogGrid *grid, const char *catalog)
{
    GPtrArray *list = g_ptr_array_new ();
    GHashTableIter iter;
    GridEntry *entry;

    g_hash_table_iter_init (&iter, grid->entries);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        if (catalog == NULL || strcmp (entry->catalog, catalog) == 0)
            g_ptr_array_add (list, entry);
    g_ptr_array_sort (list, by_name);
    return list;
}

void
catalog_grid_fill (const CatalogGrid *grid, Catalog *classes)
{
    g_autoptr (GPtrArray) catalogs = catalog_grid_list (grid);
    g_autoptr (GPtrArray) entries = catalog_grid_entries (grid, NULL);

    catalog_add_name (classes, CATALOG_SYSTEM);
    for (guint i = 0; i < catalogs->len; i++)
        catalog_add_name (classes, ((GridCatalog *)catalogs->pdata[i])->name);
    for (guint i = 0; i < entries->len; i++) {
        g_autoptr (Problems) problems = problems_new ();
        const GridEntry *entry = entries->pdata[i];
        if (!grid_entry_add (entry, classes, problems))
            vdc_log (VDC_LOG_ERROR, "catalog entry does not fit this version of the programs, left out",
                     "catalog", entry->catalog, "name", entry->name, "version", entry->version, NULL);
    }
}
