#include "vdc/http/static.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HASH_MIN_CHARS 8

struct StaticFiles {
    int folder_fd;      /* -1: embedded */
    GHashTable *loaded; /* embedded: name → Content */
    GHashTable *read;   /* folder: name → Read. Many slow readers of one file hold it once */
};

/* A file as it was when read. */
typedef struct {
    struct stat info;
    GBytes *bytes;
} Read;

/* A file in all its codings; those that are not there are NULL. */
typedef struct {
    GBytes *plain, *gzip;
    char *mark; /* of the plain content, for the ETag */
} Content;

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/vnd.microsoft.icon"},
    {".webp", "image/webp"},
    {".woff2", "font/woff2"},
    {".wasm", "application/wasm"},
};

static const struct {
    const char *name, *ending;
} codings[] = {{"br", ".br"}, {"gzip", ".gz"}};

/* --- names ------------------------------------------------------------------------------------------------- */

gboolean
static_name_is_good (const char *name)
{
    gboolean begins = TRUE;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '/' ? begins
            : begins  ? !g_ascii_isalnum (*c) && *c != '_'
                      : !g_ascii_isalnum (*c) && strchr ("._-", *c) == NULL)
            return FALSE;
        begins = *c == '/';
    }
    return !begins && strlen (name) <= STATIC_NAME_MAX_BYTES;
}

const char *
static_type_of (const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS (types); i++)
        if (g_str_has_suffix (name, types[i].ending))
            return types[i].type;
    return NULL;
}

/* As Vite writes it: NAME-HASH.ENDING. */
gboolean
static_is_hashed (const char *name)
{
    const char *base = strrchr (name, '/') ? strrchr (name, '/') + 1 : name;
    const char *dot = strrchr (base, '.');
    gsize n = 0;
    while (dot != NULL && dot - n > base &&
           (g_ascii_isalnum (dot[-(gssize)n - 1]) || dot[-(gssize)n - 1] == '_'))
        n++;
    return dot != NULL && n >= HASH_MIN_CHARS && dot - n > base && dot[-(gssize)n - 1] == '-';
}

static gboolean
has_ending (const char *name)
{
    const char *base = strrchr (name, '/') ? strrchr (name, '/') + 1 : name;
    return strchr (base, '.') != NULL;
}

/* --- content ----------------------------------------------------------------------------------------------- */

static void
content_free (gpointer data)
{
    Content *content = data;
    g_bytes_unref (content->plain);
    g_clear_pointer (&content->gzip, g_bytes_unref);
    g_free (content->mark);
    g_free (content);
}

static GBytes *
pack (const StaticFile *file)
{
    g_autoptr (GZlibCompressor) packer = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9);
    g_autoptr (GInputStream) plain =
        g_memory_input_stream_new_from_data (file->data, (gssize)file->length, NULL);
    g_autoptr (GInputStream) packed = g_converter_input_stream_new (plain, G_CONVERTER (packer));
    g_autoptr (GOutputStream) all = g_memory_output_stream_new_resizable ();
    if (g_output_stream_splice (all, packed, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, NULL) < 0)
        return NULL;
    return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (all));
}

StaticFiles *
static_files_embedded (const StaticFile *list, gsize n)
{
    StaticFiles *files = g_new0 (StaticFiles, 1);
    files->folder_fd = -1;
    files->loaded = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, content_free);
    for (gsize i = 0; i < n; i++) {
        Content *content = g_new0 (Content, 1);
        content->plain = g_bytes_new_static (list[i].data, list[i].length);
        content->gzip = pack (&list[i]);
        content->mark = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, content->plain);
        content->mark[16] = '\0';
        g_hash_table_insert (files->loaded, (gpointer)list[i].name, content);
    }
    return files;
}

static int
open_beneath (int folder_fd, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall (SYS_openat2, folder_fd, name, &how, sizeof how);
}

static void
read_free (gpointer data)
{
    Read *read = data;
    g_bytes_unref (read->bytes);
    g_free (read);
}

static gboolean
is_same (const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Read, not mapped: a file cut short meanwhile would end the process. */
static GBytes *
read_whole (int fd, const struct stat *info)
{
    g_autofree char *data = g_malloc ((gsize)info->st_size + 1);
    ssize_t n = pread (fd, data, (gsize)info->st_size, 0);
    return n == info->st_size ? g_bytes_new_take (g_steal_pointer (&data), (gsize)n) : NULL;
}

/* NULL: no plain file, or too long. */
static GBytes *
read_file (StaticFiles *files, const char *name, struct stat *info)
{
    const Read *before = g_hash_table_lookup (files->read, name);
    int fd = open_beneath (files->folder_fd, name);
    GBytes *bytes = NULL;
    if (fd >= 0 && fstat (fd, info) == 0 && S_ISREG (info->st_mode) && info->st_size <= STATIC_FILE_MAX_BYTES)
        bytes = before != NULL && is_same (&before->info, info) ? g_bytes_ref (before->bytes)
                                                                : read_whole (fd, info);
    if (fd >= 0)
        close (fd);
    if (bytes != NULL && (before == NULL || before->bytes != bytes)) {
        Read *now = g_new0 (Read, 1);
        *now = (Read){*info, g_bytes_ref (bytes)};
        g_hash_table_replace (files->read, g_strdup (name), now);
    }
    return bytes;
}

StaticFiles *
static_files_open (const char *folder, GError **error)
{
    struct stat info;
    StaticFiles *files = g_new0 (StaticFiles, 1);
    files->folder_fd = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    files->read = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, read_free);
    g_autoptr (GBytes) index = files->folder_fd >= 0 ? read_file (files, "index.html", &info) : NULL;
    if (index != NULL)
        return files;
    vdc_error_set_errno (error, errno, "%s holds no index.html to serve", folder);
    static_files_free (files);
    return NULL;
}

void
static_files_free (StaticFiles *files)
{
    if (files == NULL)
        return;
    g_clear_pointer (&files->loaded, g_hash_table_unref);
    g_clear_pointer (&files->read, g_hash_table_unref);
    if (files->folder_fd >= 0)
        close (files->folder_fd);
    g_free (files);
}

/* --- serving ----------------------------------------------------------------------------------------------- */

/* "gzip;q=0" takes it not; "*" takes all. */
static gboolean
takes_coding (HttpRequest *request, const char *coding)
{
    const char *accept = http_request_header (request, "accept-encoding");
    g_auto (GStrv) words = g_strsplit (accept ? accept : "", ",", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        g_auto (GStrv) parts = g_strsplit (words[i], ";", 2);
        if (parts[0] == NULL || g_ascii_strcasecmp (g_strstrip (parts[0]), coding) != 0)
            continue;
        const char *q = parts[1] != NULL ? strstr (parts[1], "q=") : NULL;
        return q == NULL || g_ascii_strtod (q + 2, NULL) > 0;
    }
    return FALSE;
}

static GBytes *
load_embedded (StaticFiles *files, HttpRequest *request, const char *name, char **mark, const char **coding)
{
    const Content *content = g_hash_table_lookup (files->loaded, name);
    if (content == NULL)
        return NULL;
    *coding = content->gzip != NULL && takes_coding (request, "gzip") ? "gzip" : NULL;
    *mark = g_strdup (content->mark);
    return g_bytes_ref (*coding != NULL ? content->gzip : content->plain);
}

static GBytes *
load_from_folder (StaticFiles *files, HttpRequest *request, const char *name, char **mark,
                  const char **coding)
{
    struct stat info;
    GBytes *bytes = NULL;
    *coding = NULL;
    for (guint i = 0; bytes == NULL && i < G_N_ELEMENTS (codings); i++) {
        g_autofree char *packed = g_strconcat (name, codings[i].ending, NULL);
        bytes = takes_coding (request, codings[i].name) ? read_file (files, packed, &info) : NULL;
        *coding = bytes != NULL ? codings[i].name : NULL;
    }
    if (bytes == NULL)
        bytes = read_file (files, name, &info);
    if (bytes != NULL)
        *mark = g_strdup_printf ("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x-%lx", (guint64)info.st_size,
                                 (guint64)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    return bytes;
}

static gboolean
is_known (HttpRequest *request, const char *tag)
{
    const char *known = http_request_header (request, "if-none-match");
    return known != NULL && (strcmp (known, "*") == 0 || strstr (known, tag) != NULL);
}

static void
send_file (HttpRequest *request, const char *name, GBytes *bytes, const char *mark, const char *coding)
{
    const char *type = static_type_of (name);
    g_autofree char *tag = g_strdup_printf ("\"%s%s%s\"", mark, coding ? "-" : "", coding ? coding : "");
    http_reply_header (request, "ETag", tag);
    http_reply_header (request, "Vary", "Accept-Encoding");
    http_reply_header (request, "Cache-Control",
                       static_is_hashed (name) ? "public, max-age=31536000, immutable" : "no-cache");
    if (g_str_has_suffix (name, ".html"))
        http_reply_header (request, "Content-Security-Policy", HTTP_PAGE_POLICY);
    if (is_known (request, tag)) {
        http_reply_bytes (request, 304, NULL, NULL);
        return;
    }
    if (coding != NULL)
        http_reply_header (request, "Content-Encoding", coding);
    http_reply_bytes (request, 200, type, bytes);
}

void
static_files_serve (StaticFiles *files, HttpRequest *request, const char *name)
{
    g_autofree char *mark = NULL;
    const char *coding = NULL;
    g_autoptr (GBytes) bytes = NULL;
    gboolean good = static_name_is_good (name);
    if (good && !has_ending (name))
        name = "index.html";
    if (good && static_type_of (name) != NULL)
        bytes = files->loaded != NULL ? load_embedded (files, request, name, &mark, &coding)
                                      : load_from_folder (files, request, name, &mark, &coding);
    if (bytes == NULL) {
        g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_NOT_FOUND, "there is no such file");
        http_reply_error (request, error);
        return;
    }
    send_file (request, name, bytes, mark, coding);
}
