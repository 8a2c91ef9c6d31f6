#include "vdc/guest/session.h"
#include "vdc/guest/channel.h"
#include "vdc/guest/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SESSION_LIMIT 16
#define LINGER_MS 300

typedef enum { SESSION_EXEC, SESSION_PUT, SESSION_GET } SessionKind;

typedef struct Session {
    struct Session *next;
    char id[65];
    SessionKind kind;
    int input;      /* where stdin goes: a pipe, or the file of put; -1 closed */
    int outputs[2]; /* stdout and stderr of a command, outputs[0] the file of get; -1 closed */
    bool watched[2];
    bool watching_input;
    bool input_ends; /* close `input` when `pending` is written */
    Buffer pending;
    int64_t unacknowledged;
    pid_t pid; /* 0: ended */
    int code;
    unsigned linger;
    char *path, *temporary;
} Session;

static Session *sessions;

static void read_output (Session *session, int which);
static void maybe_finish (Session *session);

static Session *
session_find (const char *id)
{
    for (Session *session = sessions; session; session = session->next) {
        if (strcmp (session->id, id) == 0)
            return session;
    }
    return NULL;
}

static void
close_input (Session *session)
{
    if (session->input < 0)
        return;
    if (session->watching_input)
        loop_unwatch (session->input);
    session->watching_input = false;
    close (session->input);
    session->input = -1;
}

static void
close_output (Session *session, int which)
{
    if (session->outputs[which] < 0)
        return;
    if (session->watched[which])
        loop_unwatch (session->outputs[which]);
    session->watched[which] = false;
    close (session->outputs[which]);
    session->outputs[which] = -1;
}

static void
session_free (Session *session)
{
    for (Session **link = &sessions; *link; link = &(*link)->next) {
        if (*link == session) {
            *link = session->next;
            break;
        }
    }
    close_input (session);
    close_output (session, 0);
    close_output (session, 1);
    loop_cancel (session->linger);
    if (session->pid) {
        kill (-session->pid, SIGKILL);
        kill (session->pid, SIGKILL);
        loop_forget_child (session->pid);
    }
    if (session->temporary)
        unlink (session->temporary);
    buffer_clear (&session->pending);
    free (session->path);
    free (session->temporary);
    free (session);
}

static void
refuse (const char *id, const char *code, const char *text)
{
    channel_send (json_pack ("{ss ss ss ss}", "t", "error", "id", id, "code", code, "message", text));
}

static void
finish (Session *session, int code)
{
    channel_send (json_pack ("{ss ss si}", "t", "exit", "id", session->id, "code", code));
    session_free (session);
}

static void
finish_with_error (Session *session, const char *what)
{
    AUTO_FREE char *text = util_printf ("%s %s: %s", what, session->path, strerror (errno));

    refuse (session->id, errno == ENOENT ? "not_found" : errno == EACCES ? "refused" : "failed", text);
    session_free (session);
}

/* --- output
 * ------------------------------------------------------------------------------------------------------ */

static bool
may_send (const Session *session)
{
    return session->unacknowledged < SESSION_WINDOW && !channel_full ();
}

static void
send_part (Session *session, int which, const char *data, size_t length)
{
    AUTO_FREE char *text = base64_encode (data, length);

    session->unacknowledged += length;
    channel_send (
        json_pack ("{ss ss ss}", "t", which ? "stderr" : "stdout", "id", session->id, "data", text));
}

static void
on_output (int fd, uint32_t events, void *context)
{
    Session *session = context;

    read_output (session, fd == session->outputs[0] ? 0 : 1);
}

static void
watch_output (Session *session, int which, bool wanted)
{
    if (session->outputs[which] < 0 || session->watched[which] == wanted)
        return;
    if (wanted)
        loop_watch (session->outputs[which], EPOLLIN, on_output, session);
    else
        loop_unwatch (session->outputs[which]);
    session->watched[which] = wanted;
}

/* One part per call, so that sessions take turns. */
static void
read_output (Session *session, int which)
{
    static char data[SESSION_PART];
    ssize_t count;

    if (!may_send (session)) {
        watch_output (session, which, false);
        return;
    }
    count = read (session->outputs[which], data, sizeof data);
    if (count > 0)
        send_part (session, which, data, count);
    else if (count == 0 || errno != EAGAIN) {
        close_output (session, which);
        maybe_finish (session);
    }
}

static void
pump_get (Session *session)
{
    static char data[SESSION_PART];

    while (may_send (session)) {
        ssize_t count = read (session->outputs[0], data, sizeof data);

        if (count > 0) {
            send_part (session, 0, data, count);
            continue;
        }
        if (count < 0)
            finish_with_error (session, "cannot read");
        else
            finish (session, 0);
        return;
    }
}

static void
resume (Session *session)
{
    if (!may_send (session))
        return;
    if (session->kind == SESSION_GET) {
        pump_get (session);
        return;
    }
    watch_output (session, 0, true);
    watch_output (session, 1, true);
}

void
session_resume_all (void)
{
    for (Session *session = sessions, *next; session; session = next) {
        next = session->next;
        resume (session);
    }
}

/* --- exec
 * -------------------------------------------------------------------------------------------------------- */

static void
maybe_finish (Session *session)
{
    if (!session->pid && session->outputs[0] < 0 && session->outputs[1] < 0)
        finish (session, session->code);
}

/* A daemon it left behind may hold the pipes for ever: what was written until now is all there will be. */
static void
on_linger (void *context)
{
    Session *session = context;

    session->linger = 0;
    if (session->unacknowledged || channel_full ()) {
        session->linger = loop_timer (LINGER_MS, on_linger, session);
        return;
    }
    close_output (session, 0);
    close_output (session, 1);
    maybe_finish (session);
}

static void
on_command_end (pid_t pid, int status, void *context)
{
    Session *session = context;

    session->pid = 0;
    session->code = WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
    close_input (session);
    session->linger = loop_timer (LINGER_MS, on_linger, session);
    maybe_finish (session);
}

static void
become_command (const char *const *argv, char **environment, int input, int out, int err)
{
    sigset_t none;

    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    signal (SIGPIPE, SIG_DFL);
    setsid ();
    dup2 (input, 0);
    dup2 (out, 1);
    dup2 (err, 2);
    close_range (3, ~0U, 0);
    if (chdir ("/root") < 0 && chdir ("/") < 0)
        _exit (126);
    environ = environment;
    execvp (argv[0], (char *const *)argv);
    dprintf (2, "%s: %s\n", argv[0], strerror (errno));
    _exit (errno == ENOENT ? 127 : 126);
}

static void
set_nonblocking (int fd)
{
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
}

static void
start_exec (Session *session, const json_t *message, char **environment)
{
    AUTO_FREE char *error = NULL;
    AUTO_FREE const char **argv = message_argv (message, &error);
    int input[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    pid_t pid = -1;

    if (!argv) {
        refuse (session->id, "invalid", error);
        session_free (session);
        return;
    }
    if (pipe2 (input, O_CLOEXEC) == 0 && pipe2 (out, O_CLOEXEC) == 0 && pipe2 (err, O_CLOEXEC) == 0)
        pid = fork ();
    if (pid == 0)
        become_command (argv, environment, input[0], out[1], err[1]);
    util_close (&input[0]);
    util_close (&out[1]);
    util_close (&err[1]);
    session->input = input[1];
    session->outputs[0] = out[0];
    session->outputs[1] = err[0];
    if (pid < 0) {
        refuse (session->id, "failed", "no pipes, processes or memory are left");
        session_free (session);
        return;
    }
    session->pid = pid;
    set_nonblocking (session->input);
    set_nonblocking (session->outputs[0]);
    set_nonblocking (session->outputs[1]);
    loop_child (session->pid, on_command_end, session);
    resume (session);
}

/* --- files
 * ------------------------------------------------------------------------------------------------------- */

/* Beside the target and renamed at the end: nobody ever sees half of it. */
static void
start_put (Session *session, const json_t *message)
{
    AUTO_FREE char *error = NULL;
    const char *path = message_path (message, &error);
    struct stat present;

    if (!path) {
        refuse (session->id, "invalid", error);
        session_free (session);
        return;
    }
    session->path = util_dup (path);
    if (lstat (path, &present) == 0 && !S_ISREG (present.st_mode)) {
        errno = S_ISDIR (present.st_mode) ? EISDIR : EINVAL;
        finish_with_error (session, "cannot write");
        return;
    }
    session->temporary = util_printf ("%s.vdc-%s", path, session->id);
    session->input = open (session->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (session->input < 0 || fchmod (session->input, message_mode (message, 0644)) < 0)
        finish_with_error (session, "cannot write");
}

static void
start_get (Session *session, const json_t *message)
{
    AUTO_FREE char *error = NULL;
    const char *path = message_path (message, &error);
    struct stat present;

    if (!path) {
        refuse (session->id, "invalid", error);
        session_free (session);
        return;
    }
    session->path = util_dup (path);
    session->outputs[0] = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (session->outputs[0] < 0 || fstat (session->outputs[0], &present) < 0) {
        finish_with_error (session, "cannot read");
    } else if (!S_ISREG (present.st_mode)) {
        errno = S_ISDIR (present.st_mode) ? EISDIR : EINVAL;
        finish_with_error (session, "cannot read");
    } else {
        pump_get (session);
    }
}

static void
finish_put (Session *session)
{
    if (fsync (session->input) < 0 || rename (session->temporary, session->path) < 0) {
        finish_with_error (session, "cannot write");
        return;
    }
    free (session->temporary);
    session->temporary = NULL;
    finish (session, 0);
}

/* --- input
 * ------------------------------------------------------------------------------------------------------- */

static void write_pending (Session *session);

static void
on_writable (int fd, uint32_t events, void *context)
{
    write_pending (context);
}

static void
acknowledge (const Session *session, size_t length)
{
    if (length)
        channel_send (json_pack ("{ss ss sI}", "t", "ack", "id", session->id, "bytes", (json_int_t)length));
}

static void
write_pending (Session *session)
{
    size_t done = 0;

    while (session->input >= 0 && done < session->pending.length) {
        ssize_t count = write (session->input, session->pending.data + done, session->pending.length - done);

        if (count < 0 && errno == EAGAIN)
            break;
        if (count < 0 && session->kind == SESSION_PUT) {
            finish_with_error (session, "cannot write");
            return;
        }
        if (count < 0) /* the command does not read any more: its input is swallowed */
            close_input (session);
        else
            done += count;
    }
    if (session->input < 0)
        done = session->pending.length;
    acknowledge (session, done);
    buffer_consume (&session->pending, done);
    if (session->pending.length && !session->watching_input) {
        loop_watch (session->input, EPOLLOUT, on_writable, session);
        session->watching_input = true;
    } else if (!session->pending.length && session->watching_input) {
        loop_unwatch (session->input);
        session->watching_input = false;
    }
    if (session->input_ends && !session->pending.length) {
        if (session->kind == SESSION_PUT)
            finish_put (session);
        else
            close_input (session);
    }
}

static void
take_input (Session *session, const json_t *message)
{
    size_t length = 0;
    AUTO_FREE unsigned char *data = base64_decode (json_text_of (message, "data", ""), &length);

    if (!data || session->pending.length + length > 2 * SESSION_WINDOW) {
        refuse (session->id, "invalid", data ? "more input than the window allows" : "input is no base64");
        session_free (session);
        return;
    }
    buffer_add (&session->pending, data, length);
    session->input_ends = session->input_ends || json_bool_of (message, "eof", false);
    if (session->kind != SESSION_GET)
        write_pending (session);
}

/* --- dispatch
 * ---------------------------------------------------------------------------------------------------- */

static void
begin (SessionKind kind, const char *id, const json_t *message, char **environment)
{
    Session *session;
    unsigned count = 0;

    for (session = sessions; session; session = session->next)
        count++;
    if (count >= SESSION_LIMIT || session_find (id)) {
        refuse (id, "busy", count >= SESSION_LIMIT ? "16 sessions are open already" : "this id is in use");
        return;
    }
    session = util_alloc (sizeof *session);
    *session = (Session){.next = sessions, .kind = kind, .input = -1, .outputs = {-1, -1}};
    memcpy (session->id, id, strlen (id));
    sessions = session;
    if (kind == SESSION_EXEC)
        start_exec (session, message, environment);
    else if (kind == SESSION_PUT)
        start_put (session, message);
    else
        start_get (session, message);
}

static void
take_acknowledgement (Session *session, const json_t *message)
{
    int64_t bytes = json_int_of (message, "bytes", 0);

    session->unacknowledged -= bytes > 0 && bytes <= session->unacknowledged ? bytes : 0;
    resume (session);
}

bool
session_message (const json_t *message, char **environment)
{
    static const char *const begins[] = {"exec", "put", "get"};
    const char *type = message_type (message);
    const char *id = message_id (message);
    Session *session = id ? session_find (id) : NULL;

    for (size_t i = 0; i < 3; i++) {
        if (strcmp (type, begins[i]) == 0) {
            if (id)
                begin (i, id, message, environment);
            return true;
        }
    }
    /* For a session that has just ended these come too late, which is nobody's fault. */
    if (strcmp (type, "stdin") == 0) {
        if (session)
            take_input (session, message);
    } else if (strcmp (type, "ack") == 0) {
        if (session)
            take_acknowledgement (session, message);
    } else if (strcmp (type, "close") == 0) {
        if (session)
            session_free (session);
    } else {
        return false;
    }
    return true;
}

void
session_end_all (void)
{
    while (sessions)
        session_free (sessions);
}
