/* Volume files of a server against the records. */
#include <string.h>

#include "vdc/controller/trash.h"
#include "vdc/controller/verify_internal.h"

static void
verify_volume_files (const VerifyLook *look, GHashTable *found)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "volumes"), i, entry) {
        const char *id = json_str (entry, "id", "");
        const VolumeRecord *volume = g_hash_table_lookup (look->controller->volumes, id);
        if (volume != NULL && json_bool (entry, "orphan", FALSE))
            continue; /* half of it is missing: told as that */
        g_hash_table_add (found, g_strdup (id));
        if (volume == NULL &&
            g_strcmp0 (json_str (trash_volume (look->controller, id), "server", NULL), look->server->name) == 0)
            continue;
        if (volume == NULL || g_strcmp0 (volume->server, look->server->name) != 0) {
            verify_add (look->findings, "volume_orphan", look->server, json_str (entry, "application", NULL),
                        id, "remove the file once its content is not needed",
                        "volume file '%s' (%s) is in no record", id, json_str (entry, "name", "no name"));
            continue;
        }
        gint64 size_bytes = json_int (entry, "file_bytes", json_int (entry, "size_bytes", 0));
        if (volume->made && size_bytes != volume->size_bytes)
            verify_add (look->findings, "volume_size", look->server, volume->application, volume->name,
                        "apply the application again",
                        "volume '%s' has %" G_GINT64_FORMAT
                        " bytes on the server, its record says %" G_GINT64_FORMAT,
                        volume->name, size_bytes, volume->size_bytes);
        const json_t *writer = json_object_get (entry, "writer");
        if (json_is_string (writer) && json_array_size (json_object_get (entry, "readers")) > 0)
            verify_add (look->findings, "volume_writers", look->server, volume->application, volume->name,
                        "stop all but one of them", "volume '%s' is open by writer %s and by others",
                        volume->name, json_string_value (writer));
    }
}

/* Two VMs whose specs write the same volume. */
static void
verify_writers (const VerifyLook *look)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, look->controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        ApplicationRecord *application =
            volume->application != NULL
                ? g_hash_table_lookup (look->controller->applications, volume->application)
                : NULL;
        g_autoptr (GString) writers = g_string_new (NULL);
        guint n = 0;
        for (guint i = 0;
             application != NULL && application->topology != NULL && i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            const Member *described = topology_member (application->topology, member->name);
            if (g_strcmp0 (volume->server, look->server->name) != 0 || !member_has_vm (member) ||
                described == NULL)
                continue;
            for (guint k = 0; k < described->volumes->len; k++) {
                const MemberVolume *slot = described->volumes->pdata[k];
                if (slot->read_only || strcmp (slot->volume, volume->local) != 0)
                    continue;
                g_string_append_printf (writers, "%s%s", n++ > 0 ? ", " : "", member->name);
            }
        }
        if (n > 1)
            verify_add (look->findings, "volume_writers", look->server, volume->application, volume->name,
                        "stop all but one of them", "volume '%s' has %u writers: %s", volume->name, n,
                        writers->str);
    }
}

void
verify_volumes (const VerifyLook *look)
{
    g_autoptr (GHashTable) found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    VolumeRecord *volume;
    verify_volume_files (look, found);
    g_hash_table_iter_init (&iter, look->controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (volume->made && g_strcmp0 (volume->server, look->server->name) == 0 &&
            !g_hash_table_contains (found, volume->id))
            verify_add (look->findings, "volume_missing", look->server, volume->application, volume->name,
                        "bring the file back from a copy", "the file of volume '%s' (%s) is missing",
                        volume->name, volume->id);
    verify_writers (look);
}
