/*
 * vdc trash: what was destroyed and can be restored.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <stdio.h>
#include <string.h>

int
cmd_trash_list (Cli *cli)
{
    static const Column columns[] = {
        {"NAME", "name"},
        {"KIND", "kind"},
        {"ID", "id"},
        {"WHY", "why"},
        {"SIZE", "size_bytes", FORMAT_BYTES},
        {"VOLUMES", "volumes", FORMAT_COUNT},
        {"SINCE", "trashed", FORMAT_TIME},
        {"UNTIL", "expires", FORMAT_TIME},
        {NULL},
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = cli_list (cli, "/trash", &error);
    if (list == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, list);
    else
        print_table (stdout, columns, json_object_get (list, "items"), "the trash is empty");
    return 0;
}

static int
finish_restore (Cli *cli, int code, const json_t *job, const json_t *answer)
{
    const char *as = options_value (cli->options, "as");
    const json_t *result = job ? job : answer;
    if (cli->json && result != NULL)
        print_json (stdout, result);
    if (cli->json || code != 0 || (cli->no_wait && json_str (answer, "job", NULL) != NULL))
        return code;
    const char *name = as ? as : json_str (job, "application", json_str (answer, "name", ""));
    printf (job ? "%s is back; 'vdc app start %s' starts it\n" : "volume %s is back\n", name, name);
    return code;
}

int
cmd_trash_restore (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) job = NULL;
    g_autoptr (json_t) answer = NULL;
    json_t *body = json_object ();
    const char *as = options_value (cli->options, "as");
    g_autofree char *path = cli_path ("/trash/%s/restore", options_word (cli->options, 0), NULL);
    if (as != NULL)
        json_put (body, "as", json_str_new (as));
    if (options_flag (cli->options, "confirm"))
        json_put (body, "confirm", json_true ());
    int code = cli_change (cli, path, body, &job, &answer);
    return finish_restore (cli, code, job, answer);
}

int
cmd_trash_empty (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0);
    const char *expected = name ? name : "trash";
    g_autofree char *path = name ? cli_path ("/trash/%s", name, NULL) : g_strdup ("/trash");
    g_autofree char *question =
        name ? g_strdup_printf ("This erases %s with all its data, for good.\nType its name to go on: ", name)
             : g_strdup ("This erases everything in the trash, for good.\nType 'trash' to go on: ");
    if (!options_flag (cli->options, "yes") && !cli_ask_name (question, expected)) {
        fprintf (stderr, "vdc: nothing was done; give --yes to erase without being asked\n");
        return 4;
    }
    g_autoptr (json_t) answer = cli_delete (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("erased: %zu\n", json_array_size (json_object_get (answer, "removed")));
    return 0;
}
