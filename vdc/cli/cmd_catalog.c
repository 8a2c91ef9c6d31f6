/*
 * vdc catalog, class: what applications are made of, and how it gets there.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the controller takes at a time. */
#define PIECE_BYTES (4 << 20)
#define PIECE_TIMEOUT_MS 120000
/* A controller that was killed is back after some of them. */
#define UPLOAD_TRIES 30
#define UPLOAD_RETRY_MS 1000
#define TEXT_MAX_BYTES (1 << 20)

/* --- lists ------------------------------------------------------------------------------------------------- */

int
cmd_class_list (Cli *cli)
{
    static const Column columns[] = {
        {"CLASS", "name"},      {"KIND", "kind"},       {"VERSION", "version"},
        {"CATALOG", "catalog"}, {"SUMMARY", "summary"}, {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer = cli_list (cli, "/classes", &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        print_table (stdout, columns, json_object_get (answer, "items"), "no classes");
    return 0;
}

static void
print_section (const Column *columns, const json_t *items)
{
    if (json_array_size (items) == 0)
        return;
    printf ("\n");
    print_table (stdout, columns, items, NULL);
}

static void
print_class (const json_t *class)
{
    static const Column fields[] = {
        {"Class", "name"},
        {"Kind", "kind"},
        {"Catalog", "catalog"},
        {"Version", "version"},
        {"Versions", "versions", FORMAT_LIST},
        {"Summary", "summary"},
        {"Help", "help"},
        {"Image", "image.digest"},
        {"Image size", "image.size_bytes", FORMAT_BYTES},
        {"Unmanaged", "unmanaged", FORMAT_FLAG},
        {"CPU cores", "resources.cpu", FORMAT_RANGE},
        {"Memory", "resources.memory", FORMAT_RANGE_BYTES},
        {"Network", "resources.network", FORMAT_RANGE_RATE},
        {"Outside address", "outside"},
        {"Published", "publish", FORMAT_LIST},
        {"Used by applications", "used_by.applications", FORMAT_LIST},
        {"Used by drafts", "used_by.drafts", FORMAT_LIST},
        {"Used by assemblies", "used_by.assemblies", FORMAT_LIST},
        {"Used by templates", "used_by.templates", FORMAT_LIST},
        {NULL},
    };
    static const Column terminals[] = {
        {"TERMINAL", "name"},     {"SIDE", "side"},
        {"PROTOCOL", "protocol"}, {"REQUIRED", "required", FORMAT_FLAG},
        {"HELP", "help"},         {NULL},
    };
    static const Column properties[] = {
        {"PROPERTY", "name"}, {"TYPE", "type"}, {"DEFAULT", "default"},
        {"MIN", "min"},       {"MAX", "max"},   {"VALUES", "values", FORMAT_LIST},
        {"HELP", "help"},     {NULL},
    };
    static const Column volumes[] = {
        {"VOLUME", "name"}, {"MOUNT", "mount"},
        {"MODE", "mode"},   {"OPTIONAL", "optional", FORMAT_FLAG},
        {"HELP", "help"},   {NULL},
    };
    print_fields (stdout, fields, class);
    print_section (terminals, json_object_get (class, "terminals"));
    print_section (properties, json_object_get (class, "properties"));
    print_section (volumes, json_object_get (class, "volumes"));
}

int
cmd_class_show (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = cli_path ("/classes/%s", options_word (cli->options, 0), NULL);
    g_autoptr (json_t) class = cli_get (cli, path, &error);
    if (class == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, class);
    else
        print_class (class);
    return 0;
}

int
cmd_catalog_list (Cli *cli)
{
    static const Column columns[] = {
        {"NAME", "name"},       {"KIND", "kind"},       {"VERSION", "version"},
        {"CATALOG", "catalog"}, {"SUMMARY", "summary"}, {NULL},
    };
    static const Column catalogs[] = {
        {"CATALOG", "name"},
        {"ENTRIES", "entries"},
        {"CREATED", "created", FORMAT_TIME},
        {"SUMMARY", "summary"},
        {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer = cli_get (cli, "/catalogs", &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, answer);
        return 0;
    }
    print_table (stdout, columns, json_object_get (answer, "items"), "the catalog is empty");
    print_section (catalogs, json_object_get (answer, "catalogs"));
    if (json_array_size (json_object_get (answer, "problems")) > 0)
        fprintf (stderr, "vdc: some folders of the catalog are not usable:\n");
    print_problems (stderr, NULL, json_object_get (answer, "problems"));
    return 0;
}

int
cmd_catalog_show (Cli *cli)
{
    static const Column fields[] = {
        {"Name", "name"},       {"Kind", "kind"}, {"Summary", "summary"}, {"Created", "created", FORMAT_TIME},
        {"Entries", "entries"}, {NULL},
    };
    static const Column items[] = {
        {"NAME", "name"}, {"KIND", "kind"}, {"VERSION", "version"}, {"SUMMARY", "summary"}, {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autofree char *path = cli_path ("/catalogs/%s", options_word (cli->options, 0), NULL);
    g_autoptr (json_t) catalog = cli_get (cli, path, &error);
    if (catalog == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, catalog);
        return 0;
    }
    print_fields (stdout, fields, catalog);
    print_section (items, json_object_get (catalog, "items"));
    if (json_str (catalog, "description", NULL) != NULL) {
        g_autofree char *text = print_clean_lines (json_str (catalog, "description", ""));
        printf ("\n%s", text);
    }
    return 0;
}

/* --- catalogs ---------------------------------------------------------------------------------------------- */

static int
say (Cli *cli, const json_t *answer, const GError *error, const char *name, const char *what)
{
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else {
        g_autofree char *clean = print_clean (name);
        printf ("%s %s\n", clean, what);
    }
    return 0;
}

int
cmd_catalog_create (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0), *summary = options_value (cli->options, "summary");
    g_autoptr (json_t) body =
        json_pack ("{s:s, s:s}", "name", name, "summary", summary != NULL ? summary : "");
    g_autoptr (json_t) answer = cli_post (cli, "/catalogs", body, &error);
    return say (cli, answer, error, name, "is made");
}

/* "CATALOG", or "CATALOG/NAME@VERSION". */
static char *
removal_path (Cli *cli, const char *word)
{
    const char *slash = strchr (word, '/');
    g_autofree char *catalog = slash != NULL ? g_strndup (word, (gsize)(slash - word)) : g_strdup (word);
    g_autofree char *path = slash != NULL ? cli_path ("/catalogs/%s/entries/%s", catalog, slash + 1)
                                          : cli_path ("/catalogs/%s", catalog, NULL);
    return options_flag (cli->options, "force") ? g_strconcat (path, "?force=1", NULL)
                                                : g_steal_pointer (&path);
}

int
cmd_catalog_remove (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0);
    g_autofree char *path = removal_path (cli, name);
    g_autoptr (json_t) answer = cli_delete (cli, path, &error);
    return say (cli, answer, error, name, "is removed");
}

int
cmd_class_remove (Cli *cli)
{
    const char *name = options_word (cli->options, 0);
    if (strchr (name, '/') == NULL || strchr (name, '@') == NULL)
        return cli_usage (cli, "name one version of a class in a catalog: CATALOG/NAME@VERSION");
    return cmd_catalog_remove (cli);
}

static char *
read_text (const char *file, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    if (!g_file_get_contents (strcmp (file, "-") == 0 ? "/dev/stdin" : file, &text, &length, error))
        return NULL;
    if (length > TEXT_MAX_BYTES || !g_utf8_validate (text, (gssize)length, NULL)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s is no description: more than 1 MB, or no UTF-8",
                     file);
        return NULL;
    }
    return g_steal_pointer (&text);
}

/* From a file, or of an application. NULL and @error. */
static json_t *
publish_body (Cli *cli, const char *file, GError **error)
{
    const char *app = options_value (cli->options, "app"),
               *assembly = options_value (cli->options, "assembly");
    const char *version = options_value (cli->options, "version");
    if ((file == NULL) == (app == NULL) || (app != NULL && assembly == NULL)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "give FILE, or --app APP with --assembly NAME");
        return NULL;
    }
    if (app != NULL)
        return json_pack ("{s:s, s:s, s:s}", "application", app, "assembly", assembly, "version",
                          version != NULL ? version : "1.0.0");
    g_autofree char *text = read_text (file, error);
    return text != NULL ? json_pack ("{s:s, s:s}", "description", text, "format",
                                     g_str_has_suffix (file, ".json") ? "json" : "yaml")
                        : NULL;
}

int
cmd_catalog_publish (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *catalog = options_word (cli->options, 0), *file = options_word (cli->options, 1);
    const char *image = options_value (cli->options, "image-of");
    g_autoptr (json_t) body = publish_body (cli, file, &error);
    if (body == NULL)
        return cli_fail (cli, error);
    if (image != NULL)
        json_put (body, "image", json_str_new (image));
    g_autofree char *path = cli_path ("/catalogs/%s/entries", catalog, NULL);
    g_autoptr (json_t) answer = cli_post (cli, path, body, &error);
    if (answer == NULL)
        return cli_fail_in (cli, error, file);
    gboolean new = json_bool (answer, "published", FALSE);
    return say (cli, answer, error, json_str (answer, "ref", ""),
                new ? "is published" : "was published before, with the same content");
}

/* --- a class of an image ----------------------------------------------------------------------------------- */

static gboolean
hash_file (int fd, guint64 *bytes, char **sha256, GError **error)
{
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    g_autofree guint8 *buffer = g_malloc (PIECE_BYTES);
    ssize_t n;
    *bytes = 0;
    while ((n = pread (fd, buffer, PIECE_BYTES, (off_t)*bytes)) > 0) {
        g_checksum_update (checksum, buffer, n);
        *bytes += (guint64)n;
    }
    if (n < 0)
        return vdc_error_set_errno (error, errno, "cannot read the image");
    *sha256 = g_strdup (g_checksum_get_string (checksum));
    return TRUE;
}

/* Where to go on: *@offset. FALSE and @error. */
static gboolean
send_piece (Cli *cli, int fd, const char *sha256, gint64 *offset, GError **error)
{
    g_autofree guint8 *buffer = g_malloc (PIECE_BYTES);
    HttpClient *client = cli_client (cli, error);
    ssize_t n = pread (fd, buffer, PIECE_BYTES, (off_t)*offset);
    if (client == NULL)
        return FALSE;
    if (n <= 0)
        return vdc_error_set_errno (error, n < 0 ? errno : EIO, "cannot read the image");
    g_autoptr (GBytes) bytes = g_bytes_new_take (g_steal_pointer (&buffer), (gsize)n);
    const HttpCallOptions options = {.bytes = bytes, .timeout_ms = PIECE_TIMEOUT_MS};
    g_autofree char *url = cli_url (cli, error, "/uploads/%s?offset=%" G_GINT64_FORMAT, sha256, *offset);
    g_autoptr (GBytes) answer =
        url != NULL ? http_client_call_bytes (client, "PUT", url, &options, NULL, error) : NULL;
    if (answer == NULL)
        return FALSE;
    gsize length;
    const char *text = g_bytes_get_data (answer, &length);
    g_autoptr (json_t) state = json_parse (text, length, error);
    if (state == NULL)
        return FALSE;
    *offset = json_int (state, "offset", *offset);
    return TRUE;
}

static void
show_progress (Cli *cli, gint64 offset, guint64 bytes)
{
    if (!cli_is_interactive () || cli->json)
        return;
    g_autofree char *done = print_bytes ((guint64)offset), *all = print_bytes (bytes);
    fprintf (stderr, "\r\033[Kuploading %s of %s", done, all);
    if ((guint64)offset == bytes)
        fprintf (stderr, "\n");
}

/* An upload that broke off goes on where the controller has it, also in the next run of this command. */
static gboolean
upload (Cli *cli, int fd, const char *sha256, guint64 bytes, GError **error)
{
    g_autoptr (json_t) body = json_pack ("{s:s, s:I}", "sha256", sha256, "size_bytes", (json_int_t)bytes);
    gint64 offset = -1;
    for (guint tries = 0;;) {
        g_autoptr (GError) local = NULL;
        g_autoptr (json_t) state = offset < 0 ? cli_post_once (cli, "/uploads", body, &local) : NULL;
        if (state != NULL)
            offset = json_int (state, "offset", 0);
        if (local == NULL && (guint64)offset < bytes && send_piece (cli, fd, sha256, &offset, &local))
            tries = 0;
        if (local == NULL) {
            show_progress (cli, offset, bytes);
            if ((guint64)offset >= bytes)
                return TRUE;
            continue;
        }
        gboolean away =
            vdc_error_is_unreachable (local) || g_error_matches (local, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT);
        if (!away || ++tries > UPLOAD_TRIES) {
            g_propagate_error (error, g_steal_pointer (&local));
            return FALSE;
        }
        offset = -1; /* ask again */
        cli_wait_ms (UPLOAD_RETRY_MS);
    }
}

/* "in:http", "db:mysql:output". */
static gboolean
add_terminal (json_t *terminals, const char *word, GError **error)
{
    g_auto (GStrv) parts = g_strsplit (word, ":", 4);
    guint n = g_strv_length (parts);
    if (n < 2 || n > 3 || (n == 3 && strcmp (parts[2], "input") != 0 && strcmp (parts[2], "output") != 0)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "--terminal must be NAME:PROTOCOL, or NAME:PROTOCOL:output; not '%s'", word);
        return FALSE;
    }
    json_put (terminals, parts[0],
              json_pack ("{s:s, s:s}", "side", n == 3 ? parts[2] : "input", "protocol", parts[1]));
    return TRUE;
}

static json_t *
resources (Cli *cli, GError **error)
{
    const char *memory = options_value (cli->options, "memory"), *cpu = options_value (cli->options, "cpu");
    guint64 bytes = G_GUINT64_CONSTANT (512) << 20;
    double cores = cpu != NULL ? g_ascii_strtod (cpu, NULL) : 1;
    if (memory != NULL && !print_parse_bytes (memory, &bytes, error))
        return NULL;
    if (!(cores >= 0.05 && cores <= 64)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "--cpu must be a number of cores from 0.05 to 64");
        return NULL;
    }
    return json_pack ("{s:{s:f, s:f, s:f}, s:{s:I, s:I, s:I}}", "cpu", "min", 0.05, "max", 64.0, "default",
                      cores, "memory", "min", (json_int_t)MIN (bytes, 32 << 20), "max",
                      (json_int_t)MAX (bytes, G_GUINT64_CONSTANT (64) << 30), "default", (json_int_t)bytes);
}

/* The description of the class, as text; NULL and @error. */
static char *
describe (Cli *cli, const char *name, GError **error)
{
    const char *version = options_value (cli->options, "version"),
               *summary = options_value (cli->options, "summary");
    const GPtrArray *words = options_values (cli->options, "terminal");
    g_autoptr (json_t) terminals = json_object ();
    g_autoptr (json_t) amounts = resources (cli, error);
    if (amounts == NULL)
        return NULL;
    for (guint i = 0; i < words->len; i++)
        if (!add_terminal (terminals, words->pdata[i], error))
            return NULL;
    g_autoptr (json_t) class =
        json_pack ("{s:s, s:s, s:b, s:s, s:O, s:{s:{s:s, s:s, s:s}}, s:O}", "class", name, "version",
                   version != NULL ? version : "1.0.0", "unmanaged", 1, "summary",
                   summary != NULL ? summary : "an image without vdc-guest", "terminals", terminals,
                   "properties", "ssh_key", "type", "string", "default", "", "help",
                   "public key that may log in over ssh", "resources", amounts);
    return json_pretty (class);
}

/* The only one there is, unless one is named. NULL and @error. */
static char *
choose_catalog (Cli *cli, GError **error)
{
    const char *given = options_value (cli->options, "catalog");
    if (given != NULL)
        return g_strdup (given);
    g_autoptr (json_t) answer = cli_get (cli, "/catalogs", error);
    const json_t *catalogs = json_object_get (answer, "catalogs");
    if (answer == NULL)
        return NULL;
    if (json_array_size (catalogs) == 1)
        return g_strdup (json_str (json_array_get (catalogs, 0), "name", ""));
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                 json_array_size (catalogs) == 0
                     ? "the grid has no catalog of its own; make one with `vdc catalog create NAME`"
                     : "the grid has several catalogs; say which with --catalog NAME");
    return NULL;
}

static gboolean
bring (Cli *cli, const char *file, char **sha256, GError **error)
{
    guint64 bytes;
    int fd = open (file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", file);
    gboolean ok = hash_file (fd, &bytes, sha256, error) && upload (cli, fd, *sha256, bytes, error);
    close (fd);
    return ok;
}

int
cmd_class_create (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0), *file = options_value (cli->options, "image");
    const char *format = options_value (cli->options, "format"),
               *given = options_value (cli->options, "description");
    g_autofree char *sha256 = NULL;
    if (file == NULL)
        return cli_usage (cli, "--image FILE is needed: a raw or qcow2 disk image");
    g_autofree char *text = given != NULL ? read_text (given, &error) : describe (cli, name, &error);
    g_autofree char *catalog = text != NULL ? choose_catalog (cli, &error) : NULL;
    if (catalog == NULL || !bring (cli, file, &sha256, &error))
        return cli_fail (cli, error);
    json_t *body = json_pack ("{s:s, s:s, s:s, s:s}", "catalog", catalog, "upload", sha256, "description",
                              text, "description_format",
                              given != NULL && !g_str_has_suffix (given, ".json") ? "yaml" : "json");
    if (format != NULL)
        json_put (body, "format", json_str_new (format));
    g_autoptr (json_t) job = NULL, answer = NULL;
    int code = cli_change (cli, "/classes", body, &job, &answer);
    if (code != 0 || cli->no_wait)
        return code;
    if (cli->json)
        print_json (stdout, job != NULL ? job : answer);
    else
        printf ("class %s is in catalog %s\n", name, catalog);
    return 0;
}
