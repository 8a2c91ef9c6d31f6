#include "vdc/agent/hypervisor.h"

#include <string.h>

void
hypervisor_vm_free (HypervisorVm *vm)
{
    if (vm == NULL)
        return;
    g_free (vm->uuid);
    g_free (vm->name);
    g_free (vm->application);
    g_free (vm->application_id);
    g_free (vm->member);
    json_decref (vm->spec);
    g_free (vm);
}

void
hypervisor_free (Hypervisor *hypervisor)
{
    if (hypervisor != NULL)
        hypervisor->ops->free (hypervisor);
}

/* The arguments of a process, 0-separated; NULL when it is gone. */
static GPtrArray *
arguments_of (const char *pid)
{
    g_autofree char *path = g_strdup_printf ("/proc/%s/cmdline", pid);
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!g_file_get_contents (path, &text, &length, NULL) || length == 0)
        return NULL;
    GPtrArray *arguments = g_ptr_array_new_with_free_func (g_free);
    for (gsize i = 0; i < length; i += strlen (text + i) + 1)
        g_ptr_array_add (arguments, g_strdup (text + i));
    return arguments;
}

/* @uuid NULL: any VM whose name begins as ours do. */
static gboolean
is_vm (GPtrArray *arguments, const char *uuid)
{
    if (arguments == NULL || strstr (g_ptr_array_index (arguments, 0), "qemu-system") == NULL)
        return FALSE;
    for (guint i = 1; i + 1 < arguments->len; i++) {
        const char *value = g_ptr_array_index (arguments, i + 1);
        if (uuid != NULL && strcmp (g_ptr_array_index (arguments, i), "-uuid") == 0 &&
            strcmp (value, uuid) == 0)
            return TRUE;
        if (uuid == NULL && strcmp (g_ptr_array_index (arguments, i), "-name") == 0 &&
            (g_str_has_prefix (value, "guest=vdc-") || g_str_has_prefix (value, "vdc-")))
            return TRUE;
    }
    return FALSE;
}

static GArray *
find (const char *uuid)
{
    GArray *pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
    g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
    const char *name;

    while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
        if (!g_ascii_isdigit (*name))
            continue;
        g_autoptr (GPtrArray) arguments = arguments_of (name);
        pid_t pid = (pid_t)g_ascii_strtoll (name, NULL, 10);
        if (is_vm (arguments, uuid))
            g_array_append_val (pids, pid);
    }
    return pids;
}

pid_t
hypervisor_find_pid (const char *uuid)
{
    g_autoptr (GArray) pids = find (uuid);
    return pids->len ? g_array_index (pids, pid_t, 0) : 0;
}

GArray *
hypervisor_find_pids (void)
{
    return find (NULL);
}
