/*
 * vdc events, vdc verify
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LINE_LIMIT_BYTES (1024 * 1024)
#define RETRY_MS 1000
/* The server's heartbeat comes every 15 s. */
#define SILENCE_MS 45000

typedef struct {
    Cli *cli;
    GMainLoop *loop;
    HttpCall *call;
    GString *line;
    gint64 after; /* -1: from now */
    gint64 pending;
    guint retry;
    gboolean told_break, connected;
    GError *error;
} Follow;

static void
print_event (Cli *cli, const json_t *event)
{
    if (cli->json) {
        print_json_line (stdout, event);
        return;
    }
    g_autofree char *time = print_cell (event, "time", FORMAT_TIME);
    g_autofree char *kind = print_cell (event, "kind", FORMAT_TEXT);
    g_autofree char *application = print_cell (event, "application", FORMAT_TEXT);
    g_autofree char *id = print_cell (event, "id", FORMAT_TEXT);
    g_autofree char *state = print_cell (event, "state", FORMAT_TEXT);
    g_autofree char *text = print_cell (event, "data.text", FORMAT_TEXT);
    printf ("%6" G_GINT64_FORMAT "  %s  %-20s  %-12s  %-16s  %s%s%s\n", json_int (event, "seq", 0), time,
            kind, application, id, state, strcmp (text, "-") ? "  " : "", strcmp (text, "-") ? text : "");
    fflush (stdout);
}

/* --- follow -------------------------------------------------------------------------------------------- */

static void open_stream (Follow *follow);

static void
take_line (Follow *follow, const char *text)
{
    /* An id counts once its block is whole; it may come alone, to say from where the stream goes on. */
    if (g_str_has_prefix (text, "id: ") &&
        !g_ascii_string_to_signed (text + 4, 10, 0, G_MAXINT64, &follow->pending, NULL))
        follow->pending = -1;
    if (*text == '\0')
        follow->after = MAX (follow->after, follow->pending);
    if (!g_str_has_prefix (text, "data:"))
        return;
    g_autoptr (json_t) event = json_parse (text + 5, strlen (text + 5), NULL);
    if (!json_is_object (event) || json_object_get (event, "seq") == NULL)
        return;
    follow->after = MAX (follow->after, json_int (event, "seq", 0));
    print_event (follow->cli, event);
}

static gboolean
on_text (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    Follow *follow = user_data;
    follow->told_break = FALSE;
    follow->connected = TRUE;
    g_string_append_len (follow->line, data, (gssize)length);
    char *newline;
    while ((newline = memchr (follow->line->str, '\n', follow->line->len)) != NULL) {
        gssize end = newline - follow->line->str;
        g_autofree char *line = g_strndup (follow->line->str, (gsize)end);
        g_string_erase (follow->line, 0, end + 1);
        take_line (follow, g_strchomp (line));
    }
    if (follow->line->len > LINE_LIMIT_BYTES)
        g_string_truncate (follow->line, 0);
    return TRUE;
}

static gboolean
try_again (gpointer user_data)
{
    Follow *follow = user_data;
    follow->retry = 0;
    open_stream (follow);
    return G_SOURCE_REMOVE;
}

/* The controller may restart; the numbers tell where to go on, so nothing is lost and nothing comes twice. */
static void
on_end (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Follow *follow = user_data;
    follow->call = NULL;
    if (error != NULL && (answer->status >= 400 || !follow->connected)) {
        follow->error = g_error_copy (error);
        g_main_loop_quit (follow->loop);
        return;
    }
    if (!follow->told_break)
        fprintf (stderr, "vdc: the event stream broke off, trying again\n");
    follow->told_break = TRUE;
    g_string_truncate (follow->line, 0);
    follow->pending = -1;
    follow->retry = g_timeout_add (RETRY_MS, try_again, follow);
}

static void
open_stream (Follow *follow)
{
    g_autofree char *from =
        follow->after >= 0 ? g_strdup_printf ("&after=%" G_GINT64_FORMAT, follow->after) : g_strdup ("");
    g_autofree char *url = cli_url (follow->cli, NULL, "/events?follow=1%s", from);
    HttpCallOptions options = {
        .data = on_text, .accept = "text/event-stream", .silence_timeout_ms = SILENCE_MS};
    follow->call = http_client_send (follow->cli->client, "GET", url, &options, on_end, follow);
}

static gboolean
on_signal (gpointer user_data)
{
    g_main_loop_quit (((Follow *)user_data)->loop);
    return G_SOURCE_CONTINUE;
}

static int
follow_events (Cli *cli, gint64 after)
{
    Follow follow = {.cli = cli,
                     .after = after,
                     .pending = -1,
                     .line = g_string_new (NULL),
                     .loop = g_main_loop_new (NULL, FALSE)};
    guint signals[] = {g_unix_signal_add (SIGINT, on_signal, &follow),
                       g_unix_signal_add (SIGTERM, on_signal, &follow)};
    open_stream (&follow);
    g_main_loop_run (follow.loop);
    if (follow.call != NULL)
        http_call_cancel (follow.call);
    if (follow.retry != 0)
        g_source_remove (follow.retry);
    g_source_remove (signals[0]);
    g_source_remove (signals[1]);
    g_main_loop_unref (follow.loop);
    g_string_free (follow.line, TRUE);
    int code = follow.error ? cli_fail (cli, follow.error) : 0;
    g_clear_error (&follow.error);
    return code;
}

int
cmd_events (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    gint64 after = 0;
    if (!options_int (cli->options, "after", 0, G_MAXINT64, -1, &after, &error) ||
        cli_client (cli, &error) == NULL)
        return cli_fail (cli, error);
    if (options_flag (cli->options, "follow"))
        return follow_events (cli, after);
    g_autofree char *path = g_strdup_printf ("/events?after=%" G_GINT64_FORMAT, MAX (after, 0));
    g_autoptr (json_t) list = cli_list (cli, path, &error);
    if (list == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, list);
        return 0;
    }
    size_t index;
    json_t *event;
    json_array_foreach (json_object_get (list, "items"), index, event)
        print_event (cli, event);
    return 0;
}

/* --- verify -------------------------------------------------------------------------------------------- */

static void
print_findings (const json_t *report)
{
    static const Column columns[] = {
        {"SERVER", "server"},
        {"KIND", "code"},
        {"OBJECT", "object"},
        {"APPLICATION", "application"},
        {"WHAT", "message"},
        {"WHAT TO DO", "remedy"},
        {NULL},
    };
    size_t index;
    json_t *server;
    print_table (stdout, columns, json_object_get (report, "findings"),
                 "nothing found: what runs is what is meant to run");
    json_array_foreach (json_object_get (report, "could_not_look"), index, server) {
        g_autofree char *name = print_cell (server, "server", FORMAT_TEXT);
        g_autofree char *why = print_cell (server, "message", FORMAT_TEXT);
        fprintf (stderr, "vdc: could not look at server %s: %s\n", name, why);
    }
}

static void
print_repairs (const json_t *report)
{
    static const Column columns[] = {
        {"SERVER", "server"}, {"KIND", "code"}, {"OBJECT", "object"}, {"WHY", "problem"}, {NULL},
    };
    const json_t *repaired = json_object_get (report, "repaired"),
                 *failed = json_object_get (report, "not_repaired");
    size_t index;
    json_t *finding;
    json_array_foreach ((json_t *)repaired, index, finding)
        printf ("repaired: %s (%s)\n", json_str (finding, "message", ""), json_str (finding, "code", ""));
    if (json_array_size (failed) == 0)
        return;
    printf ("could not be repaired:\n");
    print_table (stdout, columns, failed, NULL);
}

static int
print_codes (Cli *cli)
{
    static const Column columns[] = {
        {"KIND", "code"}, {"MEANING", "meaning"}, {"WHAT TO DO", "remedy"}, {"--repair", "repair"}, {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) codes = cli_list (cli, "/verify/codes", &error);
    if (codes == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, codes);
    else
        print_table (stdout, columns, json_object_get (codes, "items"), NULL);
    return 0;
}

int
cmd_verify (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    gboolean repair = options_flag (cli->options, "repair");
    if (options_flag (cli->options, "codes"))
        return print_codes (cli);
    g_autoptr (json_t) report = cli_post (cli, repair ? "/verify/repair" : "/verify", NULL, &error);
    if (report == NULL) {
        int code = cli_fail (cli, error);
        return code == 5 ? 5 : 6;
    }
    if (cli->json)
        print_json (stdout, report);
    else {
        print_repairs (report);
        print_findings (report);
    }
    if (json_array_size (json_object_get (report, "findings")) > 0)
        return 1;
    return json_array_size (json_object_get (report, "could_not_look")) > 0 ||
                   !json_bool (report, "complete", TRUE)
               ? 6
               : 0;
}
