#include "vdc/lab/paths.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"

#include <unistd.h>

/* The folder of the build tree that each program is made in. */
static const struct {
    const char *program;
    const char *folder;
} build_folders[] = {{"vdcd", "controller"}, {"vdc-agent", "agent"}, {"vdc-lab", "lab"}, {"vdc", "cli"}};

static char *
lab_folder (const char *name)
{
    const char *given = g_getenv ("VDC_LAB_DIR");
    if (given != NULL && *given != '\0')
        return g_canonicalize_filename (given, NULL);
    return g_build_filename ("/var/lib/vdc/lab", name, NULL);
}

LabPaths *
lab_paths_new (const char *name, GError **error)
{
    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' cannot name a lab: %s", name, id_name_rule ());
        return NULL;
    }
    g_autofree char *folder = lab_folder (name);
    if (g_str_has_prefix (folder, "/run/") || g_str_has_prefix (folder, "/proc/") ||
        g_str_has_prefix (folder, "/sys/") || g_str_equal (folder, "/")) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "VDC_LAB_DIR cannot be %s: each server of the lab has a /run, /proc and /sys of its own",
                     folder);
        return NULL;
    }
    LabPaths *paths = g_new0 (LabPaths, 1);
    paths->name = g_strdup (name);
    g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, folder, -1);
    paths->key = g_strndup (digest, 8);
    paths->folder = g_steal_pointer (&folder);
    paths->lock = lab_paths_join (paths, "lock");
    paths->control = lab_paths_join (paths, "control");
    paths->logs = lab_paths_join (paths, "log");
    paths->client = lab_paths_join (paths, "client");
    paths->run = lab_paths_join (paths, "run");
    return paths;
}

void
lab_paths_free (LabPaths *paths)
{
    if (paths == NULL)
        return;
    g_free (paths->name);
    g_free (paths->key);
    g_free (paths->folder);
    g_free (paths->lock);
    g_free (paths->control);
    g_free (paths->logs);
    g_free (paths->client);
    g_free (paths->run);
    g_free (paths);
}

char *
lab_paths_join (const LabPaths *paths, const char *name)
{
    return g_build_filename (paths->folder, name, NULL);
}

static char *
own_folder (void)
{
    g_autofree char *exe = g_file_read_link ("/proc/self/exe", NULL);
    return g_path_get_dirname (exe != NULL ? exe : "/usr/bin/vdc");
}

static const char *
build_folder_of (const char *program)
{
    for (guint i = 0; i < G_N_ELEMENTS (build_folders); i++)
        if (g_str_equal (build_folders[i].program, program))
            return build_folders[i].folder;
    return ".";
}

char *
lab_find_program (const char *name, GError **error)
{
    g_autofree char *folder = own_folder ();
    g_autofree char *beside = g_build_filename (folder, name, NULL);
    if (access (beside, X_OK) == 0)
        return g_steal_pointer (&beside);
    g_autofree char *joined = g_build_filename (folder, "..", build_folder_of (name), name, NULL);
    g_autofree char *neighbour = g_canonicalize_filename (joined, NULL);
    if (access (neighbour, X_OK) == 0)
        return g_steal_pointer (&neighbour);
    char *found = g_find_program_in_path (name);
    if (found == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "cannot find the program %s beside %s or in PATH",
                     name, folder);
    return found;
}

static gboolean
is_root_folder (const char *folder)
{
    g_autofree char *appliances = g_build_filename (folder, "appliances", NULL);
    g_autofree char *catalog = g_build_filename (folder, "catalog", NULL);
    return g_file_test (appliances, G_FILE_TEST_IS_DIR) && g_file_test (catalog, G_FILE_TEST_IS_DIR);
}

char *
lab_find_root (GError **error)
{
    const char *const candidates[] = {g_getenv ("VDC_ROOT"), VDC_SOURCE_ROOT, "/usr/share/vdc"};
    for (guint i = 0; i < G_N_ELEMENTS (candidates); i++)
        if (candidates[i] != NULL && is_root_folder (candidates[i]))
            return g_canonicalize_filename (candidates[i], NULL);
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                 "no folder with appliances/ and catalog/ found; set VDC_ROOT to the source tree");
    return NULL;
}

char *
lab_images_folder (void)
{
    const char *cache = g_getenv ("VDC_CACHE");
    return g_build_filename (cache != NULL && *cache != '\0' ? cache : "/var/cache/vdc", "images", NULL);
}
