/* vdc-guest's pure parts: lines, messages, settings, what hooks see. The rest runs in appliances/base/test.
 */
#include "vdc/guest/loop.h"
#include "vdc/guest/message.h"
#include "vdc/guest/process.h"
#include "vdc/guest/settings.h"
#include "vdc/guest/volumes.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char good[] =
    "{'revision': 3, 'hostname': 'web-1', 'application': 'lamp', 'member': 'web.1', 'instance': 'web', "
    "'class': 'WEB',"
    " 'nics': [{'terminal': 'in', 'mac': '02:00:00:00:00:01', 'address': '100.64.0.5', 'aliases': "
    "['100.64.0.9'],"
    "           'routes': [{'to': '100.64.0.4', 'source': '100.64.0.5'}]},"
    "          {'terminal': 'a_terminal_of_thirty_two_letters', 'mac': '02:00:00:00:00:02', 'address': "
    "'100.64.0.6'},"
    "          {'terminal': 'outside', 'mac': '02:00:00:00:00:03', 'address': '192.0.2.20', 'prefix': 24, "
    "'gateway': '192.0.2.1'}],"
    " 'names': {'in': ['100.64.0.5'], 'out': ['100.64.0.7', '100.64.0.8'], 'out.1': ['100.64.0.7'], 'log': "
    "['0.255.255.255']},"
    " 'peers': {'out': [{'name': 'app.1', 'address': '100.64.0.7', 'state': 'starting'},"
    "                   {'name': 'app.2', 'address': '100.64.0.8', 'state': 'ready'}]},"
    " 'inputs': {'in': {'protocol': 'http', 'ports': [{'proto': 'tcp', 'from': 80, 'to': 80}]}},"
    " 'properties': {'docroot': \"/it's $(here)\", 'max_conn': 256, 'on': true, 'ratio': 0.5, 'unset': null},"
    " 'volumes': [{'slot': 'data', 'serial': 'vol-data', 'mount': '/mnt/data', 'filesystem': 'ext4'}],"
    " 'go': true, 'draining': false}";

/* C strings are easier to read with single quotes; real apostrophes are then written as they are inside "…".
 */
static json_t *
document_from (const char *text)
{
    g_autoptr (GString) json = g_string_new (NULL);
    gboolean inside = FALSE;
    json_t *document;

    for (; *text; text++) {
        if (*text == '"')
            inside = !inside;
        g_string_append_c (json, *text == '\'' && !inside ? '"' : *text);
    }
    document = json_loads (json->str, 0, NULL);
    g_assert_nonnull (document);
    return document;
}

static Settings *
settings_from (json_t *document)
{
    AUTO_FREE char *error = NULL;
    Settings *settings = settings_new (document, &error);

    g_assert_cmpstr (error, ==, NULL);
    g_assert_nonnull (settings);
    return settings;
}

static void
collect_line (const char *text, size_t length, void *context)
{
    g_assert_cmpuint (strlen (text), ==, length);
    g_string_append_printf (context, "[%s]", text);
}

static void
feed (LineReader *reader, const char *text, GString *lines)
{
    line_reader_feed (reader, text, strlen (text), collect_line, lines);
}

static void
test_lines (void)
{
    LineReader reader = {0};
    g_autoptr (GString) lines = g_string_new (NULL);
    g_autofree char *many = g_strnfill (MESSAGE_LIMIT + 1, 'x');

    feed (&reader, "\n\nab", lines);
    feed (&reader, "c\nd\n", lines);
    g_assert_cmpstr (lines->str, ==, "[abc][d]");
    feed (&reader, "begin", lines);
    feed (&reader, many, lines);
    feed (&reader, "rest\nnext\n", lines);
    g_assert_cmpstr (lines->str, ==, "[abc][d][next]");
    g_assert_cmpuint (reader.dropped, ==, 1);
    feed (&reader, "half", lines);
    line_reader_reset (&reader);
    feed (&reader, "whole\n", lines);
    g_assert_cmpstr (lines->str, ==, "[abc][d][next][whole]");
    line_reader_reset (&reader);
}

static void
test_messages (void)
{
    static const char *const bad[] = {
        "", "{", "[]", "1", "{}", "{\"t\":1}", "{\"t\":\"a\",\"t\":\"b\"}", "{\"t\":\"a\"} x"};
    AUTO_JSON json_t *message =
        message_parse ("{\"t\":\"put\",\"id\":\"a-1\",\"path\":\"/a/../b\",\"mode\":\"755\"}", 52, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        AUTO_FREE char *error = NULL;

        g_assert_null (message_parse (bad[i], strlen (bad[i]), &error));
        g_assert_nonnull (error);
    }
    g_assert_cmpstr (message_type (message), ==, "put");
    g_assert_cmpstr (message_id (message), ==, "a-1");
    g_assert_cmpuint (message_mode (message, 0), ==, 0755);
    g_assert_null (message_path (message, NULL));
    json_object_set_new (message, "path", json_string ("/a/..b"));
    g_assert_nonnull (message_path (message, NULL));
    json_object_set_new (message, "path", json_string ("/a/.."));
    g_assert_null (message_path (message, NULL));
    json_object_set_new (message, "id", json_string ("../x"));
    g_assert_null (message_id (message));
    json_object_set_new (message, "mode", json_integer (-1));
    g_assert_cmpuint (message_mode (message, 0600), ==, 0600);
}

static void
test_base64 (void)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"a", "YQ=="}, {"ab", "YWI="}, {"abc", "YWJj"}, {"\xff\xfe", "//4="}};
    static const char *const bad[] = {"a", "YQ=", "=YQ=", "YQ==YQ==", "Y Q=", "YW==J", "===="};
    size_t length;

    for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++) {
        AUTO_FREE char *text = base64_encode (pairs[i][0], strlen (pairs[i][0]));
        AUTO_FREE unsigned char *data = base64_decode (pairs[i][1], &length);

        g_assert_cmpstr (text, ==, pairs[i][1]);
        g_assert_cmpmem (data, length, pairs[i][0], strlen (pairs[i][0]));
    }
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_null (base64_decode (bad[i], &length));
}

static void
test_settings (void)
{
    AUTO_JSON json_t *document = document_from (good);
    Settings *settings = settings_from (document);
    ProbeTarget targets[4];

    g_assert_cmpint (settings->revision, ==, 3);
    g_assert_true (settings->go);
    g_assert_cmpuint (settings->n_nics, ==, 3);
    g_assert_cmpstr (settings->nics[0].device, ==, "in");
    g_assert_cmpstr (settings->nics[1].device, ==, "vdc1");
    g_assert_cmpuint (settings->nics[0].addresses[1], ==, 0x64400009);
    g_assert_cmpuint (settings->nics[2].gateway, ==, 0xc0000201);
    g_assert_cmpuint (settings_probes (settings, targets, 4), ==, 1);
    g_assert_cmpuint (targets[0].port, ==, 80);
    settings_free (settings);
}

/* Each breaks the good document in one place and must be refused. */
static void
test_settings_refused (void)
{
    static const char *const bad[] = {
        "{'revision': -1}",
        "{'hostname': 'a b'}",
        "{'hostname': ''}",
        "{'nics': [{'terminal': '../in', 'mac': '02:00:00:00:00:01', 'address': '100.64.0.5'}]}",
        "{'nics': [{'terminal': 'in', 'mac': '02:00:00:00:00', 'address': '100.64.0.5'}]}",
        "{'nics': [{'terminal': 'in', 'mac': '02:00:00:00:00:01', 'address': '100.64.0'}]}",
        "{'nics': [{'terminal': 'in', 'mac': '02:00:00:00:00:01', 'address': '100.64.0.5', 'prefix': 0}]}",
        "{'nics': [{'terminal': 'in', 'mac': '02:00:00:00:00:01', 'address': '100.64.0.5', 'routes': [{}]}]}",
        "{'nics': [{'terminal': 'in', 'mac': '02:00:00:00:00:01', 'address': '100.64.0.5'},"
        "          {'terminal': 'in', 'mac': '02:00:00:00:00:02', 'address': '100.64.0.6'}]}",
        "{'gateway': {'terminal': 'net', 'address': '100.64.0.8'}}",
        "{'gateway': {'terminal': 'in', 'address': 'x'}}",
        "{'names': {'in;x': ['100.64.0.5']}}",
        "{'names': {'in.': ['100.64.0.5']}}",
        "{'names': {'in': ['100.64.0.5 evil']}}",
        "{'peers': {'../x': []}}",
        "{'peers': {'out': [{'name': 'a b', 'address': '100.64.0.7', 'state': 'ready'}]}}",
        "{'peers': {'out': [{'name': 'a', 'address': '100.64.0.7', 'state': 'ready x'}]}}",
        "{'properties': {'PATH=x': 'y'}}",
        "{'properties': {'list': [1]}}",
        "{'inputs': {'a/b': {}}}",
        "{'volumes': [{'slot': 'data', 'serial': 'x', 'mount': '/mnt/../etc'}]}",
        "{'volumes': [{'slot': 'data', 'serial': 'x', 'mount': '/'}]}",
        "{'volumes': [{'slot': 'data', 'serial': '', 'mount': '/mnt'}]}",
        "{'volumes': [{'slot': 'data', 'serial': 'x', 'mount': '/mnt', 'filesystem': 'xfs'}]}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        AUTO_JSON json_t *document = document_from (good);
        AUTO_JSON json_t *change = document_from (bad[i]);
        AUTO_FREE char *error = NULL;

        json_object_update (document, change);
        g_test_message ("%s", bad[i]);
        g_assert_null (settings_new (document, &error));
        g_assert_nonnull (error);
    }
}

static void
test_changes (void)
{
    AUTO_JSON json_t *document = document_from (good);
    AUTO_JSON json_t *other = json_deep_copy (document);
    Settings *old = settings_from (document), *new;
    AUTO_FREE char *first = settings_changes (NULL, old);
    AUTO_FREE char *none = NULL, *some = NULL;

    json_object_set_new (other, "revision", json_integer (4));
    json_object_set_new (other, "draining", json_true ());
    new = settings_from (other);
    none = settings_changes (old, new);
    settings_free (new);
    json_object_set_new (other, "properties", json_object ());
    json_object_set_new (other, "peers", json_object ());
    new = settings_from (other);
    some = settings_changes (old, new);
    settings_free (new);
    settings_free (old);
    g_assert_cmpstr (first, ==, "first");
    g_assert_cmpstr (none, ==, "");
    g_assert_cmpstr (some, ==, "properties peers");
}

static void
test_environment (void)
{
    AUTO_JSON json_t *document = document_from (good);
    Settings *settings = settings_from (document);
    AUTO_FREE char *env = settings_env_text (settings);
    char **environment = settings_environment (settings, "peers");

    g_assert_nonnull (strstr (env, "VDC_SET_docroot='/it'\\''s $(here)'\n"));
    g_assert_nonnull (strstr (env, "VDC_SET_on='true'\n"));
    g_assert_nonnull (strstr (env, "VDC_SET_max_conn='256'\n"));
    g_assert_null (strstr (env, "VDC_SET_unset"));
    g_assert_nonnull (strstr (env, "VDC_PEER_out='100.64.0.8'\n")); /* the first that is ready */
    g_assert_nonnull (strstr (env, "VDC_PEER_log='0.255.255.255'\n"));
    g_assert_null (strstr (env, "VDC_PEER_in="));
    g_assert_nonnull (strstr (env, "VDC_PORT_in='80'\n"));
    g_assert_nonnull (strstr (env, "VDC_VOLUME_data='/mnt/data'\n"));
    g_assert_nonnull (strstr (env, "VDC_GATEWAY_outside='192.0.2.1'\n"));
    g_assert_true (g_strv_contains ((const char *const *)environment, "VDC_CHANGED=peers"));
    environment_free (environment);
    settings_free (settings);
}

static void
test_files (void)
{
    AUTO_JSON json_t *document = document_from (good);
    Settings *settings = settings_from (document);
    AUTO_FREE char *hosts = settings_hosts_text (settings);
    AUTO_FREE char *peers =
        settings_peers_text (json_object_get (json_object_get (document, "peers"), "out"));

    g_assert_nonnull (strstr (hosts, "100.64.0.7 out\n100.64.0.8 out\n"));
    g_assert_nonnull (strstr (hosts, "100.64.0.7 out.1\n"));
    g_assert_nonnull (strstr (hosts, "0.255.255.255 log\n"));
    g_assert_null (strstr (hosts, "web-1")); /* names are terminals, never instances */
    g_assert_cmpstr (peers, ==, "app.1 100.64.0.7 starting\napp.2 100.64.0.8 ready\n");
    settings_free (settings);
}

static void
test_atomic_file (void)
{
    g_autofree char *folder = g_dir_make_tmp ("vdc-guest-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (folder, "file", NULL);
    AUTO_FREE char *text = NULL, *error = NULL;
    struct stat before, after;

    g_assert_true (file_write (path, "one", 3, 0644, NULL));
    g_assert_cmpint (stat (path, &before), ==, 0);
    g_assert_true (file_write (path, "one", 3, 0644, NULL));
    g_assert_cmpint (stat (path, &after), ==, 0);
    g_assert_cmpuint (before.st_ino, ==, after.st_ino); /* equal text leaves it alone */
    g_assert_true (file_write (path, "two!", 4, 0644, NULL));
    text = file_read (path, 100);
    g_assert_cmpstr (text, ==, "two!");
    g_assert_false (file_write ("/no/such/folder/file", "x", 1, 0644, &error));
    g_assert_nonnull (error);
    unlink (path);
    rmdir (folder);
}

/* --- loop and processes
 * ------------------------------------------------------------------------------------------ */

typedef struct {
    GString *order;
    int left;
} Finished;

static void
on_timer (void *context)
{
    g_string_append (context, "t");
}

static void
on_never (void *context)
{
    g_assert_not_reached ();
}

static void
on_last (void *context)
{
    loop_quit ();
}

static void
on_done (bool ok, const char *text, void *context)
{
    Finished *finished = context;

    g_string_append_printf (finished->order, "%d:%s;", ok, text);
    if (--finished->left == 0)
        loop_quit ();
}

static bool
complains (void *argument)
{
    fputs ("first\nsecond\n", stderr);
    return false;
}

static void
test_loop (void)
{
    g_autoptr (GString) order = g_string_new (NULL);
    unsigned cancelled;

    loop_timer (20, on_last, NULL);
    loop_timer (0, on_timer, order);
    cancelled = loop_timer (1, on_never, NULL);
    loop_cancel (cancelled);
    loop_run ();
    g_assert_cmpstr (order->str, ==, "t");
}

static void
test_processes (void)
{
    Finished finished = {g_string_new (NULL), 1};
    char *environment[] = {(char *)"PATH=/bin:/usr/bin", NULL};
    g_autofree char *folder = g_dir_make_tmp ("vdc-guest-XXXXXX", NULL);
    g_autofree char *output = g_build_filename (folder, "test-guest.output", NULL);

    process_output_folder = folder;
    process_call ("test-guest", complains, NULL, 10000, on_done, &finished);
    loop_run ();
    finished.left = 1;
    process_run ("test-guest", "/bin/true", environment, 10000, on_done, &finished);
    loop_run ();
    finished.left = 1;
    process_run ("test-guest", "/no/such/program", environment, 10000, on_done, &finished);
    loop_run ();
    finished.left = 1;
    process_run ("test-guest", "/usr/bin/yes", environment, 50, on_done, &finished);
    loop_run ();
    g_test_message ("%s", finished.order->str);
    g_assert_true (g_str_has_prefix (finished.order->str, "0:first | second;1:"));
    g_assert_nonnull (
        strstr (finished.order->str, ";0:cannot run /no/such/program: No such file or directory;"));
    g_assert_nonnull (strstr (finished.order->str, "did not end within 0 s"));
    g_string_free (finished.order, TRUE);
    unlink (output);
    rmdir (folder);
}

/* --- volumes ---------------------------------------------------------------------------------------------- */

#define VOLUME_SIZE (8 * 1024 * 1024)

static const VolumeUse volume = {.slot = "data", .serial = "vol-data", .mount = "/mnt/data"};

static char *
volume_new (void)
{
    char *path = g_strdup ("/tmp/vdc-guest-volume-XXXXXX");
    int fd = g_mkstemp (path);
    g_assert_cmpint (ftruncate (fd, VOLUME_SIZE), ==, 0);
    close (fd);
    return path;
}

static void
volume_poke (const char *path, off_t offset, const char *text)
{
    AUTO_CLOSE int fd = open (path, O_WRONLY);
    g_assert_cmpint (pwrite (fd, text, strlen (text), offset), ==, strlen (text));
}

static gboolean
has_file_system (const char *path)
{
    return process_wait ((const char *const[]){"/usr/sbin/e2fsck", "-f", "-n", path, NULL}) == 0;
}

static void
test_volume_format (void)
{
    g_autofree char *path = volume_new ();
    g_assert_true (volume_check_or_format (&volume, path));
    g_assert_true (has_file_system (path));
    g_assert_true (volume_check_or_format (&volume, path));
    g_unlink (path);
}

static void
test_volume_of_somebody (void)
{
    g_autofree char *path = volume_new (), *before = NULL, *after = NULL;
    gsize size;
    volume_poke (path, 65536, "somebody's data");
    g_assert_true (g_file_get_contents (path, &before, &size, NULL));
    g_assert_false (volume_check_or_format (&volume, path));
    g_assert_true (g_file_get_contents (path, &after, &size, NULL));
    g_assert_cmpmem (before, size, after, size);
    g_unlink (path);
}

/* What a killed mkfs leaves: some of its blocks, no superblock. It is formatted again, never refused. */
static void
test_volume_killed (void)
{
    g_autofree char *path = volume_new (), *half = NULL;
    gsize size;
    guint refused = 0;
    g_assert_true (volume_check_or_format (&volume, path));
    g_assert_true (g_file_get_contents (path, &half, &size, NULL));
    for (gsize known = 4096; known < size; known *= 2) {
        g_autofree char *mark = g_malloc0 (4096);
        g_snprintf (mark, 4096, "vdc-guest is formatting the volume vol-data");
        memset (half + 1024, 0, 1024); /* no superblock yet */
        g_assert_true (g_file_set_contents (path, half, known, NULL));
        g_assert_cmpint (truncate (path, VOLUME_SIZE), ==, 0);
        refused += !volume_check_or_format (&volume, path);
        g_assert_true (g_file_set_contents (path, half, known, NULL));
        g_assert_cmpint (truncate (path, VOLUME_SIZE), ==, 0);
        AUTO_CLOSE int fd = open (path, O_WRONLY);
        g_assert_cmpint (pwrite (fd, mark, 4096, VOLUME_SIZE - 4096), ==, 4096);
        g_assert_true (volume_check_or_format (&volume, path));
        g_assert_true (has_file_system (path));
    }
    g_assert_cmpuint (refused, >, 0); /* without the mark it would be somebody's data */
    g_unlink (path);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    loop_init ();
    g_test_add_func ("/guest/lines", test_lines);
    g_test_add_func ("/guest/messages", test_messages);
    g_test_add_func ("/guest/base64", test_base64);
    g_test_add_func ("/guest/settings", test_settings);
    g_test_add_func ("/guest/settings-refused", test_settings_refused);
    g_test_add_func ("/guest/changes", test_changes);
    g_test_add_func ("/guest/environment", test_environment);
    g_test_add_func ("/guest/files", test_files);
    g_test_add_func ("/guest/atomic-file", test_atomic_file);
    g_test_add_func ("/guest/loop", test_loop);
    g_test_add_func ("/guest/processes", test_processes);
    g_test_add_func ("/guest/volume/empty-is-formatted", test_volume_format);
    g_test_add_func ("/guest/volume/somebodys-data-stays", test_volume_of_somebody);
    g_test_add_func ("/guest/volume/formatting-killed-begins-anew", test_volume_killed);
    return g_test_run ();
}
