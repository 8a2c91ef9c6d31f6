/*
 * vdc app …
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"
#include "vdc/cli/target.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTION_LIMIT_BYTES (1024 * 1024)

static char *
app_path (Cli *cli, const char *tail)
{
    g_autofree char *path = cli_path ("/applications/%s", options_word (cli->options, 0), NULL);
    return g_strconcat (path, tail, NULL);
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------ */

/* FILE or "-"; NULL and @error. */
static char *
read_text (const char *file, GError **error)
{
    g_autoptr (GError) local = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;
    if (strcmp (file, "-") == 0)
        file = "/dev/stdin";
    if (!g_file_get_contents (file, &text, &length, &local)) {
        g_set_error (error, VDC_ERROR,
                     g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? VDC_ERROR_NOT_FOUND
                                                                               : VDC_ERROR_FAILED,
                     "%s", local->message);
        return NULL;
    }
    if (length > DESCRIPTION_LIMIT_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "%s is over %d bytes", file,
                     DESCRIPTION_LIMIT_BYTES);
        return NULL;
    }
    if (!g_utf8_validate (text, (gssize)length, NULL)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "%s is not UTF-8 text", file);
        return NULL;
    }
    return g_steal_pointer (&text);
}

static gboolean
add_description (json_t *body, const char *file, GError **error)
{
    if (file == NULL)
        return TRUE;
    g_autofree char *text = read_text (file, error);
    if (text == NULL)
        return FALSE;
    json_put (body, "description", json_string (text));
    json_put (body, "format", json_string (g_str_has_suffix (file, ".json") ? "json" : "yaml"));
    return TRUE;
}

/*
 * The value of k=v as JSON: numbers and true/false as such, "…" in quotes as JSON text, everything else is a
 * string. The same reading as in a YAML description.
 */
static json_t *
value_of (const char *text)
{
    gint64 integer;
    if (strcmp (text, "true") == 0 || strcmp (text, "false") == 0)
        return json_boolean (*text == 't');
    gboolean plain =
        strcmp (text, "0") == 0 || (*text != '0' && *text != '+' && strncmp (text, "-0", 2) != 0);
    if (plain && g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &integer, NULL))
        return json_integer (integer);
    if (*text != '\0' && strspn (text, "0123456789.-") == strlen (text) && strchr (text, '.') != NULL) {
        char *end = NULL;
        double number = g_ascii_strtod (text, &end);
        if (*end == '\0' && g_ascii_isdigit (end[-1]))
            return json_real (number);
    }
    if (*text == '"') {
        json_t *quoted = json_parse (text, strlen (text), NULL);
        if (quoted != NULL)
            return quoted;
    }
    return json_str_new (text);
}

static gboolean
add_assignments (json_t *body, const char *key, char *const *words, guint n, GError **error)
{
    g_autoptr (json_t) set = json_object ();
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = NULL;
        g_autofree char *value = NULL;
        if (!target_parse_assignment (words[i], &name, &value, error))
            return FALSE;
        json_put (set, name, value_of (value));
    }
    if (n > 0)
        json_put (body, key, g_steal_pointer (&set));
    return TRUE;
}

static gboolean
add_set_option (Cli *cli, json_t *body, GError **error)
{
    const GPtrArray *sets = options_values (cli->options, "set");
    return add_assignments (body, "set", (char *const *)sets->pdata, sets->len, error);
}

/* --- list and show
 * ------------------------------------------------------------------------------------------------ */

static const Column app_columns[] = {
    {"NAME", "name"},
    {"STATE", "state"},
    {"INSTANCES", "instances"},
    {"READY", "ready"},
    {"URLS", "urls", FORMAT_LIST},
    {"TEMPLATE", "template"},
    {NULL},
};

static const Column member_columns[] = {
    {"MEMBER", "name"},
    {"CLASS", "class"},
    {"STATE", "state"},
    {"SERVER", "server"},
    {"RESTARTS", "restarts"},
    {"TEXT", "text"},
    {NULL},
};

static const Column app_fields[] = {
    {"Application", "name"},
    {"Id", "id"},
    {"State", "state"},
    {"Text", "text"},
    {"Desired", "desired"},
    {"Revision", "revision"},
    {"Pending changes", "pending", FORMAT_COUNT},
    {"Template", "template"},
    {"Created", "created", FORMAT_TIME},
    {"Instances", "instances"},
    {"Ready", "ready"},
    {"URLs", "urls", FORMAT_LIST},
    {"Job", "job"},
    {NULL},
};

static const Column error_fields[] = {
    {"  Instance", "instance"},
    {"  Step", "step"},
    {"  Message", "message"},
    {"  What to do", "remedy"},
    {NULL},
};

int
cmd_app_list (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = cli_list (cli, "/applications", &error);
    if (list == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, list);
    else
        print_table (stdout, app_columns, json_object_get (list, "items"),
                     "no applications; 'vdc catalog list' shows what one can be made from");
    return 0;
}

static void
print_app_error (const json_t *app)
{
    json_t *failure = json_object_get (app, "error");
    if (!json_is_object (failure))
        return;
    printf ("Error:\n");
    print_fields (stdout, error_fields, failure);
    const char *tail = json_str (failure, "console_tail", NULL);
    if (tail != NULL && *tail != '\0') {
        g_autofree char *text = print_clean_lines (tail);
        printf ("  Console:\n%s\n", text);
    }
}

static int
show_description (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path =
        app_path (cli, cli->json ? "/description?format=json" : "/description?format=yaml");
    g_autofree char *url = cli_url (cli, &error, "%s", path);
    g_autofree char *type = NULL;
    HttpCallOptions options = {.accept = "*/*"};
    g_autoptr (GBytes) body =
        url ? http_client_call_bytes (cli->client, "GET", url, &options, &type, &error) : NULL;
    if (body == NULL)
        return cli_fail (cli, error);
    gsize length = 0;
    const char *text = g_bytes_get_data (body, &length);
    g_autoptr (json_t) answer =
        type && g_str_has_prefix (type, "application/json") ? json_parse (text, length, NULL) : NULL;
    const char *inner = json_str (answer, "text", json_str (answer, "description", NULL));
    if (inner != NULL && !cli->json)
        fputs (inner, stdout);
    else if (answer != NULL)
        print_json (stdout, answer);
    else
        fwrite (text, 1, length, stdout);
    return 0;
}

int
cmd_app_show (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    if (options_flag (cli->options, "description"))
        return show_description (cli);
    g_autofree char *path = app_path (cli, "");
    g_autofree char *members_path = app_path (cli, "/instances");
    g_autoptr (json_t) app = cli_get (cli, path, &error);
    g_autoptr (json_t) members = app && !cli->json ? cli_list (cli, members_path, &error) : NULL;
    if (app == NULL || (members == NULL && !cli->json))
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, app);
        return 0;
    }
    print_fields (stdout, app_fields, app);
    print_app_error (app);
    printf ("\n");
    print_table (stdout, member_columns, json_object_get (members, "items"), "no instances");
    return 0;
}

/* --- the ends of commands that change something
 * ------------------------------------------------------------------- */

/* After a change: the application as JSON, or one line that says where it stands. */
static int
finish (Cli *cli, int code, json_t *job, json_t *answer)
{
    if (cli->json) {
        json_t *result = job ? job : answer;
        if (result != NULL)
            print_json (stdout, result);
        return code;
    }
    if (code != 0 || (cli->no_wait && json_str (answer, "job", NULL) != NULL))
        return code;
    g_autofree char *path = app_path (cli, "");
    g_autoptr (json_t) app = cli_get (cli, path, NULL);
    if (app == NULL)
        return code;
    g_autofree char *urls = print_cell (app, "urls", FORMAT_LIST);
    g_autofree char *state = print_cell (app, "state", FORMAT_TEXT);
    printf ("%s is %s%s%s\n", options_word (cli->options, 0), state, strcmp (urls, "-") ? ": " : "",
            strcmp (urls, "-") ? urls : "");
    return code;
}

static int
change_app (Cli *cli, const char *tail, json_t *body)
{
    g_autoptr (json_t) job = NULL;
    g_autoptr (json_t) answer = NULL;
    g_autofree char *path = app_path (cli, tail);
    int code = cli_change (cli, path, body, &job, &answer);
    return finish (cli, code, job, answer);
}

static const Column step_columns[] = {
    {"STEP", "name"}, {"KIND", "kind"}, {"OBJECT", "object"}, {"WHY", "text"}, {NULL}};

static void
print_changes (const json_t *changes)
{
    static const Column object_columns[] = {
        {"CHANGE", "change"}, {"OBJECT", "object"}, {"EFFECT", "effect"}, {"TEXT", "text"}, {NULL}};
    size_t index;
    json_t *change;
    if (json_array_size (changes) == 0)
        return;
    if (json_is_object (json_array_get (changes, 0)) &&
        json_object_get (json_array_get (changes, 0), "effect")) {
        print_table (stdout, object_columns, changes, NULL);
    } else {
        json_array_foreach (changes, index, change) {
            g_autofree char *line =
                json_is_string (change) ? print_clean (json_string_value (change)) : json_text (change);
            printf ("  %s\n", line);
        }
    }
    printf ("\n");
}

static int
print_plan (Cli *cli, const json_t *plan)
{
    if (cli->json) {
        print_json (stdout, plan);
        return 0;
    }
    json_t *changes = json_object_get (plan, "changes");
    print_changes (changes ? changes : json_object_get (plan, "diff"));
    print_table (stdout, step_columns, json_object_get (plan, "steps"), "nothing to do");
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get (plan, "cycles"), index, item)
        printf ("these start together, their wires form a circle: %s\n",
                json_string_value (item) ? json_string_value (item) : "");
    json_array_foreach (json_object_get (plan, "warnings"), index, item) {
        g_autofree char *text = print_cell (item, "message", FORMAT_TEXT);
        printf ("warning: %s\n", text);
    }
    return 0;
}

/* An action; with --dry-run the plan is printed and nothing is done. @body is taken. */
static int
act (Cli *cli, const char *action, json_t *body)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/actions");
    json_put (body, "action", json_string (action));
    if (!options_flag (cli->options, "dry-run"))
        return change_app (cli, "/actions", body);
    g_autoptr (json_t) sent = body;
    json_put (sent, "dry_run", json_true ());
    g_autoptr (json_t) plan = cli_post (cli, path, sent, &error);
    return plan ? print_plan (cli, plan) : cli_fail (cli, error);
}

/* --- create, plan, apply, destroy
 * --------------------------------------------------------------------------------- */

int
cmd_app_create (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) body = json_object ();
    const char *from = options_value (cli->options, "from"), *file = options_word (cli->options, 1);
    if ((from == NULL) == (file == NULL))
        return cli_usage (
            cli, "give either a description file or --from TEMPLATE ('vdc catalog list' shows them)");
    json_put (body, "name", json_string (options_word (cli->options, 0)));
    if (from != NULL)
        json_put (body, "from", json_string (from));
    if (!add_description (body, file, &error) || !add_set_option (cli, body, &error))
        return cli_fail (cli, error);
    g_autoptr (json_t) app = cli_post (cli, "/applications", body, &error);
    if (app == NULL)
        return cli_fail_in (cli, error, file ? file : from);
    if (cli->json)
        print_json (stdout, app);
    else
        printf ("%s is made; 'vdc app start %s' starts it\n", options_word (cli->options, 0),
                options_word (cli->options, 0));
    return 0;
}

int
cmd_app_plan (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) body = json_object ();
    g_autofree char *path = app_path (cli, "/plan");
    const char *file = options_word (cli->options, 1);
    if (!add_description (body, file, &error))
        return cli_fail (cli, error);
    g_autoptr (json_t) plan = cli_post (cli, path, body, &error);
    return plan ? print_plan (cli, plan) : cli_fail_in (cli, error, file);
}

int
cmd_app_apply (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) body = json_object ();
    g_autoptr (json_t) job = NULL;
    g_autofree char *path = app_path (cli, "/apply");
    const char *file = options_word (cli->options, 1);
    if (!add_description (body, file, &error))
        return cli_fail (cli, error);
    if (options_flag (cli->options, "confirm"))
        json_put (body, "confirm", json_true ());
    g_autoptr (json_t) answer = cli_post (cli, path, body, &error);
    if (answer == NULL)
        return cli_fail_in (cli, error, file);
    const char *id = json_str (answer, "job", NULL);
    int code = 0;
    if (id != NULL && cli->no_wait && !cli->json)
        printf ("%s\n", id);
    else if (id != NULL && !cli->no_wait)
        code = cli_follow_job (cli, id, &job);
    return finish (cli, code, job, answer);
}

int
cmd_app_destroy (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0);
    g_autofree char *path = app_path (cli, "");
    g_autofree char *question = g_strdup_printf (
        "This destroys application %s. Its volumes are kept as unused.\nType its name to go on: ", name);
    if (!options_flag (cli->options, "yes") && !cli_ask_name (question, name)) {
        fprintf (stderr, "vdc: nothing was done; give --yes to destroy without being asked\n");
        return 4;
    }
    g_autoptr (json_t) answer = cli_delete (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    const char *id = json_str (answer, "job", NULL);
    g_autoptr (json_t) job = NULL;
    int code = 0;
    if (id != NULL && cli->no_wait && !cli->json)
        printf ("%s\n", id);
    else if (id != NULL && !cli->no_wait)
        code = cli_follow_job (cli, id, &job);
    if (cli->json)
        print_json (stdout, job ? job : answer);
    else if (code == 0 && !cli->no_wait)
        printf ("%s is gone\n", name);
    return code;
}

/* --- actions
 * ------------------------------------------------------------------------------------------------------ */

int
cmd_app_start (Cli *cli)
{
    json_t *body = json_object ();
    if (options_flag (cli->options, "debug"))
        json_put (body, "debug", json_true ());
    return act (cli, options_flag (cli->options, "continue") ? "continue" : "start", body);
}

int
cmd_app_stop (Cli *cli)
{
    return act (cli, "stop", json_object ());
}

int
cmd_app_restart (Cli *cli)
{
    return act (cli, "restart", json_object ());
}

int
cmd_app_clean (Cli *cli)
{
    return act (cli, "clean", json_object ());
}

int
cmd_app_scale (Cli *cli)
{
    g_autoptr (json_t) counts = json_object ();
    for (guint i = 1; i < options_count (cli->options); i++) {
        g_autoptr (GError) error = NULL;
        g_autofree char *instance = NULL;
        g_autofree char *text = NULL;
        gint64 count;
        if (!target_parse_assignment (options_word (cli->options, i), &instance, &text, &error))
            return cli_fail (cli, error);
        if (!g_ascii_string_to_signed (text, 10, 0, 1000, &count, NULL))
            return cli_usage (cli, "'%s' is no number of members", text);
        json_put (counts, instance, json_integer (count));
    }
    return act (cli, "scale", json_pack ("{s:O}", "instances", counts));
}

static int
show_config (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/description?format=json");
    g_autoptr (json_t) answer = cli_get (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    json_t *document = json_object_get (answer, "description");
    document = json_is_object (document) ? document : answer;
    g_autoptr (json_t) settings = json_object ();
    const char *key, *name;
    json_t *value, *instance;
    json_object_foreach (json_object_get (document, "properties"), key, value)
        json_object_set (settings, key, value);
    json_object_foreach (json_object_get (document, "instances"), name, instance) {
        json_object_foreach (json_object_get (instance, "set"), key, value) {
            g_autofree char *full = g_strconcat (name, ".", key, NULL);
            json_object_set (settings, full, value);
        }
    }
    if (cli->json) {
        print_json (stdout, settings);
        return 0;
    }
    json_object_foreach (settings, key, value) {
        g_autofree char *text =
            json_is_string (value) ? print_clean (json_string_value (value)) : json_text (value);
        printf ("%s=%s\n", key, text);
    }
    return 0;
}

int
cmd_app_config (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) body = json_object ();
    g_autoptr (GPtrArray) words = g_ptr_array_new ();
    for (guint i = 1; i < options_count (cli->options); i++)
        g_ptr_array_add (words, (gpointer)options_word (cli->options, i));
    if (words->len == 0)
        return show_config (cli);
    if (!add_assignments (body, "set", (char *const *)words->pdata, words->len, &error))
        return cli_fail (cli, error);
    return act (cli, "config", json_incref (body));
}

/* --- logs
 * ---------------------------------------------------------------------------------------------------------
 */

static void
print_log_line (Cli *cli, const json_t *line)
{
    if (cli->json) {
        print_json_line (stdout, line);
        return;
    }
    g_autofree char *time = print_cell (line, "time", FORMAT_TIME);
    g_autofree char *member = print_cell (line,
                                          json_object_get (line, "member")     ? "member"
                                          : json_object_get (line, "instance") ? "instance"
                                                                               : "id",
                                          FORMAT_TEXT);
    g_autofree char *severity =
        print_cell (line, json_object_get (line, "severity") ? "severity" : "kind", FORMAT_TEXT);
    const char *said = json_str (
        line, "text", json_str (json_object_get (line, "data"), "text", json_str (line, "state", "")));
    g_autofree char *text = print_clean (said);
    printf ("%s  %-12s  %-8s  %s\n", time, member, severity, text);
    fflush (stdout);
}

int
cmd_app_logs (Cli *cli)
{
    gint64 tail = 0;
    g_autoptr (GError) error = NULL;
    const char *instance = options_value (cli->options, "instance");
    if (!options_int (cli->options, "tail", 1, 100000, 200, &tail, &error))
        return cli_fail (cli, error);
    g_autoptr (GString) query = g_string_new (NULL);
    g_string_append_printf (query, "/logs?tail=%" G_GINT64_FORMAT, tail);
    if (instance != NULL) {
        g_autofree char *escaped = http_escape (instance);
        g_string_append_printf (query, "&instance=%s", escaped);
    }
    g_autofree char *path = app_path (cli, query->str);
    g_autoptr (json_t) list = cli_get (cli, path, &error);
    if (list == NULL)
        return cli_fail (cli, error);
    json_t *items = json_object_get (list, "items");
    if (cli->json) {
        print_json (stdout, list);
        return 0;
    }
    size_t index;
    json_t *line;
    json_array_foreach (items, index, line)
        print_log_line (cli, line);
    return 0;
}
