/* The command line: its pure parts, and the built program against a controller that is played here. */
#include "vdc/base/file.h"
#include "vdc/cli/commands.h"
#include "vdc/cli/config.h"
#include "vdc/cli/print.h"
#include "vdc/cli/target.h"
#include "vdc/http/reply.h"
#include "vdc/http/server.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>

/* --- options ------------------------------------------------------------------------------------------- */

static const Option some_options[] = {
    {"follow", 'f', NULL, ""},
    {"tail", 't', "N", ""},
    {"set", 's', "K=V", "", TRUE},
    {NULL},
};
static const Option *const tables[] = {some_options, NULL};

static Options *
parse (const char *line, gboolean stop_at_first, GError **error)
{
    g_auto (GStrv) argv = g_strsplit (line, " ", -1);
    return options_parse ((int)g_strv_length (argv), argv, tables, stop_at_first, error);
}

static void
test_options (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Options) options = parse ("a -f --tail=5 b --set x=1 -s y=2 -- -z", FALSE, &error);
    gint64 tail = 0;
    g_assert_no_error (error);
    g_assert_cmpuint (options_count (options), ==, 3);
    g_assert_cmpstr (options_word (options, 1), ==, "b");
    g_assert_cmpstr (options_word (options, 2), ==, "-z");
    g_assert_null (options_word (options, 3));
    g_assert_true (options_flag (options, "follow"));
    g_assert_true (options_int (options, "tail", 1, 10, 0, &tail, NULL));
    g_assert_cmpint (tail, ==, 5);
    g_assert_cmpuint (options_values (options, "set")->len, ==, 2);
    g_assert_cmpstr (options_value (options, "set"), ==, "y=2");
    g_assert_false (options_int (options, "tail", 6, 10, 0, &tail, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_USAGE);
}

static void
test_options_wrong (void)
{
    static const char *const lines[] = {"--nope", "-x", "--tail", "--follow=1", "--tail 1 --tail 2", "-fz"};
    for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (Options) options = parse (lines[i], FALSE, &error);
        g_assert_null (options);
        g_assert_error (error, VDC_ERROR, VDC_ERROR_USAGE);
    }
}

/* What follows the appliance's name belongs to the command that is run there. */
static void
test_options_of_exec (void)
{
    static const char *const lines[] = {"-f shop:web -- ls --all -l", "-f shop:web ls --all -l"};
    for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
        g_autoptr (Options) options = parse (lines[i], TRUE, NULL);
        g_assert_cmpuint (options_count (options), ==, 4);
        g_assert_cmpstr (options_word (options, 1), ==, "ls");
        g_assert_cmpstr (options_word (options, 3), ==, "-l");
    }
    g_autoptr (Options) inner = parse ("shop:web -- sh -- x", TRUE, NULL);
    g_assert_cmpstr (options_word (inner, 2), ==, "--");
}

static void
test_every_command_is_explained (void)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    for (const Command *command = commands; command->words != NULL; command++) {
        g_assert_true (g_hash_table_add (seen, (gpointer)command->words));
        g_assert_nonnull (command->summary);
        g_assert_nonnull (command->examples);
        g_assert_nonnull (command->run);
        g_assert_nonnull (strstr (command->examples, command->words));
        g_assert_cmpuint (command->min, <=, command->max);
    }
}

/* --- names --------------------------------------------------------------------------------------------- */

static void
test_targets (void)
{
    static const struct {
        const char *text, *application, *instance;
    } good[] = {
        {"shop:web", "shop", "web"}, {"shop:web.1", "shop", "web.1"}, {"a:web.1.lb", "a", "web.1.lb"}};
    static const char *const bad[] = {"shop",   "shop:",     ":web",      "shop:web:", "Shop:web",
                                      "shop:1", "shop:web.", "shop:.web", "s/h:web",   "shop:web.-1"};
    for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
        g_auto (Target) target = {0};
        g_assert_true (target_parse_instance (good[i].text, &target, NULL));
        g_assert_cmpstr (target.application, ==, good[i].application);
        g_assert_cmpstr (target.instance, ==, good[i].instance);
    }
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_auto (Target) target = {0};
        g_assert_false (target_parse_instance (bad[i], &target, NULL));
    }
}

static void
test_copy_ends (void)
{
    static const struct {
        const char *text;
        gboolean remote;
        const char *path;
    } cases[] = {
        {"shop:web.1:/tmp/a:b", TRUE, "/tmp/a:b"},
        {"file", FALSE, "file"},
        {"-", FALSE, "-"},
        {"./a:b:c", FALSE, "./a:b:c"},
        {"a:b", FALSE, "a:b"},
    };
    gboolean remote;
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_auto (Target) target = {0};
        g_assert_true (target_parse_file (cases[i].text, &target, &remote, NULL));
        g_assert_cmpint (remote, ==, cases[i].remote);
        g_assert_cmpstr (target.path, ==, cases[i].path);
    }
    g_auto (Target) relative = {0};
    g_assert_false (target_parse_file ("shop:web:tmp", &relative, &remote, NULL));
}

/* --- output -------------------------------------------------------------------------------------------- */

static char *
captured (void (*print) (FILE *file))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream (&text, &size);
    print (file);
    fclose (file);
    return text;
}

static void
table (FILE *file)
{
    static const Column columns[] = {
        {"NAME", "name"}, {"SIZE", "size.bytes", FORMAT_BYTES}, {"WHO", "who", FORMAT_LIST}, {NULL}};
    g_autoptr (json_t) items = json_pack ("[{s:s,s:{s:i},s:[s,s]},{s:s,s:n}]", "name", "é", "size", "bytes",
                                          1536, "who", "a", "b", "name", "x\x1b[31m\n", "who");
    print_table (file, columns, items, "none");
}

static void
empty_table (FILE *file)
{
    static const Column columns[] = {{"NAME", "name"}, {NULL}};
    g_autoptr (json_t) items = json_array ();
    print_table (file, columns, items, "none here");
}

static void
test_tables (void)
{
    g_autofree char *text = captured (table);
    g_assert_cmpstr (text, ==,
                     "NAME               SIZE     WHO\n"
                     "é                  1.5 KiB  a, b\n"
                     "x\\u001b[31m\\u000a  -        -\n");
    g_autofree char *empty = captured (empty_table);
    g_assert_cmpstr (empty, ==, "none here\n");
}

static void
problems (FILE *file)
{
    g_autoptr (json_t) list =
        json_pack ("[{s:s,s:s,s:i,s:i,s:s,s:s},{s:s,s:s,s:s}]", "code", "unknown_key", "path",
                   "instances.web.cout", "line", 7, "column", 3, "message", "unknown key 'cout'", "nearest",
                   "count", "code", "missing", "path", "", "message", "no instances");
    print_problems (file, "shop.yaml", list);
}

static void
test_problems_like_a_compiler (void)
{
    g_autofree char *text = captured (problems);
    g_assert_cmpstr (text, ==,
                     "shop.yaml:7:3: instances.web.cout: unknown key 'cout' (did you mean 'count'?)\n"
                     "shop.yaml: no instances\n");
}

static void
test_clean (void)
{
    g_autofree char *bidi = print_clean ("a\xe2\x80\xae"
                                         "b");
    g_assert_cmpstr (bidi, ==, "a\\u202eb");
    g_autofree char *lines = print_clean_lines ("a\n\tb\x07");
    g_assert_cmpstr (lines, ==, "a\n\tb\\u0007");
}

static void
test_sizes (void)
{
    guint64 bytes = 0;
    g_assert_true (print_parse_bytes ("512M", &bytes, NULL));
    g_assert_cmpuint (bytes, ==, 512ULL << 20);
    g_assert_true (print_parse_bytes ("1.5GiB", &bytes, NULL));
    g_assert_cmpuint (bytes, ==, 3ULL << 29);
    g_assert_true (print_parse_bytes ("4096", &bytes, NULL));
    g_assert_cmpuint (bytes, ==, 4096);
    static const char *const bad[] = {"", "0", "-1", "G", "2X", "2Gx", "1e999", "nan"};
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (print_parse_bytes (bad[i], &bytes, NULL));
    g_autofree char *text = print_bytes (3ULL << 30);
    g_assert_cmpstr (text, ==, "3 GiB");
}

/* --- a played controller -------------------------------------------------------------------------------- */

static char *
text_of (GBytes *bytes)
{
    gsize length = 0;
    const char *data = g_bytes_get_data (bytes, &length);
    return g_strndup (data ? data : "", length);
}

static guint job_looks;
static HttpStream *session;
static GString *got_input;
static char *got_body;
static gboolean session_deleted;

static void
remember (HttpRequest *request)
{
    g_free (got_body);
    got_body = text_of (http_request_body (request));
}

static void
get_apps (HttpRequest *request, gpointer user_data)
{
    /* Two pages. */
    gboolean second = http_request_query (request, "after") != NULL;
    http_reply_list (
        request,
        json_pack ("[{s:s,s:s,s:i}]", "name", second ? "two" : "one", "state", "running", "ready", 2),
        second ? NULL : "one");
}

static void
get_app (HttpRequest *request, gpointer user_data)
{
    const char *name = http_request_param (request, "app");
    g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_NOT_FOUND, "no application '%s'", name);
    if (strcmp (name, "shop") != 0)
        http_reply_error (request, error);
    else
        http_reply_json (request, 200,
                         json_pack ("{s:s,s:s,s:[s]}", "name", name, "state", "running", "urls",
                                    "http://127.0.0.1:20080/"));
}

static void
get_members (HttpRequest *request, gpointer user_data)
{
    http_reply_list (request, json_pack ("[{s:s},{s:s}]", "name", "web.1", "name", "db"), NULL);
}

static void
post_app (HttpRequest *request, gpointer user_data)
{
    remember (request);
    http_reply_problems (
        request, "1 problem",
        json_pack ("[{s:s,s:s,s:i,s:s}]", "code", "x", "path", "wires[0]", "line", 4, "message", "bad"));
}

/* The first answer breaks off half-way, as when the controller dies; the second request must carry the same
 * key. */
static char *flaky_key;

static gboolean
breaks (HttpRequest *request)
{
    const char *key = http_request_idempotency_key (request);
    if (strcmp (http_request_param (request, "app"), "flaky") != 0)
        return FALSE;
    if (flaky_key != NULL) {
        g_assert_cmpstr (flaky_key, ==, key);
        return FALSE;
    }
    flaky_key = g_strdup (key);
    http_stream_abort (http_reply_stream (request, "application/json", NULL, NULL));
    return TRUE;
}

static void
post_action (HttpRequest *request, gpointer user_data)
{
    remember (request);
    if (breaks (request))
        return;
    g_assert_nonnull (http_request_idempotency_key (request));
    job_looks = 0;
    http_reply_json (request, 202, json_pack ("{s:s}", "job", strstr (got_body, "stop") ? "bad" : "good"));
}

static void
get_job (HttpRequest *request, gpointer user_data)
{
    gboolean good = strcmp (http_request_param (request, "job"), "good") == 0;
    gboolean ended = ++job_looks > 2;
    json_t *job =
        json_pack ("{s:s,s:s,s:i,s:[{s:s,s:s,s:s}]}", "kind", "start", "state",
                   ended ? (good ? "done" : "failed") : "running", "progress", 50, "steps", "name",
                   "start web.1", "state", ended ? (good ? "done" : "failed") : "running", "text", "booting");
    if (ended && !good)
        json_put (job, "error",
                  json_pack ("{s:s,s:s,s:s,s:s,s:s,s:s}", "code", "no_capacity", "instance", "web.1", "step",
                             "domain", "message", "no room", "remedy", "add a server", "console_tail",
                             "last\nwords"));
    http_reply_json (request, 200, job);
}

static void
post_session (HttpRequest *request, gpointer user_data)
{
    remember (request);
    g_string_truncate (got_input, 0);
    session_deleted = FALSE;
    http_reply_json (request, 200, json_pack ("{s:s}", "session", "s1.abc"));
}

static void
say (const char *stream, const char *text)
{
    g_autofree char *data = g_base64_encode ((const guchar *)text, strlen (text));
    g_autoptr (json_t) line = json_pack ("{s:s,s:s}", "stream", stream, "data", data);
    http_stream_write_line (session, line);
}

static void
end_session (int code)
{
    g_autoptr (json_t) line = json_pack ("{s:i}", "exit", code);
    http_stream_write_line (session, line);
    http_stream_end (session);
    session = NULL;
}

static void
get_output (HttpRequest *request, gpointer user_data)
{
    session = http_reply_stream (request, "application/x-ndjson", NULL, NULL);
    if (strstr (got_body, "argv") == NULL && strstr (got_body, "mode") == NULL) { /* get: the file, and out */
        say ("stdout", "content of the file");
        end_session (0);
    } else if (strstr (got_body, "break") != NULL) {
        http_stream_abort (session);
        session = NULL;
    }
}

static void
post_input (HttpRequest *request, gpointer user_data)
{
    g_autofree char *piece = text_of (http_request_body (request));
    g_string_append (got_input, piece);
    if (http_request_query_flag (request, "eof") && session != NULL) {
        say ("stderr", "warning\n");
        say ("stdout", got_input->str);
        end_session (strstr (got_body, "argv") ? 7 : 0);
    }
    http_reply_empty (request, 200);
}

static void
delete_session (HttpRequest *request, gpointer user_data)
{
    session_deleted = TRUE;
    http_reply_empty (request, 204);
}

static void
get_console (HttpRequest *request, gpointer user_data)
{
    http_reply_text (request, 200, "text/plain", "login: \n");
}

static const char *verify_answer;

static void
post_verify (HttpRequest *request, gpointer user_data)
{
    http_reply_json (request, 200, json_parse (verify_answer, strlen (verify_answer), NULL));
}

static void
get_events (HttpRequest *request, gpointer user_data)
{
    HttpStream *events = http_reply_events (request, NULL, NULL);
    guint64 after = http_request_events_after (request, 100);
    http_stream_event_mark (events, after);
    if (http_request_query (request, "after") == NULL) {
        http_stream_end (events); /* breaks off before the first event; the client must say where it was */
        return;
    }
    g_autoptr (json_t) event = json_pack ("{s:I,s:s}", "seq", (json_int_t)after + 1, "kind", "x");
    http_stream_event (events, after + 1, NULL, event);
    http_stream_end (events); /* the client comes again, after what it has */
}

#define APP "/api/v1/applications/{app}"
static const HttpRoute routes[] = {
    {HTTP_ROUTE (GET, "/api/v1/applications", PUBLIC, NONE, "a"), .handler = get_apps},
    {HTTP_ROUTE (POST, "/api/v1/applications", PUBLIC, NONE, "b"), .handler = post_app},
    {HTTP_ROUTE (GET, APP, PUBLIC, NONE, "c"), .handler = get_app},
    {HTTP_ROUTE (GET, APP "/instances", PUBLIC, NONE, "d"), .handler = get_members},
    {HTTP_ROUTE (POST, APP "/actions", PUBLIC, NONE, "e"), .handler = post_action},
    {HTTP_ROUTE (GET, "/api/v1/jobs/{job}", PUBLIC, NONE, "f"), .handler = get_job},
    {HTTP_ROUTE (POST, APP "/instances/{i}/exec", PUBLIC, NONE, "g"), .handler = post_session},
    {HTTP_ROUTE (POST, APP "/instances/{i}/put", PUBLIC, NONE, "h"), .handler = post_session},
    {HTTP_ROUTE (POST, APP "/instances/{i}/get", PUBLIC, NONE, "i"), .handler = post_session},
    {HTTP_ROUTE (GET, APP "/instances/{i}/console", PUBLIC, NONE, "j"), .handler = get_console},
    {HTTP_ROUTE (GET, "/api/v1/sessions/{s}/output", PUBLIC, NONE, "k"), .handler = get_output},
    {HTTP_ROUTE (POST, "/api/v1/sessions/{s}/input", PUBLIC, NONE, "l"), .body = HTTP_BODY_RAW,
     .handler = post_input},
    {HTTP_ROUTE (DELETE, "/api/v1/sessions/{s}", PUBLIC, NONE, "m"), .handler = delete_session},
    {HTTP_ROUTE (POST, "/api/v1/verify", PUBLIC, NONE, "n"), .handler = post_verify},
    {HTTP_ROUTE (GET, "/api/v1/events", PUBLIC, NONE, "o"), .handler = get_events},
};

typedef struct {
    HttpRouter *router;
    HttpServer *server;
    char *folder;
    char *url;
    int code; /* of the last run */
    char *out, *err;
} Grid;

static void
grid_up (Grid *grid)
{
    grid->folder = g_dir_make_tmp ("vdc-cli-XXXXXX", NULL);
    grid->router = http_router_new ();
    http_router_add (grid->router, routes, G_N_ELEMENTS (routes), NULL);
    grid->server =
        http_server_start (&(HttpServerOptions){.listen = "127.0.0.1:0", .router = grid->router}, NULL);
    grid->url = g_strdup_printf ("http://127.0.0.1:%u/", http_server_port (grid->server));
    got_input = g_string_new (NULL);
}

static void
grid_down (Grid *grid)
{
    http_server_stop (grid->server);
    while (g_main_context_iteration (NULL, FALSE))
        ;
    http_router_free (grid->router);
    g_assert_true (file_remove_tree (grid->folder, NULL));
    g_free (grid->folder);
    g_free (grid->url);
    g_free (grid->out);
    g_free (grid->err);
    g_string_free (got_input, TRUE);
    g_clear_pointer (&got_body, g_free);
    memset (grid, 0, sizeof *grid);
}

typedef struct {
    gboolean done;
    GSubprocess *process;
    Grid *grid;
} Waiting;

static void
on_communicated (GObject *source, GAsyncResult *result, gpointer user_data)
{
    Waiting *waiting = user_data;
    g_autoptr (GBytes) out = NULL;
    g_autoptr (GBytes) err = NULL;
    g_assert_true (g_subprocess_communicate_finish (waiting->process, result, &out, &err, NULL));
    waiting->grid->out = text_of (out);
    waiting->grid->err = text_of (err);
    waiting->done = TRUE;
}

/* Runs `vdc` with the words of @line, with @input, while the played controller
 * answers. */
static void
vdc_with (Grid *grid, const char *input, const char *line)
{
    g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *command = g_strconcat (g_getenv ("VDC_BINARY"), *line ? " " : "", line, NULL);
    g_auto (GStrv) argv = g_strsplit (command, " ", -1);
    g_subprocess_launcher_setenv (launcher, "VDC_URL", grid->url, TRUE);
    g_subprocess_launcher_setenv (launcher, "HOME", grid->folder, TRUE);
    g_subprocess_launcher_set_cwd (launcher, grid->folder);
    g_autoptr (GSubprocess) process =
        g_subprocess_launcher_spawnv (launcher, (const char *const *)argv, NULL);
    g_assert_nonnull (process);
    g_clear_pointer (&grid->out, g_free);
    g_clear_pointer (&grid->err, g_free);
    Waiting waiting = {FALSE, process, grid};
    g_autoptr (GBytes) bytes = g_bytes_new (input, strlen (input));
    g_subprocess_communicate_async (process, bytes, NULL, on_communicated, &waiting);
    while (!waiting.done)
        g_main_context_iteration (NULL, TRUE);
    grid->code = g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
    g_test_message ("vdc %s: exit %d\n%.2000s%.2000s", line, grid->code, grid->out, grid->err);
}

static void
vdc (Grid *grid, const char *line)
{
    vdc_with (grid, "", line);
}

static gboolean
said (const char *text, const char *part)
{
    return strstr (text, part) != NULL;
}

static void
test_lists (void)
{
    Grid grid = {0};
    grid_up (&grid);
    vdc (&grid, "app list");
    g_assert_cmpint (grid.code, ==, 0);
    g_assert_true (said (grid.out, "one ") && said (grid.out, "two ") && said (grid.out, "NAME"));
    vdc (&grid, "--json app list");
    g_autoptr (json_t) list = json_parse (grid.out, strlen (grid.out), NULL);
    g_assert_cmpuint (json_array_size (json_object_get (list, "items")), ==, 2);
    g_assert_true (json_is_null (json_object_get (list, "next")));
    vdc (&grid, "app show nothing");
    g_assert_cmpint (grid.code, ==, 3);
    g_assert_cmpstr (grid.err, ==, "vdc: no application 'nothing'\n");
    vdc (&grid, "app show nothing --json");
    g_assert_cmpint (grid.code, ==, 3);
    g_autoptr (json_t) error = json_parse (grid.err, strlen (grid.err), NULL);
    g_assert_cmpstr (json_str (error, "code", ""), ==, "not_found");
    grid_down (&grid);
}

static void
test_usage (void)
{
    Grid grid = {0};
    grid_up (&grid);
    static const struct {
        const char *line;
        int code;
        const char *part;
    } cases[] = {
        {"", 2, "Usage"},
        {"--help", 0, "Usage"},
        {"app", 2, "app start"},
        {"app --help", 0, "app start"},
        {"app start --help", 0, "vdc app start shop"},
        {"help app scale", 0, "Examples"},
        {"app strat", 2, "did you mean 'app start'?"},
        {"app start", 2, "something is missing"},
        {"verify x", 2, "too many"},
        {"app list --nope", 2, "no option '--nope'"},
        {"exec shop -- ls", 2, "APP:INSTANCE"},
        {"--version", 0, "vdc "},
        {"cp a b", 2, "exactly one side"},
        {"app config shop x", 2, "NAME=VALUE"},
        {"app create x", 2, "--from"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        vdc (&grid, cases[i].line);
        g_assert_cmpint (grid.code, ==, cases[i].code);
        g_assert_true (said (grid.out, cases[i].part) || said (grid.err, cases[i].part));
    }
    grid_down (&grid);
}

static void
test_jobs (void)
{
    Grid grid = {0};
    grid_up (&grid);
    vdc (&grid, "app start shop");
    g_assert_cmpint (grid.code, ==, 0);
    g_assert_true (said (grid.err, "start web.1: booting"));
    g_assert_cmpstr (grid.out, ==, "shop is running: http://127.0.0.1:20080/\n");
    vdc (&grid, "app start flaky --no-wait");
    g_assert_cmpint (grid.code, ==, 0);
    g_assert_cmpstr (grid.out, ==, "good\n");
    g_assert_nonnull (flaky_key);
    g_clear_pointer (&flaky_key, g_free);
    vdc (&grid, "app start shop --no-wait");
    g_assert_cmpstr (grid.out, ==, "good\n");
    g_assert_cmpuint (job_looks, ==, 0);
    vdc (&grid, "app stop shop");
    g_assert_cmpint (grid.code, ==, 4);
    g_assert_true (said (grid.err, "web.1: domain: no room\n  what to do: add a server\n"));
    g_assert_true (said (grid.err, "  | last\n  | words\n"));
    vdc (&grid, "app scale shop web=4 db=1");
    g_assert_cmpstr (got_body, ==, "{\"action\":\"scale\",\"instances\":{\"db\":1,\"web\":4}}");
    vdc (&grid, "app config shop web.max_conn=5 title=a=b");
    g_assert_cmpstr (got_body, ==,
                     "{\"action\":\"config\",\"set\":{\"title\":\"a=b\",\"web.max_conn\":\"5\"}}");
    grid_down (&grid);
}

static void
test_description_problems (void)
{
    Grid grid = {0};
    grid_up (&grid);
    g_autofree char *path = g_build_filename (grid.folder, "shop.yaml", NULL);
    g_assert_true (g_file_set_contents (path, "application: shop\n", -1, NULL));
    vdc (&grid, "app create shop shop.yaml");
    g_assert_cmpint (grid.code, ==, 2);
    g_assert_cmpstr (grid.err, ==, "shop.yaml:4: wires[0]: bad\nvdc: 1 problem; nothing was done\n");
    g_assert_true (said (got_body, "\"description\":\"application: shop\\n\""));
    vdc (&grid, "app create shop nothing.yaml");
    g_assert_cmpint (grid.code, ==, 3);
    grid_down (&grid);
}

static void
test_destroy_asks (void)
{
    Grid grid = {0};
    grid_up (&grid);
    vdc_with (&grid, "shop\n", "app destroy shop");
    g_assert_cmpint (grid.code, ==, 4);
    grid_down (&grid);
}

static void
test_exec (void)
{
    Grid grid = {0};
    grid_up (&grid);
    vdc_with (&grid, "hello", "exec shop:web.1 -- cat --all");
    g_assert_cmpint (grid.code, ==, 7);
    g_assert_cmpstr (grid.out, ==, "hello");
    g_assert_cmpstr (grid.err, ==, "warning\n");
    g_assert_cmpstr (got_body, ==, "{\"argv\":[\"cat\",\"--all\"]}");
    g_assert_true (session_deleted);
    g_autofree char *big = g_strnfill (500000, 'x');
    vdc_with (&grid, big, "exec shop:web.1 cat");
    g_assert_cmpuint (strlen (grid.out), ==, 500000);
    vdc_with (&grid, "ignored", "exec -n shop:web.1 -- cat");
    g_assert_cmpstr (grid.out, ==, "");
    vdc (&grid, "exec -n shop:web.1 -- break");
    g_assert_cmpint (grid.code, ==, 7);
    g_assert_true (said (grid.err, "broke off"));
    grid_down (&grid);
}

static void
test_cp (void)
{
    Grid grid = {0};
    grid_up (&grid);
    vdc_with (&grid, "text", "cp - shop:web.1:/tmp/x");
    g_assert_cmpint (grid.code, ==, 0);
    g_assert_cmpstr (got_body, ==, "{\"mode\":420,\"path\":\"/tmp/x\"}");
    g_assert_cmpstr (got_input->str, ==, "text");
    vdc (&grid, "cp shop:web.1:/tmp/x out");
    g_assert_cmpint (grid.code, ==, 0);
    g_autofree char *path = g_build_filename (grid.folder, "out", NULL);
    g_autofree char *text = NULL;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_assert_cmpstr (text, ==, "content of the file");
    vdc (&grid, "cp shop:web.1:/tmp/x -");
    g_assert_cmpstr (grid.out, ==, "content of the file");
    vdc (&grid, "cp shop:web.1:/tmp/x nowhere/out");
    g_assert_cmpint (grid.code, ==, 3);
    grid_down (&grid);
}

static void
test_console_prints_when_not_a_terminal (void)
{
    Grid grid = {0};
    grid_up (&grid);
    vdc (&grid, "console shop:web.1");
    g_assert_cmpint (grid.code, ==, 0);
    g_assert_cmpstr (grid.out, ==, "login: \n");
    grid_down (&grid);
}

static void
test_verify (void)
{
    Grid grid = {0};
    grid_up (&grid);
    verify_answer = "{\"clean\":true,\"complete\":true,\"findings\":[],\"could_not_look\":[]}";
    vdc (&grid, "verify");
    g_assert_cmpint (grid.code, ==, 0);
    verify_answer = "{\"complete\":true,\"findings\":[{\"code\":\"tap_orphan\",\"message\":\"a "
                    "tap\"}],\"could_not_look\":[]}";
    vdc (&grid, "verify");
    g_assert_cmpint (grid.code, ==, 1);
    g_assert_true (said (grid.out, "tap_orphan"));
    verify_answer =
        "{\"complete\":false,\"findings\":[],\"could_not_look\":[{\"server\":\"s2\",\"message\":\"gone\"}]}";
    vdc (&grid, "verify");
    g_assert_cmpint (grid.code, ==, 6);
    g_free (grid.url);
    grid.url = g_strdup ("http://127.0.0.1:1");
    vdc (&grid, "verify");
    g_assert_cmpint (grid.code, ==, 6);
    grid_down (&grid);
}

/* Every number once, in order, over a connection that breaks again and again. */
static void
test_events_follow (void)
{
    Grid grid = {0};
    grid_up (&grid);
    g_autoptr (GSubprocessLauncher) launcher =
        g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
    g_subprocess_launcher_setenv (launcher, "VDC_URL", grid.url, TRUE);
    g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (launcher, NULL, g_getenv ("VDC_BINARY"),
                                                                   "events", "--follow", "--json", NULL);
    g_autoptr (GDataInputStream) lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
    g_autoptr (GString) text = g_string_new (NULL);
    GPollableInputStream *pipe = G_POLLABLE_INPUT_STREAM (g_subprocess_get_stdout_pipe (process));
    gint64 end_us = g_get_monotonic_time () + 100 * G_USEC_PER_SEC;
    while (!said (text->str, "102") && g_get_monotonic_time () < end_us) {
        char buffer[512];
        g_main_context_iteration (NULL, FALSE);
        gssize n = g_pollable_input_stream_read_nonblocking (pipe, buffer, sizeof buffer, NULL, NULL);
        if (n > 0)
            g_string_append_len (text, buffer, n);
        else
            g_usleep (1000);
    }
    g_assert_cmpstr (text->str, ==, "{\"kind\":\"x\",\"seq\":101}\n{\"kind\":\"x\",\"seq\":102}\n");
    g_subprocess_send_signal (process, SIGTERM);
    g_assert_true (g_subprocess_wait (process, NULL, NULL));
    g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
    grid_down (&grid);
}

static void
test_completion (void)
{
    Grid grid = {0};
    grid_up (&grid);
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"__complete app st", "start\nstop\n"},
        {"__complete app start ", "one\n"},
        {"__complete exec shop:w", "shop:web.1\n"},
        {"__complete exec o", "one:\n"},
        {"__complete app start --d", "--debug\n--dry-run\n"},
        {"__complete ver", "verify\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        vdc (&grid, cases[i].line);
        g_assert_cmpstr (grid.out, ==, cases[i].expected);
    }
    vdc (&grid, "completion bash");
    g_autofree char *installed = NULL;
    g_assert_true (g_file_get_contents (g_getenv ("VDC_COMPLETION"), &installed, NULL, NULL));
    g_assert_cmpstr (grid.out, ==, installed);
    grid_down (&grid);
}

static void
test_config (void)
{
    g_autofree char *folder = g_dir_make_tmp ("vdc-config-XXXXXX", NULL);
    g_autofree char *client = g_build_filename (folder, "client", NULL);
    g_autofree char *url = g_build_filename (client, "url", NULL),
                    *token = g_build_filename (client, "token", NULL);
    g_autofree char *ca = g_build_filename (client, "ca.crt", NULL);
    g_assert_true (file_make_folder (client, 0700, NULL));
    g_assert_true (g_file_set_contents (url, "https://127.0.0.1:8443/\n", -1, NULL));
    g_assert_true (g_file_set_contents (token, "secret\n", -1, NULL));
    g_assert_true (g_file_set_contents (ca, "x", -1, NULL));
    g_setenv ("VDC_LAB_DIR", folder, TRUE);

    g_autoptr (Config) lab = config_load ("default", NULL);
    g_assert_cmpstr (lab->url, ==, "https://127.0.0.1:8443");
    g_assert_cmpstr (lab->token, ==, "secret");
    g_assert_cmpstr (lab->ca_file, ==, ca);

    g_setenv ("VDC_URL", "https://grid", TRUE);
    g_setenv ("VDC_TOKEN", "mine", TRUE);
    g_autoptr (Config) environment = config_load (NULL, NULL);
    g_assert_cmpstr (environment->url, ==, "https://grid");
    g_assert_cmpstr (environment->token, ==, "mine");

    g_autoptr (GError) error = NULL;
    g_setenv ("VDC_LAB_DIR", "/nonexistent", TRUE);
    g_assert_null (config_load ("default", &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE);
    g_unsetenv ("VDC_LAB_DIR");
    g_unsetenv ("VDC_URL");
    g_unsetenv ("VDC_TOKEN");
    g_assert_true (file_remove_tree (folder, NULL));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/cli/options", test_options);
    g_test_add_func ("/cli/options-wrong", test_options_wrong);
    g_test_add_func ("/cli/options-of-exec", test_options_of_exec);
    g_test_add_func ("/cli/every-command-is-explained", test_every_command_is_explained);
    g_test_add_func ("/cli/targets", test_targets);
    g_test_add_func ("/cli/copy-ends", test_copy_ends);
    g_test_add_func ("/cli/tables", test_tables);
    g_test_add_func ("/cli/problems-like-a-compiler", test_problems_like_a_compiler);
    g_test_add_func ("/cli/clean", test_clean);
    g_test_add_func ("/cli/sizes", test_sizes);
    g_test_add_func ("/cli/config", test_config);
    g_test_add_func ("/cli/run/lists", test_lists);
    g_test_add_func ("/cli/run/usage", test_usage);
    g_test_add_func ("/cli/run/jobs", test_jobs);
    g_test_add_func ("/cli/run/description-problems", test_description_problems);
    g_test_add_func ("/cli/run/destroy-asks", test_destroy_asks);
    g_test_add_func ("/cli/run/exec", test_exec);
    g_test_add_func ("/cli/run/cp", test_cp);
    g_test_add_func ("/cli/run/console-prints-when-not-a-terminal", test_console_prints_when_not_a_terminal);
    g_test_add_func ("/cli/run/verify", test_verify);
    g_test_add_func ("/cli/run/events-follow", test_events_follow);
    g_test_add_func ("/cli/run/completion", test_completion);
    return g_test_run ();
}
