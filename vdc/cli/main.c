/*
 * vdc: the command line. Finds the command in the table, parses its options, runs it.
 */
#include "vdc/cli/help.h"
#include "vdc/model/problems.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gboolean
is_help (const char *word)
{
    return strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0 || strcmp (word, "help") == 0;
}

/* "app strat": says what was meant. */
static int
unknown (int argc, char **argv)
{
    g_autoptr (GPtrArray) known = g_ptr_array_new ();
    gboolean group = command_is_group (argv[0]);
    g_autofree char *typed =
        group && argc > 1 ? g_strconcat (argv[0], " ", argv[1], NULL) : g_strdup (argv[0]);
    if (group && (argc == 1 || is_help (argv[1]))) {
        help_overview (argc == 1 ? stderr : stdout, argv[0]);
        return argc == 1 ? 2 : 0;
    }
    for (const Command *command = commands; command->words != NULL; command++)
        g_ptr_array_add (known, (gpointer)command->words);
    g_ptr_array_add (known, NULL);
    const char *nearest = nearest_word (typed, (const char *const *)known->pdata);
    g_autofree char *shown = problem_quote (typed);
    fprintf (stderr, "vdc: there is no command %s", shown);
    fprintf (stderr, nearest ? " (did you mean '%s'?)\n" : "; 'vdc --help' lists them\n", nearest);
    return 2;
}

static int
run (const Command *command, int argc, char **argv)
{
    g_autoptr (GError) error = NULL;
    const Option *tables[] = {global_options, command->options ? command->options : global_options, NULL};
    Cli cli = {.command = command->words};
    cli.options = options_parse (argc, argv, tables, command->rest, &error);
    if (cli.options == NULL)
        return cli_usage (&cli, "%s", error->message);
    int code = 0;
    guint n = options_count (cli.options);
    cli.json = options_flag (cli.options, "json");
    cli.no_wait = options_flag (cli.options, "no-wait");
    cli.lab = options_value (cli.options, "lab");
    if (options_flag (cli.options, "help"))
        help_command (stdout, command);
    else if (n < command->min || n > command->max)
        code = cli_usage (&cli, "%s; usage: vdc %s %s",
                          n < command->min ? "something is missing" : "too many arguments", command->words,
                          command->arguments);
    else
        code = command->run (&cli);
    cli_clear (&cli);
    return code;
}

static int
complete (int argc, char **argv)
{
    Cli cli = {.command = "__complete"};
    int code = cmd_complete (&cli, argc, argv);
    cli_clear (&cli);
    return code;
}

/* "vdc --json app list" means "vdc app list --json". Returns the words in that order; free the array only. */
static char **
move_leading_options (int argc, char **argv)
{
    char **words = g_new0 (char *, (gsize)argc + 1);
    int leading = 0, at = 0;
    while (leading < argc &&
           (g_str_has_prefix (argv[leading], "--json") || g_str_has_prefix (argv[leading], "--lab")))
        leading += strcmp (argv[leading], "--lab") == 0 ? 2 : 1;
    leading = MIN (leading, argc);
    int used = 0;
    if (leading < argc && strcmp (argv[leading], "lab") == 0)
        used = 1;
    else if (command_find (argc - leading, argv + leading, &used) == NULL)
        leading = 0;
    for (int i = leading; i < leading + used; i++)
        words[at++] = argv[i];
    for (int i = 0; i < leading; i++)
        words[at++] = argv[i];
    for (int i = leading + used; i < argc; i++)
        words[at++] = argv[i];
    return words;
}

/* Started without one of them (<&-), the next file opened would pass for it. */
static void
open_standard_files (void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
            exit (EXIT_FAILURE);
}

static int
help_about (int argc, char **argv)
{
    int used = 0;
    const Command *command = command_find (argc, argv, &used);
    if (command == NULL && argc > 0 && command_is_group (argv[0])) {
        help_overview (stdout, argv[0]);
        return 0;
    }
    if (command == NULL)
        return unknown (argc, argv);
    help_command (stdout, command);
    return 0;
}

int
main (int argc, char **argv)
{
    open_standard_files ();
    setlocale (LC_ALL, "");
    g_set_prgname ("vdc");
    argc--;
    g_autofree char **words = move_leading_options (argc, argv + 1);
    if (argc == 0 || (argc == 1 && is_help (words[0]))) {
        help_overview (argc ? stdout : stderr, NULL);
        return argc ? 0 : 2;
    }
    if (strcmp (words[0], "--version") == 0) {
        printf ("vdc %s\n", VDC_VERSION);
        return 0;
    }
    if (strcmp (words[0], "help") == 0)
        return help_about (argc - 1, words + 1);
    if (strcmp (words[0], "__complete") == 0)
        return complete (argc - 1, words + 1);
    if (strcmp (words[0], "lab") == 0)
        return cmd_lab (argc, words);
    int used = 0;
    const Command *command = command_find (argc, words, &used);
    return command ? run (command, argc - used, words + used) : unknown (argc, words);
}
