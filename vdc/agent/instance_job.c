/* Work of one member in a thread: with copies, one at a time; the result is posted to the main loop. */
#include "vdc/agent/instance_private.h"

static gboolean
job_done (gpointer data)
{
    InstanceJob *job = data;
    job->instance->busy = FALSE;
    job->instance->moved_us = g_get_monotonic_time ();
    instance_job_finished (job);
    prepare_result_clear (&job->result);
    spec_unref (job->spec);
    g_free (job->uuid);
    g_free (job);
    return G_SOURCE_REMOVE;
}

static void
run_kind (InstanceJob *job)
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
        prepare_limits (job->host, spec, hypervisor_find_pid (job->uuid));
        break;
    case JOB_DELETE:
        if (job->remove_root)
            disk_root_delete (job->host->disks, spec->application, spec->member, &job->result.error);
        break;
    case JOB_KILL:
        hypervisor->ops->destroy (hypervisor, job->uuid, &job->result.error);
        break;
    case JOB_PRESS:
        hypervisor->ops->press (hypervisor, job->uuid, &job->result.error);
        break;
    case JOB_RESUME:
        hypervisor->ops->resume (hypervisor, job->uuid, &job->result.error);
        break;
    }
}

static void
run_job (gpointer data, gpointer unused)
{
    InstanceJob *job = data;
    run_kind (job);
    g_idle_add_full (G_PRIORITY_DEFAULT, job_done, job, NULL);
}

InstanceJob *
instance_job_new (Instance *instance, InstanceJobKind kind)
{
    InstanceJob *job = g_new0 (InstanceJob, 1);
    job->kind = kind;
    job->instance = instance;
    job->host = instance->host;
    job->spec = spec_ref (instance->spec);
    job->uuid = g_strdup (instance->uuid);
    return job;
}

void
instance_job_push (InstanceJob *job)
{
    static GThreadPool *pool; /* starts of several members overlap: much of each is waiting */
    if (pool == NULL)
        pool = g_thread_pool_new (run_job, NULL, 8, FALSE, NULL);
    job->instance->busy = TRUE;
    g_thread_pool_push (pool, job, NULL);
}
