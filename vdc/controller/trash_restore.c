/*
 * Out of the trash: first everything is made beside the tables and checked, then it goes into them, in one
 * commit.
 */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/networks.h"
#include "vdc/controller/plan.h"
#include "vdc/controller/trash.h"

typedef struct {
    ApplicationRecord *application;
    GPtrArray *volumes; /* VolumeRecord, new */
    GPtrArray *kept;    /* VolumeRecord of the table, taken back: borrowed */
    json_t *locals;     /* of `kept`: [{id, local, unused}] */
} Restoring;

static Restoring *
restoring_new (void)
{
    Restoring *restoring = g_new0 (Restoring, 1);
    restoring->volumes = g_ptr_array_new_with_free_func ((GDestroyNotify)volume_record_free);
    restoring->kept = g_ptr_array_new ();
    restoring->locals = json_array ();
    return restoring;
}

static void
restoring_free (Restoring *restoring)
{
    application_record_free (restoring->application);
    g_ptr_array_unref (restoring->volumes);
    g_ptr_array_unref (restoring->kept);
    json_decref (restoring->locals);
    g_free (restoring);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Restoring, restoring_free)

/* --- the application --------------------------------------------------------------------------------------- */

static gboolean
name_is_free (Controller *controller, const TrashRecord *entry, const char *name, GError **error)
{
    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "an application's name must be %s",
                     id_name_rule ());
        return FALSE;
    }
    if (!g_hash_table_contains (controller->applications, name))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                 "application '%s' exists; restore %s under another name (vdc trash restore %s --as NAME)",
                 name, entry->id, entry->id);
    return FALSE;
}

/* Its text, if a person gave one, says the old name: what is printed from now on comes from the document. */
static gboolean
rename_application (ApplicationRecord *application, const char *name, GError **error)
{
    if (strcmp (application->name, name) == 0)
        return TRUE;
    record_set_string (&application->name, name);
    record_set_string (&application->text, NULL);
    application->revision++;
    return application_edit_name (application->applied, name, error);
}

/* Outside addresses that others got meanwhile are replaced by free ones; the inner ones are its own. */
static gboolean
give_addresses (Controller *controller, ApplicationRecord *application, GError **error)
{
    record_set_json (&application->outside, networks_still_free (controller, application->outside));
    if (!controller_compile (controller, application, error))
        return FALSE;
    json_t *outside = networks_assign (controller, application, application->topology, error);
    if (outside == NULL)
        return FALSE;
    record_set_json (&application->outside, outside);
    return controller_compile (controller, application, error);
}

static ApplicationRecord *
make_application (Controller *controller, const TrashRecord *entry, const char *name, GError **error)
{
    g_autoptr (ApplicationRecord) application = application_record_new (entry->application);
    g_clear_pointer (&application->stored, json_decref); /* it has no row */
    if (!rename_application (application, name, error) || !give_addresses (controller, application, error))
        return NULL;
    for (guint i = 0; i < application->topology->members->len; i++)
        application_record_add (application, ((Member *)application->topology->members->pdata[i])->name);
    return g_steal_pointer (&application);
}

/* --- its volumes ------------------------------------------------------------------------------------------- */

static gboolean
volume_name_is_free (Controller *controller, const TrashRecord *entry, const char *name, const char *id,
                     GError **error)
{
    const VolumeRecord *other = controller_volume (controller, name, NULL);
    if (other == NULL && !g_hash_table_contains (controller->volumes, id))
        return TRUE;
    g_set_error (
        error, VDC_ERROR, VDC_ERROR_CONFLICT,
        "volume '%s' exists; destroy it first (vdc volume destroy %s), or restore %s under another name "
        "(--as NAME)",
        name, name, entry->id);
    return FALSE;
}

static VolumeRecord *
make_volume (Controller *controller, const TrashRecord *entry, const json_t *stored, const char *name,
             GError **error)
{
    VolumeRecord *volume = volume_record_new (stored);
    g_clear_pointer (&volume->stored, json_decref);
    volume->published = NULL;
    if (!volume_name_is_free (controller, entry, name, volume->id, error)) {
        volume_record_free (volume);
        return NULL;
    }
    volume->renamed = volume->made && volume->server != NULL;
    record_set_string (&volume->name, name);
    record_set_json (&volume->error, NULL);
    return volume;
}

static gboolean
make_volumes (Controller *controller, const TrashRecord *entry, Restoring *restoring, GError **error)
{
    gsize i;
    json_t *stored;
    json_array_foreach (entry->volumes, i, stored) {
        g_autofree char *name =
            g_strdup_printf ("%s.%s", restoring->application->name, json_str (stored, "local", ""));
        VolumeRecord *volume = make_volume (controller, entry, stored, name, error);
        if (volume == NULL)
            return FALSE;
        record_set_string (&volume->application, restoring->application->name);
        g_ptr_array_add (restoring->volumes, volume);
    }
    return TRUE;
}

/* Volumes that were kept out of the trash come back to it, if they are still nobody's. */
static gboolean
find_kept (Controller *controller, const Operation *operation, const TrashRecord *entry, Restoring *restoring,
           GError **error)
{
    gsize i;
    json_t *kept;
    json_array_foreach (entry->kept, i, kept) {
        VolumeRecord *volume = g_hash_table_lookup (controller->volumes, json_str (kept, "id", ""));
        if (volume != NULL && volume->application == NULL && !volume->deleting &&
            g_strcmp0 (volume->owner, entry->owner) == 0) {
            g_ptr_array_add (restoring->kept, volume);
            json_array_append (restoring->locals, kept);
        } else if (!operation->confirm && !json_bool (kept, "unused", FALSE)) {
            g_set_error (
                error, VDC_ERROR, VDC_ERROR_REFUSED,
                "must be confirmed: volume '%s.%s' was kept when '%s' was destroyed, and is %s now; a "
                "new empty one would be made",
                entry->name, json_str (kept, "local", ""), entry->name,
                volume == NULL                ? "gone"
                : volume->application != NULL ? volume->application
                                              : "being erased");
            return FALSE;
        }
    }
    return TRUE;
}

/* --- into the tables --------------------------------------------------------------------------------------- */

static json_t *
steps_of (const Restoring *restoring)
{
    const char *name = restoring->application->name;
    json_t *steps = json_array ();
    json_array_append_new (steps, plan_step ("restore", name, NULL, "restore %s", name));
    for (guint i = 0; i < restoring->volumes->len; i++) {
        const VolumeRecord *volume = restoring->volumes->pdata[i];
        json_array_append_new (steps,
                               plan_step ("adopt", volume->local, NULL, "take back volume %s", volume->name));
    }
    for (guint i = 0; i < restoring->kept->len; i++) {
        const char *local = json_str (json_array_get (restoring->locals, i), "local", "");
        json_array_append_new (steps,
                               plan_step ("adopt", local, NULL, "take back volume %s.%s", name, local));
    }
    return steps;
}

static void
insert_volumes (Controller *controller, Restoring *restoring)
{
    g_ptr_array_set_free_func (restoring->volumes, NULL);
    for (guint i = 0; i < restoring->volumes->len; i++) {
        VolumeRecord *volume = restoring->volumes->pdata[i];
        g_hash_table_insert (controller->volumes, g_strdup (volume->id), volume);
    }
    for (guint i = 0; i < restoring->kept->len; i++) {
        VolumeRecord *volume = restoring->kept->pdata[i];
        const json_t *kept = json_array_get (restoring->locals, i);
        g_free (volume->name);
        volume->name = g_strdup_printf ("%s.%s", restoring->application->name, json_str (kept, "local", ""));
        record_set_string (&volume->application, restoring->application->name);
        record_set_string (&volume->local, json_str (kept, "local", ""));
        volume->unused = json_bool (kept, "unused", FALSE);
        volume->renamed = volume->made && volume->server != NULL;
    }
}

/* The entry is freed. */
static void
drop_entry (Controller *controller, TrashRecord *entry, const char *name)
{
    g_autofree char *id = g_strdup (entry->id);
    vdc_log (VDC_LOG_INFO, "restored from the trash", "trash", id, "kind", entry->kind, "name", name, NULL);
    trash_note (controller, "trash.restored", entry,
                json_pack ("{s:s, s:s}", "name", entry->name, "as", name));
    controller_write (controller, STORE_TRASH, id, NULL);
    g_hash_table_remove (controller->trash, id);
}

static json_t *
insert (Controller *controller, Operation *operation, TrashRecord *entry, Restoring *restoring,
        GError **error)
{
    json_t *steps = steps_of (restoring);
    if (operation->dry_run)
        return json_pack ("{s:o}", "steps", steps);
    insert_volumes (controller, restoring);
    ApplicationRecord *application = g_steal_pointer (&restoring->application);
    g_hash_table_insert (controller->applications, g_strdup (application->name), application);
    volumes_follow (controller, application);
    controller_note (controller, "application.restored", "application", application->name, application->name,
                     application->state, json_pack ("{s:s, s:s}", "trash", entry->id, "from", entry->name));
    drop_entry (controller, entry, application->name);
    json_t *answer = json_pack ("{s:s}", "job",
                                job_start (controller, operation, application, "restore", steps, NULL)->id);
    FP ("restore.01.decided");
    answer = operation_finish (controller, operation, answer, error);
    FP ("restore.02.accepted");
    return answer;
}

static json_t *
restore_application (Controller *controller, Operation *operation, TrashRecord *entry, const char *name,
                     GError **error)
{
    g_autoptr (Restoring) restoring = restoring_new ();
    if (!name_is_free (controller, entry, name, error))
        return NULL;
    restoring->application = make_application (controller, entry, name, error);
    if (restoring->application == NULL || !make_volumes (controller, entry, restoring, error) ||
        !find_kept (controller, operation, entry, restoring, error))
        return NULL;
    return insert (controller, operation, entry, restoring, error);
}

/* --- a volume by itself ------------------------------------------------------------------------------------ */

static json_t *
restore_volume (Controller *controller, Operation *operation, TrashRecord *entry, const char *name,
                GError **error)
{
    if (!volumes_check_name (name, error) || !volumes_may_name (controller, operation, name, error))
        return NULL;
    VolumeRecord *volume = make_volume (controller, entry, json_array_get (entry->volumes, 0), name, error);
    if (volume == NULL)
        return NULL;
    record_set_string (&volume->application, NULL);
    record_set_string (&volume->local, NULL);
    volume->unused = TRUE;
    json_t *answer = volume_json (controller, volume);
    if (operation->dry_run) {
        volume_record_free (volume);
        return answer;
    }
    g_hash_table_insert (controller->volumes, g_strdup (volume->id), volume);
    controller_note (controller, "volume.restored", "volume", name, NULL, NULL,
                     json_pack ("{s:s}", "trash", entry->id));
    drop_entry (controller, entry, name);
    return operation_finish (controller, operation, answer, error);
}

json_t *
operation_trash_restore (Controller *controller, Operation *operation, TrashRecord *entry,
                         const json_t *request, GError **error)
{
    const char *name = json_str (request, "as", entry->name);
    return strcmp (entry->kind, "application") == 0
               ? restore_application (controller, operation, entry, name, error)
               : restore_volume (controller, operation, entry, name, error);
}
