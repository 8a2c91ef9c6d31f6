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

/* --- reading ------------------------------------------------------------------------------------------- */

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

/* Values go as text; the controller reads them by the type of the property. */
static gboolean
add_assignments (json_t *body, const char *key, char *const *words, guint n, GError **error)
{
    g_autoptr (json_t) set = json_object ();
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = NULL;
        g_autofree char *value = NULL;
        if (!target_parse_assignment (words[i], &name, &value, error))
            return FALSE;
        json_put (set, name, json_str_new (value));
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

/* --- list and show ------------------------------------------------------------------------------------- */

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

/* --- the ends of commands that change something -------------------------------------------------------- */

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
print_volume_changes (const json_t *volumes)
{
    static const char *const kinds[][2] = {
        {"new", "will be made"},
        {"grown", "will grow"},
        {"unused", "will be detached and kept"},
        {"problem", "cannot be changed like this"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
        g_autofree char *names = print_cell (volumes, kinds[i][0], FORMAT_LIST);
        if (strcmp (names, "-") != 0)
            printf ("volume %s %s\n", names, kinds[i][1]);
    }
}

static void
print_changes (const json_t *changes)
{
    static const Column columns[] = {{"MEMBER", "member"}, {"CHANGE", "change"}, {"WHY", "text"}, {NULL}};
    json_t *members = json_object_get (changes, "members"), *warnings = json_object_get (changes, "warnings");
    print_volume_changes (json_object_get (changes, "volumes"));
    if (json_array_size (members) > 0) {
        print_table (stdout, columns, members, NULL);
        printf ("\n");
    }
    if (json_array_size (warnings) > 0) {
        printf ("Warnings (--confirm applies in spite of them):\n");
        print_problems (stdout, NULL, warnings);
        printf ("\n");
    }
}

static int
print_plan (Cli *cli, const json_t *plan)
{
    if (cli->json) {
        print_json (stdout, plan);
        return 0;
    }
    print_changes (json_object_get (plan, "changes"));
    print_table (stdout, step_columns, json_object_get (plan, "steps"), "nothing to do");
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get (plan, "cycles"), index, item)
        printf ("these start together, their wires form a circle: %s\n", json_string_value (item));
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

/* --- create, plan, apply, destroy ---------------------------------------------------------------------- */

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
    if (options_flag (cli->options, "confirm"))
        json_put (body, "confirm", json_true ());
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
    gboolean keep = options_flag (cli->options, "keep-volumes");
    g_autofree char *query =
        g_strdup_printf ("?keep_volumes=%d&force=%d", keep, options_flag (cli->options, "force"));
    g_autofree char *path = app_path (cli, query);
    g_autofree char *question = g_strdup_printf (
        "This destroys application %s%s.\nType its name to go on: ", name,
        keep ? "; its volumes are kept" : " and its volumes; the trash keeps them for a while");
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
        printf ("%s is in the trash; 'vdc trash restore %s' brings it back\n", name, name);
    return code;
}

/* --- actions ------------------------------------------------------------------------------------------- */

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
print_log_line (const json_t *line)
{
    g_autofree char *time = print_cell (line, "time", FORMAT_TIME);
    g_autofree char *id = print_cell (line, "id", FORMAT_TEXT);
    g_autofree char *kind = print_cell (line, "kind", FORMAT_TEXT);
    g_autofree char *state = print_cell (line, "state", FORMAT_TEXT);
    g_autofree char *text = print_cell (line, "data.text", FORMAT_TEXT);
    printf ("%s  %-16s  %-22s  %s%s%s\n", time, id, kind, state, strcmp (text, "-") ? "  " : "",
            strcmp (text, "-") ? text : "");
}

/* "web" is every member of web; "web.1" that one. */
static gboolean
is_about (const json_t *line, const char *instance)
{
    const char *id = json_str (line, "id", "");
    gsize length = strlen (instance);
    return strncmp (id, instance, length) == 0 && (id[length] == '\0' || id[length] == '.');
}

int
cmd_app_logs (Cli *cli)
{
    gint64 tail = 0;
    g_autoptr (GError) error = NULL;
    const char *instance = options_value (cli->options, "instance");
    if (!options_int (cli->options, "tail", 1, 10000, 200, &tail, &error))
        return cli_fail (cli, error);
    g_autofree char *query =
        g_strdup_printf ("/logs?limit=%" G_GINT64_FORMAT, instance ? (gint64)10000 : tail);
    g_autofree char *path = app_path (cli, query);
    g_autoptr (json_t) list = cli_get (cli, path, &error);
    if (list == NULL)
        return cli_fail (cli, error);
    g_autoptr (json_t) kept = json_array ();
    size_t index;
    json_t *line;
    json_array_foreach (json_object_get (list, "items"), index, line) {
        if (instance == NULL || is_about (line, instance))
            json_array_append (kept, line);
    }
    while ((gint64)json_array_size (kept) > tail)
        json_array_remove (kept, 0);
    if (cli->json) {
        json_object_set (list, "items", kept);
        print_json (stdout, list);
        return 0;
    }
    json_array_foreach (kept, index, line)
        print_log_line (line);
    return 0;
}
