/* vdc-agent: options, listener, loop. */
#include "vdc/agent/agent.h"
#include "vdc/base/cores.h"
#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/log.h"
#include "vdc/http/server.h"

#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Common name of the controller's certificate. Other servers have certificates of the same CA and are not let
 * in. */
#define CONTROLLER_NAME "vdcd"

static AgentOptions options = {
    .hypervisor = "libvirt", .libvirt_uri = "qemu:///system", .cgroup_root = "/sys/fs/cgroup"};
static const char *listen_address = "0.0.0.0:8444";

static GOptionEntry entries[] = {
    {"state", 0, 0, G_OPTION_ARG_STRING, &options.state, "Folder of everything this server keeps", "DIR"},
    {"server", 0, 0, G_OPTION_ARG_STRING, &options.server, "Name of this server", "NAME"},
    {"listen", 0, 0, G_OPTION_ARG_STRING, &listen_address, "Where the controller calls (0.0.0.0:8444)",
     "ADDR:PORT"},
    {"controller", 0, 0, G_OPTION_ARG_STRING, &options.controller, "Where reports go", "https://ADDR:PORT"},
    {"images", 0, 0, G_OPTION_ARG_STRING, &options.images, "Class images, by digest", "DIR"},
    {"backbone", 0, 0, G_OPTION_ARG_STRING, &options.backbone, "Interface towards the other servers",
     "IFACE"},
    {"outside", 0, 0, G_OPTION_ARG_STRING, &options.outside, "Interface towards the outside network",
     "IFACE"},
    {"hypervisor", 0, 0, G_OPTION_ARG_STRING, &options.hypervisor, "libvirt or fake", "NAME"},
    {"wires", 0, 0, G_OPTION_ARG_NONE, &options.wires, "Lay wires also for fake VMs", NULL},
    {"libvirt-uri", 0, 0, G_OPTION_ARG_STRING, &options.libvirt_uri, "Local libvirt (qemu:///system)", "URI"},
    {"cgroup-root", 0, 0, G_OPTION_ARG_STRING, &options.cgroup_root, "Control groups (/sys/fs/cgroup)",
     "DIR"},
    {NULL}};

static gboolean
parse_options (int *argc, char ***argv, GError **error)
{
    GOptionContext *context = g_option_context_new ("- the VDC agent of one server");

    g_option_context_add_main_entries (context, entries, NULL);
    gboolean ok = g_option_context_parse (context, argc, argv, error);
    g_option_context_free (context);
    if (!ok)
        return FALSE;
    if (options.state == NULL || options.server == NULL || options.images == NULL ||
        (strcmp (options.hypervisor, "libvirt") != 0 && strcmp (options.hypervisor, "fake") != 0)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "--state, --server and --images are needed; --hypervisor is libvirt or fake");
        return FALSE;
    }
    return TRUE;
}

static gboolean
only_controller (HttpRequest *request, const HttpRoute *route, gpointer user_data, GError **error)
{
    if (g_strcmp0 (http_request_peer (request), CONTROLLER_NAME) == 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "only the controller may call an agent");
    return FALSE;
}

static char *
read_pem (const char *name, GError **error)
{
    g_autofree char *path = g_build_filename (options.state, "pki", name, NULL);
    char *text = NULL;
    return g_file_get_contents (path, &text, NULL, error) ? text : NULL;
}

static HttpServer *
start_server (HttpRouter *router, GError **error)
{
    g_autofree char *certificate = read_pem ("agent.crt", error);
    g_autofree char *key = certificate ? read_pem ("agent.key", error) : NULL;
    g_autofree char *ca = key ? read_pem ("ca.crt", error) : NULL;
    HttpServerOptions server = {.listen = listen_address,
                                .certificate_pem = certificate,
                                .key_pem = key,
                                .client_ca_pem = ca,
                                .router = router};

    return ca ? http_server_start (&server, error) : NULL;
}

static gboolean
quit (gpointer loop)
{
    g_main_loop_quit (loop);
    return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
    g_autoptr (HttpRouter) router = http_router_new ();

    signal (SIGPIPE, SIG_IGN);
    if (vdc_failpoints_asked (argc, argv))
        return 0;
    cores_forbid (); /* its memory holds keys and secrets */
    /* Every worker would keep a heap of its own, with what libnftables once needed for its rules: 1.6 MB
     * each. */
    mallopt (M_ARENA_MAX, 1);
    if (!parse_options (&argc, &argv, &error)) {
        fprintf (stderr, "vdc-agent: %s\n", error->message);
        return 2;
    }
    Agent *agent = agent_new (&options, &error);
    HttpServer *server = NULL;
    if (agent != NULL) {
        agent_add_routes (agent, router);
        http_router_set_authorize (router, only_controller, NULL);
        server = start_server (router, &error);
    }
    if (server == NULL) {
        vdc_log (VDC_LOG_ERROR, "cannot start", "error", error->message, NULL);
        return vdc_error_exit_code (error);
    }
    g_unix_signal_add (SIGTERM, quit, loop);
    g_unix_signal_add (SIGINT, quit, loop);
    vdc_log (VDC_LOG_INFO, "agent is up", "server", options.server, "listen", listen_address, "accel",
             agent_host (agent)->accel, NULL);
    g_main_loop_run (loop);
    vdc_log (VDC_LOG_INFO, "agent ends, its members run on", "server", options.server, NULL);
    http_server_stop (server);
    agent_end (agent);
    /* Workers may still be at something: the end of the process is their end, the records say where they
     * were. */
    return 0;
}
