#include "vdc/agent/disk_watch.h"

#include "vdc/agent/volume.h"

struct DiskWatch {
    Hypervisor *hypervisor;
    gboolean looking;
    json_t *found; /* of Hypervisor.disk_counters; NULL: nothing yet */
    gint64 at_us;  /* when it was asked, monotonic */
};

typedef struct {
    DiskWatch *watch;
    json_t *found;
    gint64 at_us;
} Look;

static gboolean
looked (gpointer data)
{
    Look *look = data;
    look->watch->looking = FALSE;
    if (look->found != NULL) {
        json_decref (look->watch->found);
        look->watch->found = look->found;
        look->watch->at_us = look->at_us;
    }
    g_free (look);
    return G_SOURCE_REMOVE;
}

static gpointer
look_thread (gpointer data)
{
    Look *look = data;
    Hypervisor *hypervisor = look->watch->hypervisor;
    look->at_us = g_get_monotonic_time ();
    look->found = hypervisor->ops->disk_counters (hypervisor, NULL);
    g_idle_add (looked, look);
    return NULL;
}

DiskWatch *
disk_watch_new (Hypervisor *hypervisor)
{
    DiskWatch *watch = g_new0 (DiskWatch, 1);
    watch->hypervisor = hypervisor;
    return watch;
}

void
disk_watch_poke (DiskWatch *watch)
{
    if (watch->looking)
        return;
    Look *look = g_new0 (Look, 1);
    look->watch = watch;
    watch->looking = TRUE;
    g_thread_unref (g_thread_new ("disks", look_thread, look));
}

json_t *
disk_watch_volumes (const DiskWatch *watch, const char *uuid, const Spec *spec, Disks *disks)
{
    const json_t *vm = json_object_get (watch->found, uuid);
    json_t *volumes = json_object ();
    for (guint i = 0; i < spec->n_volumes; i++) {
        const char target[] = {'v', 'd', (char)('b' + i), '\0'}; /* domain_xml.c */
        const json_t *counted = json_object_get (vm, target);
        json_t *counters = counted != NULL ? json_copy ((json_t *)counted) : json_object ();
        if (counted != NULL)
            json_put (counters, "at_us", json_integer (watch->at_us));
        g_autoptr (json_t) volume = volume_get (disks, spec->volumes[i].id, NULL);
        if (volume != NULL)
            json_put (counters, "used_bytes", json_integer (json_int (volume, "allocated_bytes", 0)));
        json_put (volumes, spec->volumes[i].id, counters);
    }
    return volumes;
}
