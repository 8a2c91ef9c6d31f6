#include "vdc/lab/lab.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/lab/conditions.h"
#include "vdc/lab/control.h"
#include "vdc/lab/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LIMIT_BYTES (4 * 1024 * 1024)
#define READY_FD 3

static json_t *
status_when_down (const LabPaths *paths)
{
    return json_pack ("{s:s, s:s, s:s, s:n, s:n, s:[], s:[]}", "name", paths->name, "state", "down", "folder",
                      paths->folder, "url", "pid", "machines", "published");
}

json_t *
lab_status (const LabPaths *paths, GError **error)
{
    g_autoptr (json_t) request = json_pack ("{s:s}", "op", "status");
    g_autoptr (GError) local = NULL;
    if (!g_file_test (paths->folder, G_FILE_TEST_IS_DIR))
        return status_when_down (paths);
    json_t *answer = control_call (paths, request, NULL, NULL, &local);
    /* It ended between connect and answer: the second look tells. */
    if (answer == NULL && g_error_matches (local, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT)) {
        g_clear_error (&local);
        answer = control_call (paths, request, NULL, NULL, &local);
    }
    if (answer != NULL)
        return answer;
    if (vdc_error_is_unreachable (local))
        return status_when_down (paths);
    g_propagate_error (error, g_steal_pointer (&local));
    return NULL;
}

/* The supervisor's own log; it says little, so turning it over at each start is enough to bound it. */
static int
open_log (const LabPaths *paths, GError **error)
{
    struct stat info;
    if (!file_make_folder (paths->logs, 0700, error))
        return -1;
    g_autofree char *path = g_build_filename (paths->logs, "lab.log", NULL);
    g_autofree char *old = g_strconcat (path, ".1", NULL);
    if (stat (path, &info) == 0 && info.st_size > LOG_LIMIT_BYTES && rename (path, old) != 0)
        unlink (path);
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        vdc_error_set_errno (error, errno, "cannot open %s", path);
    return fd;
}

static void
leave_terminal (gpointer unused)
{
    setsid ();
}

/* Start the supervisor; the read end of its progress pipe, -1 and @error. */
static int
spawn_supervisor (const LabPaths *paths, const LabSettings *wanted, GError **error)
{
    g_autofree char *program = lab_find_program ("vdc-lab", error);
    g_autofree char *api = g_strdup_printf ("%u", wanted->api_port);
    g_autofree char *first = g_strdup_printf ("%u", wanted->publish_first);
    g_autofree char *last = g_strdup_printf ("%u", wanted->publish_last);
    int fds[2], log = program != NULL ? open_log (paths, error) : -1;
    if (log < 0)
        return -1;
    if (pipe2 (fds, O_CLOEXEC) != 0) {
        close (log);
        vdc_error_set_errno (error, errno, "cannot make a pipe");
        return -1;
    }
    const char *const argv[] = {program, "supervise", paths->name, api, first, last, NULL};
    g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
    g_subprocess_launcher_set_cwd (launcher, "/");
    g_subprocess_launcher_set_child_setup (launcher, leave_terminal, NULL, NULL);
    g_subprocess_launcher_set_stdin_file_path (launcher, "/dev/null");
    g_subprocess_launcher_take_stdout_fd (launcher, dup (log));
    g_subprocess_launcher_take_stderr_fd (launcher, log);
    g_subprocess_launcher_take_fd (launcher, fds[1], READY_FD);
    g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, argv, error);
    g_subprocess_launcher_close (launcher);
    if (process == NULL) {
        close (fds[0]);
        return -1;
    }
    return fds[0];
}

json_t *
lab_up (const LabPaths *paths, const LabSettings *wanted, LabProgress progress, gpointer user_data,
        GError **error)
{
    g_autoptr (json_t) now = lab_status (paths, error);
    if (now == NULL)
        return NULL;
    if (g_str_equal (json_str (now, "state", ""), "up"))
        return g_steal_pointer (&now);
    if (!conditions_check (error))
        return NULL;
    int fd = spawn_supervisor (paths, wanted, error);
    if (fd < 0)
        return NULL;
    json_t *result = control_read (fd, progress, user_data, error);
    close (fd);
    if (result == NULL)
        g_prefix_error (error, "lab %s did not start (see %s): ", paths->name, paths->logs);
    return result;
}

/*
 * Wait until the supervisor is gone: it holds the lock as long as it lives. @kill_it: it does not answer any
 * more; its machines die with it. @lock is then ours, so that nothing starts while the rest is swept; -1 when
 * there never was one.
 */
static gboolean
wait_for_end (const LabPaths *paths, gboolean kill_it, int *lock, GError **error)
{
    char text[32] = "";
    int fd = open (paths->lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    *lock = -1;
    if (fd < 0)
        return errno == ENOENT || vdc_error_set_errno (error, errno, "cannot open %s", paths->lock);
    gboolean running = flock (fd, LOCK_EX | LOCK_NB) != 0;
    if (running && kill_it && read (fd, text, sizeof text - 1) > 0 && atoi (text) > 1)
        kill (atoi (text), SIGKILL);
    while (running && flock (fd, LOCK_EX) != 0)
        if (errno != EINTR)
            break;
    *lock = fd;
    return TRUE;
}

gboolean
lab_down (const LabPaths *paths, gboolean now, gboolean purge, LabProgress progress, gpointer user_data,
          GError **error)
{
    g_autoptr (json_t) request = json_pack ("{s:s, s:b}", "op", "down", "now", (int)now);
    g_autoptr (GError) local = NULL;
    if (!g_file_test (paths->folder, G_FILE_TEST_IS_DIR))
        return TRUE;
    g_autoptr (json_t) answer = control_call (paths, request, progress, user_data, &local);
    int lock = -1;
    gboolean ok = wait_for_end (paths, answer == NULL, &lock, error) && supervisor_sweep (paths, error) &&
                  (!purge || file_remove_tree (paths->folder, error));
    if (lock >= 0)
        close (lock);
    return ok;
}

gboolean
lab_power (const LabPaths *paths, const char *server, gboolean on, GError **error)
{
    g_autoptr (json_t) request = json_pack ("{s:s, s:s}", "op", on ? "start" : "kill", "server", server);
    g_autoptr (json_t) answer = control_call (paths, request, NULL, NULL, error);
    return answer != NULL;
}
