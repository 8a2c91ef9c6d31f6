#include "vdc/model/catalog.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/fields.h"

#include <string.h>

typedef struct {
    char *catalog;
    guint rank; /* of its catalog: 0 was added first */
    CatalogEntry entry;
} Item;

struct Catalog {
    GPtrArray *items;     /* Item * */
    GPtrArray *names;     /* char *: catalogs in the order of their first class */
    const Catalog *base;  /* what is not local is looked for there; NULL: here */
    GHashTable *snapshot; /* reference → Item *, for a catalog made of one; else NULL */
};

static void
item_free (gpointer data)
{
    Item *item = data;

    g_free (item->catalog);
    class_unref (item->entry.class);
    assembly_unref (item->entry.assembly);
    g_free (item);
}

Catalog *
catalog_new (void)
{
    Catalog *catalog = g_new0 (Catalog, 1);

    catalog->items = g_ptr_array_new_with_free_func (item_free);
    catalog->names = g_ptr_array_new_with_free_func (g_free);
    return catalog;
}

Catalog *
catalog_new_local (const Catalog *base, GPtrArray *assemblies)
{
    Catalog *catalog = catalog_new ();

    catalog->base = base;
    for (guint i = 0; i < assemblies->len; i++)
        catalog_add_assembly (catalog, CATALOG_LOCAL, g_ptr_array_index (assemblies, i));
    return catalog;
}

void
catalog_free (Catalog *catalog)
{
    if (catalog == NULL)
        return;
    g_clear_pointer (&catalog->snapshot, g_hash_table_unref);
    g_ptr_array_unref (catalog->items);
    g_ptr_array_unref (catalog->names);
    g_free (catalog);
}

const Boundary *
catalog_entry_boundary (const CatalogEntry *entry)
{
    return entry->class != NULL ? &entry->class->boundary : &entry->assembly->boundary;
}

static const Boundary *
boundary_of (const Item *item)
{
    return catalog_entry_boundary (&item->entry);
}

static guint
rank_of (Catalog *catalog, const char *name)
{
    guint rank;

    if (!g_ptr_array_find_with_equal_func (catalog->names, name, g_str_equal, &rank)) {
        rank = catalog->names->len;
        g_ptr_array_add (catalog->names, g_strdup (name));
    }
    return rank;
}

static Item *
add (Catalog *catalog, const char *catalog_name, CatalogEntry entry)
{
    const Boundary *boundary = catalog_entry_boundary (&entry);
    Item *item = g_new0 (Item, 1);

    for (guint i = 0; i < catalog->items->len; i++) {
        const Item *other = g_ptr_array_index (catalog->items, i);
        if (catalog->snapshot == NULL && strcmp (other->catalog, catalog_name) == 0 &&
            strcmp (boundary_of (other)->name, boundary->name) == 0 &&
            strcmp (boundary_of (other)->version, boundary->version) == 0) {
            g_ptr_array_remove_index (catalog->items, i);
            break;
        }
    }
    item->catalog = g_strdup (catalog_name);
    item->rank = rank_of (catalog, catalog_name);
    item->entry = entry;
    item->entry.catalog = item->catalog;
    g_ptr_array_add (catalog->items, item);
    return item;
}

void
catalog_add_class (Catalog *catalog, const char *catalog_name, Class *class)
{
    add (catalog, catalog_name, (CatalogEntry){.class = class_ref (class)});
}

void
catalog_add_assembly (Catalog *catalog, const char *catalog_name, Assembly *assembly)
{
    add (catalog, catalog_name, (CatalogEntry){.assembly = assembly_ref (assembly)});
}

void
catalog_add_name (Catalog *catalog, const char *catalog_name)
{
    rank_of (catalog, catalog_name);
}

static gboolean
find_exact (const Catalog *catalog, const char *catalog_name, const char *name, const char *version,
            guint *index)
{
    for (guint i = 0; i < catalog->items->len; i++) {
        const Item *item = g_ptr_array_index (catalog->items, i);
        const Boundary *boundary = boundary_of (item);
        if (strcmp (item->catalog, catalog_name) != 0 || strcmp (boundary->name, name) != 0 ||
            strcmp (boundary->version, version) != 0)
            continue;
        *index = i;
        return TRUE;
    }
    return FALSE;
}

gboolean
catalog_remove (Catalog *catalog, const char *catalog_name, const char *name, const char *version)
{
    guint index;

    if (!find_exact (catalog, catalog_name, name, version, &index))
        return FALSE;
    g_ptr_array_remove_index (catalog->items, index);
    return TRUE;
}

gboolean
catalog_get_exact (const Catalog *catalog, const char *catalog_name, const char *name, const char *version,
                   CatalogEntry *entry)
{
    guint index;

    if (!find_exact (catalog, catalog_name, name, version, &index))
        return FALSE;
    *entry = ((const Item *)g_ptr_array_index (catalog->items, index))->entry;
    return TRUE;
}

/* -- references -- */

typedef struct {
    char *catalog; /* NULL: any */
    char *name;
    char *version; /* NULL: the highest */
} Ref;

static void
ref_clear (Ref *ref)
{
    g_free (ref->catalog);
    g_free (ref->name);
    g_free (ref->version);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ref, ref_clear)

static Ref
ref_split (const char *text)
{
    const char *slash = strchr (text, '/'), *name = slash != NULL ? slash + 1 : text,
               *at = strchr (name, '@');

    return (Ref){
        .catalog = slash != NULL ? g_strndup (text, slash - text) : NULL,
        .name = at != NULL ? g_strndup (name, at - name) : g_strdup (name),
        .version = at != NULL ? g_strdup (at + 1) : NULL,
    };
}

gboolean
catalog_ref_is_valid (const char *text)
{
    g_auto (Ref) ref = ref_split (text);

    return (ref.catalog == NULL || id_is_name (ref.catalog)) && id_is_class (ref.name) &&
           (ref.version == NULL || version_is_valid (ref.version));
}

static gboolean
matches (const Item *item, const Ref *ref)
{
    return (ref->catalog == NULL || strcmp (ref->catalog, item->catalog) == 0) &&
           strcmp (ref->name, boundary_of (item)->name) == 0 &&
           (ref->version == NULL || strcmp (ref->version, boundary_of (item)->version) == 0);
}

gboolean
catalog_ref_is_local (const char *ref)
{
    return g_str_has_prefix (ref, CATALOG_LOCAL "/");
}

gboolean
catalog_get (const Catalog *catalog, const char *text, CatalogEntry *entry)
{
    if (catalog->base != NULL && !catalog_ref_is_local (text))
        return catalog_get (catalog->base, text, entry);
    g_auto (Ref) ref = ref_split (text);
    const Item *best = catalog->snapshot != NULL ? g_hash_table_lookup (catalog->snapshot, text) : NULL;

    for (guint i = 0; catalog->snapshot == NULL && i < catalog->items->len; i++) {
        const Item *item = g_ptr_array_index (catalog->items, i);
        if (!matches (item, &ref))
            continue;
        if (best == NULL || item->rank < best->rank ||
            (item->rank == best->rank &&
             version_compare (boundary_of (item)->version, boundary_of (best)->version) > 0))
            best = item;
    }
    if (best == NULL)
        return FALSE;
    *entry = best->entry;
    return TRUE;
}

const char *
catalog_nearest (const Catalog *catalog, const char *text)
{
    g_auto (Ref) ref = ref_split (text);
    g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

    if (catalog->base != NULL && !catalog_ref_is_local (text))
        return catalog_nearest (catalog->base, text);
    for (guint i = 0; i < catalog->items->len; i++)
        g_hash_table_add (names, boundary_of (g_ptr_array_index (catalog->items, i))->name);
    return nearest_key (ref.name, names);
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
    const Item *left = *(Item *const *)a, *right = *(Item *const *)b;
    int order = strcmp (left->catalog, right->catalog);

    if (order == 0)
        order = strcmp (boundary_of (left)->name, boundary_of (right)->name);
    return order != 0 ? order : version_compare (boundary_of (left)->version, boundary_of (right)->version);
}

void
catalog_foreach (const Catalog *catalog, CatalogFunction function, gpointer data)
{
    g_autoptr (GPtrArray) sorted = g_ptr_array_copy (catalog->items, NULL, NULL);

    g_ptr_array_set_free_func (sorted, NULL);
    g_ptr_array_sort (sorted, by_name);
    for (guint i = 0; i < sorted->len; i++) {
        const Item *item = g_ptr_array_index (sorted, i);
        function (item->catalog, &item->entry, data);
    }
}

/* -- snapshots -- */

static gboolean
add_snapshot (Catalog *catalog, const char *ref, json_t *value, GError **error)
{
    g_autoptr (Problems) problems = problems_new ();
    json_t *root = json_object_get (value, "document");
    g_autoptr (Document) document = root != NULL ? document_new (root) : NULL;
    CatalogEntry entry = {NULL, NULL, NULL};

    if (document == NULL)
        problems_add (problems, "missing_key", ref, NULL, "the stored description has no document");
    else if (strcmp (json_str (value, "kind", ""), "assembly") == 0)
        entry.assembly = assembly_from_document (document, problems);
    else
        entry.class = class_from_document (document, problems);
    if (!problems_to_error (problems, error)) {
        g_prefix_error (error, "stored description of %s: ", ref);
        return FALSE;
    }
    /* Before there were grid catalogs nothing was recorded: it was "system". */
    g_hash_table_insert (catalog->snapshot, g_strdup (ref),
                         add (catalog, json_str (value, "catalog", CATALOG_SYSTEM), entry));
    return TRUE;
}

Catalog *
catalog_from_snapshot (const json_t *snapshot, GError **error)
{
    g_autoptr (Catalog) catalog = catalog_new ();
    const char *ref;
    json_t *value;

    catalog->snapshot = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    json_object_foreach ((json_t *)snapshot, ref, value)
        if (!add_snapshot (catalog, ref, value, error))
            return NULL;
    return g_steal_pointer (&catalog);
}
