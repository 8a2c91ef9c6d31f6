/*
 * A look at the whole server from a worker thread: which VMs there are, and everybody's counters; and the
 * inventory for `vdc verify`. Values in, values out.
 */
#pragma once

#include "vdc/agent/host.h"

typedef struct {
    gint64 asked_us;  /* when the hypervisor was asked, monotonic */
    GPtrArray *vms;   /* of HypervisorVm; NULL when it did not answer */
    json_t *counters; /* "APP/MEMBER" → {"cpu_us","memory_bytes","nics","wires"} */
    guint mtu;
} Survey;

/* Called on the main loop; @survey is freed afterwards. */
typedef void (*SurveyDone) (Survey *survey, gpointer user_data);

/* @specs: of Spec, those whose counters are wanted; taken. */
void survey_begin (const Host *host, GPtrArray *specs, SurveyDone done, gpointer user_data);

/*
 * {domains, taps, bridges, chains, disks, volumes, specs, cgroups, qemu_pids, wires, files, images,
 * problems}: what is found on the host that is VDC's. @specs: of Spec. @settled: those whose wires are
 * compared with what they should be: `wires` has {application, application_id, member,
 * differences:[sentence…]} for each that differs. What could not be looked at is a sentence in `problems`.
 * Blocks; any thread.
 */
json_t *inventory_read (const Host *host, GPtrArray *specs, GPtrArray *settled);
