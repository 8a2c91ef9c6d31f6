#include "vdc/lab/machine.h"

#include "vdc/base/error.h"
#include "vdc/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct Machine {
    char *name;
    GPid pid;
    int lifeline;
    ino_t pid_namespace;
    MachineEnded ended;
    gpointer user_data;
};

static void
on_machine_exit (GPid pid, int status, gpointer user_data)
{
    Machine *machine = user_data;
    close (machine->lifeline);
    machine->lifeline = -1;
    machine->ended (machine, machine->user_data);
}

/* After the raw clone only async-signal-safe calls: other threads' locks are as they were. */
static void
become_init (char *const argv[], int lifeline)
{
    sigset_t none;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    if (lifeline == MACHINE_LIFELINE_FD)
        fcntl (lifeline, F_SETFD, 0);
    else
        dup2 (lifeline, MACHINE_LIFELINE_FD);
    execv ("/proc/self/exe", argv);
    _exit (127);
}

static ino_t
pid_namespace_of (GPid pid)
{
    char path[64];
    struct stat info;
    snprintf (path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    return stat (path, &info) == 0 ? info.st_ino : 0;
}

Machine *
machine_start (const char *name, const char *settings_file, MachineEnded ended, gpointer user_data,
               GError **error)
{
    int fds[2];
    if (pipe2 (fds, O_CLOEXEC) != 0) {
        vdc_error_set_errno (error, errno, "cannot make a pipe to %s", name);
        return NULL;
    }
    char *const argv[] = {(char *)"vdc-lab", (char *)"machine", (char *)settings_file, NULL};
    unsigned long flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | SIGCHLD;
    long pid = syscall (SYS_clone, flags, NULL, NULL, NULL, 0);
    if (pid == 0)
        become_init (argv, fds[0]);
    int err = errno;
    close (fds[0]);
    if (pid < 0) {
        close (fds[1]);
        vdc_error_set_errno (error, err, "cannot make the namespaces of %s", name);
        return NULL;
    }
    Machine *machine = g_new0 (Machine, 1);
    machine->name = g_strdup (name);
    machine->pid = (GPid)pid;
    machine->lifeline = fds[1];
    machine->pid_namespace = pid_namespace_of (machine->pid);
    machine->ended = ended;
    machine->user_data = user_data;
    g_child_watch_add (machine->pid, on_machine_exit, machine);
    return machine;
}

void
machine_go (Machine *machine)
{
    if (write (machine->lifeline, "g", 1) != 1)
        vdc_log (VDC_LOG_WARNING, "machine ended before it was started", "machine", machine->name, NULL);
}

void
machine_stop (Machine *machine)
{
    kill (machine->pid, SIGTERM);
}

void
machine_kill (Machine *machine)
{
    kill (machine->pid, SIGKILL);
}

void
machine_free (Machine *machine)
{
    if (machine == NULL)
        return;
    g_free (machine->name);
    g_free (machine);
}

const char *
machine_name (const Machine *machine)
{
    return machine->name;
}

GPid
machine_pid (const Machine *machine)
{
    return machine->pid;
}

guint64
machine_namespace (const Machine *machine)
{
    return machine->pid_namespace;
}

static gboolean
namespace_is_used (guint64 pid_namespace)
{
    g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
    const char *entry;
    while (proc != NULL && (entry = g_dir_read_name (proc)) != NULL)
        if (atoi (entry) > 0 && pid_namespace_of (atoi (entry)) == pid_namespace)
            return TRUE;
    return FALSE;
}

gboolean
machine_namespace_wait (guint64 pid_namespace, guint timeout_ms)
{
    gint64 deadline = g_get_monotonic_time () + (gint64)timeout_ms * 1000;
    /* The kernel tells the end of a namespace only to its parent, and that one is gone: look again and again.
     */
    while (namespace_is_used (pid_namespace)) {
        if (g_get_monotonic_time () >= deadline)
            return FALSE;
        g_usleep (20 * 1000);
    }
    return TRUE;
}

static char *
program_of (GPid pid)
{
    char path[64];
    g_autofree char *text = NULL;
    snprintf (path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (!g_file_get_contents (path, &text, NULL, NULL) || *text == '\0')
        return NULL;
    return g_path_get_basename (text);
}

json_t *
machine_processes (const Machine *machine)
{
    json_t *list = json_array ();
    g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
    const char *entry;
    while (proc != NULL && machine->pid_namespace != 0 && (entry = g_dir_read_name (proc)) != NULL) {
        GPid pid = atoi (entry);
        if (pid <= 0 || pid == machine->pid || pid_namespace_of (pid) != machine->pid_namespace)
            continue;
        g_autofree char *program = program_of (pid);
        if (program != NULL)
            json_array_append_new (list,
                                   json_pack ("{s:i, s:o}", "pid", pid, "name", json_str_new (program)));
    }
    return list;
}
