/*
 * One control group per QEMU: cpu weight in proportion to its share, a ceiling where wanted, a memory limit.
 * Version 1 and 2 behind one face. Groups are found again by name and removed. All calls block shortly; any
 * thread.
 *
 *     v1: ROOT/cpu/SCOPE/NAME and ROOT/memory/SCOPE/NAME        v2: ROOT/SCOPE/NAME
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>
#include <sys/types.h>

typedef struct Cgroups Cgroups;

typedef struct {
    double cpu; /* cores */
    gboolean cpu_cap;
    guint64 memory_bytes; /* of the guest; what QEMU itself needs is added. 0: as it is */
} CgroupLimits;

/* What QEMU may need beside the guest's memory: its own, translated code, disk buffers. */
#define CGROUP_OVERHEAD_BYTES ((guint64)320 << 20)

/*
 * @root is the mount point ("/sys/fs/cgroup"), @scope the folder that is ours there. A machine without usable
 * groups gives an object whose calls do nothing; cgroups_problem says why (NULL: all well). Never NULL.
 */
Cgroups *cgroups_new (const char *root, const char *scope);
void cgroups_free (Cgroups *cgroups);
/* At the end: removes our folder when no group is left in it. */
void cgroups_tidy (Cgroups *cgroups);
const char *cgroups_problem (const Cgroups *cgroups);
/* 1, 2, or 0 for none. */
int cgroups_version (const Cgroups *cgroups);

/* Make or change the group @name and put process @pid (0: nobody) into it. */
gboolean cgroup_ensure (Cgroups *cgroups, const char *name, const CgroupLimits *limits, pid_t pid,
                        GError **error);
/* Remove it; its processes must be gone (waited for at most 2 s). A missing group is no error. */
gboolean cgroup_remove (Cgroups *cgroups, const char *name, GError **error);
/* CPU time and memory used. FALSE when there is no such group. */
gboolean cgroup_usage (Cgroups *cgroups, const char *name, guint64 *cpu_us, guint64 *memory_bytes);
/* Names of our groups. Caller unrefs. */
GPtrArray *cgroup_list (Cgroups *cgroups);

/* Pure: the numbers written. */
guint64 cgroup_shares (double cpu);   /* v1: 1024 for one core, 2 to 262144 */
guint64 cgroup_weight (double cpu);   /* v2: 100 for one core, 1 to 10000 */
guint64 cgroup_quota_us (double cpu); /* of a period of 100000 */
