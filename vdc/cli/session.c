#include "vdc/cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (64 * 1024)
/* A line of output holds at most 32 KiB of data in base64, and a little JSON. */
#define LINE_LIMIT_BYTES (1024 * 1024)
#define EXIT_INTERRUPTED 130

typedef struct {
    Cli *cli;
    const SessionEnds *ends;
    char *url; /* of the session */
    GMainLoop *loop;
    HttpCall *output;
    HttpCall *sending; /* a piece of input under way */
    guint watch;       /* source on the input descriptor */
    guint signals[2];
    GString *line;
    gboolean ended, eof_sent;
    int exit_code;
    GError *error;
} Session;

static void
end_with (Session *session, GError *error)
{
    if (session->error == NULL)
        session->error = error;
    else
        g_clear_error (&error);
    session->ended = TRUE;
    g_main_loop_quit (session->loop);
}

/* --- output -------------------------------------------------------------------------------------------- */

static gboolean
write_all (int fd, const guint8 *data, gsize length)
{
    while (length > 0) {
        ssize_t n = write (fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            g_usleep (1000);
            continue;
        }
        if (n <= 0)
            return FALSE;
        data += n;
        length -= (gsize)n;
    }
    return TRUE;
}

static void
take_data (Session *session, const json_t *message, const char *stream)
{
    gsize length = 0;
    g_autofree guchar *data = g_base64_decode (json_str (message, "data", ""), &length);
    gboolean is_error = strcmp (stream, "stderr") == 0;
    if (write_all (is_error ? session->ends->errors : session->ends->output, data, length))
        return;
    end_with (session, g_error_new (VDC_ERROR, errno == ENOSPC ? VDC_ERROR_FULL : VDC_ERROR_FAILED,
                                    "cannot write the output: %s", g_strerror (errno)));
}

static void
take_line (Session *session, const char *text, gsize length)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) message = json_parse (text, length, &error);
    if (message == NULL) {
        end_with (session, g_steal_pointer (&error));
        return;
    }
    json_t *failure = json_object_get (message, "error");
    const char *stream = json_str (message, "stream", NULL);
    if (stream != NULL) {
        take_data (session, message, stream);
    } else if (json_is_object (failure)) {
        end_with (session,
                  g_error_new (VDC_ERROR, (int)vdc_error_from_name (json_str (failure, "code", "failed")),
                               "%s", json_str (failure, "message", "the session failed")));
    } else if (json_object_get (message, "exit") != NULL) {
        session->exit_code = (int)json_int (message, "exit", 1);
        end_with (session, NULL);
    }
}

static gboolean
on_output (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    Session *session = user_data;
    g_string_append_len (session->line, data, (gssize)length);
    char *newline;
    gsize start = 0;
    while (!session->ended &&
           (newline = memchr (session->line->str + start, '\n', session->line->len - start)) != NULL) {
        gsize end = (gsize)(newline - session->line->str);
        if (end > start)
            take_line (session, session->line->str + start, end - start);
        start = end + 1;
    }
    g_string_erase (session->line, 0, (gssize)start);
    if (session->line->len > LINE_LIMIT_BYTES)
        end_with (session,
                  g_error_new (VDC_ERROR, VDC_ERROR_FAILED, "the answer of the session is malformed"));
    return TRUE;
}

static void
on_output_end (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Session *session = user_data;
    session->output = NULL;
    if (session->ended)
        return;
    if (error != NULL && answer->status != 0)
        end_with (session, g_error_copy (error));
    else
        end_with (session,
                  g_error_new (VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT,
                               "the connection to the session broke off; what it ran may still go on"));
}

/* --- input --------------------------------------------------------------------------------------------- */

static void watch_input (Session *session);

static void
on_sent (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Session *session = user_data;
    session->sending = NULL;
    if (session->ended || session->eof_sent)
        return;
    /* A program that closed its input, or ended, is no failure: its exit code tells. Input that got lost is
     * one. */
    if (error == NULL)
        watch_input (session);
    else if (answer->status == 0 || answer->status >= 500)
        end_with (session, g_error_copy (error));
}

static void
send_piece (Session *session, const void *data, gsize length, gboolean eof)
{
    g_autofree char *url = g_strconcat (session->url, "/input?eof=", eof ? "1" : "0", NULL);
    g_autoptr (GBytes) bytes = g_bytes_new (data, length);
    HttpCallOptions options = {.bytes = bytes, .timeout_ms = 24 * 3600 * 1000};
    session->eof_sent = eof;
    session->sending = http_client_send (session->cli->client, "POST", url, &options, on_sent, session);
}

static gboolean
on_input (gint fd, GIOCondition condition, gpointer user_data)
{
    static char piece[PIECE_BYTES];
    Session *session = user_data;
    ssize_t n = read (fd, piece, sizeof piece);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    session->watch = 0;
    send_piece (session, piece, n > 0 ? (gsize)n : 0, n <= 0);
    return G_SOURCE_REMOVE;
}

static void
watch_input (Session *session)
{
    int fd = session->ends->input;
    if (session->ends->no_input)
        return;
    if (fd < 0)
        send_piece (session, "", 0, TRUE);
    else
        session->watch = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, session);
}

/* --- life
 * ---------------------------------------------------------------------------------------------------------
 */

static gboolean
on_interrupt (gpointer user_data)
{
    Session *session = user_data;
    session->exit_code = EXIT_INTERRUPTED;
    end_with (session, NULL);
    return G_SOURCE_CONTINUE;
}

/* Whatever way it ended, nothing of it stays: a program that still runs is killed by the DELETE. */
static void
clean_up (Session *session)
{
    if (session->output != NULL)
        http_call_cancel (session->output);
    if (session->sending != NULL)
        http_call_cancel (session->sending);
    if (session->watch != 0)
        g_source_remove (session->watch);
    for (guint i = 0; i < G_N_ELEMENTS (session->signals); i++)
        g_source_remove (session->signals[i]);
    json_decref (http_client_call (session->cli->client, "DELETE", session->url, NULL, NULL, NULL));
    g_main_loop_unref (session->loop);
    g_string_free (session->line, TRUE);
    g_free (session->url);
}

static void
run (Session *session)
{
    g_autofree char *url = g_strconcat (session->url, "/output", NULL);
    HttpCallOptions options = {.data = on_output, .accept = "*/*"};
    session->output = http_client_send (session->cli->client, "GET", url, &options, on_output_end, session);
    session->signals[0] = g_unix_signal_add (SIGINT, on_interrupt, session);
    session->signals[1] = g_unix_signal_add (SIGTERM, on_interrupt, session);
    watch_input (session);
    g_main_loop_run (session->loop);
}

gboolean
session_run (Cli *cli, const char *path, json_t *body, const SessionEnds *ends, int *exit_code,
             GError **error)
{
    g_autoptr (json_t) sent = body;
    g_autoptr (json_t) answer = cli_post (cli, path, sent, error);
    const char *id = NULL;
    if (answer == NULL || !json_need_string (answer, NULL, "session", &id, error))
        return FALSE;
    g_autofree char *session_path = cli_path ("/sessions/%s", id, NULL);
    Session session = {.cli = cli, .ends = ends, .line = g_string_new (NULL)};
    session.url = cli_url (cli, error, "%s", session_path);
    session.loop = g_main_loop_new (NULL, FALSE);
    run (&session);
    clean_up (&session);
    if (session.error != NULL) {
        g_propagate_error (error, session.error);
        return FALSE;
    }
    *exit_code = session.exit_code;
    return TRUE;
}
