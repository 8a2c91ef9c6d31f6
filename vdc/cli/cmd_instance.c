/*
 * vdc instance …
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"
#include "vdc/cli/target.h"

#include <stdio.h>
#include <string.h>

static const Column list_columns[] = {
    {"MEMBER", "name"},
    {"CLASS", "class"},
    {"STATE", "state"},
    {"SERVER", "server"},
    {"SINCE", "since", FORMAT_TIME},
    {"RESTARTS", "restarts"},
    {"TEXT", "text"},
    {NULL},
};

static const Column fields[] = {
    {"Member", "name"},
    {"Application", "application"},
    {"Instance", "instance"},
    {"Class", "class"},
    {"State", "state"},
    {"Text", "text"},
    {"Server", "server"},
    {"Since", "since", FORMAT_TIME},
    {"Restarts", "restarts"},
    {"CPU", "resources.cpu"},
    {"Memory", "resources.memory_bytes", FORMAT_BYTES},
    {"Network", "resources.network_bps", FORMAT_RATE},
    {"CPU used (us)", "counters.cpu_us"},
    {"Memory used", "counters.memory_bytes", FORMAT_BYTES},
    {"Error", "error.message"},
    {"Error step", "error.step"},
    {"What to do", "error.remedy"},
    {NULL},
};

static const Column nic_columns[] = {
    {"TERMINAL", "terminal"},
    {"SIDE", "side"},
    {"ADDRESS", "address"},
    {"MAC", "mac"},
    {"WIRED TO", "wired_to", FORMAT_LIST},
    {NULL},
};

static const Column volume_columns[] = {
    {"SLOT", "slot"}, {"VOLUME", "volume"}, {"MOUNT", "mount"}, {"READ ONLY", "read_only", FORMAT_FLAG},
    {NULL},
};

int
cmd_instance_list (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = cli_path ("/applications/%s/instances", options_word (cli->options, 0), NULL);
    g_autoptr (json_t) list = cli_list (cli, path, &error);
    if (list == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, list);
    else
        print_table (stdout, list_columns, json_object_get (list, "items"), "no instances");
    return 0;
}

static char *
instance_path (Cli *cli, const char *tail, GError **error)
{
    g_auto (Target) target = {0};
    if (!target_parse_instance (options_word (cli->options, 0), &target, error))
        return NULL;
    g_autofree char *path = cli_path ("/applications/%s/instances/%s", target.application, target.instance);
    return g_strconcat (path, tail, NULL);
}

static void
print_member (const json_t *member)
{
    print_fields (stdout, fields, member);
    json_t *nics = json_object_get (member, "nics");
    json_t *volumes = json_object_get (member, "volumes");
    if (json_array_size (nics) > 0) {
        printf ("\n");
        print_table (stdout, nic_columns, nics, NULL);
    }
    if (json_array_size (volumes) > 0) {
        printf ("\n");
        print_table (stdout, volume_columns, volumes, NULL);
    }
}

int
cmd_instance_show (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = instance_path (cli, "", &error);
    g_autoptr (json_t) answer = path ? cli_get (cli, path, &error) : NULL;
    if (answer == NULL)
        return cli_fail (cli, error);
    json_t *items = json_object_get (answer, "items");
    if (cli->json) {
        print_json (stdout, answer);
    } else if (json_is_array (items)) { /* a tier: its members */
        size_t index;
        json_t *member;
        json_array_foreach (items, index, member) {
            if (index > 0)
                printf ("\n----\n\n");
            print_member (member);
        }
    } else {
        print_member (answer);
    }
    return 0;
}

static int
act (Cli *cli, const char *action, const char *done)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) job = NULL;
    g_autoptr (json_t) answer = NULL;
    g_autofree char *path = instance_path (cli, "/actions", &error);
    if (path == NULL)
        return cli_fail (cli, error);
    g_autoptr (json_t) body = json_pack ("{s:s}", "action", action);
    GError *failure = NULL;
    json_t *given = cli_post (cli, path, body, &failure);
    int code = cli_changed (cli, given, failure, &job, &answer);
    if (cli->json && answer != NULL)
        print_json (stdout, job ? job : answer);
    else if (code == 0 && answer != NULL && !(cli->no_wait && json_str (answer, "job", NULL)))
        printf ("%s %s\n", options_word (cli->options, 0), done);
    return code;
}

int
cmd_instance_start (Cli *cli)
{
    return act (cli, "start", "is started");
}

int
cmd_instance_stop (Cli *cli)
{
    return act (cli, "stop", "is stopped");
}

int
cmd_instance_restart (Cli *cli)
{
    /* A kill is what happens to a machine: the grid notices it and acts, no job of ours. */
    if (options_flag (cli->options, "kill"))
        return act (cli, "kill", "is powered off; the grid starts it again");
    return act (cli, "restart", "is restarted");
}
