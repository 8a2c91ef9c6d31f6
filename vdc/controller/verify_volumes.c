/* Volume files of a server against the records. */
#include <string.h>

#include "vdc/controller/specs.h"
#include "vdc/controller/trash.h"
#include "vdc/controller/verify_internal.h"

static gboolean
is_in_trash (const VerifyLook *look, const char *id)
{
    const json_t *volume = trash_volume (look->controller, id);
    return volume != NULL && g_strcmp0 (json_str (volume, "server", NULL), look->server->name) == 0;
}

/* The member "shop/web.1" has a VM, or is in the middle of something. */
static gboolean
may_be_open_by (const VerifyLook *look, const char *user)
{
    const char *slash = strchr (user, '/');
    g_autofree char *name = g_strndup (user, slash != NULL ? (gsize)(slash - user) : 0);
    const ApplicationRecord *application = g_hash_table_lookup (look->controller->applications, name);
    const MemberRecord *member =
        application != NULL && slash != NULL ? application_record_member (application, slash + 1) : NULL;
    return member != NULL && (!verify_is_settled (application, member) || specs_power (application, member));
}

static void
verify_open (const VerifyLook *look, const VolumeRecord *volume, const char *user)
{
    if (user == NULL || may_be_open_by (look, user))
        return;
    json_t *finding =
        verify_add (look->findings, "volume_open", look->server, volume->application, volume->name,
                    "volume '%s' is noted as open by %s, which does not run", volume->name, user);
    json_put (finding, "user", json_str_new (user));
}

static void
verify_users (const VerifyLook *look, const VolumeRecord *volume, const json_t *entry)
{
    const char *writer = json_str (entry, "writer", NULL);
    const json_t *readers = json_object_get (entry, "readers");
    gsize i;
    json_t *reader;
    verify_open (look, volume, writer);
    json_array_foreach ((json_t *)readers, i, reader) {
        verify_open (look, volume, json_string_value (reader));
    }
    if (writer != NULL && json_array_size (readers) > 0)
        verify_add (look->findings, "volume_writers", look->server, volume->application, volume->name,
                    "volume '%s' is open by writer %s and by others", volume->name, writer);
}

static void
verify_volume_file (const VerifyLook *look, const VolumeRecord *volume, const json_t *entry)
{
    gint64 size_bytes = json_int (entry, "file_bytes", json_int (entry, "size_bytes", 0));
    if (volume->made && size_bytes != volume->size_bytes)
        verify_add (look->findings, "volume_size", look->server, volume->application, volume->name,
                    "volume '%s' has %" G_GINT64_FORMAT
                    " bytes on the server, its record says %" G_GINT64_FORMAT,
                    volume->name, size_bytes, volume->size_bytes);
    else if (volume->made && json_object_get (entry, "size_bytes") == NULL)
        verify_add (look->findings, "volume_unrecorded", look->server, volume->application, volume->name,
                    "the agent has no record of volume '%s' (%s), whose file it has", volume->name,
                    volume->id);
    verify_users (look, volume, entry);
}

static void
verify_volume_files (const VerifyLook *look, GHashTable *found)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "volumes"), i, entry) {
        const char *id = json_str (entry, "id", "");
        const VolumeRecord *volume = g_hash_table_lookup (look->controller->volumes, id);
        gboolean mine = volume != NULL && g_strcmp0 (volume->server, look->server->name) == 0;
        gboolean recorded = json_object_get (entry, "size_bytes") != NULL;
        if ((mine || is_in_trash (look, id)) && recorded && json_bool (entry, "orphan", FALSE))
            continue; /* its file is missing: told as that */
        g_hash_table_add (found, g_strdup (id));
        if (mine)
            verify_volume_file (look, volume, entry);
        else if (!is_in_trash (look, id)) {
            json_t *finding = verify_add (
                look->findings, "volume_orphan", look->server, json_str (entry, "application", NULL), id,
                "volume file '%s' (%s) is in no record", id, json_str (entry, "name", "no name"));
            json_put (finding, "size_bytes", json_integer (json_int (entry, "file_bytes", 0)));
        }
    }
}

static void
verify_trash (const VerifyLook *look, GHashTable *found)
{
    GHashTableIter iter;
    TrashRecord *trashed;
    gsize i;
    json_t *volume;
    g_hash_table_iter_init (&iter, look->controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&trashed)) {
        json_array_foreach (trashed->volumes, i, volume) {
            const char *id = json_str (volume, "id", "");
            if (json_bool (volume, "made", FALSE) && !g_hash_table_contains (found, id) &&
                g_strcmp0 (json_str (volume, "server", NULL), look->server->name) == 0)
                verify_add (look->findings, "trash_missing", look->server, trashed->application_name,
                            trashed->name, "the file of volume '%s' (%s) of '%s' in the trash is missing",
                            json_str (volume, "name", ""), id, trashed->name);
        }
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
                        "volume '%s' has %u writers: %s", volume->name, n, writers->str);
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
                        "the file of volume '%s' (%s) is missing", volume->name, volume->id);
    verify_writers (look);
    verify_trash (look, found);
}
