#include <string.h>

#include "vdc/base/id.h"
#include "vdc/controller/operation.h"

static VolumeRecord *
add_volume (Controller *controller, const char *name, gint64 size_bytes)
{
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = id_random (8);
    volume->name = g_strdup (name);
    volume->size_bytes = size_bytes;
    volume->created = controller_stamp (controller);
    g_hash_table_insert (controller->volumes, g_strdup (volume->id), volume);
    return volume;
}

/* --- of an application ------------------------------------------------------------------------------------- */

static gboolean
ensure_volume (Controller *controller, ApplicationRecord *application, const TopologyVolume *wanted,
               GError **error)
{
    gint64 size_bytes = (gint64)wanted->declared->size_bytes;
    VolumeRecord *volume = controller_application_volume (controller, application->name, wanted->name);
    if (volume != NULL) {
        volume->unused = FALSE;
        if (size_bytes > volume->size_bytes) {
            volume->size_bytes = size_bytes;
            volume->made = FALSE; /* the agent grows it */
        }
        return TRUE;
    }
    g_autofree char *name = g_strdup_printf ("%s.%s", application->name, wanted->name);
    if (controller_volume (controller, name, NULL) != NULL) {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_CONFLICT,
            "volume '%s' was kept from an earlier application; destroy it first (vdc volume destroy %s)",
            name, name);
        return FALSE;
    }
    volume = add_volume (controller, name, size_bytes);
    volume->application = g_strdup (application->name);
    volume->local = g_strdup (wanted->name);
    volume->seed = g_strdup (json_str (application->seeds, wanted->declared->name, NULL));
    controller_note (controller, "volume.created", "volume", name, application->name, NULL, NULL);
    return TRUE;
}

static gboolean
is_wanted (const Topology *topology, const char *local)
{
    for (guint i = 0; i < topology->volumes->len; i++)
        if (strcmp (((TopologyVolume *)topology->volumes->pdata[i])->name, local) == 0)
            return TRUE;
    return FALSE;
}

gboolean
volumes_follow (Controller *controller, ApplicationRecord *application, GError **error)
{
    const Topology *topology = application->topology;
    GHashTableIter iter;
    VolumeRecord *volume;
    for (guint i = 0; i < topology->volumes->len; i++)
        if (!ensure_volume (controller, application, topology->volumes->pdata[i], error))
            return FALSE;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        if (g_strcmp0 (volume->application, application->name) != 0 || volume->deleting || volume->unused ||
            is_wanted (topology, volume->local))
            continue;
        volume->unused = TRUE;
        controller_note (controller, "volume.unused", "volume", volume->name, application->name, "unused",
                         NULL);
    }
    return TRUE;
}

/* --- by themselves ----------------------------------------------------------------------------------------- */

json_t *
operation_volume_create (Controller *controller, Operation *operation, const json_t *request, GError **error)
{
    const char *name = json_str (request, "name", "");
    g_autoptr (Problems) problems = problems_new ();
    double size_bytes = 0;
    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "a volume's name must be %s", id_name_rule ());
        return NULL;
    }
    if (!amount_parse (json_object_get (request, "size"), AMOUNT_SIZE, "size", problems, &size_bytes)) {
        problems_to_error (problems, error);
        return NULL;
    }
    if (size_bytes < VOLUME_SIZE_MIN || size_bytes > (double)VOLUME_SIZE_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "size must be from 1M to 64T");
        return NULL;
    }
    if (controller_volume (controller, name, NULL) != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "volume '%s' exists", name);
        return NULL;
    }
    if (operation->dry_run)
        return json_object ();
    VolumeRecord *volume = add_volume (controller, name, (gint64)size_bytes);
    volume->unused = TRUE;
    controller_note (controller, "volume.created", "volume", name, NULL, "unused", NULL);
    return operation_finish (controller, operation, volume_json (controller, volume), error);
}

json_t *
operation_volume_destroy (Controller *controller, Operation *operation, VolumeRecord *volume, GError **error)
{
    if (!volume->unused) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "volume '%s' is used by application '%s'",
                     volume->name, volume->application);
        return NULL;
    }
    if (operation->dry_run)
        return json_object ();
    volume->deleting = TRUE;
    controller_note (controller, "volume.deleting", "volume", volume->name, volume->application, "deleting",
                     NULL);
    return operation_finish (controller, operation, json_object (), error);
}

static const char *
volume_state (const VolumeRecord *volume)
{
    if (volume->deleting)
        return "deleting";
    if (volume->error != NULL)
        return "failed";
    if (volume->unused)
        return "unused";
    return volume->made ? "ready" : "new";
}

/* The members that have it in a slot. */
static json_t *
users_of (Controller *controller, const VolumeRecord *volume)
{
    json_t *users = json_array ();
    ApplicationRecord *application = volume->application != NULL
                                         ? g_hash_table_lookup (controller->applications, volume->application)
                                         : NULL;
    if (application == NULL || application->topology == NULL)
        return users;
    for (guint i = 0; i < application->topology->members->len; i++) {
        const Member *member = application->topology->members->pdata[i];
        for (guint k = 0; k < member->volumes->len; k++)
            if (g_strcmp0 (((MemberVolume *)member->volumes->pdata[k])->volume, volume->local) == 0)
                json_array_append_new (users, json_string (member->name));
    }
    return users;
}

json_t *
volume_json (Controller *controller, const VolumeRecord *volume)
{
    return json_pack ("{s:s, s:s, s:s?, s:s?, s:I, s:s, s:s?, s:b, s:s, s:o, s:O?}", "name", volume->name,
                      "id", volume->id, "application", volume->application, "volume", volume->local,
                      "size_bytes", (json_int_t)volume->size_bytes, "state", volume_state (volume), "server",
                      volume->server, "made", volume->made, "created", volume->created, "used_by",
                      users_of (controller, volume), "error", volume->error);
}
