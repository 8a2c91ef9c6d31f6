/*
 * What has to be done on the server for one member, in blocking steps, for worker threads. Values in, result
 * out; nothing here knows the instance's state.
 *
 * prepare_start: image → disk → volume → wire → domain (halted) → limits → go. What it did is undone in
 * reverse when a step fails, so a failed start leaves nothing. prepare_clean: the way back, from whatever is
 * there: after a stop, a crash, or an agent that died in the middle.
 */
#pragma once

#include "vdc/agent/host.h"

typedef struct {
    const char *step; /* "image", "disk", "volume", "wire", "domain"; NULL: all went well */
    GError *error;
    gboolean again; /* the hypervisor was away: try again when it is back */
    guint mtu;      /* of the inner NICs, 0 when there are none */
    pid_t pid;
} PrepareResult;

void prepare_result_clear (PrepareResult *result);

gboolean prepare_start (const Host *host, const Spec *spec, PrepareResult *result);
/* Lay the wires of a running member as @spec has them now. */
gboolean prepare_wires (const Host *host, const Spec *spec, PrepareResult *result);
/* Put @spec's processor limits on a running VM; its memory stays what it was started with. Problems are
 * logged only. */
void prepare_limits (const Host *host, const Spec *spec, pid_t pid);
/* End the VM if there is one, then remove group, wires, sockets; close its volumes. Missing things are no
 * error. */
gboolean prepare_clean (const Host *host, const char *application, const char *application_id,
                        const char *member, PrepareResult *result);

/* What a person can do about it; static, never NULL. */
const char *prepare_remedy (const char *step, const GError *error);
