#include "vdc/agent/instance.h"

#include "vdc/base/bug.h"

const char *
vm_state_name (VmState state)
{
    static const char *const names[] = {"absent", "preparing", "running", "stopping", "stopped", "failed"};
    return names[state];
}

static InstanceAction
decide_running (const InstanceView *view)
{
    if (view->deleting)
        return DO_DESTROY;
    if (!view->power || view->wanted > view->have)
        return DO_STOP;
    return view->wires_stale ? DO_WIRES : DO_NOTHING;
}

static InstanceAction
decide_without_vm (const InstanceView *view)
{
    /* What is left goes before anything new comes, also before the record goes that knows of it. */
    if (view->dirty && !vdc_bug ("agent-starts-over-leftovers"))
        return DO_CLEAN;
    if (view->deleting)
        return DO_DELETE;
    /* An incarnation is tried once: whether and when to try again is the controller's decision. */
    return view->power && !view->held && view->wanted > view->have ? DO_START : DO_NOTHING;
}

InstanceAction
instance_decide (const InstanceView *view)
{
    if (view->busy || !view->known)
        return DO_NOTHING;
    switch (view->vm) {
    case VM_RUNNING:
        return decide_running (view);
    case VM_STOPPING:
        return view->grace && !view->deleting ? DO_NOTHING : DO_DESTROY;
    case VM_PREPARING: /* without a worker: it died with a former agent */
    case VM_ABSENT:
    case VM_STOPPED:
    case VM_FAILED:
        return decide_without_vm (view);
    }
    return DO_NOTHING;
}
