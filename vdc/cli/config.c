#include "vdc/cli/config.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/id.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_LAB "default"
#define LAB_ROOT "/var/lib/vdc/lab"

void
config_free (Config *config)
{
    if (config == NULL)
        return;
    g_free (config->url);
    g_free (config->token);
    g_free (config->ca_file);
    g_free (config);
}

static char *
from_environment (const char *name)
{
    const char *value = g_getenv (name);
    return value && *value ? g_strdup (value) : NULL;
}

static char *
read_line (const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    char *text = NULL;
    if (!g_file_get_contents (path, &text, NULL, NULL))
        return NULL;
    return g_strstrip (text);
}

static void
fill_from (Config *config, const char *folder)
{
    g_autofree char *ca = g_build_filename (folder, "ca.crt", NULL);
    if (config->url == NULL)
        config->url = read_line (folder, "url");
    if (config->token == NULL)
        config->token = read_line (folder, "token");
    if (config->ca_file == NULL && g_file_test (ca, G_FILE_TEST_EXISTS))
        config->ca_file = g_steal_pointer (&ca);
}

/* VDC_LAB_DIR is the folder of the lab itself. */
static char *
lab_client_folder (const char *name)
{
    g_autofree char *given = from_environment ("VDC_LAB_DIR");
    return given ? g_build_filename (given, "client", NULL)
                 : g_build_filename (LAB_ROOT, name, "client", NULL);
}

static gboolean
load_lab (Config *config, const char *name, GError **error)
{
    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' is no name of a lab: %s", name,
                     id_name_rule ());
        return FALSE;
    }
    g_autofree char *folder = lab_client_folder (name);
    fill_from (config, folder);
    if (config->url != NULL)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE,
                 "there is no lab '%s' that is up (nothing readable in %s); 'vdc lab up' starts one, as root",
                 name, folder);
    return FALSE;
}

static char *
login_folder (void)
{
    return g_build_filename (g_get_user_config_dir (), "vdc", "login", NULL);
}

/* A token goes only to the grid that gave it. */
static void
load_login (Config *config)
{
    g_autofree char *folder = login_folder ();
    g_autofree char *url = read_line (folder, "url");
    if (url != NULL && config->token == NULL && (config->url == NULL || strcmp (config->url, url) == 0))
        fill_from (config, folder);
}

static void
load_user (Config *config)
{
    g_autofree char *folder = g_build_filename (g_get_user_config_dir (), "vdc", NULL);
    config->token = from_environment ("VDC_TOKEN");
    config->ca_file = from_environment ("VDC_CA");
    load_login (config);
    fill_from (config, folder);
    if (config->url != NULL || geteuid () != 0)
        return;
    /* The lab's URL goes with the lab's token only. */
    g_clear_pointer (&config->token, g_free);
    g_clear_pointer (&config->ca_file, g_free);
    load_lab (config, DEFAULT_LAB, NULL);
}

Config *
config_load (const char *lab, GError **error)
{
    g_autoptr (Config) config = g_new0 (Config, 1);
    if (lab != NULL) {
        if (!load_lab (config, lab, error))
            return NULL;
    } else {
        config->url = from_environment ("VDC_URL");
        load_user (config);
    }
    if (config->url == NULL || *config->url == '\0') {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_UNREACHABLE,
            "no grid is known: set VDC_URL, VDC_TOKEN and VDC_CA, or write ~/.config/vdc/url, token and "
            "ca.crt, or start one on this machine: vdc lab up");
        return NULL;
    }
    while (g_str_has_suffix (config->url, "/"))
        config->url[strlen (config->url) - 1] = '\0';
    return g_steal_pointer (&config);
}

/* --- the login --------------------------------------------------------------------------------------------- */

static gboolean
keep (const char *folder, const char *name, const char *text, gsize length, GError **error)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    return file_replace (path, text, length, 0600, error);
}

gboolean
config_keep_login (const Config *config, const char *token, GError **error)
{
    g_autofree char *folder = login_folder (), *ca = NULL;
    gsize length = 0;
    if (config->ca_file != NULL && !g_file_get_contents (config->ca_file, &ca, &length, error))
        return FALSE;
    /* The token last: before it the others are of no use. */
    return file_make_folder (folder, 0700, error) && config_drop_login (error) &&
           (ca == NULL || keep (folder, "ca.crt", ca, length, error)) &&
           keep (folder, "url", config->url, strlen (config->url), error) &&
           keep (folder, "token", token, strlen (token), error);
}

gboolean
config_drop_login (GError **error)
{
    static const char *const names[] = {"token", "url", "ca.crt"};
    g_autofree char *folder = login_folder ();
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *path = g_build_filename (folder, names[i], NULL);
        if (g_file_test (path, G_FILE_TEST_EXISTS) && !file_remove (path, error))
            return FALSE;
    }
    return TRUE;
}
