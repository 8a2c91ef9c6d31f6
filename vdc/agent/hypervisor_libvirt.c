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
 */
#include "vdc/agent/hypervisor.h"

#include "vdc/agent/libvirt_loop.h"
#include "vdc/base/error.h"
#include "vdc/base/log.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <errno.h>
#include <string.h>

#define RETRY_MS 1000
#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 3

typedef struct {
    Hypervisor base;
    char *uri;
    GMutex lock;
    virConnectPtr events; /* NULL: none now */
    char emulator[32], library[32];
    gboolean told; /* the last `connected` told; main loop */
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

/* Closing says goodbye and waits for an answer: never on the main loop. */
static gpointer
close_thread (gpointer connection)
{
    virConnectClose (connection);
    return NULL;
}

static gboolean
drop_connection (gpointer user_data)
{
    Libvirt *self = user_data;
    virConnectPtr connection = NULL;

    g_mutex_lock (&self->lock);
    if (self->events != NULL && virConnectIsAlive (self->events) != 1) /* not the next one, which is well */
        connection = g_steal_pointer (&self->events);
    g_mutex_unlock (&self->lock);
    if (connection == NULL)
        return G_SOURCE_REMOVE;
    vdc_log (VDC_LOG_WARNING, "connection to libvirt lost, trying again", "uri", self->uri, NULL);
    virConnectUnregisterCloseCallback (connection, on_close);
    g_thread_unref (g_thread_new ("libvirt-close", close_thread, connection));
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
    Libvirt *self = user_data;
    self->complained = FALSE;
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
read_versions (Libvirt *self, virConnectPtr connection)
{
    unsigned long v = 0;
    if (virConnectGetVersion (connection, &v) == 0)
        g_snprintf (self->emulator, sizeof self->emulator, "%lu.%lu.%lu", v / 1000000, v / 1000 % 1000,
                    v % 1000);
    if (virConnectGetLibVersion (connection, &v) == 0)
        g_snprintf (self->library, sizeof self->library, "%lu.%lu.%lu", v / 1000000, v / 1000 % 1000,
                    v % 1000);
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
    virConnectSetKeepAlive (connection, KEEPALIVE_S, KEEPALIVE_COUNT);
    virConnectRegisterCloseCallback (connection, on_close, self, NULL);
    virConnectDomainEventRegisterAny (connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                      VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), self, NULL);
    virConnectDomainEventRegisterAny (connection, NULL, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                      VIR_DOMAIN_EVENT_CALLBACK (on_io_error), self, NULL);
    read_versions (self, connection);
    g_mutex_lock (&self->lock);
    self->events = connection;
    g_mutex_unlock (&self->lock);
    g_idle_add (connection_made, self);
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
        else
            ok = fail ("cannot end the VM", &local);
    }
    if (domain != NULL)
        virDomainFree (domain);
    virConnectClose (connection);
    if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
    return ok;
}

static HypervisorVm *
describe (virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    int state = 0;
    HypervisorVm *vm = g_new0 (HypervisorVm, 1);
    char *metadata = virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_NAMESPACE, 0);
    DomainMetadata found = {NULL};

    virDomainGetUUIDString (domain, uuid);
    vm->uuid = g_strdup (uuid);
    vm->name = g_strdup (virDomainGetName (domain));
    vm->paused = virDomainGetState (domain, &state, NULL, 0) == 0 && state == VIR_DOMAIN_PAUSED;
    vm->pid = hypervisor_find_pid (uuid);
    if (metadata != NULL && domain_metadata_parse (metadata, &found)) {
        vm->application = found.application;
        vm->application_id = found.application_id;
        vm->member = found.member;
        vm->incarnation = found.incarnation;
        vm->spec = found.spec;
    }
    free (metadata);
    return vm;
}

static GPtrArray *
libvirt_list (Hypervisor *hypervisor, GError **error)
{
    virDomainPtr *domains = NULL;
    virConnectPtr connection = take_connection (libvirt_of (hypervisor), error);
    if (connection == NULL)
        return NULL;
    int n = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    GPtrArray *vms = NULL;

    if (n < 0)
        fail ("cannot list the VMs", error);
    else
        vms = g_ptr_array_new_with_free_func ((GDestroyNotify)hypervisor_vm_free);
    for (int i = 0; i < n; i++) {
        if (is_ours (domains[i]))
            g_ptr_array_add (vms, describe (domains[i]));
        virDomainFree (domains[i]);
    }
    free (domains);
    virConnectClose (connection);
    return vms;
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
    .destroy = libvirt_destroy,
    .list = libvirt_list,
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
    g_mutex_init (&self->lock);
    libvirt_loop_register ();
    virInitialize ();
    virSetErrorFunc (NULL, ignore_error);
    connect_soon (self, 0);
    return &self->base;
}
