#include "vdc/agent/instance.h"

#include "vdc/agent/guest_state.h"
#include "vdc/base/bug.h"
#include "vdc/base/clock.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <stdio.h>
#include <string.h>

#define CLEAN_RETRY_S 2
#define WIRES_RETRY_S 5
#define RESUME_RETRY_S 10
#define TAIL_LINES 20

typedef enum { DELETE_NOT, DELETE_KEEP_ROOT, DELETE_ALL } Deleting;

struct Instance {
    const Host *host;
    InstanceListener listener;
    char *uuid;
    Spec *spec;  /* what shall be */
    Spec *wired; /* whose wires lie; NULL: not known */
    VmState vm;
    gint64 have;
    gboolean known, busy, dirty, waiting, wires_failed;
    Deleting deleting;
    gint64 moved_us;
    char *since;
    char *exit;    /* NULL, "crashed", "shutdown" */
    json_t *error; /* {"step","code","message","remedy"}, NULL for none */
    char *tail;
    char *died_early; /* an end seen while still preparing */
    guint mtu;
    gboolean mtu_known, paused;
    guint stop_timer, retry_timer, resume_timer;
    GuestState guest;
    Channel *channel;
    Sessions *sessions;
    Console *console;
    char *settings_sent; /* in this connection of the channel */
    json_t *counters;
};

static void step (Instance *instance);
static void send_settings (Instance *instance);

/* --- telling and keeping
 * ------------------------------------------------------------------------------------------ */

static json_t *
error_json (const char *at, const GError *error)
{
    return json_pack ("{s:s, s:s, s:o, s:s}", "step", at, "code", vdc_error_name (error), "message",
                      json_str_new (error->message), "remedy", prepare_remedy (at, error));
}

static gboolean
save (Instance *instance, GError **error)
{
    g_autofree char *path =
        host_record_path (instance->host, instance->spec->application, instance->spec->member);
    g_autofree char *folder = g_path_get_dirname (path);
    g_autoptr (json_t) record = json_pack (
        "{s:O, s:s, s:I, s:o, s:O?, s:o, s:i, s:s}", "spec", instance->spec->document, "vm",
        vm_state_name (instance->vm), "have", (json_int_t)instance->have, "exit",
        json_str_new (instance->exit), "error", instance->error, "console_tail",
        json_str_new (instance->tail), "deleting", (int)instance->deleting, "since", instance->since,
        "guest_state", instance->guest.state, "guest_configured", (json_int_t)instance->guest.configured);
    g_autofree char *text = json_pretty (record);

    return file_make_folder (folder, 0700, error) && file_replace (path, text, strlen (text), 0600, error);
}

static void
keep (Instance *instance)
{
    g_autoptr (GError) error = NULL;
    if (!save (instance, &error))
        vdc_log (VDC_LOG_ERROR, "cannot write a member's record, going on", "member", instance->spec->key,
                 "error", error->message, NULL);
}

static void
tell (Instance *instance)
{
    instance->listener.changed (instance, instance->listener.user_data);
}

/* The one place where the state changes. */
static void
move (Instance *instance, VmState to)
{
    if (instance->vm != to) {
        vdc_log (VDC_LOG_INFO, "member moves", "application", instance->spec->application, "member",
                 instance->spec->member, "operation", instance->spec->operation, "from",
                 vm_state_name (instance->vm), "to", vm_state_name (to), NULL);
        g_free (instance->since);
        instance->since = clock_stamp (clock_real ());
    }
    instance->vm = to;
    instance->moved_us = g_get_monotonic_time ();
    keep (instance);
    tell (instance);
}

static void
set_error (Instance *instance, const char *at, const GError *error)
{
    g_clear_pointer (&instance->error, json_decref);
    if (error == NULL)
        return;
    instance->error = error_json (at, error);
    vdc_log (VDC_LOG_WARNING, "member has an error", "application", instance->spec->application, "member",
             instance->spec->member, "step", at, "error", error->message, NULL);
}

static void
set_exit (Instance *instance, const char *exit)
{
    g_free (instance->exit);
    instance->exit = g_strdup (exit);
}

static void
take_tail (Instance *instance)
{
    g_free (instance->tail);
    instance->tail = console_tail_text (instance->console, TAIL_LINES);
}

/* --- guest
 * -------------------------------------------------------------------------------------------------------- */

static void
guest_hello (const json_t *message, gpointer user_data)
{
    Instance *instance = user_data;
    g_clear_pointer (&instance->settings_sent, g_free);
    guest_state_take (&instance->guest, "hello", message);
    send_settings (instance);
    tell (instance);
}

static void
guest_message (const char *type, const json_t *message, gpointer user_data)
{
    Instance *instance = user_data;

    if (strcmp (type, "log") == 0 || strcmp (type, "alert") == 0)
        vdc_log (VDC_LOG_INFO, "guest says", "application", instance->spec->application, "member",
                 instance->spec->member, "kind", type, "severity", json_str (message, "severity", ""), "text",
                 json_str (message, "text", ""), NULL);
    else if (guest_state_take (&instance->guest, type, message)) {
        if (strcmp (type, "state") == 0)
            keep (instance); /* a new agent shall not take a guest that is ready for one that boots */
        tell (instance);
    } else
        sessions_message (instance->sessions, type, message);
}

static void
guest_lost (gpointer user_data)
{
    Instance *instance = user_data;
    instance->guest.connected = FALSE;
    sessions_lost (instance->sessions);
    tell (instance);
}

static const ChannelEvents channel_events = {guest_hello, guest_message, guest_lost};

static void
open_channel (Instance *instance)
{
    g_autofree char *path =
        host_channel_socket (instance->host, instance->spec->application_id, instance->spec->member);

    if (instance->channel != NULL)
        return;
    instance->channel = channel_new (path, &channel_events, instance);
    instance->sessions = sessions_new (instance->channel);
}

static void
close_channel (Instance *instance)
{
    g_clear_pointer (&instance->sessions, sessions_free);
    g_clear_pointer (&instance->channel, channel_free);
    g_clear_pointer (&instance->settings_sent, g_free);
    instance->guest.connected = FALSE;
}

static void
send_settings (Instance *instance)
{
    if (instance->channel == NULL || !channel_is_up (instance->channel) || !instance->mtu_known)
        return;
    g_autoptr (json_t) settings = guest_settings (instance->spec, instance->mtu);
    g_autofree char *text = json_text (settings);
    if (g_strcmp0 (text, instance->settings_sent) == 0)
        return;
    if (!json_bool (settings, "draining", FALSE))
        instance->guest.drained = FALSE;
    channel_send (instance->channel, json_pack ("{s:s, s:O}", "t", "settings", "settings", settings));
    g_free (instance->settings_sent);
    instance->settings_sent = g_steal_pointer (&text);
}

/* --- work in the background
 * --------------------------------------------------------------------------------------- */

typedef enum { JOB_START, JOB_CLEAN, JOB_WIRES, JOB_DELETE, JOB_KILL, JOB_RESUME, JOB_LIMITS } JobKind;

typedef struct {
    JobKind kind;
    Instance *instance; /* not touched by the worker */
    const Host *host;
    Spec *spec;
    char *uuid;
    gboolean remove_root;
    pid_t pid;
    gint64 had; /* JOB_START: incarnation before */
    PrepareResult result;
} Job;

static void finished (Job *job);

static gboolean
job_done (gpointer data)
{
    Job *job = data;
    job->instance->busy = FALSE;
    job->instance->moved_us = g_get_monotonic_time ();
    finished (job);
    prepare_result_clear (&job->result);
    spec_unref (job->spec);
    g_free (job->uuid);
    g_free (job);
    return G_SOURCE_REMOVE;
}

static void
run_kind (Job *job)
{
    Hypervisor *hypervisor = job->host->hypervisor;
    const Spec *spec = job->spec;

    switch (job->kind) {
    case JOB_START:
        prepare_start (job->host, spec, &job->result);
        break;
    case JOB_CLEAN:
        prepare_clean (job->host, spec->application, spec->application_id, spec->member, &job->result);
        break;
    case JOB_WIRES:
        if (job->pid != 0)
            prepare_limits (job->host, spec, job->pid);
        prepare_wires (job->host, spec, &job->result);
        break;
    case JOB_LIMITS:
        prepare_limits (job->host, spec, job->pid);
        break;
    case JOB_DELETE:
        if (job->remove_root)
            disk_root_delete (job->host->disks, spec->application, spec->member, &job->result.error);
        break;
    case JOB_KILL:
        hypervisor->ops->destroy (hypervisor, job->uuid, &job->result.error);
        break;
    case JOB_RESUME:
        hypervisor->ops->resume (hypervisor, job->uuid, &job->result.error);
        break;
    }
}

static void
run_job (gpointer data, gpointer unused)
{
    Job *job = data;
    run_kind (job);
    g_idle_add_full (G_PRIORITY_DEFAULT, job_done, job, NULL);
}

static Job *
job_new (Instance *instance, JobKind kind)
{
    Job *job = g_new0 (Job, 1);
    job->kind = kind;
    job->instance = instance;
    job->host = instance->host;
    job->spec = spec_ref (instance->spec);
    job->uuid = g_strdup (instance->uuid);
    return job;
}

static void
job_push (Job *job)
{
    static GThreadPool *pool; /* starts of several members overlap: much of each is waiting */
    if (pool == NULL)
        pool = g_thread_pool_new (run_job, NULL, 8, FALSE, NULL);
    job->instance->busy = TRUE;
    g_thread_pool_push (pool, job, NULL);
}

/* --- actions
 * ------------------------------------------------------------------------------------------------------ */

static void
start (Instance *instance)
{
    Job *job = job_new (instance, JOB_START);

    job->had = instance->have;
    instance->have = instance->spec->incarnation;
    instance->dirty = TRUE;
    instance->mtu_known = FALSE;
    set_exit (instance, NULL);
    set_error (instance, NULL, NULL);
    g_clear_pointer (&instance->tail, g_free);
    g_clear_pointer (&instance->died_early, g_free);
    g_clear_pointer (&instance->counters, json_decref);
    guest_state_reset (&instance->guest);
    job_push (job);
    move (instance, VM_PREPARING);
}

static void
clean (Instance *instance)
{
    close_channel (instance);
    job_push (job_new (instance, JOB_CLEAN));
}

static gboolean
guest_had_its_time (gpointer user_data)
{
    Instance *instance = user_data;

    instance->stop_timer = 0;
    vdc_log (VDC_LOG_WARNING, "guest did not stop in time, its VM is ended", "application",
             instance->spec->application, "member", instance->spec->member, NULL);
    if (instance->vm == VM_STOPPING && !instance->busy)
        clean (instance);
    return G_SOURCE_REMOVE;
}

static void
stop (Instance *instance)
{
    gboolean told =
        instance->channel != NULL && channel_send (instance->channel, json_pack ("{s:s}", "t", "stop"));

    if (told && instance->spec->stop_timeout_s > 0)
        instance->stop_timer =
            g_timeout_add_seconds (instance->spec->stop_timeout_s, guest_had_its_time, instance);
    move (instance, VM_STOPPING);
    if (instance->stop_timer == 0)
        clean (instance);
}

static void
destroy (Instance *instance)
{
    g_clear_handle_id (&instance->stop_timer, g_source_remove);
    clean (instance);
    move (instance, VM_STOPPING);
}

static void
remove_all (Instance *instance)
{
    Job *job = job_new (instance, JOB_DELETE);
    job->remove_root = instance->deleting == DELETE_ALL;
    job_push (job);
}

static InstanceView
view_of (const Instance *instance)
{
    return (InstanceView){
        .vm = instance->vm,
        .known = instance->known,
        .busy = instance->busy || instance->waiting,
        .grace = instance->stop_timer != 0,
        .dirty = instance->dirty,
        .wires_stale = !instance->wires_failed &&
                       (instance->wired == NULL || !spec_same_wires (instance->wired, instance->spec)),
        .deleting = instance->deleting != DELETE_NOT,
        .power = instance->spec->power,
        .wanted = instance->spec->incarnation,
        .have = instance->have,
    };
}

static void
step (Instance *instance)
{
    InstanceView view = view_of (instance);

    switch (instance_decide (&view)) {
    case DO_NOTHING:
        break;
    case DO_START:
        start (instance);
        break;
    case DO_STOP:
        stop (instance);
        break;
    case DO_DESTROY:
        destroy (instance);
        break;
    case DO_CLEAN:
        clean (instance);
        break;
    case DO_WIRES:
        job_push (job_new (instance, JOB_WIRES));
        break;
    case DO_DELETE:
        remove_all (instance);
        break;
    }
}

static gboolean
wait_is_over (gpointer user_data)
{
    Instance *instance = user_data;
    instance->retry_timer = 0;
    instance->waiting = FALSE;
    instance->wires_failed = FALSE;
    step (instance);
    return G_SOURCE_REMOVE;
}

static void
try_later (Instance *instance, guint seconds)
{
    g_clear_handle_id (&instance->retry_timer, g_source_remove);
    instance->retry_timer = g_timeout_add_seconds (seconds, wait_is_over, instance);
}

/* --- results
 * ------------------------------------------------------------------------------------------------------ */

static void
died (Instance *instance, const char *exit)
{
    g_clear_handle_id (&instance->stop_timer, g_source_remove);
    g_clear_handle_id (&instance->resume_timer, g_source_remove);
    gboolean wanted = instance->vm == VM_STOPPING;
    if (!wanted)
        take_tail (instance);
    set_exit (instance, wanted ? NULL : exit);
    close_channel (instance);
    instance->dirty = TRUE;
    instance->paused = FALSE;
    move (instance, VM_STOPPED);
}

static void
runs (Instance *instance)
{
    instance->known = TRUE;
    instance->dirty = TRUE;
    open_channel (instance);
    move (instance, VM_RUNNING);
}

static void
start_finished (Instance *instance, Job *job)
{
    const PrepareResult *result = &job->result;

    if (result->error == NULL) {
        instance->mtu = result->mtu;
        instance->mtu_known = TRUE;
        spec_unref (instance->wired);
        instance->wired = spec_ref (job->spec);
        runs (instance);
        if (instance->died_early != NULL)
            died (instance, instance->died_early);
        return;
    }
    set_error (instance, result->step, result->error);
    if (result->again) {
        /* The same incarnation once more, when the hypervisor has been asked what there is. */
        instance->have = job->had;
        instance->known = FALSE;
        move (instance, VM_PREPARING);
        return;
    }
    take_tail (instance);
    move (instance, VM_FAILED);
}

static void
clean_finished (Instance *instance, Job *job)
{
    if (job->result.error == NULL) {
        instance->dirty = FALSE;
        g_clear_handle_id (&instance->stop_timer, g_source_remove);
        if (instance->vm == VM_STOPPING)
            move (instance, VM_STOPPED);
        return;
    }
    vdc_log (VDC_LOG_WARNING, "cannot clean up behind a member, trying again", "member", instance->spec->key,
             "step", job->result.step, "error", job->result.error->message, NULL);
    if (instance->vm == VM_ABSENT && instance->error == NULL) { /* a start waits for this: say why */
        set_error (instance, job->result.step, job->result.error);
        tell (instance);
    }
    instance->dirty = TRUE;
    instance->waiting = TRUE;
    try_later (instance, CLEAN_RETRY_S);
}

static void
wires_finished (Instance *instance, Job *job)
{
    if (job->result.error != NULL) {
        set_error (instance, "wire", job->result.error);
        instance->wires_failed = TRUE;
        try_later (instance, WIRES_RETRY_S);
        tell (instance);
        return;
    }
    spec_unref (instance->wired);
    instance->wired = spec_ref (job->spec);
    instance->mtu = job->result.mtu;
    instance->mtu_known = TRUE;
    if (g_strcmp0 (json_str (instance->error, "step", NULL), "wire") == 0)
        set_error (instance, NULL, NULL);
    keep (instance);
    send_settings (instance);
    tell (instance);
}

static gboolean
tell_gone (gpointer user_data)
{
    Instance *instance = user_data;
    instance->listener.gone (instance, instance->listener.user_data);
    return G_SOURCE_REMOVE;
}

static void
delete_finished (Instance *instance, Job *job)
{
    const Spec *spec = instance->spec;
    g_autofree char *record = host_record_path (instance->host, spec->application, spec->member);
    g_autofree char *folder = g_path_get_dirname (record);
    g_autofree char *log = host_console_path (instance->host, spec->application, spec->member);
    g_autoptr (GError) error = g_steal_pointer (&job->result.error);

    g_clear_pointer (&instance->console, console_free);
    console_remove_files (log);
    if (error != NULL || !file_remove (record, &error)) {
        vdc_log (VDC_LOG_WARNING, "cannot delete a member, trying again", "member", spec->key, "error",
                 error->message, NULL);
        instance->waiting = TRUE;
        try_later (instance, CLEAN_RETRY_S);
        return;
    }
    remove (folder);       /* only when it was the last */
    instance->busy = TRUE; /* nothing more */
    g_idle_add (tell_gone, instance);
}

static void
finished (Job *job)
{
    Instance *instance = job->instance;

    switch (job->kind) {
    case JOB_START:
        start_finished (instance, job);
        break;
    case JOB_CLEAN:
        clean_finished (instance, job);
        break;
    case JOB_WIRES:
        wires_finished (instance, job);
        break;
    case JOB_DELETE:
        delete_finished (instance, job);
        break;
    case JOB_KILL:
    case JOB_LIMITS:
    case JOB_RESUME: /* what follows comes as an event, or at the next look */
        break;
    }
    step (instance);
}

/* --- what the hypervisor says
 * ------------------------------------------------------------------------------------- */

static void halted (Instance *instance, const char *detail);

static void
adopt (Instance *instance, const HypervisorVm *vm)
{
    if (vm->paused && instance->vm == VM_PREPARING)
        return; /* made but never set going: cleaned and made again */
    vdc_log (VDC_LOG_INFO, "running VM found again", "application", instance->spec->application, "member",
             instance->spec->member, NULL);
    instance->have = vm->incarnation; /* what the guest said last is in the record */
    runs (instance);
    if (vm->paused)
        halted (instance, "io");
    /* Whatever an agent before us was at: wires and limits are laid again, which changes nothing that is
     * right. */
    Job *job = job_new (instance, JOB_WIRES);
    job->pid = vm->pid;
    job_push (job);
}

static void
look_first_time (Instance *instance, const HypervisorVm *vm)
{
    instance->known = TRUE;
    if (vm != NULL)
        adopt (instance, vm);
    else if (instance->vm == VM_RUNNING)
        died (instance, "crashed");
    else if (instance->vm == VM_STOPPING)
        move (instance, VM_STOPPED);
    if (instance->vm == VM_PREPARING && !instance->busy)
        instance->have = MIN (instance->have, instance->spec->incarnation - 1);
}

void
instance_found (Instance *instance, const HypervisorVm *vm, gint64 asked_us)
{
    if (instance->busy || asked_us < instance->moved_us)
        return;
    if (!instance->known)
        look_first_time (instance, vm);
    else if (vm == NULL && (instance->vm == VM_RUNNING || instance->vm == VM_STOPPING))
        died (instance, "crashed"); /* its event was lost with a libvirtd */
    else if (vm != NULL && instance->vm != VM_RUNNING && instance->vm != VM_STOPPING)
        instance->dirty = TRUE; /* a VM that should not be: an undo that could not */
    step (instance);
}

static gboolean
try_resume (gpointer user_data)
{
    Instance *instance = user_data;
    if (!instance->busy && instance->vm == VM_RUNNING)
        job_push (job_new (instance, JOB_RESUME));
    return G_SOURCE_CONTINUE;
}

static void
halted (Instance *instance, const char *detail)
{
    gboolean full = strcmp (detail, "full") == 0;
    g_autoptr (GError) error =
        g_error_new (VDC_ERROR, full ? VDC_ERROR_FULL : VDC_ERROR_FAILED, "the VM stands still: %s",
                     full ? "this server's disk is full" : "a disk of it cannot be read or written");

    set_error (instance, "disk", error);
    instance->paused = TRUE;
    if (instance->resume_timer == 0)
        instance->resume_timer = g_timeout_add_seconds (RESUME_RETRY_S, try_resume, instance);
    keep (instance);
    tell (instance);
}

static void
goes_on (Instance *instance)
{
    if (!instance->paused)
        return;
    instance->paused = FALSE;
    g_clear_handle_id (&instance->resume_timer, g_source_remove);
    set_error (instance, NULL, NULL);
    if (instance->channel != NULL) /* its clock stood still */
        channel_send (instance->channel, json_pack ("{s:s, s:I}", "t", "clock", "time_ns",
                                                    (json_int_t)(g_get_real_time () * 1000)));
    keep (instance);
    tell (instance);
}

void
instance_event (Instance *instance, HypervisorEvent event, const char *detail)
{
    if (event == HYPERVISOR_PAUSED && instance->vm == VM_RUNNING)
        halted (instance, detail);
    else if (event == HYPERVISOR_RESUMED && instance->vm == VM_RUNNING)
        goes_on (instance);
    if (event != HYPERVISOR_STOPPED)
        return;
    const char *exit = strcmp (detail, "shutdown") == 0 ? "shutdown" : "crashed";
    if (instance->vm == VM_RUNNING || instance->vm == VM_STOPPING)
        died (instance, exit);
    else if (instance->vm == VM_PREPARING && strcmp (detail, "destroyed") != 0) {
        g_free (instance->died_early);
        instance->died_early = g_strdup (exit);
    }
    step (instance);
}

/* --- requests
 * ----------------------------------------------------------------------------------------------------- */

static gboolean
refuse (GError **error, const char *text)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "%s", text);
    return FALSE;
}

gboolean
instance_put (Instance *instance, Spec *spec, GError **error)
{
    if (instance->deleting != DELETE_NOT)
        return refuse (error, "the member is being deleted; try again when it is gone");
    if (spec->generation < instance->spec->generation)
        return refuse (error, "a newer generation has spoken already");
    if (strcmp (spec->application_id, instance->spec->application_id) != 0)
        return refuse (error, "a member of that name belongs to another application id; delete it first");
    gboolean limits = spec->cpu != instance->spec->cpu || spec->cpu_cap != instance->spec->cpu_cap;
    Spec *before = instance->spec;
    instance->spec = spec_ref (spec);
    if (!save (instance, error)) {
        spec_unref (instance->spec);
        instance->spec = before;
        return FALSE;
    }
    spec_unref (before);
    instance->wires_failed = FALSE;
    send_settings (instance);
    step (instance);
    if (limits && !instance->busy && instance->vm == VM_RUNNING) {
        Job *job = job_new (instance, JOB_LIMITS);
        job->pid = hypervisor_find_pid (instance->uuid);
        job_push (job);
    }
    tell (instance);
    return TRUE;
}

gboolean
instance_delete (Instance *instance, gboolean remove_root, GError **error)
{
    Deleting before = instance->deleting;

    instance->deleting = remove_root || before == DELETE_ALL ? DELETE_ALL : DELETE_KEEP_ROOT;
    if (!save (instance, error)) {
        instance->deleting = before;
        return FALSE;
    }
    step (instance);
    return TRUE;
}

gboolean
instance_kill (Instance *instance, GError **error)
{
    if (instance->vm != VM_RUNNING || instance->busy)
        return refuse (error, instance->vm == VM_RUNNING ? "the member is being changed; try again"
                                                         : "the member does not run");
    job_push (job_new (instance, JOB_KILL));
    return TRUE;
}

json_t *
instance_report (Instance *instance)
{
    json_t *counters = instance->counters ? json_copy (instance->counters) : json_object ();

    json_put (counters, "guest", json_copy (instance->guest.counters));
    return json_pack ("{s:s, s:s, s:I, s:s, s:I, s:s, s:o, s:O?, s:o, s:o, s:s, s:o}", "application",
                      instance->spec->application, "member", instance->spec->member, "generation",
                      (json_int_t)instance->spec->generation, "operation", instance->spec->operation,
                      "incarnation", (json_int_t)MAX (instance->have, 0), "vm", vm_state_name (instance->vm),
                      "guest", guest_state_report (&instance->guest), "error", instance->error, "exit",
                      json_str_new (instance->exit), "console_tail", json_str_new (instance->tail), "since",
                      instance->since, "counters", counters);
}

void
instance_set_counters (Instance *instance, json_t *counters)
{
    json_decref (instance->counters);
    instance->counters = counters;
}

/* --- making
 * ------------------------------------------------------------------------------------------------------- */

static Instance *
make (const Host *host, Spec *spec, const InstanceListener *listener)
{
    Instance *instance = g_new0 (Instance, 1);
    g_autofree char *log = host_console_path (host, spec->application, spec->member);
    g_autofree char *console = host_console_socket (host, spec->application_id, spec->member);

    instance->host = host;
    instance->listener = *listener;
    instance->spec = spec_ref (spec);
    instance->uuid = domain_uuid (spec->application_id, spec->member);
    instance->have = -1;
    instance->since = clock_stamp (clock_real ());
    instance->console = console_new (log, console);
    guest_state_reset (&instance->guest);
    return instance;
}

Instance *
instance_new (const Host *host, Spec *spec, const InstanceListener *listener, GError **error)
{
    Instance *instance = make (host, spec, listener);

    instance->known = TRUE; /* there was no record, so nothing ran */
    instance->dirty = TRUE; /* but a record may have been lost */
    if (!save (instance, error)) {
        instance_free (instance);
        return NULL;
    }
    step (instance);
    return instance;
}

static VmState
parse_state (const char *name)
{
    for (VmState state = VM_ABSENT; state <= VM_FAILED; state++)
        if (strcmp (vm_state_name (state), name) == 0)
            return state;
    return VM_STOPPED;
}

static void
take_guest_back (Instance *instance, const json_t *record)
{
    g_autoptr (json_t) state = json_pack ("{s:s}", "state", json_str (record, "guest_state", "booting"));
    guest_state_take (&instance->guest, "state", state);
    instance->guest.configured = json_int (record, "guest_configured", 0);
}

Instance *
instance_load (const Host *host, const char *path, const InstanceListener *listener, GError **error)
{
    g_autoptr (json_t) record = json_parse_file (path, error);
    if (record == NULL)
        return NULL;
    g_autoptr (Spec) spec = spec_new (json_object_get (record, "spec"), NULL, NULL, error);
    if (spec == NULL)
        return NULL;
    Instance *instance = make (host, spec, listener);
    json_t *problem = json_object_get (record, "error");

    instance->vm = parse_state (json_str (record, "vm", ""));
    instance->have = json_int (record, "have", -1);
    instance->exit = g_strdup (json_str (record, "exit", NULL));
    instance->error = json_is_object (problem) ? json_incref (problem) : NULL;
    instance->tail = g_strdup (json_str (record, "console_tail", NULL));
    instance->deleting = (Deleting)CLAMP (json_int (record, "deleting", 0), 0, 2);
    instance->dirty = TRUE;
    g_free (instance->since);
    instance->since = g_strdup (json_str (record, "since", ""));
    take_guest_back (instance, record);
    return instance;
}

void
instance_free (Instance *instance)
{
    if (instance == NULL)
        return;
    g_clear_handle_id (&instance->stop_timer, g_source_remove);
    g_clear_handle_id (&instance->retry_timer, g_source_remove);
    g_clear_handle_id (&instance->resume_timer, g_source_remove);
    close_channel (instance);
    console_free (instance->console);
    guest_state_clear (&instance->guest);
    spec_unref (instance->spec);
    spec_unref (instance->wired);
    json_decref (instance->error);
    json_decref (instance->counters);
    g_free (instance->uuid);
    g_free (instance->since);
    g_free (instance->exit);
    g_free (instance->tail);
    g_free (instance->died_early);
    g_free (instance->settings_sent);
    g_free (instance);
}

gboolean
instance_is_settled (const Instance *instance)
{
    return instance->known && (instance->vm != VM_RUNNING || instance->guest.connected);
}

const char *
instance_key (const Instance *instance)
{
    return instance->spec->key;
}

const Spec *
instance_spec (const Instance *instance)
{
    return instance->spec;
}

const char *
instance_uuid (const Instance *instance)
{
    return instance->uuid;
}

VmState
instance_vm (const Instance *instance)
{
    return instance->vm;
}

gboolean
instance_is_busy (const Instance *instance)
{
    return instance->busy;
}

Console *
instance_console (Instance *instance)
{
    return instance->console;
}

Sessions *
instance_sessions (Instance *instance)
{
    return instance->sessions;
}

Channel *
instance_channel (Instance *instance)
{
    return instance->channel;
}
