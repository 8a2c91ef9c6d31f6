/*
 * libvirt calls these functions from any thread and may remove a handle from within its own callback. Rules
 * of its interface kept here: a removed handle's callback is never called again, its free function is called
 * later, from the loop, never from within remove.
 */
#include "vdc/agent/libvirt_loop.h"

#include <glib-unix.h>
#include <libvirt/libvirt.h>

typedef struct {
    int id;
    GSource *source; /* NULL while switched off */
    int fd;          /* -1: a timer */
    virEventHandleCallback on_fd;
    virEventTimeoutCallback on_time;
    void *opaque;
    virFreeCallback free_opaque;
} Watch;

static GMutex lock;
static GHashTable *watches; /* id → Watch */
static int next_id = 1;

/* Copies what the callback needs: without the lock a watch may vanish. */
static gboolean
look_up (int id, Watch *copy)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    Watch *watch = g_hash_table_lookup (watches, GINT_TO_POINTER (id));
    if (watch != NULL)
        *copy = *watch;
    return watch != NULL;
}

static gboolean
fd_ready (int fd, GIOCondition condition, gpointer id)
{
    Watch watch;
    int events = (condition & G_IO_IN ? VIR_EVENT_HANDLE_READABLE : 0) |
                 (condition & G_IO_OUT ? VIR_EVENT_HANDLE_WRITABLE : 0) |
                 (condition & G_IO_ERR ? VIR_EVENT_HANDLE_ERROR : 0) |
                 (condition & G_IO_HUP ? VIR_EVENT_HANDLE_HANGUP : 0);

    if (look_up (GPOINTER_TO_INT (id), &watch))
        watch.on_fd (watch.id, watch.fd, events, watch.opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean
time_passed (gpointer id)
{
    Watch watch;
    if (look_up (GPOINTER_TO_INT (id), &watch))
        watch.on_time (watch.id, watch.opaque);
    return G_SOURCE_CONTINUE;
}

static void
switch_off (Watch *watch)
{
    if (watch->source == NULL)
        return;
    g_source_destroy (watch->source);
    g_clear_pointer (&watch->source, g_source_unref);
}

static void
switch_on (Watch *watch, GSource *source, GSourceFunc callback)
{
    switch_off (watch);
    watch->source = source;
    g_source_set_callback (source, callback, GINT_TO_POINTER (watch->id), NULL);
    g_source_attach (source, NULL);
}

static void
set_fd (Watch *watch, int events)
{
    GIOCondition condition = (events & VIR_EVENT_HANDLE_READABLE ? G_IO_IN : 0) |
                             (events & VIR_EVENT_HANDLE_WRITABLE ? G_IO_OUT : 0);

    if (events == 0)
        switch_off (watch);
    else
        switch_on (watch, g_unix_fd_source_new (watch->fd, condition | G_IO_ERR | G_IO_HUP),
                   G_SOURCE_FUNC (fd_ready));
}

static void
set_time (Watch *watch, int milliseconds)
{
    if (milliseconds < 0)
        switch_off (watch);
    else
        switch_on (watch, g_timeout_source_new ((guint)milliseconds), time_passed);
}

static Watch *
add (int fd, void *opaque, virFreeCallback free_opaque)
{
    Watch *watch = g_new0 (Watch, 1);
    watch->id = next_id++;
    watch->fd = fd;
    watch->opaque = opaque;
    watch->free_opaque = free_opaque;
    g_hash_table_insert (watches, GINT_TO_POINTER (watch->id), watch);
    return watch;
}

static int
add_handle (int fd, int events, virEventHandleCallback callback, void *opaque, virFreeCallback free_opaque)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    Watch *watch = add (fd, opaque, free_opaque);
    watch->on_fd = callback;
    set_fd (watch, events);
    return watch->id;
}

static void
update_handle (int id, int events)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    Watch *watch = g_hash_table_lookup (watches, GINT_TO_POINTER (id));
    if (watch != NULL)
        set_fd (watch, events);
}

static int
add_timeout (int milliseconds, virEventTimeoutCallback callback, void *opaque, virFreeCallback free_opaque)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    Watch *watch = add (-1, opaque, free_opaque);
    watch->on_time = callback;
    set_time (watch, milliseconds);
    return watch->id;
}

static void
update_timeout (int id, int milliseconds)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    Watch *watch = g_hash_table_lookup (watches, GINT_TO_POINTER (id));
    if (watch != NULL)
        set_time (watch, milliseconds);
}

static gboolean
free_later (gpointer data)
{
    Watch *watch = data;
    if (watch->free_opaque != NULL)
        watch->free_opaque (watch->opaque);
    g_free (watch);
    return G_SOURCE_REMOVE;
}

static int
remove_watch (int id)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    Watch *watch = g_hash_table_lookup (watches, GINT_TO_POINTER (id));

    if (watch == NULL)
        return -1;
    g_hash_table_remove (watches, GINT_TO_POINTER (id));
    switch_off (watch);
    g_idle_add (free_later, watch);
    return 0;
}

void
libvirt_loop_register (void)
{
    static gsize done = 0;

    if (!g_once_init_enter (&done))
        return;
    watches = g_hash_table_new (NULL, NULL);
    virEventRegisterImpl (add_handle, update_handle, remove_watch, add_timeout, update_timeout, remove_watch);
    g_once_init_leave (&done, 1);
}
