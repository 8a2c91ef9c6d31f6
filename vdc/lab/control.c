#include "vdc/lab/control.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct Control {
    GSocketService *service;
    char *path;
    ControlRequest func;
    gpointer user_data;
};

struct ControlReply {
    Control *control;
    GSocketConnection *connection;
    GDataInputStream *input;
};

/* A socket address is at most 108 bytes long, a folder is not: go through the folder's descriptor. */
static gboolean
short_path (const LabPaths *paths, int *folder_fd, char *path, gsize size, GError **error)
{
    *folder_fd = open (paths->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder_fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", paths->folder);
    snprintf (path, size, "/proc/self/fd/%d/control", *folder_fd);
    return TRUE;
}

static void
reply_free (ControlReply *reply)
{
    g_io_stream_close (G_IO_STREAM (reply->connection), NULL, NULL);
    g_object_unref (reply->input);
    g_object_unref (reply->connection);
    g_free (reply);
}

/* The lines are short and the socket's buffer is not: a write that would block means a client that does not
 * read. */
static void
send_line (ControlReply *reply, char *line)
{
    g_autofree char *owned = line;
    int fd = g_socket_get_fd (g_socket_connection_get_socket (reply->connection));
    ssize_t ignored = send (fd, owned, strlen (owned), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
}

static char *
line_of (json_t *object)
{
    g_autoptr (json_t) owned = object;
    g_autofree char *text = json_text (owned);
    return g_strconcat (text, "\n", NULL);
}

char *
control_line_text (const char *text)
{
    return line_of (json_pack ("{s:o}", "text", json_str_new (text)));
}

char *
control_line_error (const GError *error)
{
    return line_of (json_pack ("{s:{s:s, s:o}}", "error", "code", vdc_error_name (error), "message",
                               json_str_new (error->message)));
}

void
control_text (ControlReply *reply, const char *text)
{
    send_line (reply, control_line_text (text));
}

void
control_done (ControlReply *reply, json_t *result)
{
    send_line (reply, line_of (json_pack ("{s:o}", "done", result)));
    reply_free (reply);
}

void
control_failed (ControlReply *reply, const GError *error)
{
    send_line (reply, control_line_error (error));
    reply_free (reply);
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
    ControlReply *reply = user_data;
    g_autoptr (GError) error = NULL;
    gsize length = 0;
    g_autofree char *line = g_data_input_stream_read_line_finish (reply->input, result, &length, &error);
    if (line == NULL) {
        reply_free (reply);
        return;
    }
    g_autoptr (json_t) request = json_parse (line, length, &error);
    if (request == NULL)
        control_failed (reply, error);
    else
        reply->control->func (reply, request, reply->control->user_data);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
    ControlReply *reply = g_new0 (ControlReply, 1);
    reply->control = user_data;
    reply->connection = g_object_ref (connection);
    reply->input = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));
    g_data_input_stream_read_line_async (reply->input, G_PRIORITY_DEFAULT, NULL, on_line, reply);
    return TRUE;
}

Control *
control_listen (const LabPaths *paths, ControlRequest func, gpointer user_data, GError **error)
{
    int folder_fd;
    char path[64];
    if (!short_path (paths, &folder_fd, path, sizeof path, error))
        return NULL;
    unlink (path);
    g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
    GSocketService *service = g_socket_service_new ();
    gboolean ok = g_socket_listener_add_address (G_SOCKET_LISTENER (service), address, G_SOCKET_TYPE_STREAM,
                                                 G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, error);
    close (folder_fd);
    if (!ok) {
        g_object_unref (service);
        return NULL;
    }
    Control *control = g_new0 (Control, 1);
    control->service = service;
    control->path = g_strdup (paths->control);
    control->func = func;
    control->user_data = user_data;
    g_signal_connect (service, "incoming", G_CALLBACK (on_incoming), control);
    g_socket_service_start (service);
    return control;
}

void
control_free (Control *control)
{
    if (control == NULL)
        return;
    g_socket_service_stop (control->service);
    g_socket_listener_close (G_SOCKET_LISTENER (control->service));
    g_object_unref (control->service);
    unlink (control->path);
    g_free (control->path);
    g_free (control);
}

static int
connect_to (const LabPaths *paths, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int folder_fd;
    if (!short_path (paths, &folder_fd, address.sun_path, sizeof address.sun_path, error))
        return -1;
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) == 0) {
        close (folder_fd);
        return fd;
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "lab %s is not up: vdc lab up", paths->name);
    if (fd >= 0)
        close (fd);
    close (folder_fd);
    return -1;
}

/* NULL without @error: this line was progress. */
static json_t *
take_line (const char *line, gsize length, ControlProgress progress, gpointer user_data, GError **error)
{
    g_autoptr (json_t) answer = json_parse (line, length, error);
    if (answer == NULL)
        return NULL;
    json_t *done = json_object_get (answer, "done"), *failed = json_object_get (answer, "error");
    if (done != NULL)
        return json_incref (done);
    if (failed != NULL)
        g_set_error (error, VDC_ERROR, vdc_error_from_name (json_str (failed, "code", "failed")), "%s",
                     json_str (failed, "message", "failed"));
    else if (progress != NULL)
        progress (json_str (answer, "text", ""), user_data);
    return NULL;
}

json_t *
control_read (int fd, ControlProgress progress, gpointer user_data, GError **error)
{
    FILE *stream = fdopen (dup (fd), "r");
    char *line = NULL;
    size_t size = 0;
    json_t *result = NULL;
    g_autoptr (GError) local = NULL;
    ssize_t length;
    while (stream != NULL && result == NULL && local == NULL && (length = getline (&line, &size, stream)) > 0)
        result = take_line (line, (gsize)length, progress, user_data, &local);
    if (result == NULL && local == NULL)
        g_set_error (&local, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT, "the lab's supervisor ended unexpectedly");
    if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
    free (line);
    if (stream != NULL)
        fclose (stream);
    return result;
}

json_t *
control_call (const LabPaths *paths, const json_t *request, ControlProgress progress, gpointer user_data,
              GError **error)
{
    int fd = connect_to (paths, error);
    if (fd < 0)
        return NULL;
    g_autofree char *line = line_of (json_deep_copy (request));
    json_t *result = NULL;
    if (send (fd, line, strlen (line), MSG_NOSIGNAL) == (ssize_t)strlen (line))
        result = control_read (fd, progress, user_data, error);
    else
        vdc_error_set_errno (error, errno, "cannot talk to the supervisor of lab %s", paths->name);
    close (fd);
    return result;
}
