/* The one loop of vdc-guest: descriptors (epoll), timers, ended children. Single thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

typedef void (*LoopFdFunction) (int fd, uint32_t events, void *context);
typedef void (*LoopTimerFunction) (void *context);
typedef void (*LoopChildFunction) (pid_t pid, int status, void *context);

void loop_init (void);
/* Until loop_quit. */
void loop_run (void);
void loop_quit (void);

/* @events as for epoll; the function is called with what came. One watch per descriptor. */
void loop_watch (int fd, uint32_t events, LoopFdFunction function, void *context);
void loop_rewatch (int fd, uint32_t events);
void loop_unwatch (int fd);

/* Once, after @delay_ms; returns an id > 0. Cancelling 0 or an id that has fired does nothing. */
unsigned loop_timer (int64_t delay_ms, LoopTimerFunction function, void *context);
void loop_cancel (unsigned timer);

/* Called once when the child ends. */
void loop_child (pid_t pid, LoopChildFunction function, void *context);
void loop_forget_child (pid_t pid);
