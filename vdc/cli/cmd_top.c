/* vdc top: the busiest instances, again and again on a terminal. */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <stdio.h>
#include <unistd.h>

#define CLEAR_SCREEN "\033[H\033[J"

static char *
top_path (Cli *cli, GError **error)
{
    const char *sort = options_value (cli->options, "sort"), *application = options_word (cli->options, 0);
    gint64 limit;
    g_autofree char *escaped = application != NULL ? http_escape (application) : NULL;
    g_autofree char *sort_escaped = sort != NULL ? http_escape (sort) : NULL;
    if (!options_int (cli->options, "limit", 1, 10000, 20, &limit, error))
        return NULL;
    return g_strdup_printf ("/top?limit=%" G_GINT64_FORMAT "%s%s%s%s", limit,
                            escaped != NULL ? "&application=" : "", escaped != NULL ? escaped : "",
                            sort != NULL ? "&sort=" : "", sort != NULL ? sort_escaped : "");
}

static void
print_top (json_t *answer)
{
    static const Column columns[] = {
        {"APPLICATION", "application"},
        {"INSTANCE", "instance"},
        {"STATE", "state"},
        {"SERVER", "server"},
        {"CPU", "cpu_text"},
        {"MEMORY", "memory", FORMAT_BYTES},
        {"RECEIVED/S", "received", FORMAT_BYTES},
        {"SENT/S", "sent", FORMAT_BYTES},
        {"DROPPED/S", "dropped"},
        {NULL},
    };
    json_t *items = json_object_get (answer, "items"), *item;
    gsize i;
    json_array_foreach (items, i, item) {
        g_autofree char *cpu = json_is_number (json_object_get (item, "cpu"))
                                   ? g_strdup_printf ("%.1f%%", 100 * json_num (item, "cpu", 0))
                                   : g_strdup ("-");
        json_put (item, "cpu_text", json_string (cpu));
    }
    print_table (stdout, columns, items, "nothing runs, or nothing was measured yet (that takes some 20 s)");
}

int
cmd_top (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    gint64 interval_s;
    gboolean again = isatty (STDOUT_FILENO) && !cli->json && !options_flag (cli->options, "once");
    g_autofree char *path = top_path (cli, &error);
    if (path == NULL || !options_int (cli->options, "interval", 1, 3600, 5, &interval_s, &error))
        return cli_fail (cli, error);
    for (;;) {
        g_autoptr (json_t) answer = cli_get (cli, path, &error);
        if (answer == NULL)
            return cli_fail (cli, error);
        if (again)
            fputs (CLEAR_SCREEN, stdout);
        if (cli->json)
            print_json (stdout, answer);
        else
            print_top (answer);
        fflush (stdout);
        if (!again)
            return 0;
        cli_wait_ms ((guint)interval_s * 1000);
    }
}
