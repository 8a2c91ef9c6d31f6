#include "vdc/controller/seed.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "vdc/base/error.h"

#define BLOCK 512

static const guint8 zeros[BLOCK * 2];

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

/*
 * The POSIX.1-1988 header; numbers in octal. Files keep their time of change: web servers tell it to
 * browsers, and PHP caches no script that is from 1970.
 */
static gboolean
add_header (GByteArray *tar, const char *name, const struct stat *info, GError **error)
{
    char header[BLOCK] = {0};
    char type = S_ISDIR (info->st_mode) ? '5' : '0';
    guint64 size = type == '5' ? 0 : (guint64)info->st_size;
    guint64 time = info->st_mtim.tv_sec > 0 ? (guint64)info->st_mtim.tv_sec : 0;
    guint sum = 0;
    if (strlen (name) > 99) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "seed: the path '%s' is longer than 99 bytes",
                     name);
        return FALSE;
    }
    memcpy (header, name, strlen (name));
    g_snprintf (header + 100, 8, "%07o", type == '5' ? 0755U : 0644U);
    g_snprintf (header + 108, 8, "%07o", 0U);
    g_snprintf (header + 116, 8, "%07o", 0U);
    g_snprintf (header + 124, 12, "%011" G_GINT64_MODIFIER "o", size);
    g_snprintf (header + 136, 12, "%011" G_GINT64_MODIFIER "o", time);
    memset (header + 148, ' ', 8);
    header[156] = type;
    memcpy (header + 257, "ustar\00000", 8);
    for (guint i = 0; i < BLOCK; i++)
        sum += (guint8)header[i];
    g_snprintf (header + 148, 8, "%06o", sum);
    g_byte_array_append (tar, (const guint8 *)header, BLOCK);
    return TRUE;
}

static gboolean
add_file (GByteArray *tar, const char *path, const char *name, struct stat *info, GError **error)
{
    g_autofree char *data = NULL;
    gsize length;
    if (!g_file_get_contents (path, &data, &length, error))
        return FALSE;
    if (tar->len + length + 4 * BLOCK > SEED_LIMIT_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "seed: more than %d MB", SEED_LIMIT_BYTES >> 20);
        return FALSE;
    }
    info->st_size = (off_t)length; /* it may have changed since it was looked at */
    if (!add_header (tar, name, info, error))
        return FALSE;
    g_byte_array_append (tar, (const guint8 *)data, (guint)length);
    if (length % BLOCK != 0)
        g_byte_array_append (tar, zeros, BLOCK - (guint)(length % BLOCK));
    return TRUE;
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
        if (!add_header (tar, below, &info, error) || !add_folder (tar, path, below, depth + 1, error))
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
    g_byte_array_append (tar, zeros, sizeof zeros);
    return g_byte_array_free_to_bytes (g_steal_pointer (&tar));
}
