/*
 * model-check [--json] [--catalog FOLDER]… [FILE]…
 *
 * Checks description files (.json: JSON, else YAML) and prints their problems. Every
 * FOLDER/NAME/{class,assembly}.yaml is in the catalog, and every FOLDER/NAME/….yaml is checked too. Exit 0:
 * no problem, 1: problems, 2: cannot read.
 */
#include "tests/lib/fixture_catalog.h"

#include "vdc/base/json.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    Catalog *catalog;
    gboolean json;
    int status;
} Run;

static void
check_file (Run *run, const char *path)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr (GError) error = NULL;

    if (!g_file_get_contents (path, &text, &length, &error)) {
        fprintf (stderr, "%s\n", error->message);
        run->status = 2;
        return;
    }
    DocumentFormat format = g_str_has_suffix (path, ".json") ? DOCUMENT_JSON : DOCUMENT_YAML;
    g_autoptr (Problems) problems = fixture_check (text, length, format, run->catalog);
    if (problems_count (problems) > 0 && run->status == 0)
        run->status = 1;
    if (run->json) {
        g_autoptr (json_t) list = problems_json (problems);
        g_autofree char *line = json_text (list);
        printf ("%s\t%s\n", path, line);
    } else {
        g_autofree char *lines = problems_text (problems);
        printf ("%s: %s\n%s", path, problems_count (problems) > 0 ? "wrong" : "good", lines);
    }
}

static void
check_folder (Run *run, const char *folder)
{
    g_auto (GStrv) names = fixture_list (folder);
    static const char *const files[] = {"class.yaml", "assembly.yaml", "application.yaml"};

    for (char **name = names; *name != NULL; name++)
        for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
            g_autofree char *path = g_build_filename (folder, *name, files[i], NULL);
            if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
                check_file (run, path);
        }
}

int
main (int argc, char **argv)
{
    g_auto (GStrv) folders = NULL, paths = NULL;
    g_autoptr (Catalog) catalog = catalog_new ();
    g_autoptr (GError) error = NULL;
    Run run = {.catalog = catalog};
    GOptionEntry options[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &run.json, "one line per file: path, tab, list of problems", NULL},
        {"catalog", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &folders, "a folder of classes and assemblies",
         "FOLDER"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, "FILE"},
        {NULL},
    };
    GOptionContext *context = g_option_context_new ("- check descriptions");
    g_option_context_add_main_entries (context, options, NULL);
    gboolean parsed = g_option_context_parse (context, &argc, &argv, &error);
    g_option_context_free (context);
    if (!parsed) {
        fprintf (stderr, "%s\n", error->message);
        return 2;
    }
    for (char **folder = folders; folder != NULL && *folder != NULL; folder++)
        fixture_catalog_add (catalog, *folder);
    for (char **folder = folders; folder != NULL && *folder != NULL; folder++)
        check_folder (&run, *folder);
    for (char **path = paths; path != NULL && *path != NULL; path++)
        check_file (&run, *path);
    return run.status;
}
