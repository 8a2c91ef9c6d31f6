#include "vdc/guest/loop.h"
#include "vdc/guest/util.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Watch {
    struct Watch *next;
    int fd;
    bool dead;
    LoopFdFunction function;
    void *context;
} Watch;

typedef struct Timer {
    struct Timer *next;
    unsigned id;
    int64_t due_ms;
    LoopTimerFunction function;
    void *context;
} Timer;

typedef struct Child {
    struct Child *next;
    pid_t pid;
    LoopChildFunction function;
    void *context;
} Child;

static int epoll_fd;
static bool running;
static Watch *watches;
static Timer *timers;
static Child *children;
static unsigned last_timer;

static Child *
take_child (pid_t pid)
{
    for (Child **link = &children; *link; link = &(*link)->next) {
        if ((*link)->pid == pid) {
            Child *child = *link;

            *link = child->next;
            return child;
        }
    }
    return NULL;
}

static void
on_signal (int fd, uint32_t events, void *context)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int status;

    while (read (fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            loop_quit ();
    }
    while ((pid = waitpid (-1, &status, WNOHANG)) > 0) {
        Child *child = take_child (pid);

        if (child)
            child->function (pid, status, child->context);
        free (child);
    }
}

void
loop_init (void)
{
    sigset_t signals;

    epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    sigemptyset (&signals);
    sigaddset (&signals, SIGCHLD);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    sigprocmask (SIG_BLOCK, &signals, NULL);
    signal (SIGPIPE, SIG_IGN);
    loop_watch (signalfd (-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN, on_signal, NULL);
}

void
loop_watch (int fd, uint32_t events, LoopFdFunction function, void *context)
{
    Watch *watch = util_alloc (sizeof *watch);

    *watch = (Watch){.next = watches, .fd = fd, .function = function, .context = context};
    watches = watch;
    if (epoll_ctl (epoll_fd, EPOLL_CTL_ADD, fd,
                   &(struct epoll_event){.events = events, .data = {.ptr = watch}}) < 0)
        guest_log ("cannot watch descriptor %d", fd);
}

static Watch *
find_watch (int fd)
{
    for (Watch *watch = watches; watch; watch = watch->next) {
        if (watch->fd == fd && !watch->dead)
            return watch;
    }
    return NULL;
}

void
loop_rewatch (int fd, uint32_t events)
{
    Watch *watch = find_watch (fd);

    if (watch)
        epoll_ctl (epoll_fd, EPOLL_CTL_MOD, fd,
                   &(struct epoll_event){.events = events, .data = {.ptr = watch}});
}

/* Freed later: an event for it may already be in the batch that is being handled. */
void
loop_unwatch (int fd)
{
    Watch *watch = find_watch (fd);

    if (!watch)
        return;
    watch->dead = true;
    epoll_ctl (epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void
free_dead_watches (void)
{
    for (Watch **link = &watches; *link;) {
        Watch *watch = *link;

        if (watch->dead) {
            *link = watch->next;
            free (watch);
        } else {
            link = &watch->next;
        }
    }
}

unsigned
loop_timer (int64_t delay_ms, LoopTimerFunction function, void *context)
{
    Timer *timer = util_alloc (sizeof *timer);
    Timer **link = &timers;

    timer->id = ++last_timer;
    timer->due_ms = monotonic_ms () + delay_ms;
    timer->function = function;
    timer->context = context;
    while (*link && (*link)->due_ms <= timer->due_ms)
        link = &(*link)->next;
    timer->next = *link;
    *link = timer;
    return timer->id;
}

void
loop_cancel (unsigned id)
{
    for (Timer **link = &timers; *link; link = &(*link)->next) {
        Timer *timer = *link;

        if (timer->id == id) {
            *link = timer->next;
            free (timer);
            return;
        }
    }
}

void
loop_child (pid_t pid, LoopChildFunction function, void *context)
{
    Child *child = util_alloc (sizeof *child);

    *child = (Child){.next = children, .pid = pid, .function = function, .context = context};
    children = child;
}

void
loop_forget_child (pid_t pid)
{
    free (take_child (pid));
}

static void
run_due_timers (void)
{
    while (running && timers && timers->due_ms <= monotonic_ms ()) {
        Timer *timer = timers;

        timers = timer->next;
        timer->function (timer->context);
        free (timer);
    }
}

static int
wait_time_ms (void)
{
    int64_t left;

    if (!timers)
        return -1;
    left = timers->due_ms - monotonic_ms ();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

void
loop_run (void)
{
    running = true;
    while (running) {
        struct epoll_event events[16];
        int count = epoll_wait (epoll_fd, events, 16, wait_time_ms ());

        for (int i = 0; i < count && running; i++) {
            Watch *watch = events[i].data.ptr;

            if (!watch->dead)
                watch->function (watch->fd, events[i].events, watch->context);
        }
        free_dead_watches ();
        run_due_timers ();
    }
}

void
loop_quit (void)
{
    running = false;
}
