/*
 * The net thread: takes connections, keeps their number in bounds, cuts those that are late, steps those of
 * which epoll or the main loop tells.
 *
 * When there is no room, the newcomer does not have to go: the connection that has been receiving for longest
 * without a request at work does. Slow clients thus put out each other, and a quick one is never shut out by
 * them.
 */
#include "vdc/http/server_private.h"

#include "vdc/base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define SWEEP_MS 250

/* --- the set of connections -------------------------------------------------------------------------------- */

static guint
count_of (HttpServer *server, const char *address)
{
    return GPOINTER_TO_UINT (g_hash_table_lookup (server->addresses, address));
}

static void
count (HttpServer *server, const char *address, int change)
{
    guint now = count_of (server, address) + (guint)change;
    if (now == 0)
        g_hash_table_remove (server->addresses, address);
    else
        g_hash_table_replace (server->addresses, g_strdup (address), GUINT_TO_POINTER (now));
}

static void
drop (Link *link)
{
    HttpServer *server = link->server;
    http_link_detach (link); /* first: from now on nobody can wake it */
    g_mutex_lock (&server->lock);
    if (link->woken)
        g_ptr_array_remove_fast (server->woken, link);
    g_mutex_unlock (&server->lock);
    epoll_ctl (server->epoll_fd, EPOLL_CTL_DEL, link->fd, NULL);
    g_hash_table_remove (server->links, link);
    count (server, link->address, -1);
    http_link_free (link);
}

/* What it did not take in time is thrown away, in the kernel too, which would go on trying for a long while. */
static void
cut (Link *link)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt (link->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    drop (link);
}

/* One step, and what follows from it. */
static void
run (Link *link)
{
    http_link_step (link);
    if (link->state == LINK_GONE) {
        drop (link);
        return;
    }
    struct epoll_event event = {.events = http_link_events (link), .data.ptr = link};
    if (event.events != link->events)
        epoll_ctl (link->server->epoll_fd, EPOLL_CTL_MOD, link->fd, &event);
    link->events = event.events;
}

/* Of those of @address (NULL: of all). FALSE: all have work. */
static gboolean
put_out_slowest (HttpServer *server, const char *address)
{
    GHashTableIter iter;
    gpointer key;
    Link *slowest = NULL;
    g_hash_table_iter_init (&iter, server->links);
    while (g_hash_table_iter_next (&iter, &key, NULL)) {
        Link *link = key;
        if (http_link_is_idle (link) && (address == NULL || strcmp (link->address, address) == 0) &&
            (slowest == NULL || link->began_us < slowest->began_us))
            slowest = link;
    }
    if (slowest != NULL)
        drop (slowest);
    return slowest != NULL;
}

static gboolean
has_room (HttpServer *server, const char *address)
{
    if (server->address_limit > 0 && count_of (server, address) >= server->address_limit &&
        !put_out_slowest (server, address))
        return FALSE;
    return g_hash_table_size (server->links) < server->connection_limit || put_out_slowest (server, NULL);
}

/* --- accepting --------------------------------------------------------------------------------------------- */

static void
print_address (const struct sockaddr_storage *from, char *text, gsize size)
{
    const void *bytes = from->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)from)->sin_addr;
    if (inet_ntop (from->ss_family, bytes, text, (socklen_t)size) == NULL)
        g_strlcpy (text, "?", size);
}

static void
watch_listener (HttpServer *server, gboolean on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &server->listen_fd};
    epoll_ctl (server->epoll_fd, EPOLL_CTL_MOD, server->listen_fd, &event);
    server->accepting = on;
}

static void
take (HttpServer *server, int fd, const char *address)
{
    int on = 1;
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Link *link = http_link_new (server, fd, address);
    struct epoll_event event = {.events = 0, .data.ptr = link};
    g_hash_table_add (server->links, link);
    count (server, address, 1);
    if (epoll_ctl (server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        drop (link);
    else
        run (link);
}

/* Descriptors have run out: one of ours goes, else nobody is taken until the next sweep. */
static gboolean
survive (HttpServer *server, int err)
{
    if (err == EINTR || err == ECONNABORTED)
        return TRUE;
    if (err == EAGAIN)
        return FALSE;
    if ((err == EMFILE || err == ENFILE) && put_out_slowest (server, NULL))
        return TRUE;
    watch_listener (server, FALSE);
    return FALSE;
}

static void
take_all (HttpServer *server)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        char address[sizeof ((Link *)NULL)->address];
        int fd = accept4 (server->listen_fd, (struct sockaddr *)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && !survive (server, errno))
            return;
        if (fd < 0)
            continue;
        print_address (&from, address, sizeof address);
        if (has_room (server, address))
            take (server, fd, address);
        else
            close (fd);
    }
}

/* --- the loop ---------------------------------------------------------------------------------------------- */

/* Readers that take their time may keep answers of so much in memory; the one that took longest goes first.
 */
static void
cut_slow_readers (HttpServer *server)
{
    while (server->unsent_bytes > server->unsent_limit_bytes) {
        GHashTableIter iter;
        gpointer key;
        Link *slowest = NULL;
        g_hash_table_iter_init (&iter, server->links);
        while (g_hash_table_iter_next (&iter, &key, NULL))
            if (((Link *)key)->unsent_bytes > 0 &&
                (slowest == NULL || ((Link *)key)->began_us < slowest->began_us))
                slowest = key;
        if (slowest == NULL)
            return;
        cut (slowest);
    }
}

static void
sweep (HttpServer *server)
{
    gint64 now_us = g_get_monotonic_time ();
    g_autoptr (GPtrArray) late = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init (&iter, server->links);
    while (g_hash_table_iter_next (&iter, &key, NULL))
        if (((Link *)key)->deadline_us != 0 && now_us > ((Link *)key)->deadline_us)
            g_ptr_array_add (late, key);
    for (guint i = 0; i < late->len; i++)
        ((Link *)late->pdata[i])->state == LINK_LINGER ? drop (late->pdata[i]) : cut (late->pdata[i]);
    cut_slow_readers (server);
    if (!server->accepting)
        watch_listener (server, TRUE);
}

static void
on_event (Link *link, guint32 events)
{
    if (events & EPOLLRDHUP)
        http_link_left (link);
    if (events & (EPOLLHUP | EPOLLERR))
        drop (link);
    else
        run (link);
}

/* FALSE: the server stops. */
static gboolean
run_woken (HttpServer *server)
{
    guint64 times;
    g_autoptr (GPtrArray) woken = g_ptr_array_new ();
    if (read (server->wake_fd, &times, sizeof times) < 0)
        vdc_log (VDC_LOG_DEBUG, "nobody woke the net thread", NULL);
    g_mutex_lock (&server->lock);
    g_ptr_array_extend_and_steal (woken, g_steal_pointer (&server->woken));
    server->woken = g_ptr_array_new ();
    for (guint i = 0; i < woken->len; i++)
        ((Link *)woken->pdata[i])->woken = FALSE;
    gboolean stopped = server->stopped;
    g_mutex_unlock (&server->lock);
    for (guint i = 0; i < woken->len; i++)
        run (woken->pdata[i]);
    return !stopped;
}

/* Connections first: taking new ones, and waking, may end others that this batch tells of. */
static gboolean
run_batch (HttpServer *server, const struct epoll_event *events, int n)
{
    gboolean take_new = FALSE, wake = FALSE;
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == &server->listen_fd)
            take_new = TRUE;
        else if (events[i].data.ptr == &server->wake_fd)
            wake = TRUE;
        else
            on_event (events[i].data.ptr, events[i].events);
    }
    gboolean go_on = !wake || run_woken (server);
    if (go_on && take_new)
        take_all (server);
    return go_on;
}

gpointer
http_net_run (gpointer data)
{
    HttpServer *server = data;
    struct epoll_event events[EVENTS_MAX];
    gint64 swept_us = g_get_monotonic_time ();
    GHashTableIter iter;
    gpointer link;
    for (gboolean go_on = TRUE; go_on;) {
        int n = epoll_wait (server->epoll_fd, events, EVENTS_MAX, SWEEP_MS);
        go_on = run_batch (server, events, n);
        if (g_get_monotonic_time () - swept_us < SWEEP_MS * 1000)
            continue;
        sweep (server);
        swept_us = g_get_monotonic_time ();
    }
    while (g_hash_table_iter_init (&iter, server->links), g_hash_table_iter_next (&iter, &link, NULL))
        drop (link);
    return NULL;
}
