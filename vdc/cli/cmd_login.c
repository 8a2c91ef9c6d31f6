/*
 * vdc login, logout, whoami, token: who one is to the grid.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/config.h"
#include "vdc/cli/print.h"
#include "vdc/cli/secret.h"

#include <stdio.h>
#include <string.h>

static int
keep (Cli *cli, const json_t *answer)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Config) config = config_load (cli->lab, &error);
    if (config == NULL || !config_keep_login (config, json_str (answer, "token", ""), &error))
        return cli_fail (cli, error);
    g_autofree char *until = print_cell (answer, "expires", FORMAT_TIME);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("logged in as %s, until %s\n", json_str (answer, "user", ""), until);
    return 0;
}

int
cmd_login (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *url = options_value (cli->options, "url"), *ca = options_value (cli->options, "ca");
    const char *user = options_word (cli->options, 0);
    if (url != NULL)
        g_setenv ("VDC_URL", url, TRUE);
    if (ca != NULL)
        g_setenv ("VDC_CA", ca, TRUE);
    char *password = secret_read ("Password: ", FALSE, &error);
    if (password == NULL)
        return cli_fail (cli, error);
    g_autoptr (json_t) body = json_pack ("{s:s, s:s}", "user", user, "password", password);
    secret_free (password);
    if (body == NULL)
        return cli_usage (cli, "user and password must be UTF-8");
    g_autoptr (json_t) answer = cli_post_once (cli, "/login", body, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    int code = keep (cli, answer);
    return code;
}

int
cmd_logout (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) body = json_object ();
    g_autoptr (json_t) answer = cli_post_once (cli, "/logout", body, &error);
    /* One that has ended is as good. */
    if (answer == NULL && !g_error_matches (error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN))
        return cli_fail (cli, error);
    g_clear_error (&error);
    if (!config_drop_login (&error))
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, body);
    else
        printf ("logged out\n");
    return 0;
}

int
cmd_whoami (Cli *cli)
{
    static const Column fields[] = {
        {"User", "user"},
        {"By", "kind"},
        {"Role on the grid", "role"},
        {"Makes applications", "creates", FORMAT_FLAG},
        {"Logged in until", "credential.expires", FORMAT_TIME},
        {NULL},
    };
    static const Column roles[] = {{"APPLICATION", "application"}, {"ROLE", "role"}, {NULL}};
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) me = cli_get (cli, "/me", &error);
    if (me == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, me);
        return 0;
    }
    print_fields (stdout, fields, me);
    g_autoptr (json_t) rows = json_array ();
    const char *name;
    json_t *role;
    json_object_foreach (json_object_get (me, "applications"), name, role) {
        json_array_append_new (rows, json_pack ("{s:s, s:O}", "application", name, "role", role));
    }
    if (json_array_size (rows) > 0) {
        printf ("\n");
        print_table (stdout, roles, rows, NULL);
    }
    return 0;
}

int
cmd_me_password (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    char *current = secret_read ("Current password: ", FALSE, &error);
    char *password = current != NULL ? secret_read ("New password: ", TRUE, &error) : NULL;
    g_autoptr (json_t) body =
        password != NULL ? json_pack ("{s:s, s:s}", "current", current, "password", password) : NULL;
    secret_free (current);
    secret_free (password);
    if (error != NULL)
        return cli_fail (cli, error);
    if (body == NULL)
        return cli_usage (cli, "a password must be UTF-8");
    g_autoptr (json_t) answer = cli_post_once (cli, "/me/password", body, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("the password is changed; other sessions have ended\n");
    return 0;
}

/* --- tokens ------------------------------------------------------------------------------------------------ */

int
cmd_token_list (Cli *cli)
{
    static const Column columns[] = {
        {"ID", "id"},
        {"NAME", "name"},
        {"USER", "user"},
        {"ROLE", "role"},
        {"APPLICATIONS", "applications", FORMAT_LIST},
        {"EXPIRES", "expires", FORMAT_TIME},
        {"LIVE", "live", FORMAT_FLAG},
        {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer =
        cli_list (cli, options_flag (cli->options, "all") ? "/tokens?all=1" : "/tokens", &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        print_table (stdout, columns, json_object_get (answer, "items"), "no tokens");
    return 0;
}

/* "30d", "12h", "90m", "3600": seconds. */
static gboolean
parse_life (const char *text, gint64 *seconds, GError **error)
{
    char *end;
    guint64 number = g_ascii_strtoull (text, &end, 10);
    gint64 unit = *end == 'd' ? 86400 : *end == 'h' ? 3600 : *end == 'm' ? 60 : 1;
    if (end != text && g_ascii_isdigit (*text) && (*end == '\0' || end[1] == '\0') &&
        strchr ("dhms", *end) != NULL && number > 0 && number < G_MAXINT32) {
        *seconds = (gint64)number * unit;
        return TRUE;
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "--expires is a time such as 30d, 12h or 90m");
    return FALSE;
}

int
cmd_token_create (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *life = options_value (cli->options, "expires");
    const GPtrArray *applications = options_values (cli->options, "app");
    gint64 seconds = 0;
    if (life != NULL && !parse_life (life, &seconds, &error))
        return cli_fail (cli, error);
    g_autoptr (json_t) body = json_pack ("{s:s, s:s*}", "name", options_word (cli->options, 0), "role",
                                         options_value (cli->options, "role"));
    if (life != NULL)
        json_put (body, "expires_s", json_integer (seconds));
    if (applications->len > 0) {
        json_t *names = json_array ();
        for (guint i = 0; i < applications->len; i++)
            json_array_append_new (names, json_str_new (applications->pdata[i]));
        json_put (body, "applications", names);
    }
    g_autoptr (json_t) answer = cli_post_once (cli, "/tokens", body, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, answer);
    } else {
        fprintf (stderr, "shown once; give it to programs as VDC_TOKEN:\n");
        printf ("%s\n", json_str (answer, "token", ""));
    }
    return 0;
}

/* By id, or by the name of one's own. */
static char *
token_id (Cli *cli, const char *name, GError **error)
{
    g_autoptr (json_t) list = cli_list (cli, "/tokens", error);
    size_t index;
    json_t *item;
    if (list == NULL)
        return NULL;
    json_array_foreach (json_object_get (list, "items"), index, item) {
        if (strcmp (json_str (item, "name", ""), name) == 0)
            return g_strdup (json_str (item, "id", ""));
    }
    return g_strdup (name);
}

int
cmd_token_revoke (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *id = token_id (cli, options_word (cli->options, 0), &error);
    g_autofree char *path = id != NULL ? cli_path ("/tokens/%s", id, NULL) : NULL;
    g_autoptr (json_t) answer = path != NULL ? cli_delete (cli, path, &error) : NULL;
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("it is revoked\n");
    return 0;
}
