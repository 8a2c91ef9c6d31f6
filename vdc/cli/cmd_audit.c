/*
 * vdc audit: who asked for what. vdc backup: what the controller would need on another machine.
 */
#include "vdc/base/file.h"
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"
#include "vdc/http/client.h"

#include <stdio.h>
#include <string.h>

#define LINES_DEFAULT 1000000

static void
add_filter (Cli *cli, GString *path, const char *name)
{
    const char *value = options_value (cli->options, name);
    if (value == NULL)
        return;
    g_autofree char *escaped = http_escape (value);
    g_string_append_printf (path, "%c%s=%s", strchr (path->str, '?') != NULL ? '&' : '?', name, escaped);
}

static json_t *
read_entries (Cli *cli, GError **error)
{
    static const char *const filters[] = {"who", "action", "result", "object", "id", "since", "until", NULL};
    g_autoptr (GString) path = g_string_new ("/audit?limit=2000");
    for (guint i = 0; filters[i] != NULL; i++)
        add_filter (cli, path, filters[i]);
    const char *application = options_value (cli->options, "app");
    if (application != NULL) {
        g_autofree char *escaped = http_escape (application);
        g_string_append_printf (path, "&application=%s", escaped);
    }
    return cli_list (cli, path->str, error);
}

int
cmd_audit_list (Cli *cli)
{
    static const Column columns[] = {
        {"SEQ", "seq"},
        {"TIME", "time", FORMAT_TIME},
        {"WHO", "who"},
        {"FROM", "address"},
        {"ACTION", "action"},
        {"OBJECT", "object"},
        {"ID", "id"},
        {"APPLICATION", "application"},
        {"RESULT", "result"},
        {"COUNT", "count"},
        {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = read_entries (cli, &error);
    if (list == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, list);
    else
        print_table (stdout, columns, json_object_get (list, "items"), "no entry fits");
    return 0;
}

/* One line each, as they are: others check the chain with it, and keep its head where nobody changes it. */
int
cmd_audit_export (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = read_entries (cli, &error);
    gsize i;
    json_t *entry;
    if (list == NULL)
        return cli_fail (cli, error);
    json_array_foreach (json_object_get (list, "items"), i, entry) {
        g_autofree char *line = json_text (entry);
        puts (line);
    }
    return 0;
}

/* "120:DIGEST" → {seq, digest}; NULL: usage. */
static json_t *
head_of (const char *text)
{
    const char *colon = strchr (text, ':');
    guint64 seq;
    g_autofree char *number = colon != NULL ? g_strndup (text, (gsize)(colon - text)) : NULL;
    if (number == NULL || strlen (colon + 1) != 64 ||
        !g_ascii_string_to_unsigned (number, 10, 1, G_MAXINT64, &seq, NULL))
        return NULL;
    return json_pack ("{s:I, s:s}", "seq", (json_int_t)seq, "digest", colon + 1);
}

int
cmd_audit_verify (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *head = options_value (cli->options, "head");
    g_autoptr (json_t) body = head != NULL ? head_of (head) : json_object ();
    if (body == NULL)
        return cli_usage (cli, "--head is SEQ:DIGEST, as 'vdc audit verify' prints it");
    g_autoptr (json_t) report = cli_post_once (cli, "/audit/verify", body, &error);
    if (report == NULL)
        return cli_fail (cli, error);
    const json_t *finding = json_object_get (report, "finding");
    if (cli->json)
        print_json (stdout, report);
    else if (json_is_object (finding))
        printf ("the audit is not whole: %s\n", json_str (finding, "message", ""));
    else
        printf ("the audit is whole: %" G_GINT64_FORMAT " entries\nhead: %" G_GINT64_FORMAT ":%s\n",
                json_int (report, "entries", 0), json_int (report, "last", 0),
                json_str (report, "digest", ""));
    return json_bool (report, "clean", FALSE) ? 0 : 1;
}

/* --- backups ----------------------------------------------------------------------------------------------- */

int
cmd_backup_list (Cli *cli)
{
    static const Column columns[] = {
        {"NAME", "name"},
        {"CREATED", "created", FORMAT_TIME},
        {"SIZE", "size_bytes", FORMAT_BYTES},
        {"NIGHTLY", "nightly", FORMAT_FLAG},
        {"AUDIT", "audit.seq"},
        {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = cli_list (cli, "/backups", &error);
    if (list == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, list);
    else
        print_table (stdout, columns, json_object_get (list, "items"), "there is no backup yet");
    return 0;
}

int
cmd_backup_store (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *to = options_value (cli->options, "to");
    g_autofree char *folder = to != NULL ? g_canonicalize_filename (to, NULL) : NULL;
    g_autoptr (json_t) body = folder != NULL ? json_pack ("{s:s}", "to", folder) : json_object ();
    g_autoptr (json_t) backup = cli_post_once (cli, "/backups", body, &error);
    if (backup == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, backup);
    else
        printf ("%s\nIt holds the grid's keys: keep it as you keep those.\n", json_str (backup, "path", ""));
    return 0;
}

int
cmd_backup_accept (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer = cli_post (cli, "/restore", NULL, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    const json_t *learning = json_object_get (answer, "learning");
    if (cli->json)
        print_json (stdout, answer);
    else if (json_is_object (learning)) {
        g_autofree char *names = print_cell (learning, "waiting", FORMAT_LIST);
        printf ("going on without: %s\n", names);
    } else
        printf ("nothing is waited for\n");
    return 0;
}
