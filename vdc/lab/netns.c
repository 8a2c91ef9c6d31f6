#include "vdc/lab/netns.h"

#include "vdc/base/command.h"
#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Work done on a thread of its own, since namespaces belong to threads; the thread ends with the work. */
typedef struct {
    int netns; /* to enter; -1: make a new one */
    const char *lines;
    int result;
    GError *error;
} Work;

static int
open_own_namespace (GError **error)
{
    int fd = open ("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        vdc_error_set_errno (error, errno, "cannot open a network namespace");
    return fd;
}

static gboolean
write_setting (const char *path, const char *value)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return FALSE;
    gboolean ok = write (fd, value, 1) == 1;
    close (fd);
    return ok;
}

/* A kernel without IPv6 has no such files: nothing to switch off then. */
static void
switch_ipv6_off (void)
{
    write_setting ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    write_setting ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

static gpointer
work_new (gpointer data)
{
    Work *work = data;
    work->result = -1;
    if (unshare (CLONE_NEWNET) != 0) {
        vdc_error_set_errno (&work->error, errno, "cannot make a network namespace");
        return NULL;
    }
    work->result = open_own_namespace (&work->error);
    return NULL;
}

static gpointer
work_ip (gpointer data)
{
    static const char *const argv[] = {"ip", "-batch", "-", NULL};
    Work *work = data;
    work->result = -1;
    if (setns (work->netns, CLONE_NEWNET) != 0) {
        vdc_error_set_errno (&work->error, errno, "cannot enter a network namespace");
        return NULL;
    }
    switch_ipv6_off ();
    if (command_run (argv, work->lines, NULL, 20000, &work->error))
        work->result = 0;
    return NULL;
}

static gboolean
work_run (Work *work, GThreadFunc func, GError **error)
{
    g_thread_join (g_thread_new ("netns", func, work));
    if (work->error != NULL)
        g_propagate_error (error, g_steal_pointer (&work->error));
    return work->result >= 0;
}

int
netns_new (GError **error)
{
    Work work = {-1, NULL, -1, NULL};
    if (!work_run (&work, work_new, error))
        return -1;
    if (!netns_prepare (work.result, error)) {
        close (work.result);
        return -1;
    }
    return work.result;
}

int
netns_of_process (GPid pid, GError **error)
{
    char path[64];
    snprintf (path, sizeof path, "/proc/%d/ns/net", (int)pid);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        vdc_error_set_errno (error, errno, "cannot open %s", path);
    return fd;
}

gboolean
netns_ip (int netns, const char *lines, GError **error)
{
    Work work = {netns, lines, -1, NULL};
    return work_run (&work, work_ip, error);
}

gboolean
netns_prepare (int netns, GError **error)
{
    return netns_ip (netns, "link set lo up\n", error);
}

int
netns_socket (int netns)
{
    int home = open ("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return -1;
    int fd = -1, err = 0;
    if (setns (netns, CLONE_NEWNET) == 0) {
        fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        err = errno;
        /* Staying in the wrong namespace would make every later listener unreachable. */
        if (setns (home, CLONE_NEWNET) != 0)
            g_error ("cannot return to the own network namespace: %s", g_strerror (errno));
    } else {
        err = errno;
    }
    close (home);
    errno = err;
    return fd;
}
