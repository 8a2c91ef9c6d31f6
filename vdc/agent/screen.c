#include "vdc/agent/screen.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK_BYTES (32 * 1024)

struct Screen {
    int fd;
    guint reading, writing; /* sources; 0: none */
    GByteArray *input;
    const ScreenEvents *events;
    gpointer user_data;
};

static void
end (Screen *screen)
{
    const ScreenEvents *events = screen->events;
    gpointer user_data = screen->user_data;
    screen_close (screen);
    events->ended (user_data);
}

static gboolean
can_read (int fd, GIOCondition condition, gpointer user_data)
{
    Screen *screen = user_data;
    char buffer[CHUNK_BYTES];
    ssize_t n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        screen->reading = 0;
        end (screen);
        return G_SOURCE_REMOVE;
    }
    if (screen->events->data (buffer, (gsize)n, screen->user_data))
        return G_SOURCE_CONTINUE;
    screen->reading = 0;
    return G_SOURCE_REMOVE;
}

void
screen_resume (Screen *screen)
{
    if (screen->reading == 0)
        screen->reading = g_unix_fd_add (screen->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, can_read, screen);
}

static gboolean
can_write (int fd, GIOCondition condition, gpointer user_data)
{
    Screen *screen = user_data;
    ssize_t n = send (fd, screen->input->data, screen->input->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        screen->writing = 0;
        end (screen);
        return G_SOURCE_REMOVE;
    }
    if (n > 0)
        g_byte_array_remove_range (screen->input, 0, (guint)n);
    if (screen->input->len > 0)
        return G_SOURCE_CONTINUE;
    screen->writing = 0;
    screen->events->taken (screen->user_data);
    return G_SOURCE_REMOVE;
}

gboolean
screen_input (Screen *screen, const void *data, gsize length, GError **error)
{
    if (screen->input->len + length > SCREEN_INPUT_LIMIT_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE,
                     "the screen does not take input so fast; at most %d bytes wait",
                     SCREEN_INPUT_LIMIT_BYTES);
        return FALSE;
    }
    g_byte_array_append (screen->input, data, (guint)length);
    if (screen->writing == 0)
        screen->writing = g_unix_fd_add (screen->fd, G_IO_OUT, can_write, screen);
    return TRUE;
}

Screen *
screen_open (const char *socket_path, const ScreenEvents *events, gpointer user_data, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    g_strlcpy (address.sun_path, socket_path, sizeof address.sun_path);
    if (fd < 0 || connect (fd, (struct sockaddr *)&address, sizeof address) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "the VM shows no screen now: %s",
                     g_strerror (errno));
        if (fd >= 0)
            close (fd);
        return NULL;
    }
    Screen *screen = g_new0 (Screen, 1);
    *screen = (Screen){.fd = fd, .input = g_byte_array_new (), .events = events, .user_data = user_data};
    screen_resume (screen);
    return screen;
}

void
screen_close (Screen *screen)
{
    g_clear_handle_id (&screen->reading, g_source_remove);
    g_clear_handle_id (&screen->writing, g_source_remove);
    close (screen->fd);
    g_byte_array_unref (screen->input);
    g_free (screen);
}
