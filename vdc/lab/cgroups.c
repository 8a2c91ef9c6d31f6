#include "vdc/lab/cgroups.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"

static const char *const v1_hierarchies[] = {"cpu", "cpuacct", "memory", "pids", "freezer"};

static gboolean
is_v2 (void)
{
    return access (ROOT "/cgroup.controllers", F_OK) == 0;
}

static gboolean
make_group (const char *path, GError **error)
{
    if (mkdir (path, 0755) != 0 && errno != EEXIST)
        return vdc_error_set_errno (error, errno, "cannot make the control group %s", path);
    return TRUE;
}

/* Each controller alone, for one that the host does not have must not cost the others. */
static void
enable_controllers (const char *group)
{
    static const char *const controllers[] = {"+cpu", "+memory", "+pids", "+io"};
    g_autofree char *path = g_build_filename (group, "cgroup.subtree_control", NULL);
    for (guint i = 0; i < G_N_ELEMENTS (controllers); i++) {
        int fd = open (path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        ssize_t ignored = write (fd, controllers[i], strlen (controllers[i]));
        (void)ignored;
        close (fd);
    }
}

char **
cgroups_make (const char *lab, const char *server, GError **error)
{
    g_autofree char *group = g_strdup_printf ("vdc-lab-%s-%s", lab, server);
    g_auto (GStrv) result = NULL;
    g_autoptr (GPtrArray) pairs = g_ptr_array_new_with_free_func (g_free);
    if (is_v2 ()) {
        enable_controllers (ROOT);
        g_ptr_array_add (pairs, g_build_filename (ROOT, group, NULL));
        g_ptr_array_add (pairs, g_strdup (""));
        if (!make_group (pairs->pdata[0], error))
            return NULL;
    } else {
        for (guint i = 0; i < G_N_ELEMENTS (v1_hierarchies); i++) {
            g_autofree char *marker = g_build_filename (ROOT, v1_hierarchies[i], "cgroup.procs", NULL);
            if (access (marker, F_OK) != 0)
                continue;
            g_autofree char *path = g_build_filename (ROOT, v1_hierarchies[i], group, NULL);
            if (!make_group (path, error))
                return NULL;
            g_ptr_array_add (pairs, g_steal_pointer (&path));
            g_ptr_array_add (pairs, g_strdup (v1_hierarchies[i]));
        }
    }
    if (pairs->len == 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                     "no control groups below " ROOT ": mount them (cgroup2, or cgroup with cpu and memory)");
        return NULL;
    }
    g_ptr_array_add (pairs, NULL);
    result = (char **)g_ptr_array_free (g_steal_pointer (&pairs), FALSE);
    return g_steal_pointer (&result);
}

static gboolean
remove_group (const char *path, GError **error)
{
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *child = g_build_filename (path, name, NULL);
        if (g_file_test (child, G_FILE_TEST_IS_DIR) && !remove_group (child, error))
            return FALSE;
    }
    if (rmdir (path) != 0 && errno != ENOENT)
        return vdc_error_set_errno (error, errno, "cannot remove the control group %s", path);
    return TRUE;
}

static gboolean
remove_from (const char *hierarchy, const char *prefix, GError **error)
{
    g_autoptr (GDir) dir = g_dir_open (hierarchy, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        if (!g_str_has_prefix (name, prefix))
            continue;
        g_autofree char *path = g_build_filename (hierarchy, name, NULL);
        if (!remove_group (path, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
cgroups_remove (const char *lab, GError **error)
{
    g_autofree char *prefix = g_strdup_printf ("vdc-lab-%s-", lab);
    if (!remove_from (ROOT, prefix, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS (v1_hierarchies) && !is_v2 (); i++) {
        g_autofree char *hierarchy = g_build_filename (ROOT, v1_hierarchies[i], NULL);
        if (!remove_from (hierarchy, prefix, error))
            return FALSE;
    }
    return TRUE;
}
