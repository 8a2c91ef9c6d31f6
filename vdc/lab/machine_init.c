/*
 * PID 1 of a machine of the lab: mounts, daemons, reaping. Single-threaded, on one poll loop:
 * the lifeline to the supervisor, a signalfd, and one pipe per daemon for its output.
 *
 * A daemon that ends is started again after a delay that doubles from 100 ms to 5 s and is forgotten after 10
 * s of quiet running, as a service manager would. What a daemon left behind (QEMU processes) goes on: it is
 * only reaped.
 */
#include "vdc/base/error.h"
#include "vdc/base/log.h"
#include "vdc/lab/daemon_log.h"
#include "vdc/lab/machine.h"
#include "vdc/lab/machine_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DELAY_FIRST_US (100 * G_TIME_SPAN_MILLISECOND)
#define DELAY_MOST_US (5 * G_TIME_SPAN_SECOND)
#define QUIET_US (10 * G_TIME_SPAN_SECOND)
#define STOP_LIMIT_US (3 * G_TIME_SPAN_SECOND)

typedef struct {
    const char *name;
    char **argv;
    DaemonLog *log;
    int output; /* read end of the daemon's stdout and stderr */
    pid_t pid;  /* 0: not running */
    gint64 started_us;
    gint64 start_at_us; /* when not running: the time to start it */
    gint64 delay_us;
} Daemon;

typedef struct {
    Daemon *daemons;
    guint n_daemons;
    int signals;
    gint64 stop_by_us; /* 0: not stopping */
} Init;

static char **
argv_of (const json_t *array)
{
    char **argv = g_new0 (char *, json_array_size (array) + 1);
    for (size_t i = 0; i < json_array_size (array); i++)
        argv[i] = g_strdup (json_string_value (json_array_get (array, i)));
    return argv;
}

static void
exec_daemon (const Daemon *daemon, int output)
{
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    setsid ();
    dup2 (output, STDOUT_FILENO);
    dup2 (output, STDERR_FILENO);
    execvp (daemon->argv[0], daemon->argv);
    vdc_log (VDC_LOG_ERROR, "cannot start the daemon", "program", daemon->argv[0], "reason",
             g_strerror (errno), NULL);
    _exit (127);
}

static void
daemon_start (Daemon *daemon)
{
    int fds[2];
    daemon->started_us = g_get_monotonic_time ();
    if (pipe2 (fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        daemon->start_at_us = daemon->started_us + DELAY_MOST_US;
        return;
    }
    /* The daemon's own end blocks, as programs expect of their stderr. */
    fcntl (fds[1], F_SETFL, 0);
    daemon->pid = fork ();
    if (daemon->pid == 0)
        exec_daemon (daemon, fds[1]);
    close (fds[1]);
    if (daemon->pid < 0) {
        daemon->pid = 0;
        daemon->start_at_us = daemon->started_us + DELAY_MOST_US;
        close (fds[0]);
        return;
    }
    if (daemon->output >= 0)
        close (daemon->output);
    daemon->output = fds[0];
    vdc_log (VDC_LOG_INFO, "daemon started", "daemon", daemon->name, NULL);
}

static void
daemon_ended (Daemon *daemon, int status, gboolean stopping)
{
    gint64 now = g_get_monotonic_time ();
    g_autofree char *how = WIFSIGNALED (status) ? g_strdup_printf ("signal %d", WTERMSIG (status))
                                                : g_strdup_printf ("exit %d", WEXITSTATUS (status));
    gboolean was_quiet = now - daemon->started_us >= QUIET_US;
    daemon->pid = 0;
    daemon->delay_us =
        was_quiet || daemon->delay_us == 0 ? DELAY_FIRST_US : MIN (daemon->delay_us * 2, DELAY_MOST_US);
    daemon->start_at_us = now + daemon->delay_us;
    vdc_log (stopping ? VDC_LOG_INFO : VDC_LOG_WARNING,
             stopping ? "daemon ended" : "daemon ended, starting it again", "daemon", daemon->name, "how",
             how, NULL);
}

static void
read_output (Daemon *daemon)
{
    char buffer[16384];
    ssize_t n = read (daemon->output, buffer, sizeof buffer);
    if (n > 0) {
        daemon_log_write (daemon->log, buffer, (gsize)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close (daemon->output);
        daemon->output = -1;
    }
}

static void
reap (Init *init)
{
    int status;
    pid_t pid;
    while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
        for (guint i = 0; i < init->n_daemons; i++)
            if (init->daemons[i].pid == pid)
                daemon_ended (&init->daemons[i], status, init->stop_by_us != 0);
}

static void
begin_stop (Init *init)
{
    if (init->stop_by_us != 0)
        return;
    init->stop_by_us = g_get_monotonic_time () + STOP_LIMIT_US;
    for (guint i = 0; i < init->n_daemons; i++)
        if (init->daemons[i].pid > 0)
            kill (init->daemons[i].pid, SIGTERM);
}

static void
read_signals (Init *init)
{
    struct signalfd_siginfo info;
    while (read (init->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGCHLD)
            reap (init);
        else
            begin_stop (init);
}

static gboolean
all_ended (const Init *init)
{
    for (guint i = 0; i < init->n_daemons; i++)
        if (init->daemons[i].pid > 0)
            return FALSE;
    return TRUE;
}

/* Starts what is due; the milliseconds to wait for the next thing, -1 for nothing to wait for. */
static int
start_due (Init *init)
{
    gint64 now = g_get_monotonic_time (), next = init->stop_by_us ? init->stop_by_us : G_MAXINT64;
    for (guint i = 0; i < init->n_daemons && init->stop_by_us == 0; i++) {
        Daemon *daemon = &init->daemons[i];
        if (daemon->pid == 0 && daemon->start_at_us <= now)
            daemon_start (daemon);
        if (daemon->pid == 0)
            next = MIN (next, daemon->start_at_us);
    }
    return next == G_MAXINT64 ? -1 : (int)(MAX (next - now, 0) / 1000) + 1;
}

/* One round; FALSE when the machine is to end. */
static gboolean
turn (Init *init)
{
    int wait_ms = start_due (init);
    g_autofree struct pollfd *fds = g_new0 (struct pollfd, init->n_daemons + 2);
    fds[0] = (struct pollfd){.fd = MACHINE_LIFELINE_FD, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = init->signals, .events = POLLIN};
    for (guint i = 0; i < init->n_daemons; i++)
        fds[i + 2] = (struct pollfd){.fd = init->daemons[i].output, .events = POLLIN};
    if (poll (fds, init->n_daemons + 2, wait_ms) < 0 && errno != EINTR)
        return FALSE;
    if (fds[0].revents)
        return FALSE; /* the supervisor is gone */
    if (fds[1].revents)
        read_signals (init);
    for (guint i = 0; i < init->n_daemons; i++)
        if (fds[i + 2].revents)
            read_output (&init->daemons[i]);
    return init->stop_by_us == 0 || (!all_ended (init) && g_get_monotonic_time () < init->stop_by_us);
}

static void
init_prepare (Init *init, const json_t *settings)
{
    const json_t *daemons = json_object_get (settings, "daemons");
    init->n_daemons = (guint)json_array_size (daemons);
    init->daemons = g_new0 (Daemon, init->n_daemons);
    for (guint i = 0; i < init->n_daemons; i++) {
        const json_t *entry = json_array_get (daemons, i);
        Daemon *daemon = &init->daemons[i];
        daemon->name = json_str (entry, "name", "daemon");
        daemon->argv = argv_of (json_object_get (entry, "argv"));
        daemon->output = -1;
        daemon->log = daemon_log_new (json_str (settings, "logs", "/"),
                                      json_str (settings, "name", "machine"), daemon->name);
    }
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get (settings, "env"), name, value)
        g_setenv (name, json_string_value (value), TRUE);
}

static void
init_clear (Init *init)
{
    for (guint i = 0; i < init->n_daemons; i++) {
        g_strfreev (init->daemons[i].argv);
        daemon_log_free (init->daemons[i].log);
        if (init->daemons[i].output >= 0)
            close (init->daemons[i].output);
    }
    g_free (init->daemons);
    close (init->signals);
}

static int
open_signals (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGCHLD);
    sigaddset (&set, SIGTERM);
    sigprocmask (SIG_BLOCK, &set, NULL);
    return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
machine_init_main (const char *settings_file)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) settings = json_parse_file (settings_file, &error);
    Init init = {NULL, 0, open_signals (), 0};
    char go;

    fcntl (MACHINE_LIFELINE_FD, F_SETFD, FD_CLOEXEC);
    if (settings == NULL || read (MACHINE_LIFELINE_FD, &go, 1) != 1) {
        vdc_log (VDC_LOG_ERROR, "machine not started", "reason", error ? error->message : "no supervisor",
                 NULL);
        return 1;
    }
    const char *name = json_str (settings, "name", "machine");
    g_autofree char *title = g_strconcat ("vdc-", name, NULL);
    prctl (PR_SET_NAME, title);
    if (sethostname (name, strlen (name)) != 0)
        vdc_log (VDC_LOG_WARNING, "cannot set the host name, ignoring", "machine", name, NULL);
    init_prepare (&init, settings);
    if (!machine_mounts_make (settings, &error)) {
        vdc_log (VDC_LOG_ERROR, "machine not started", "machine", name, "reason", error->message, NULL);
        init_clear (&init);
        return 1;
    }
    while (turn (&init))
        ;
    init_clear (&init);
    return 0;
}
