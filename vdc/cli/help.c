#include "vdc/cli/help.h"

#include <string.h>

const Option global_options[] = {
    {"json", 0, NULL, "print JSON instead of a table"},
    {"lab", 0, "NAME", "talk to the lab of that name on this machine"},
    {"help", 'h', NULL, "this"},
    {NULL},
};

static void
print_options (FILE *file, const Option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        g_autofree char *letter =
            options->letter ? g_strdup_printf ("-%c, ", options->letter) : g_strdup ("    ");
        g_autofree char *name = options->metavar
                                    ? g_strdup_printf ("--%s %s", options->name, options->metavar)
                                    : g_strdup_printf ("--%s", options->name);
        fprintf (file, "  %s%-20s %s\n", letter, name, options->help);
    }
}

void
help_overview (FILE *file, const char *group)
{
    g_autofree char *prefix = group ? g_strconcat (group, " ", NULL) : NULL;
    if (group == NULL)
        fprintf (file, "vdc: a virtual data centre\n\n");
    fprintf (file, "Usage: vdc %s%sCOMMAND [OPTION…]\n\n", group ? group : "", group ? " " : "");
    for (const Command *command = commands; command->words != NULL; command++) {
        if (prefix != NULL && !g_str_has_prefix (command->words, prefix))
            continue;
        fprintf (file, "  %-18s %s\n", command->words, command->summary);
    }
    if (group != NULL) {
        fprintf (file, "\n'vdc %s COMMAND --help' shows arguments, options and examples.\n", group);
        return;
    }
    fprintf (file, "  %-18s %s\n", "lab", "A whole grid on this machine: up, down, status, link, kill, start");
    fprintf (file, "\nOptions of every command:\n");
    print_options (file, global_options);
    fprintf (
        file,
        "\n'vdc COMMAND --help' shows arguments, options and examples.\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage or description, 3 not found, 4 refused or conflict,\n"
        "5 not permitted, 6 unreachable, 7 result unknown.\n"
        "Environment: VDC_URL, VDC_TOKEN, VDC_CA; else ~/.config/vdc/{url,token,ca.crt}; root: the lab's.\n");
}

void
help_command (FILE *file, const Command *command)
{
    fprintf (file, "Usage: vdc %s%s%s [OPTION…]\n\n%s.\n", command->words, *command->arguments ? " " : "",
             command->arguments, command->summary);
    if (command->text != NULL)
        fprintf (file, "%s\n", command->text);
    fprintf (file, "\nOptions:\n");
    print_options (file, command->options);
    print_options (file, global_options);
    g_auto (GStrv) examples = g_strsplit (command->examples, "\n", -1);
    fprintf (file, "\nExamples:\n");
    for (guint i = 0; examples[i] != NULL; i++)
        fprintf (file, "  %s\n", examples[i]);
}
