#include "vdc/agent/fake_control.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct FakeControl {
    int fd;
    guint source;
    FakeCommand command;
    gpointer user_data;
};

static gboolean
can_read (int fd, GIOCondition condition, gpointer user_data)
{
    FakeControl *control = user_data;
    char word[32];
    ssize_t n = recv (fd, word, sizeof word - 1, MSG_DONTWAIT);
    if (n > 0) {
        word[n] = '\0';
        control->command (word, control->user_data);
    }
    return G_SOURCE_CONTINUE;
}

FakeControl *
fake_control_new (const char *folder, FakeCommand command, gpointer user_data)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *path = g_build_filename (folder, "control", NULL);

    if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
        return NULL;
    unlink (path);
    int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return NULL;
    if (bind (fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close (fd);
        return NULL;
    }
    FakeControl *control = g_new0 (FakeControl, 1);
    control->fd = fd;
    control->command = command;
    control->user_data = user_data;
    control->source = g_unix_fd_add (fd, G_IO_IN, can_read, control);
    return control;
}

void
fake_control_free (FakeControl *control)
{
    if (control == NULL)
        return;
    g_source_remove (control->source);
    close (control->fd);
    g_free (control);
}
