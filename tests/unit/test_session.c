/* Sessions against a guest that keeps to no rule. */
#include "vdc/agent/session.h"

#include "vdc/agent/lines.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
    char *folder, *path;
    int listen_fd, fd;
    Channel *channel;
    Sessions *sessions;
    GString *heard; /* what the guest was told */
    guint messages;
} Fixture;

static void
on_hello (const json_t *message, gpointer user_data)
{
}

static void
on_message (const char *type, const json_t *message, gpointer user_data)
{
    Fixture *f = user_data;
    f->messages++;
    sessions_message (f->sessions, type, message);
}

static void
on_lost (gpointer user_data)
{
    sessions_lost (((Fixture *)user_data)->sessions);
}

static gboolean
out_of_time (gpointer user_data)
{
    g_error ("not reached within 10 s: %s", (const char *)user_data);
    return G_SOURCE_REMOVE;
}

#define UNTIL(condition)                                                                                     \
    do {                                                                                                     \
        guint limit = g_timeout_add_seconds (10, out_of_time, (gpointer) #condition);                        \
        while (!(condition))                                                                                 \
            g_main_context_iteration (NULL, TRUE);                                                           \
        g_source_remove (limit);                                                                             \
    } while (0)

static gboolean
heard (Fixture *f, const char *text)
{
    char buffer[65536];
    ssize_t n = recv (f->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0)
        g_string_append_len (f->heard, buffer, n);
    return strstr (f->heard->str, text) != NULL;
}

static void
say (Fixture *f, const char *text)
{
    gsize done = 0, length = strlen (text);
    while (done < length) {
        ssize_t n = send (f->fd, text + done, length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        done += (gsize)MAX (n, 0);
        g_main_context_iteration (NULL, FALSE);
    }
}

static void
set_up (Fixture *f, gconstpointer unused)
{
    static const ChannelEvents events = {on_hello, on_message, on_lost};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    f->folder = g_dir_make_tmp ("vdc-sess-XXXXXX", NULL);
    f->path = g_build_filename (f->folder, "s", NULL);
    f->heard = g_string_new (NULL);
    g_strlcpy (address.sun_path, f->path, sizeof address.sun_path);
    f->listen_fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint (bind (f->listen_fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (listen (f->listen_fd, 1), ==, 0);
    f->channel = channel_new (f->path, &events, f);
    f->sessions = sessions_new (f->channel);
    UNTIL ((f->fd = accept (f->listen_fd, NULL, NULL)) >= 0);
    UNTIL (heard (f, "\"time_ns\""));
    g_autofree char *nonce = g_strndup (strstr (f->heard->str, "\"nonce\":\"") + 9, 16);
    g_autofree char *hello = g_strdup_printf ("{\"t\":\"hello\",\"nonce\":\"%s\"}\n", nonce);
    say (f, hello);
    UNTIL (channel_is_up (f->channel));
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
    sessions_free (f->sessions);
    channel_free (f->channel);
    close (f->fd);
    close (f->listen_fd);
    file_remove_tree (f->folder, NULL);
    g_string_free (f->heard, TRUE);
    g_free (f->folder);
    g_free (f->path);
}

static char *
begin (Fixture *f)
{
    g_autoptr (GError) error = NULL;
    const char *id =
        sessions_begin (f->sessions, json_pack ("{s:s, s:[s]}", "t", "exec", "argv", "ls"), &error);
    g_assert_no_error (error);
    return g_strdup (id);
}

/* Nobody reads: output without content, or that is no base64, costs nothing however much of it comes. */
static void
test_output_without_content (Fixture *f, gconstpointer unused)
{
    static const char *const odd[] = {"", "=", "==", "a", "===", "abc"};
    g_autofree char *id = begin (f);

    for (guint i = 0; i < 600; i++) {
        g_autofree char *line = g_strdup_printf ("{\"t\":\"stdout\",\"id\":\"%s\",\"data\":\"%s\"}\n", id,
                                                 odd[i % G_N_ELEMENTS (odd)]);
        say (f, line);
    }
    UNTIL (f->messages == 600);
    g_assert_true (sessions_has (f->sessions, id));
    g_assert_false (heard (f, "\"t\":\"close\""));
}

static void
test_window (Fixture *f, gconstpointer unused)
{
    g_autofree char *id = begin (f);
    g_autofree char *data = g_strnfill (40000, 'A');
    g_autofree char *line = g_strdup_printf ("{\"t\":\"stdout\",\"id\":\"%s\",\"data\":\"%s\"}\n", id, data);

    for (guint i = 0; i < 30; i++)
        say (f, line);
    UNTIL (heard (f, "\"t\":\"close\""));
}

static void
test_too_long (Fixture *f, gconstpointer unused)
{
    g_autofree char *word = g_strnfill (LINE_LIMIT_BYTES, 'x');
    g_autoptr (GError) error = NULL;

    g_assert_null (
        sessions_begin (f->sessions, json_pack ("{s:s, s:[s]}", "t", "exec", "argv", word), &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE);
    g_autofree char *id = begin (f);
    g_assert_nonnull (id);
}

static void
test_guest_leaves (Fixture *f, gconstpointer unused)
{
    g_autofree char *id = begin (f);
    g_autoptr (GError) error = NULL;

    shutdown (f->fd, SHUT_RDWR);
    UNTIL (!channel_is_up (f->channel));
    g_assert_true (sessions_has (f->sessions, id)); /* its error is still to be read */
    g_assert_null (sessions_begin (f->sessions, json_pack ("{s:s}", "t", "exec"), &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
    ADD ("/session/output-without-content-is-dropped", test_output_without_content);
    ADD ("/session/beyond-the-window-it-is-closed", test_window);
    ADD ("/session/too-long-is-refused", test_too_long);
    ADD ("/session/guest-leaves", test_guest_leaves);
    return g_test_run ();
}
