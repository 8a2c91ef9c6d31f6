/* Files in the agent's folders that belong to nothing. */
#include "vdc/agent/repair.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct {
    const Host *host;
    const GPtrArray *specs;
    json_t *list;
} Search;

static void
add_if_old (Search *search, const char *folder, const char *name)
{
    g_autofree char *relative = g_build_filename (folder, name, NULL);
    g_autofree char *path = g_build_filename (search->host->state_folder, relative, NULL);
    struct stat info;
    if (lstat (path, &info) == 0 && !S_ISDIR (info.st_mode) && time (NULL) - info.st_mtime >= LEFTOVER_AGE_S)
        json_array_append_new (search->list, json_str_new (relative));
}

static gboolean
is_member (const Search *search, const char *application, const char *member)
{
    for (guint i = 0; i < search->specs->len; i++) {
        const Spec *spec = g_ptr_array_index (search->specs, i);
        if (strcmp (spec->application, application) == 0 && strcmp (spec->member, member) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_volume_file (const Search *search, const char *application, const char *name)
{
    g_autofree char *id = g_strndup (name, 16);
    return spec_is_volume_id (id) && (strcmp (name + 16, ".raw") == 0 || strcmp (name + 16, ".json") == 0);
}

/* Root disks of stopped members are told of by the inventory; only rests of making them are looked for. */
static gboolean
is_disk_file (const Search *search, const char *application, const char *name)
{
    g_autofree char *folder = g_build_filename (search->host->state_folder, "disks", application, NULL);
    if (g_str_has_suffix (name, ".qcow2"))
        return TRUE;
    if (!g_str_has_suffix (name, ".json"))
        return FALSE;
    g_autofree char *member = g_strndup (name, strlen (name) - strlen (".json"));
    g_autofree char *disk = g_strdup_printf ("%s/%s.qcow2", folder, member);
    return g_file_test (disk, G_FILE_TEST_EXISTS);
}

static gboolean
is_record (const Search *search, const char *application, const char *name)
{
    if (!g_str_has_suffix (name, ".json"))
        return FALSE;
    g_autofree char *member = g_strndup (name, strlen (name) - strlen (".json"));
    return is_member (search, application, member);
}

static gboolean
is_console (const Search *search, const char *application, const char *name)
{
    const char *ending = g_str_has_suffix (name, ".log.1") ? ".log.1" : ".log";
    if (!g_str_has_suffix (name, ending))
        return FALSE;
    g_autofree char *member = g_strndup (name, strlen (name) - strlen (ending));
    return is_member (search, application, member);
}

typedef gboolean (*Known) (const Search *search, const char *application, const char *name);

static void
look_in (Search *search, const char *folder, const char *application, Known known)
{
    g_autofree char *path = g_build_filename (search->host->state_folder, folder, NULL);
    g_autoptr (GDir) files = g_dir_open (path, 0, NULL);
    const char *name;
    while (files != NULL && (name = g_dir_read_name (files)) != NULL)
        if (!known (search, application, name))
            add_if_old (search, folder, name);
}

/* Folders with one folder per application. */
static void
look_below (Search *search, const char *folder, Known known)
{
    g_autofree char *path = g_build_filename (search->host->state_folder, folder, NULL);
    g_autoptr (GDir) folders = g_dir_open (path, 0, NULL);
    const char *application;
    while (folders != NULL && (application = g_dir_read_name (folders)) != NULL) {
        g_autofree char *inner = g_build_filename (folder, application, NULL);
        look_in (search, inner, application, known);
    }
}

json_t *
leftovers_list (const Host *host, const GPtrArray *specs)
{
    Search search = {.host = host, .specs = specs, .list = json_array ()};
    look_in (&search, "volumes", NULL, is_volume_file);
    look_below (&search, "disks", is_disk_file);
    look_below (&search, "instances", is_record);
    look_below (&search, "consoles", is_console);
    return search.list;
}
