#include "vdc/guest/process.h"
#include "vdc/guest/loop.h"
#include "vdc/guest/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAIL_LIMIT 1500

const char *process_output_folder = "/run/vdc";

struct Process {
    pid_t pid; /* 0: it could not be started */
    char *name;
    char *output;
    int limit_ms;
    unsigned timer;
    bool late;
    ProcessDone done;
    void *context;
};

static void
process_free (Process *process)
{
    loop_cancel (process->timer);
    free (process->name);
    free (process->output);
    free (process);
}

/* The last lines, joined by " | ", so that they fit where one line is shown. */
static char *
output_tail (const char *path)
{
    AUTO_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek (fd, 0, SEEK_END);
    off_t start = size > TAIL_LIMIT ? size - TAIL_LIMIT : 0;
    char text[TAIL_LIMIT + 1];
    ssize_t length = fd < 0 ? 0 : pread (fd, text, TAIL_LIMIT, start);
    Buffer tail = {0};

    buffer_add (&tail, "", 0);
    if (length < 0)
        length = 0;
    text[length] = '\0';
    for (char *save = NULL, *line = strtok_r (text, "\n", &save); line; line = strtok_r (NULL, "\n", &save))
        buffer_printf (&tail, "%s%s", tail.length ? " | " : "", line);
    for (size_t i = 0; i < tail.length; i++) {
        if ((unsigned char)tail.data[i] < ' ' || (unsigned char)tail.data[i] >= 127)
            tail.data[i] = '?';
    }
    return tail.data;
}

static char *
describe_end (const Process *process, int status)
{
    AUTO_FREE char *tail = output_tail (process->output);

    if (process->late)
        return util_printf ("%s did not end within %d s%s%s", process->name, process->limit_ms / 1000,
                            *tail ? ": " : "", tail);
    if (*tail)
        return util_dup (tail);
    if (WIFSIGNALED (status))
        return util_printf ("%s was killed by signal %d", process->name, WTERMSIG (status));
    return util_printf ("%s ended with exit code %d", process->name, WEXITSTATUS (status));
}

static void
on_end (pid_t pid, int status, void *context)
{
    Process *process = context;
    bool ok = !process->late && WIFEXITED (status) && WEXITSTATUS (status) == 0;
    AUTO_FREE char *text = describe_end (process, status);

    process->done (ok, text, process->context);
    process_free (process);
}

static void
on_late (void *context)
{
    Process *process = context;

    process->timer = 0;
    process->late = true;
    kill (-process->pid, SIGKILL);
    kill (process->pid, SIGKILL);
}

static void
become_child (const char *output)
{
    sigset_t none;
    int fd = open (output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    int null = open ("/dev/null", O_RDWR);

    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    signal (SIGPIPE, SIG_DFL);
    setsid ();
    dup2 (null, 0);
    dup2 (fd >= 0 ? fd : null, 1);
    dup2 (fd >= 0 ? fd : null, 2);
    close_range (3, ~0U, 0);
    if (chdir ("/") < 0)
        _exit (126);
}

static Process *
process_new (const char *name, int limit_ms, ProcessDone done, void *context)
{
    Process *process = util_alloc (sizeof *process);

    process->name = util_dup (name);
    process->output = util_printf ("%s/%s.output", process_output_folder, name);
    process->limit_ms = limit_ms;
    process->done = done;
    process->context = context;
    return process;
}

static void
on_unborn (void *context)
{
    Process *process = context;

    process->timer = 0;
    process->done (false, "no process or memory is left", process->context);
    process_free (process);
}

/* Told from the loop, as every other end: the caller does not have the process yet. */
static void
process_started (Process *process, pid_t pid)
{
    if (pid < 0) {
        process->timer = loop_timer (0, on_unborn, process);
        return;
    }
    process->pid = pid;
    process->timer = loop_timer (process->limit_ms, on_late, process);
    loop_child (pid, on_end, process);
}

Process *
process_run (const char *name, const char *program, char **environment, int limit_ms, ProcessDone done,
             void *context)
{
    Process *process = process_new (name, limit_ms, done, context);
    pid_t pid = fork ();

    if (pid == 0) {
        become_child (process->output);
        execve (program, (char *const[]){(char *)program, NULL}, environment);
        dprintf (2, "cannot run %s: %s\n", program, strerror (errno));
        _exit (127);
    }
    process_started (process, pid);
    return process;
}

Process *
process_call (const char *name, bool (*function) (void *argument), void *argument, int limit_ms,
              ProcessDone done, void *context)
{
    Process *process = process_new (name, limit_ms, done, context);
    pid_t pid = fork ();

    if (pid == 0) {
        become_child (process->output);
        _exit (function (argument) ? 0 : 1);
    }
    process_started (process, pid);
    return process;
}

void
process_extend (Process *process)
{
    loop_cancel (process->timer);
    process->timer = loop_timer (process->limit_ms, on_late, process);
}

void
process_kill (Process *process)
{
    if (!process)
        return;
    if (process->pid) {
        kill (-process->pid, SIGKILL);
        kill (process->pid, SIGKILL);
        loop_forget_child (process->pid);
    }
    process_free (process);
}

int
process_wait (const char *const *argv)
{
    pid_t pid = fork ();
    int status;

    if (pid == 0) {
        execv (argv[0], (char *const *)argv);
        dprintf (2, "cannot run %s: %s\n", argv[0], strerror (errno));
        _exit (127);
    }
    while (pid > 0 && waitpid (pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return pid > 0 && WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}
