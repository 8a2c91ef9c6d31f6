/*
 * A machine of the lab: the controller's host or a server. A process (PID 1 of its own PID, mount, network,
 * UTS and IPC namespaces) that mounts what the machine sees, starts the machine's daemons and restarts those
 * that die.
 *
 * When the supervisor dies, even by kill -9, every process of the machine dies with it: the init gets SIGKILL
 * as its parent ends, and the kernel then kills all of the PID namespace.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

typedef struct Machine Machine;

/*
 * What the init is told, as a JSON file:
 *   {"name":"s1","logs":DIR,"env":{NAME:VALUE},
 *    "mounts":[{"source":PATH,"target":PATH,"read_only":false}…],   in this order; targets below /run are
 * made "cgroups":[{"source":PATH,"target":"cpu"}…],                   below /run/vdc/cgroup
 *    "daemons":[{"name":"vdcd","argv":[…]}…]}
 * The host's /run is hidden by an empty one, /sys/fs/cgroup too; /proc and /sys show the machine's own
 * namespaces.
 */
typedef void (*MachineEnded) (Machine *machine, gpointer user_data);

/*
 * Start the init; it waits for machine_go, so that its interfaces can be made first. @ended is called on the
 * main loop once every process of the machine is gone. Call it from the main thread (the init dies with the
 * thread). NULL and @error on failure.
 */
Machine *machine_start (const char *name, const char *settings_file, MachineEnded ended, gpointer user_data,
                        GError **error);
void machine_go (Machine *machine);
/* Ask the daemons to end, then everything is killed; @ended follows within about 3 s. */
void machine_stop (Machine *machine);
/* As pulling the power cord; @ended follows at once. */
void machine_kill (Machine *machine);
/* Only after @ended was called. */
void machine_free (Machine *machine);

const char *machine_name (const Machine *machine);
GPid machine_pid (const Machine *machine);
/* [{"pid":1234,"name":"vdc-agent"}…]: the machine's processes by the pids of the host, init left out. */
json_t *machine_processes (const Machine *machine);

/*
 * For a supervisor that was killed: its machines die with it, but a moment later. The number that names the
 * machine's PID namespace is written down, and waited for by the next start.
 */
guint64 machine_namespace (const Machine *machine);
/* Until no process of that namespace is left; FALSE after @timeout_ms. */
gboolean machine_namespace_wait (guint64 pid_namespace, guint timeout_ms);

/* The init itself: runs as PID 1 of the machine. Returns the exit status. */
int machine_init_main (const char *settings_file);

#define MACHINE_LIFELINE_FD 3 /* in the init: one byte = go; end of file = die */
#define MACHINE_CGROUP_ROOT "/run/vdc/cgroup"
