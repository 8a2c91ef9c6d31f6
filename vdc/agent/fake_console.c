#include "vdc/agent/fake_console.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct FakeConsole {
    char *path, *log_path;
    int listen_fd, fd;
    guint accepting, reading;
};

static gboolean
can_read (int fd, GIOCondition condition, gpointer user_data)
{
    FakeConsole *console = user_data;
    char buffer[4096];
    ssize_t n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);
    int log = n > 0 ? open (console->log_path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (log >= 0) {
        if (write (log, buffer, (gsize)n) < 0)
            g_warning ("the fake console's log is full");
        close (log);
        return G_SOURCE_CONTINUE;
    }
    close (console->fd);
    console->fd = -1;
    console->reading = 0;
    return G_SOURCE_REMOVE;
}

static gboolean
can_accept (int fd, GIOCondition condition, gpointer user_data)
{
    FakeConsole *console = user_data;
    if (console->fd >= 0)
        return G_SOURCE_CONTINUE; /* one at a time, as QEMU */
    console->fd = accept4 (fd, NULL, NULL, SOCK_CLOEXEC);
    if (console->fd >= 0)
        console->reading = g_unix_fd_add (console->fd, G_IO_IN | G_IO_HUP, can_read, console);
    return G_SOURCE_CONTINUE;
}

FakeConsole *
fake_console_new (const char *socket_path, const char *log_path)
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
    FakeConsole *console = g_new0 (FakeConsole, 1);
    *console = (FakeConsole){
        .path = g_strdup (socket_path), .log_path = g_strdup (log_path), .listen_fd = fd, .fd = -1};
    console->accepting = g_unix_fd_add (fd, G_IO_IN, can_accept, console);
    return console;
}

void
fake_console_free (FakeConsole *console)
{
    if (console == NULL)
        return;
    g_clear_handle_id (&console->accepting, g_source_remove);
    g_clear_handle_id (&console->reading, g_source_remove);
    if (console->fd >= 0)
        close (console->fd);
    close (console->listen_fd);
    unlink (console->path);
    g_free (console->path);
    g_free (console->log_path);
    g_free (console);
}
