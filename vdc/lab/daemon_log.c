#include "vdc/lab/daemon_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct DaemonLog {
    char *path, *old_path;
    int fd;
    gsize size_bytes;
};

static void
open_file (DaemonLog *log)
{
    struct stat info;
    log->fd = open (log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    log->size_bytes = log->fd >= 0 && fstat (log->fd, &info) == 0 ? (gsize)info.st_size : 0;
}

DaemonLog *
daemon_log_new (const char *folder, const char *machine, const char *daemon)
{
    DaemonLog *log = g_new0 (DaemonLog, 1);
    g_autofree char *file = g_strdup_printf ("%s-%s.log", machine, daemon);
    log->path = g_build_filename (folder, file, NULL);
    log->old_path = g_strconcat (log->path, ".1", NULL);
    open_file (log);
    return log;
}

static void
turn_over (DaemonLog *log)
{
    close (log->fd);
    if (rename (log->path, log->old_path) != 0)
        unlink (log->path);
    open_file (log);
}

void
daemon_log_write (DaemonLog *log, const char *data, gsize length)
{
    if (log->fd >= 0 && log->size_bytes + length > DAEMON_LOG_LIMIT_BYTES)
        turn_over (log);
    if (log->fd < 0)
        open_file (log); /* the disk was full, and need not be any more */
    if (log->fd < 0)
        return;
    ssize_t n = write (log->fd, data, length);
    if (n > 0)
        log->size_bytes += (gsize)n;
}

void
daemon_log_free (DaemonLog *log)
{
    if (log == NULL)
        return;
    if (log->fd >= 0)
        close (log->fd);
    g_free (log->path);
    g_free (log->old_path);
    g_free (log);
}
