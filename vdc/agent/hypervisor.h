/*
 * The means to run VMs: one table of functions, two implementations. `libvirt` runs QEMU; `fake` pretends
 * (tests, simulations): its members answer on the guest channel like guests, without root, QEMU or network.
 *
 * start, resume, destroy, list block and may be called from any worker thread. VDC_ERROR_UNREACHABLE: there
 * is no connection now; nothing was done, try again when `connected` has been told. Events come on the main
 * loop.
 */
#pragma once

#include "vdc/agent/domain_xml.h"

#include <sys/types.h>

typedef struct Hypervisor Hypervisor;

typedef enum {
    HYPERVISOR_STOPPED, /* the VM is gone; detail: "crashed", "shutdown" or "destroyed" */
    HYPERVISOR_PAUSED,  /* stands still because of a disk; detail: "full" or "io" */
    HYPERVISOR_RESUMED,
} HypervisorEvent;

typedef struct {
    /* A VM of ours changed by itself or by us. */
    void (*event) (const char *uuid, HypervisorEvent event, const char *detail, gpointer user_data);
    /* TRUE: a connection is there, also a new one after a loss: look at everything again. */
    void (*connected) (gboolean connected, gpointer user_data);
    gpointer user_data;
} HypervisorListener;

typedef struct {
    char *uuid, *name;
    char *application, *application_id, *member; /* NULL when it carries no metadata of ours */
    gint64 incarnation;
    json_t *spec;    /* as it was when started; may be NULL */
    gboolean paused; /* made, never set going */
    pid_t pid;       /* of QEMU; 0: not known */
} HypervisorVm;

void hypervisor_vm_free (HypervisorVm *vm);

typedef struct {
    const char *name;
    /*
     * Make the VM, halted. Nothing of it is left on failure. A VM of that uuid is VDC_ERROR_CONFLICT.
     * *@pid: of QEMU, 0 when unknown.
     */
    gboolean (*start) (Hypervisor *hypervisor, const Domain *domain, pid_t *pid, GError **error);
    /* Let it run. Running already is no error. */
    gboolean (*resume) (Hypervisor *hypervisor, const char *uuid, GError **error);
    /* Press its power button: a guest that listens shuts itself down. A missing VM is no error. */
    gboolean (*press) (Hypervisor *hypervisor, const char *uuid, GError **error);
    /* As by pulling its plug; it is gone when this returns. A missing one is no error. */
    gboolean (*destroy) (Hypervisor *hypervisor, const char *uuid, GError **error);
    /* Every VM whose name or metadata is ours, of HypervisorVm; caller unrefs. NULL on failure. */
    GPtrArray *(*list) (Hypervisor *hypervisor, GError **error);
    /*
     * {UUID: {"vdb": {"read_bytes", "written_bytes", "reads", "writes"}}} of our VMs. Asks QEMU: a VM that
     * hangs makes it hang. NULL on failure.
     */
    json_t *(*disk_counters) (Hypervisor *hypervisor, GError **error);
    /* Of VMs that have no control group and no taps: put "cpu_us", "memory_bytes", "nics", "wires" of @spec's
     * into
     * @counters. NULL: they have. */
    void (*counters) (Hypervisor *hypervisor, const Spec *spec, json_t *counters);
    /* "QEMU 7.2.22", "9.0.0"; static or owned by it, "" when unknown. */
    const char *(*emulator_version) (Hypervisor *hypervisor);
    const char *(*library_version) (Hypervisor *hypervisor);
    void (*free) (Hypervisor *hypervisor);
} HypervisorOps;

struct Hypervisor {
    const HypervisorOps *ops;
    HypervisorListener listener;
};

/* Connects in the background and again whenever libvirtd went away. Events on the default main context. */
Hypervisor *hypervisor_libvirt_new (const char *uri, const HypervisorListener *listener);
/*
 * @state_folder keeps what "runs", so that a new agent finds it. Faults by VDC_FAKE_FAULTS (comma-separated):
 * "start:CLASS" the VM cannot be made, "boot:CLASS" never says hello, "hang:CLASS" never ready, "fail:CLASS"
 * its start hook fails, "crash:CLASS" dies after ready, "stubborn:CLASS" ignores stop, "deaf:CLASS" confirms
 * no later settings, "slow:CLASS" takes ten times as long. The property "fake_fault" in the guest's settings
 * does the same for one member. A class "*" is every class.
 * VDC_FAKE_MEMORY_BYTES: what the server says it has.
 */
Hypervisor *hypervisor_fake_new (const char *state_folder, const HypervisorListener *listener);
void hypervisor_free (Hypervisor *hypervisor);

/* The QEMU process of a VM: found in /proc by its uuid; 0 when there is none. */
pid_t hypervisor_find_pid (const char *uuid);
/* All QEMU processes with a VM name of ours, of pid_t. Caller unrefs. */
GArray *hypervisor_find_pids (void);
