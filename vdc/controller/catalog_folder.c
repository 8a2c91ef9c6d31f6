#include "vdc/controller/catalog_folder.h"

#include <string.h>

#include "vdc/base/id.h"
#include "vdc/base/log.h"

struct CatalogFolder {
    GStrv folders;
    char *images_file;
    Catalog *classes;
    GPtrArray *templates; /* Template * */
    json_t *images;
    json_t *problems;
};

static void
template_free (gpointer data)
{
    Template *template = data;
    g_free (template->name);
    g_free (template->folder);
    g_free (template->text);
    json_decref (template->document);
    g_free (template);
}

CatalogFolder *
catalog_folder_new (const char *const *folders, const char *images_file)
{
    CatalogFolder *catalog = g_new0 (CatalogFolder, 1);
    catalog->folders = g_strdupv ((char **)folders);
    catalog->images_file = g_strdup (images_file);
    catalog->classes = catalog_new ();
    catalog->templates = g_ptr_array_new_with_free_func (template_free);
    catalog->problems = json_array ();
    return catalog;
}

void
catalog_folder_free (CatalogFolder *catalog)
{
    if (catalog == NULL)
        return;
    g_strfreev (catalog->folders);
    g_free (catalog->images_file);
    catalog_free (catalog->classes);
    g_ptr_array_unref (catalog->templates);
    json_decref (catalog->images);
    json_decref (catalog->problems);
    g_free (catalog);
}

static void
note_problem (CatalogFolder *catalog, const char *file, const char *message, const Problems *problems)
{
    json_t *entry = json_object ();
    json_put (entry, "file", json_str_new (file));
    json_put (entry, "message", json_str_new (message));
    if (problems != NULL)
        json_put (entry, "problems", problems_json (problems));
    json_array_append_new (catalog->problems, entry);
    vdc_log (VDC_LOG_WARNING, "catalog entry left out", "file", file, "problem", message, NULL);
}

/* --- one description ---------------------------------------------------------------------------------------
 */

static void
read_class (CatalogFolder *catalog, const char *folder, const char *text, gsize length, Problems *problems)
{
    g_autoptr (Class) class = class_parse (text, length, DOCUMENT_YAML, problems);
    if (class != NULL && problems_count (problems) == 0)
        catalog_add_class (catalog->classes, CATALOG_NAME, class);
}

static void
read_assembly (CatalogFolder *catalog, const char *folder, const char *text, gsize length, Problems *problems)
{
    g_autoptr (Assembly) assembly = assembly_parse (text, length, DOCUMENT_YAML, problems);
    if (assembly != NULL && problems_count (problems) == 0)
        catalog_add_assembly (catalog->classes, CATALOG_NAME, assembly);
}

/* Templates are only parsed here: whether they fit the classes is checked when one is used. */
static void
read_template (CatalogFolder *catalog, const char *folder, const char *text, gsize length, Problems *problems)
{
    g_autoptr (Document) document = document_parse (text, length, DOCUMENT_YAML, problems);
    g_autofree char *name = g_path_get_basename (folder);
    if (document == NULL || problems_count (problems) > 0)
        return;
    if (!id_is_name (name)) {
        problems_add (problems, "bad_name", "", NULL, "the folder's name must be %s", id_name_rule ());
        return;
    }
    Template *template = g_new0 (Template, 1);
    template->name = g_steal_pointer (&name);
    template->folder = g_strdup (folder);
    template->text = g_strndup (text, length);
    template->document = json_deep_copy (document_root (document));
    g_ptr_array_add (catalog->templates, template);
}

static const struct {
    const char *file;
    void (*read) (CatalogFolder *, const char *, const char *, gsize, Problems *);
} kinds[] = {
    {"class.yaml", read_class},
    {"assembly.yaml", read_assembly},
    {"application.yaml", read_template},
};

static void
read_entry (CatalogFolder *catalog, const char *folder)
{
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
        g_autofree char *path = g_build_filename (folder, kinds[i].file, NULL), *text = NULL;
        g_autoptr (Problems) problems = problems_new ();
        g_autoptr (GError) error = NULL;
        gsize length;
        if (!g_file_test (path, G_FILE_TEST_EXISTS))
            continue;
        if (!g_file_get_contents (path, &text, &length, &error)) {
            note_problem (catalog, path, error->message, NULL);
            continue;
        }
        kinds[i].read (catalog, folder, text, length, problems);
        if (!problems_to_error (problems, &error))
            note_problem (catalog, path, error->message, problems);
    }
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

static void
read_folder (CatalogFolder *catalog, const char *folder)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
    const char *name;

    if (dir == NULL) {
        note_problem (catalog, folder, error->message, NULL);
        return;
    }
    while ((name = g_dir_read_name (dir)) != NULL)
        g_ptr_array_add (names, g_strdup (name));
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
        if (g_file_test (path, G_FILE_TEST_IS_DIR))
            read_entry (catalog, path);
    }
}

static void
read_images (CatalogFolder *catalog)
{
    g_autoptr (GError) error = NULL;
    if (catalog->images_file == NULL)
        return;
    catalog->images = json_parse_file (catalog->images_file, &error);
    if (catalog->images == NULL || !json_is_object (catalog->images))
        note_problem (catalog, catalog->images_file, error != NULL ? error->message : "must be an object",
                      NULL);
}

void
catalog_folder_reload (CatalogFolder *catalog)
{
    catalog_free (catalog->classes);
    catalog->classes = catalog_new ();
    g_ptr_array_set_size (catalog->templates, 0);
    json_array_clear (catalog->problems);
    g_clear_pointer (&catalog->images, json_decref);
    read_images (catalog);
    for (guint i = 0; catalog->folders[i] != NULL; i++)
        read_folder (catalog, catalog->folders[i]);
}

/* --- asking ------------------------------------------------------------------------------------------------ */

const Catalog *
catalog_folder_classes (const CatalogFolder *catalog)
{
    return catalog->classes;
}

Catalog *
catalog_folder_all (CatalogFolder *catalog)
{
    return catalog->classes;
}

const Template *
catalog_folder_template (const CatalogFolder *catalog, const char *name)
{
    const char *slash = strchr (name, '/');
    if (slash != NULL && !g_str_has_prefix (name, "catalog/") && !g_str_has_prefix (name, CATALOG_NAME "/"))
        return NULL;
    const char *bare = slash != NULL ? slash + 1 : name;
    for (guint i = 0; i < catalog->templates->len; i++) {
        const Template *template = catalog->templates->pdata[i];
        if (strcmp (template->name, bare) == 0)
            return template;
    }
    return NULL;
}

GPtrArray *
catalog_folder_templates (const CatalogFolder *catalog)
{
    return catalog->templates;
}

const json_t *
catalog_folder_problems (const CatalogFolder *catalog)
{
    return catalog->problems;
}

const json_t *
catalog_folder_image (const CatalogFolder *catalog, const char *class_name, const char *version)
{
    const json_t *image = json_object_get (catalog->images, class_name);
    if (image == NULL || g_strcmp0 (json_str (image, "version", NULL), version) != 0)
        return NULL;
    return image;
}
