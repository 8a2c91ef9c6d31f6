#include "vdc/base/command.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    int in, out, err;
    const char *input;
    gsize input_left;
    GString *output, *errors;
} Pipes;

static void
close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

static void
read_some (int *fd, GString *into)
{
    char buffer[16384];
    ssize_t n = read (*fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        close_fd (fd);
    else if (into->len < COMMAND_OUTPUT_LIMIT_BYTES)
        g_string_append_len (into, buffer, n);
}

static void
write_some (Pipes *pipes)
{
    ssize_t n = write (pipes->in, pipes->input, pipes->input_left);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        pipes->input += n;
        pipes->input_left -= (gsize) n;
    }
    if (n <= 0 || pipes->input_left == 0)
        close_fd (&pipes->in);
}

/* FALSE when @deadline_us passed with a pipe still open. */
static gboolean
pump (Pipes *pipes, gint64 deadline_us)
{
    while (pipes->out >= 0 || pipes->err >= 0) {
        struct pollfd fds[] = {{pipes->in, POLLOUT, 0}, {pipes->out, POLLIN, 0}, {pipes->err, POLLIN, 0}};
        int wait_ms = -1;
        if (deadline_us > 0) {
            gint64 left = deadline_us - g_get_monotonic_time ();
            if (left <= 0)
                return FALSE;
            wait_ms = (int) (left / 1000) + 1;
        }
        if (poll (fds, 3, wait_ms) < 0 && errno != EINTR)
            return FALSE;
        if (fds[0].revents)
            write_some (pipes);
        if (fds[1].revents)
            read_some (&pipes->out, pipes->output);
        if (fds[2].revents)
            read_some (&pipes->err, pipes->errors);
    }
    return TRUE;
}

static void
unblock_signals (gpointer unused)
{
    /* Daemons block the signals that their loop reads; a child must not inherit that. */
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    signal (SIGPIPE, SIG_DFL);
}

gboolean
command_run (const char *const *argv, const char *input, char **output, guint timeout_ms, GError **error)
{
    g_autoptr (GError) local = NULL;
    Pipes pipes = {-1, -1, -1, input, input ? strlen (input) : 0, g_string_new (NULL), g_string_new (NULL)};
    g_autoptr (GString) out = pipes.output;
    g_autoptr (GString) err = pipes.errors;
    GPid pid = 0;

    if (!g_spawn_async_with_pipes (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                                   unblock_signals, NULL, &pid, input ? &pipes.in : NULL, &pipes.out, &pipes.err,
                                   &local)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot run %s: %s", argv[0], local->message);
        return FALSE;
    }
    if (pipes.in >= 0)
        fcntl (pipes.in, F_SETFL, O_NONBLOCK);
    if (input != NULL && *input == '\0')
        close_fd (&pipes.in);

    gboolean in_time = pump (&pipes, timeout_ms ? g_get_monotonic_time () + (gint64) timeout_ms * 1000 : 0);
    if (!in_time)
        kill (pid, SIGKILL);
    close_fd (&pipes.in);
    close_fd (&pipes.out);
    close_fd (&pipes.err);
    int status = 0;
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        ;

    if (!in_time) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT, "%s did not end within %u ms and was killed",
                     argv[0], timeout_ms);
        return FALSE;
    }
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0) {
        const char *tail = err->len > 2000 ? err->str + err->len - 2000 : err->str;
        g_autofree char *text = g_utf8_make_valid (tail, -1);
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "%s failed (%s %d): %s", argv[0],
                     WIFEXITED (status) ? "exit" : "signal",
                     WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status), g_strstrip (text));
        return FALSE;
    }
    if (output != NULL)
        *output = g_strdup (out->str);
    return TRUE;
}
