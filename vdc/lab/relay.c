#include "vdc/lab/relay.h"

#include "vdc/base/error.h"
#include "vdc/base/log.h"
#include "vdc/lab/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (128 * 1024)

struct Relay {
    int netns;
    GHashTable *listeners;   /* local port → Listener */
    GHashTable *connections; /* set of Connection */
    guint most;              /* connections */
    gboolean paused;         /* so many: listeners are not watched */
};

typedef struct {
    Relay *relay;
    int fd;
    guint watch;
    guint16 local_port;
    struct sockaddr_in target;
} Listener;

/* One direction: what was read from one end and is not yet written to the other. */
typedef struct {
    char *data;
    gsize start, end;  /* data[start, end) waits */
    gboolean finished; /* the reading side has ended */
    gboolean closed;   /* and the writing side was told */
} Flow;

typedef struct {
    GSource source; /* first: GLib allocates the whole */
    Relay *relay;
    int near_fd, far_fd;
    gpointer near_tag, far_tag;
    gboolean connecting;
    Flow up, down; /* near → far, far → near */
} Connection;

static void watch_listeners (Relay *relay, gboolean on);

static gsize
flow_waiting (const Flow *flow)
{
    return flow->end - flow->start;
}

static gboolean
flow_has_room (const Flow *flow)
{
    return !flow->finished && flow_waiting (flow) < BUFFER_BYTES;
}

/* FALSE: the connection is broken. */
static gboolean
flow_read (Flow *flow, int from)
{
    if (flow->start > 0) {
        memmove (flow->data, flow->data + flow->start, flow_waiting (flow));
        flow->end -= flow->start;
        flow->start = 0;
    }
    ssize_t n = recv (from, flow->data + flow->end, BUFFER_BYTES - flow->end, 0);
    if (n > 0)
        flow->end += (gsize)n;
    else if (n == 0)
        flow->finished = TRUE;
    else
        return errno == EAGAIN || errno == EINTR;
    return TRUE;
}

static gboolean
flow_write (Flow *flow, int to)
{
    if (flow_waiting (flow) > 0) {
        ssize_t n = send (to, flow->data + flow->start, flow_waiting (flow), MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        flow->start += (gsize)n;
    }
    if (flow->finished && flow_waiting (flow) == 0 && !flow->closed) {
        flow->closed = TRUE;
        shutdown (to, SHUT_WR);
    }
    return TRUE;
}

static void
reset (int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt (fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void
connection_end (Connection *connection, gboolean broken)
{
    if (broken) {
        reset (connection->near_fd);
        reset (connection->far_fd);
    }
    Relay *relay = connection->relay;
    g_source_destroy (&connection->source);
    g_hash_table_remove (relay->connections, connection);
    if (relay->paused)
        watch_listeners (relay, TRUE);
}

static gboolean
finish_connect (Connection *connection, GIOCondition far)
{
    int err = 0;
    socklen_t length = sizeof err;
    if (far == 0)
        return TRUE;
    if (getsockopt (connection->far_fd, SOL_SOCKET, SO_ERROR, &err, &length) != 0 || err != 0)
        return FALSE;
    connection->connecting = (far & G_IO_OUT) == 0;
    return TRUE;
}

/* FALSE: broken. */
static gboolean
connection_move (Connection *connection, GIOCondition near, GIOCondition far)
{
    if (((near | far) & G_IO_ERR) != 0 || (connection->connecting && !finish_connect (connection, far)))
        return FALSE;
    if ((near & (G_IO_IN | G_IO_HUP | G_IO_ERR)) && flow_has_room (&connection->up) &&
        !flow_read (&connection->up, connection->near_fd))
        return FALSE;
    if (connection->connecting)
        return TRUE;
    if ((far & (G_IO_IN | G_IO_HUP | G_IO_ERR)) && flow_has_room (&connection->down) &&
        !flow_read (&connection->down, connection->far_fd))
        return FALSE;
    return flow_write (&connection->up, connection->far_fd) &&
           flow_write (&connection->down, connection->near_fd);
}

static GIOCondition
wanted (const Flow *reads, const Flow *writes)
{
    return (flow_has_room (reads) ? G_IO_IN : 0) | (flow_waiting (writes) > 0 ? G_IO_OUT : 0);
}

/*
 * An end whose two directions are over is no longer watched: poll reports a hang-up whatever is asked for,
 * and the loop would spin until the other end has taken the rest.
 */
static void
watch_end (Connection *connection, gpointer *tag, const Flow *reads, const Flow *writes, gboolean connecting)
{
    if (*tag == NULL)
        return;
    if (reads->finished && writes->closed)
        g_source_remove_unix_fd (&connection->source, g_steal_pointer (tag));
    else
        g_source_modify_unix_fd (&connection->source, *tag, connecting ? G_IO_OUT : wanted (reads, writes));
}

static void
connection_watch (Connection *connection)
{
    watch_end (connection, &connection->near_tag, &connection->up, &connection->down, FALSE);
    watch_end (connection, &connection->far_tag, &connection->down, &connection->up, connection->connecting);
}

static GIOCondition
events_of (Connection *connection, gpointer tag)
{
    return tag != NULL ? g_source_query_unix_fd (&connection->source, tag) : 0;
}

static gboolean
connection_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
    Connection *connection = (Connection *)source;
    GIOCondition near = events_of (connection, connection->near_tag);
    GIOCondition far = events_of (connection, connection->far_tag);
    if (!connection_move (connection, near, far)) {
        connection_end (connection, TRUE);
        return G_SOURCE_REMOVE;
    }
    if (connection->up.closed && connection->down.closed) {
        connection_end (connection, FALSE);
        return G_SOURCE_REMOVE;
    }
    connection_watch (connection);
    return G_SOURCE_CONTINUE;
}

static void
connection_finalize (GSource *source)
{
    Connection *connection = (Connection *)source;
    close (connection->near_fd);
    close (connection->far_fd);
    g_free (connection->up.data);
    g_free (connection->down.data);
}

static GSourceFuncs connection_funcs = {.dispatch = connection_dispatch, .finalize = connection_finalize};

/* Owns both descriptors. */
static void
connection_new (Relay *relay, int near_fd, int far_fd)
{
    GSource *source = g_source_new (&connection_funcs, sizeof (Connection));
    Connection *connection = (Connection *)source;
    connection->relay = relay;
    connection->near_fd = near_fd;
    connection->far_fd = far_fd;
    connection->connecting = TRUE;
    connection->up.data = g_malloc (BUFFER_BYTES);
    connection->down.data = g_malloc (BUFFER_BYTES);
    connection->near_tag = g_source_add_unix_fd (source, near_fd, G_IO_IN);
    connection->far_tag = g_source_add_unix_fd (source, far_fd, G_IO_OUT);
    g_hash_table_add (relay->connections, connection);
    g_source_attach (source, NULL);
}

static void
tune (int fd)
{
    int on = 1;
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static gboolean
on_accept (int fd, GIOCondition condition, gpointer user_data)
{
    Listener *listener = user_data;
    Relay *relay = listener->relay;
    int near_fd = accept4 (fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (near_fd < 0)
        return G_SOURCE_CONTINUE;
    int far_fd = netns_socket (relay->netns);
    if (far_fd < 0 || (connect (far_fd, (struct sockaddr *)&listener->target, sizeof listener->target) != 0 &&
                       errno != EINPROGRESS)) {
        reset (near_fd);
        close (near_fd);
        if (far_fd >= 0)
            close (far_fd);
        return G_SOURCE_CONTINUE;
    }
    tune (near_fd);
    tune (far_fd);
    connection_new (relay, near_fd, far_fd);
    if (g_hash_table_size (relay->connections) < relay->most)
        return G_SOURCE_CONTINUE;
    watch_listeners (relay, FALSE);
    return G_SOURCE_CONTINUE;
}

static void
watch_listeners (Relay *relay, gboolean on)
{
    GHashTableIter iter;
    gpointer value;
    relay->paused = !on;
    g_hash_table_iter_init (&iter, relay->listeners);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
        Listener *listener = value;
        if (on && listener->watch == 0)
            listener->watch = g_unix_fd_add (listener->fd, G_IO_IN, on_accept, listener);
        if (!on)
            g_clear_handle_id (&listener->watch, g_source_remove);
    }
}

static void
listener_free (gpointer data)
{
    Listener *listener = data;
    g_clear_handle_id (&listener->watch, g_source_remove);
    close (listener->fd);
    g_free (listener);
}

static int
listen_on (guint16 local_port, GError **error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons (local_port)};
    int on = 1;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind (fd, (struct sockaddr *)&address, sizeof address) == 0 && listen (fd, 256) == 0)
        return fd;
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "cannot listen on 127.0.0.1:%u: %s", local_port,
                 g_strerror (errno));
    if (fd >= 0)
        close (fd);
    return -1;
}

/* An accept that fails for want of a descriptor would be tried again at once, for ever. */
static guint
connections_most (void)
{
    struct rlimit files;
    if (getrlimit (RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return RELAY_CONNECTIONS_MAX;
    gint64 most = ((gint64)MIN (files.rlim_cur, G_MAXINT) - RELAY_OTHER_FILES) / 2;
    return (guint)CLAMP (most, 1, RELAY_CONNECTIONS_MAX);
}

Relay *
relay_new (int netns)
{
    Relay *relay = g_new0 (Relay, 1);
    relay->most = connections_most ();
    relay->netns = netns;
    relay->listeners = g_hash_table_new_full (NULL, NULL, NULL, listener_free);
    relay->connections = g_hash_table_new_full (NULL, NULL, (GDestroyNotify)g_source_unref, NULL);
    return relay;
}

void
relay_free (Relay *relay)
{
    if (relay == NULL)
        return;
    g_hash_table_destroy (relay->listeners);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init (&iter, relay->connections);
    while (g_hash_table_iter_next (&iter, &key, NULL))
        g_source_destroy (key);
    g_hash_table_destroy (relay->connections);
    g_free (relay);
}

gboolean
relay_add (Relay *relay, guint16 local_port, const char *address, guint16 port, GError **error)
{
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons (port)};
    if (inet_pton (AF_INET, address, &target.sin_addr) != 1) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "'%s' is no IPv4 address", address);
        return FALSE;
    }
    Listener *listener = g_hash_table_lookup (relay->listeners, GUINT_TO_POINTER ((guint)local_port));
    if (listener != NULL) {
        listener->target = target;
        return TRUE;
    }
    int fd = listen_on (local_port, error);
    if (fd < 0)
        return FALSE;
    listener = g_new0 (Listener, 1);
    *listener = (Listener){.relay = relay, .fd = fd, .local_port = local_port, .target = target};
    if (!relay->paused)
        listener->watch = g_unix_fd_add (fd, G_IO_IN, on_accept, listener);
    g_hash_table_insert (relay->listeners, GUINT_TO_POINTER ((guint)local_port), listener);
    return TRUE;
}

void
relay_remove (Relay *relay, guint16 local_port)
{
    g_hash_table_remove (relay->listeners, GUINT_TO_POINTER ((guint)local_port));
}

gboolean
relay_has (const Relay *relay, guint16 local_port)
{
    return g_hash_table_contains (relay->listeners, GUINT_TO_POINTER ((guint)local_port));
}

GList *
relay_ports (const Relay *relay)
{
    return g_hash_table_get_keys (relay->listeners);
}
