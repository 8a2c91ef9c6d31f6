/*
 * libvirt, locally. Domains are transient: a VM that ends leaves nothing defined, and QEMU goes on when
 * libvirtd dies; the next libvirtd finds it.
 *
 * Events come by one connection that lives in `events`, is opened by a thread of its own (opening may block)
 * and is let go when libvirt says it closed. Operations open a connection each: libvirt lets threads that
 * share one take turns at its socket, and when such a connection dies (libvirtd hung, keepalive ran out) a
 * waiting thread may never be woken. A connection of one's own costs milliseconds; one to a libvirtd that
 * hangs waits for it, one to a libvirtd that died fails at once. Callbacks come on the main loop, by
 * libvirt_loop.c.
 *
 * A call under way on a connection must not be disturbed by another thread that sends on it: libvirt up to
 * 10.3 (CVE-2024-4418) then leaves a source behind that points into the stack of the call's thread, and a
 * later call on that connection crashes. The keepalive is such a sender, from the main loop, when a libvirtd
 * hangs for KEEPALIVE_S: it is switched on after the last call of the thread that connects. From then on only
 * the main loop uses the connection, until it is dead.
 */
#include "vdc/agent/hypervisor.h"

#include "vdc/agent/libvirt_loop.h"
#include "vdc/base/error.h"
#include "vdc/base/log.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#define RETRY_MS 1000
#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 3

typedef struct {
    Hypervisor base;
    char *uri;
    virConnectPtr events;           /* NULL: none now */
    int callbacks[2];               /* its events, to be given back with it */
    char emulator[32], library[32]; /* main loop */
    gboolean told;                  /* the last `connected` told; main loop */
    gboolean complained;
} Libvirt;

static void connect_soon (Libvirt *self, guint delay_ms);

static Libvirt *
libvirt_of (Hypervisor *hypervisor)
{
    return (Libvirt *)hypervisor;
}

/* Errors are returned, not printed. */
static void
ignore_error (void *unused, virErrorPtr error)
{
}

static gboolean
fail (const char *what, GError **error)
{
    virErrorPtr problem = virGetLastError ();
    VdcErrorCode code = VDC_ERROR_FAILED;
    const char *text = problem && problem->message ? problem->message : "unknown error";

    if (problem != NULL && (problem->domain == VIR_FROM_RPC || problem->domain == VIR_FROM_REMOTE))
        code = VDC_ERROR_UNKNOWN_RESULT; /* the connection broke while libvirtd was at it */
    else if (problem != NULL && problem->code == VIR_ERR_NO_DOMAIN)
        code = VDC_ERROR_NOT_FOUND;
    else if (strstr (text, g_strerror (ENOSPC)) != NULL)
        code = VDC_ERROR_FULL;
    else if (strstr (text, g_strerror (ENOMEM)) != NULL)
        code = VDC_ERROR_NO_CAPACITY;
    g_set_error (error, VDC_ERROR, code, "%s: %s", what, text);
    return FALSE;
}

static virConnectPtr
take_connection (Libvirt *self, GError **error)
{
    virConnectPtr connection = virConnectOpen (self->uri);

    if (connection == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "no connection to libvirt (%s): %s", self->uri,
                     virGetLastErrorMessage ());
    return connection;
}

/* --- events ------------------------------------------------------------------------------------------------ */

static gboolean
is_ours (virDomainPtr domain)
{
    return g_str_has_prefix (virDomainGetName (domain), "vdc-");
}

static void
tell (Libvirt *self, virDomainPtr domain, HypervisorEvent event, const char *detail)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    if (is_ours (domain) && virDomainGetUUIDString (domain, uuid) == 0)
        self->base.listener.event (uuid, event, detail, self->base.listener.user_data);
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *user_data)
{
    Libvirt *self = user_data;

    if (event == VIR_DOMAIN_EVENT_STOPPED)
        tell (self, domain, HYPERVISOR_STOPPED,
              detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN    ? "shutdown"
              : detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED ? "destroyed"
                                                             : "crashed");
    else if (event == VIR_DOMAIN_EVENT_RESUMED)
        tell (self, domain, HYPERVISOR_RESUMED, "");
    return 0;
}

static void
on_io_error (virConnectPtr connection, virDomainPtr domain, const char *path, const char *alias, int action,
             const char *reason, void *user_data)
{
    if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
        tell (user_data, domain, HYPERVISOR_PAUSED, g_strcmp0 (reason, "enospc") == 0 ? "full" : "io");
}

static void on_close (virConnectPtr connection, int reason, void *user_data);

static void
tell_connected (Libvirt *self, gboolean connected)
{
    if (self->told == connected && !connected)
        return;
    self->told = connected;
    self->base.listener.connected (connected, self->base.listener.user_data);
}

typedef struct {
    Libvirt *self;
    virConnectPtr connection;
    int callbacks[2];
    char emulator[32], library[32];
} Opened;

/*
 * Closing says goodbye and waits for an answer: never on the main loop. Each callback holds the connection:
 * one that is left registered keeps it for ever.
 */
static gpointer
close_thread (gpointer data)
{
    Opened *opened = data;

    for (guint i = 0; i < G_N_ELEMENTS (opened->callbacks); i++)
        if (opened->callbacks[i] >= 0)
            virConnectDomainEventDeregisterAny (opened->connection, opened->callbacks[i]);
    virConnectUnregisterCloseCallback (opened->connection, on_close);
    virConnectClose (opened->connection);
    g_free (opened);
    return NULL;
}

static gboolean
drop_connection (gpointer user_data)
{
    Libvirt *self = user_data;

    if (self->events == NULL || virConnectIsAlive (self->events) == 1) /* the next one, which is well */
        return G_SOURCE_REMOVE;
    vdc_log (VDC_LOG_WARNING, "connection to libvirt lost, trying again", "uri", self->uri, NULL);
    Opened *lost = g_new0 (Opened, 1);
    *lost = (Opened){.self = self,
                     .connection = g_steal_pointer (&self->events),
                     .callbacks = {self->callbacks[0], self->callbacks[1]}};
    g_thread_unref (g_thread_new ("libvirt-close", close_thread, lost));
    tell_connected (self, FALSE);
    connect_soon (self, RETRY_MS / 4);
    return G_SOURCE_REMOVE;
}

/* Called inside libvirt: the connection is let go from the loop. */
static void
on_close (virConnectPtr connection, int reason, void *user_data)
{
    g_idle_add (drop_connection, user_data);
}

/* --- connecting -------------------------------------------------------------------------------------------- */

static gboolean
connection_made (gpointer user_data)
{
    Opened *opened = user_data;
    Libvirt *self = opened->self;

    self->complained = FALSE;
    self->events = opened->connection;
    memcpy (self->callbacks, opened->callbacks, sizeof self->callbacks);
    g_strlcpy (self->emulator, opened->emulator, sizeof self->emulator);
    g_strlcpy (self->library, opened->library, sizeof self->library);
    g_free (opened);
    vdc_log (VDC_LOG_INFO, "connected to libvirt", "uri", self->uri, "libvirt", self->library, "emulator",
             self->emulator, NULL);
    tell_connected (self, TRUE);
    return drop_connection (self); /* it may have closed before anybody looked */
}

static gboolean
connection_failed (gpointer user_data)
{
    Libvirt *self = user_data;
    connect_soon (self, RETRY_MS);
    return G_SOURCE_REMOVE;
}

static void
write_version (char text[32], unsigned long v)
{
    g_snprintf (text, 32, "%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

/* Every call on the new connection, the keepalive last. */
static void
set_up (Opened *opened)
{
    Libvirt *self = opened->self;
    virConnectPtr connection = opened->connection;
    unsigned long v = 0;

    virConnectRegisterCloseCallback (connection, on_close, self, NULL);
    opened->callbacks[0] =
        virConnectDomainEventRegisterAny (connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                          VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), self, NULL);
    opened->callbacks[1] =
        virConnectDomainEventRegisterAny (connection, NULL, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                          VIR_DOMAIN_EVENT_CALLBACK (on_io_error), self, NULL);
    if (virConnectGetVersion (connection, &v) == 0)
        write_version (opened->emulator, v);
    if (virConnectGetLibVersion (connection, &v) == 0)
        write_version (opened->library, v);
    virConnectSetKeepAlive (connection, KEEPALIVE_S, KEEPALIVE_COUNT);
}

static gpointer
connect_thread (gpointer user_data)
{
    Libvirt *self = user_data;
    virConnectPtr connection = virConnectOpen (self->uri);

    if (connection == NULL) {
        if (!self->complained)
            vdc_log (VDC_LOG_WARNING, "cannot connect to libvirt, trying again", "uri", self->uri, "error",
                     virGetLastErrorMessage (), NULL);
        self->complained = TRUE;
        g_idle_add (connection_failed, self);
        return NULL;
    }
    Opened *opened = g_new0 (Opened, 1);
    opened->self = self;
    opened->connection = connection;
    set_up (opened);
    g_idle_add_full (G_PRIORITY_DEFAULT, connection_made, opened, NULL);
    return NULL;
}

static gboolean
start_connecting (gpointer user_data)
{
    g_thread_unref (g_thread_new ("libvirt-connect", connect_thread, user_data));
    return G_SOURCE_REMOVE;
}

static void
connect_soon (Libvirt *self, guint delay_ms)
{
    g_timeout_add (delay_ms, start_connecting, self);
}

/* --- operations -------------------------------------------------------------------------------------------- */

static gboolean
libvirt_start (Hypervisor *hypervisor, const Domain *domain, pid_t *pid, GError **error)
{
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return FALSE;
    g_autofree char *xml = domain_xml_write (domain);
    virDomainPtr made = virDomainCreateXML (connection, xml, VIR_DOMAIN_START_PAUSED);
    gboolean ok = made != NULL || fail ("cannot start the VM", error);

    if (made != NULL) {
        virDomainFree (made);
        *pid = hypervisor_find_pid (domain->uuid);
    }
    virConnectClose (connection);
    return ok;
}

/* NULL without @error set: there is no such VM. */
static virDomainPtr
look_up (virConnectPtr connection, const char *uuid, GError **error)
{
    virDomainPtr domain = virDomainLookupByUUIDString (connection, uuid);
    virErrorPtr problem = virGetLastError ();

    if (domain == NULL && (problem == NULL || problem->code != VIR_ERR_NO_DOMAIN))
        fail ("cannot look for the VM", error);
    return domain;
}

static gboolean
libvirt_resume (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    g_autoptr (GError) local = NULL;
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return FALSE;
    virDomainPtr domain = look_up (connection, uuid, &local);
    int state = 0;
    gboolean ok = TRUE;

    if (local != NULL) {
        g_propagate_error (error, g_steal_pointer (&local));
        ok = FALSE;
    } else if (domain == NULL || virDomainGetState (domain, &state, NULL, 0) != 0)
        ok = fail ("cannot let the VM run", error);
    else if (state == VIR_DOMAIN_PAUSED && virDomainResume (domain) != 0)
        ok = fail ("cannot let the VM run", error);
    if (domain != NULL)
        virDomainFree (domain);
    virConnectClose (connection);
    return ok;
}

/*
 * A libvirtd that was killed while it started a VM leaves the next one waiting for that QEMU's monitor, for
 * good: it refuses to end the VM. Once its process is gone, libvirtd notices, and the next try succeeds.
 */
static void
end_process (const char *uuid)
{
    virErrorPtr problem = virGetLastError ();
    pid_t pid =
        problem != NULL && problem->code == VIR_ERR_OPERATION_TIMEOUT ? hypervisor_find_pid (uuid) : 0;

    if (pid <= 0)
        return;
    vdc_log (VDC_LOG_WARNING, "libvirt cannot end a VM, its process is killed", "uuid", uuid, NULL);
    kill (pid, SIGKILL);
}

static gboolean
libvirt_press (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    g_autoptr (GError) local = NULL;
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return FALSE;
    virDomainPtr domain = look_up (connection, uuid, &local);
    gboolean ok = local == NULL;

    if (domain != NULL && virDomainShutdownFlags (domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) != 0)
        ok = fail ("cannot press the VM's power button", &local);
    if (domain != NULL)
        virDomainFree (domain);
    virConnectClose (connection);
    if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
    return ok;
}

static gboolean
libvirt_destroy (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    g_autoptr (GError) local = NULL;
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return FALSE;
    virDomainPtr domain = look_up (connection, uuid, &local);
    gboolean ok = local == NULL;

    if (domain != NULL && virDomainDestroy (domain) != 0) {
        virErrorPtr problem = virGetLastError ();
        /* It ended by itself in the meantime: what was wanted. */
        if (problem != NULL &&
            (problem->code == VIR_ERR_NO_DOMAIN || problem->code == VIR_ERR_OPERATION_INVALID))
            ok = TRUE;
        else {
            ok = fail ("cannot end the VM", &local);
            end_process (uuid);
        }
    }
    if (domain != NULL)
        virDomainFree (domain);
    virConnectClose (connection);
    if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
    return ok;
}

/* TRUE and *@vm NULL: the domain has ended meanwhile. FALSE: half of what there is to know would be a lie. */
static gboolean
describe (virDomainPtr domain, HypervisorVm **vm, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    int state = 0;
    gboolean known = virDomainGetState (domain, &state, NULL, 0) == 0;
    char *metadata =
        known ? virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_NAMESPACE, 0) : NULL;
    int problem = metadata == NULL ? virGetLastErrorCode () : 0;
    DomainMetadata found = {NULL};

    *vm = NULL;
    if (metadata == NULL && problem != VIR_ERR_NO_DOMAIN_METADATA)
        return problem == VIR_ERR_NO_DOMAIN || fail ("cannot look at a VM", error);
    HypervisorVm *made = g_new0 (HypervisorVm, 1);
    virDomainGetUUIDString (domain, uuid);
    made->uuid = g_strdup (uuid);
    made->name = g_strdup (virDomainGetName (domain));
    made->paused = state == VIR_DOMAIN_PAUSED;
    made->pid = hypervisor_find_pid (uuid);
    if (metadata != NULL && domain_metadata_parse (metadata, &found)) {
        made->application = found.application;
        made->application_id = found.application_id;
        made->member = found.member;
        made->incarnation = found.incarnation;
        made->spec = found.spec;
    }
    free (metadata);
    *vm = made;
    return TRUE;
}

static gboolean
describe_all (virDomainPtr *domains, int n, GPtrArray *vms, GError **error)
{
    for (int i = 0; i < n; i++) {
        HypervisorVm *vm = NULL;
        if (!is_ours (domains[i]))
            continue;
        if (!describe (domains[i], &vm, error))
            return FALSE;
        if (vm != NULL)
            g_ptr_array_add (vms, vm);
    }
    return TRUE;
}

static GPtrArray *
libvirt_list (Hypervisor *hypervisor, GError **error)
{
    virDomainPtr *domains = NULL;
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return NULL;
    int n = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify)hypervisor_vm_free);
    gboolean ok = n >= 0 ? describe_all (domains, n, vms, error) : fail ("cannot list the VMs", error);

    for (int i = 0; i < n; i++)
        virDomainFree (domains[i]);
    free (domains);
    virConnectClose (connection);
    return ok ? g_steal_pointer (&vms) : NULL;
}

static void
put_disks (json_t *found, const virDomainStatsRecord *record)
{
    static const char *const names[][2] = {{"rd.bytes", "read_bytes"},
                                           {"wr.bytes", "written_bytes"},
                                           {"rd.reqs", "reads"},
                                           {"wr.reqs", "writes"}};
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    unsigned n = 0;
    json_t *disks = json_object ();
    virTypedParamsGetUInt (record->params, record->nparams, "block.count", &n);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf ("block.%u.name", i);
        const char *target = NULL;
        json_t *counters = json_object ();
        for (guint k = 0; k < G_N_ELEMENTS (names); k++) {
            g_autofree char *name = g_strdup_printf ("block.%u.%s", i, names[k][0]);
            unsigned long long value;
            if (virTypedParamsGetULLong (record->params, record->nparams, name, &value) > 0)
                json_put (counters, names[k][1], json_integer ((json_int_t)value));
        }
        virTypedParamsGetString (record->params, record->nparams, key, &target);
        json_put (disks, target != NULL ? target : "", counters);
    }
    virDomainGetUUIDString (record->dom, uuid);
    json_put (found, uuid, disks);
}

static json_t *
libvirt_disk_counters (Hypervisor *hypervisor, GError **error)
{
    virDomainStatsRecordPtr *records = NULL;
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return NULL;
    int n = virConnectGetAllDomainStats (connection, VIR_DOMAIN_STATS_BLOCK, &records,
                                         VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING |
                                             VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    json_t *found = n >= 0 ? json_object () : NULL;
    for (int i = 0; i < n; i++)
        if (is_ours (records[i]->dom))
            put_disks (found, records[i]);
    if (n < 0)
        fail ("cannot look at the disks", error);
    virDomainStatsRecordListFree (records);
    virConnectClose (connection);
    return found;
}

static const char *
libvirt_emulator_version (Hypervisor *hypervisor)
{
    return libvirt_of (hypervisor)->emulator;
}

static const char *
libvirt_library_version (Hypervisor *hypervisor)
{
    return libvirt_of (hypervisor)->library;
}

static void
libvirt_free (Hypervisor *hypervisor)
{
    /*
     * Only at the end of the process: the connecting thread and libvirt's callbacks may still hold it. VMs go
     * on, and the kernel closes the socket.
     */
}

static const HypervisorOps libvirt_ops = {
    .name = "libvirt",
    .start = libvirt_start,
    .resume = libvirt_resume,
    .press = libvirt_press,
    .destroy = libvirt_destroy,
    .list = libvirt_list,
    .disk_counters = libvirt_disk_counters,
    .emulator_version = libvirt_emulator_version,
    .library_version = libvirt_library_version,
    .free = libvirt_free,
};

Hypervisor *
hypervisor_libvirt_new (const char *uri, const HypervisorListener *listener)
{
    Libvirt *self = g_new0 (Libvirt, 1);

    self->base.ops = &libvirt_ops;
    self->base.listener = *listener;
    self->uri = g_strdup (uri);
    libvirt_loop_register ();
    virInitialize ();
    virSetErrorFunc (NULL, ignore_error);
    connect_soon (self, 0);
    return &self->base;
}
