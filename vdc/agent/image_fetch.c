#include "vdc/agent/image_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"
#include "vdc/http/client.h"

#define PIECE_BYTES (4 << 20)
#define PIECE_TIMEOUT_MS 60000
#define RESERVE_BYTES ((guint64)64 << 20)
#define FILES_MAX 16
#define FILE_MAX_BYTES (G_GINT64_CONSTANT (2) << 40)

struct ImageFetch {
    GMutex lock;
    char *folder, *pki, *url;
};

ImageFetch *
image_fetch_new (const char *state_folder, const char *controller, GError **error)
{
    static const char prefix[] = ".new-";
    ImageFetch *fetch = g_new0 (ImageFetch, 1);
    const char *name;

    g_mutex_init (&fetch->lock);
    fetch->folder = g_build_filename (state_folder, "images", NULL);
    fetch->pki = g_build_filename (state_folder, "pki", NULL);
    fetch->url = controller != NULL ? g_strconcat (controller, "/agent/v1/images", NULL) : NULL;
    if (!file_make_folder (fetch->folder, 0700, error)) {
        image_fetch_free (fetch);
        return NULL;
    }
    g_autoptr (GDir) dir = g_dir_open (fetch->folder, 0, NULL);
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (fetch->folder, name, NULL);
        if (g_str_has_prefix (name, prefix))
            file_remove_tree (path, NULL);
    }
    return fetch;
}

void
image_fetch_free (ImageFetch *fetch)
{
    if (fetch == NULL)
        return;
    g_mutex_clear (&fetch->lock);
    g_free (fetch->folder);
    g_free (fetch->pki);
    g_free (fetch->url);
    g_free (fetch);
}

void
image_fetch_sweep (ImageFetch *fetch, GHashTable *wanted)
{
    g_autoptr (GDir) dir = g_dir_open (fetch->folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (fetch->folder, name, NULL);
        if (g_hash_table_contains (wanted, name))
            continue;
        vdc_log (VDC_LOG_INFO, "image that no member here has is removed", "image", name, NULL);
        file_remove_tree (path, NULL);
    }
}

/* --- one file ---------------------------------------------------------------------------------------------- */

typedef struct {
    HttpClient *client;
    char *url; /* of the image */
    char *folder;
} Fetching;

static gboolean
is_file_name (const char *name)
{
    return *name != '\0' && *name != '.' && strlen (name) <= 64 &&
           strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen (name);
}

static gboolean
fetch_piece (const Fetching *fetching, int fd, const char *name, gint64 offset, gint64 length, GError **error)
{
    const HttpCallOptions options = {.accept = "application/octet-stream", .timeout_ms = PIECE_TIMEOUT_MS};
    g_autofree char *url = g_strdup_printf ("%s/%s?offset=%" G_GINT64_FORMAT "&length=%" G_GINT64_FORMAT,
                                            fetching->url, name, offset, length);
    g_autoptr (GBytes) bytes = http_client_call_bytes (fetching->client, "GET", url, &options, NULL, error);
    gsize size;

    if (bytes == NULL)
        return FALSE;
    const guint8 *data = g_bytes_get_data (bytes, &size);
    if (size != (gsize)length) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                     "the controller sent %zu bytes of %s, not %" G_GINT64_FORMAT, size, name, length);
        return FALSE;
    }
    for (gsize done = 0; done < size;) {
        ssize_t n = pwrite (fd, data + done, size - done, (off_t)(offset + (gint64)done));
        if (n < 0 && errno != EINTR)
            return vdc_error_set_errno (error, errno, "cannot write %s of the image", name);
        done += (gsize)MAX (n, 0);
    }
    return TRUE;
}

static gboolean
fetch_extents (const Fetching *fetching, int fd, const json_t *file, GError **error)
{
    gint64 size = json_int (file, "size_bytes", 0);
    json_t *extent;
    size_t i;

    json_array_foreach (json_object_get (file, "extents"), i, extent) {
        gint64 from = json_integer_value (json_array_get (extent, 0));
        gint64 length = json_integer_value (json_array_get (extent, 1));
        if (from < 0 || length < 0 || from > size || length > size - from) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                         "the controller's list of the image makes no sense");
            return FALSE;
        }
        for (gint64 done = 0; done < length; done += PIECE_BYTES)
            if (!fetch_piece (fetching, fd, json_str (file, "name", ""), from + done,
                              MIN (PIECE_BYTES, length - done), error))
                return FALSE;
    }
    return TRUE;
}

static gboolean
check_digest (int fd, const json_t *file, GError **error)
{
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    g_autofree guint8 *buffer = g_malloc (1 << 20);
    off_t offset = 0;
    ssize_t n;

    while ((n = pread (fd, buffer, 1 << 20, offset)) > 0) {
        g_checksum_update (checksum, buffer, n);
        offset += n;
    }
    if (n == 0 && strcmp (g_checksum_get_string (checksum), json_str (file, "sha256", "")) == 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                 "%s of the image did not arrive as it is at the controller", json_str (file, "name", ""));
    return FALSE;
}

static gboolean
fetch_file (const Fetching *fetching, const json_t *file, GError **error)
{
    g_autofree char *path = g_build_filename (fetching->folder, json_str (file, "name", ""), NULL);
    int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot make %s", path);
    gboolean ok = ftruncate (fd, (off_t)json_int (file, "size_bytes", 0)) == 0 ||
                  vdc_error_set_errno (error, errno, "cannot make %s", path);
    ok = ok && fetch_extents (fetching, fd, file, error) && check_digest (fd, file, error);
    if (ok && fsync (fd) != 0)
        ok = vdc_error_set_errno (error, errno, "cannot sync %s", path);
    close (fd);
    return ok;
}

/* --- one image --------------------------------------------------------------------------------------------- */

static gint64
needed_bytes (const json_t *files)
{
    json_t *file, *extent;
    gint64 sum = 0;
    size_t i, k;
    json_array_foreach ((json_t *)files, i, file)
        json_array_foreach (json_object_get (file, "extents"), k, extent)
            sum += CLAMP (json_integer_value (json_array_get (extent, 1)), 0, FILE_MAX_BYTES);
    return sum;
}

static gboolean
check_manifest (const ImageFetch *fetch, const json_t *files, GError **error)
{
    struct statvfs info;
    json_t *file;
    size_t i;
    gboolean sane = json_array_size (files) > 0 && json_array_size (files) <= FILES_MAX;

    json_array_foreach ((json_t *)files, i, file) {
        gint64 size = json_int (file, "size_bytes", -1);
        sane = sane && is_file_name (json_str (file, "name", "")) && size >= 0 && size <= FILE_MAX_BYTES;
    }
    if (!sane) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "the controller's list of the image makes no sense");
        return FALSE;
    }
    guint64 left = statvfs (fetch->folder, &info) == 0 ? (guint64)info.f_bavail * info.f_frsize : 0;
    guint64 needed = (guint64)needed_bytes (files) + RESERVE_BYTES;
    if (left >= needed)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FULL,
                 "no room for the image: it needs %" G_GUINT64_FORMAT " MB and %s has %" G_GUINT64_FORMAT
                 " MB free",
                 needed >> 20, fetch->folder, left >> 20);
    return FALSE;
}

static gboolean
fetch_files (const ImageFetch *fetch, const Fetching *fetching, GError **error)
{
    const HttpCallOptions options = {.timeout_ms = PIECE_TIMEOUT_MS};
    g_autoptr (GBytes) bytes =
        http_client_call_bytes (fetching->client, "GET", fetching->url, &options, NULL, error);
    gsize size = 0;
    const char *text = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
    g_autoptr (json_t) manifest = bytes != NULL ? json_parse (text, size, error) : NULL;
    const json_t *files = json_object_get (manifest, "files");
    json_t *file;
    size_t i;

    if (manifest == NULL || !check_manifest (fetch, files, error) ||
        !file_make_folder (fetching->folder, 0700, error))
        return FALSE;
    FP ("publish.12.fetching");
    json_array_foreach ((json_t *)files, i, file)
        if (!fetch_file (fetching, file, error))
            return FALSE;
    FP ("publish.13.fetched");
    return TRUE;
}

static gboolean
name_folder (const ImageFetch *fetch, const Fetching *fetching, const char *target, GError **error)
{
    if (rename (fetching->folder, target) != 0)
        return vdc_error_set_errno (error, errno, "cannot name %s", target);
    int fd = open (fetch->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean ok = fd >= 0 && fsync (fd) == 0;
    if (fd >= 0)
        close (fd);
    FP ("publish.14.image_here");
    return ok || vdc_error_set_errno (error, errno, "cannot sync %s", fetch->folder);
}

/* The client lives on a main context, and this thread's must be its own. */
static gboolean
fetch_all (const ImageFetch *fetch, const char *digest, const char *target, GError **error)
{
    g_autofree char *ca = g_build_filename (fetch->pki, "ca.crt", NULL);
    g_autofree char *certificate = g_build_filename (fetch->pki, "agent.crt", NULL);
    g_autofree char *key = g_build_filename (fetch->pki, "agent.key", NULL);
    const HttpClientOptions options = {.ca_file = ca, .certificate_file = certificate, .key_file = key};
    g_autofree char *url = g_strconcat (fetch->url, "/", digest, NULL);
    g_autofree char *folder = g_strconcat (fetch->folder, "/.new-", digest, NULL);
    GMainContext *context = g_main_context_new ();

    g_main_context_push_thread_default (context);
    HttpClient *client = http_client_new (&options, error);
    const Fetching fetching = {client, url, folder};
    file_remove_tree (folder, NULL);
    gboolean ok = client != NULL && fetch_files (fetch, &fetching, error) &&
                  name_folder (fetch, &fetching, target, error);
    file_remove_tree (folder, NULL);
    http_client_free (client);
    g_main_context_pop_thread_default (context);
    g_main_context_unref (context);
    return ok;
}

gboolean
image_fetch (ImageFetch *fetch, const char *digest, GError **error)
{
    g_autofree char *target = g_build_filename (fetch->folder, digest, NULL);
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fetch->lock);

    if (g_file_test (target, G_FILE_TEST_IS_DIR))
        return TRUE;
    if (fetch->url == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "image sha256:%.12s… is not on this server",
                     digest);
        return FALSE;
    }
    gint64 began = g_get_monotonic_time ();
    if (!fetch_all (fetch, digest, target, error)) {
        g_prefix_error (error, "cannot fetch image sha256:%.12s…: ", digest);
        return FALSE;
    }
    g_autofree char *took = g_strdup_printf ("%" G_GINT64_FORMAT, (g_get_monotonic_time () - began) / 1000);
    vdc_log (VDC_LOG_INFO, "image fetched", "image", digest, "took_ms", took, NULL);
    return TRUE;
}
