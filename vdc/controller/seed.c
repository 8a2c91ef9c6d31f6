#include "vdc/controller/seed.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "vdc/base/error.h"
#include "vdc/base/tar.h"

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

/* Files keep their time of change: web servers tell it to browsers, and PHP caches no script that is from
 * 1970. */
static gboolean
add_file (GByteArray *tar, const char *path, const char *name, const struct stat *info, GError **error)
{
    g_autofree char *data = NULL;
    gsize length;
    if (!g_file_get_contents (path, &data, &length, error))
        return FALSE;
    if (tar->len + length + 4 * TAR_BLOCK_BYTES > SEED_LIMIT_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "seed: more than %d MB", SEED_LIMIT_BYTES >> 20);
        return FALSE;
    }
    return tar_add_file (tar, name, data, length, info->st_mtim.tv_sec, error);
}

static gboolean
add_folder (GByteArray *tar, const char *folder, const char *prefix, guint depth, GError **error)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GDir) dir = depth < 16 ? g_dir_open (folder, 0, error) : NULL;
    const char *entry;
    if (dir == NULL)
        return depth < 16 ? FALSE : vdc_error_set_errno (error, ELOOP, "seed: '%s' is too deep", folder);
    while ((entry = g_dir_read_name (dir)) != NULL)
        g_ptr_array_add (names, g_strdup (entry));
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
        g_autofree char *name = g_strconcat (prefix, names->pdata[i], NULL);
        struct stat info;
        if (lstat (path, &info) != 0)
            return vdc_error_set_errno (error, errno, "seed: cannot look at '%s'", path);
        if (S_ISREG (info.st_mode) && !add_file (tar, path, name, &info, error))
            return FALSE;
        if (!S_ISDIR (info.st_mode))
            continue;
        g_autofree char *below = g_strconcat (name, "/", NULL);
        if (!tar_add_folder (tar, below, info.st_mtim.tv_sec, error) ||
            !add_folder (tar, path, below, depth + 1, error))
            return FALSE;
    }
    return TRUE;
}

GBytes *
seed_pack (const char *folder, GError **error)
{
    g_autoptr (GByteArray) tar = g_byte_array_new ();
    if (!g_file_test (folder, G_FILE_TEST_IS_DIR)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "seed: no folder '%s'", folder);
        return NULL;
    }
    if (!add_folder (tar, folder, "", 0, error))
        return NULL;
    tar_end (tar);
    return g_byte_array_free_to_bytes (g_steal_pointer (&tar));
}
