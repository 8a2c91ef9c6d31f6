/*
 * The parts of an instance among themselves: instance.c (moves), instance_outcome.c (what became of them),
 * instance_record.c (disk and report), instance_guest.c (channel), instance_job.c (workers). Main loop only,
 * unless said otherwise.
 */
#pragma once

#include "vdc/agent/guest_state.h"
#include "vdc/agent/instance.h"

typedef struct InstanceWatch InstanceWatch;

typedef enum { DELETE_NOT, DELETE_KEEP_ROOT, DELETE_ALL } Deleting;

struct Instance {
    const Host *host;
    InstanceListener listener;
    char *uuid;
    Spec *spec;  /* what shall be */
    Spec *wired; /* whose wires lie; NULL: not known */
    VmState vm;
    gint64 have;
    gboolean known, busy, dirty, waiting, wires_failed;
    gboolean limits_stale; /* of the running VM: a worker was busy with something else */
    gboolean gone;         /* deleted, its record with it; only its listener does not know yet */
    Deleting deleting;
    gint64 moved_us;
    char *since;
    char *exit;    /* NULL, "crashed", "shutdown" */
    json_t *error; /* {"step","code","message","remedy"}, NULL for none */
    char *tail;
    char *died_early; /* an end seen while still preparing */
    guint mtu;
    gboolean mtu_known, paused;
    guint stop_timer, retry_timer, resume_timer, keep_timer;
    gint64 lines_since_us; /* of the guest's lines in the log */
    guint lines;
    GuestState guest;
    Channel *channel;
    Sessions *sessions;
    Console *console;
    char *settings_sent;  /* in this connection of the channel */
    InstanceWatch *watch; /* while an unmanaged one runs */
    json_t *counters;
};

/* --- instance_record.c */

gboolean instance_save (Instance *instance, GError **error);
/* The same where going on is all that can be done. */
void instance_keep (Instance *instance);
void instance_tell (Instance *instance);
/* The one place where the state changes. */
void instance_move (Instance *instance, VmState to);
/* @error NULL: none any more. */
void instance_set_error (Instance *instance, const char *at, const GError *error);
void instance_set_exit (Instance *instance, const char *exit);
void instance_take_tail (Instance *instance);

/* --- instance_guest.c */

void instance_open_channel (Instance *instance);
void instance_close_channel (Instance *instance);
/* When they are others than the guest has, and it is there. */
void instance_send_settings (Instance *instance);

/* --- instance_unmanaged.c: a member without vdc-guest */

/* While it runs: ask its inputs, which says what a guest would. No effect on one with vdc-guest. */
void instance_watch_begin (Instance *instance);
void instance_watch_end (Instance *instance);
/* Nobody in it could wait for its servers: it is started when it may go. */
gboolean instance_is_held (const Instance *instance);
/* Settings reach it at its next boot: there is nobody to wait for. */
void instance_unmanaged_configured (Instance *instance);

/* --- instance_job.c */

typedef enum {
    JOB_START,
    JOB_CLEAN,
    JOB_WIRES,
    JOB_DELETE,
    JOB_KILL,
    JOB_PRESS,
    JOB_RESUME,
    JOB_LIMITS
} InstanceJobKind;

typedef struct {
    InstanceJobKind kind;
    Instance *instance; /* not touched by the worker */
    const Host *host;
    Spec *spec;
    char *uuid;
    gboolean remove_root;
    pid_t pid;
    gint64 had; /* JOB_START: incarnation before */
    PrepareResult result;
} InstanceJob;

/* With copies of what the worker needs. */
InstanceJob *instance_job_new (Instance *instance, InstanceJobKind kind);
/* Takes @job; the instance is busy until instance_job_finished. */
void instance_job_push (InstanceJob *job);

/* --- instance.c */

/* Begin what is to be done next, if anything. */
void instance_step (Instance *instance);
/* instance_step again after @seconds, with what failed or waits given another chance. */
void instance_try_later (Instance *instance, guint seconds);
Instance *instance_make (const Host *host, Spec *spec, const InstanceListener *listener);

/* --- instance_outcome.c */

void instance_job_finished (InstanceJob *job);
