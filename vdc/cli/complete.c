/*
 * What the shell's completion asks: `vdc __complete WORD… LAST` prints what LAST may become. Command and
 * option names come from the table, names of things from the controller; without one there are simply none of
 * those.
 */
#include "vdc/cli/commands.h"

#include <stdio.h>
#include <string.h>

static const char script[] =
    "# bash completion of vdc: source it, or put it into /usr/share/bash-completion/completions/vdc\n"
    "_vdc ()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} current before reply words\n"
    "    # Not COMP_WORDS: readline splits there at ':', and vdc wants the whole word.\n"
    "    read -ra words <<< \"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
    "    current=${words[-1]}\n"
    "    before=\n"
    "    # What stands before the last ':' readline keeps, so it must not come again.\n"
    "    [[ $COMP_WORDBREAKS == *:* ]] && before=${current%\"${current##*:}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r reply; do\n"
    "        COMPREPLY+=(\"${reply#\"$before\"}\")\n"
    "    done < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2> /dev/null)\n"
    "    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace\n"
    "}\n"
    "complete -o default -F _vdc vdc\n";

int
cmd_completion (Cli *cli)
{
    const char *shell = options_word (cli->options, 0);
    if (shell != NULL && strcmp (shell, "bash") != 0)
        return cli_usage (cli, "only bash is known");
    fputs (script, stdout);
    return 0;
}

static void
offer (const char *candidate, const char *typed)
{
    if (g_str_has_prefix (candidate, typed))
        printf ("%s\n", candidate);
}

/* --- words of the table -------------------------------------------------------------------------------- */

static void
offer_words (const char *before, const char *typed)
{
    g_autofree char *last = NULL;
    gsize length = strlen (before);
    for (const Command *command = commands; command->words != NULL; command++) {
        if (strncmp (command->words, before, length) != 0)
            continue;
        g_auto (GStrv) rest = g_strsplit (command->words + length, " ", 2);
        if (rest[0] == NULL || g_strcmp0 (last, rest[0]) == 0)
            continue;
        offer (rest[0], typed);
        g_free (last);
        last = g_strdup (rest[0]);
    }
}

static void
offer_options (const Command *command, const char *typed)
{
    for (const Option *option = command->options; option != NULL && option->name != NULL; option++) {
        g_autofree char *word = g_strconcat ("--", option->name, NULL);
        offer (word, typed);
    }
    offer ("--json", typed);
    offer ("--help", typed);
}

/* --- names of things ----------------------------------------------------------------------------------- */

static void
offer_names (Cli *cli, const char *path, const char *key, const char *prefix, const char *suffix,
             const char *typed)
{
    g_autoptr (json_t) list = cli_get (cli, path, NULL);
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get (list, "items"), index, item) {
        const char *name = json_str (item, key, NULL);
        g_autofree char *word = name ? g_strconcat (prefix, name, suffix, NULL) : NULL;
        if (word != NULL)
            offer (word, typed);
    }
}

static void
offer_instances (Cli *cli, const char *typed)
{
    const char *colon = strchr (typed, ':');
    if (colon == NULL) {
        offer_names (cli, "/applications", "name", "", ":", typed);
        return;
    }
    g_autofree char *application = g_strndup (typed, (gsize)(colon - typed));
    g_autofree char *prefix = g_strconcat (application, ":", NULL);
    g_autofree char *path = cli_path ("/applications/%s/instances", application, NULL);
    offer_names (cli, path, "name", prefix, "", typed);
}

static void
offer_argument (Cli *cli, const char *kind, const char *typed)
{
    static const struct {
        const char *kind, *path, *key;
    } lists[] = {
        {"APP", "/applications", "name"},  {"CLASS", "/classes", "name"},    {"VOLUME", "/volumes", "name"},
        {"SERVER", "/servers", "name"},    {"NETWORK", "/networks", "name"}, {"JOB", "/jobs", "id"},
        {"TEMPLATE", "/catalogs", "name"}, {"TRASH", "/trash", "name"},
        {"USER", "/users", "name"},        {"TOKEN", "/tokens", "name"},
    };
    if (strcmp (kind, "APP:INSTANCE") == 0) {
        offer_instances (cli, typed);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
        if (strcmp (kind, lists[i].kind) == 0)
            offer_names (cli, lists[i].path, lists[i].key, "", "", typed);
}

/* "[FILE]" → "FILE" */
static char *
kind_of (const char *arguments, guint index)
{
    g_auto (GStrv) words = g_strsplit (arguments ? arguments : "", " ", -1);
    guint n = g_strv_length (words);
    if (index >= n)
        return g_strdup ("");
    char *kind = g_strdup (words[index] + (*words[index] == '['));
    g_strdelimit (kind, "]…", '\0');
    return kind;
}

static const Option *
option_of (const Command *command, const char *word)
{
    for (const Option *option = command->options; option != NULL && option->name != NULL; option++)
        if (g_str_has_prefix (word, "--") && strcmp (word + 2, option->name) == 0 && option->metavar != NULL)
            return option;
    return NULL;
}

int
cmd_complete (Cli *cli, int argc, char **argv)
{
    const char *typed = argc > 0 ? argv[argc - 1] : "";
    int used = 0;
    const Command *command = argc > 0 ? command_find (argc - 1, argv, &used) : NULL;
    if (command == NULL) {
        g_autoptr (GString) before = g_string_new (NULL);
        for (int i = 0; i + 1 < argc; i++)
            g_string_append_printf (before, "%s ", argv[i]);
        offer_words (before->str, typed);
        return 0;
    }
    guint position = 0;
    for (int i = used; i + 1 < argc; i++) {
        if (option_of (command, argv[i]) != NULL)
            i++;
        else if (argv[i][0] != '-')
            position++;
    }
    const Option *asking = argc >= 2 && argc - 2 >= used ? option_of (command, argv[argc - 2]) : NULL;
    g_autofree char *kind = asking ? g_strdup (asking->metavar) : kind_of (command->arguments, position);
    if (asking == NULL && typed[0] == '-')
        offer_options (command, typed);
    else
        offer_argument (cli, kind, typed);
    return 0;
}
