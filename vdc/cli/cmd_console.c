/*
 * vdc console: the serial console of an appliance. On a terminal interactive, in raw mode, left with Ctrl-];
 * else the scrollback is printed, and followed with --follow.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"
#include "vdc/cli/target.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LEAVE_KEY 0x1d /* Ctrl-] */
#define TAIL_DEFAULT_BYTES (64 * 1024)
#define TAIL_MAX_BYTES (16 * 1024 * 1024)

typedef struct {
    Cli *cli;
    char *url;
    GMainLoop *loop;
    HttpCall *output, *sending;
    GByteArray *typed; /* not sent yet */
    guint keys;
    struct termios saved;
    gboolean raw;
    GError *error;
} Console;

static gboolean
on_text (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    fwrite (data, 1, length, stdout);
    fflush (stdout);
    return TRUE;
}

static void
on_end (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Console *console = user_data;
    console->output = NULL;
    if (error != NULL)
        console->error = g_error_copy (error);
    g_main_loop_quit (console->loop);
}

static void send_typed (Console *console);

static void
on_sent (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Console *console = user_data;
    console->sending = NULL;
    if (error != NULL) {
        console->error = console->error ? console->error : g_error_copy (error);
        g_main_loop_quit (console->loop);
        return;
    }
    send_typed (console);
}

/* One request at a time keeps the keys in order. */
static void
send_typed (Console *console)
{
    if (console->sending != NULL || console->typed->len == 0)
        return;
    g_autofree char *url = g_strconcat (console->url, "/input", NULL);
    g_autoptr (GBytes) bytes = g_bytes_new (console->typed->data, console->typed->len);
    g_byte_array_set_size (console->typed, 0);
    HttpCallOptions options = {.bytes = bytes};
    console->sending = http_client_send (console->cli->client, "POST", url, &options, on_sent, console);
}

static gboolean
on_keys (gint fd, GIOCondition condition, gpointer user_data)
{
    Console *console = user_data;
    guint8 keys[4096];
    ssize_t n = read (fd, keys, sizeof keys);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return G_SOURCE_CONTINUE;
    guint8 *leave = n > 0 ? memchr (keys, LEAVE_KEY, (gsize)n) : NULL;
    if (n <= 0 || leave != NULL) {
        console->keys = 0;
        g_main_loop_quit (console->loop);
        return G_SOURCE_REMOVE;
    }
    g_byte_array_append (console->typed, keys, (guint)n);
    send_typed (console);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer user_data)
{
    g_main_loop_quit (((Console *)user_data)->loop);
    return G_SOURCE_CONTINUE;
}

static void
go_raw (Console *console)
{
    struct termios raw;
    if (tcgetattr (STDIN_FILENO, &console->saved) < 0)
        return;
    raw = console->saved;
    cfmakeraw (&raw);
    console->raw = tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void
run (Console *console, gboolean interactive, gint64 tail, gboolean follow)
{
    g_autofree char *url =
        g_strdup_printf ("%s?tail=%" G_GINT64_FORMAT "&follow=%d", console->url, tail, follow || interactive);
    HttpCallOptions options = {.data = on_text, .accept = "*/*"};
    guint signals[] = {g_unix_signal_add (SIGTERM, on_signal, console),
                       g_unix_signal_add (SIGHUP, on_signal, console),
                       g_unix_signal_add (SIGINT, on_signal, console)};
    if (interactive) {
        fprintf (stderr, "[console of %s; Ctrl-] leaves]\n", options_word (console->cli->options, 0));
        go_raw (console);
        console->keys = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, on_keys, console);
    }
    console->output = http_client_send (console->cli->client, "GET", url, &options, on_end, console);
    g_main_loop_run (console->loop);
    if (console->raw)
        tcsetattr (STDIN_FILENO, TCSADRAIN, &console->saved);
    if (console->raw)
        fprintf (stderr, "\n[left]\n");
    for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
        g_source_remove (signals[i]);
}

static void
console_clear (Console *console)
{
    if (console->output != NULL)
        http_call_cancel (console->output);
    if (console->sending != NULL)
        http_call_cancel (console->sending);
    if (console->keys != 0)
        g_source_remove (console->keys);
    g_byte_array_unref (console->typed);
    g_main_loop_unref (console->loop);
    g_free (console->url);
    g_clear_error (&console->error);
}

int
cmd_console (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_auto (Target) target = {0};
    gint64 tail = 0;
    gboolean follow = options_flag (cli->options, "follow");
    gboolean interactive = isatty (STDIN_FILENO) && isatty (STDOUT_FILENO) && !follow;
    if (!target_parse_instance (options_word (cli->options, 0), &target, &error) ||
        !options_int (cli->options, "tail", 0, TAIL_MAX_BYTES, TAIL_DEFAULT_BYTES, &tail, &error))
        return cli_fail (cli, error);
    g_autofree char *path =
        cli_path ("/applications/%s/instances/%s/console", target.application, target.instance);
    g_autofree char *url = cli_url (cli, &error, "%s", path);
    if (url == NULL)
        return cli_fail (cli, error);
    Console console = {.cli = cli, .url = g_steal_pointer (&url), .typed = g_byte_array_new ()};
    console.loop = g_main_loop_new (NULL, FALSE);
    run (&console, interactive, tail, follow);
    int code = console.error ? cli_fail (cli, console.error) : 0;
    console_clear (&console);
    return code;
}
