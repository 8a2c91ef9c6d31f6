#include "vdc/lab/settings.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define API_PORT_FIRST 8443
#define API_PORT_TRIES 100
#define PUBLISH_FIRST 20080
#define PUBLISH_STEP 1000 /* a lab has 920 of each 1000 */
#define PUBLISH_TRIES 20

static gboolean
port_is_free (guint16 port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons (port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    int on = 1;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FALSE;
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    gboolean free_now = bind (fd, (struct sockaddr *)&address, sizeof address) == 0;
    close (fd);
    return free_now;
}

static json_t *
read_settings (const char *folder)
{
    g_autofree char *path = g_build_filename (folder, "lab.json", NULL);
    return g_file_test (path, G_FILE_TEST_EXISTS) ? json_parse_file (path, NULL) : NULL;
}

/* @key of the lab.json of every other lab in the usual place, running or not. */
static gboolean
claimed_elsewhere (const LabPaths *paths, const char *key, guint value)
{
    static const char labs[] = "/var/lib/vdc/lab";
    g_autoptr (GDir) dir = g_dir_open (labs, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *folder = g_build_filename (labs, name, NULL);
        g_autoptr (json_t) other = g_str_equal (folder, paths->folder) ? NULL : read_settings (folder);
        if (other != NULL && json_int (other, key, 0) == value)
            return TRUE;
    }
    return FALSE;
}

static guint16
choose (const LabPaths *paths, const char *key, guint first, guint step, guint tries)
{
    for (guint i = 0; i < tries; i++) {
        guint16 port = (guint16)(first + i * step);
        if (!claimed_elsewhere (paths, key, port) && port_is_free (port))
            return port;
    }
    return (guint16)first;
}

static gboolean
save (const LabPaths *paths, const LabSettings *settings, GError **error)
{
    g_autoptr (json_t) document =
        json_pack ("{s:i, s:i, s:i, s:s}", "api_port", (int)settings->api_port, "publish_first",
                   (int)settings->publish_first, "publish_last", (int)settings->publish_last, "server_uuid",
                   settings->server_uuid);
    g_autofree char *text = json_pretty (document);
    g_autofree char *path = lab_paths_join (paths, "lab.json");
    return file_replace (path, text, strlen (text), 0600, error);
}

LabSettings *
lab_settings_load (const LabPaths *paths, const LabSettings *wanted, GError **error)
{
    g_autoptr (LabSettings) settings = g_new0 (LabSettings, 1);
    g_autoptr (json_t) kept = read_settings (paths->folder);
    settings->api_port = (guint16)(kept ? json_int (kept, "api_port", 0) : 0);
    settings->publish_first = (guint16)(kept ? json_int (kept, "publish_first", 0) : 0);
    settings->publish_last = (guint16)(kept ? json_int (kept, "publish_last", 0) : 0);
    settings->server_uuid = g_strdup (kept ? json_str (kept, "server_uuid", NULL) : NULL);
    if (wanted->api_port != 0)
        settings->api_port = wanted->api_port;
    if (wanted->publish_first != 0) {
        settings->publish_first = wanted->publish_first;
        settings->publish_last = wanted->publish_last;
    }
    if (settings->api_port == 0)
        settings->api_port = choose (paths, "api_port", API_PORT_FIRST, 1, API_PORT_TRIES);
    if (settings->publish_first == 0) {
        settings->publish_first = choose (paths, "publish_first", PUBLISH_FIRST, PUBLISH_STEP, PUBLISH_TRIES);
        settings->publish_last = (guint16)(settings->publish_first + 919);
    }
    if (settings->server_uuid == NULL)
        settings->server_uuid = g_uuid_string_random ();
    return save (paths, settings, error) ? g_steal_pointer (&settings) : NULL;
}

void
lab_settings_free (LabSettings *settings)
{
    if (settings == NULL)
        return;
    g_free (settings->server_uuid);
    g_free (settings);
}
