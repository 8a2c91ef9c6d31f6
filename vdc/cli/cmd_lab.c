/*
 * vdc lab: a grid on this machine. The work is in vdc/lab; here are the words.
 */
#include "vdc/base/error.h"
#include "vdc/base/json.h"
#include "vdc/cli/commands.h"
#include "vdc/lab/lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: vdc lab up     [--name NAME] [--servers 1] [--api-port PORT] [--publish FIRST-LAST] [--json]\n"
    "       vdc lab down   [--name NAME] [--now] [--purge]\n"
    "       vdc lab status [--name NAME] [--json]\n"
    "       vdc lab link   [--name NAME]\n"
    "       vdc lab kill   [--name NAME] SERVER\n"
    "       vdc lab start  [--name NAME] SERVER\n"
    "\n"
    "A whole grid on this machine, inside namespaces: a controller and a server with real VMs. Only its API "
    "and the\n"
    "published ports of its applications are seen outside, on 127.0.0.1. Needs root.\n"
    "\n"
    "up      start it and wait until it answers; applications that ran at 'lab down' are started again\n"
    "down    stop the applications in their order, then everything; --now powers them off instead;\n"
    "        --purge also removes the lab's folder with all volumes\n"
    "link    the console's address with the token in it: whoever has it may do everything\n"
    "kill    cut the power of a server; start gives it back\n"
    "\n"
    "Examples:\n"
    "  vdc lab up\n"
    "  vdc lab up --name second --api-port 9443\n"
    "  vdc lab status --json\n"
    "  vdc lab down --purge\n"
    "\n"
    "Files: /var/lib/vdc/lab/NAME, or VDC_LAB_DIR. Logs of all daemons are in its folder log/.\n";

typedef struct {
    char *name, *publish, **words;
    int servers, api_port;
    gboolean now, purge, json;
} LabOptions;

static void
lab_options_clear (LabOptions *options)
{
    g_free (options->name);
    g_free (options->publish);
    g_strfreev (options->words);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LabOptions, lab_options_clear)

static int
fail (const GError *error)
{
    fprintf (stderr, "vdc lab: %s\n", error->message);
    return vdc_error_exit_code (error);
}

static int
fail_usage (const char *message)
{
    fprintf (stderr, "vdc lab: %s\nTry: vdc lab --help\n", message);
    return 2;
}

static gboolean
parse (int argc, char **argv, LabOptions *options, GError **error)
{
    const GOptionEntry entries[] = {
        {"name", 'n', 0, G_OPTION_ARG_STRING, &options->name, NULL, NULL},
        {"servers", 0, 0, G_OPTION_ARG_INT, &options->servers, NULL, NULL},
        {"api-port", 0, 0, G_OPTION_ARG_INT, &options->api_port, NULL, NULL},
        {"publish", 0, 0, G_OPTION_ARG_STRING, &options->publish, NULL, NULL},
        {"now", 0, 0, G_OPTION_ARG_NONE, &options->now, NULL, NULL},
        {"purge", 0, 0, G_OPTION_ARG_NONE, &options->purge, NULL, NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, NULL, NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->words, NULL, NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr (GOptionContext) context = g_option_context_new (NULL);
    g_option_context_add_main_entries (context, entries, NULL);
    g_option_context_set_help_enabled (context, FALSE);
    return g_option_context_parse (context, &argc, &argv, error);
}

static gboolean
read_port (const char *text, const char *end_at, guint16 *port)
{
    char *end = NULL;
    guint64 value = g_ascii_strtoull (text, &end, 10);
    if (end == text || strcmp (end, end_at) != 0 || value < 1 || value > 65535)
        return FALSE;
    *port = (guint16)value;
    return TRUE;
}

static gboolean
wanted_settings (const LabOptions *options, LabSettings *wanted)
{
    if (options->api_port < 0 || options->api_port > 65535)
        return FALSE;
    wanted->api_port = (guint16)options->api_port;
    if (options->publish == NULL)
        return TRUE;
    g_auto (GStrv) parts = g_strsplit (options->publish, "-", 2);
    return parts[0] != NULL && parts[1] != NULL && read_port (parts[0], "", &wanted->publish_first) &&
           read_port (parts[1], "", &wanted->publish_last) && wanted->publish_first <= wanted->publish_last;
}

static void
show_progress (const char *text, gpointer unused)
{
    fprintf (stderr, "%s …\n", text);
}

static void
print_published (const json_t *lab)
{
    size_t i;
    json_t *entry;
    json_array_foreach (json_object_get (lab, "published"), i, entry) {
        const char *error = json_str (entry, "error", NULL);
        printf ("published  %s:%s  http://127.0.0.1:%d/%s%s\n", json_str (entry, "application", "?"),
                json_str (entry, "member", "?"), (int)json_int (entry, "local_port", 0), error ? "  " : "",
                error ? error : "");
    }
}

static void
print_status (const json_t *lab)
{
    size_t i;
    json_t *machine;
    printf ("lab        %s  %s\n", json_str (lab, "name", "?"), json_str (lab, "state", "?"));
    printf ("folder     %s\n", json_str (lab, "folder", "?"));
    json_array_foreach (json_object_get (lab, "machines"), i, machine)
        printf ("machine    %-4s %-4s %-14s %d processes\n", json_str (machine, "name", "?"),
                json_str (machine, "state", "?"), json_str (machine, "address", "?"),
                (int)json_array_size (json_object_get (machine, "processes")));
    print_published (lab);
    if (json_str (lab, "url", NULL) != NULL)
        printf ("console    %s/\n", json_str (lab, "url", ""));
}

static int
print_result (json_t *result, gboolean as_json, const GError *error)
{
    g_autoptr (json_t) owned = result;
    if (owned == NULL)
        return fail (error);
    if (as_json) {
        g_autofree char *text = json_pretty (owned);
        puts (text);
    } else {
        print_status (owned);
    }
    return 0;
}

static void
on_interrupt (int number)
{
    static const char text[] = "\nvdc lab: no longer waiting; it goes on, 'vdc lab status' shows it\n";
    ssize_t ignored = write (STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit (130);
}

static int
up (const LabPaths *paths, const LabOptions *options)
{
    g_autoptr (GError) error = NULL;
    LabSettings wanted = {0, 0, 0, NULL};
    if (options->servers != 1)
        return fail_usage ("--servers: a lab has one server in this version");
    if (!wanted_settings (options, &wanted))
        return fail_usage ("--api-port takes a port, --publish two: --publish 20080-20999");
    signal (SIGINT, on_interrupt);
    json_t *result = lab_up (paths, &wanted, show_progress, NULL, &error);
    return print_result (result, options->json, error);
}

static int
status (const LabPaths *paths, const LabOptions *options)
{
    g_autoptr (GError) error = NULL;
    json_t *result = lab_status (paths, &error);
    return print_result (result, options->json, error);
}

static int
down (const LabPaths *paths, const LabOptions *options)
{
    g_autoptr (GError) error = NULL;
    signal (SIGINT, on_interrupt);
    if (!lab_down (paths, options->now, options->purge, show_progress, NULL, &error))
        return fail (error);
    return 0;
}

static int
print_link (const LabPaths *paths)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *file = g_build_filename (paths->client, "token", NULL);
    g_autofree char *token = NULL;
    g_autoptr (json_t) lab = lab_status (paths, &error);
    const char *url = lab != NULL ? json_str (lab, "url", NULL) : NULL;
    if (lab != NULL && url == NULL)
        error = g_error_new (VDC_ERROR, VDC_ERROR_UNREACHABLE, "lab %s is not up: vdc lab up", paths->name);
    if (error != NULL || !g_file_get_contents (file, &token, NULL, &error))
        return fail (error);
    g_autofree char *escaped = g_uri_escape_string (g_strstrip (token), NULL, FALSE);
    printf ("%s/#token=%s\n", url, escaped);
    return 0;
}

static int
power (const LabPaths *paths, const char *server, gboolean on)
{
    g_autoptr (GError) error = NULL;
    if (server == NULL)
        return fail_usage ("which server? vdc lab status shows them");
    return lab_power (paths, server, on, &error) ? 0 : fail (error);
}

static int
run (const LabPaths *paths, const LabOptions *options)
{
    const char *verb = options->words[0];
    if (strcmp (verb, "up") == 0)
        return up (paths, options);
    if (strcmp (verb, "down") == 0)
        return down (paths, options);
    if (strcmp (verb, "status") == 0)
        return status (paths, options);
    if (strcmp (verb, "link") == 0)
        return print_link (paths);
    if (strcmp (verb, "kill") == 0 || strcmp (verb, "start") == 0)
        return power (paths, options->words[1], strcmp (verb, "start") == 0);
    return fail_usage ("no such command; there are up, down, status, link, kill, start");
}

int
cmd_lab (int argc, char **argv)
{
    g_auto (LabOptions) options = {.servers = 1};
    g_autoptr (GError) error = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            fputs (usage, stdout);
            return 0;
        }
    if (!parse (argc, argv, &options, &error))
        return fail_usage (error->message);
    if (options.words == NULL) {
        fputs (usage, stderr);
        return 2;
    }
    g_autoptr (LabPaths) paths = lab_paths_new (options.name ? options.name : "default", &error);
    return paths != NULL ? run (paths, &options) : fail (error);
}
