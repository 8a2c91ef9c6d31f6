#include "vdc/controller/image_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/catalog_uses.h"
#include "vdc/controller/image_convert.h"

#define RESERVE_BYTES ((guint64)64 << 20)
/* A compressed image grows by about so much; more shows while it is written. */
#define GROWTH 4
/* What is sent to agents is cut where a file has holes of at least this. */
#define HOLE_BYTES ((off_t)1 << 20)
#define EXTENTS_MAX 4096

struct ImageStore {
    char *uploads, *images, *built;
    gint held; /* main loop only */
};

gboolean
image_is_digest (const char *text)
{
    return text != NULL && strlen (text) == 64 && strspn (text, "0123456789abcdef") == 64;
}

/* --- sweeping ---------------------------------------------------------------------------------------------- */

typedef gboolean (*IsLeft) (const char *path, const char *name);

static void
sweep_folder (const char *folder, IsLeft is_left)
{
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (folder, name, NULL);
        if (!is_left (path, name))
            continue;
        g_autoptr (GError) error = NULL;
        if (!file_remove_tree (path, &error))
            vdc_log (VDC_LOG_WARNING, "cannot remove what was left, ignoring", "path", path, "error",
                     error->message, NULL);
    }
}

static gboolean
is_unfinished_image (const char *path, const char *name)
{
    return !image_is_digest (name);
}

static gboolean
is_old_upload (const char *path, const char *name)
{
    struct stat info;
    return g_str_has_suffix (name, ".new") ||
           (lstat (path, &info) == 0 && time (NULL) - info.st_mtim.tv_sec > UPLOAD_KEPT_S);
}

ImageStore *
image_store_new (const char *state_folder, const char *built, GError **error)
{
    ImageStore *images = g_new0 (ImageStore, 1);
    images->uploads = g_build_filename (state_folder, "uploads", NULL);
    images->images = g_build_filename (state_folder, "images", NULL);
    images->built = g_strdup (built);
    if (!file_make_folder (images->uploads, 0700, error) || !file_make_folder (images->images, 0700, error)) {
        image_store_free (images);
        return NULL;
    }
    sweep_folder (images->images, is_unfinished_image);
    sweep_folder (images->uploads, is_old_upload);
    return images;
}

void
image_store_free (ImageStore *images)
{
    if (images == NULL)
        return;
    g_free (images->uploads);
    g_free (images->images);
    g_free (images->built);
    g_free (images);
}

void
image_store_hold (ImageStore *images, gboolean on)
{
    images->held += on ? 1 : -1;
}

static gboolean
is_wanted (Controller *controller, const char *name)
{
    g_autofree char *digest = g_strconcat ("sha256:", name, NULL);
    GHashTableIter iter;
    GridEntry *entry;

    g_hash_table_iter_init (&iter, controller->catalogs->entries);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        if (g_strcmp0 (json_str (entry->image, "digest", NULL), digest) == 0)
            return TRUE;
    return catalog_uses_image (controller, digest);
}

void
image_store_sweep (Controller *controller)
{
    g_autoptr (GDir) dir = g_dir_open (controller->images->images, 0, NULL);
    const char *name;

    while (controller->images->held == 0 && dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        if (!image_is_digest (name) || is_wanted (controller, name))
            continue;
        g_autofree char *path = g_build_filename (controller->images->images, name, NULL);
        g_autoptr (GError) error = NULL;
        vdc_log (VDC_LOG_INFO, "image that nothing uses is removed", "image", name, NULL);
        if (!file_remove_tree (path, &error))
            vdc_log (VDC_LOG_WARNING, "cannot remove an image, ignoring", "path", path, "error",
                     error->message, NULL);
    }
    FP ("publish.11.swept");
}

/* --- uploads ----------------------------------------------------------------------------------------------- */

static char *
upload_path (ImageStore *images, const char *sha256, const char *ending)
{
    return g_strdup_printf ("%s/%s%s", images->uploads, sha256, ending);
}

static guint64
free_bytes (const char *folder)
{
    struct statvfs info;
    return statvfs (folder, &info) == 0 ? (guint64)info.f_bavail * info.f_frsize : 0;
}

static gboolean
need_space (const char *folder, guint64 bytes, const char *what, GError **error)
{
    guint64 left = free_bytes (folder);
    if (left >= bytes + RESERVE_BYTES)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FULL,
                 "no room for %s: it needs %" G_GUINT64_FORMAT " MB and %s has %" G_GUINT64_FORMAT " MB free",
                 what, (bytes + RESERVE_BYTES) >> 20, folder, left >> 20);
    return FALSE;
}

static guint
count_uploads (ImageStore *images)
{
    g_autoptr (GDir) dir = g_dir_open (images->uploads, 0, NULL);
    const char *name;
    guint count = 0;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        count += g_str_has_suffix (name, ".json") ? 1 : 0;
    return count;
}

/* What was said of its size; 0: nothing. */
static guint64
upload_size (ImageStore *images, const char *sha256)
{
    g_autofree char *path = upload_path (images, sha256, ".json");
    g_autoptr (json_t) record = json_parse_file (path, NULL);
    return (guint64)MAX (json_int (record, "size_bytes", 0), 0);
}

static json_t *
upload_json (ImageStore *images, const char *sha256, guint64 size_bytes)
{
    g_autofree char *path = upload_path (images, sha256, ".part");
    struct stat info;
    guint64 offset = lstat (path, &info) == 0 ? MIN ((guint64)info.st_size, size_bytes) : 0;
    return json_pack ("{s:s, s:I, s:I, s:b}", "sha256", sha256, "size_bytes", (json_int_t)size_bytes,
                      "offset", (json_int_t)offset, "complete", (int)(offset == size_bytes));
}

static gboolean
begin_upload (ImageStore *images, const char *sha256, guint64 size_bytes, GError **error)
{
    if (size_bytes > IMAGE_UPLOAD_MAX_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "an image may have at most %d GB to be brought",
                     (int)(IMAGE_UPLOAD_MAX_BYTES >> 30));
        return FALSE;
    }
    if (count_uploads (images) >= IMAGE_UPLOADS_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "there are %d uploads that have not come to an end; finish or remove one (DELETE "
                     "/api/v1/images/SHA256), or wait a day",
                     IMAGE_UPLOADS_MAX);
        return FALSE;
    }
    g_autofree char *path = upload_path (images, sha256, ".json");
    g_autofree char *text = g_strdup_printf ("{\"size_bytes\":%" G_GUINT64_FORMAT "}", size_bytes);
    return need_space (images->uploads, size_bytes, "the upload", error) &&
           file_replace (path, text, strlen (text), 0600, error);
}

json_t *
image_upload_open (ImageStore *images, const char *sha256, guint64 size_bytes, GError **error)
{
    guint64 known = upload_size (images, sha256);

    if (known == 0 && size_bytes == 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "there is no upload of that digest");
        return NULL;
    }
    if (known == 0 && !begin_upload (images, sha256, size_bytes, error))
        return NULL;
    if (known != 0 && size_bytes != 0 && known != size_bytes) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "an upload of that digest was begun with another size (%" G_GUINT64_FORMAT " bytes)",
                     known);
        return NULL;
    }
    return upload_json (images, sha256, known != 0 ? known : size_bytes);
}

static gboolean
write_at (int fd, const guint8 *data, gsize length, guint64 offset)
{
    while (length > 0) {
        ssize_t n = pwrite (fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FALSE;
        data += n;
        length -= (gsize)n;
        offset += (guint64)n;
    }
    return TRUE;
}

static gboolean
append (const char *path, guint64 offset, GBytes *bytes, GError **error)
{
    gsize length;
    const guint8 *data = g_bytes_get_data (bytes, &length);
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat info;

    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", path);
    gboolean ok = fstat (fd, &info) == 0;
    guint64 there = ok ? (guint64)info.st_size : 0;
    if (ok && offset > there) {
        close (fd);
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the upload has %" G_GUINT64_FORMAT " bytes: go on there, not at %" G_GUINT64_FORMAT,
                     there, offset);
        return FALSE;
    }
    gsize known = (gsize)MIN (there - offset, length);
    ok = ok && write_at (fd, data + known, length - known, offset + known);
    int err = errno;
    close (fd);
    return ok || vdc_error_set_errno (error, err, "cannot write the upload");
}

json_t *
image_upload_write (ImageStore *images, const char *sha256, guint64 offset, GBytes *bytes, GError **error)
{
    g_autofree char *path = upload_path (images, sha256, ".part");
    guint64 size_bytes = upload_size (images, sha256), length = g_bytes_get_size (bytes);

    if (size_bytes == 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "there is no upload of that digest; begin it first");
        return NULL;
    }
    if (offset > size_bytes || length > size_bytes - offset) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                     "that would be more than the %" G_GUINT64_FORMAT " bytes the upload was begun with",
                     size_bytes);
        return NULL;
    }
    return append (path, offset, bytes, error) ? upload_json (images, sha256, size_bytes) : NULL;
}

void
image_upload_remove (ImageStore *images, const char *sha256)
{
    static const char *const endings[] = {".part", ".json"};
    for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
        g_autofree char *path = upload_path (images, sha256, endings[i]);
        unlink (path);
    }
    FP ("publish.09.upload_gone");
}

/* --- making ------------------------------------------------------------------------------------------------ */

static char *
hash_file (const char *path, GError **error)
{
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    g_autofree guint8 *buffer = g_malloc (1 << 20);
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = -1;

    while (fd >= 0 && ((n = read (fd, buffer, 1 << 20)) > 0 || (n < 0 && errno == EINTR)))
        g_checksum_update (checksum, buffer, MAX (n, 0));
    int err = errno;
    if (fd >= 0)
        close (fd);
    if (n == 0)
        return g_strdup (g_checksum_get_string (checksum));
    vdc_error_set_errno (error, err, "cannot read %s", path);
    return NULL;
}

static gboolean
read_head (const char *path, guint8 *head, gsize *length, guint64 *file_bytes, GError **error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;
    ssize_t n = fd >= 0 && fstat (fd, &info) == 0 ? pread (fd, head, IMAGE_HEADER_BYTES, 0) : -1;
    int err = errno;

    if (fd >= 0)
        close (fd);
    if (n < 0)
        return vdc_error_set_errno (error, err, "cannot read %s", path);
    *length = (gsize)n;
    *file_bytes = (guint64)info.st_size;
    return TRUE;
}

static gboolean
check_header (const char *path, const ImageFormat *wanted, ImageHeader *header, guint64 *file_bytes,
              GError **error)
{
    g_autofree guint8 *head = g_malloc (IMAGE_HEADER_BYTES);
    gsize length = 0;
    return read_head (path, head, &length, file_bytes, error) &&
           image_header_check (head, length, *file_bytes, wanted, header, error);
}

static gboolean
check_source (ImageStore *images, const char *sha256, const char *path, const ImageFormat *wanted,
              ImageHeader *header, GError **error)
{
    g_autoptr (json_t) state = image_upload_open (images, sha256, 0, error);
    guint64 file_bytes = 0;

    if (state == NULL)
        return FALSE;
    if (!json_bool (state, "complete", FALSE)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the upload is not complete: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                     " bytes are there",
                     json_int (state, "offset", 0), json_int (state, "size_bytes", 0));
        return FALSE;
    }
    g_autofree char *found = hash_file (path, error);
    if (found == NULL)
        return FALSE;
    if (strcmp (found, sha256) != 0) {
        image_upload_remove (images, sha256);
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                     "what was uploaded has another digest than it was said to have; upload it again");
        return FALSE;
    }
    if (!check_header (path, wanted, header, &file_bytes, error))
        return FALSE;
    FP ("publish.04.source_checked");
    return need_space (images->images, MIN (header->virtual_bytes, file_bytes * GROWTH), "the image", error);
}

/* What it became is a disk that can be booted; nobody looks at its first bytes to find a format ever after.
 */
static gboolean
check_result (const char *path, const ImageHeader *header, GError **error)
{
    guint8 sector[512];
    struct stat info;
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    gboolean ok = fd >= 0 && fstat (fd, &info) == 0 &&
                  pread (fd, sector, sizeof sector, 0) == sizeof sector &&
                  (guint64)info.st_size == header->virtual_bytes && fsync (fd) == 0;

    if (fd >= 0)
        close (fd);
    if (!ok) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                     "the converted disk has not the size its header said");
        return FALSE;
    }
    if (sector[510] == 0x55 && sector[511] == 0xaa)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                 "the image has no boot sector: it must be a whole disk with its boot loader");
    return FALSE;
}

static json_t *
describe (const char *digest, const char *sha256, guint64 size_bytes)
{
    g_autofree char *name = g_strconcat ("sha256:", digest, NULL);
    g_autofree char *source = g_strconcat ("sha256:", sha256, NULL);
    return json_pack ("{s:s, s:s, s:s, s:I, s:s}", "digest", name, "root", "root.raw", "format", "raw",
                      "size_bytes", (json_int_t)size_bytes, "source", source);
}

static gboolean
name_image (ImageStore *images, const char *folder, const char *digest, const json_t *description,
            GError **error)
{
    g_autofree char *record = g_build_filename (folder, "image.json", NULL);
    g_autofree char *target = g_build_filename (images->images, digest, NULL);
    g_autofree char *text = json_text (description);
    int fd = -1;

    if (!file_replace (record, text, strlen (text), 0600, error))
        return FALSE;
    if (rename (folder, target) != 0 && errno != EEXIST && errno != ENOTEMPTY)
        return vdc_error_set_errno (error, errno, "cannot name %s", target);
    fd = open (images->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean ok = fd >= 0 && fsync (fd) == 0;
    if (fd >= 0)
        close (fd);
    FP ("publish.07.image_named");
    return ok || vdc_error_set_errno (error, errno, "cannot sync %s", images->images);
}

static json_t *
make_in (ImageStore *images, const char *folder, const char *source, const char *sha256,
         const ImageFormat *wanted, ImageProgress progress, gpointer user_data, GError **error)
{
    g_autofree char *disk = g_build_filename (folder, "root.raw", NULL);
    ImageHeader header;

    if (!check_source (images, sha256, source, wanted, &header, error) ||
        !file_make_folder (folder, 0700, error))
        return NULL;
    FP ("publish.05.converting");
    progress (IMAGE_CHECKED, user_data);
    if (!image_convert (folder, source, &header, "root.raw", error) || !check_result (disk, &header, error))
        return NULL;
    FP ("publish.06.converted");
    progress (IMAGE_CONVERTED, user_data);
    g_autofree char *digest = hash_file (disk, error);
    g_autoptr (json_t) description = digest != NULL ? describe (digest, sha256, header.virtual_bytes) : NULL;
    if (description == NULL || !name_image (images, folder, digest, description, error))
        return NULL;
    return g_steal_pointer (&description);
}

json_t *
image_store_make (ImageStore *images, const char *sha256, const ImageFormat *wanted, ImageProgress progress,
                  gpointer user_data, GError **error)
{
    g_autofree char *source = upload_path (images, sha256, ".part");
    g_autofree char *name = id_random (8);
    g_autofree char *folder = g_strdup_printf ("%s/.new-%s", images->images, name);
    json_t *made = image_store_made_of (images, sha256);

    if (made != NULL)
        return made;
    made = make_in (images, folder, source, sha256, wanted, progress, user_data, error);
    file_remove_tree (folder, NULL);
    return made;
}

/* --- asking ------------------------------------------------------------------------------------------------ */

json_t *
image_store_describe (ImageStore *images, const char *digest, GError **error)
{
    g_autofree char *path = g_build_filename (images->images, digest, "image.json", NULL);
    json_t *description = image_is_digest (digest) ? json_parse_file (path, NULL) : NULL;

    if (description == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "there is no image of that digest; bring it with `vdc class create --image FILE`");
    return description;
}

json_t *
image_store_made_of (ImageStore *images, const char *sha256)
{
    g_autofree char *source = g_strconcat ("sha256:", sha256, NULL);
    g_autoptr (GDir) dir = g_dir_open (images->images, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autoptr (json_t) description = image_store_describe (images, name, NULL);
        if (g_strcmp0 (json_str (description, "source", NULL), source) == 0)
            return g_steal_pointer (&description);
    }
    return NULL;
}

/* Ours, or a built one. Caller frees; NULL and @error. */
static char *
find_folder (ImageStore *images, const char *digest, GError **error)
{
    const char *const folders[] = {images->images, images->built};
    for (guint i = 0; image_is_digest (digest) && i < G_N_ELEMENTS (folders); i++) {
        g_autofree char *path = folders[i] != NULL ? g_build_filename (folders[i], digest, NULL) : NULL;
        if (path != NULL && g_file_test (path, G_FILE_TEST_IS_DIR))
            return g_steal_pointer (&path);
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the controller has no image of that digest");
    return NULL;
}

static void
add_extent (json_t *extents, off_t from, off_t to)
{
    if (to > from)
        json_array_append_new (extents, json_pack ("[I, I]", (json_int_t)from, (json_int_t)(to - from)));
}

/* Data with small holes in it counts as data; with too many pieces the rest is one. */
static json_t *
find_extents (int fd, off_t size)
{
    json_t *extents = json_array ();
    off_t from = -1, to = 0, at = 0;

    while (at < size && json_array_size (extents) < EXTENTS_MAX) {
        off_t data = lseek (fd, at, SEEK_DATA);
        if (data < 0)
            break; /* ENXIO: only a hole is left */
        off_t hole = lseek (fd, data, SEEK_HOLE);
        at = hole < 0 ? size : hole;
        if (from >= 0 && data - to >= HOLE_BYTES) {
            add_extent (extents, from, to);
            from = -1;
        }
        from = from < 0 ? data : from;
        to = at;
    }
    if (from >= 0)
        add_extent (extents, from, json_array_size (extents) >= EXTENTS_MAX ? size : to);
    return extents;
}

static json_t *
file_json (const char *folder, const char *name, const char *known, GError **error)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *sha256 = known != NULL ? g_strdup (known) : hash_file (path, error);
    struct stat info;
    int fd = sha256 != NULL ? open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd < 0 || fstat (fd, &info) != 0) {
        if (fd >= 0)
            close (fd);
        return NULL;
    }
    json_t *extents = find_extents (fd, info.st_size);
    close (fd);
    return json_pack ("{s:s, s:I, s:s, s:o}", "name", name, "size_bytes", (json_int_t)info.st_size, "sha256",
                      sha256, "extents", extents);
}

json_t *
image_store_manifest (ImageStore *images, const char *digest, GError **error)
{
    g_autofree char *folder = find_folder (images, digest, error);
    g_autoptr (GDir) dir = folder != NULL ? g_dir_open (folder, 0, error) : NULL;
    g_autoptr (json_t) files = json_array ();
    const char *name;
    gboolean whole = FALSE;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        /* An image is named by the digest of its disk, which may be large. */
        gboolean root = strcmp (name, "root.raw") == 0 || strcmp (name, "root.qcow2") == 0;
        json_t *file = file_json (folder, name, root ? digest : NULL, error);
        if (file == NULL)
            return NULL;
        json_array_append_new (files, file);
        whole = whole || root;
    }
    if (dir != NULL && !whole) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "the controller's folder of image sha256:%s has no disk", digest);
        return NULL;
    }
    return dir != NULL ? json_pack ("{s:s, s:O}", "digest", digest, "files", files) : NULL;
}

GBytes *
image_store_read (ImageStore *images, const char *digest, const char *file, guint64 offset, guint64 length,
                  GError **error)
{
    g_autofree char *folder = find_folder (images, digest, error);
    g_autofree char *path = folder != NULL ? g_build_filename (folder, file, NULL) : NULL;
    g_autofree guint8 *data = NULL;

    if (folder == NULL)
        return NULL;
    if (strchr (file, '/') != NULL || file[0] == '.' || length > IMAGE_PIECE_MAX_BYTES ||
        offset > G_MAXINT64) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "that is no file of an image, or too much at a time");
        return NULL;
    }
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    data = g_malloc (MAX (length, 1));
    ssize_t n = fd >= 0 ? pread (fd, data, length, (off_t)offset) : -1;
    int err = errno;
    if (fd >= 0)
        close (fd);
    if (n >= 0)
        return g_bytes_new_take (g_steal_pointer (&data), (gsize)n);
    vdc_error_set_errno (error, err, "cannot read %s of the image", file);
    return NULL;
}
