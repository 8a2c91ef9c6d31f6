/* What became of it: results of workers, and what the hypervisor says. */
#include "vdc/agent/instance_private.h"

#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <stdio.h>
#include <string.h>

#define CLEAN_RETRY_S 2
#define WIRES_RETRY_S 5
#define RESUME_RETRY_S 10

/* --- results ----------------------------------------------------------------------------------------------- */

static void
died (Instance *instance, const char *exit)
{
    g_clear_handle_id (&instance->stop_timer, g_source_remove);
    g_clear_handle_id (&instance->resume_timer, g_source_remove);
    gboolean wanted = instance->vm == VM_STOPPING;
    if (wanted)
        FP ("stop.08.vm_ended");
    else
        instance_take_tail (instance);
    instance_set_exit (instance, wanted ? NULL : exit);
    instance_close_channel (instance);
    instance->dirty = TRUE;
    instance->paused = FALSE;
    instance_move (instance, VM_STOPPED);
}

static void
runs (Instance *instance)
{
    instance->known = TRUE;
    instance->dirty = TRUE;
    if (instance->spec->unmanaged)
        instance_watch_begin (instance);
    else
        instance_open_channel (instance);
    instance_move (instance, VM_RUNNING);
    FP ("start.28.running");
}

static void
start_finished (Instance *instance, InstanceJob *job)
{
    const PrepareResult *result = &job->result;

    if (result->error == NULL) {
        instance->mtu = result->mtu;
        instance->mtu_known = TRUE;
        spec_unref (instance->wired);
        instance->wired = spec_ref (job->spec);
        FP ("start.27.start_known");
        runs (instance);
        if (instance->died_early != NULL)
            died (instance, instance->died_early);
        return;
    }
    instance_set_error (instance, result->step, result->error);
    if (result->again) {
        /* The same incarnation once more, when the hypervisor has been asked what there is. */
        instance->have = job->had;
        instance->known = FALSE;
        instance_move (instance, VM_PREPARING);
        return;
    }
    instance_take_tail (instance);
    instance_move (instance, VM_FAILED);
}

static void
clean_finished (Instance *instance, InstanceJob *job)
{
    if (job->result.error == NULL) {
        instance->dirty = FALSE;
        g_clear_handle_id (&instance->stop_timer, g_source_remove);
        /* A start that was cut off, and is not wished for any more, has ended here. */
        gboolean given_up = instance->vm == VM_PREPARING &&
                            !(instance->spec->power && instance->spec->incarnation > instance->have);
        if (instance->vm == VM_STOPPING || given_up)
            instance_move (instance, VM_STOPPED);
        FP ("stop.15.stopped");
        return;
    }
    vdc_log (VDC_LOG_WARNING, "cannot clean up behind a member, trying again", "member", instance->spec->key,
             "step", job->result.step, "error", job->result.error->message, NULL);
    if (instance->vm == VM_ABSENT && instance->error == NULL) { /* a start waits for this: say why */
        instance_set_error (instance, job->result.step, job->result.error);
        instance_tell (instance);
    }
    instance->dirty = TRUE;
    instance->waiting = TRUE;
    instance_try_later (instance, CLEAN_RETRY_S);
}

static void
wires_finished (Instance *instance, InstanceJob *job)
{
    if (job->result.error != NULL) {
        instance_set_error (instance, "wire", job->result.error);
        instance->wires_failed = TRUE;
        instance_try_later (instance, WIRES_RETRY_S);
        instance_tell (instance);
        return;
    }
    spec_unref (instance->wired);
    instance->wired = spec_ref (job->spec);
    instance->mtu = job->result.mtu;
    instance->mtu_known = TRUE;
    if (g_strcmp0 (json_str (instance->error, "step", NULL), "wire") == 0)
        instance_set_error (instance, NULL, NULL);
    instance_keep (instance);
    instance_send_settings (instance);
    if (instance->watch != NULL || instance->vm == VM_RUNNING)
        instance_watch_begin (instance);
    instance_tell (instance);
}

static gboolean
tell_gone (gpointer user_data)
{
    Instance *instance = user_data;
    instance->listener.gone (instance, instance->listener.user_data);
    return G_SOURCE_REMOVE;
}

static void
delete_finished (Instance *instance, InstanceJob *job)
{
    const Spec *spec = instance->spec;
    g_autofree char *record = host_record_path (instance->host, spec->application, spec->member);
    g_autofree char *folder = g_path_get_dirname (record);
    g_autofree char *log = host_console_path (instance->host, spec->application, spec->member);
    g_autoptr (GError) error = g_steal_pointer (&job->result.error);

    if (error == NULL && instance->deleting == DELETE_ALL && !job->remove_root)
        return;                 /* more was asked for meanwhile */
    console_remove_files (log); /* its object stays: somebody may be asking for it until we are gone */
    FP ("stop.18.console_gone");
    if (error != NULL || !file_remove (record, &error)) {
        vdc_log (VDC_LOG_WARNING, "cannot delete a member, trying again", "member", spec->key, "error",
                 error->message, NULL);
        instance->waiting = TRUE;
        instance_try_later (instance, CLEAN_RETRY_S);
        return;
    }
    g_clear_handle_id (&instance->keep_timer, g_source_remove);
    FP ("stop.19.record_gone");
    remove (folder);       /* only when it was the last */
    instance->busy = TRUE; /* nothing more */
    instance->gone = TRUE;
    g_idle_add_full (G_PRIORITY_HIGH, tell_gone, instance, NULL);
}

void
instance_job_finished (InstanceJob *job)
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
    case JOB_PRESS: /* nobody may listen: the time it has runs */
    case JOB_KILL:
    case JOB_LIMITS:
    case JOB_RESUME: /* what follows comes as an event, or at the next look */
        break;
    }
    instance_step (instance);
}

/* --- what the hypervisor says ------------------------------------------------------------------------------ */

static void halted (Instance *instance, const char *detail);

static void
adopt (Instance *instance, const HypervisorVm *vm)
{
    if (vm->paused && instance->vm != VM_RUNNING && instance->vm != VM_STOPPING)
        return; /* made but never set going, or an undo that could not: cleaned */
    vdc_log (VDC_LOG_INFO, "running VM found again", "application", instance->spec->application, "member",
             instance->spec->member, NULL);
    if (vm->application != NULL)          /* else it lost its metadata, and the record is all that is known */
        instance->have = vm->incarnation; /* what the guest said last is in the record */
    runs (instance);
    if (vm->paused)
        halted (instance, "io");
    /* Whatever an agent before us was at: wires and limits are laid again, which changes nothing that is
     * right. */
    InstanceJob *job = instance_job_new (instance, JOB_WIRES);
    job->pid = vm->pid;
    instance_job_push (job);
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
        instance_move (instance, VM_STOPPED);
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
    instance_step (instance);
}

static gboolean
try_resume (gpointer user_data)
{
    Instance *instance = user_data;
    if (!instance->busy && instance->vm == VM_RUNNING)
        instance_job_push (instance_job_new (instance, JOB_RESUME));
    return G_SOURCE_CONTINUE;
}

static void
halted (Instance *instance, const char *detail)
{
    gboolean full = strcmp (detail, "full") == 0;
    g_autoptr (GError) error =
        g_error_new (VDC_ERROR, full ? VDC_ERROR_FULL : VDC_ERROR_FAILED, "the VM stands still: %s",
                     full ? "this server's disk is full" : "a disk of it cannot be read or written");

    instance_set_error (instance, "disk", error);
    instance->paused = TRUE;
    if (instance->resume_timer == 0)
        instance->resume_timer = g_timeout_add_seconds (RESUME_RETRY_S, try_resume, instance);
    instance_keep (instance);
    instance_tell (instance);
}

static void
goes_on (Instance *instance)
{
    if (!instance->paused)
        return;
    instance->paused = FALSE;
    g_clear_handle_id (&instance->resume_timer, g_source_remove);
    instance_set_error (instance, NULL, NULL);
    if (instance->channel != NULL) /* its clock stood still */
        channel_send_clock (instance->channel);
    instance_keep (instance);
    instance_tell (instance);
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
    instance_step (instance);
}
