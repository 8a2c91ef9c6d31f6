/*
 * vdc user: who may log in, and what he may.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"
#include "vdc/cli/secret.h"

#include <stdio.h>
#include <string.h>

int
cmd_user_list (Cli *cli)
{
    static const Column columns[] = {
        {"NAME", "name"},
        {"ROLE", "role"},
        {"MAKES APPLICATIONS", "creates", FORMAT_FLAG},
        {"APPLICATIONS", "applications", FORMAT_COUNT},
        {"DISABLED", "disabled", FORMAT_FLAG},
        {NULL},
    };
    static const Column on_application[] = {{"USER", "user"}, {"ROLE", "role"}, {NULL}};
    g_autoptr (GError) error = NULL;
    const char *application = options_value (cli->options, "app");
    g_autofree char *path =
        application != NULL ? cli_path ("/applications/%s/roles", application, NULL) : g_strdup ("/users");
    g_autoptr (json_t) answer = cli_list (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        print_table (stdout, application != NULL ? on_application : columns,
                     json_object_get (answer, "items"),
                     application != NULL ? "nobody has a role on it" : "no users");
    return 0;
}

static void
show_sessions (Cli *cli, const char *name)
{
    static const Column columns[] = {
        {"SESSION", "id"},   {"SINCE", "created", FORMAT_TIME},   {"LAST USE", "seen", FORMAT_TIME},
        {"FROM", "address"}, {"BROWSER", "browser", FORMAT_FLAG}, {NULL},
    };
    g_autofree char *path = cli_path ("/users/%s/sessions", name, NULL);
    g_autoptr (json_t) sessions = cli_list (cli, path, NULL);
    if (json_array_size (json_object_get (sessions, "items")) == 0)
        return;
    printf ("\n");
    print_table (stdout, columns, json_object_get (sessions, "items"), NULL);
}

int
cmd_user_show (Cli *cli)
{
    static const Column fields[] = {
        {"User", "name"},
        {"Role on the grid", "role"},
        {"Makes applications", "creates", FORMAT_FLAG},
        {"Disabled", "disabled", FORMAT_FLAG},
        {"Has a password", "has_password", FORMAT_FLAG},
        {"Created", "created", FORMAT_TIME},
        {NULL},
    };
    static const Column roles[] = {{"APPLICATION", "application"}, {"ROLE", "role"}, {NULL}};
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0), *application;
    g_autofree char *path = cli_path ("/users/%s", name, NULL);
    g_autoptr (json_t) user = cli_get (cli, path, &error);
    if (user == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, user);
        return 0;
    }
    print_fields (stdout, fields, user);
    g_autoptr (json_t) rows = json_array ();
    json_t *role;
    json_object_foreach (json_object_get (user, "applications"), application, role) {
        json_array_append_new (rows, json_pack ("{s:s, s:O}", "application", application, "role", role));
    }
    if (json_array_size (rows) > 0) {
        printf ("\n");
        print_table (stdout, roles, rows, NULL);
    }
    show_sessions (cli, name);
    return 0;
}

/* @text: what to say when it went well. */
static int
send_change (Cli *cli, const char *path, json_t *body, const char *text)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer =
        body != NULL ? cli_post (cli, path, body, &error) : cli_delete (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("%s\n", text);
    return 0;
}

int
cmd_user_create (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) body =
        json_pack ("{s:s, s:s*, s:b}", "name", options_word (cli->options, 0), "role",
                   options_value (cli->options, "role"), "creates", options_flag (cli->options, "creates"));
    if (!options_flag (cli->options, "no-password")) {
        char *password = secret_read ("Password of the new user: ", TRUE, &error);
        if (password == NULL)
            return cli_fail (cli, error);
        json_put (body, "password", json_str_new (password));
        secret_free (password);
    }
    return send_change (cli, "/users", body, "the user is made");
}

static int
act (Cli *cli, json_t *body, const char *text)
{
    g_autoptr (json_t) mine = body;
    g_autofree char *path = cli_path ("/users/%s/actions", options_word (cli->options, 0), NULL);
    return send_change (cli, path, mine, text);
}

int
cmd_user_password (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    if (options_word (cli->options, 0) == NULL)
        return cmd_me_password (cli);
    char *password = secret_read ("New password: ", TRUE, &error);
    if (password == NULL)
        return cli_fail (cli, error);
    json_t *body = json_pack ("{s:s, s:o}", "action", "password", "password", json_str_new (password));
    secret_free (password);
    return act (cli, body, "the password is changed; all sessions of the user have ended");
}

int
cmd_user_role (Cli *cli)
{
    const char *user = options_word (cli->options, 0), *role = options_word (cli->options, 1);
    const char *application = options_value (cli->options, "app");
    if (application != NULL) {
        g_autofree char *path = cli_path ("/applications/%s/roles", application, NULL);
        g_autoptr (json_t) body = json_pack ("{s:s, s:s}", "user", user, "role", role);
        return send_change (cli, path, body, "the role is given");
    }
    json_t *body = json_pack ("{s:s, s:s}", "action", "role", "role", role);
    if (options_flag (cli->options, "creates") || options_flag (cli->options, "no-creates"))
        json_put (body, "creates", json_boolean (options_flag (cli->options, "creates")));
    return act (cli, body, "the role is given");
}

int
cmd_user_disable (Cli *cli)
{
    return act (cli, json_pack ("{s:s}", "action", "disable"),
                "disabled: sessions and tokens do nothing any more");
}

int
cmd_user_enable (Cli *cli)
{
    return act (cli, json_pack ("{s:s}", "action", "enable"), "enabled");
}

int
cmd_user_logout (Cli *cli)
{
    return act (cli,
                json_pack ("{s:s, s:b}", "action", "logout", "tokens", options_flag (cli->options, "tokens")),
                "all sessions of the user have ended");
}

int
cmd_user_delete (Cli *cli)
{
    const char *name = options_word (cli->options, 0);
    g_autofree char *question = g_strdup_printf (
        "This removes user %s with all sessions and tokens.\nType the name to go on: ", name);
    if (!options_flag (cli->options, "yes") && !cli_ask_name (question, name)) {
        fprintf (stderr, "vdc: nothing was done; give --yes to delete without being asked\n");
        return 4;
    }
    g_autofree char *path = cli_path ("/users/%s", name, NULL);
    return send_change (cli, path, NULL, "the user is gone");
}
