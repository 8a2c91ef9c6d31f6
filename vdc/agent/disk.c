/* Root disks, and what they share with volumes. */
#include "vdc/agent/disk_private.h"

#include "vdc/base/bug.h"
#include "vdc/base/command.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* An overlay begins tiny; with less than this free its guest would stop at once. */
#define ROOT_RESERVE_BYTES ((guint64)64 << 20)
#define IMAGE_TIMEOUT_MS 60000

Disks *
disks_new (const char *state_folder, const char *images_folder, gboolean pretend, GError **error)
{
    g_autoptr (Disks) disks = g_new0 (Disks, 1);

    g_mutex_init (&disks->lock);
    disks->state = g_strdup (state_folder);
    disks->disks = g_build_filename (state_folder, "disks", NULL);
    disks->volumes = g_build_filename (state_folder, "volumes", NULL);
    disks->images = g_strdup (images_folder);
    disks->fetched = g_build_filename (state_folder, "images", NULL);
    disks->pretend = pretend;
    if (!file_make_folder (disks->disks, 0700, error) || !file_make_folder (disks->volumes, 0700, error))
        return NULL;
    return g_steal_pointer (&disks);
}

void
disks_free (Disks *disks)
{
    if (disks == NULL)
        return;
    g_mutex_clear (&disks->lock);
    g_free (disks->state);
    g_free (disks->disks);
    g_free (disks->volumes);
    g_free (disks->images);
    g_free (disks->fetched);
    g_free (disks);
}

void
disk_space (Disks *disks, guint64 *total_bytes, guint64 *free_bytes)
{
    struct statvfs info;
    *total_bytes = *free_bytes = 0;
    if (statvfs (disks->disks, &info) != 0)
        return;
    *total_bytes = (guint64)info.f_blocks * info.f_frsize;
    *free_bytes = (guint64)info.f_bavail * info.f_frsize;
}

gboolean
disk_need_space (Disks *disks, guint64 bytes, const char *what, GError **error)
{
    guint64 total, left;

    disk_space (disks, &total, &left);
    if (left >= bytes)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FULL,
                 "cannot make %s: it needs %" G_GUINT64_FORMAT " MB and %s has %" G_GUINT64_FORMAT " MB free",
                 what, bytes >> 20, disks->disks, left >> 20);
    return FALSE;
}

/* qemu-img and mkfs say "No space left on device" as text only. */
gboolean
disk_recognise_full (GError **error)
{
    if (error != NULL && *error != NULL && strstr ((*error)->message, g_strerror (ENOSPC)) != NULL)
        (*error)->code = VDC_ERROR_FULL;
    return FALSE;
}

/* --- root disks -------------------------------------------------------------------------------------------- */

char *
disk_image_file (Disks *disks, const char *digest, const char *file, GError **error)
{
    g_autofree char *path = g_build_filename (disks->images, digest, file, NULL);
    g_autofree char *fetched = g_build_filename (disks->fetched, digest, file, NULL);

    if (access (path, R_OK) != 0 && access (fetched, R_OK) == 0)
        return g_steal_pointer (&fetched);
    if (!disks->pretend && access (path, R_OK) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "image sha256:%.12s… has no %s on this server (%s)", digest, file, disks->images);
        return NULL;
    }
    return g_steal_pointer (&path);
}

static char *
root_path (Disks *disks, const char *application, const char *member, const char *ending)
{
    return g_strdup_printf ("%s/%s/%s%s", disks->disks, application, member, ending);
}

static gboolean
root_is_right (const char *path, const char *record, const Spec *spec)
{
    g_autoptr (json_t) made = json_parse_file (record, NULL);

    return made != NULL && access (path, F_OK) == 0 && json_int (made, "epoch", -1) == spec->root_epoch &&
           g_strcmp0 (json_str (made, "digest", NULL), spec->image_digest) == 0;
}

/* Its record says for good that it is there: so must the disk. */
static gboolean
sync_file (const char *path, GError **error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    gboolean ok = fd >= 0 && fsync (fd) == 0;
    int err = errno;

    if (fd >= 0)
        close (fd);
    return ok || vdc_error_set_errno (error, err, "cannot sync %s", path);
}

static gboolean
create_overlay (Disks *disks, const char *path, const char *base, const char *base_format, GError **error)
{
    g_autofree char *temporary = g_strconcat (path, ".new", NULL);
    const char *argv[] = {"qemu-img",  "create", "-q", "-f",      "qcow2", "-F",
                          base_format, "-b",     base, temporary, NULL};

    unlink (temporary);
    gboolean ok = disks->pretend ? file_replace (temporary, "", 0, 0600, error)
                                 : command_run (argv, NULL, NULL, IMAGE_TIMEOUT_MS, error) ||
                                       disk_recognise_full (error);
    ok = ok && sync_file (temporary, error);
    if (ok && rename (temporary, path) != 0)
        ok = vdc_error_set_errno (error, errno, "cannot name %s", path);
    if (!ok)
        unlink (temporary);
    return ok;
}

char *
disk_root_ensure (Disks *disks, const Spec *spec, gboolean *made, GError **error)
{
    g_autofree char *path = root_path (disks, spec->application, spec->member, ".qcow2");
    g_autofree char *record = root_path (disks, spec->application, spec->member, ".json");
    g_autofree char *folder = g_path_get_dirname (path);
    g_autofree char *base = disk_image_file (disks, spec->image_digest, spec->image_root, error);

    if (base == NULL || !file_make_folder (folder, 0700, error))
        return NULL;
    if (root_is_right (path, record, spec)) {
        *made = FALSE;
        return g_steal_pointer (&path);
    }
    if (!disk_need_space (disks, disks->pretend ? 0 : ROOT_RESERVE_BYTES, "the root disk", error))
        return NULL;
    if (!file_remove (record, error) || !file_remove (path, error) ||
        !create_overlay (disks, path, base, spec->image_format, error))
        return NULL;
    FP ("start.15.root_made");
    g_autofree char *text = g_strdup_printf ("{\"epoch\":%" G_GINT64_FORMAT ",\"digest\":\"%s\"}",
                                             spec->root_epoch, spec->image_digest);
    if (!file_replace (record, text, strlen (text), 0600, error)) {
        unlink (path);
        return NULL;
    }
    FP ("start.16.root_recorded");
    *made = TRUE;
    return g_steal_pointer (&path);
}

char *
disk_seed_write (Disks *disks, const Spec *spec, GBytes *seed, GError **error)
{
    g_autofree char *path = root_path (disks, spec->application, spec->member, ".seed");
    gsize length;
    const void *data = g_bytes_get_data (seed, &length);

    if (!file_replace (path, data, length, 0600, error))
        return NULL;
    return g_steal_pointer (&path);
}

gboolean
disk_root_delete (Disks *disks, const char *application, const char *member, GError **error)
{
    static const char *const endings[] = {".json", ".qcow2", ".qcow2.new", ".json.new", ".seed", ".seed.new"};
    g_autofree char *folder = g_build_filename (disks->disks, application, NULL);

    for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
        g_autofree char *path = root_path (disks, application, member, endings[i]);
        if (unlink (path) != 0 && errno != ENOENT && errno != ENOTDIR)
            return vdc_error_set_errno (error, errno, "cannot remove %s", path);
        if (i == 0)
            FP ("destroy.03.root_record_gone");
    }
    rmdir (folder); /* only when it was the last */
    FP ("destroy.04.root_gone");
    return TRUE;
}

static void
add_images_of (const char *folder, GHashTable *digests)
{
    g_autoptr (GDir) files = g_dir_open (folder, 0, NULL);
    const char *name;

    while (files != NULL && (name = g_dir_read_name (files)) != NULL) {
        g_autofree char *path = g_build_filename (folder, name, NULL);
        g_autoptr (json_t) record = g_str_has_suffix (name, ".json") ? json_parse_file (path, NULL) : NULL;
        const char *digest = json_str (record, "digest", NULL);
        if (digest != NULL)
            g_hash_table_add (digests, g_strdup (digest));
    }
}

GHashTable *
disk_root_images (Disks *disks)
{
    GHashTable *digests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr (GDir) folders = g_dir_open (disks->disks, 0, NULL);
    const char *application;

    while (folders != NULL && (application = g_dir_read_name (folders)) != NULL) {
        g_autofree char *folder = g_build_filename (disks->disks, application, NULL);
        add_images_of (folder, digests);
    }
    return digests;
}

json_t *
disk_root_list (Disks *disks)
{
    json_t *list = json_array ();
    g_autoptr (GDir) folders = g_dir_open (disks->disks, 0, NULL);
    const char *application, *name;

    while (folders != NULL && (application = g_dir_read_name (folders)) != NULL) {
        g_autofree char *folder = g_build_filename (disks->disks, application, NULL);
        g_autoptr (GDir) files = g_dir_open (folder, 0, NULL);
        while (files != NULL && (name = g_dir_read_name (files)) != NULL) {
            if (!g_str_has_suffix (name, ".qcow2"))
                continue;
            g_autofree char *member = g_strndup (name, strlen (name) - strlen (".qcow2"));
            g_autofree char *path = g_build_filename (folder, name, NULL);
            json_array_append_new (list,
                                   json_pack ("{s:o, s:o, s:o}", "application", json_str_new (application),
                                              "member", json_str_new (member), "path", json_str_new (path)));
        }
    }
    return list;
}

static void
add_names (json_t *list, const char *folder)
{
    g_autoptr (GDir) names = g_dir_open (folder, 0, NULL);
    const char *name;

    while (names != NULL && (name = g_dir_read_name (names)) != NULL) {
        g_autofree char *digest = g_strconcat ("sha256:", name, NULL);
        json_array_append_new (list, json_str_new (digest));
    }
}

json_t *
disk_image_list (Disks *disks)
{
    json_t *list = disks->pretend ? NULL : json_array ();

    if (list == NULL)
        return NULL;
    add_names (list, disks->images);
    add_names (list, disks->fetched);
    return list;
}
