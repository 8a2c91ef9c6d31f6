#include "vdc/agent/fake_screen.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIXELS (FAKE_SCREEN_WIDTH * FAKE_SCREEN_HEIGHT)

typedef enum { STAGE_VERSION, STAGE_SECURITY, STAGE_INIT, STAGE_OPEN } Stage;

struct FakeScreen {
    char *path;
    int listen_fd, fd;
    guint accepting, reading;
    Stage stage;
    guint32 colour;
    GByteArray *in;
};

static void
say (FakeScreen *screen, const void *data, gsize length)
{
    int size = 1 << 20;
    setsockopt (screen->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (send (screen->fd, data, length, MSG_NOSIGNAL) < 0)
        return; /* the viewer has left: reading tells */
}

static void
say_init (FakeScreen *screen)
{
    static const guint8 init[] = {
        0, FAKE_SCREEN_WIDTH, 0, FAKE_SCREEN_HEIGHT,
        /* 32 bits, depth 24, little endian, true colour; 255 each; shifts; padding */
        32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 4, 'f', 'a', 'k', 'e'};
    say (screen, init, sizeof init);
}

static void
say_frame (FakeScreen *screen)
{
    static const guint8 head[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, FAKE_SCREEN_WIDTH, 0, FAKE_SCREEN_HEIGHT,
                                  0, 0, 0, 0};
    guint32 pixels[PIXELS];
    for (guint i = 0; i < PIXELS; i++)
        pixels[i] = GUINT32_TO_LE (screen->colour);
    say (screen, head, sizeof head);
    say (screen, pixels, sizeof pixels);
}

/* The length of the message at the beginning of @in, 0: not known yet. */
static gsize
message_length (const GByteArray *in)
{
    const guint8 *data = in->data;
    switch (data[0]) {
    case 0:
        return 20;
    case 2:
        return in->len < 4 ? 0 : 4 + 4 * (gsize)(data[2] << 8 | data[3]);
    case 3:
        return 10;
    case 4:
        return 8;
    case 5:
        return 6;
    case 6:
        return in->len < 8 ? 0 : 8 + (gsize)(data[6] << 8 | data[7]);
    default:
        return in->len;
    }
}

static void
take_message (FakeScreen *screen)
{
    const guint8 *data = screen->in->data;
    if (data[0] == 4 && data[1] == 1)
        screen->colour = (guint32)data[4] << 24 | (guint32)data[5] << 16 | (guint32)data[6] << 8 | data[7];
    else if (data[0] == 3)
        say_frame (screen);
}

static gsize
wanted (const FakeScreen *screen)
{
    static const gsize lengths[] = {[STAGE_VERSION] = 12, [STAGE_SECURITY] = 1, [STAGE_INIT] = 1};
    return screen->stage == STAGE_OPEN ? message_length (screen->in) : lengths[screen->stage];
}

static void
take (FakeScreen *screen)
{
    if (screen->stage == STAGE_VERSION)
        say (screen, "\x01\x01", 2); /* one way to log in: none */
    else if (screen->stage == STAGE_SECURITY)
        say (screen, "\0\0\0\0", 4);
    else if (screen->stage == STAGE_INIT)
        say_init (screen);
    else
        take_message (screen);
    if (screen->stage != STAGE_OPEN)
        screen->stage++;
}

static gboolean
can_read (int fd, GIOCondition condition, gpointer user_data)
{
    FakeScreen *screen = user_data;
    guint8 buffer[4096];
    ssize_t n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n <= 0) {
        close (screen->fd);
        screen->fd = -1;
        screen->reading = 0;
        return G_SOURCE_REMOVE;
    }
    g_byte_array_append (screen->in, buffer, (guint)n);
    for (gsize length; screen->in->len > 0 && (length = wanted (screen)) > 0 && length <= screen->in->len;) {
        take (screen);
        g_byte_array_remove_range (screen->in, 0, (guint)length);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean
can_accept (int fd, GIOCondition condition, gpointer user_data)
{
    FakeScreen *screen = user_data;
    if (screen->fd >= 0)
        return G_SOURCE_CONTINUE;
    screen->fd = accept4 (fd, NULL, NULL, SOCK_CLOEXEC);
    if (screen->fd < 0)
        return G_SOURCE_CONTINUE;
    screen->stage = STAGE_VERSION;
    g_byte_array_set_size (screen->in, 0);
    screen->reading = g_unix_fd_add (screen->fd, G_IO_IN | G_IO_HUP, can_read, screen);
    say (screen, "RFB 003.008\n", 12);
    return G_SOURCE_CONTINUE;
}

FakeScreen *
fake_screen_new (const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_strlcpy (address.sun_path, socket_path, sizeof address.sun_path);
    unlink (socket_path);
    if (fd < 0 || bind (fd, (struct sockaddr *)&address, sizeof address) != 0 || listen (fd, 1) != 0) {
        if (fd >= 0)
            close (fd);
        return NULL;
    }
    FakeScreen *screen = g_new0 (FakeScreen, 1);
    *screen = (FakeScreen){.path = g_strdup (socket_path),
                           .listen_fd = fd,
                           .fd = -1,
                           .colour = 0x336699,
                           .in = g_byte_array_new ()};
    screen->accepting = g_unix_fd_add (fd, G_IO_IN, can_accept, screen);
    return screen;
}

void
fake_screen_free (FakeScreen *screen)
{
    if (screen == NULL)
        return;
    g_clear_handle_id (&screen->accepting, g_source_remove);
    g_clear_handle_id (&screen->reading, g_source_remove);
    if (screen->fd >= 0)
        close (screen->fd);
    close (screen->listen_fd);
    unlink (screen->path);
    g_byte_array_unref (screen->in);
    g_free (screen->path);
    g_free (screen);
}
