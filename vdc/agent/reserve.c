#include "vdc/agent/reserve.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

void
reserve_ensure (const char *state_folder)
{
    g_autofree char *path = g_build_filename (state_folder, "reserve", NULL);
    struct statvfs info;

    if (access (path, F_OK) == 0 || statvfs (state_folder, &info) != 0 ||
        (guint64)info.f_bavail * info.f_frsize < RESERVE_ROOM_BYTES)
        return;
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    if (posix_fallocate (fd, 0, RESERVE_BYTES) != 0)
        unlink (path); /* tried again later */
    close (fd);
}

gboolean
reserve_replace (const char *state_folder, const char *path, const char *text, GError **error)
{
    g_autofree char *reserve = g_build_filename (state_folder, "reserve", NULL);
    g_autoptr (GError) local = NULL;

    if (file_replace (path, text, strlen (text), 0600, &local))
        return TRUE;
    if (!g_error_matches (local, VDC_ERROR, VDC_ERROR_FULL) || unlink (reserve) != 0) {
        g_propagate_error (error, g_steal_pointer (&local));
        return FALSE;
    }
    vdc_log (VDC_LOG_WARNING, "the disk is full, using the reserve", "file", path, NULL);
    return file_replace (path, text, strlen (text), 0600, error);
}
