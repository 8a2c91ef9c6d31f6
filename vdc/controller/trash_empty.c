/* What leaves the trash for good: by order, by age, for want of space. */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/controller/draft.h"
#include "vdc/controller/trash.h"

/* A report that was under way while files were erased does not tell of the space yet. */
#define REPORTS_TO_WAIT 2

/* The volumes become records again that the reconciler erases. Their old names may be others' by now. */
static void
erase_volume (Controller *controller, const json_t *stored)
{
    VolumeRecord *volume = volume_record_new (stored);
    g_clear_pointer (&volume->stored, json_decref); /* it has no row */
    volume->published = NULL;
    record_set_string (&volume->name, volume->id);
    record_set_string (&volume->application, NULL);
    record_set_string (&volume->local, NULL);
    record_set_json (&volume->error, NULL);
    volume->deleting = TRUE;
    g_hash_table_replace (controller->volumes, g_strdup (volume->id), volume);
}

/* Frees @entry. @data with what led to it is taken. */
static void
remove_entry (Controller *controller, TrashRecord *entry, const char *why, json_t *data)
{
    gsize i;
    json_t *volume;
    json_array_foreach (entry->volumes, i, volume) {
        erase_volume (controller, volume);
    }
    json_put (data, "name", json_string (entry->name));
    json_put (data, "why", json_string (why));
    json_put (data, "size_bytes", json_integer ((json_int_t)entry->size_bytes));
    vdc_log (VDC_LOG_INFO, "removed from the trash", "trash", entry->id, "kind", entry->kind, "name",
             entry->name, "why", why, NULL);
    trash_note (controller, "trash.removed", entry, data);
    if (strcmp (entry->kind, "application") == 0)
        draft_forget (controller, entry->owner);
    controller_write (controller, STORE_TRASH, entry->id, NULL);
    g_autofree char *id = g_strdup (entry->id);
    g_hash_table_remove (controller->trash, id);
    FP ("empty.01.volumes_marked");
}

json_t *
operation_trash_empty (Controller *controller, Operation *operation, TrashRecord *entry, GError **error)
{
    g_autoptr (GPtrArray) all = entry != NULL ? g_ptr_array_new () : trash_sorted (controller);
    json_t *names = json_array ();
    if (entry != NULL)
        g_ptr_array_add (all, entry);
    for (guint i = 0; i < all->len; i++) {
        TrashRecord *one = all->pdata[i];
        json_array_append_new (names, json_string (one->name));
        if (!operation->dry_run)
            remove_entry (controller, one, "asked", json_object ());
    }
    json_t *answer = json_pack ("{s:o}", "removed", names);
    if (operation->dry_run)
        return answer;
    answer = operation_finish (controller, operation, answer, error);
    FP ("empty.02.accepted");
    return answer;
}

/* --- by age ------------------------------------------------------------------------------------------------ */

static void
remove_expired (Controller *controller)
{
    g_autoptr (GPtrArray) sorted = trash_sorted (controller);
    gint64 now_us = controller_now_us (controller);
    for (guint i = 0; i < sorted->len; i++) {
        TrashRecord *entry = sorted->pdata[i];
        if (entry->expires_us != 0 && entry->expires_us <= now_us)
            remove_entry (controller, entry, "expired", json_object ());
    }
}

void
trash_shift (Controller *controller, gint64 delta_us)
{
    GHashTableIter iter;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        if (entry->expires_us != 0)
            entry->expires_us += delta_us;
}

/* --- for space --------------------------------------------------------------------------------------------- */

static gboolean
has_file_on (const TrashRecord *entry, const char *server)
{
    gsize i;
    json_t *volume;
    json_array_foreach (entry->volumes, i, volume) {
        if (g_strcmp0 (json_str (volume, "server", NULL), server) == 0)
            return TRUE;
    }
    return FALSE;
}

TrashRecord *
trash_for_space (const GPtrArray *sorted, const char *server, gint64 disk_bytes, gint64 free_bytes,
                 guint free_percent, gint64 need_bytes)
{
    gint64 wanted_bytes = MAX (disk_bytes / 100 * free_percent, need_bytes);
    for (guint i = 0; free_bytes < wanted_bytes && i < sorted->len; i++) {
        TrashRecord *entry = sorted->pdata[i];
        if (entry->expires_us != 0 && has_file_on (entry, server))
            return entry;
    }
    return NULL;
}

static gboolean
is_erasing (Controller *controller, const char *server)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (volume->deleting && g_strcmp0 (volume->server, server) == 0)
            return TRUE;
    return FALSE;
}

/* One entry at a time: what it gave is known from the reports after its files went. */
static void
make_space (Controller *controller, Server *server)
{
    gint64 disk_bytes = json_int (server->info, "disk_bytes", 0);
    gint64 free_bytes = json_int (server->info, "disk_free_bytes", 0);
    if (server->state != SERVER_UP || disk_bytes == 0)
        return;
    if (is_erasing (controller, server->name)) {
        server->space_mark = server->reported + REPORTS_TO_WAIT;
        return;
    }
    if (server->reported < server->space_mark)
        return;
    g_autoptr (GPtrArray) sorted = trash_sorted (controller);
    TrashRecord *entry = trash_for_space (sorted, server->name, disk_bytes, free_bytes,
                                          controller->trash_free_percent, server->space_need_bytes);
    if (entry == NULL) {
        server->space_need_bytes = 0;
        return;
    }
    vdc_log (VDC_LOG_WARNING, "too little space, emptying the trash", "server", server->name, "trash",
             entry->id, NULL);
    remove_entry (controller, entry, "space",
                  json_pack ("{s:s, s:I, s:I}", "server", server->name, "free_bytes", (json_int_t)free_bytes,
                             "disk_bytes", (json_int_t)disk_bytes));
}

void
trash_tick (Controller *controller)
{
    GHashTableIter iter;
    Server *server;
    if (g_hash_table_size (controller->trash) == 0)
        return;
    remove_expired (controller);
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server))
        make_space (controller, server);
}
