#include "vdc/agent/session.h"

#include "vdc/agent/lines.h"
#include "vdc/base/id.h"

#include <string.h>

#define LINE_ROOM_BYTES 128 /* for what is added to a first message: its id */

struct Sessions {
    Channel *channel;
    GHashTable *sessions; /* id → Session */
};

typedef struct {
    Sessions *owner;
    char *id;
    /* Output: lines wait in `lines` until a reader came and has room; acknowledged when handed to it. */
    HttpStream *reader;
    gboolean reader_full;
    GQueue lines; /* of json_t */
    gsize waiting_bytes;
    gboolean ended; /* the last line is in `lines` or was sent */
    guint idle;
    /* Input: what is sent and not acknowledged; one request at a time waits for its bytes to go. */
    gsize unacknowledged_bytes;
    HttpRequest *writer;
    gsize writer_done;
    gboolean writer_eof;
} Session;

static void
send (Session *session, json_t *message)
{
    json_put (message, "id", json_string (session->id));
    channel_send (session->owner->channel, message);
}

static void
refuse_writer (Session *session, const char *why)
{
    g_autoptr (HttpRequest) writer = g_steal_pointer (&session->writer);
    g_autoptr (GError) error = NULL;

    if (writer == NULL)
        return;
    g_set_error (&error, VDC_ERROR, VDC_ERROR_CONFLICT, "%s", why);
    http_reply_error (writer, error);
}

static void
session_free (gpointer data)
{
    Session *session = data;

    refuse_writer (session, "the session has ended");
    g_clear_handle_id (&session->idle, g_source_remove);
    if (session->reader != NULL)
        http_stream_end (session->reader);
    g_queue_clear_full (&session->lines, (GDestroyNotify)json_decref);
    g_free (session->id);
    g_free (session);
}

Sessions *
sessions_new (Channel *channel)
{
    Sessions *sessions = g_new0 (Sessions, 1);
    sessions->channel = channel;
    sessions->sessions = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, session_free);
    return sessions;
}

static void
drop (Session *session)
{
    if (!session->ended)
        send (session, json_pack ("{s:s}", "t", "close"));
    g_hash_table_remove (session->owner->sessions, session->id);
}

static gboolean
nobody_reads (gpointer user_data)
{
    Session *session = user_data;
    session->idle = 0;
    drop (session);
    return G_SOURCE_REMOVE;
}

const char *
sessions_begin (Sessions *sessions, json_t *first, GError **error)
{
    if (!channel_is_up (sessions->channel) || g_hash_table_size (sessions->sessions) >= SESSIONS_MAX) {
        gboolean away = !channel_is_up (sessions->channel);
        json_decref (first);
        g_set_error (error, VDC_ERROR, away ? VDC_ERROR_UNREACHABLE : VDC_ERROR_NO_CAPACITY, "%s",
                     away ? "the guest does not answer; it may still be starting"
                          : "too many sessions of this member");
        return NULL;
    }
    g_autofree char *text = json_text (first);
    if (strlen (text) + LINE_ROOM_BYTES > LINE_LIMIT_BYTES) {
        json_decref (first);
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE,
                     "the command is too long; at most %d bytes can be sent",
                     LINE_LIMIT_BYTES - LINE_ROOM_BYTES);
        return NULL;
    }
    Session *session = g_new0 (Session, 1);
    session->owner = sessions;
    session->id = id_random (8);
    g_queue_init (&session->lines);
    session->idle = g_timeout_add_seconds (SESSION_IDLE_S, nobody_reads, session);
    g_hash_table_insert (sessions->sessions, session->id, session);
    send (session, first);
    return session->id;
}

/* --- output ------------------------------------------------------------------------------------------------ */

/* 0: no base64 that carries anything. Lines of 0 bytes are not taken: any number of them would fit a window.
 */
static gsize
payload_bytes (const json_t *line)
{
    const char *data = json_str (line, "data", "");
    gsize length = strlen (data);

    if (length < 4 || length % 4 != 0)
        return 0;
    return length / 4 * 3 - (g_str_has_suffix (data, "==") ? 2 : g_str_has_suffix (data, "=") ? 1 : 0);
}

/* TRUE while the session lives. */
static gboolean
pump (Session *session)
{
    while (session->reader != NULL && !session->reader_full && !g_queue_is_empty (&session->lines)) {
        g_autoptr (json_t) line = g_queue_pop_head (&session->lines);
        gsize bytes = payload_bytes (line);
        session->reader_full = !http_stream_write_line (session->reader, line);
        session->waiting_bytes -= bytes;
        if (bytes > 0)
            send (session, json_pack ("{s:s, s:I}", "t", "ack", "bytes", (json_int_t)bytes));
    }
    if (!session->ended || session->reader == NULL || !g_queue_is_empty (&session->lines))
        return TRUE;
    drop (session);
    return FALSE;
}

static void
reader_drained (HttpStream *stream, gpointer user_data)
{
    Session *session = user_data;
    session->reader_full = FALSE;
    pump (session);
}

static void
reader_left (HttpStream *stream, gpointer user_data)
{
    Session *session = user_data;
    session->reader = NULL;
    drop (session);
}

void
sessions_output (Sessions *sessions, const char *id, HttpRequest *request)
{
    static const HttpStreamEvents events = {reader_drained, reader_left};
    Session *session = g_hash_table_lookup (sessions->sessions, id);

    if (session->reader != NULL) {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_CONFLICT, "the session has a reader already");
        http_reply_error (request, error);
        return;
    }
    g_clear_handle_id (&session->idle, g_source_remove);
    session->reader = http_reply_stream (request, "application/x-ndjson", &events, session);
    pump (session);
}

static void
add_line (Session *session, json_t *line)
{
    session->waiting_bytes += payload_bytes (line);
    g_queue_push_tail (&session->lines, line);
}

static void
end (Session *session, json_t *line)
{
    if (session->ended) {
        json_decref (line);
        return;
    }
    session->ended = TRUE;
    add_line (session, line);
    refuse_writer (session, "the session has ended");
    pump (session);
}

static void
take_output (Session *session, const char *type, const json_t *message)
{
    const char *data = json_str (message, "data", "");

    if (payload_bytes (message) == 0 || session->ended)
        return;
    /* A guest that does not keep to the window gets its session ended, not our memory. */
    if (session->waiting_bytes > 2 * SESSION_WINDOW_BYTES) {
        send (session, json_pack ("{s:s}", "t", "close"));
        end (session, json_pack ("{s:{s:s, s:s}}", "error", "code", "failed", "message",
                                 "the guest sent more than the window allows"));
        return;
    }
    add_line (session, json_pack ("{s:s, s:s}", "stream", type, "data", data));
    pump (session);
}

/* --- input ------------------------------------------------------------------------------------------------- */

static void
send_input (Session *session, const guint8 *data, gsize length, gboolean eof)
{
    g_autofree char *text = g_base64_encode (data, length);
    send (session, json_pack ("{s:s, s:s, s:b}", "t", "stdin", "data", text, "eof", (int)eof));
    session->unacknowledged_bytes += length;
}

static void
pump_input (Session *session)
{
    if (session->writer == NULL)
        return;
    gsize length = 0;
    const guint8 *data = g_bytes_get_data (http_request_body (session->writer), &length);

    while (session->writer_done < length && session->unacknowledged_bytes < SESSION_WINDOW_BYTES) {
        gsize piece = MIN (length - session->writer_done, SESSION_CHUNK_BYTES);
        gboolean last = session->writer_done + piece == length;
        send_input (session, data + session->writer_done, piece, last && session->writer_eof);
        session->writer_done += piece;
    }
    if (length == 0 && session->writer_eof)
        send_input (session, NULL, 0, TRUE);
    if (session->writer_done < length)
        return;
    g_autoptr (HttpRequest) writer = g_steal_pointer (&session->writer);
    http_reply_json (writer, 200, json_object ());
}

void
sessions_input (Sessions *sessions, const char *id, gboolean eof, HttpRequest *request)
{
    Session *session = g_hash_table_lookup (sessions->sessions, id);

    if (session->writer != NULL || session->ended) {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_CONFLICT, "%s",
                         session->ended ? "the session has ended" : "the session takes one input at a time");
        http_reply_error (request, error);
        return;
    }
    session->writer = http_request_ref (request);
    session->writer_done = 0;
    session->writer_eof = eof;
    pump_input (session);
}

static void
take_ack (Session *session, const json_t *message)
{
    gint64 bytes = json_int (message, "bytes", 0);

    session->unacknowledged_bytes -= MIN ((gsize)MAX (bytes, 0), session->unacknowledged_bytes);
    pump_input (session);
}

/* --- all
 * ----------------------------------------------------------------------------------------------------------
 */

void
sessions_message (Sessions *sessions, const char *type, const json_t *message)
{
    const char *id = json_str (message, "id", "");
    Session *session = g_hash_table_lookup (sessions->sessions, id);

    if (session == NULL)
        return;
    if (strcmp (type, "stdout") == 0 || strcmp (type, "stderr") == 0)
        take_output (session, type, message);
    else if (strcmp (type, "ack") == 0)
        take_ack (session, message);
    else if (strcmp (type, "exit") == 0)
        end (session, json_pack ("{s:I}", "exit", (json_int_t)json_int (message, "code", 0)));
    else if (strcmp (type, "error") == 0)
        end (session, json_pack ("{s:{s:s, s:s}}", "error", "code", json_str (message, "code", "failed"),
                                 "message", json_str (message, "message", "")));
}

void
sessions_lost (Sessions *sessions)
{
    g_autoptr (GList) all = g_hash_table_get_values (sessions->sessions);
    for (GList *item = all; item != NULL; item = item->next)
        end (item->data, json_pack ("{s:{s:s, s:s}}", "error", "code", "unreachable", "message",
                                    "the connection to the guest was lost"));
}

gboolean
sessions_has (Sessions *sessions, const char *id)
{
    return g_hash_table_contains (sessions->sessions, id);
}

void
sessions_delete (Sessions *sessions, const char *id, HttpRequest *request)
{
    drop (g_hash_table_lookup (sessions->sessions, id));
    http_reply_json (request, 200, json_object ());
}

void
sessions_free (Sessions *sessions)
{
    if (sessions == NULL)
        return;
    sessions_lost (sessions);
    g_hash_table_unref (sessions->sessions);
    g_free (sessions);
}
