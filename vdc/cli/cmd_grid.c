/*
 * vdc volume, server, network: lists and single objects.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include <stdio.h>
#include <string.h>

static int
list (Cli *cli, const char *path, const Column *columns, const char *none)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) answer = cli_list (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        print_table (stdout, columns, json_object_get (answer, "items"), none);
    return 0;
}

/* NULL when it was printed as JSON or failed: then *@code is set. */
static json_t *
fetch (Cli *cli, const char *format, int *code)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = cli_path (format, options_word (cli->options, 0), NULL);
    g_autoptr (json_t) object = cli_get (cli, path, &error);
    *code = object ? 0 : cli_fail (cli, error);
    if (object == NULL)
        return NULL;
    if (!cli->json)
        return g_steal_pointer (&object);
    print_json (stdout, object);
    return NULL;
}

static void
print_section (const Column *columns, const json_t *items)
{
    if (json_array_size (items) == 0)
        return;
    printf ("\n");
    print_table (stdout, columns, items, NULL);
}

/* --- volumes ------------------------------------------------------------------------------------------- */

int
cmd_volume_list (Cli *cli)
{
    static const Column columns[] = {
        {"NAME", "name"},
        {"ID", "id"},
        {"SIZE", "size_bytes", FORMAT_BYTES},

        {"STATE", "state"},
        {"APPLICATION", "application"},
        {"USED BY", "used_by", FORMAT_LIST},
        {"SERVER", "server"},
        {NULL},
    };
    return list (cli, "/volumes", columns, "no volumes");
}

int
cmd_volume_show (Cli *cli)
{
    static const Column fields[] = {
        {"Volume", "name"},
        {"Id", "id"},
        {"State", "state"},
        {"Size", "size_bytes", FORMAT_BYTES},

        {"Application", "application"},
        {"Used by", "used_by", FORMAT_LIST},

        {"Server", "server"},

        {"Created", "created", FORMAT_TIME},
        {"Error", "error.message"},
        {"What to do", "error.remedy"},
        {NULL},
    };
    int code;
    g_autoptr (json_t) volume = fetch (cli, "/volumes/%s", &code);
    if (volume != NULL)
        print_fields (stdout, fields, volume);
    return code;
}

int
cmd_volume_create (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0), *size = options_value (cli->options, "size");
    guint64 bytes = 0;
    if (size == NULL)
        return cli_usage (cli, "--size is needed, such as --size 2G");
    if (!print_parse_bytes (size, &bytes, &error))
        return cli_fail (cli, error);
    g_autoptr (json_t) body =
        json_pack ("{s:s, s:s, s:I}", "name", name, "size", size, "size_bytes", (json_int_t)bytes);
    g_autoptr (json_t) volume = cli_post (cli, "/volumes", body, &error);
    if (volume == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, volume);
    else
        printf ("volume %s is made\n", name);
    return 0;
}

int
cmd_volume_destroy (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0);
    g_autofree char *question = g_strdup_printf (
        "This destroys volume %s; the trash keeps it for a while.\nType its name to go on: ", name);
    if (!options_flag (cli->options, "yes") && !cli_ask_name (question, name)) {
        fprintf (stderr, "vdc: nothing was done; give --yes to destroy without being asked\n");
        return 4;
    }
    g_autofree char *path = cli_path ("/volumes/%s", name, NULL);
    g_autoptr (json_t) answer = cli_delete (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("%s is in the trash; 'vdc trash restore %s' brings it back\n", name, name);
    return 0;
}

/* --- servers, networks --------------------------------------------------------------------------- */

int
cmd_server_list (Cli *cli)
{
    static const Column columns[] = {
        {"NAME", "name"},
        {"STATE", "state"},
        {"ACCEL", "accel"},
        {"CPUS", "cpus"},
        {"MEMORY", "memory_bytes", FORMAT_BYTES},
        {"FREE", "memory_free_bytes", FORMAT_BYTES},
        {"DISK FREE", "disk_free_bytes", FORMAT_BYTES},
        {"INSTANCES", "instances"},
        {NULL},
    };
    return list (cli, "/servers", columns, "no servers");
}

int
cmd_server_show (Cli *cli)
{
    static const Column fields[] = {
        {"Server", "name"},
        {"State", "state"},

        {"URL", "url"},
        {"Address", "address"},
        {"Silent for (ms)", "silence_ms"},
        {"Instances", "instances"},
        {"Boot id", "boot_id"},
        {"Agent", "agent_version"},
        {"Acceleration", "accel"},
        {"Because", "accel_reason"},
        {"CPUs", "cpus"},
        {"Memory", "memory_bytes", FORMAT_BYTES},
        {"Memory free", "memory_free_bytes", FORMAT_BYTES},
        {"Memory promised", "memory_reserved_bytes", FORMAT_BYTES},
        {"Disk", "disk_bytes", FORMAT_BYTES},
        {"Disk free", "disk_free_bytes", FORMAT_BYTES},
        {"QEMU", "qemu"},
        {"libvirt", "libvirt"},
        {"Kernel", "kernel"},
        {"MTU", "mtu"},
        {NULL},
    };
    int code;
    g_autoptr (json_t) server = fetch (cli, "/servers/%s", &code);
    if (server != NULL)
        print_fields (stdout, fields, server);
    return code;
}

int
cmd_server_remove (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *name = options_word (cli->options, 0);
    g_autofree char *path = cli_path ("/servers/%s", name, NULL);
    g_autofree char *question =
        g_strdup_printf ("The grid forgets server %s.\nType its name to go on: ", name);
    if (!options_flag (cli->options, "yes") && !cli_ask_name (question, name)) {
        fprintf (stderr, "vdc: nothing was done; give --yes to remove without being asked\n");
        return 4;
    }
    g_autoptr (json_t) answer = cli_delete (cli, path, &error);
    if (answer == NULL)
        return cli_fail (cli, error);
    if (cli->json)
        print_json (stdout, answer);
    else
        printf ("the grid knows server %s no more; end its agent\n", name);
    return 0;
}

static const Column network_columns[] = {
    {"NAME", "name"},
    {"MODE", "mode"},
    {"SUBNET", "subnet"},
    {"GATEWAY", "gateway"},
    {"ADDRESSES", "addresses"},
    {"PUBLISHED ON", "publish"},
    {"USED", "used", FORMAT_COUNT},
    {NULL},
};

int
cmd_network_list (Cli *cli)
{
    return list (cli, "/networks", network_columns, "no outside networks");
}

static json_t *
with_published_text (const json_t *used)
{
    json_t *rows = json_array ();
    size_t index, p;
    json_t *item, *port;
    json_array_foreach (used, index, item) {
        g_autoptr (GString) text = g_string_new (NULL);
        json_array_foreach (json_object_get (item, "published"), p, port)
            g_string_append_printf (text, "%s%" G_GINT64_FORMAT " on 127.0.0.1:%" G_GINT64_FORMAT,
                                    text->len ? ", " : "", json_int (port, "port", 0),
                                    json_int (port, "local_port", 0));
        json_t *row = json_copy (item);
        json_put (row, "text", json_string (text->str));
        json_array_append_new (rows, row);
    }
    return rows;
}

int
cmd_network_show (Cli *cli)
{
    static const Column fields[] = {
        {"Network", "name"},
        {"Mode", "mode"},
        {"Subnet", "subnet"},
        {"Gateway", "gateway"},
        {"Addresses", "addresses"},
        {"Published on", "publish"},
        {NULL},
    };
    static const Column used[] = {
        {"ADDRESS", "address"},
        {"APPLICATION", "application"},
        {"MEMBER", "member"},
        {"PUBLISHED", "text"},
        {NULL},
    };
    int code;
    g_autoptr (json_t) network = fetch (cli, "/networks/%s", &code);
    if (network == NULL)
        return code;
    print_fields (stdout, fields, network);
    g_autoptr (json_t) rows = with_published_text (json_object_get (network, "used"));
    print_section (used, rows);
    return 0;
}
