#include "vdc/controller/trash.h"

#include <string.h>

#include "vdc/base/id.h"
#include "vdc/base/log.h"

/* --- putting in -------------------------------------------------------------------------------------------- */

static char *
stamp_of (gint64 time_us)
{
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
    return g_date_time_format (time, "%Y-%m-%dT%H:%M:%S.000Z");
}

static TrashRecord *
add_entry (Controller *controller, const char *kind, const char *name, const char *application,
           const char *owner, const char *why)
{
    TrashRecord *entry = trash_record_new (NULL);
    entry->id = id_random (8);
    entry->kind = g_strdup (kind);
    entry->name = g_strdup (name);
    entry->application_name = g_strdup (application);
    entry->owner = g_strdup (owner);
    entry->why = g_strdup (why);
    entry->trashed_us = controller_now_us (controller);
    if (strcmp (why, "found") != 0)
        entry->expires_us = entry->trashed_us + controller->trash_keep_us;
    entry->volumes = json_array ();
    entry->kept = json_array ();
    g_hash_table_insert (controller->trash, g_strdup (entry->id), entry);
    return entry;
}

/* By the owner's id: the name may be another's by now. */
void
trash_note (Controller *controller, const char *kind, const TrashRecord *entry, json_t *data)
{
    controller_note (controller, kind, "trash", entry->id, entry->application_name, entry->kind, data);
    json_t *event = json_array_get (controller->noted, json_array_size (controller->noted) - 1);
    json_put (event, "application_id", json_str_new (entry->owner));
}

static void
tell_added (Controller *controller, const TrashRecord *entry)
{
    g_autofree char *expires = entry->expires_us != 0 ? stamp_of (entry->expires_us) : NULL;
    vdc_log (VDC_LOG_INFO, "into the trash", "trash", entry->id, "kind", entry->kind, "name", entry->name,
             NULL);
    controller_note (
        controller, "trash.added", "trash", entry->id, entry->application_name, entry->kind,
        json_pack ("{s:s, s:s, s:s?}", "name", entry->name, "why", entry->why, "expires", expires));
}

/* The volume's record leaves the table; its row goes with the commit that has the entry. */
static void
take_volume (Controller *controller, TrashRecord *entry, VolumeRecord *volume)
{
    g_autofree char *id = g_strdup (volume->id);
    json_array_append_new (entry->volumes, volume_record_json (volume));
    entry->size_bytes += volume->size_bytes;
    controller_write (controller, STORE_VOLUMES, id, NULL);
    g_hash_table_remove (controller->volumes, id);
}

static GPtrArray *
volumes_of (Controller *controller, const char *application)
{
    GPtrArray *found = g_ptr_array_new ();
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application) == 0)
            g_ptr_array_add (found, volume);
    return found;
}

/* Destroyed with --keep-volumes: it stays as an unused volume, and is remembered for a restore. */
static void
keep_out (TrashRecord *entry, VolumeRecord *volume)
{
    json_array_append_new (entry->kept, json_pack ("{s:s, s:s, s:b}", "id", volume->id, "local",
                                                   volume->local, "unused", volume->unused));
    record_set_string (&volume->application, NULL);
    record_set_string (&volume->local, NULL);
    volume->unused = volume->dirty = TRUE;
}

void
trash_put_application (Controller *controller, ApplicationRecord *application)
{
    TrashRecord *entry = add_entry (controller, "application", application->name, application->name,
                                    application->id, "destroyed");
    g_autoptr (GPtrArray) volumes = volumes_of (controller, application->name);
    for (guint i = 0; i < volumes->len; i++)
        if (application->keep_volumes)
            keep_out (entry, volumes->pdata[i]);
        else
            take_volume (controller, entry, volumes->pdata[i]);
    g_autofree char *expires = stamp_of (entry->expires_us);
    application->destroying = application->keep_volumes = application->failed = FALSE;
    record_set_string (&application->job, NULL);
    record_set_json (&application->error, NULL);
    entry->application = application_record_json (application);
    tell_added (controller, entry);
    controller_note (controller, "application.destroyed", "application", application->name, application->name,
                     NULL, json_pack ("{s:s, s:s}", "trash", entry->id, "expires", expires));
}

void
trash_put_volume (Controller *controller, VolumeRecord *volume, const char *why)
{
    g_autofree char *name = g_strdup (volume->name);
    TrashRecord *entry = add_entry (controller, "volume", name, volume->application, volume->owner, why);
    take_volume (controller, entry, volume);
    controller_note (controller, "volume.destroyed", "volume", name, entry->application_name, NULL,
                     json_pack ("{s:s}", "trash", entry->id));
    tell_added (controller, entry);
}

/* --- looking ----------------------------------------------------------------------------------------------- */

GPtrArray *
trash_named (Controller *controller, HttpRequest *request, const char *name)
{
    GPtrArray *found = g_ptr_array_new ();
    GHashTableIter iter;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        if ((strcmp (entry->id, name) == 0 || strcmp (entry->name, name) == 0) &&
            (request == NULL || access_sees (controller, request, entry->owner)))
            g_ptr_array_add (found, entry);
    return found;
}

TrashRecord *
trash_find (Controller *controller, HttpRequest *request, const char *name, GError **error)
{
    g_autoptr (GPtrArray) found = trash_named (controller, request, name);
    if (found->len == 1)
        return found->pdata[0];
    g_autofree char *quoted = problem_quote (name);
    if (found->len == 0)
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no trash entry %s", quoted);
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the trash holds %u entries named %s; say which by its id (vdc trash list)", found->len,
                     quoted);
    return NULL;
}

const json_t *
trash_volume (Controller *controller, const char *id)
{
    GHashTableIter iter;
    TrashRecord *entry;
    gsize i;
    json_t *volume;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry)) {
        json_array_foreach (entry->volumes, i, volume) {
            if (strcmp (json_str (volume, "id", ""), id) == 0)
                return volume;
        }
    }
    return NULL;
}

static gint
compare_age (gconstpointer a, gconstpointer b)
{
    const TrashRecord *one = *(TrashRecord *const *)a, *other = *(TrashRecord *const *)b;
    if (one->trashed_us != other->trashed_us)
        return one->trashed_us < other->trashed_us ? -1 : 1;
    return strcmp (one->id, other->id);
}

GPtrArray *
trash_sorted (Controller *controller)
{
    GPtrArray *sorted = g_ptr_array_new ();
    GHashTableIter iter;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        g_ptr_array_add (sorted, entry);
    g_ptr_array_sort (sorted, compare_age);
    return sorted;
}

/* What of a volume's record people may want to know. */
static json_t *
volumes_json (const TrashRecord *entry)
{
    json_t *list = json_array (), *volume;
    gsize i;
    json_array_foreach (entry->volumes, i, volume) {
        json_array_append_new (list, json_pack ("{s:s, s:s, s:I, s:s?}", "id", json_str (volume, "id", ""),
                                                "name", json_str (volume, "name", ""), "size_bytes",
                                                (json_int_t)json_int (volume, "size_bytes", 0), "server",
                                                json_str (volume, "server", NULL)));
    }
    return list;
}

json_t *
trash_json (const TrashRecord *entry)
{
    g_autofree char *trashed = stamp_of (entry->trashed_us);
    g_autofree char *expires = entry->expires_us != 0 ? stamp_of (entry->expires_us) : NULL;
    return json_pack ("{s:s, s:s, s:s, s:s?, s:s, s:s, s:s?, s:I, s:o, s:i}", "id", entry->id, "kind",
                      entry->kind, "name", entry->name, "application", entry->application_name, "why",
                      entry->why, "trashed", trashed, "expires", expires, "size_bytes",
                      (json_int_t)entry->size_bytes, "volumes", volumes_json (entry), "kept",
                      (int)json_array_size (entry->kept));
}
