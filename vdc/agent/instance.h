/*
 * One member on this server: what it shall be, what it is, and the way from one to the other.
 *
 *              ┌────────────────────────── new incarnation ──────────────────────────┐
 *     absent → preparing → running → stopping → stopped ──────────────────────────────┘
 *                   │          └── died by itself: exit ──↗ │
 *                   └→ failed (nothing left behind) ────────┘
 *
 *     absent, stopped, failed   no VM; once `dirty` is cleared also no wires, group, sockets, open volumes
 *     preparing                 a worker is at it; the VM may exist, halted
 *     running                   the VM was set going and has not been seen to end
 *     stopping                  the guest was asked, or the VM is being destroyed
 *
 * At most one worker is at one member; it has copies, its result is posted here. Every change is written to
 * instances/APP/MEMBER.json before it is told. Main loop only.
 */
#pragma once

#include "vdc/agent/channel.h"
#include "vdc/agent/console.h"
#include "vdc/agent/prepare.h"
#include "vdc/agent/session.h"

typedef struct Instance Instance;

typedef enum { VM_ABSENT, VM_PREPARING, VM_RUNNING, VM_STOPPING, VM_STOPPED, VM_FAILED } VmState;

const char *vm_state_name (VmState state);

/* --- the decision, pure ------------------------------------------------------------------------------------ */

typedef struct {
    VmState vm;
    gboolean known; /* the hypervisor was asked since the agent began */
    gboolean busy;  /* a worker is at it */
    gboolean grace; /* stopping: the guest was asked and still has time */
    gboolean dirty; /* something of a former VM may be left */
    gboolean wires_stale;
    gboolean deleting;
    gboolean power;
    gboolean held; /* it may not begin yet: what it is wired to is not ready, and no guest in it would wait */
    gint64 wanted, have; /* incarnations; have: of the last start tried, -1 for none */
} InstanceView;

typedef enum { DO_NOTHING, DO_START, DO_STOP, DO_DESTROY, DO_CLEAN, DO_WIRES, DO_DELETE } InstanceAction;

InstanceAction instance_decide (const InstanceView *view);

/* --- the object -------------------------------------------------------------------------------------------- */

typedef struct {
    /* The report of this member is another than before. */
    void (*changed) (Instance *instance, gpointer user_data);
    /* It was deleted: forget and free it. Never from within a call to it. */
    void (*gone) (Instance *instance, gpointer user_data);
    gpointer user_data;
} InstanceListener;

/* A new member with its first @spec, written to disk before it returns. */
Instance *instance_new (const Host *host, Spec *spec, const InstanceListener *listener, GError **error);
/* From its record; NULL when the record is damaged. */
Instance *instance_load (const Host *host, const char *path, const InstanceListener *listener,
                         GError **error);
/* Leaves the VM and the record alone. Not while a worker is at it. */
void instance_free (Instance *instance);

const char *instance_key (const Instance *instance);
const Spec *instance_spec (const Instance *instance);
const char *instance_uuid (const Instance *instance);
VmState instance_vm (const Instance *instance);
gboolean instance_is_busy (const Instance *instance);
/* The hypervisor was asked, and a guest that runs has said hello: its report is worth believing. */
gboolean instance_is_settled (const Instance *instance);

/*
 * Another spec. VDC_ERROR_CONFLICT for a generation lower than the highest seen. What follows happens in the
 * background.
 */
gboolean instance_put (Instance *instance, Spec *spec, GError **error);
/* The VM goes at once; then wires, console, record and, with @remove_root, the root disk. */
gboolean instance_delete (Instance *instance, gboolean remove_root, GError **error);
/* Lay its wires anew: as if nobody knew how they lie. */
void instance_lay_wires (Instance *instance);
/* End the VM hard; what shall be stays as it is. VDC_ERROR_CONFLICT when it does not run. */
gboolean instance_kill (Instance *instance, GError **error);

/*
 * What the hypervisor said when asked at @asked_us (monotonic): @vm is this member's VM, NULL when it has
 * none. Adopts, or sees that it died. An answer older than the last move says nothing.
 */
void instance_found (Instance *instance, const HypervisorVm *vm, gint64 asked_us);
void instance_event (Instance *instance, HypervisorEvent event, const char *detail);
/* {"cpu_us","memory_bytes","nics","wires"}: taken. The guest's counters are added by the report. */
void instance_set_counters (Instance *instance, json_t *counters);
/* REPORT. Caller owns. */
json_t *instance_report (Instance *instance);

Console *instance_console (Instance *instance);
Sessions *instance_sessions (Instance *instance);
/* For exec and the like: the guest must be there. */
Channel *instance_channel (Instance *instance);
