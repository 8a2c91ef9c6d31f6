#include "vdc/store/backup_file.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "VDC-BACKUP 1\n"
#define HEAD_MAX_BYTES (BACKUP_INDEX_MAX_BYTES + 64)
#define PIECE_BYTES (256 * 1024)

const BackupPath backup_paths[] = {
    {"store/data.mdb", TRUE},      {"token", TRUE},
    {"secret.key", FALSE},         {"pki/ca.crt", TRUE},
    {"pki/ca.key", TRUE},          {"pki/server.crt", FALSE},
    {"pki/server.key", FALSE},     {"pki/controller.crt", FALSE},
    {"pki/controller.key", FALSE}, {NULL, FALSE},
};

static gboolean
is_path (const char *text)
{
    for (const BackupPath *path = backup_paths; path->path != NULL; path++)
        if (strcmp (path->path, text) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
invalid (GError **error, const char *why)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "this is no whole backup of VDC: %s", why);
    return FALSE;
}

/* --- bytes ------------------------------------------------------------------------------------------------- */

/* Copies up to @length bytes (-1: to the end) from @from to @to (-1: nowhere), and their sum. */
static gboolean
pump (int from, int to, gint64 length, gint64 *copied, char **sum, GError **error)
{
    g_autofree char *piece = g_malloc (PIECE_BYTES);
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    *copied = 0;
    while (length < 0 || *copied < length) {
        gsize want = length < 0 ? PIECE_BYTES : (gsize)MIN (PIECE_BYTES, length - *copied);
        ssize_t n = read (from, piece, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vdc_error_set_errno (error, errno, "cannot read");
        if (n == 0)
            break;
        g_checksum_update (checksum, (const guchar *)piece, n);
        for (ssize_t done = 0; to >= 0 && done < n;) {
            ssize_t m = write (to, piece + done, (size_t)(n - done));
            if (m < 0 && errno != EINTR)
                return vdc_error_set_errno (error, errno, "cannot write");
            done += MAX (m, 0);
        }
        *copied += n;
    }
    *sum = g_strdup (g_checksum_get_string (checksum));
    return TRUE;
}

static gboolean
write_text (int fd, const char *text, GError **error)
{
    gsize length = strlen (text);
    for (gsize done = 0; done < length;) {
        ssize_t n = write (fd, text + done, length - done);
        if (n < 0 && errno != EINTR)
            return vdc_error_set_errno (error, errno, "cannot write");
        done += (gsize)MAX (n, 0);
    }
    return TRUE;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static char *
source_of (const BackupPath *path, const char *store_folder, const char *state_folder)
{
    if (g_str_has_prefix (path->path, "store/"))
        return g_build_filename (store_folder, path->path + strlen ("store/"), NULL);
    return g_build_filename (state_folder, path->path, NULL);
}

/* One pass over a file: into @to, or nowhere, for its size and sum. */
static gboolean
pump_file (const char *source, int to, gint64 *size, char **sum, GError **error)
{
    int fd = open (source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", source);
    gboolean good = pump (fd, to, -1, size, sum, error);
    close (fd);
    return good;
}

static json_t *
list_files (const char *store_folder, const char *state_folder, GError **error)
{
    g_autoptr (json_t) files = json_array ();
    for (const BackupPath *path = backup_paths; path->path != NULL; path++) {
        g_autofree char *source = source_of (path, store_folder, state_folder), *sum = NULL;
        gint64 size;
        if (!path->needed && !g_file_test (source, G_FILE_TEST_EXISTS))
            continue;
        if (!pump_file (source, -1, &size, &sum, error))
            return NULL;
        json_array_append_new (files, json_pack ("{s:s, s:I, s:s}", "path", path->path, "size",
                                                 (json_int_t)size, "sha256", sum));
    }
    return g_steal_pointer (&files);
}

static gboolean
write_all (int fd, const char *store_folder, const char *state_folder, const json_t *index, GError **error)
{
    g_autofree char *text = json_text (index);
    g_autofree char *head = g_strdup_printf (MAGIC "%zu\n%s\n", strlen (text), text);
    gsize i;
    json_t *file;
    if (!write_text (fd, head, error))
        return FALSE;
    json_array_foreach (json_object_get (index, "files"), i, file) {
        const BackupPath path = {json_str (file, "path", ""), TRUE};
        g_autofree char *source = source_of (&path, store_folder, state_folder), *sum = NULL;
        gint64 size;
        if (!pump_file (source, fd, &size, &sum, error))
            return FALSE;
        if (strcmp (sum, json_str (file, "sha256", "")) != 0) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "%s changed while it was copied; try again",
                         path.path);
            return FALSE;
        }
    }
    if (fsync (fd) != 0)
        return vdc_error_set_errno (error, errno, "cannot sync the backup");
    return TRUE;
}

gboolean
backup_write (const char *file, const char *store_folder, const char *state_folder, json_t *index,
              GError **error)
{
    g_autofree char *beside = g_strconcat (file, ".part", NULL), *folder = g_path_get_dirname (file);
    json_t *files = list_files (store_folder, state_folder, error);
    if (files == NULL)
        return FALSE;
    json_put (index, "files", files);
    unlink (beside);
    int fd = open (beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot make %s", beside);
    gboolean good = write_all (fd, store_folder, state_folder, index, error);
    close (fd);
    if (good && rename (beside, file) != 0)
        good = vdc_error_set_errno (error, errno, "cannot rename %s", beside);
    if (!good)
        unlink (beside);
    return good && file_sync_folder (folder, error);
}

/* --- reading ----------------------------------------------------------------------------------------------- */

static gboolean
check_files (const json_t *files, gint64 *total, GError **error)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    gsize i;
    json_t *file;
    json_array_foreach (files, i, file) {
        const char *path = json_str (file, "path", "");
        gint64 size = json_int (file, "size", -1);
        if (!is_path (path) || !g_hash_table_add (seen, (gpointer)path))
            return invalid (error, "it holds a file that none has");
        if (size < 0 || size > BACKUP_FILE_MAX_BYTES || strlen (json_str (file, "sha256", "")) != 64)
            return invalid (error, "its index is malformed");
        *total += size;
    }
    for (const BackupPath *path = backup_paths; path->path != NULL; path++)
        if (path->needed && !g_hash_table_contains (seen, path->path))
            return invalid (error, "it lacks a file");
    return TRUE;
}

json_t *
backup_parse_head (const char *bytes, gsize length, gint64 *offset, gint64 *total, GError **error)
{
    const gsize magic = strlen (MAGIC);
    if (length < magic || memcmp (bytes, MAGIC, magic) != 0) {
        gboolean newer = length > 11 && memcmp (bytes, "VDC-BACKUP ", 11) == 0;
        invalid (error, newer ? "it was made by a newer program" : "it does not begin like one");
        return NULL;
    }
    const char *line = bytes + magic, *end = memchr (line, '\n', length - magic);
    gsize digits = end != NULL ? (gsize)(end - line) : 0, size = 0;
    for (gsize i = 0; i < digits && digits <= 6; i++)
        size = g_ascii_isdigit (line[i]) ? size * 10 + (gsize)(line[i] - '0') : G_MAXSIZE / 16;
    gsize begin = magic + digits + 1;
    if (digits == 0 || digits > 6 || size > BACKUP_INDEX_MAX_BYTES || begin + size + 1 > length ||
        bytes[begin + size] != '\n') {
        invalid (error, "its head is malformed");
        return NULL;
    }
    g_autoptr (json_t) index = json_parse (bytes + begin, size, NULL);
    gint64 sum = (gint64)(begin + size + 1);
    *offset = sum;
    if (!json_is_object (index) || !json_is_array (json_object_get (index, "files"))) {
        invalid (error, "its index is malformed");
        return NULL;
    }
    if (!check_files (json_object_get (index, "files"), &sum, error))
        return NULL;
    *total = sum;
    return g_steal_pointer (&index);
}

static json_t *
read_head (int fd, const char *file, GError **error)
{
    g_autofree char *head = g_malloc (HEAD_MAX_BYTES);
    gint64 offset, total;
    struct stat about;
    ssize_t n = pread (fd, head, HEAD_MAX_BYTES, 0);
    if (n < 0 || fstat (fd, &about) != 0) {
        vdc_error_set_errno (error, errno, "cannot read %s", file);
        return NULL;
    }
    g_autoptr (json_t) index = backup_parse_head (head, (gsize)n, &offset, &total, error);
    if (index == NULL)
        return NULL;
    if (about.st_size != total) {
        invalid (error, about.st_size < total ? "it is cut off" : "it is too long");
        return NULL;
    }
    lseek (fd, offset, SEEK_SET);
    return g_steal_pointer (&index);
}

static int
open_backup (const char *file, GError **error)
{
    int fd = open (file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        vdc_error_set_errno (error, errno, "cannot open %s", file);
    return fd;
}

json_t *
backup_read_index (const char *file, GError **error)
{
    int fd = open_backup (file, error);
    if (fd < 0)
        return NULL;
    json_t *index = read_head (fd, file, error);
    close (fd);
    return index;
}

static gboolean
unpack_one (int from, const json_t *file, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename (folder, json_str (file, "path", ""), NULL);
    g_autofree char *parent = g_path_get_dirname (path), *sum = NULL;
    gint64 size = json_int (file, "size", 0), copied;
    if (!file_make_folder (parent, 0700, error))
        return FALSE;
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot make %s", path);
    gboolean good = pump (from, fd, size, &copied, &sum, error);
    if (good && fsync (fd) != 0)
        good = vdc_error_set_errno (error, errno, "cannot sync %s", path);
    close (fd);
    if (good && (copied != size || strcmp (sum, json_str (file, "sha256", "")) != 0))
        good = invalid (error, "a file in it is damaged");
    return good && file_sync_folder (parent, error);
}

static gboolean
unpack_all (int from, const json_t *index, const char *folder, GError **error)
{
    gsize i;
    json_t *file;
    json_array_foreach (json_object_get (index, "files"), i, file) {
        if (!unpack_one (from, file, folder, error))
            return FALSE;
    }
    return file_sync_folder (folder, error);
}

gboolean
backup_unpack (const char *file, const char *folder, GError **error)
{
    if (!file_make_folder (folder, 0700, error))
        return FALSE;
    int fd = open_backup (file, error);
    if (fd < 0)
        return FALSE;
    g_autoptr (json_t) index = read_head (fd, file, error);
    gboolean good = index != NULL && unpack_all (fd, index, folder, error);
    close (fd);
    return good;
}
