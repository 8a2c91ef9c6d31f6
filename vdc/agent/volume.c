#include "vdc/agent/volume.h"

#include "vdc/agent/disk_private.h"
#include "vdc/agent/reserve.h"
#include "vdc/base/bug.h"
#include "vdc/base/command.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED_TIMEOUT_MS 300000

static char *
volume_path (Disks *disks, const char *id, const char *ending)
{
    return g_strdup_printf ("%s/%s%s", disks->volumes, id, ending);
}

static json_t *
load_record (Disks *disks, const char *id, GError **error)
{
    g_autofree char *path = volume_path (disks, id, ".json");
    g_autoptr (GError) local = NULL;
    g_autoptr (json_t) record = json_parse_file (path, &local);

    if (json_is_object (record))
        return g_steal_pointer (&record);
    if (access (path, F_OK) != 0 && errno == ENOENT)
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "volume %s is not on this server", id);
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "the record of volume %s cannot be read: %s", id,
                     local ? local->message : "it is no object");
    return NULL;
}

/* TRUE with *@record NULL: there is none. FALSE: there is one, and what it says is not known. */
static gboolean
find_record (Disks *disks, const char *id, json_t **record, GError **error)
{
    g_autoptr (GError) local = NULL;

    *record = load_record (disks, id, &local);
    if (*record != NULL || vdc_error_is_not_found (local))
        return TRUE;
    g_propagate_error (error, g_steal_pointer (&local));
    return FALSE;
}

static gboolean
save_record (Disks *disks, const char *id, const json_t *record, GError **error)
{
    g_autofree char *path = volume_path (disks, id, ".json");
    g_autofree char *text = json_text (record);
    return file_replace (path, text, strlen (text), 0600, error);
}

static gboolean
is_open (const json_t *record)
{
    return json_str (record, "writer", NULL) != NULL ||
           json_array_size (json_object_get (record, "readers")) > 0;
}

static gboolean
set_length (const char *path, guint64 size_bytes, GError **error)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot create %s", path);
    gboolean ok = ftruncate (fd, (off_t)size_bytes) == 0 && fsync (fd) == 0;
    int err = errno;
    close (fd);
    return ok || vdc_error_set_errno (error, err, "cannot give %s its size", path);
}

static gboolean
grow (Disks *disks, const char *id, json_t *record, guint64 size_bytes, GError **error)
{
    g_autofree char *path = volume_path (disks, id, ".raw");
    guint64 before = (guint64)json_int (record, "size_bytes", 0);

    if (size_bytes < before) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                     "volume %s has %" G_GUINT64_FORMAT " bytes and cannot shrink", id, before);
        return FALSE;
    }
    if (size_bytes == before)
        return TRUE;
    if (is_open (record)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "volume %s is in use; stop its user to grow it",
                     id);
        return FALSE;
    }
    if (!disk_need_space (disks, size_bytes - before, "the larger volume", error) ||
        !set_length (path, size_bytes, error))
        return FALSE;
    json_put (record, "size_bytes", json_integer ((json_int_t)size_bytes));
    return save_record (disks, id, record, error);
}

static json_t *
new_record (const char *name, const char *application, guint64 size_bytes, const char *filesystem,
            gboolean used)
{
    return json_pack ("{s:o, s:o, s:I, s:o, s:b, s:b, s:n, s:[]}", "name", json_str_new (name), "application",
                      json_str_new (application), "size_bytes", (json_int_t)size_bytes, "filesystem",
                      json_str_new (filesystem), "seeded", (int)used, "used", (int)used, "writer", "readers");
}

static gboolean
create_new (Disks *disks, const char *id, const char *name, const char *application, guint64 size_bytes,
            const char *filesystem, GError **error)
{
    g_autofree char *path = volume_path (disks, id, ".raw");

    /* Sparse, but promised: a guest that runs out of a disk it was given is worse than a refusal now. */
    if (!disk_need_space (disks, size_bytes, "the volume", error))
        return FALSE;
    /* Without a record: a crash left it half made. What has content had a record, and is not ours to erase.
     */
    struct stat info;
    if (stat (path, &info) == 0 && info.st_blocks > 0) {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_REFUSED,
            "volume %s has content and no record on this server; delete it first, or give it its record "
            "(%s) back",
            id, path);
        return FALSE;
    }
    unlink (path);
    if (!set_length (path, size_bytes, error))
        return FALSE;
    FP ("start.04.volume_file");
    g_autoptr (json_t) record = new_record (name, application, size_bytes, filesystem, FALSE);
    if (save_record (disks, id, record, error)) {
        FP ("start.05.volume_record");
        return TRUE;
    }
    unlink (path);
    return FALSE;
}

gboolean
volume_record (Disks *disks, const char *id, const char *name, const char *application, guint64 size_bytes,
               GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autofree char *raw = volume_path (disks, id, ".raw"), *path = volume_path (disks, id, ".json");
    g_autoptr (json_t) record = new_record (name, application, size_bytes, "ext4", TRUE);
    struct stat info;

    if (stat (raw, &info) == 0 && (guint64)info.st_size == size_bytes && access (path, F_OK) != 0)
        return save_record (disks, id, record, error);
    g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                 "volume %s has a record, or no file of %" G_GUINT64_FORMAT " bytes", id, size_bytes);
    return FALSE;
}

gboolean
volume_create (Disks *disks, const char *id, const char *name, const char *application, guint64 size_bytes,
               const char *filesystem, GError **error)
{
    if (size_bytes == 0 || size_bytes % 512 != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "size_bytes of volume %s must be a multiple of 512",
                     id);
        return FALSE;
    }
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = NULL;
    if (!find_record (disks, id, &record, error))
        return FALSE;
    if (record != NULL)
        return grow (disks, id, record, size_bytes, error);
    return create_new (disks, id, name, application, size_bytes, filesystem, error);
}

gboolean
volume_rename (Disks *disks, const char *id, const char *name, const char *application, GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = load_record (disks, id, error);
    g_autofree char *raw = volume_path (disks, id, ".raw");

    if (record == NULL)
        return FALSE;
    if (access (raw, F_OK) != 0)
        return vdc_error_set_errno (error, errno, "the file of volume %s (%s) is missing", id, raw);
    if (g_strcmp0 (json_str (record, "name", NULL), name) == 0 &&
        g_strcmp0 (json_str (record, "application", NULL), application) == 0)
        return TRUE;
    json_put (record, "name", json_str_new (name));
    json_put (record, "application", json_str_new (application));
    if (!save_record (disks, id, record, error))
        return FALSE;
    FP ("restore.03.volume_renamed");
    return TRUE;
}

static gboolean
make_filesystem (Disks *disks, const char *id, GBytes *tar, GError **error)
{
    g_autofree char *folder = volume_path (disks, id, ".seed");
    g_autofree char *archive = volume_path (disks, id, ".seed.tar");
    g_autofree char *raw = volume_path (disks, id, ".raw");
    const char *unpack[] = {"tar",  "--extract", "--no-same-owner", "--file", archive, "--directory",
                            folder, NULL};
    const char *mkfs[] = {"mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", "-d", folder, raw, NULL};

    /* Folder 0755: it becomes the root folder of the volume. */
    gboolean ok = file_remove_tree (folder, error) && file_make_folder (folder, 0755, error) &&
                  file_replace (archive, g_bytes_get_data (tar, NULL), g_bytes_get_size (tar), 0600, error) &&
                  (disks->pretend || (command_run (unpack, NULL, NULL, SEED_TIMEOUT_MS, error) &&
                                      command_run (mkfs, NULL, NULL, SEED_TIMEOUT_MS, error)));
    if (!ok)
        disk_recognise_full (error);
    unlink (archive);
    file_remove_tree (folder, NULL);
    return ok;
}

gboolean
volume_seed (Disks *disks, const char *id, GBytes *tar, GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = load_record (disks, id, error);

    if (record == NULL)
        return FALSE;
    if (json_bool (record, "used", TRUE) || is_open (record)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                     "volume %s was used already; a seed would overwrite it", id);
        return FALSE;
    }
    if (!make_filesystem (disks, id, tar, error))
        return FALSE;
    FP ("start.08.seed_filled");
    json_put (record, "seeded", json_true ());
    if (!save_record (disks, id, record, error))
        return FALSE;
    FP ("start.09.seed_recorded");
    return TRUE;
}

static gssize
reader_index (const json_t *readers, const char *user)
{
    size_t i;
    json_t *reader;
    json_array_foreach ((json_t *)readers, i, reader)
        if (strcmp (json_string_value (reader), user) == 0)
            return (gssize)i;
    return -1;
}

static gboolean
may_open (const char *id, const json_t *record, const char *user, gboolean read_only, GError **error)
{
    const char *writer = json_str (record, "writer", NULL);
    json_t *readers = json_object_get (record, "readers");

    if (writer != NULL && strcmp (writer, user) != 0 && !vdc_bug ("agent-two-writers")) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "volume %s (%s) is in use by %s", id,
                     json_str (record, "name", ""), writer);
        return FALSE;
    }
    if (!read_only && json_array_size (readers) > (reader_index (readers, user) >= 0 ? 1 : 0)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "volume %s (%s) is being read by %s", id,
                     json_str (record, "name", ""), json_string_value (json_array_get (readers, 0)));
        return FALSE;
    }
    return TRUE;
}

char *
volume_open (Disks *disks, const char *id, const char *user, gboolean read_only, GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = load_record (disks, id, error);

    if (record == NULL || !may_open (id, record, user, read_only, error))
        return NULL;
    json_t *readers = json_object_get (record, "readers");
    if (!read_only)
        json_put (record, "writer", json_str_new (user));
    else if (reader_index (readers, user) < 0)
        json_array_append_new (readers, json_str_new (user));
    json_put (record, "used", json_true ());
    if (!save_record (disks, id, record, error))
        return NULL;
    return volume_path (disks, id, ".raw");
}

gboolean
volume_close (Disks *disks, const char *id, const char *user, GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = load_record (disks, id, NULL);

    if (record == NULL)
        return TRUE;
    json_t *readers = json_object_get (record, "readers");
    gssize i = reader_index (readers, user);
    gboolean writer = g_strcmp0 (json_str (record, "writer", NULL), user) == 0;
    if (i < 0 && !writer)
        return TRUE;
    if (i >= 0)
        json_array_remove (readers, (size_t)i);
    if (writer)
        json_put (record, "writer", NULL);
    g_autofree char *path = volume_path (disks, id, ".json");
    g_autofree char *text = json_text (record);
    return reserve_replace (disks->state, path, text, error);
}

/* What a seed or a record that was cut off by a crash has left. */
static gboolean
remove_rests (Disks *disks, const char *id, GError **error)
{
    static const char *const endings[] = {".json.new", ".seed.tar", ".seed.tar.new"};
    g_autofree char *seed = volume_path (disks, id, ".seed");

    for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
        g_autofree char *path = volume_path (disks, id, endings[i]);
        if (!file_remove (path, error))
            return FALSE;
    }
    return file_remove_tree (seed, error);
}

gboolean
volume_delete (Disks *disks, const char *id, GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = NULL;
    g_autofree char *path = volume_path (disks, id, ".json");
    g_autofree char *raw = volume_path (disks, id, ".raw");

    if (!find_record (disks, id, &record, error))
        return FALSE;
    if (record != NULL && is_open (record)) {
        const char *user = json_str (record, "writer", "readers");
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "volume %s is in use by %s", id, user);
        return FALSE;
    }
    /* The record first: what a crash leaves is then an orphan, not a volume without content. */
    if (!file_remove (path, error))
        return FALSE;
    FP ("empty.04.volume_record_gone");
    if (!file_remove (raw, error))
        return FALSE;
    FP ("empty.05.volume_file_gone");
    if (!remove_rests (disks, id, error))
        return FALSE;
    FP ("empty.06.volume_rests_gone");
    return TRUE;
}

static json_t *
describe (Disks *disks, const char *id, json_t *record)
{
    g_autofree char *raw = volume_path (disks, id, ".raw");
    struct stat info = {0};
    json_t *volume = record ? json_deep_copy (record) : json_object ();

    gboolean there = stat (raw, &info) == 0;
    json_put (volume, "id", json_str_new (id));
    json_put (volume, "allocated_bytes", json_integer ((json_int_t)info.st_blocks * 512));
    json_put (volume, "file_bytes", json_integer ((json_int_t)info.st_size)); /* what it really is */
    if (record == NULL || !there)
        json_put (volume, "orphan", json_true ());
    return volume;
}

json_t *
volume_get (Disks *disks, const char *id, GError **error)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (json_t) record = load_record (disks, id, error);
    return record ? describe (disks, id, record) : NULL;
}

/* Names of all volumes, described or not. */
static GHashTable *
volume_ids (Disks *disks)
{
    GHashTable *ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr (GDir) folder = g_dir_open (disks->volumes, 0, NULL);
    const char *name;

    while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
        g_autofree char *id = g_strndup (name, 16);
        if (spec_is_volume_id (id))
            g_hash_table_add (ids, g_steal_pointer (&id));
    }
    return ids;
}

json_t *
volume_list (Disks *disks)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&disks->lock);
    g_autoptr (GHashTable) ids = volume_ids (disks);
    json_t *list = json_array ();
    GHashTableIter iter;
    gpointer id;

    g_hash_table_iter_init (&iter, ids);
    while (g_hash_table_iter_next (&iter, &id, NULL)) {
        g_autoptr (json_t) record = load_record (disks, id, NULL);
        json_array_append_new (list, describe (disks, id, record));
    }
    return list;
}

void
volume_close_all (Disks *disks, const char *user)
{
    g_autoptr (GHashTable) ids = volume_ids (disks);
    GHashTableIter iter;
    gpointer id;

    g_hash_table_iter_init (&iter, ids);
    while (g_hash_table_iter_next (&iter, &id, NULL)) {
        g_autoptr (GError) error = NULL;
        if (!volume_close (disks, id, user, &error))
            vdc_log (VDC_LOG_WARNING, "cannot note that a volume is closed, going on", "volume", id, "user",
                     user, "error", error->message, NULL);
    }
}
