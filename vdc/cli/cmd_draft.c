/*
 * vdc app draft, edit, diff: the description that is edited while another runs.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_LIMIT_BYTES (2 * 1024 * 1024)

static char *
app_path (Cli *cli, const char *tail)
{
    g_autofree char *path = cli_path ("/applications/%s", options_word (cli->options, 0), NULL);
    return g_strconcat (path, tail, NULL);
}

/* --- differences ------------------------------------------------------------------------------------------- */

/* A value in one cell: text as it is, the rest as JSON; cut. */
static json_t *
cell (const json_t *value)
{
    g_autofree char *text = json_is_null (value)     ? g_strdup ("-")
                            : json_is_string (value) ? g_strdup (json_string_value (value))
                                                     : json_text (value);
    g_autofree char *cut = g_utf8_strlen (text, -1) > 40 ? g_utf8_substring (text, 0, 37) : NULL;
    return cut != NULL ? json_sprintf ("%s...", cut) : json_string (text);
}

static void
print_changes (const json_t *changes, const char *none)
{
    static const Column columns[] = {{"PLACE", "path"},
                                     {"FROM", "from"},
                                     {"TO", "to"},
                                     {"EFFECT", "effect"},
                                     {"RESTARTS", "members", FORMAT_LIST},
                                     {NULL}};
    g_autoptr (json_t) rows = json_array ();
    size_t index;
    json_t *change;
    json_array_foreach ((json_t *)changes, index, change) {
        json_t *row = json_copy (change);
        json_put (row, "from", cell (json_object_get (change, "from")));
        json_put (row, "to", cell (json_object_get (change, "to")));
        json_array_append_new (rows, row);
    }
    print_table (stdout, columns, rows, none);
}

int
cmd_app_diff (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *from = options_word (cli->options, 1), *to = options_word (cli->options, 2);
    g_autofree char *first = http_escape (from != NULL ? from : "applied");
    g_autofree char *second = http_escape (to != NULL ? to : "draft");
    g_autofree char *tail = g_strdup_printf ("/diff?from=%s&to=%s", first, second);
    g_autofree char *path = app_path (cli, tail);
    g_autoptr (json_t) diff = cli_get (cli, path, &error);
    if (diff == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, diff);
    else
        print_changes (json_object_get (diff, "changes"), "no differences");
    return 0;
}

/* --- show, discard, ops ------------------------------------------------------------------------------------ */

static void
print_notes (const json_t *draft)
{
    gint64 behind = json_int (draft, "text_behind", 0);
    json_t *problems = json_object_get (draft, "problems");
    if (behind > 0)
        fprintf (stderr,
                 "vdc: %" G_GINT64_FORMAT
                 " %s since somebody gave a text; this one was made from the draft\n",
                 behind, behind == 1 ? "change" : "changes");
    if (json_array_size (problems) > 0) {
        fprintf (stderr, "vdc: it cannot be applied yet:\n");
        print_problems (stderr, NULL, problems);
    }
}

int
cmd_draft_show (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/draft");
    g_autoptr (json_t) draft = cli_get (cli, path, &error);
    if (draft == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, draft);
        return 0;
    }
    fputs (json_str (draft, "text", ""), stdout);
    fflush (stdout);
    print_notes (draft);
    return 0;
}

int
cmd_draft_discard (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/draft");
    g_autoptr (json_t) draft = cli_delete (cli, path, &error);
    if (draft == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, draft);
    else
        printf ("the draft of %s is what is applied\n", options_word (cli->options, 0));
    return 0;
}

/* The list in FILE. NULL and @error. */
static json_t *
read_ops (const char *file, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr (GError) local = NULL;
    if (!g_file_get_contents (strcmp (file, "-") == 0 ? "/dev/stdin" : file, &text, &length, &local)) {
        g_set_error (error, VDC_ERROR,
                     g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? VDC_ERROR_NOT_FOUND
                                                                               : VDC_ERROR_FAILED,
                     "%s", local->message);
        return NULL;
    }
    if (length > FILE_LIMIT_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "%s is over %d bytes", file, FILE_LIMIT_BYTES);
        return NULL;
    }
    g_autoptr (json_t) ops = json_parse (text, length, error);
    if (ops != NULL && !json_is_array (ops)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s must hold a list of operations", file);
        return NULL;
    }
    return g_steal_pointer (&ops);
}

/* Who was in the way, place by place. */
static void
print_conflicts (Cli *cli)
{
    json_t *params = json_object_get (cli->error_body, "params"), *conflict;
    size_t index;
    if (cli->json)
        return;
    json_array_foreach (json_object_get (params, "conflicts"), index, conflict) {
        g_autofree char *mine = json_text (json_object_get (conflict, "mine"));
        g_autofree char *theirs = json_text (json_object_get (conflict, "theirs"));
        g_autofree char *line =
            g_strdup_printf ("%s: yours %s, now %s (by %s)", json_str (conflict, "path", ""), mine, theirs,
                             json_str (conflict, "user", "vdcd"));
        g_autofree char *clean = print_clean (line);
        fprintf (stderr, "  %s\n", clean);
    }
}

/* --base, or where the draft is. FALSE and @error. */
static gboolean
find_base (Cli *cli, gint64 *base, GError **error)
{
    if (options_value (cli->options, "base") != NULL)
        return options_int (cli->options, "base", 0, G_MAXINT64, 0, base, error);
    g_autofree char *path = app_path (cli, "/draft?fields=rev");
    g_autoptr (json_t) draft = cli_get (cli, path, error);
    *base = json_int (draft, "rev", 0);
    return draft != NULL;
}

int
cmd_draft_ops (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/draft/ops");
    const char *file = options_word (cli->options, 1);
    g_autoptr (json_t) ops = read_ops (file, &error);
    gint64 base = 0;
    if (ops == NULL || !find_base (cli, &base, &error))
        return cli_fail (cli, error);
    gboolean dry_run = options_flag (cli->options, "dry-run");
    g_autoptr (json_t) body =
        json_pack ("{s:I, s:O, s:b}", "base", (json_int_t)base, "ops", ops, "dry_run", dry_run);
    g_autoptr (json_t) answer = cli_post (cli, path, body, &error);
    if (answer == NULL) {
        int code = cli_fail (cli, error);
        print_conflicts (cli);
        return code;
    }
    if (cli->json) {
        print_json (stdout, answer);
    } else if (dry_run) {
        print_json (stdout, json_object_get (answer, "document"));
    } else {
        printf ("the draft of %s is at revision %" G_GINT64_FORMAT "\n", options_word (cli->options, 0),
                json_int (answer, "rev", 0));
        fflush (stdout);
        print_notes (answer);
    }
    return 0;
}

/* --- edit -------------------------------------------------------------------------------------------------- */

/* Runs $VISUAL or $EDITOR, as words, without a shell, on the terminal. */
static gboolean
run_editor (const char *file, GError **error)
{
    const char *editor = g_getenv ("VISUAL");
    g_auto (GStrv) words = NULL;
    gint status = 0;
    if (editor == NULL || *editor == '\0')
        editor = g_getenv ("EDITOR");
    if (editor == NULL || *editor == '\0')
        editor = "vi";
    if (!g_shell_parse_argv (editor, NULL, &words, error))
        return FALSE;
    guint n = g_strv_length (words);
    words = g_renew (char *, words, n + 2);
    words[n] = g_strdup (file);
    words[n + 1] = NULL;
    return g_spawn_sync (NULL, words, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL,
                         NULL, NULL, &status, error) &&
           g_spawn_check_wait_status (status, error);
}

/* A file of our own with the text, its name for people. Caller frees the name. */
static char *
write_file (Cli *cli, const json_t *draft, GError **error)
{
    const char *text = json_str (draft, "text", "");
    gboolean json = strcmp (json_str (draft, "format", "yaml"), "json") == 0;
    g_autofree char *name =
        g_strdup_printf ("vdc-%s-XXXXXX.%s", options_word (cli->options, 0), json ? "json" : "yaml");
    g_autofree char *path = NULL;
    g_strdelimit (name, "/", '-');
    int fd = g_file_open_tmp (name, &path, error); /* 0600 */
    if (fd < 0)
        return NULL;
    close (fd);
    return g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error)
               ? g_steal_pointer (&path)
               : NULL;
}

/* The file stays: what was typed is not to be lost. */
static int
keep_file (Cli *cli, const GError *error, const char *file)
{
    int code = cli_fail_in (cli, error, file);
    fprintf (stderr, "vdc: your text is in %s\n", file);
    return code;
}

static int
save (Cli *cli, const json_t *draft, const char *file, const char *text)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/draft");
    if (!g_utf8_validate (text, -1, NULL)) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_INVALID, "%s is not UTF-8 text", file);
        return keep_file (cli, error, file);
    }
    g_autoptr (json_t) body =
        json_pack ("{s:s, s:s, s:O}", "text", text, "format", json_str (draft, "format", "yaml"), "base",
                   json_object_get (draft, "rev"));
    g_autoptr (json_t) saved = cli_put (cli, path, body, &error);
    if (saved == NULL)
        return keep_file (cli, error, file);
    unlink (file);
    if (cli->json) {
        print_json (stdout, saved);
        return 0;
    }
    print_changes (json_object_get (saved, "pending"), "the same as what is applied");
    fflush (stdout);
    print_notes (saved);
    return 0;
}

int
cmd_app_edit (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = app_path (cli, "/draft");
    g_autoptr (json_t) draft = cli_get (cli, path, &error);
    g_autofree char *file = draft != NULL ? write_file (cli, draft, &error) : NULL;
    g_autofree char *text = NULL;
    if (file == NULL)
        return cli_fail (cli, error);
    if (!run_editor (file, &error) || !g_file_get_contents (file, &text, NULL, &error))
        return keep_file (cli, error, file);
    if (strcmp (text, json_str (draft, "text", "")) != 0)
        return save (cli, draft, file, text);
    unlink (file);
    if (cli->json)
        print_json (stdout, draft);
    else
        printf ("nothing was changed\n");
    return 0;
}
