#include "vdc/agent/cgroup.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_US 100000
#define REMOVE_TRIES 200
#define REMOVE_WAIT_US 10000

struct Cgroups {
    int version;
    char *problem;
    char *cpu, *memory, *account; /* folders of our scope; v2: all three the same; account NULL: in cpu */
};

guint64
cgroup_shares (double cpu)
{
    return (guint64)CLAMP (llround (cpu * 1024), 2, 262144);
}

guint64
cgroup_weight (double cpu)
{
    return (guint64)CLAMP (llround (cpu * 100), 1, 10000);
}

guint64
cgroup_quota_us (double cpu)
{
    return (guint64)MAX (llround (cpu * PERIOD_US), 1000);
}

static gboolean
write_text (const char *folder, const char *file, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename (folder, file, NULL);
    int fd = open (path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", path);
    ssize_t n = write (fd, text, strlen (text));
    int err = errno;
    close (fd);
    return n >= 0 || vdc_error_set_errno (error, err, "cannot write \"%s\" to %s", text, path);
}

static gboolean
write_number (const char *folder, const char *file, guint64 number, GError **error)
{
    g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
    return write_text (folder, file, text, error);
}

static gboolean
read_number (const char *folder, const char *file, const char *key, guint64 *number)
{
    g_autofree char *path = g_build_filename (folder, file, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents (path, &text, NULL, NULL))
        return FALSE;
    const char *at = key ? strstr (text, key) : text;
    if (at == NULL)
        return FALSE;
    *number = g_ascii_strtoull (at + (key ? strlen (key) : 0), NULL, 10);
    return TRUE;
}

static gboolean
has (const char *folder, const char *file)
{
    g_autofree char *path = g_build_filename (folder, file, NULL);
    return access (path, F_OK) == 0;
}

static gboolean
make_scope (Cgroups *cgroups, char *folder)
{
    if (g_mkdir_with_parents (folder, 0755) == 0)
        return TRUE;
    cgroups->problem = g_strdup_printf ("cannot make %s: %s", folder, g_strerror (errno));
    return FALSE;
}

static void
open_version_1 (Cgroups *cgroups, const char *root, const char *scope)
{
    cgroups->cpu = g_build_filename (root, "cpu", scope, NULL);
    cgroups->memory = g_build_filename (root, "memory", scope, NULL);
    if (!make_scope (cgroups, cgroups->cpu) || !make_scope (cgroups, cgroups->memory))
        return;
    cgroups->version = 1;
    /* "cpu" and "cpuacct" are mostly one hierarchy, not always. */
    if (!has (cgroups->cpu, "cpuacct.usage")) {
        cgroups->account = g_build_filename (root, "cpuacct", scope, NULL);
        if (g_mkdir_with_parents (cgroups->account, 0755) != 0)
            g_clear_pointer (&cgroups->account, g_free);
    }
}

static void
open_version_2 (Cgroups *cgroups, const char *root, const char *scope)
{
    cgroups->cpu = g_build_filename (root, scope, NULL);
    cgroups->memory = g_strdup (cgroups->cpu);
    /* A root whose controllers are on already may be not ours to change: the next step tells. */
    write_text (root, "cgroup.subtree_control", "+cpu +memory", NULL);
    if (!make_scope (cgroups, cgroups->cpu))
        return;
    g_autoptr (GError) error = NULL;
    if (write_text (cgroups->cpu, "cgroup.subtree_control", "+cpu +memory", &error))
        cgroups->version = 2;
    else
        cgroups->problem = g_strdup (error->message);
}

Cgroups *
cgroups_new (const char *root, const char *scope)
{
    Cgroups *cgroups = g_new0 (Cgroups, 1);

    if (has (root, "cgroup.controllers"))
        open_version_2 (cgroups, root, scope);
    else if (has (root, "cpu/tasks") && has (root, "memory/tasks"))
        open_version_1 (cgroups, root, scope);
    else
        cgroups->problem = g_strdup_printf ("%s has neither cgroup.controllers nor cpu and memory", root);
    return cgroups;
}

void
cgroups_tidy (Cgroups *cgroups)
{
    char *const scopes[] = {cgroups->cpu, cgroups->memory, cgroups->account};

    for (guint i = 0; i < G_N_ELEMENTS (scopes); i++)
        if (scopes[i] != NULL)
            rmdir (scopes[i]); /* goes only when no VM is in it */
}

void
cgroups_free (Cgroups *cgroups)
{
    if (cgroups == NULL)
        return;
    g_free (cgroups->problem);
    g_free (cgroups->cpu);
    g_free (cgroups->memory);
    g_free (cgroups->account);
    g_free (cgroups);
}

const char *
cgroups_problem (const Cgroups *cgroups)
{
    return cgroups->problem;
}

int
cgroups_version (const Cgroups *cgroups)
{
    return cgroups->version;
}

static gboolean
enter (const char *folder, pid_t pid, GError **error)
{
    return pid == 0 || write_number (folder, "cgroup.procs", (guint64)pid, error);
}

static gboolean
ensure_version_1 (Cgroups *cgroups, const char *name, const CgroupLimits *limits, pid_t pid, GError **error)
{
    g_autofree char *cpu = g_build_filename (cgroups->cpu, name, NULL);
    g_autofree char *memory = g_build_filename (cgroups->memory, name, NULL);
    g_autofree char *account = cgroups->account ? g_build_filename (cgroups->account, name, NULL) : NULL;
    g_autofree char *quota = limits->cpu_cap
                                 ? g_strdup_printf ("%" G_GUINT64_FORMAT, cgroup_quota_us (limits->cpu))
                                 : g_strdup ("-1");

    if ((mkdir (cpu, 0755) != 0 && errno != EEXIST) || (mkdir (memory, 0755) != 0 && errno != EEXIST))
        return vdc_error_set_errno (error, errno, "cannot make the control group %s", name);
    if (account != NULL && (mkdir (account, 0755) == 0 || errno == EEXIST))
        enter (account, pid, NULL); /* only counts; the report then has no cpu time */
    return write_number (cpu, "cpu.shares", cgroup_shares (limits->cpu), error) &&
           (!has (cpu, "cpu.cfs_quota_us") || write_text (cpu, "cpu.cfs_quota_us", quota, error)) &&
           (limits->memory_bytes == 0 ||
            write_number (memory, "memory.limit_in_bytes", limits->memory_bytes + CGROUP_OVERHEAD_BYTES,
                          error)) &&
           enter (cpu, pid, error) && enter (memory, pid, error);
}

static gboolean
ensure_version_2 (Cgroups *cgroups, const char *name, const CgroupLimits *limits, pid_t pid, GError **error)
{
    g_autofree char *folder = g_build_filename (cgroups->cpu, name, NULL);
    g_autofree char *quota = limits->cpu_cap ? g_strdup_printf ("%" G_GUINT64_FORMAT " %d",
                                                                cgroup_quota_us (limits->cpu), PERIOD_US)
                                             : g_strdup_printf ("max %d", PERIOD_US);

    if (mkdir (folder, 0755) != 0 && errno != EEXIST)
        return vdc_error_set_errno (error, errno, "cannot make the control group %s", name);
    return write_number (folder, "cpu.weight", cgroup_weight (limits->cpu), error) &&
           write_text (folder, "cpu.max", quota, error) &&
           (limits->memory_bytes == 0 ||
            write_number (folder, "memory.max", limits->memory_bytes + CGROUP_OVERHEAD_BYTES, error)) &&
           enter (folder, pid, error);
}

gboolean
cgroup_ensure (Cgroups *cgroups, const char *name, const CgroupLimits *limits, pid_t pid, GError **error)
{
    if (cgroups->version == 1)
        return ensure_version_1 (cgroups, name, limits, pid, error);
    if (cgroups->version == 2)
        return ensure_version_2 (cgroups, name, limits, pid, error);
    return TRUE;
}

/* A group is busy until the kernel has buried its last process. */
static gboolean
remove_folder (const char *scope, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename (scope, name, NULL);

    for (int i = 0; i < REMOVE_TRIES; i++) {
        if (rmdir (path) == 0 || errno == ENOENT)
            return TRUE;
        if (errno != EBUSY)
            break;
        g_usleep (REMOVE_WAIT_US);
    }
    return vdc_error_set_errno (error, errno, "cannot remove the control group %s", path);
}

gboolean
cgroup_remove (Cgroups *cgroups, const char *name, GError **error)
{
    if (cgroups->version == 0)
        return TRUE;
    if (cgroups->account != NULL)
        remove_folder (cgroups->account, name, NULL);
    return remove_folder (cgroups->cpu, name, error) &&
           (cgroups->version == 2 || remove_folder (cgroups->memory, name, error));
}

gboolean
cgroup_usage (Cgroups *cgroups, const char *name, guint64 *cpu_us, guint64 *memory_bytes)
{
    guint64 nanoseconds = 0;

    if (cgroups->version == 0)
        return FALSE;
    g_autofree char *cpu = g_build_filename (cgroups->account ? cgroups->account : cgroups->cpu, name, NULL);
    g_autofree char *memory = g_build_filename (cgroups->memory, name, NULL);
    if (cgroups->version == 2)
        return read_number (cpu, "cpu.stat", "usage_usec ", cpu_us) &&
               read_number (memory, "memory.current", NULL, memory_bytes);
    if (!read_number (memory, "memory.usage_in_bytes", NULL, memory_bytes))
        return FALSE;
    *cpu_us = read_number (cpu, "cpuacct.usage", NULL, &nanoseconds) ? nanoseconds / 1000 : 0;
    return TRUE;
}

GPtrArray *
cgroup_list (Cgroups *cgroups)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GDir) folder = cgroups->version ? g_dir_open (cgroups->memory, 0, NULL) : NULL;
    const char *name;

    while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
        g_autofree char *path = g_build_filename (cgroups->memory, name, NULL);
        if (g_file_test (path, G_FILE_TEST_IS_DIR))
            g_ptr_array_add (names, g_strdup (name));
    }
    return names;
}
