#include "vdc/guest/channel.h"
#include "vdc/guest/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_NAME "org.vdc.guest.0"
#define BULK_MARK (256 * 1024)
#define OUTPUT_LIMIT (8 * 1024 * 1024)

static const ChannelHandler *handler;
static json_t *(*make_hello) (void);
static int port = -1;
static bool welcomed;
static char *current_nonce;
static bool at_end; /* the agent is not connected */
static bool was_full;
static LineReader reader;
static Buffer output;

static void open_port (void *context);

bool
channel_full (void)
{
    return output.length > BULK_MARK;
}

static void
write_some (void)
{
    size_t sent = 0;

    while (sent < output.length) {
        ssize_t count = write (port, output.data + sent, output.length - sent);

        if (count <= 0)
            break; /* EAGAIN: also while nobody is connected; the edge comes when somebody is */
        sent += count;
    }
    buffer_consume (&output, sent);
    if (was_full && !channel_full ()) {
        was_full = false;
        handler->writable ();
    }
}

static void
queue (json_t *message)
{
    AUTO_FREE char *text = json_dumps (message, JSON_COMPACT);

    if (text && output.length + strlen (text) < OUTPUT_LIMIT) {
        buffer_add (&output, text, strlen (text));
        buffer_add (&output, "\n", 1);
    }
    json_decref (message);
    was_full = was_full || channel_full ();
    if (port >= 0)
        write_some ();
}

void
channel_send (json_t *message)
{
    if (welcomed)
        queue (message);
    else
        json_decref (message);
}

void
channel_send_now (json_t *message)
{
    queue (message);
}

/* The same nonce again is the same agent, which had our hello of null on its way when it asked: nothing is
 * void. */
static void
take_welcome (const json_t *message)
{
    const char *nonce = json_text_of (message, "nonce", "");

    if (welcomed && strcmp (nonce, current_nonce) != 0)
        handler->lost ();
    welcomed = true;
    free (current_nonce);
    current_nonce = util_dup (nonce);
    handler->welcome (nonce, json_int_of (message, "time_ns", 0));
}

static void
on_line (const char *text, size_t length, void *context)
{
    AUTO_FREE char *error = NULL;
    AUTO_JSON json_t *message = message_parse (text, length, &error);

    /* The rest of a line from before our time, or of a dead agent's: expected, not worth a word. */
    if (!message)
        return;
    if (strcmp (message_type (message), "welcome") == 0) {
        take_welcome (message);
    } else if (welcomed) {
        handler->message (message);
    }
}

/* The first line after a gap is ended by an empty one: what the agent did not read of the last is then
 * dropped alone. */
static void
greet (void)
{
    buffer_clear (&output);
    buffer_add (&output, "\n", 1);
    queue (make_hello ());
}

static void
lost (void)
{
    if (at_end)
        return;
    at_end = true;
    line_reader_reset (&reader);
    if (welcomed)
        handler->lost ();
    welcomed = false;
    greet ();
}

/* Edge-triggered: level-triggered, a disconnected port would report HUP without end. */
static void
on_port (int fd, uint32_t events, void *context)
{
    char data[16 * 1024];
    ssize_t count;

    while ((count = read (fd, data, sizeof data)) > 0) {
        at_end = false;
        line_reader_feed (&reader, data, count, on_line, NULL);
    }
    if (count == 0)
        lost ();
    else if (errno == ENODEV || errno == EPIPE)
        guest_log ("channel: %s", strerror (errno));
    if (!(events & EPOLLHUP))
        at_end = false;
    write_some ();
}

/* Without udev there is no /dev/virtio-ports: sysfs has the names, the number varies. */
static int
find_port (void)
{
    DIR *folder = opendir ("/sys/class/virtio-ports");
    struct dirent *entry;
    int fd = -1;

    while (folder && fd < 0 && (entry = readdir (folder))) {
        AUTO_FREE char *path = util_printf ("/sys/class/virtio-ports/%s/name", entry->d_name);
        AUTO_FREE char *name = file_read (path, 256);
        AUTO_FREE char *device = util_printf ("/dev/%s", entry->d_name);

        if (name && strncmp (name, PORT_NAME "\n", sizeof PORT_NAME) == 0)
            fd = open (device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (folder)
        closedir (folder);
    return fd;
}

static void
open_port (void *context)
{
    port = find_port ();
    if (port < 0) {
        loop_timer (500, open_port, NULL);
        return;
    }
    greet ();
    loop_watch (port, EPOLLIN | EPOLLOUT | EPOLLET, on_port, NULL);
}

void
channel_start (const ChannelHandler *given_handler, json_t *(*hello) (void))
{
    handler = given_handler;
    make_hello = hello;
    open_port (NULL);
}

void
channel_flush (int limit_ms)
{
    int64_t end = monotonic_ms () + limit_ms;

    while (port >= 0 && output.length && monotonic_ms () < end) {
        poll (&(struct pollfd){.fd = port, .events = POLLOUT}, 1, 20);
        write_some ();
    }
}
