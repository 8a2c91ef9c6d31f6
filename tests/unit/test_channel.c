/* Lines, the nonce, what a guest may do wrong; and the console's file. */
#include "vdc/agent/channel.h"

#include "vdc/agent/console.h"
#include "vdc/agent/lines.h"
#include "vdc/base/file.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- lines
 * -------------------------------------------------------------------------------------------------------- */

static gboolean
collect (const char *line, gsize length, gpointer lines)
{
    g_ptr_array_add (lines, g_strndup (line, length));
    return TRUE;
}

static void
test_lines (void)
{
    LineReader reader;
    g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

    line_reader_init (&reader);
    line_reader_feed (&reader, "a\nb", 3, collect, lines);
    line_reader_feed (&reader, "c\n\nd", 4, collect, lines);
    g_assert_cmpuint (lines->len, ==, 3);
    g_assert_cmpstr (g_ptr_array_index (lines, 1), ==, "bc");
    g_assert_cmpstr (g_ptr_array_index (lines, 2), ==, "");
    line_reader_clear (&reader);
}

static void
test_long_line (void)
{
    LineReader reader;
    g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *chunk = g_strnfill (100000, 'x');

    line_reader_init (&reader);
    for (int i = 0; i < 50; i++)
        line_reader_feed (&reader, chunk, 100000, collect, lines);
    g_assert_cmpuint (reader.pending->len, <=, LINE_LIMIT_BYTES);
    line_reader_feed (&reader, "\nshort\n", 7, collect, lines);
    g_assert_cmpuint (reader.dropped, ==, 1);
    g_assert_cmpuint (lines->len, ==, 1);
    g_assert_cmpstr (g_ptr_array_index (lines, 0), ==, "short");
    line_reader_clear (&reader);
}

static void
test_messages (void)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "[]",
                                      "{",
                                      "{}",
                                      "{\"t\":1}",
                                      "{\"t\":\"x\",\"t\":\"y\"}",
                                      "{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                                      "\xff\xfe"};
    const char *type = NULL;

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_null (line_parse_message (bad[i], strlen (bad[i]), &type));
    g_autoptr (json_t) good = line_parse_message ("{\"t\":\"pong\"}", 12, &type);
    g_assert_cmpstr (type, ==, "pong");
}

/* --- channel
 * ------------------------------------------------------------------------------------------------------ */

typedef struct {
    char *folder, *path;
    int listen_fd, fd;
    Channel *channel;
    guint hellos, lost;
    GString *messages;
    char *nonce;
    char first; /* byte of what came with the last welcome */
} Fixture;

static void
on_hello (const json_t *message, gpointer user_data)
{
    ((Fixture *)user_data)->hellos++;
}

static void
on_message (const char *type, const json_t *message, gpointer user_data)
{
    g_string_append_printf (((Fixture *)user_data)->messages, "%s ", type);
}

static void
on_lost (gpointer user_data)
{
    ((Fixture *)user_data)->lost++;
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

static void
say (Fixture *f, const char *text)
{
    g_assert_cmpint (write (f->fd, text, strlen (text)), ==, (gssize)strlen (text));
}

/* The guest's side reads until a welcome came; its nonce is kept. */
static gboolean
got_welcome (Fixture *f)
{
    char buffer[4096] = "";
    ssize_t n = recv (f->fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
    const char *at = n > 0 ? strstr (buffer, "\"nonce\":\"") : NULL;

    if (at == NULL)
        return FALSE;
    g_free (f->nonce);
    f->nonce = g_strndup (at + 9, 16);
    f->first = *buffer;
    return TRUE;
}

static gboolean
accepted (Fixture *f)
{
    f->fd = accept4 (f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return f->fd >= 0;
}

static void
set_up (Fixture *f, gconstpointer unused)
{
    static const ChannelEvents events = {on_hello, on_message, on_lost};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    f->folder = g_dir_make_tmp ("vdc-chan-XXXXXX", NULL);
    f->path = g_build_filename (f->folder, "s", NULL);
    f->messages = g_string_new (NULL);
    g_strlcpy (address.sun_path, f->path, sizeof address.sun_path);
    f->listen_fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    g_assert_cmpint (bind (f->listen_fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (listen (f->listen_fd, 1), ==, 0);
    f->channel = channel_new (f->path, &events, f);
    UNTIL (accepted (f));
    UNTIL (got_welcome (f));
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
    channel_free (f->channel);
    close (f->fd);
    close (f->listen_fd);
    file_remove_tree (f->folder, NULL);
    g_string_free (f->messages, TRUE);
    g_free (f->folder);
    g_free (f->path);
    g_free (f->nonce);
}

static void
greet (Fixture *f)
{
    g_autofree char *hello = g_strdup_printf ("{\"t\":\"hello\",\"nonce\":\"%s\"}\n", f->nonce);
    guint before = f->hellos;
    say (f, hello);
    UNTIL (f->hellos > before);
}

static void
test_nonce (Fixture *f, gconstpointer unused)
{
    say (f, "{\"t\":\"state\",\"state\":\"ready\"}\n"); /* waited since an agent before us */
    say (f, "{\"t\":\"hello\",\"nonce\":\"0000000000000000\"}\n");
    say (f, "rest of a line that was cut\n");
    greet (f);
    g_assert_cmpstr (f->messages->str, ==, "");
    say (f, "{\"t\":\"pong\"}\n");
    UNTIL (f->messages->len > 0);
    g_assert_cmpstr (f->messages->str, ==, "pong ");
    g_assert_cmpuint (f->hellos, ==, 1);
}

static gboolean
got (Fixture *f, const char *text)
{
    char buffer[65536] = "";
    ssize_t n = recv (f->fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
    return n > 0 && strstr (buffer, text) != NULL;
}

static void
test_begins_with_an_empty_line (Fixture *f, gconstpointer unused)
{
    g_assert_cmpint (f->first, ==, '\n');
}

static void
test_clock (Fixture *f, gconstpointer unused)
{
    greet (f);
    UNTIL (got (f, "\"t\":\"clock\",\"time_ns\":1"));
}

static void
test_welcome_again (Fixture *f, gconstpointer unused)
{
    g_autofree char *first = g_strdup (f->nonce);
    g_autofree char *late = g_strdup_printf ("{\"t\":\"hello\",\"nonce\":\"%s\"}\n", first);

    UNTIL (got_welcome (f)); /* CHANNEL_HELLO_MS later */
    g_assert_cmpstr (f->nonce, !=, first);
    say (f, late);
    greet (f);
    g_assert_cmpuint (f->hellos, ==, 1);
    g_assert_cmpuint (f->lost, ==, 0);
}

/* A guest that stops reading: who sends is not pulled down from within. */
static void
test_overflow (Fixture *f, gconstpointer unused)
{
    g_autofree char *text = g_strnfill (200000, 'x');
    gboolean sent = TRUE;

    greet (f);
    for (int i = 0; i < 100 && sent; i++)
        sent = channel_send (f->channel, json_pack ("{s:s, s:s}", "t", "settings", "x", text));
    g_assert_false (sent);
    g_assert_cmpuint (f->lost, ==, 0);
    g_assert_true (channel_is_up (f->channel));
    UNTIL (f->lost == 1);
    g_assert_false (channel_is_up (f->channel));
}

static void
test_too_long (Fixture *f, gconstpointer unused)
{
    g_autofree char *text = g_strnfill (LINE_LIMIT_BYTES, 'x');

    greet (f);
    g_assert_false (channel_send (f->channel, json_pack ("{s:s, s:s}", "t", "settings", "x", text)));
    g_assert_true (channel_send (f->channel, json_pack ("{s:s}", "t", "ping")));
    UNTIL (got (f, "ping"));
}

static void
test_guest_begins_anew (Fixture *f, gconstpointer unused)
{
    greet (f);
    g_autofree char *first = g_strdup (f->nonce);
    say (f, "{\"t\":\"hello\",\"nonce\":null}\n");
    UNTIL (got_welcome (f));
    g_assert_cmpstr (f->nonce, !=, first);
    g_assert_cmpuint (f->lost, ==, 1);
    g_assert_false (channel_is_up (f->channel));
    greet (f);
    g_assert_true (channel_is_up (f->channel));
}

static void
test_reconnects (Fixture *f, gconstpointer unused)
{
    greet (f);
    close (f->fd);
    UNTIL (f->lost == 1);
    g_assert_false (channel_send (f->channel, json_pack ("{s:s}", "t", "ping")));
    UNTIL (accepted (f));
    UNTIL (got_welcome (f));
    greet (f);
}

static void
test_garbage (Fixture *f, gconstpointer unused)
{
    greet (f);
    g_autofree char *noise = g_strnfill (LINE_LIMIT_BYTES / 4, '{');
    for (int i = 0; i < 8; i++) {
        gsize done = 0;
        while (done < strlen (noise)) {
            ssize_t n = write (f->fd, noise + done, strlen (noise) - done);
            done += (gsize)MAX (n, 0);
            g_main_context_iteration (NULL, FALSE);
        }
    }
    say (f, "\n{\"t\":\"pong\"}\n");
    UNTIL (strcmp (f->messages->str, "pong ") == 0);
}

/* --- console
 * ------------------------------------------------------------------------------------------------------ */

static gboolean
console_data (const void *data, gsize length, gpointer into)
{
    g_string_append_len (into, data, (gssize)length);
    return TRUE;
}

static void
append (const char *path, const char *text)
{
    FILE *file = fopen (path, "ae");
    fputs (text, file);
    fclose (file);
}

static void
test_console (void)
{
    g_autofree char *folder = g_dir_make_tmp ("vdc-cons-XXXXXX", NULL);
    g_autofree char *log = g_build_filename (folder, "shop", "web.1.log", NULL);
    g_autoptr (Console) console = console_new (log, "/nonexistent");
    g_autoptr (GString) followed = g_string_new (NULL);
    g_autoptr (GError) error = NULL;

    append (log, "one\r\ntwo \x1b[31mred\x1b[0m\r\nthree\r\n");
    g_autofree char *tail = console_tail_text (console, 2);
    g_assert_cmpstr (tail, ==, "two [31mred[0m\nthree");
    console_follow (console, console_data, NULL, followed);
    append (log, "four\n");
    UNTIL (strcmp (followed->str, "four\n") == 0);

    g_autofree char *flood = g_strnfill (CONSOLE_FILE_BYTES + 1000, 'f');
    append (log, flood);
    append (log, "end");
    console_rotate (console);
    struct stat info;
    stat (log, &info);
    g_assert_cmpint (info.st_size, ==, 0);
    append (log, " after");
    g_autoptr (GBytes) bytes = console_tail (console, 9);
    g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "end after", 9);
    UNTIL (g_str_has_suffix (followed->str, " after"));
    g_assert_false (console_input (console, "x", 1, &error));
    console_remove_files (log);
    file_remove_tree (folder, NULL);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/lines/cut", test_lines);
    g_test_add_func ("/lines/too-long-is-dropped", test_long_line);
    g_test_add_func ("/lines/messages", test_messages);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
    ADD ("/channel/only-after-our-nonce", test_nonce);
    ADD ("/channel/begins-with-an-empty-line", test_begins_with_an_empty_line);
    ADD ("/channel/clock-after-hello", test_clock);
    ADD ("/channel/welcome-again-without-hello", test_welcome_again);
    ADD ("/channel/overflow-comes-from-the-loop", test_overflow);
    ADD ("/channel/too-long-is-not-sent", test_too_long);
    ADD ("/channel/guest-begins-anew", test_guest_begins_anew);
    ADD ("/channel/reconnects", test_reconnects);
    ADD ("/channel/garbage", test_garbage);
    g_test_add_func ("/console/tail-follow-rotate", test_console);
    return g_test_run ();
}
