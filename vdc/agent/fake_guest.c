#include "vdc/agent/fake_guest.h"

#include "vdc/agent/fake_console.h"
#include "vdc/agent/fake_screen.h"
#include "vdc/agent/lines.h"
#include "vdc/base/file.h"
#include "vdc/base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STEP_MS 60
#define SLOW_FACTOR 10
#define DEAF_MS 3000
#define CHUNK_BYTES (24 * 1024)
#define WINDOW_BYTES (96 * 1024)

struct FakeGuest {
    char *channel, *console_log, *boot_id;
    FakeConsole *console;
    FakeScreen *screen;
    FakeFaults faults;
    FakeGuestEnded ended;
    gpointer user_data;
    int listen_fd, fd;
    guint accept_source, read_source, step_timer, end_timer, confirm_timer;
    const char *end_detail;
    LineReader reader;
    gboolean booted, go, started;
    const char *state;
    gint64 configured;
    GHashTable *files;   /* path → GByteArray */
    GHashTable *streams; /* id → Stream */
};

typedef struct {
    char *path;       /* put: where to; NULL: none */
    GByteArray *data; /* put: what came so far */
    GByteArray *out;  /* still to be said */
    gsize unacknowledged_bytes;
    gboolean ends; /* exit follows the last of `out` */
    gint64 code;
} Stream;

static void
stream_free (gpointer data)
{
    Stream *stream = data;
    g_free (stream->path);
    g_byte_array_unref (stream->data);
    g_byte_array_unref (stream->out);
    g_free (stream);
}

FakeFaults
fake_faults (const char *list, const char *class_name, const json_t *settings)
{
    static const struct {
        const char *name;
        FakeFaults fault;
    } known[] = {{"boot", FAKE_BOOT},         {"hang", FAKE_HANG}, {"fail", FAKE_FAIL},
                 {"crash", FAKE_CRASH},       {"deaf", FAKE_DEAF}, {"start", FAKE_START},
                 {"stubborn", FAKE_STUBBORN}, {"slow", FAKE_SLOW}};
    g_auto (GStrv) items = g_strsplit (list ? list : "", ",", -1);
    const char *own = json_str (json_object_get (settings, "properties"), "fake_fault", "");
    FakeFaults faults = 0;

    for (guint k = 0; k < G_N_ELEMENTS (known); k++) {
        if (strcmp (own, known[k].name) == 0)
            faults |= known[k].fault;
        for (guint i = 0; items[i] != NULL; i++) {
            g_auto (GStrv) pair = g_strsplit (items[i], ":", 2);
            if (pair[0] != NULL && pair[1] != NULL && strcmp (pair[0], known[k].name) == 0 &&
                (strcmp (pair[1], "*") == 0 || strcmp (pair[1], class_name) == 0))
                faults |= known[k].fault;
        }
    }
    return faults;
}

static void
print (FakeGuest *guest, const char *text)
{
    FILE *log = fopen (guest->console_log, "ae");
    if (log == NULL)
        return;
    fprintf (log, "%s\r\n", text);
    fclose (log);
}

static void
say (FakeGuest *guest, json_t *message)
{
    g_autofree char *text = json_text (message);
    g_autofree char *out = g_strconcat (text, "\n", NULL);

    json_decref (message);
    if (guest->fd < 0)
        return;
    /* Small messages into an empty socket: a full one means a broken test, and that message is lost. */
    if (send (guest->fd, out, strlen (out), MSG_NOSIGNAL) < 0)
        print (guest, "fake guest: message lost");
}

static void
say_state (FakeGuest *guest, const char *state, const char *text)
{
    guest->state = state;
    print (guest, state);
    say (guest,
         json_pack ("{s:s, s:s, s:s, s:i}", "t", "state", "state", state, "text", text, "progress", 0));
}

static void
say_hello (FakeGuest *guest, const char *nonce)
{
    if (guest->booted)
        say (guest, json_pack ("{s:s, s:s?, s:i, s:s, s:s, s:I}", "t", "hello", "nonce", nonce, "version", 1,
                               "boot_id", guest->boot_id, "state", guest->state, "configured",
                               (json_int_t)guest->configured));
}

/* --- life
 * ---------------------------------------------------------------------------------------------------------
 */

static void next_step (FakeGuest *guest);

static gboolean
end_now (gpointer user_data)
{
    FakeGuest *guest = user_data;
    guest->end_timer = 0;
    guest->ended (guest, guest->end_detail, guest->user_data);
    return G_SOURCE_REMOVE;
}

static void
end_soon (FakeGuest *guest, const char *detail)
{
    guest->end_detail = detail;
    if (guest->end_timer == 0)
        guest->end_timer = g_timeout_add (STEP_MS, end_now, guest);
}

/* booting → (hello) → waiting for go → starting → ready, a step at a time. */
static gboolean
take_step (gpointer user_data)
{
    FakeGuest *guest = user_data;

    guest->step_timer = 0;
    if (!guest->booted) {
        guest->booted = (guest->faults & FAKE_BOOT) == 0;
        say_hello (guest, NULL);
    } else if (strcmp (guest->state, "starting") == 0) {
        if (guest->faults & FAKE_FAIL)
            say_state (guest, "failed", "the start hook failed (fake fault)");
        else if ((guest->faults & FAKE_HANG) == 0) {
            say_state (guest, "ready", "");
            if (guest->faults & FAKE_CRASH)
                end_soon (guest, "crashed");
        }
    } else if (guest->go && !guest->started) {
        guest->started = TRUE;
        say_state (guest, "starting", "");
        next_step (guest);
    } else if (!guest->go && !guest->started)
        say_state (guest, "waiting", "for what it is wired to");
    return G_SOURCE_REMOVE;
}

static void
next_step (FakeGuest *guest)
{
    if (guest->step_timer == 0)
        guest->step_timer =
            g_timeout_add (STEP_MS * (guest->faults & FAKE_SLOW ? SLOW_FACTOR : 1), take_step, guest);
}

static gboolean
confirm (gpointer user_data)
{
    FakeGuest *guest = user_data;
    guest->confirm_timer = 0;
    say (guest, json_pack ("{s:s, s:I, s:n}", "t", "configured", "revision", (json_int_t)guest->configured,
                           "error"));
    return G_SOURCE_REMOVE;
}

static void
confirm_later (FakeGuest *guest)
{
    if (guest->confirm_timer == 0)
        guest->confirm_timer = g_timeout_add (DEAF_MS, confirm, guest);
}

static void
take_settings (FakeGuest *guest, const json_t *settings)
{
    g_autofree char *text = json_text (settings);
    g_hash_table_replace (
        guest->files, g_strdup ("/run/vdc/instance.json"),
        g_byte_array_append (g_byte_array_new (), (const guint8 *)text, (guint)strlen (text)));
    guest->configured = json_int (settings, "revision", 0);
    guest->go = json_bool (settings, "go", FALSE);
    if (guest->started && (guest->faults & FAKE_DEAF))
        confirm_later (guest);
    else
        confirm (guest);
    if (json_bool (settings, "draining", FALSE))
        say (guest, json_pack ("{s:s}", "t", "drained"));
    if (!guest->started)
        next_step (guest);
}

/* --- streams ----------------------------------------------------------------------------------------------- */

static Stream *
begin_stream (FakeGuest *guest, const char *id, const char *path)
{
    Stream *stream = g_new0 (Stream, 1);
    stream->path = g_strdup (path);
    stream->data = g_byte_array_new ();
    stream->out = g_byte_array_new ();
    g_hash_table_replace (guest->streams, g_strdup (id), stream);
    return stream;
}

/* Within the window: more would fill a socket whose other end is read by this very thread. */
static void
pump (FakeGuest *guest, const char *id, Stream *stream)
{
    while (stream->out->len > 0 && stream->unacknowledged_bytes < WINDOW_BYTES) {
        gsize piece = MIN (stream->out->len, CHUNK_BYTES);
        g_autofree char *text = g_base64_encode (stream->out->data, piece);
        say (guest, json_pack ("{s:s, s:s, s:s}", "t", "stdout", "id", id, "data", text));
        g_byte_array_remove_range (stream->out, 0, (guint)piece);
        stream->unacknowledged_bytes += piece;
    }
    if (stream->out->len > 0 || !stream->ends)
        return;
    say (guest, json_pack ("{s:s, s:s, s:I}", "t", "exit", "id", id, "code", (json_int_t)stream->code));
    g_hash_table_remove (guest->streams, id);
}

static void
end_stream (FakeGuest *guest, const char *id, Stream *stream, gint64 code)
{
    stream->ends = TRUE;
    stream->code = code;
    pump (guest, id, stream);
}

static void
take_ack (FakeGuest *guest, const char *id, const json_t *message)
{
    Stream *stream = g_hash_table_lookup (guest->streams, id);
    gsize bytes = (gsize)MAX (json_int (message, "bytes", 0), 0);

    if (stream == NULL)
        return;
    stream->unacknowledged_bytes -= MIN (bytes, stream->unacknowledged_bytes);
    pump (guest, id, stream);
}

static void
take_exec (FakeGuest *guest, const char *id, json_t *argv)
{
    g_autoptr (GString) text = g_string_new (NULL);
    const char *program = json_string_value (json_array_get (argv, 0));
    size_t i;
    json_t *word;

    Stream *stream = begin_stream (guest, id, NULL);
    if (g_strcmp0 (program, "cat") == 0)
        return;
    json_array_foreach (argv, i, word)
        if (i > 0)
            g_string_append_printf (text, "%s%s", i > 1 ? " " : "", json_string_value (word));
    if (g_strcmp0 (program, "echo") == 0) {
        g_string_append_c (text, '\n');
        g_byte_array_append (stream->out, (const guint8 *)text->str, (guint)text->len);
    }
    end_stream (guest, id, stream,
                g_strcmp0 (program, "exit") == 0    ? g_ascii_strtoll (text->str, NULL, 10)
                : g_strcmp0 (program, "false") == 0 ? 1
                                                    : 0);
}

static void
take_stdin (FakeGuest *guest, const char *id, const json_t *message)
{
    Stream *stream = g_hash_table_lookup (guest->streams, id);
    gsize length = 0;
    g_autofree guchar *data = g_base64_decode (json_str (message, "data", ""), &length);

    if (stream == NULL)
        return;
    say (guest, json_pack ("{s:s, s:s, s:I}", "t", "ack", "id", id, "bytes", (json_int_t)length));
    g_byte_array_append (stream->path ? stream->data : stream->out, data, (guint)length);
    pump (guest, id, stream);
    if (!json_bool (message, "eof", FALSE))
        return;
    if (stream->path != NULL)
        g_hash_table_replace (guest->files, g_strdup (stream->path), g_byte_array_ref (stream->data));
    end_stream (guest, id, stream, 0);
}

static void
take_get (FakeGuest *guest, const char *id, const char *path)
{
    GByteArray *file = g_hash_table_lookup (guest->files, path);

    if (file == NULL) {
        say (guest, json_pack ("{s:s, s:s, s:s, s:s}", "t", "error", "id", id, "code", "not_found", "message",
                               "no such file"));
        return;
    }
    Stream *stream = begin_stream (guest, id, NULL);
    g_byte_array_append (stream->out, file->data, file->len);
    end_stream (guest, id, stream, 0);
}

/* --- channel ----------------------------------------------------------------------------------------------- */

static gboolean
take_line (const char *line, gsize length, gpointer user_data)
{
    FakeGuest *guest = user_data;
    const char *type = "";
    g_autoptr (json_t) message = line_parse_message (line, length, &type);
    const char *id = json_str (message, "id", "");

    if (message == NULL || !guest->booted)
        return TRUE;
    if (strcmp (type, "welcome") == 0)
        say_hello (guest, json_str (message, "nonce", NULL));
    else if (strcmp (type, "settings") == 0)
        take_settings (guest, json_object_get (message, "settings"));
    else if (strcmp (type, "stop") == 0 && (guest->faults & FAKE_STUBBORN) == 0) {
        say_state (guest, "stopping", "");
        end_soon (guest, "shutdown");
    } else if (strcmp (type, "exec") == 0)
        take_exec (guest, id, json_object_get (message, "argv"));
    else if (strcmp (type, "put") == 0)
        begin_stream (guest, id, json_str (message, "path", ""));
    else if (strcmp (type, "get") == 0)
        take_get (guest, id, json_str (message, "path", ""));
    else if (strcmp (type, "stdin") == 0)
        take_stdin (guest, id, message);
    else if (strcmp (type, "ack") == 0)
        take_ack (guest, id, message);
    else if (strcmp (type, "close") == 0)
        g_hash_table_remove (guest->streams, id);
    else if (strcmp (type, "ping") == 0)
        say (guest, json_pack ("{s:s}", "t", "pong"));
    return guest->fd >= 0;
}

static void
hang_up (FakeGuest *guest)
{
    g_clear_handle_id (&guest->read_source, g_source_remove);
    if (guest->fd >= 0)
        close (guest->fd);
    guest->fd = -1;
    line_reader_reset (&guest->reader);
}

void
fake_guest_kill (FakeGuest *guest)
{
    hang_up (guest);
    g_hash_table_remove_all (guest->streams);
    /* A hook that it had begun runs again. */
    g_clear_handle_id (&guest->step_timer, g_source_remove);
    if (!guest->booted || strcmp (guest->state, "starting") == 0)
        next_step (guest);
}

static gboolean
can_read (int fd, GIOCondition condition, gpointer user_data)
{
    FakeGuest *guest = user_data;
    char buffer[16384];
    ssize_t n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n > 0) {
        line_reader_feed (&guest->reader, buffer, (gsize)n, take_line, guest);
        return G_SOURCE_CONTINUE;
    }
    guest->read_source = 0;
    hang_up (guest);
    return G_SOURCE_REMOVE;
}

static gboolean
can_accept (int fd, GIOCondition condition, gpointer user_data)
{
    FakeGuest *guest = user_data;
    int size = 1 << 20;

    if (guest->fd >= 0)
        return G_SOURCE_CONTINUE; /* one at a time, as QEMU */
    guest->fd = accept4 (fd, NULL, NULL, SOCK_CLOEXEC);
    if (guest->fd < 0)
        return G_SOURCE_CONTINUE;
    setsockopt (guest->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    guest->read_source = g_unix_fd_add (guest->fd, G_IO_IN | G_IO_HUP, can_read, guest);
    say_hello (guest, NULL);
    return G_SOURCE_CONTINUE;
}

static void
listen_at (FakeGuest *guest)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy (address.sun_path, guest->channel, sizeof address.sun_path);
    unlink (guest->channel);
    guest->listen_fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (guest->listen_fd < 0 || bind (guest->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen (guest->listen_fd, 1) != 0) {
        print (guest, "fake guest: cannot listen");
        return;
    }
    guest->accept_source = g_unix_fd_add (guest->listen_fd, G_IO_IN, can_accept, guest);
}

FakeGuest *
fake_guest_new (const char *channel, const char *console, const char *console_log, const char *screen,
                FakeFaults faults, gboolean up, FakeGuestEnded ended, gpointer user_data)
{
    FakeGuest *guest = g_new0 (FakeGuest, 1);

    guest->channel = g_strdup (channel);
    guest->console = console != NULL ? fake_console_new (console, console_log) : NULL;
    guest->screen = screen != NULL ? fake_screen_new (screen) : NULL;
    guest->console_log = g_strdup (console_log);
    guest->boot_id = id_random (8);
    guest->faults = faults;
    guest->ended = ended;
    guest->user_data = user_data;
    guest->fd = -1;
    guest->state = up ? "ready" : "booting";
    guest->booted = guest->go = guest->started = up;
    guest->files =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_byte_array_unref);
    guest->streams = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, stream_free);
    line_reader_init (&guest->reader);
    listen_at (guest);
    if (!up) {
        print (guest, "fake guest boots");
        next_step (guest);
    }
    return guest;
}

void
fake_guest_free (FakeGuest *guest)
{
    if (guest == NULL)
        return;
    g_clear_handle_id (&guest->accept_source, g_source_remove);
    g_clear_handle_id (&guest->read_source, g_source_remove);
    g_clear_handle_id (&guest->step_timer, g_source_remove);
    g_clear_handle_id (&guest->end_timer, g_source_remove);
    g_clear_handle_id (&guest->confirm_timer, g_source_remove);
    if (guest->fd >= 0)
        close (guest->fd);
    if (guest->listen_fd >= 0)
        close (guest->listen_fd);
    unlink (guest->channel);
    fake_console_free (guest->console);
    fake_screen_free (guest->screen);
    line_reader_clear (&guest->reader);
    g_hash_table_unref (guest->files);
    g_hash_table_unref (guest->streams);
    g_free (guest->channel);
    g_free (guest->console_log);
    g_free (guest->boot_id);
    g_free (guest);
}
