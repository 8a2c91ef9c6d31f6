/*
 * vdc job: long operations, seen, awaited, taken back, repeated.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <stdio.h>
#include <string.h>

int
cmd_job_list (Cli *cli)
{
    static const Column columns[] = {
        {"ID", "id"},
        {"KIND", "kind"},
        {"APPLICATION", "application"},
        {"STATE", "state"},
        {"PROGRESS", "progress"},
        {"BY", "user"},
        {"CREATED", "created", FORMAT_TIME},
        {"ENDED", "ended", FORMAT_TIME},
        {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer = cli_list (cli, "/jobs", &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        print_table (stdout, columns, json_object_get (answer, "items"), "no jobs");
    return 0;
}

static void
print_job (const json_t *job)
{
    static const Column fields[] = {
        {"Job", "id"},
        {"Kind", "kind"},
        {"Application", "application"},
        {"Asked for by", "user"},
        {"Repeats", "retry_of"},
        {"State", "state"},
        {"Cancelling", "cancelling", FORMAT_FLAG},
        {"Progress", "progress"},
        {"Seconds left, about", "eta_s"},
        {"Created", "created", FORMAT_TIME},
        {"Ended", "ended", FORMAT_TIME},
        {"Error", "error.message"},
        {"What to do", "error.remedy"},
        {NULL},
    };
    static const Column steps[] = {{"NO", "number"}, {"STEP", "name"},           {"STATE", "state"},
                                   {"TEXT", "text"}, {"WHEN CANCELLED", "undo"}, {NULL}};
    print_fields (stdout, fields, job);
    printf ("\n");
    print_table (stdout, steps, json_object_get (job, "steps"), "no steps");
}

int
cmd_job_show (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = cli_path ("/jobs/%s", options_word (cli->options, 0), NULL);
    g_autoptr (json_t) job = cli_get (cli, path, &error);
    if (job == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, job);
    else
        print_job (job);
    return 0;
}

int
cmd_job_logs (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = cli_path ("/jobs/%s/log", options_word (cli->options, 0), NULL);
    g_autoptr (json_t) answer = cli_list (cli, path, &error);
    json_t *line;
    size_t i;
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json) {
        print_json (stdout, answer);
        return 0;
    }
    json_array_foreach (json_object_get (answer, "items"), i, line) {
        g_autofree char *time = print_cell (line, "time", FORMAT_TIME);
        g_autofree char *text = print_clean (json_str (line, "text", ""));
        printf ("%s  %s\n", time, text);
    }
    return 0;
}

int
cmd_job_wait (Cli *cli)
{
    g_autoptr (json_t) job = NULL;
    int code = cli_follow_job (cli, options_word (cli->options, 0), &job);
    if (cli->json && job != NULL)
        print_json (stdout, job);
    return code;
}

static int
act (Cli *cli, const char *action)
{
    g_autofree char *path = cli_path ("/jobs/%s/actions", options_word (cli->options, 0), NULL);
    g_autoptr (json_t) job = NULL;
    g_autoptr (json_t) answer = NULL;
    int code = cli_change (cli, path, json_pack ("{s:s}", "action", action), &job, &answer);
    if (cli->json && answer != NULL)
        print_json (stdout, job != NULL ? job : answer);
    return code;
}

int
cmd_job_cancel (Cli *cli)
{
    cli->cancels = TRUE;
    return act (cli, "cancel");
}

int
cmd_job_retry (Cli *cli)
{
    return act (cli, "retry");
}
