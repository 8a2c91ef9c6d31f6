#include "vdc/agent/repair.h"

#include "vdc/base/clock.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static gboolean G_GNUC_PRINTF (2, 3) refuse (GError **error, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *text = g_strdup_vprintf (format, args);
    va_end (args);
    g_set_error_literal (error, VDC_ERROR, VDC_ERROR_REFUSED, text);
    return FALSE;
}

static const Spec *
find_spec (const GPtrArray *specs, const char *application, const char *member)
{
    for (guint i = 0; i < specs->len; i++) {
        const Spec *spec = g_ptr_array_index (specs, i);
        if (g_strcmp0 (spec->application, application) == 0 && g_strcmp0 (spec->member, member) == 0)
            return spec;
    }
    return NULL;
}

/* FALSE: @which has a VM here, or nobody can say. */
static gboolean
has_no_vm (const Host *host, gboolean (*which) (const HypervisorVm *vm, const json_t *wish),
           const json_t *wish, GError **error)
{
    g_autoptr (GPtrArray) vms = host->hypervisor->ops->list (host->hypervisor, error);
    for (guint i = 0; vms != NULL && i < vms->len; i++)
        if (which (g_ptr_array_index (vms, i), wish))
            return refuse (error, "a VM '%s' uses it", ((HypervisorVm *)g_ptr_array_index (vms, i))->name);
    return vms != NULL;
}

/* --- wires and groups ---------------------------------------------------------------------------------------- */

static gboolean
has_name_of (const char *application_id, const char *member, const char *name)
{
    char prefix[WIRE_NAME_SIZE];
    wire_tap_prefix (application_id, member, prefix);
    return g_str_has_prefix (name, prefix);
}

static gboolean
uses_wire (const HypervisorVm *vm, const json_t *wish)
{
    return vm->application_id != NULL && vm->member != NULL &&
           has_name_of (vm->application_id, vm->member, json_str (wish, "name", ""));
}

static gboolean
remove_wire (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    const char *name = json_str (wish, "name", "");
    if (host->wires == NULL)
        return refuse (error, "this agent has no wires");
    for (guint i = 0; i < specs->len; i++) {
        const Spec *spec = g_ptr_array_index (specs, i);
        if (has_name_of (spec->application_id, spec->member, name))
            return refuse (error, "it belongs to %s", spec->key);
    }
    return has_no_vm (host, uses_wire, wish, error) && wires_remove_name (host->wires, name, error);
}

/* One that has processes the kernel does not remove. */
static gboolean
remove_group (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    const char *name = json_str (wish, "name", "");
    g_autoptr (GPtrArray) groups = cgroup_list (host->cgroups);
    for (guint i = 0; i < specs->len; i++) {
        const Spec *spec = g_ptr_array_index (specs, i);
        g_autofree char *own = host_cgroup_name (spec->application_id, spec->member);
        if (strcmp (own, name) == 0)
            return refuse (error, "it belongs to %s", spec->key);
    }
    for (guint i = 0; i < groups->len; i++)
        if (strcmp (g_ptr_array_index (groups, i), name) == 0)
            return cgroup_remove (host->cgroups, name, error);
    return TRUE; /* gone meanwhile */
}

/* --- files ---------------------------------------------------------------------------------------------------- */

/* @relative below the state folder; one that is not there is no error. */
static gboolean
quarantine (const Host *host, const char *relative, GError **error)
{
    g_autofree char *folder = g_build_filename (host->state_folder, "quarantine", NULL);
    g_autofree char *from = g_build_filename (host->state_folder, relative, NULL);
    g_autofree char *stamp = clock_stamp (clock_real ());
    g_autofree char *flat = g_strdelimit (g_strdup (relative), "/", '_');
    g_autofree char *to = g_strdup_printf ("%s/%s_%s", folder, stamp, flat);
    if (!file_make_folder (folder, 0700, error))
        return FALSE;
    if (rename (from, to) != 0 && errno != ENOENT)
        return vdc_error_set_errno (error, errno, "cannot move %s to %s", from, to);
    vdc_log (VDC_LOG_WARNING, "moved to the quarantine", "file", from, "to", to, NULL);
    return TRUE;
}

static gboolean
is_of_member (const HypervisorVm *vm, const json_t *wish)
{
    return g_strcmp0 (vm->application, json_str (wish, "application", "")) == 0 &&
           g_strcmp0 (vm->member, json_str (wish, "member", "")) == 0;
}

static gboolean
quarantine_disk (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    static const char *const endings[] = {".qcow2", ".json"};
    const char *application = json_str (wish, "application", ""), *member = json_str (wish, "member", "");
    if (!id_is_name (application) || !spec_is_member (member))
        return refuse (error, "there can be no such member");
    if (find_spec (specs, application, member) != NULL)
        return refuse (error, "%s/%s is a member of this server", application, member);
    if (!has_no_vm (host, is_of_member, wish, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
        g_autofree char *relative = g_strdup_printf ("disks/%s/%s%s", application, member, endings[i]);
        if (!quarantine (host, relative, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
quarantine_file (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    g_autoptr (json_t) leftovers = leftovers_list (host, specs);
    gsize i;
    json_t *path;
    json_array_foreach (leftovers, i, path) {
        if (strcmp (json_string_value (path), json_str (wish, "name", "")) == 0)
            return quarantine (host, json_string_value (path), error);
    }
    return TRUE; /* gone meanwhile, or somebody's */
}

/* --- volumes -------------------------------------------------------------------------------------------------- */

/* "shop/web.1" */
static gboolean
is_user (const HypervisorVm *vm, const json_t *wish)
{
    g_autofree char *key = g_strconcat (vm->application, "/", vm->member, NULL);
    return g_strcmp0 (key, json_str (wish, "user", "")) == 0;
}

static gboolean
close_volume (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    const char *user = json_str (wish, "user", "");
    for (guint i = 0; i < specs->len; i++)
        if (strcmp (((Spec *)g_ptr_array_index (specs, i))->key, user) == 0)
            return refuse (error, "%s is a member of this server", user);
    return has_no_vm (host, is_user, wish, error) &&
           volume_close (host->disks, json_str (wish, "name", ""), user, error);
}

static gboolean
record_volume (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    return volume_record (host->disks, json_str (wish, "name", ""), json_str (wish, "volume", ""),
                          json_str (wish, "application", ""), (guint64)json_int (wish, "size_bytes", 0),
                          error);
}

/* --- table ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    gboolean (*act) (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error);
    gboolean volume; /* its name is a volume's id */
} actions[] = {
    {"remove_wire", remove_wire, FALSE},         {"remove_group", remove_group, FALSE},
    {"quarantine_disk", quarantine_disk, FALSE}, {"quarantine_file", quarantine_file, FALSE},
    {"close_volume", close_volume, TRUE},        {"record_volume", record_volume, TRUE},
};

gboolean
repair_do (const Host *host, const GPtrArray *specs, const json_t *wish, GError **error)
{
    const char *action = json_str (wish, "action", "");
    for (guint i = 0; i < G_N_ELEMENTS (actions); i++) {
        if (strcmp (actions[i].name, action) != 0)
            continue;
        if (actions[i].volume && !spec_is_volume_id (json_str (wish, "name", "")))
            return refuse (error, "a volume's id is 16 hex digits");
        vdc_log (VDC_LOG_INFO, "repairing", "action", action, "name", json_str (wish, "name", ""),
                 "application", json_str (wish, "application", ""), "member", json_str (wish, "member", ""),
                 NULL);
        return actions[i].act (host, specs, wish, error);
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "there is no such repair");
    return FALSE;
}
