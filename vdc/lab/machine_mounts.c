/*
 * The problem: libvirt's folders are fixed in the program (/etc/libvirt, /var/lib/libvirt, …), each server
 * needs its own, and on a host with only the libvirtd package they do not even exist. Nothing may be made in
 * the host's tree.
 *
 * 1. The namespace is private first: no mount made here is ever seen outside.
 * 2. Sources are bound below the machine's own /run before anything that could hide them is mounted.
 * 3. Where the folder of a target is missing, its parent is shadowed: a tmpfs with every entry of the parent
 * bound in, and the missing folder added.
 */
#include "vdc/lab/machine_mounts.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/lab/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHADOWED "/run/vdc/shadowed"

static gboolean
mount_or_fail (const char *source, const char *target, const char *type, unsigned long flags,
               const char *options, GError **error)
{
    if (mount (source, target, type, flags, options) != 0)
        return vdc_error_set_errno (error, errno, "cannot mount %s on %s", source, target);
    return TRUE;
}

static gboolean
bind (const char *source, const char *target, gboolean read_only, GError **error)
{
    if (!mount_or_fail (source, target, NULL, MS_BIND | MS_REC, NULL, error))
        return FALSE;
    return !read_only || mount_or_fail (source, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL, error);
}

static gboolean
copy_entry (const char *source, const char *target, GError **error)
{
    struct stat info;
    if (lstat (source, &info) != 0)
        return TRUE;
    if (S_ISLNK (info.st_mode)) {
        g_autofree char *link = g_file_read_link (source, error);
        if (link == NULL)
            return FALSE;
        return symlink (link, target) == 0 || vdc_error_set_errno (error, errno, "cannot link %s", target);
    }
    if (S_ISDIR (info.st_mode)) {
        if (mkdir (target, info.st_mode & 07777) != 0)
            return vdc_error_set_errno (error, errno, "cannot make %s", target);
    } else if (mknod (target, S_IFREG | 0600, 0) != 0) {
        return vdc_error_set_errno (error, errno, "cannot make %s", target);
    }
    return bind (source, target, FALSE, error);
}

static gboolean
shadow (const char *parent, GError **error)
{
    if (!file_make_folder (SHADOWED, 0700, error) || !bind (parent, SHADOWED, FALSE, error) ||
        !mount_or_fail ("shadow", parent, "tmpfs", MS_NOSUID, "mode=755,size=1m", error))
        return FALSE;
    g_autoptr (GDir) dir = g_dir_open (SHADOWED, 0, error);
    const char *name;
    if (dir == NULL)
        return FALSE;
    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *source = g_build_filename (SHADOWED, name, NULL);
        g_autofree char *target = g_build_filename (parent, name, NULL);
        if (!copy_entry (source, target, error))
            return FALSE;
    }
    if (umount2 (SHADOWED, MNT_DETACH) != 0)
        return vdc_error_set_errno (error, errno, "cannot unmount " SHADOWED);
    return TRUE;
}

static gboolean
make_target (const char *target, GError **error)
{
    if (g_file_test (target, G_FILE_TEST_EXISTS))
        return TRUE;
    if (g_str_has_prefix (target, "/run/"))
        return file_make_folder (target, 0700, error);
    g_autofree char *parent = g_path_get_dirname (target);
    return shadow (parent, error) && file_make_folder (target, 0755, error);
}

static gboolean
bind_all (const json_t *mounts, GError **error)
{
    size_t i;
    json_t *entry;
    json_array_foreach ((json_t *)mounts, i, entry) {
        const char *target = json_str (entry, "target", "");
        if (!make_target (target, error) ||
            !bind (json_str (entry, "source", ""), target, json_bool (entry, "read_only", FALSE), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
bind_cgroups (const json_t *cgroups, GError **error)
{
    size_t i;
    json_t *entry;
    json_array_foreach ((json_t *)cgroups, i, entry) {
        g_autofree char *target =
            g_build_filename (MACHINE_CGROUP_ROOT, json_str (entry, "target", ""), NULL);
        if (!file_make_folder (target, 0755, error) ||
            !bind (json_str (entry, "source", ""), target, FALSE, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
machine_mounts_make (const json_t *settings, GError **error)
{
    if (!mount_or_fail ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL, error) ||
        !mount_or_fail ("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755", error) ||
        !bind_cgroups (json_object_get (settings, "cgroups"), error) ||
        !bind_all (json_object_get (settings, "mounts"), error))
        return FALSE;
    /* sysfs shows the network namespace it was mounted in. The cgroup mounts went with the old one; libvirtd
     * is to see none, since two libvirtd would fight over the same groups. */
    return mount_or_fail ("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, error) &&
           mount_or_fail ("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, error) &&
           mount_or_fail ("none", "/sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755",
                          error);
}
