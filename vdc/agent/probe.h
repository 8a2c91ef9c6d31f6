/*
 * Which accelerator guests get here: KVM only where a probe guest really ran, else TCG with the reason.
 * /dev/kvm may exist, open, even run real mode, and still not carry a guest.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *accel;  /* "kvm" or "tcg" */
    char *reason; /* why; for `server show` */
} Probe;

void probe_free (Probe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Probe, probe_free)

/* The machine's boot id; VDC_BOOT_ID goes first (lab servers share one kernel). Caller frees. */
char *probe_boot_id (void);

/*
 * Answer from @state_folder/probe.json when it is of @boot_id, else run the probe guest (under a second; at
 * most 5) and write the answer there. Never fails: what goes wrong is the reason for TCG. Blocks.
 */
Probe *probe_run (const char *state_folder, const char *boot_id);
