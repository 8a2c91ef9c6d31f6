/*
 * The means of this server, shared by the main loop and the workers: set up once, then never changed; every
 * module in it takes calls from any thread.
 */
#pragma once

#include "vdc/agent/cgroup.h"
#include "vdc/agent/hypervisor.h"
#include "vdc/agent/image_fetch.h"
#include "vdc/agent/volume.h"
#include "vdc/agent/wire_apply.h"

typedef struct {
    char *server;       /* name */
    char *state_folder; /* absolute */
    char *run_folder;   /* sockets: "g-…" guest channel, "c-…" console, "v-…" screen */
    char *boot_id;
    char *accel, *accel_reason;
    Disks *disks;
    ImageFetch *images; /* NULL: none are fetched (tests) */
    Cgroups *cgroups;
    Hypervisor *hypervisor;
    WireHost *wires; /* NULL: wires are pretended, with the fake hypervisor */
} Host;

/* Paths of one member. Caller frees. */
char *host_record_path (const Host *host, const char *application, const char *member);
char *host_console_path (const Host *host, const char *application, const char *member);
/* Short and of fixed length, whatever the names: a socket's path has 107 bytes. */
char *host_channel_socket (const Host *host, const char *application_id, const char *member);
char *host_console_socket (const Host *host, const char *application_id, const char *member);
char *host_screen_socket (const Host *host, const char *application_id, const char *member);
char *host_cgroup_name (const char *application_id, const char *member);

/* CPU time used on this machine since it was started, all processors together; 0: not known. */
guint64 host_cpu_us (void);
/* Load over one minute. */
double host_load (void);
/* VMs are pretended: no image is needed, nobody answers on a wire. */
gboolean host_is_fake (const Host *host);
/* "MemTotal:", "MemAvailable:": from /proc/meminfo, 0 when unknown. */
guint64 host_memory_bytes (const char *key);
