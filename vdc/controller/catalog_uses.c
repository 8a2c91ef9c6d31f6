#include "vdc/controller/catalog_uses.h"

#include <string.h>

#include "vdc/controller/draft.h"

static GPtrArray *
names_new (void)
{
    return g_ptr_array_new_with_free_func (g_free);
}

void
catalog_uses_free (CatalogUses *uses)
{
    if (uses == NULL)
        return;
    g_ptr_array_unref (uses->applications);
    g_ptr_array_unref (uses->assemblies);
    g_ptr_array_unref (uses->templates);
    g_ptr_array_unref (uses->drafts);
    g_free (uses);
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

static json_t *
names_json (GPtrArray *names)
{
    json_t *list = json_array ();
    g_ptr_array_sort (names, by_text);
    for (guint i = 0; i < names->len; i++)
        json_array_append_new (list, json_string (names->pdata[i]));
    return list;
}

json_t *
catalog_uses_json (const CatalogUses *uses)
{
    return json_pack ("{s:o, s:o, s:o, s:o}", "applications", names_json (uses->applications), "assemblies",
                      names_json (uses->assemblies), "templates", names_json (uses->templates), "drafts",
                      names_json (uses->drafts));
}

/* --- applications ------------------------------------------------------------------------------------------ */

/* @used: as topology_used gives it. */
static gboolean
names_entry (const json_t *used, const CatalogEntry *entry)
{
    const Boundary *boundary = catalog_entry_boundary (entry);
    const char *key = entry->class != NULL ? "class" : "assembly", *ref;
    json_t *value;

    json_object_foreach ((json_t *)used, ref, value) {
        const json_t *document = json_object_get (value, "document");
        if (strcmp (json_str (value, "catalog", CATALOG_SYSTEM), entry->catalog) == 0 &&
            g_strcmp0 (json_str (document, key, NULL), boundary->name) == 0 &&
            g_strcmp0 (json_str (document, "version", NULL), boundary->version) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
find_applications (Controller *controller, const CatalogEntry *entry, CatalogUses *uses)
{
    GHashTableIter iter;
    ApplicationRecord *application;

    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (names_entry (application->used, entry) ||
            names_entry (json_object_get (application->next, "used"), entry))
            g_ptr_array_add (uses->applications, g_strdup (application->name));
}

/* What can be restored must be able to start again. */
static void
find_trash (Controller *controller, const CatalogEntry *entry, CatalogUses *uses)
{
    GHashTableIter iter;
    TrashRecord *trashed;

    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&trashed)) {
        g_autoptr (ApplicationRecord) application =
            trashed->application != NULL ? application_record_new (trashed->application) : NULL;
        if (application != NULL && names_entry (application->used, entry))
            g_ptr_array_add (uses->applications, g_strdup_printf ("%s (in the trash)", trashed->name));
    }
}

/* --- descriptions ------------------------------------------------------------------------------------------ */

static gboolean
means_entry (const Catalog *classes, const char *ref, const CatalogEntry *entry)
{
    CatalogEntry meant;
    return ref != NULL && catalog_ref_is_valid (ref) && catalog_get (classes, ref, &meant) &&
           meant.class == entry->class && meant.assembly == entry->assembly;
}

static gboolean
document_means (const Catalog *classes, const json_t *document, const CatalogEntry *entry)
{
    json_t *instance;
    const char *name;

    json_object_foreach (json_object_get (document, "instances"), name, instance)
        if (means_entry (classes, json_str (instance, "class", NULL), entry))
            return TRUE;
    json_object_foreach (json_object_get (document, "assemblies"), name, instance) /* its own */
        if (json_object_get (instance, "assemblies") == NULL && document_means (classes, instance, entry))
            return TRUE;
    return FALSE;
}

typedef struct {
    const Catalog *classes;
    const CatalogEntry *entry;
    CatalogUses *uses;
} Looking;

static void
look_at_assembly (const char *catalog, const CatalogEntry *other, gpointer data)
{
    Looking *looking = data;
    if (other->assembly == NULL ||
        !document_means (looking->classes, other->assembly->document, looking->entry))
        return;
    const Boundary *boundary = catalog_entry_boundary (other);
    g_ptr_array_add (looking->uses->assemblies,
                     g_strdup_printf ("%s/%s@%s", catalog, boundary->name, boundary->version));
}

static void
find_drafts (Controller *controller, const CatalogEntry *entry, CatalogUses *uses)
{
    const Catalog *classes = catalog_folder_classes (controller->catalog);
    GHashTableIter iter;
    ApplicationRecord *application;

    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        const Draft *draft = draft_of (controller, application);
        if (draft->document != NULL && document_means (classes, draft->document, entry) &&
            !g_ptr_array_find_with_equal_func (uses->applications, application->name, g_str_equal, NULL))
            g_ptr_array_add (uses->drafts, g_strdup (application->name));
    }
}

CatalogUses *
catalog_uses (Controller *controller, const CatalogEntry *entry)
{
    const Catalog *classes = catalog_folder_classes (controller->catalog);
    GPtrArray *templates = catalog_folder_templates (controller->catalog);
    CatalogUses *uses = g_new0 (CatalogUses, 1);
    Looking looking = {classes, entry, uses};

    *uses = (CatalogUses){names_new (), names_new (), names_new (), names_new ()};
    find_applications (controller, entry, uses);
    find_trash (controller, entry, uses);
    find_drafts (controller, entry, uses);
    catalog_foreach (classes, look_at_assembly, &looking);
    for (guint i = 0; i < templates->len; i++) {
        const Template *template = templates->pdata[i];
        if (document_means (classes, template->document, entry))
            g_ptr_array_add (uses->templates, g_strdup (template->name));
    }
    return uses;
}

/* --- images ------------------------------------------------------------------------------------------------ */

static gboolean
has_image (const json_t *images, const char *digest)
{
    json_t *image;
    const char *class_text;

    json_object_foreach ((json_t *)images, class_text, image)
        if (g_strcmp0 (json_str (image, "digest", NULL), digest) == 0)
            return TRUE;
    return FALSE;
}

gboolean
catalog_uses_image (Controller *controller, const char *digest)
{
    GHashTableIter iter;
    ApplicationRecord *application;

    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (has_image (application->images, digest) ||
            has_image (json_object_get (application->next, "images"), digest))
            return TRUE;
    TrashRecord *trashed;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&trashed))
        if (has_image (json_object_get (trashed->application, "images"), digest))
            return TRUE;
    return FALSE;
}
