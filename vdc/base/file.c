#include "vdc/base/file.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

gboolean
file_sync_folder (const char *folder, GError **error)
{
    int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 ? fsync (fd) : -1, problem = errno;
    if (fd >= 0)
        close (fd);
    return rc == 0 || vdc_error_set_errno (error, problem, "cannot sync %s", folder);
}

static gboolean
sync_folder_of (const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname (path);
    return file_sync_folder (folder, error);
}

static gboolean
write_all (int fd, const char *data, gsize length)
{
    while (length > 0) {
        ssize_t n = write (fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FALSE;
        data += n;
        length -= (gsize) n;
    }
    return TRUE;
}

gboolean
file_replace (const char *path, const void *data, gsize length, int mode, GError **error)
{
    g_autofree char *temporary = g_strconcat (path, ".new", NULL);
    unlink (temporary);
    int fd = open (temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot create %s", temporary);

    gboolean ok = write_all (fd, data, length) && fsync (fd) == 0;
    int err = errno;
    if (close (fd) != 0 && ok) {
        ok = FALSE;
        err = errno;
    }
    if (ok && rename (temporary, path) != 0) {
        ok = FALSE;
        err = errno;
    }
    if (!ok) {
        unlink (temporary);
        return vdc_error_set_errno (error, err, "cannot write %s", path);
    }
    return sync_folder_of (path, error);
}

gboolean
file_remove (const char *path, GError **error)
{
    if (unlink (path) != 0) {
        if (errno == ENOENT)
            return TRUE;
        return vdc_error_set_errno (error, errno, "cannot remove %s", path);
    }
    return sync_folder_of (path, error);
}

gboolean
file_make_folder (const char *path, int mode, GError **error)
{
    if (g_mkdir_with_parents (path, mode) != 0)
        return vdc_error_set_errno (error, errno, "cannot create folder %s", path);
    return TRUE;
}

static int
remove_entry (const char *path, const struct stat *info, int type, struct FTW *where)
{
    return remove (path);
}

gboolean
file_remove_tree (const char *path, GError **error)
{
    if (nftw (path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT)
        return vdc_error_set_errno (error, errno, "cannot remove %s", path);
    return TRUE;
}
