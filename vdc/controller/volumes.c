#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/controller/plan.h"
#include "vdc/controller/trash.h"

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

/* A volume of its own that bears the entity name of the application's @local. NULL: none. */
static VolumeRecord *
waiting_volume (Controller *controller, const char *application, const char *local)
{
    g_autofree char *name = g_strdup_printf ("%s.%s", application, local);
    VolumeRecord *volume = controller_volume (controller, name, NULL);
    return volume != NULL && (volume->application == NULL || volume->deleting) ? volume : NULL;
}

VolumeRecord *
volumes_find (Controller *controller, const char *application, const char *local)
{
    VolumeRecord *volume = controller_application_volume (controller, application, local);
    if (volume == NULL && (volume = waiting_volume (controller, application, local)) != NULL &&
        volume->deleting)
        return NULL;
    return volume;
}

/* A volume waits under a name that somebody else's application may bear by now. */
static gboolean
may_take (Controller *controller, const Operation *operation, const VolumeRecord *volume)
{
    return operation->principal == NULL || vdc_bug ("access-foreign-volume-taken") ||
           access_role (controller, operation->principal, volume->owner) >= HTTP_ROLE_EDITOR;
}

gboolean
volumes_may_follow (Controller *controller, const Operation *operation, const char *application,
                    const Topology *topology, GError **error)
{
    for (guint i = 0; i < topology->volumes->len; i++) {
        const char *local = ((TopologyVolume *)topology->volumes->pdata[i])->name;
        const VolumeRecord *volume = waiting_volume (controller, application, local);
        if (volume == NULL || controller_application_volume (controller, application, local) != NULL)
            continue;
        if (!may_take (controller, operation, volume)) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                         "there is a volume '%s' that is not yours; choose another name", volume->name);
            return FALSE;
        }
        if (volume->deleting) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                         "volume '%s' is being destroyed; try again when it is gone", volume->name);
            return FALSE;
        }
        if (volume->server != NULL && !operation->confirm) {
            g_set_error (
                error, VDC_ERROR, VDC_ERROR_REFUSED,
                "must be confirmed: volume '%s' was kept from an earlier application and would be used "
                "with its content; else destroy it first (vdc volume destroy %s)",
                volume->name, volume->name);
            return FALSE;
        }
    }
    return TRUE;
}

static void
take_volume (VolumeRecord *volume, const ApplicationRecord *application, const TopologyVolume *wanted)
{
    gint64 size_bytes = (gint64)wanted->declared->size_bytes;
    record_set_string (&volume->application, application->name);
    record_set_string (&volume->owner, application->id);
    record_set_string (&volume->local, wanted->name);
    if (volume->server == NULL) /* never made: its first content is still to come */
        record_set_string (&volume->seed, json_str (application->seeds, wanted->declared->name, NULL));
    volume->unused = FALSE;
    if (size_bytes > volume->size_bytes) {
        volume->size_bytes = size_bytes;
        volume->made = FALSE; /* the agent grows it */
    }
}

static void
ensure_volume (Controller *controller, ApplicationRecord *application, const TopologyVolume *wanted)
{
    VolumeRecord *volume = volumes_find (controller, application->name, wanted->name);
    if (volume == NULL) {
        g_autofree char *name = g_strdup_printf ("%s.%s", application->name, wanted->name);
        volume = add_volume (controller, name, (gint64)wanted->declared->size_bytes);
        controller_note (controller, "volume.created", "volume", name, application->name, NULL, NULL);
    }
    take_volume (volume, application, wanted);
}

static gboolean
is_wanted (const Topology *topology, const char *local)
{
    for (guint i = 0; i < topology->volumes->len; i++)
        if (strcmp (((TopologyVolume *)topology->volumes->pdata[i])->name, local) == 0)
            return TRUE;
    return FALSE;
}

void
volumes_follow (Controller *controller, ApplicationRecord *application)
{
    const Topology *topology = application->topology;
    GHashTableIter iter;
    VolumeRecord *volume;
    for (guint i = 0; i < topology->volumes->len; i++)
        ensure_volume (controller, application, topology->volumes->pdata[i]);
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application->name) == 0 && !volume->deleting &&
            !is_wanted (topology, volume->local))
            volume->unused = TRUE;
}

/* --- by themselves ----------------------------------------------------------------------------------------- */

/* "shop.data", "shop.data.2" of a member of a tier. */
static gboolean
is_entity_name (const char *name)
{
    g_auto (GStrv) parts = g_strsplit (name, ".", 4);
    guint n = g_strv_length (parts);
    guint64 number;
    return (n == 2 || (n == 3 && g_ascii_string_to_unsigned (parts[2], 10, 1, G_MAXINT, &number, NULL))) &&
           id_is_name (parts[0]) && id_is_name (parts[1]);
}

gboolean
volumes_check_name (const char *name, GError **error)
{
    if (is_entity_name (name))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                 "a volume is named APPLICATION.VOLUME, such as shop.data: the application whose "
                 "description names the volume takes it; each part must be %s",
                 id_name_rule ());
    return FALSE;
}

/* Of the application whose volume one of that name may become; NULL: there is none. */
static const char *
named_application_id (Controller *controller, const char *name)
{
    g_autofree char *application = g_strndup (name, strcspn (name, "."));
    return access_application_id (controller, application);
}

gboolean
volumes_may_name (Controller *controller, const Operation *operation, const char *name, GError **error)
{
    if (operation->principal == NULL ||
        access_role (controller, operation->principal, named_application_id (controller, name)) >=
            HTTP_ROLE_EDITOR)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED,
                 "this needs the role editor on an application '%.*s', or on the grid before there is one",
                 (int)strcspn (name, "."), name);
    return FALSE;
}

json_t *
operation_volume_create (Controller *controller, Operation *operation, const json_t *request, GError **error)
{
    const char *name = json_str (request, "name", "");
    g_autoptr (Problems) problems = problems_new ();
    double size_bytes = 0;
    if (!volumes_check_name (name, error))
        return NULL;
    if (!amount_parse (json_object_get (request, "size"), AMOUNT_SIZE, "size", problems, &size_bytes)) {
        problems_to_error (problems, error);
        return NULL;
    }
    if (size_bytes < VOLUME_SIZE_MIN || size_bytes > (double)VOLUME_SIZE_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "size must be from 1M to 64T");
        return NULL;
    }
    if (!volumes_may_name (controller, operation, name, error))
        return NULL;
    if (controller_volume (controller, name, NULL) != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "volume '%s' exists", name);
        return NULL;
    }
    if (operation->dry_run)
        return plan_one ("volume", name, "make it");
    VolumeRecord *volume = add_volume (controller, name, (gint64)size_bytes);
    volume->unused = TRUE;
    volume->owner = g_strdup (named_application_id (controller, name));
    controller_note (controller, "volume.created", "volume", name, NULL, NULL, NULL);
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
    if (volume->deleting) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "volume '%s' is being erased", volume->name);
        return NULL;
    }
    if (operation->dry_run)
        return plan_one ("volume", volume->name, "move it to the trash");
    trash_put_volume (controller, volume, "destroyed");
    return operation_finish (controller, operation, json_object (), error);
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
