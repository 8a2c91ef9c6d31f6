#include "tests/lib/fixture_catalog.h"

#include "vdc/model/check.h"

#include <stdio.h>

static gint
by_text (gconstpointer a, gconstpointer b)
{
    return g_strcmp0 (*(char *const *)a, *(char *const *)b);
}

char **
fixture_list (const char *folder)
{
    GPtrArray *names = g_ptr_array_new ();
    GDir *dir = g_dir_open (folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        g_ptr_array_add (names, g_strdup (name));
    if (dir != NULL)
        g_dir_close (dir);
    g_ptr_array_sort (names, by_text);
    g_ptr_array_add (names, NULL);
    return (char **)g_ptr_array_free (names, FALSE);
}

static gboolean
add_file (Catalog *catalog, const char *path, gboolean is_class)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autofree char *text = NULL;
    gsize length;

    if (!g_file_get_contents (path, &text, &length, NULL))
        return TRUE;
    if (is_class) {
        g_autoptr (Class) class = class_parse (text, length, DOCUMENT_YAML, problems);
        if (class != NULL)
            catalog_add_class (catalog, "system", class);
    } else {
        g_autoptr (Assembly) assembly = assembly_parse (text, length, DOCUMENT_YAML, problems);
        if (assembly != NULL)
            catalog_add_assembly (catalog, "system", assembly);
    }
    g_autofree char *wrong = problems_text (problems);
    if (problems_count (problems) > 0)
        fprintf (stderr, "%s:\n%s", path, wrong);
    return problems_count (problems) == 0;
}

gboolean
fixture_catalog_add (Catalog *catalog, const char *folder)
{
    g_auto (GStrv) names = fixture_list (folder);
    gboolean good = TRUE;

    for (char **name = names; *name != NULL; name++) {
        g_autofree char *class_file = g_build_filename (folder, *name, "class.yaml", NULL);
        g_autofree char *assembly_file = g_build_filename (folder, *name, "assembly.yaml", NULL);
        good &= add_file (catalog, class_file, TRUE);
        good &= add_file (catalog, assembly_file, FALSE);
    }
    return good;
}

static void
check_document (const Document *document, const Catalog *catalog, Problems *problems)
{
    json_t *root = document_root (document);

    if (json_object_get (root, "class") != NULL) {
        class_unref (class_from_document (document, problems));
    } else if (json_object_get (root, "assembly") != NULL) {
        g_autoptr (Assembly) assembly = assembly_from_document (document, problems);
        if (assembly != NULL)
            assembly_check (assembly, catalog, problems);
    } else {
        topology_free (topology_from_document (document, catalog, problems));
    }
    document_locate (document, problems);
}

Problems *
fixture_check (const char *text, gsize length, DocumentFormat format, const Catalog *catalog)
{
    Problems *problems = problems_new ();
    g_autoptr (Document) document = document_parse (text, length, format, problems);

    if (document != NULL)
        check_document (document, catalog, problems);
    return problems;
}
