#include "vdc/agent/channel.h"

#include "vdc/agent/lines.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 1000
#define READ_BYTES 65536
#define HELLO_WAIT_MAX_MS 60000

typedef enum { AWAY, GREETING, UP } State;

struct Channel {
    gint references; /* 1 for the owner, 1 while events are being told */
    char *path;
    const ChannelEvents *events; /* NULL once freed */
    gpointer user_data;
    State state;
    int fd;
    guint read_source, write_source, retry_source, retry_ms;
    guint hello_source, hello_wait_ms; /* while GREETING: until the next welcome */
    guint overflow_source;
    LineReader reader;
    GByteArray *out;
    gsize out_done;
    char *nonce;
};

static void connect_later (Channel *channel);
static void disconnect (Channel *channel);
static void welcome (Channel *channel);
static void wait_for_hello (Channel *channel);

static void
unref (Channel *channel)
{
    if (--channel->references > 0)
        return;
    line_reader_clear (&channel->reader);
    g_byte_array_unref (channel->out);
    g_free (channel->path);
    g_free (channel->nonce);
    g_free (channel);
}

/* --- out
 * ----------------------------------------------------------------------------------------------------------
 */

static gboolean
can_write (int fd, GIOCondition condition, gpointer user_data)
{
    Channel *channel = user_data;
    gsize left = channel->out->len - channel->out_done;
    ssize_t n = send (fd, channel->out->data + channel->out_done, left, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n < 0) {
        channel->write_source = 0;
        disconnect (channel);
        return G_SOURCE_REMOVE;
    }
    channel->out_done += (gsize)n;
    if (channel->out_done < channel->out->len)
        return G_SOURCE_CONTINUE;
    g_byte_array_set_size (channel->out, 0);
    channel->out_done = 0;
    channel->write_source = 0;
    return G_SOURCE_REMOVE;
}

static gboolean
overflowed (gpointer user_data)
{
    Channel *channel = user_data;

    channel->overflow_source = 0;
    vdc_log (VDC_LOG_WARNING, "a guest does not read, its channel begins anew", "channel", channel->path,
             NULL);
    disconnect (channel);
    return G_SOURCE_REMOVE;
}

static void
append (Channel *channel, const char *text)
{
    g_byte_array_append (channel->out, (const guint8 *)text, (guint)strlen (text));
    if (channel->write_source == 0)
        channel->write_source = g_unix_fd_add (channel->fd, G_IO_OUT, can_write, channel);
}

/* Takes @message. */
static gboolean
queue (Channel *channel, json_t *message)
{
    g_autofree char *text = json_text (message);

    json_decref (message);
    if (strlen (text) > LINE_LIMIT_BYTES) {
        vdc_log (VDC_LOG_ERROR, "a message to a guest is too long and is not sent", "channel", channel->path,
                 NULL);
        return FALSE;
    }
    if (channel->out->len - channel->out_done > CHANNEL_QUEUE_LIMIT_BYTES) {
        /* From the loop: who sends is in the middle of something that `lost` would take apart. */
        if (channel->overflow_source == 0)
            channel->overflow_source = g_idle_add_full (G_PRIORITY_DEFAULT, overflowed, channel, NULL);
        return FALSE;
    }
    append (channel, text);
    append (channel, "\n");
    return TRUE;
}

gboolean
channel_send (Channel *channel, json_t *message)
{
    if (channel->state == UP)
        return queue (channel, message);
    json_decref (message);
    return FALSE;
}

/* --- greeting ---------------------------------------------------------------------------------------------- */

static gboolean
no_hello (gpointer user_data)
{
    Channel *channel = user_data;

    channel->hello_source = 0;
    /* One that was not even taken by the socket needs no second one behind it. */
    if (channel->out->len == 0)
        welcome (channel);
    else
        wait_for_hello (channel);
    return G_SOURCE_REMOVE;
}

static void
wait_for_hello (Channel *channel)
{
    g_clear_handle_id (&channel->hello_source, g_source_remove);
    channel->hello_source = g_timeout_add (channel->hello_wait_ms, no_hello, channel);
    channel->hello_wait_ms = MIN (channel->hello_wait_ms * 2, HELLO_WAIT_MAX_MS);
}

/* Each with a nonce of its own: the answer to an earlier one may come from before the guest began anew. */
static void
welcome (Channel *channel)
{
    g_free (channel->nonce);
    channel->nonce = id_random (8);
    queue (channel, json_pack ("{s:s, s:s, s:I}", "t", "welcome", "nonce", channel->nonce, "time_ns",
                               (json_int_t)(g_get_real_time () * 1000)));
    wait_for_hello (channel);
}

static void
begin_greeting (Channel *channel)
{
    channel->hello_wait_ms = CHANNEL_HELLO_MS;
    append (channel, "\n"); /* ends what an agent before us, killed, may have left half written */
    welcome (channel);
}

gboolean
channel_send_clock (Channel *channel)
{
    return channel_send (
        channel, json_pack ("{s:s, s:I}", "t", "clock", "time_ns", (json_int_t)(g_get_real_time () * 1000)));
}

gboolean
channel_is_up (const Channel *channel)
{
    return channel->state == UP;
}

/* --- in
 * -----------------------------------------------------------------------------------------------------------
 */

static void
lose (Channel *channel, State state)
{
    gboolean was_up = channel->state == UP;
    channel->state = state;
    if (was_up && channel->events != NULL)
        channel->events->lost (channel->user_data);
}

static void
take_hello (Channel *channel, const json_t *message)
{
    const char *nonce = json_str (message, "nonce", NULL);

    if (nonce != NULL && strcmp (nonce, channel->nonce) == 0) {
        g_clear_handle_id (&channel->hello_source, g_source_remove);
        channel->state = UP;
        channel_send_clock (channel);
        channel->events->hello (message, channel->user_data);
        return;
    }
    if (nonce != NULL)
        return; /* an answer to an agent before us, or to a welcome before the last */
    /* The guest's daemon began: perhaps anew, so what it knew of us is gone. */
    if (channel->state == UP) {
        channel->hello_wait_ms = CHANNEL_HELLO_MS;
        lose (channel, GREETING);
    }
    if (channel->events != NULL && channel->fd >= 0)
        welcome (channel);
}

static gboolean
take_line (const char *line, gsize length, gpointer user_data)
{
    Channel *channel = user_data;
    const char *type = NULL;
    g_autoptr (json_t) message = line_parse_message (line, length, &type);

    if (message != NULL && strcmp (type, "hello") == 0)
        take_hello (channel, message);
    else if (message != NULL && channel->state == UP)
        channel->events->message (type, message, channel->user_data);
    return channel->events != NULL && channel->fd >= 0;
}

static gboolean
can_read (int fd, GIOCondition condition, gpointer user_data)
{
    Channel *channel = user_data;
    static char buffer[READ_BYTES]; /* one main loop, one reader at a time */
    ssize_t n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        channel->read_source = 0;
        disconnect (channel);
        return G_SOURCE_REMOVE;
    }
    channel->references++;
    gboolean alive = line_reader_feed (&channel->reader, buffer, (gsize)n, take_line, channel);
    alive = alive && channel->fd == fd;
    unref (channel);
    return alive ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- connecting -------------------------------------------------------------------------------------------- */

static void
close_socket (Channel *channel)
{
    g_clear_handle_id (&channel->read_source, g_source_remove);
    g_clear_handle_id (&channel->write_source, g_source_remove);
    g_clear_handle_id (&channel->hello_source, g_source_remove);
    g_clear_handle_id (&channel->overflow_source, g_source_remove);
    if (channel->fd >= 0)
        close (channel->fd);
    channel->fd = -1;
    line_reader_reset (&channel->reader);
    g_byte_array_set_size (channel->out, 0);
    channel->out_done = 0;
}

static void
disconnect (Channel *channel)
{
    channel->references++;
    close_socket (channel);
    channel->retry_ms = RETRY_FIRST_MS;
    lose (channel, AWAY);
    if (channel->events != NULL)
        connect_later (channel);
    unref (channel);
}

static int
open_socket (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen (path) >= sizeof address.sun_path)
        return -1;
    strcpy (address.sun_path, path);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close (fd);
        fd = -1;
    }
    return fd;
}

static gboolean
try_connect (gpointer user_data)
{
    Channel *channel = user_data;

    channel->retry_source = 0;
    channel->fd = open_socket (channel->path);
    if (channel->fd < 0) {
        connect_later (channel);
        return G_SOURCE_REMOVE;
    }
    channel->state = GREETING;
    channel->read_source = g_unix_fd_add (channel->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, can_read, channel);
    begin_greeting (channel);
    return G_SOURCE_REMOVE;
}

static void
connect_later (Channel *channel)
{
    channel->retry_source = g_timeout_add (channel->retry_ms, try_connect, channel);
    channel->retry_ms = MIN (channel->retry_ms * 2, RETRY_MAX_MS);
}

Channel *
channel_new (const char *path, const ChannelEvents *events, gpointer user_data)
{
    Channel *channel = g_new0 (Channel, 1);

    channel->references = 1;
    channel->path = g_strdup (path);
    channel->events = events;
    channel->user_data = user_data;
    channel->fd = -1;
    channel->out = g_byte_array_new ();
    channel->retry_ms = RETRY_FIRST_MS;
    line_reader_init (&channel->reader);
    channel->retry_source = g_idle_add (try_connect, channel);
    return channel;
}

void
channel_free (Channel *channel)
{
    if (channel == NULL)
        return;
    channel->events = NULL;
    g_clear_handle_id (&channel->retry_source, g_source_remove);
    close_socket (channel);
    channel->state = AWAY;
    unref (channel);
}
