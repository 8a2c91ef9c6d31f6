#include "vdc/agent/console.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_LIMIT_BYTES (64 * 1024)
#define CHUNK_BYTES 16384
#define TAIL_TEXT_BYTES 16384
/* A connected console must be read, or QEMU waits: it is kept only while somebody types. */
#define INPUT_IDLE_S 30

struct Console {
    char *log_path, *socket_path;
    GList *followers; /* of ConsoleFollower */
    int notify_fd;
    guint notify_source;
    int input_fd;
    guint input_read, input_write, input_idle;
    GByteArray *input;
};

struct ConsoleFollower {
    Console *console;
    ConsoleData data;
    GDestroyNotify ended;
    gpointer user_data;
    off_t offset;
    gboolean held;
};

static char *
old_path (const char *log_path)
{
    return g_strconcat (log_path, ".1", NULL);
}

Console *
console_new (const char *log_path, const char *socket_path)
{
    Console *console = g_new0 (Console, 1);
    g_autofree char *folder = g_path_get_dirname (log_path);

    console->log_path = g_strdup (log_path);
    console->socket_path = g_strdup (socket_path);
    console->notify_fd = -1;
    console->input_fd = -1;
    console->input = g_byte_array_new ();
    file_make_folder (folder, 0700, NULL);
    int fd = open (log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0)
        close (fd);
    return console;
}

/* --- the record -------------------------------------------------------------------------------------------- */

/* Appends the last @bytes of the file to @into. */
static void
read_end (const char *path, gsize bytes, GByteArray *into)
{
    struct stat info;
    int fd = open (path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && fstat (fd, &info) == 0 && info.st_size > 0) {
        gsize wanted = MIN (bytes, (gsize)info.st_size);
        guint before = into->len;
        g_byte_array_set_size (into, before + (guint)wanted);
        ssize_t n = pread (fd, into->data + before, wanted, info.st_size - (off_t)wanted);
        g_byte_array_set_size (into, before + (guint)MAX (n, 0));
    }
    if (fd >= 0)
        close (fd);
}

GBytes *
console_tail (Console *console, gsize bytes)
{
    g_autofree char *old = old_path (console->log_path);
    struct stat info = {0};
    GByteArray *tail = g_byte_array_new ();

    stat (console->log_path, &info);
    bytes = MIN (bytes, 2 * CONSOLE_FILE_BYTES);
    if ((gsize)info.st_size < bytes)
        read_end (old, bytes - (gsize)info.st_size, tail);
    read_end (console->log_path, bytes, tail);
    return g_byte_array_free_to_bytes (tail);
}

char *
console_tail_text (Console *console, guint lines)
{
    g_autoptr (GBytes) tail = console_tail (console, TAIL_TEXT_BYTES);
    gsize length = 0;
    const char *data = g_bytes_get_data (tail, &length);
    g_autofree char *valid = g_utf8_make_valid (data ? data : "", (gssize)length);
    char *to = valid;

    for (const char *from = valid; *from; from++)
        if ((guchar)*from >= 0x20 || *from == '\n' || *from == '\t')
            *to++ = *from;
    *to = '\0';
    g_strchomp (valid);
    const char *begin = valid + strlen (valid);
    for (guint i = 0; begin > valid; begin--)
        if (begin[-1] == '\n' && ++i == lines)
            break;
    return g_strdup (begin);
}

void
console_rotate (Console *console)
{
    struct stat info;
    g_autofree char *old = old_path (console->log_path);
    g_autofree char *content = NULL;
    gsize length = 0;

    if (stat (console->log_path, &info) != 0 || info.st_size <= CONSOLE_FILE_BYTES)
        return;
    /*
     * QEMU holds the file open for appending: it is copied and cut, never renamed. What QEMU writes between
     * the two is lost; a guest that floods its console loses lines here, and only such a one.
     */
    GByteArray *end = g_byte_array_new ();
    read_end (console->log_path, CONSOLE_FILE_BYTES, end);
    length = end->len;
    content = (char *)g_byte_array_free (end, FALSE);
    /* Not synced: a guest that floods its console would make the main loop wait for the disk every second. */
    if (truncate (console->log_path, 0) == 0)
        g_file_set_contents_full (old, content, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0600, NULL);
}

void
console_remove_files (const char *log_path)
{
    g_autofree char *old = old_path (log_path);
    g_autofree char *folder = g_path_get_dirname (log_path);
    unlink (log_path);
    unlink (old);
    rmdir (folder);
}

/* --- following --------------------------------------------------------------------------------------------- */

static void
pump (ConsoleFollower *follower)
{
    struct stat info;
    char buffer[CHUNK_BYTES];
    int fd = open (follower->console->log_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (fstat (fd, &info) == 0 && info.st_size < follower->offset)
        follower->offset = 0; /* was cut */
    while (!follower->held) {
        ssize_t n = pread (fd, buffer, sizeof buffer, follower->offset);
        if (n <= 0)
            break;
        follower->offset += n;
        follower->held = !follower->data (buffer, (gsize)n, follower->user_data);
    }
    close (fd);
}

static gboolean
file_changed (int fd, GIOCondition condition, gpointer user_data)
{
    Console *console = user_data;
    char events[4096];

    while (read (fd, events, sizeof events) > 0)
        ;
    for (GList *item = console->followers, *next; item != NULL; item = next) {
        next = item->next;
        pump (item->data);
    }
    return G_SOURCE_CONTINUE;
}

static void
watch (Console *console)
{
    if (console->notify_fd >= 0)
        return;
    console->notify_fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
    if (console->notify_fd < 0)
        return;
    inotify_add_watch (console->notify_fd, console->log_path, IN_MODIFY);
    console->notify_source = g_unix_fd_add (console->notify_fd, G_IO_IN, file_changed, console);
}

static void
unwatch (Console *console)
{
    g_clear_handle_id (&console->notify_source, g_source_remove);
    if (console->notify_fd >= 0)
        close (console->notify_fd);
    console->notify_fd = -1;
}

ConsoleFollower *
console_follow (Console *console, ConsoleData data, GDestroyNotify ended, gpointer user_data)
{
    struct stat info = {0};
    ConsoleFollower *follower = g_new0 (ConsoleFollower, 1);

    watch (console);
    stat (console->log_path, &info);
    *follower = (ConsoleFollower){console, data, ended, user_data, info.st_size, FALSE};
    console->followers = g_list_prepend (console->followers, follower);
    return follower;
}

void
console_follower_resume (ConsoleFollower *follower)
{
    follower->held = FALSE;
    pump (follower);
}

void
console_unfollow (ConsoleFollower *follower)
{
    Console *console = follower->console;
    console->followers = g_list_remove (console->followers, follower);
    g_free (follower);
    if (console->followers == NULL)
        unwatch (console);
}

/* --- typing ------------------------------------------------------------------------------------------------ */

static void
close_input (Console *console)
{
    g_clear_handle_id (&console->input_read, g_source_remove);
    g_clear_handle_id (&console->input_write, g_source_remove);
    g_clear_handle_id (&console->input_idle, g_source_remove);
    if (console->input_fd >= 0)
        close (console->input_fd);
    console->input_fd = -1;
    g_byte_array_set_size (console->input, 0);
}

/* The file has it already. */
static gboolean
drop_output (int fd, GIOCondition condition, gpointer user_data)
{
    Console *console = user_data;
    char buffer[CHUNK_BYTES];
    ssize_t n = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return G_SOURCE_CONTINUE;
    console->input_read = 0;
    close_input (console);
    return G_SOURCE_REMOVE;
}

static gboolean
can_type (int fd, GIOCondition condition, gpointer user_data)
{
    Console *console = user_data;
    ssize_t n = send (fd, console->input->data, console->input->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        console->input_write = 0;
        close_input (console);
        return G_SOURCE_REMOVE;
    }
    if (n > 0)
        g_byte_array_remove_range (console->input, 0, (guint)n);
    if (console->input->len > 0)
        return G_SOURCE_CONTINUE;
    console->input_write = 0;
    return G_SOURCE_REMOVE;
}

static gboolean
nobody_types (gpointer user_data)
{
    Console *console = user_data;
    console->input_idle = 0;
    close_input (console);
    return G_SOURCE_REMOVE;
}

static gboolean
open_input (Console *console, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (console->input_fd >= 0)
        return TRUE;
    g_strlcpy (address.sun_path, console->socket_path, sizeof address.sun_path);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect (fd, (struct sockaddr *)&address, sizeof address) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "the console takes no input: %s",
                     g_strerror (errno));
        if (fd >= 0)
            close (fd);
        return FALSE;
    }
    console->input_fd = fd;
    console->input_read = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, drop_output, console);
    return TRUE;
}

gboolean
console_input (Console *console, const void *data, gsize length, GError **error)
{
    if (!open_input (console, error))
        return FALSE;
    if (console->input->len + length > INPUT_LIMIT_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE,
                     "the console does not take input so fast; at most %d bytes wait", INPUT_LIMIT_BYTES);
        return FALSE;
    }
    g_byte_array_append (console->input, data, (guint)length);
    if (console->input_write == 0 && console->input->len > 0)
        console->input_write = g_unix_fd_add (console->input_fd, G_IO_OUT, can_type, console);
    g_clear_handle_id (&console->input_idle, g_source_remove);
    console->input_idle = g_timeout_add_seconds (INPUT_IDLE_S, nobody_types, console);
    return TRUE;
}

void
console_free (Console *console)
{
    if (console == NULL)
        return;
    while (console->followers != NULL) {
        ConsoleFollower *follower = console->followers->data;
        GDestroyNotify ended = follower->ended;
        gpointer user_data = follower->user_data;
        console_unfollow (follower);
        if (ended != NULL)
            ended (user_data);
    }
    unwatch (console);
    close_input (console);
    g_byte_array_unref (console->input);
    g_free (console->log_path);
    g_free (console->socket_path);
    g_free (console);
}
