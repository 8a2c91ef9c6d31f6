/*
 * VMs that are only records: STATE/fake/UUID.json, so that they "run on" while no agent looks. Workers change
 * the table under `lock` and hand guests to the main loop, which alone touches those.
 */
#include "vdc/agent/hypervisor.h"

#include "vdc/agent/fake_control.h"
#include "vdc/agent/fake_guest.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <string.h>

typedef struct {
    Hypervisor base;
    char *folder;
    GMutex lock;
    GHashTable *vms; /* uuid → json_t record: name, spec, channel, console_log, going */
    char *newest;    /* uuid of the VM made last */
    gint away;       /* its "libvirtd" is dead; atomic */
    /* Main loop only. */
    GHashTable *guests; /* uuid → FakeGuest */
    FakeControl *control;
    guint return_timer;
} Fake;

typedef struct {
    Fake *self;
    char *uuid;
    char *detail; /* a VM's end; NULL: it begins */
    gboolean up;
} Task;

static Fake *
fake_of (Hypervisor *hypervisor)
{
    return (Fake *)hypervisor;
}

static char *
record_path (Fake *self, const char *uuid)
{
    return g_strdup_printf ("%s/%s.json", self->folder, uuid);
}

static gboolean
save (Fake *self, const char *uuid, const json_t *record, GError **error)
{
    g_autofree char *path = record_path (self, uuid);
    g_autofree char *text = json_text (record);
    return file_replace (path, text, strlen (text), 0600, error);
}

static json_t *
take_record (Fake *self, const char *uuid)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    json_t *record = g_hash_table_lookup (self->vms, uuid);
    return record ? json_incref (record) : NULL;
}

static gboolean
forget (Fake *self, const char *uuid)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    g_autofree char *path = record_path (self, uuid);
    file_remove (path, NULL);
    return g_hash_table_remove (self->vms, uuid);
}

/* --- on the main loop -------------------------------------------------------------------------------------- */

static void post (Fake *self, const char *uuid, const char *detail, gboolean up);

static void
guest_ended (FakeGuest *guest, const char *detail, gpointer user_data)
{
    Fake *self = user_data;
    GHashTableIter iter;
    gpointer uuid, value;

    g_hash_table_iter_init (&iter, self->guests);
    while (g_hash_table_iter_next (&iter, &uuid, &value))
        if (value == guest && forget (self, uuid))
            post (self, uuid, detail, FALSE);
}

static FakeFaults
faults_of (const json_t *spec)
{
    return fake_faults (g_getenv ("VDC_FAKE_FAULTS"), json_str (spec, "class", ""),
                        json_object_get (spec, "guest"));
}

static void
begin (Task *task)
{
    g_autoptr (json_t) record = take_record (task->self, task->uuid);

    if (record == NULL || g_hash_table_contains (task->self->guests, task->uuid) ||
        json_bool (json_object_get (record, "spec"), "unmanaged", FALSE))
        return;
    FakeGuest *guest =
        fake_guest_new (json_str (record, "channel", ""), json_str (record, "console", NULL),
                        json_str (record, "console_log", ""), json_str (record, "screen", NULL),
                        faults_of (json_object_get (record, "spec")), task->up, guest_ended, task->self);
    g_hash_table_insert (task->self->guests, g_strdup (task->uuid), guest);
}

static gboolean
do_task (gpointer user_data)
{
    Task *task = user_data;

    if (task->detail == NULL)
        begin (task);
    else {
        g_hash_table_remove (task->self->guests, task->uuid);
        task->self->base.listener.event (task->uuid, HYPERVISOR_STOPPED, task->detail,
                                         task->self->base.listener.user_data);
    }
    g_free (task->uuid);
    g_free (task->detail);
    g_free (task);
    return G_SOURCE_REMOVE;
}

static void
post (Fake *self, const char *uuid, const char *detail, gboolean up)
{
    Task *task = g_new0 (Task, 1);
    *task = (Task){self, g_strdup (uuid), g_strdup (detail), up};
    g_idle_add (do_task, task);
}

/* --- deaths ------------------------------------------------------------------------------------------------ */

static gboolean
is_there (Fake *self, GError **error)
{
    if (!g_atomic_int_get (&self->away))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "the fake libvirtd is dead");
    return FALSE;
}

static gboolean
come_back (gpointer user_data)
{
    Fake *self = user_data;
    self->return_timer = 0;
    g_atomic_int_set (&self->away, FALSE);
    self->base.listener.connected (TRUE, self->base.listener.user_data);
    return G_SOURCE_REMOVE;
}

static void
go_away (Fake *self)
{
    if (self->return_timer != 0)
        return;
    g_atomic_int_set (&self->away, TRUE);
    self->base.listener.connected (FALSE, self->base.listener.user_data);
    self->return_timer = g_timeout_add (FAKE_AWAY_MS, come_back, self);
}

/* The newest VM that is still there, else any; caller frees. NULL: none. */
static char *
choose_vm (Fake *self)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    GHashTableIter iter;
    gpointer uuid;
    if (self->newest != NULL && g_hash_table_contains (self->vms, self->newest))
        return g_strdup (self->newest);
    g_hash_table_iter_init (&iter, self->vms);
    return g_hash_table_iter_next (&iter, &uuid, NULL) ? g_strdup (uuid) : NULL;
}

static void
take_command (const char *word, gpointer user_data)
{
    Fake *self = user_data;
    if (strcmp (word, "libvirtd") == 0) {
        go_away (self);
        return;
    }
    g_autofree char *uuid = choose_vm (self);
    FakeGuest *guest = uuid != NULL ? g_hash_table_lookup (self->guests, uuid) : NULL;
    if (strcmp (word, "vm") == 0 && uuid != NULL && forget (self, uuid))
        post (self, uuid, "crashed", FALSE);
    else if (strcmp (word, "guest") == 0 && guest != NULL)
        fake_guest_kill (guest);
}

/* --- operations -------------------------------------------------------------------------------------------- */

static gboolean
fake_start (Hypervisor *hypervisor, const Domain *domain, pid_t *pid, GError **error)
{
    Fake *self = fake_of (hypervisor);
    g_autofree char *checked = domain_xml_write (domain); /* as the real one would */

    if (!is_there (self, error))
        return FALSE;
    if (faults_of (domain->spec->document) & FAKE_START) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot start the VM: fake fault");
        return FALSE;
    }
    g_autoptr (json_t) record =
        json_pack ("{s:s, s:O, s:s, s:s, s:s, s:s?, s:b}", "name", domain->name, "spec", domain->spec->document,
                   "channel", domain->channel, "console", domain->console, "console_log", domain->console_log, "screen",
                   domain->spec->screen ? domain->screen : NULL, "going", 0);
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    if (g_hash_table_contains (self->vms, domain->uuid)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "the VM %s exists already", domain->name);
        return FALSE;
    }
    if (!save (self, domain->uuid, record, error))
        return FALSE;
    g_hash_table_insert (self->vms, g_strdup (domain->uuid), g_steal_pointer (&record));
    g_free (self->newest);
    self->newest = g_strdup (domain->uuid);
    *pid = 0;
    return TRUE;
}

static gboolean
fake_resume (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    Fake *self = fake_of (hypervisor);
    if (!is_there (self, error))
        return FALSE;
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    json_t *record = g_hash_table_lookup (self->vms, uuid);

    if (record == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "there is no VM %s", uuid);
        return FALSE;
    }
    g_autoptr (json_t) going = json_copy (record);
    json_put (going, "going", json_true ());
    if (!save (self, uuid, going, error))
        return FALSE;
    g_hash_table_insert (self->vms, g_strdup (uuid), g_steal_pointer (&going));
    post (self, uuid, NULL, FALSE);
    return TRUE;
}

/* Only what has no guest of ours is asked so. */
static gboolean
fake_press (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    Fake *self = fake_of (hypervisor);
    g_autoptr (json_t) record = take_record (self, uuid);

    if (record != NULL && !(faults_of (json_object_get (record, "spec")) & FAKE_STUBBORN) &&
        forget (self, uuid))
        post (self, uuid, "shutdown", FALSE);
    return TRUE;
}

static gboolean
fake_destroy (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    Fake *self = fake_of (hypervisor);
    if (!is_there (self, error))
        return FALSE;
    if (forget (self, uuid))
        post (self, uuid, "destroyed", FALSE);
    return TRUE;
}

static GPtrArray *
fake_list (Hypervisor *hypervisor, GError **error)
{
    Fake *self = fake_of (hypervisor);
    if (!is_there (self, error))
        return NULL;
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    GPtrArray *vms = g_ptr_array_new_with_free_func ((GDestroyNotify)hypervisor_vm_free);
    GHashTableIter iter;
    gpointer uuid, value;

    g_hash_table_iter_init (&iter, self->vms);
    while (g_hash_table_iter_next (&iter, &uuid, &value)) {
        HypervisorVm *vm = g_new0 (HypervisorVm, 1);
        json_t *spec = json_object_get (value, "spec");
        vm->uuid = g_strdup (uuid);
        vm->name = g_strdup (json_str (value, "name", ""));
        vm->application = g_strdup (json_str (spec, "application", NULL));
        vm->application_id = g_strdup (json_str (spec, "application_id", NULL));
        vm->member = g_strdup (json_str (spec, "member", NULL));
        vm->incarnation = json_int (spec, "incarnation", 0);
        vm->spec = spec ? json_incref (spec) : NULL;
        vm->paused = !json_bool (value, "going", FALSE);
        g_ptr_array_add (vms, vm);
    }
    return vms;
}

/* What each second adds: every fake VM is as busy as the other, so that tests know the rates. */
#define FAKE_CPU_US 250000
#define FAKE_NIC_BYTES 1000
#define FAKE_WIRE_BYTES 500
#define FAKE_DISK_BYTES 4096

static json_int_t
since_boot (gint64 each_second)
{
    return g_get_monotonic_time () * each_second / G_USEC_PER_SEC;
}

static json_t *
fake_disk_counters (Hypervisor *hypervisor, GError **error)
{
    Fake *self = fake_of (hypervisor);
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
    json_t *found = json_object ();
    GHashTableIter iter;
    gpointer uuid;

    g_hash_table_iter_init (&iter, self->vms);
    while (g_hash_table_iter_next (&iter, &uuid, NULL))
        json_put (found, uuid,
                  json_pack ("{s:{s:I, s:I, s:I, s:I}}", "vdb", "read_bytes", since_boot (FAKE_DISK_BYTES),
                             "written_bytes", since_boot (FAKE_DISK_BYTES), "reads", since_boot (1), "writes",
                             since_boot (1)));
    return found;
}

static void
fake_counters (Hypervisor *hypervisor, const Spec *spec, json_t *counters)
{
    json_t *nics = json_object (), *wires = json_object (), *nic, *rule;
    gsize i, k;
    json_array_foreach (spec_nics (spec), i, nic) {
        json_put (nics, json_str (nic, "terminal", ""),
                  json_pack ("{s:I, s:I, s:I, s:I, s:i}", "rx_bytes", since_boot (FAKE_NIC_BYTES), "tx_bytes",
                             since_boot (FAKE_NIC_BYTES), "rx_packets", since_boot (1), "tx_packets",
                             since_boot (1), "dropped", 0));
        json_array_foreach (json_object_get (nic, "rules"), k, rule) {
            json_put (
                wires, json_str (rule, "wire", ""),
                json_pack ("{s:I, s:I}", "bytes", since_boot (FAKE_WIRE_BYTES), "packets", since_boot (1)));
        }
    }
    json_put (counters, "cpu_us", json_integer (since_boot (FAKE_CPU_US)));
    json_put (counters, "memory_bytes", json_integer ((json_int_t)spec->memory_bytes));
    json_put (counters, "nics", nics);
    json_put (counters, "wires", wires);
}

static const char *
fake_version (Hypervisor *hypervisor)
{
    return "fake";
}

static void
fake_free (Hypervisor *hypervisor)
{
    Fake *self = fake_of (hypervisor);
    fake_control_free (self->control);
    g_clear_handle_id (&self->return_timer, g_source_remove);
    g_hash_table_unref (self->guests);
    g_hash_table_unref (self->vms);
    g_free (self->newest);
    g_free (self->folder);
    g_mutex_clear (&self->lock);
    g_free (self);
}

static const HypervisorOps fake_ops = {
    .name = "fake",
    .start = fake_start,
    .resume = fake_resume,
    .press = fake_press,
    .destroy = fake_destroy,
    .list = fake_list,
    .disk_counters = fake_disk_counters,
    .counters = fake_counters,
    .emulator_version = fake_version,
    .library_version = fake_version,
    .free = fake_free,
};

static void
load (Fake *self)
{
    g_autoptr (GDir) folder = g_dir_open (self->folder, 0, NULL);
    const char *name;

    while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
        g_autofree char *path = g_build_filename (self->folder, name, NULL);
        json_t *record = g_str_has_suffix (name, ".json") ? json_parse_file (path, NULL) : NULL;
        if (record == NULL)
            continue;
        g_autofree char *uuid = g_strndup (name, strlen (name) - strlen (".json"));
        if (json_bool (record, "going", FALSE))
            post (self, uuid, NULL, TRUE);
        g_hash_table_insert (self->vms, g_steal_pointer (&uuid), record);
    }
}

static gboolean
tell_connected (gpointer user_data)
{
    Fake *self = user_data;
    self->base.listener.connected (TRUE, self->base.listener.user_data);
    return G_SOURCE_REMOVE;
}

Hypervisor *
hypervisor_fake_new (const char *state_folder, const HypervisorListener *listener)
{
    Fake *self = g_new0 (Fake, 1);

    self->base.ops = &fake_ops;
    self->base.listener = *listener;
    self->folder = g_build_filename (state_folder, "fake", NULL);
    g_mutex_init (&self->lock);
    self->vms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
    self->guests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)fake_guest_free);
    file_make_folder (self->folder, 0700, NULL);
    load (self);
    self->control = fake_control_new (self->folder, take_command, self);
    g_idle_add (tell_connected, self);
    return &self->base;
}
