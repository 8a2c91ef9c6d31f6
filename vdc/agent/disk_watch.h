/*
 * What the disks of our VMs did, looked at by a thread of its own: the answer is QEMU's, and one that hangs
 * must delay nothing but this. Main loop only.
 */
#pragma once

#include "vdc/agent/disk.h"
#include "vdc/agent/hypervisor.h"

typedef struct DiskWatch DiskWatch;

/* Lives as long as the process: its thread may be waiting for a VM. */
DiskWatch *disk_watch_new (Hypervisor *hypervisor);
/* Look again, unless the last look still goes on. */
void disk_watch_poke (DiskWatch *watch);
/*
 * {VOLUME_ID: {"at_us", "read_bytes", "written_bytes", "reads", "writes", "used_bytes"}} of the spec's volumes; what
 * is not known is missing. @uuid: of its VM. New reference.
 */
json_t *disk_watch_volumes (const DiskWatch *watch, const char *uuid, const Spec *spec, Disks *disks);
