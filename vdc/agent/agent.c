#include "vdc/agent/agent.h"

#include "vdc/agent/disk_watch.h"
#include "vdc/agent/memos.h"
#include "vdc/agent/probe.h"
#include "vdc/agent/reporter.h"
#include "vdc/agent/survey.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SURVEY_MS 5000
#define ROTATE_MS 1000
#define HOLD_MS 4000

struct Agent {
    Host host;
    GHashTable *instances; /* "APP/MEMBER" → Instance */
    GHashTable *strays;    /* "APP/MEMBER" → Stray: without an Instance */
    GHashTable *viewers;   /* of screens */
    Reporter *reporter;
    DiskWatch *disk_watch;
    Memos *memos;
    guint survey_timer, rotate_timer, hold_timer; /* hold: nothing is reported yet */
    gboolean surveying, survey_again;
    guint mtu;
};

static void survey (Agent *agent);

/* --- members ----------------------------------------------------------------------------------------------- */

static gboolean
all_settled (Agent *agent)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, agent->instances);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        if (!instance_is_settled (value))
            return FALSE;
    return TRUE;
}

static void
member_changed (Instance *instance, gpointer user_data)
{
    Agent *agent = user_data;

    if (agent->hold_timer != 0 && all_settled (agent)) {
        g_clear_handle_id (&agent->hold_timer, g_source_remove);
        reporter_begin (agent->reporter);
    }
    if (agent->reporter != NULL && agent->hold_timer == 0)
        reporter_poke (agent->reporter);
}

static void
member_gone (Instance *instance, gpointer user_data)
{
    Agent *agent = user_data;
    vdc_log (VDC_LOG_INFO, "member deleted", "member", instance_key (instance), NULL);
    g_hash_table_remove (agent->instances, instance_key (instance));
    member_changed (NULL, agent);
}

static gboolean
hold_no_longer (gpointer user_data)
{
    Agent *agent = user_data;
    agent->hold_timer = 0;
    reporter_begin (agent->reporter);
    return G_SOURCE_REMOVE;
}

static InstanceListener
listener_of (Agent *agent)
{
    return (InstanceListener){member_changed, member_gone, agent};
}

static void
add (Agent *agent, Instance *instance)
{
    g_hash_table_insert (agent->instances, g_strdup (instance_key (instance)), instance);
}

Instance *
agent_find (Agent *agent, const char *application, const char *member)
{
    g_autofree char *key = g_strconcat (application, "/", member, NULL);
    return g_hash_table_lookup (agent->instances, key);
}

Instance *
agent_find_session (Agent *agent, const char *id)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, agent->instances);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        if (instance_sessions (value) != NULL && sessions_has (instance_sessions (value), id))
            return value;
    return NULL;
}

gboolean
agent_put (Agent *agent, Spec *spec, GError **error)
{
    Instance *instance = agent_find (agent, spec->application, spec->member);
    InstanceListener listener = listener_of (agent);

    if (instance != NULL)
        return instance_put (instance, spec, error);
    if (g_hash_table_contains (agent->strays, spec->key)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "what is left of %s is being removed; try again in a moment", spec->key);
        return FALSE;
    }
    instance = instance_new (&agent->host, spec, &listener, error);
    if (instance == NULL)
        return FALSE;
    add (agent, instance);
    member_changed (instance, agent);
    return TRUE;
}

/* A member that nobody knows, being removed by a thread. */
typedef struct {
    Agent *agent;
    const Host *host;
    char *application, *member, *key;
    gboolean remove_root;
    GError *error;
    GArray *waiting; /* of Waiter; main loop */
} Stray;

typedef struct {
    AgentDeleted done;
    gpointer user_data;
} Waiter;

static gboolean
stray_removed (gpointer data)
{
    Stray *stray = data;
    g_hash_table_remove (stray->agent->strays, stray->key);
    for (guint i = 0; i < stray->waiting->len; i++) {
        const Waiter *waiter = &g_array_index (stray->waiting, Waiter, i);
        waiter->done (stray->error, waiter->user_data);
    }
    g_array_unref (stray->waiting);
    g_clear_error (&stray->error);
    g_free (stray->application);
    g_free (stray->member);
    g_free (stray->key);
    g_free (stray);
    return G_SOURCE_REMOVE;
}

/* FALSE: a VM of it may still be there. */
static gboolean
remove_stray_vms (Stray *stray, GError **error)
{
    const Host *host = stray->host;
    g_autoptr (GPtrArray) vms = host->hypervisor->ops->list (host->hypervisor, error);

    for (guint i = 0; vms != NULL && i < vms->len; i++) {
        const HypervisorVm *vm = g_ptr_array_index (vms, i);
        PrepareResult result = {NULL};
        if (g_strcmp0 (vm->application, stray->application) != 0 ||
            g_strcmp0 (vm->member, stray->member) != 0)
            continue;
        if (!prepare_clean (host, vm->application, vm->application_id, vm->member, &result)) {
            g_propagate_error (error, g_steal_pointer (&result.error));
            return FALSE;
        }
    }
    return vms != NULL;
}

/* Perhaps its record was lost. Its VM says what else there is to it. */
static gpointer
remove_stray (gpointer data)
{
    Stray *stray = data;
    const Host *host = stray->host;
    g_autofree char *record = host_record_path (host, stray->application, stray->member);
    g_autofree char *folder = g_path_get_dirname (record);
    g_autofree char *log = host_console_path (host, stray->application, stray->member);

    if (remove_stray_vms (stray, &stray->error) &&
        (!stray->remove_root ||
         disk_root_delete (host->disks, stray->application, stray->member, &stray->error))) {
        volume_close_all (host->disks, stray->key);
        console_remove_files (log);
        if (file_remove (record, NULL)) /* one that could not be read */
            rmdir (folder);
    } else
        vdc_log (VDC_LOG_WARNING, "cannot remove a stray member; ask again", "member", stray->key, "error",
                 stray->error->message, NULL);
    g_idle_add_full (G_PRIORITY_DEFAULT, stray_removed, stray, NULL);
    return NULL;
}

static Stray *
stray_begin (Agent *agent, const char *application, const char *member, gboolean remove_root)
{
    Stray *stray = g_new0 (Stray, 1);
    *stray = (Stray){agent,
                     &agent->host,
                     g_strdup (application),
                     g_strdup (member),
                     g_strconcat (application, "/", member, NULL),
                     remove_root,
                     NULL,
                     g_array_new (FALSE, FALSE, sizeof (Waiter))};
    g_hash_table_insert (agent->strays, g_strdup (stray->key), stray);
    g_thread_unref (g_thread_new ("stray", remove_stray, stray));
    return stray;
}

void
agent_delete (Agent *agent, const char *application, const char *member, gboolean remove_root,
              AgentDeleted done, gpointer user_data)
{
    Instance *instance = agent_find (agent, application, member);
    g_autofree char *key = g_strconcat (application, "/", member, NULL);
    Stray *stray = g_hash_table_lookup (agent->strays, key);
    g_autoptr (GError) error = NULL;
    const Waiter waiter = {done, user_data};

    if (instance != NULL) {
        instance_delete (instance, remove_root, &error);
        done (error, user_data);
    } else if (stray != NULL && remove_root && !stray->remove_root) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the rest of the member is being removed; try again");
        done (error, user_data);
    } else {
        if (stray == NULL)
            stray = stray_begin (agent, application, member, remove_root);
        g_array_append_val (stray->waiting, waiter);
    }
}

gboolean
agent_lay_wires (Agent *agent, const char *application, const char *member, GError **error)
{
    Instance *instance = agent_find (agent, application, member);

    if (instance != NULL) {
        instance_lay_wires (instance);
        return TRUE;
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "member %s/%s is not on this server", application,
                 member);
    return FALSE;
}

GPtrArray *
agent_specs (Agent *agent)
{
    GPtrArray *specs = g_ptr_array_new_with_free_func ((GDestroyNotify)spec_unref);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, agent->instances);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        g_ptr_array_add (specs, spec_ref ((Spec *)instance_spec (value)));
    return specs;
}

/* --- looking around ---------------------------------------------------------------------------------------- */

static const HypervisorVm *
find_vm (const Survey *survey, const char *uuid)
{
    for (guint i = 0; i < survey->vms->len; i++) {
        const HypervisorVm *vm = g_ptr_array_index (survey->vms, i);
        if (strcmp (vm->uuid, uuid) == 0)
            return vm;
    }
    return NULL;
}

static void
survey_done (Survey *survey_result, gpointer user_data)
{
    Agent *agent = user_data;
    g_autoptr (GList) all = g_hash_table_get_values (agent->instances);

    agent->surveying = FALSE;
    agent->mtu = survey_result->mtu;
    for (GList *item = all; item != NULL; item = item->next) {
        Instance *instance = item->data;
        json_t *counters = json_object_get (survey_result->counters, instance_key (instance));
        if (counters != NULL) {
            json_put (counters, "volumes",
                      disk_watch_volumes (agent->disk_watch, instance_uuid (instance),
                                          instance_spec (instance), agent->host.disks));
            instance_set_counters (instance, json_incref (counters));
        }
        if (survey_result->vms != NULL)
            instance_found (instance, find_vm (survey_result, instance_uuid (instance)),
                            survey_result->asked_us);
    }
    if (agent->hold_timer != 0)
        member_changed (NULL, agent); /* what was not known may be now, without a change */
    if (agent->survey_again)
        survey (agent);
}

static void
survey (Agent *agent)
{
    agent->survey_again = agent->surveying;
    if (agent->surveying)
        return;
    agent->surveying = TRUE;
    disk_watch_poke (agent->disk_watch);
    survey_begin (&agent->host, agent_specs (agent), survey_done, agent);
}

static gboolean
survey_now (gpointer user_data)
{
    survey (user_data);
    return G_SOURCE_CONTINUE;
}

static gboolean
rotate_consoles (gpointer user_data)
{
    Agent *agent = user_data;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, agent->instances);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        if (instance_console (value) != NULL)
            console_rotate (instance_console (value));
    return G_SOURCE_CONTINUE;
}

static void
vm_event (const char *uuid, HypervisorEvent event, const char *detail, gpointer user_data)
{
    Agent *agent = user_data;
    g_autoptr (GList) all = g_hash_table_get_values (agent->instances);

    for (GList *item = all; item != NULL; item = item->next)
        if (strcmp (instance_uuid (item->data), uuid) == 0) {
            instance_event (item->data, event, detail);
            return;
        }
}

static void
hypervisor_connected (gboolean connected, gpointer user_data)
{
    if (connected)
        survey (user_data);
}

/* --- telling ----------------------------------------------------------------------------------------------- */

json_t *
agent_reports (Agent *agent)
{
    json_t *reports = json_array ();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, agent->instances);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        json_array_append_new (reports, instance_report (value));
    return reports;
}

Memos *
agent_memos (Agent *agent)
{
    return agent->memos;
}

/* Fake VMs take none: a simulated server may have more than this machine. */
static guint64
memory_bytes (const Host *host, const char *key)
{
    const char *pretended = g_getenv ("VDC_FAKE_MEMORY_BYTES");
    return pretended != NULL && strcmp (host->hypervisor->ops->name, "fake") == 0
               ? g_ascii_strtoull (pretended, NULL, 10)
               : host_memory_bytes (key);
}

json_t *
agent_server (Agent *agent)
{
    const Host *host = &agent->host;
    const HypervisorOps *ops = host->hypervisor->ops;
    guint64 disk_total, disk_free;
    struct utsname system = {0};

    uname (&system);
    disk_space (host->disks, &disk_total, &disk_free);
    return json_pack (
        "{s:s, s:s, s:s, s:s, s:o, s:i, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:i, s:i, s:o, s:s, s:I, s:I, "
        "s:f}",
        "server", host->server, "boot_id", host->boot_id, "agent_version", VDC_VERSION, "accel", host->accel,
        "accel_reason", json_str_new (host->accel_reason), "cpus", (int)g_get_num_processors (),
        "memory_bytes", (json_int_t)memory_bytes (host, "MemTotal:"), "memory_free_bytes",
        (json_int_t)memory_bytes (host, "MemAvailable:"), "disk_bytes", (json_int_t)disk_total,
        "disk_free_bytes", (json_int_t)disk_free, "qemu", ops->emulator_version (host->hypervisor), "libvirt",
        ops->library_version (host->hypervisor), "kernel", system.release, "mtu", (int)agent->mtu,
        "cgroup_version", cgroups_version (host->cgroups), "cgroup_problem",
        json_str_new (cgroups_problem (host->cgroups)), "hypervisor", ops->name, "at_us",
        (json_int_t)g_get_monotonic_time (), "cpu_us", (json_int_t)host_cpu_us (), "load", host_load ());
}

static json_t *
report_body (gpointer user_data)
{
    Agent *agent = user_data;
    json_t *body = agent_server (agent);
    json_put (body, "full", json_true ());
    json_put (body, "instances", agent_reports (agent));
    return body;
}

/* --- beginning --------------------------------------------------------------------------------------------- */

static void
load_folder (Agent *agent, const char *folder)
{
    InstanceListener listener = listener_of (agent);
    g_autoptr (GDir) files = g_dir_open (folder, 0, NULL);
    const char *name;

    while (files != NULL && (name = g_dir_read_name (files)) != NULL) {
        g_autoptr (GError) error = NULL;
        g_autofree char *path = g_build_filename (folder, name, NULL);
        if (!g_str_has_suffix (name, ".json"))
            continue;
        Instance *instance = instance_load (&agent->host, path, &listener, &error);
        if (instance != NULL)
            add (agent, instance);
        else
            vdc_log (VDC_LOG_ERROR, "a member's record cannot be read, ignoring it", "path", path, "error",
                     error->message, NULL);
    }
}

static void
load_members (Agent *agent)
{
    g_autofree char *records = g_build_filename (agent->host.state_folder, "instances", NULL);
    g_autoptr (GDir) folders = g_dir_open (records, 0, NULL);
    const char *name;

    while (folders != NULL && (name = g_dir_read_name (folders)) != NULL) {
        g_autofree char *folder = g_build_filename (records, name, NULL);
        load_folder (agent, folder);
    }
    g_autofree char *count = g_strdup_printf ("%u", g_hash_table_size (agent->instances));
    vdc_log (VDC_LOG_INFO, "members found again", "count", count, NULL);
}

/* What was fetched goes when no member has it any more; at the start, when nothing is being fetched. */
static void
sweep_images (Agent *agent)
{
    g_autoptr (GHashTable) wanted = disk_root_images (agent->host.disks);
    g_autoptr (GPtrArray) specs = agent_specs (agent);

    for (guint i = 0; i < specs->len; i++)
        g_hash_table_add (wanted, g_strdup (((Spec *)specs->pdata[i])->image_digest));
    image_fetch_sweep (agent->host.images, wanted);
}

static gboolean
open_folders (Host *host, const AgentOptions *options, GError **error)
{
    static const char *const names[] = {"instances", "consoles", "run"};

    host->server = g_strdup (options->server);
    host->state_folder = g_canonicalize_filename (options->state, NULL);
    host->run_folder = g_build_filename (host->state_folder, "run", NULL);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *folder = g_build_filename (host->state_folder, names[i], NULL);
        if (!file_make_folder (folder, 0700, error))
            return FALSE;
    }
    return TRUE;
}

static void
open_cgroups (Host *host, const AgentOptions *options, gboolean fake)
{
    /* Several servers may share one machine (a lab): each has a folder of its own, the same at every start.
     */
    g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, host->state_folder, -1);
    g_autofree char *scope = g_strdup_printf ("vdc-%s-%.8s", host->server, hash);

    host->cgroups = cgroups_new (fake ? "/nonexistent" : options->cgroup_root, scope);
    if (cgroups_problem (host->cgroups) != NULL && !fake)
        vdc_log (VDC_LOG_WARNING, "no control groups: cpu and memory are not limited", "reason",
                 cgroups_problem (host->cgroups), NULL);
}

static void
open_accel (Host *host, gboolean fake)
{
    g_autoptr (Probe) probe = fake ? NULL : probe_run (host->state_folder, host->boot_id);
    host->accel = g_strdup (fake ? "tcg" : probe->accel);
    host->accel_reason = g_strdup (fake ? "the fake hypervisor runs nothing" : probe->reason);
}

static gboolean
open_host (Host *host, const AgentOptions *options, GError **error)
{
    gboolean fake = strcmp (options->hypervisor, "fake") == 0;
    g_autofree char *images = g_canonicalize_filename (options->images, NULL);

    if (!open_folders (host, options, error))
        return FALSE;
    host->boot_id = probe_boot_id ();
    open_accel (host, fake);
    open_cgroups (host, options, fake);
    host->disks = disks_new (host->state_folder, images, fake, error);
    if (host->disks == NULL)
        return FALSE;
    host->images = image_fetch_new (host->state_folder, options->controller, error);
    if (host->images == NULL)
        return FALSE;
    WireConfig wires = {options->server, options->backbone, options->outside};
    if (fake && !options->wires)
        return TRUE;
    host->wires = wire_host_new (&wires, error);
    return host->wires != NULL;
}

static void
open_hypervisor (Agent *agent, const AgentOptions *options)
{
    HypervisorListener listener = {vm_event, hypervisor_connected, agent};

    agent->host.hypervisor = strcmp (options->hypervisor, "fake") == 0
                                 ? hypervisor_fake_new (agent->host.state_folder, &listener)
                                 : hypervisor_libvirt_new (options->libvirt_uri, &listener);
    agent->disk_watch = disk_watch_new (agent->host.hypervisor);
}

Agent *
agent_new (const AgentOptions *options, GError **error)
{
    g_autoptr (Agent) agent = g_new0 (Agent, 1);
    g_autofree char *pki = g_build_filename (options->state, "pki", NULL);

    agent->strays = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    agent->viewers = g_hash_table_new (g_str_hash, g_str_equal);
    agent->instances = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)instance_free);
    if (!open_host (&agent->host, options, error))
        return NULL;
    if (options->controller != NULL) {
        agent->reporter = reporter_new (options->controller, pki, report_body, agent, error);
        if (agent->reporter == NULL)
            return NULL;
    }
    g_autofree char *memos = g_build_filename (options->state, "memos", NULL);
    agent->memos = memos_new (memos, error);
    if (agent->memos == NULL)
        return NULL;
    open_hypervisor (agent, options);
    load_members (agent);
    sweep_images (agent);
    agent->survey_timer = g_timeout_add (SURVEY_MS, survey_now, agent);
    agent->rotate_timer = g_timeout_add (ROTATE_MS, rotate_consoles, agent);
    /* First it is seen what runs: a report that knows less than the one before it would look like a loss. */
    if (agent->reporter != NULL)
        agent->hold_timer = g_timeout_add (HOLD_MS, hold_no_longer, agent);
    member_changed (NULL, agent);
    return g_steal_pointer (&agent);
}

void
agent_free (Agent *agent)
{
    if (agent == NULL)
        return;
    g_clear_handle_id (&agent->survey_timer, g_source_remove);
    g_clear_handle_id (&agent->rotate_timer, g_source_remove);
    g_clear_handle_id (&agent->hold_timer, g_source_remove);
    reporter_free (agent->reporter);
    memos_free (agent->memos);
    g_hash_table_unref (agent->instances);
    g_hash_table_unref (agent->strays);
    g_hash_table_unref (agent->viewers);
    hypervisor_free (agent->host.hypervisor);
    wire_host_free (agent->host.wires);
    cgroups_free (agent->host.cgroups);
    image_fetch_free (agent->host.images);
    disks_free (agent->host.disks);
    g_free (agent->host.server);
    g_free (agent->host.state_folder);
    g_free (agent->host.run_folder);
    g_free (agent->host.boot_id);
    g_free (agent->host.accel);
    g_free (agent->host.accel_reason);
    g_free (agent);
}

void
agent_end (Agent *agent)
{
    cgroups_tidy (agent->host.cgroups);
}

GHashTable *
agent_viewers (Agent *agent)
{
    return agent->viewers;
}

const Host *
agent_host (Agent *agent)
{
    return &agent->host;
}
