/* How a member moves: what is begun, and what is asked of it. */
#include "vdc/agent/instance_private.h"

#include "vdc/base/bug.h"
#include "vdc/base/clock.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <stdio.h>
#include <string.h>

/* --- actions ----------------------------------------------------------------------------------------------- */

static void
start (Instance *instance)
{
    InstanceJob *job = instance_job_new (instance, JOB_START);

    job->had = instance->have;
    instance->have = instance->spec->incarnation;
    instance->dirty = TRUE;
    instance->mtu_known = FALSE;
    instance->limits_stale = FALSE;
    instance_set_exit (instance, NULL);
    instance_set_error (instance, NULL, NULL);
    g_clear_pointer (&instance->tail, g_free);
    g_clear_pointer (&instance->died_early, g_free);
    g_clear_pointer (&instance->counters, json_decref);
    guest_state_reset (&instance->guest);
    instance_move (instance, VM_PREPARING); /* on disk before anything is made */
    FP ("start.14.preparing");
    instance_job_push (job);
}

static void
clean (Instance *instance)
{
    instance_close_channel (instance);
    instance_job_push (instance_job_new (instance, JOB_CLEAN));
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
    gboolean asked = instance->spec->unmanaged;
    gboolean told = asked || (instance->channel != NULL &&
                              channel_send (instance->channel, json_pack ("{s:s}", "t", "stop")));

    FP ("stop.06.guest_told");
    if (told && instance->spec->stop_timeout_s > 0)
        instance->stop_timer =
            g_timeout_add_seconds (instance->spec->stop_timeout_s, guest_had_its_time, instance);
    instance_move (instance, VM_STOPPING);
    FP ("stop.07.stopping");
    if (instance->stop_timer == 0)
        clean (instance);
    else if (asked) /* by its power button: nobody of ours is in it */
        instance_job_push (instance_job_new (instance, JOB_PRESS));
}

static void
destroy (Instance *instance)
{
    g_clear_handle_id (&instance->stop_timer, g_source_remove);
    instance_move (instance, VM_STOPPING); /* on disk first: a VM we ended is no crash to a new agent */
    clean (instance);
}

static void
remove_all (Instance *instance)
{
    InstanceJob *job = instance_job_new (instance, JOB_DELETE);
    job->remove_root = instance->deleting == DELETE_ALL;
    instance_job_push (job);
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
        .held = instance_is_held (instance),
        .wanted = instance->spec->incarnation,
        .have = instance->have,
    };
}

/* "waiting", as a guest of ours says while its start hook is held back. */
static void
note_held (Instance *instance, const InstanceView *view)
{
    gboolean waits = view->held && view->power && view->wanted > view->have &&
                     (view->vm == VM_ABSENT || view->vm == VM_STOPPED || view->vm == VM_FAILED);
    g_autoptr (json_t) state = json_pack ("{s:s}", "state", "waiting");

    if (!waits || strcmp (instance->guest.state, "waiting") == 0)
        return;
    guest_state_take (&instance->guest, "state", state);
    instance_tell (instance);
}

void
instance_step (Instance *instance)
{
    InstanceView view = view_of (instance);

    note_held (instance, &view);
    switch (instance_decide (&view)) {
    case DO_NOTHING:
        if (instance->limits_stale && instance->vm == VM_RUNNING && instance->known && !instance->busy) {
            instance->limits_stale = FALSE;
            instance_job_push (instance_job_new (instance, JOB_LIMITS));
        }
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
        instance_job_push (instance_job_new (instance, JOB_WIRES));
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
    instance_step (instance);
    return G_SOURCE_REMOVE;
}

void
instance_try_later (Instance *instance, guint seconds)
{
    g_clear_handle_id (&instance->retry_timer, g_source_remove);
    instance->retry_timer = g_timeout_add_seconds (seconds, wait_is_over, instance);
}

/* --- requests ---------------------------------------------------------------------------------------------- */

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
    Spec *before = instance->spec;
    instance->spec = spec_ref (spec);
    if (!instance_save (instance, error)) {
        spec_unref (instance->spec);
        instance->spec = before;
        return FALSE;
    }
    if (spec->power)
        FP ("apply.04.spec_kept");
    else
        FP ("stop.05.spec_kept");
    if (spec->cpu != before->cpu || spec->cpu_cap != before->cpu_cap)
        instance->limits_stale = TRUE;
    spec_unref (before);
    instance->wires_failed = FALSE;
    instance_send_settings (instance);
    instance_step (instance);
    instance_tell (instance);
    return TRUE;
}

gboolean
instance_delete (Instance *instance, gboolean remove_root, GError **error)
{
    Deleting before = instance->deleting;

    if (instance->gone || before == DELETE_ALL || (before == DELETE_KEEP_ROOT && !remove_root))
        return TRUE; /* under way; a record written now would outlive the member */
    instance->deleting = remove_root || before == DELETE_ALL ? DELETE_ALL : DELETE_KEEP_ROOT;
    if (!instance_save (instance, error)) {
        instance->deleting = before;
        return FALSE;
    }
    FP ("stop.17.delete_kept");
    instance_step (instance);
    return TRUE;
}

void
instance_lay_wires (Instance *instance)
{
    g_clear_pointer (&instance->wired, spec_unref);
    instance->wires_failed = FALSE;
    instance_step (instance);
}

gboolean
instance_kill (Instance *instance, GError **error)
{
    if (instance->vm != VM_RUNNING || instance->busy)
        return refuse (error, instance->vm == VM_RUNNING ? "the member is being changed; try again"
                                                         : "the member does not run");
    instance_job_push (instance_job_new (instance, JOB_KILL));
    return TRUE;
}

void
instance_set_counters (Instance *instance, json_t *counters)
{
    json_decref (instance->counters);
    instance->counters = counters;
}

/* --- making ------------------------------------------------------------------------------------------------ */

Instance *
instance_make (const Host *host, Spec *spec, const InstanceListener *listener)
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
    Instance *instance = instance_make (host, spec, listener);

    instance->known = TRUE; /* there was no record, so nothing ran */
    instance->dirty = TRUE; /* but a record may have been lost */
    if (!instance_save (instance, error)) {
        instance_free (instance);
        return NULL;
    }
    FP ("start.12.spec_kept");
    instance_step (instance);
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
    g_clear_handle_id (&instance->keep_timer, g_source_remove);
    instance_close_channel (instance);
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
