#include "vdc/agent/survey.h"

#include "vdc/agent/repair.h"
#include "vdc/agent/reserve.h"
#include "vdc/base/error.h"

#include <string.h>

typedef struct {
    const Host *host;
    GPtrArray *specs;
    SurveyDone done;
    gpointer user_data;
    Survey survey;
} Work;

static json_t *
wire_counters (const Spec *spec, const WireCounters *all)
{
    g_autoptr (WireMember) member = all ? wire_member_parse (spec->document, NULL) : NULL;
    return member ? wire_counters_member (all, member) : json_pack ("{s:{}, s:{}}", "nics", "wires");
}

static json_t *
member_counters (const Host *host, const Spec *spec, const WireCounters *all)
{
    g_autofree char *group = host_cgroup_name (spec->application_id, spec->member);
    guint64 cpu_us = 0, memory_bytes = 0;
    json_t *counters = wire_counters (spec, all);

    cgroup_usage (host->cgroups, group, &cpu_us, &memory_bytes);
    json_put (counters, "at_us", json_integer (g_get_monotonic_time ()));
    json_put (counters, "cpu_us", json_integer ((json_int_t)cpu_us));
    json_put (counters, "memory_bytes", json_integer ((json_int_t)memory_bytes));
    if (host->hypervisor->ops->counters != NULL)
        host->hypervisor->ops->counters (host->hypervisor, spec, counters);
    return counters;
}

static gboolean
survey_done (gpointer data)
{
    Work *work = data;

    work->done (&work->survey, work->user_data);
    g_clear_pointer (&work->survey.vms, g_ptr_array_unref);
    json_decref (work->survey.counters);
    g_ptr_array_unref (work->specs);
    g_free (work);
    return G_SOURCE_REMOVE;
}

static gpointer
survey_thread (gpointer data)
{
    Work *work = data;
    const Host *host = work->host;
    g_autoptr (WireCounters) all = host->wires ? wires_counters (host->wires, NULL) : NULL;

    reserve_ensure (host->state_folder);
    work->survey.asked_us = g_get_monotonic_time ();
    work->survey.vms = host->hypervisor->ops->list (host->hypervisor, NULL);
    work->survey.mtu = host->wires ? wire_host_mtu (host->wires, NULL) : 0;
    work->survey.counters = json_object ();
    for (guint i = 0; i < work->specs->len; i++) {
        const Spec *spec = g_ptr_array_index (work->specs, i);
        json_put (work->survey.counters, spec->key, member_counters (host, spec, all));
    }
    g_idle_add_full (G_PRIORITY_DEFAULT, survey_done, work, NULL);
    return NULL;
}

void
survey_begin (const Host *host, GPtrArray *specs, SurveyDone done, gpointer user_data)
{
    Work *work = g_new0 (Work, 1);
    work->host = host;
    work->specs = specs;
    work->done = done;
    work->user_data = user_data;
    g_thread_unref (g_thread_new ("survey", survey_thread, work));
}

/* --- inventory --------------------------------------------------------------------------------------------- */

static void
add_problem (json_t *inventory, const char *what, const GError *error)
{
    g_autofree char *text = g_strdup_printf ("cannot look at %s: %s", what, error->message);
    json_array_append_new (json_object_get (inventory, "problems"), json_str_new (text));
}

static void
add_domains (const Host *host, json_t *inventory)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) vms = host->hypervisor->ops->list (host->hypervisor, &error);
    json_t *domains = json_object_get (inventory, "domains");

    if (vms == NULL)
        add_problem (inventory, "the VMs", error);
    for (guint i = 0; vms != NULL && i < vms->len; i++) {
        const HypervisorVm *vm = g_ptr_array_index (vms, i);
        json_array_append_new (
            domains,
            json_pack ("{s:s, s:s, s:o, s:o, s:o, s:I, s:b, s:i}", "uuid", vm->uuid, "name", vm->name,
                       "application", json_str_new (vm->application), "application_id",
                       json_str_new (vm->application_id), "member", json_str_new (vm->member), "incarnation",
                       (json_int_t)vm->incarnation, "paused", (int)vm->paused, "pid", (int)vm->pid));
    }
}

static void
add_wires (const Host *host, json_t *inventory)
{
    g_autoptr (GError) error = NULL;

    if (host->wires == NULL)
        return;
    g_autoptr (json_t) wires = wires_inventory (host->wires, &error);
    if (wires != NULL)
        json_object_update (inventory, wires);
    else
        add_problem (inventory, "the wires", error);
}

static void
compare_wires (const Host *host, const Spec *spec, json_t *inventory)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) differences = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (WireMember) member = wire_member_parse (spec->document, &error);

    if (member == NULL || !wires_check (host->wires, member, differences, &error)) {
        add_problem (inventory, "the wires", error);
        return;
    }
    if (differences->len == 0)
        return;
    json_t *list = json_array ();
    for (guint i = 0; i < differences->len; i++)
        json_array_append_new (list, json_str_new (g_ptr_array_index (differences, i)));
    json_array_append_new (json_object_get (inventory, "wires"),
                           json_pack ("{s:s, s:s, s:s, s:o}", "application", spec->application,
                                      "application_id", spec->application_id, "member", spec->member,
                                      "differences", list));
}

static void
add_rest (const Host *host, GPtrArray *specs, json_t *inventory)
{
    g_autoptr (GPtrArray) groups = cgroup_list (host->cgroups);
    g_autoptr (GArray) pids = hypervisor_find_pids ();
    json_t *list = json_object_get (inventory, "specs");

    for (guint i = 0; i < specs->len; i++) {
        const Spec *spec = g_ptr_array_index (specs, i);
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s, s:s, s:I, s:I}", "application",
                                                spec->application, "application_id", spec->application_id,
                                                "member", spec->member, "power", spec->power ? "on" : "off",
                                                "generation", (json_int_t)spec->generation, "incarnation",
                                                (json_int_t)spec->incarnation));
    }
    for (guint i = 0; i < groups->len; i++)
        json_array_append_new (json_object_get (inventory, "cgroups"),
                               json_str_new (g_ptr_array_index (groups, i)));
    /* All of the machine with the fake hypervisor would be other people's. */
    for (guint i = 0; strcmp (host->hypervisor->ops->name, "fake") != 0 && i < pids->len; i++)
        json_array_append_new (json_object_get (inventory, "qemu_pids"),
                               json_integer (g_array_index (pids, pid_t, i)));
}

json_t *
inventory_read (const Host *host, GPtrArray *specs, GPtrArray *settled)
{
    json_t *inventory =
        json_pack ("{s:[], s:[], s:[], s:[], s:o, s:o, s:[], s:[], s:[], s:[], s:[]}", "domains", "taps",
                   "bridges", "chains", "disks", disk_root_list (host->disks), "volumes",
                   volume_list (host->disks), "specs", "cgroups", "qemu_pids", "wires", "problems");

    add_domains (host, inventory);
    add_wires (host, inventory);
    for (guint i = 0; host->wires != NULL && i < settled->len; i++)
        compare_wires (host, g_ptr_array_index (settled, i), inventory);
    add_rest (host, specs, inventory);
    json_put (inventory, "files", leftovers_list (host, specs));
    json_t *images = disk_image_list (host->disks);
    if (images != NULL)
        json_put (inventory, "images", images);
    return inventory;
}
