/*
 * vdc support: what somebody far away needs to find out what is wrong.
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/print.h"

#include "vdc/base/file.h"

#include <stdio.h>
#include <string.h>

static char *
usual_name (void)
{
    g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
    return g_date_time_format (now, "vdc-support-%Y%m%d-%H%M%S.tar.gz");
}

static int
put_bundle (Cli *cli, const char *path, GBytes *bundle)
{
    g_autoptr (GError) error = NULL;
    gsize length;
    const void *data = g_bytes_get_data (bundle, &length);
    if (strcmp (path, "-") == 0)
        return fwrite (data, 1, length, stdout) == length ? 0 : 1;
    if (!file_replace (path, data, length, 0600, &error))
        return cli_fail (cli, error);
    if (cli->json) {
        g_autoptr (json_t) result = json_pack ("{s:s, s:I}", "file", path, "size_bytes", (json_int_t)length);
        print_json (stdout, result);
    } else
        printf ("%s: look through it before you give it away\n", path);
    return 0;
}

int
cmd_support_bundle (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    const char *out = options_value (cli->options, "out");
    g_autofree char *path = out != NULL ? g_strdup (out) : usual_name ();
    g_autofree char *url = cli_url (cli, &error, "/support/bundle");
    const HttpCallOptions options = {.accept = "*/*"};
    g_autoptr (GBytes) bundle =
        url != NULL ? http_client_call_bytes (cli->client, "GET", url, &options, NULL, &error) : NULL;
    return bundle != NULL ? put_bundle (cli, path, bundle) : cli_fail (cli, error);
}
