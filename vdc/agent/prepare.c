#include "vdc/agent/prepare.h"

#include "vdc/agent/seed.h"
#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/log.h"

#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define FAKE_MTU 1450

/* Everything a start has made, for going on and for going back. */
typedef struct {
    const Host *host;
    const Spec *spec;
    Domain domain;
    char *kernel, *initrd, *base, *root, *seed, *uuid, *name, *channel, *console, *console_log, *screen,
        *group;
    char **volumes;
    GArray *taps; /* of WireTap */
    DomainNic *nics;
    pid_t pid;
    gboolean root_made;
} Start;

void
prepare_result_clear (PrepareResult *result)
{
    g_clear_error (&result->error);
    result->step = NULL;
}

static void
start_clear (Start *start)
{
    g_free (start->kernel);
    g_free (start->initrd);
    g_free (start->base);
    g_free (start->root);
    g_free (start->seed);
    g_free (start->uuid);
    g_free (start->name);
    g_free (start->channel);
    g_free (start->console);
    g_free (start->console_log);
    g_free (start->screen);
    g_free (start->group);
    g_strfreev (start->volumes);
    g_clear_pointer (&start->taps, g_array_unref);
    g_free (start->nics);
}

static guint
inner_mtu (const Start *start)
{
    return start->taps->len ? g_array_index (start->taps, WireTap, 0).mtu : 0;
}

/* --- steps ------------------------------------------------------------------------------------------------- */

static gboolean
find_image (Start *start, GError **error)
{
    const Spec *spec = start->spec;
    Disks *disks = start->host->disks;

    start->base = disk_image_file (disks, spec->image_digest, spec->image_root, error);
    if (start->base == NULL || spec->unmanaged)
        return start->base != NULL;
    start->kernel = disk_image_file (disks, spec->image_digest, spec->image_kernel, error);
    start->initrd =
        start->kernel ? disk_image_file (disks, spec->image_digest, spec->image_initrd, error) : NULL;
    return start->initrd != NULL;
}

/*
 * What this server has not is fetched. The fake hypervisor needs no image; one that people brought comes all
 * the same, so that its way is tested.
 */
static gboolean
do_image (Start *start, GError **error)
{
    const Host *host = start->host;
    g_autoptr (GError) local = NULL;
    gboolean missing = host_is_fake (host) && start->spec->unmanaged;

    if (!missing && find_image (start, &local))
        return TRUE;
    if (host->images == NULL || (local != NULL && !vdc_error_is_not_found (local))) {
        if (local != NULL)
            g_propagate_error (error, g_steal_pointer (&local));
        return local == NULL && find_image (start, error);
    }
    g_clear_pointer (&start->base, g_free);
    g_clear_pointer (&start->kernel, g_free);
    return image_fetch (host->images, start->spec->image_digest, error) && find_image (start, error);
}

static gboolean
do_disk (Start *start, GError **error)
{
    start->root = disk_root_ensure (start->host->disks, start->spec, &start->root_made, error);
    return start->root != NULL;
}

static gboolean
undo_disk (Start *start)
{
    return !start->root_made ||
           disk_root_delete (start->host->disks, start->spec->application, start->spec->member, NULL);
}

static gboolean
do_volumes (Start *start, GError **error)
{
    const Spec *spec = start->spec;

    start->volumes = g_new0 (char *, spec->n_volumes + 1);
    for (guint i = 0; i < spec->n_volumes; i++) {
        const SpecVolume *volume = &spec->volumes[i];
        start->volumes[i] = volume_open (start->host->disks, volume->id, spec->key, volume->read_only, error);
        if (start->volumes[i] == NULL)
            return FALSE;
    }
    FP ("start.17.volumes_open");
    return TRUE;
}

static gboolean
undo_volumes (Start *start)
{
    volume_close_all (start->host->disks, start->spec->key);
    return TRUE;
}

static gboolean
ensure_wires (const Host *host, const Spec *spec, GArray **taps, GError **error)
{
    if (host->wires == NULL) {
        *taps = g_array_new (FALSE, TRUE, sizeof (WireTap));
        for (guint i = 0; i < spec->n_nics; i++) {
            WireTap tap = {.mtu = FAKE_MTU};
            wire_tap_name (spec->application_id, spec->member, spec->nics[i].terminal, tap.tap);
            g_strlcpy (tap.terminal, spec->nics[i].terminal, sizeof tap.terminal);
            g_array_append_val (*taps, tap);
        }
        return TRUE;
    }
    g_autoptr (WireMember) member = wire_member_parse (spec->document, error);
    return member != NULL && wires_ensure (host->wires, member, taps, error);
}

static gboolean
remove_wires (const Host *host, const char *application_id, const char *member, GError **error)
{
    return host->wires == NULL || wires_remove (host->wires, application_id, member, error);
}

static gboolean
do_wires (Start *start, GError **error)
{
    if (!ensure_wires (start->host, start->spec, &start->taps, error))
        return FALSE;
    start->nics = g_new0 (DomainNic, start->taps->len + 1);
    for (guint i = 0; i < start->taps->len; i++) {
        WireTap *tap = &g_array_index (start->taps, WireTap, i);
        start->nics[i] = (DomainNic){tap->tap, tap->mtu};
    }
    FP ("start.23.wires_up");
    return TRUE;
}

static gboolean
undo_wires (Start *start)
{
    g_autoptr (GError) error = NULL;
    if (remove_wires (start->host, start->spec->application_id, start->spec->member, &error))
        return TRUE;
    vdc_log (VDC_LOG_WARNING, "cannot take wires back, trying again later", "member", start->spec->key,
             "error", error->message, NULL);
    return TRUE; /* what lies below does not need them */
}

/* After the wires: the seed says their MTU. */
static gboolean
do_seed (Start *start, GError **error)
{
    if (!start->spec->unmanaged)
        return TRUE;
    g_autoptr (GBytes) seed = seed_new (start->spec, inner_mtu (start));
    start->seed = disk_seed_write (start->host->disks, start->spec, seed, error);
    FP ("publish.15.seed_made");
    return start->seed != NULL;
}

static void
fill_domain (Start *start)
{
    const Spec *spec = start->spec;
    const Host *host = start->host;

    start->uuid = domain_uuid (spec->application_id, spec->member);
    start->name = domain_name (spec->application_id, spec->member);
    start->channel = host_channel_socket (host, spec->application_id, spec->member);
    start->console = host_console_socket (host, spec->application_id, spec->member);
    start->console_log = host_console_path (host, spec->application, spec->member);
    start->screen = host_screen_socket (host, spec->application_id, spec->member);
    start->group = host_cgroup_name (spec->application_id, spec->member);
    start->domain = (Domain){
        .spec = spec,
        .uuid = start->uuid,
        .name = start->name,
        .accel = host->accel,
        .root = start->root,
        .root_base = start->base,
        .seed = start->seed,
        .kernel = start->kernel,
        .initrd = start->initrd,
        .channel = start->channel,
        .console = start->console,
        .console_log = start->console_log,
        .screen = start->screen,
        .volumes = start->volumes,
        .nics = start->nics,
    };
}

/* The second belt: the controller counts what it has promised, this looks at what is there. */
static gboolean
enough_memory (const Spec *spec, GError **error)
{
    guint64 left = host_memory_bytes ("MemAvailable:");

    if (left == 0 || left >= spec->memory_bytes)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY,
                 "the VM needs %" G_GUINT64_FORMAT " MB of memory and this server has %" G_GUINT64_FORMAT
                 " MB left",
                 spec->memory_bytes >> 20, left >> 20);
    return FALSE;
}

static gboolean
do_domain (Start *start, GError **error)
{
    Hypervisor *hypervisor = start->host->hypervisor;

    fill_domain (start);
    if (strlen (start->channel) >= sizeof ((struct sockaddr_un *)0)->sun_path) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                     "the state folder's path is too long for a socket: %s", start->channel);
        return FALSE;
    }
    if (!enough_memory (start->spec, error))
        return FALSE;
    /* What an attempt before us left, whose result nobody knew. */
    if (!hypervisor->ops->destroy (hypervisor, start->uuid, error))
        return FALSE;
    unlink (start->channel);
    unlink (start->console);
    unlink (start->screen);
    if (!hypervisor->ops->start (hypervisor, &start->domain, &start->pid, error))
        return FALSE;
    FP ("start.24.domain_made");
    return TRUE;
}

static gboolean
undo_domain (Start *start)
{
    g_autoptr (GError) error = NULL;

    if (start->uuid == NULL)
        return TRUE;
    if (!start->host->hypervisor->ops->destroy (start->host->hypervisor, start->uuid, &error)) {
        vdc_log (VDC_LOG_WARNING, "cannot take a VM back, trying again later", "member", start->spec->key,
                 "error", error->message, NULL);
        return FALSE;
    }
    unlink (start->channel);
    unlink (start->console);
    unlink (start->screen);
    return TRUE;
}

static gboolean
limit (const Host *host, const Spec *spec, guint64 memory_bytes, pid_t pid, GError **error)
{
    g_autofree char *group = host_cgroup_name (spec->application_id, spec->member);
    CgroupLimits limits = {spec->cpu, spec->cpu_cap, memory_bytes};
    return pid == 0 || cgroup_ensure (host->cgroups, group, &limits, pid, error);
}

static gboolean
do_limits (Start *start, GError **error)
{
    if (!limit (start->host, start->spec, start->spec->memory_bytes, start->pid, error))
        return FALSE;
    FP ("start.25.limits_set");
    return TRUE;
}

static gboolean
undo_limits (Start *start)
{
    /* The VM goes first, in undo_domain's stead: a group with a process in it cannot be removed. */
    if (!undo_domain (start))
        return FALSE;
    cgroup_remove (start->host->cgroups, start->group, NULL);
    return TRUE;
}

static gboolean
do_go (Start *start, GError **error)
{
    if (!start->host->hypervisor->ops->resume (start->host->hypervisor, start->uuid, error))
        return FALSE;
    FP ("start.26.domain_going");
    return TRUE;
}

static const struct {
    const char *name;
    gboolean (*act) (Start *start, GError **error);
    /*
     * Also after a half done act. FALSE: what the steps before made may still be in use and stays. The member
     * is dirty then, and prepare_clean goes on from there when it can.
     */
    gboolean (*undo) (Start *start);
} steps[] = {
    {"image", do_image, NULL},          {"disk", do_disk, undo_disk}, {"volume", do_volumes, undo_volumes},
    {"wire", do_wires, undo_wires},     {"disk", do_seed, NULL},      {"domain", do_domain, undo_domain},
    {"domain", do_limits, undo_limits}, {"domain", do_go, NULL},
};

static gboolean
fail (PrepareResult *result, const char *step, GError *error)
{
    result->step = step;
    result->error = error;
    /* libvirtd, or the controller that the image comes from, is away: the VM is not to blame. */
    result->again = error->domain == VDC_ERROR &&
                    (error->code == VDC_ERROR_UNREACHABLE || error->code == VDC_ERROR_UNKNOWN_RESULT) &&
                    (strcmp (step, "domain") == 0 || strcmp (step, "image") == 0);
    return FALSE;
}

/* The first @count steps, backwards. */
static void
undo (Start *start, guint count)
{
    while (count-- > 0)
        if (steps[count].undo != NULL && !steps[count].undo (start))
            return;
}

gboolean
prepare_start (const Host *host, const Spec *spec, PrepareResult *result)
{
    Start start = {.host = host, .spec = spec};
    GError *error = NULL;
    guint i;

    for (i = 0; i < G_N_ELEMENTS (steps); i++)
        if (!steps[i].act (&start, &error))
            break;
    if (error == NULL) {
        result->mtu = inner_mtu (&start);
        result->pid = start.pid;
    } else {
        fail (result, steps[i].name, error);
        undo (&start, i + 1);
    }
    start_clear (&start);
    return error == NULL;
}

gboolean
prepare_wires (const Host *host, const Spec *spec, PrepareResult *result)
{
    g_autoptr (GArray) taps = NULL;
    GError *error = NULL;

    if (!ensure_wires (host, spec, &taps, &error))
        return fail (result, "wire", error);
    FP ("apply.05.wires_relaid");
    result->mtu = taps->len ? g_array_index (taps, WireTap, 0).mtu : 0;
    return TRUE;
}

void
prepare_limits (const Host *host, const Spec *spec, pid_t pid)
{
    g_autoptr (GError) error = NULL;
    /* A running VM keeps its memory, whatever the spec for its successor says. */
    if (!limit (host, spec, 0, pid, &error))
        vdc_log (VDC_LOG_WARNING, "cannot set limits of a running VM, ignoring", "member", spec->key, "error",
                 error->message, NULL);
}

gboolean
prepare_clean (const Host *host, const char *application, const char *application_id, const char *member,
               PrepareResult *result)
{
    g_autofree char *uuid = domain_uuid (application_id, member);
    g_autofree char *group = host_cgroup_name (application_id, member);
    g_autofree char *channel = host_channel_socket (host, application_id, member);
    g_autofree char *console = host_console_socket (host, application_id, member);
    g_autofree char *screen = host_screen_socket (host, application_id, member);
    g_autofree char *user = g_strconcat (application, "/", member, NULL);
    GError *error = NULL;

    /* Nothing is given back while a VM may still use it. */
    if (!host->hypervisor->ops->destroy (host->hypervisor, uuid, &error))
        return fail (result, "domain", error);
    FP ("stop.09.vm_gone");
    if (!cgroup_remove (host->cgroups, group, &error))
        return fail (result, "domain", error);
    FP ("stop.10.limits_gone");
    unlink (channel);
    unlink (console);
    unlink (screen);
    if (!remove_wires (host, application_id, member, &error))
        return fail (result, "wire", error);
    FP ("stop.13.wires_gone");
    volume_close_all (host->disks, user);
    FP ("stop.14.volumes_closed");
    return TRUE;
}

/* --- remedies ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *step; /* NULL: any */
    VdcErrorCode code;
    const char *remedy;
} remedies[] = {
    {NULL, VDC_ERROR_FULL,
     "free space on this server's disk, or remove unused volumes with `vdc volume destroy`, then start "
     "again"},
    {"image", VDC_ERROR_NOT_FOUND,
     "build the class image with `appliances/build`, or bring it with `vdc class create`, then start again"},
    {"image", VDC_ERROR_UNREACHABLE, "the controller does not answer this server; start again when it does"},
    {"volume", VDC_ERROR_CONFLICT, "stop the instance that uses the volume, then start again"},
    {"volume", VDC_ERROR_NOT_FOUND, "create the volume again or name another one"},
    {"wire", VDC_ERROR_INVALID,
     "apply the application's description again; if it stays, report it with this message"},
    {"domain", VDC_ERROR_NO_CAPACITY, "stop something or give this instance less memory, then start again"},
    {"domain", VDC_ERROR_UNREACHABLE, "libvirtd does not answer on this server; it is tried again by itself"},
    {"domain", VDC_ERROR_UNKNOWN_RESULT,
     "libvirtd does not answer on this server; it is tried again by itself"},
    {"wire", VDC_ERROR_FAILED, "see `vdc verify`, then start again"},
    {NULL, VDC_ERROR_FAILED, "see the message and the server's agent log, then start again"},
};

const char *
prepare_remedy (const char *step, const GError *error)
{
    for (guint i = 0; i < G_N_ELEMENTS (remedies); i++)
        if (g_error_matches (error, VDC_ERROR, remedies[i].code) &&
            (remedies[i].step == NULL || strcmp (remedies[i].step, step) == 0))
            return remedies[i].remedy;
    return "start again; if it stays, report it with this message";
}
