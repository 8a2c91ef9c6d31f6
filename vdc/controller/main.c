/*
 * vdcd: options, the parts, the two listeners, signals, the loop.
 */
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vdc/base/cores.h"
#include "vdc/base/bug.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"
#include "vdc/controller/agent_watch.h"
#include "vdc/controller/backup.h"
#include "vdc/controller/learn.h"
#include "vdc/controller/api/routes.h"
#include "vdc/http/server.h"

/* Of the API and the console page. Agents have a listener of their own. */
#define API_CONNECTIONS_PER_ADDRESS 1024
/* Both listeners full, and what the store, agents and files need. */
#define FILES_WANTED (2 * HTTP_CONNECTIONS_MAX + 1024)
#define TRASH_KEEP_HOURS_MAX (10 * 366 * 24)

#define EVENTS_DAYS_DEFAULT 30

typedef struct {
    char *ui, *state, *listen, *agent_listen, *images, *built_images, *outside, *agent_port;
    char **catalogs, **names;
    double trash_keep_hours;
    gboolean no_metrics_history;
    gint trash_free_percent;
    gboolean list_routes;
    int audit_kept, audit_days, events_kept, events_days, backup_hour, learn_min;
    char *from; /* restore */
    /* issue */
    char *server, *address, *out;
} Options;

typedef struct {
    Controller *controller;
    HttpRouter *api, *agents;
    HttpServer *api_server, *agent_server;
    GMainLoop *loop;
} Daemon;

/* --- options
 * ---------------------------------------------------------------------------------------------------------
 */

static gboolean
parse_options (Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"state", 0, 0, G_OPTION_ARG_FILENAME, &options->state, "folder of store, certificates, token",
         "DIR"},
        {"listen", 0, 0, G_OPTION_ARG_STRING, &options->listen, "API and console", "ADDR:PORT"},
        {"agent-listen", 0, 0, G_OPTION_ARG_STRING, &options->agent_listen, "reports of agents", "ADDR:PORT"},
        {"agent-port", 0, 0, G_OPTION_ARG_STRING, &options->agent_port, "port of the agents (8444)", "PORT"},
        {"ui", 0, 0, G_OPTION_ARG_FILENAME, &options->ui, "files of the UI; not given: the console page",
         "DIR"},
        {"catalog", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->catalogs, "folder of classes or templates",
         "DIR"},
        {"images", 0, 0, G_OPTION_ARG_FILENAME, &options->images, "index of built images", "FILE"},
        {"built-images", 0, 0, G_OPTION_ARG_FILENAME, &options->built_images,
         "folder of built images, given to agents that lack one (beside --images)", "DIR"},
        {"outside", 0, 0, G_OPTION_ARG_STRING, &options->outside,
         "outside network of a new grid: SUBNET,gateway=A,addresses=A-B[,publish=A:P-P]", "SPEC"},
        {"name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->names,
         "further name or address of this controller", "NAME"},
        {"no-metrics-history", 0, 0, G_OPTION_ARG_NONE, &options->no_metrics_history,
         "keep no metrics over time", NULL},
        {"trash-keep", 0, 0, G_OPTION_ARG_DOUBLE, &options->trash_keep_hours,
         "how long what was destroyed can be restored (24)", "HOURS"},
        {"trash-free", 0, 0, G_OPTION_ARG_INT, &options->trash_free_percent,
         "a server with less of its disk free gets it from the trash (5)", "PERCENT"},
        {"list-routes", 0, 0, G_OPTION_ARG_NONE, &options->list_routes,
         "print the rows of the router's table as JSON lines, and end", NULL},
        {"audit-keep", 0, 0, G_OPTION_ARG_INT, &options->audit_kept, "audit entries kept (1000000)", "N"},
        {"audit-days", 0, 0, G_OPTION_ARG_INT, &options->audit_days, "none older; 0: any age (0)", "DAYS"},
        {"events-keep", 0, 0, G_OPTION_ARG_INT, &options->events_kept, "events kept (100000)", "N"},
        {"events-days", 0, 0, G_OPTION_ARG_INT, &options->events_days, "none older; 0: any age (30)", "DAYS"},
        {"backup-hour", 0, 0, G_OPTION_ARG_INT, &options->backup_hour,
         "hour of the nightly backup, -1: none (3)", "HOUR"},
        {"learn-min", 0, 0, G_OPTION_ARG_INT, &options->learn_min,
         "after a restore servers may come for so long (12)", "SECONDS"},
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from, "restore: the backup", "FILE"},
        {"server", 0, 0, G_OPTION_ARG_STRING, &options->server, "issue: name of the server", "NAME"},
        {"address", 0, 0, G_OPTION_ARG_STRING, &options->address, "issue: its IP address", "IP"},
        {"out", 0, 0, G_OPTION_ARG_FILENAME, &options->out, "issue: folder for agent.crt, agent.key, ca.crt",
         "DIR"},
        {NULL},
    };
    g_autoptr (GOptionContext) context = g_option_context_new ("[issue|restore]");
    g_option_context_set_summary (context, "The controller of a VDC grid.");
    g_option_context_add_main_entries (context, entries, NULL);
    if (!g_option_context_parse (context, argc, argv, error))
        return FALSE;
    if (options->state == NULL && !options->list_routes) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "--state is needed");
        return FALSE;
    }
    if (options->audit_kept < 0 || options->audit_days < 0 || options->events_kept < 0 ||
        options->events_days < 0 || options->backup_hour < -1 || options->backup_hour > 23) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "what is kept must not be negative, and --backup-hour is 0 to 23, or -1");
        return FALSE;
    }
    if (options->trash_keep_hours < 0 || options->trash_keep_hours > TRASH_KEEP_HOURS_MAX ||
        options->trash_free_percent < 0 || options->trash_free_percent > 100) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "--trash-keep must be up to %d hours, --trash-free 1 to 100 percent",
                     TRASH_KEEP_HOURS_MAX);
        return FALSE;
    }
    return TRUE;
}

static void
options_clear (Options *options)
{
    g_free (options->state);
    g_free (options->from);
    g_free (options->ui);
    g_free (options->listen);
    g_free (options->agent_listen);
    g_free (options->agent_port);
    g_free (options->images);
    g_free (options->built_images);
    g_free (options->outside);
    g_strfreev (options->catalogs);
    g_strfreev (options->names);
    g_free (options->server);
    g_free (options->address);
    g_free (options->out);
}

/* Whatever the API may be called by goes into its certificate. */
static char **
certificate_names (const Options *options)
{
    GPtrArray *names = g_ptr_array_new ();
    g_ptr_array_add (names, g_strdup ("vdcd"));
    g_ptr_array_add (names, g_strdup ("localhost"));
    g_ptr_array_add (names, g_strdup ("127.0.0.1"));
    const char *const listens[] = {options->listen, options->agent_listen};
    for (guint i = 0; i < G_N_ELEMENTS (listens); i++) {
        const char *colon = listens[i] != NULL ? strrchr (listens[i], ':') : NULL;
        g_autofree char *address = colon != NULL ? g_strndup (listens[i], (gsize)(colon - listens[i])) : NULL;
        if (address == NULL || strcmp (address, "0.0.0.0") == 0 || strchr (address, '[') != NULL ||
            g_ptr_array_find_with_equal_func (names, address, g_str_equal, NULL))
            continue;
        g_ptr_array_add (names, g_steal_pointer (&address));
    }
    for (guint i = 0; options->names != NULL && options->names[i] != NULL; i++)
        g_ptr_array_add (names, g_strdup (options->names[i]));
    g_ptr_array_add (names, NULL);
    return (char **)g_ptr_array_free (names, FALSE);
}

static Controller *
make_controller (const Options *options, GError **error)
{
    static const char *const none[] = {NULL};
    g_auto (GStrv) names = certificate_names (options);
    const ControllerOptions settings = {
        .state_folder = options->state,
        .catalog_folders = options->catalogs != NULL ? (const char *const *)options->catalogs : none,
        .no_metrics_history = options->no_metrics_history,
        .images_file = options->images,
        .ui_folder = options->ui,
        .built_images = options->built_images,
        .agent_port = options->agent_port,
        .outside = options->outside,
        .names = (const char *const *)names,
        .audit_kept = (guint)options->audit_kept,
        .audit_days = (guint)options->audit_days,
        .events_kept = (guint64)options->events_kept,
        .events_days = (guint)options->events_days,
        .backup_hour = options->backup_hour,
        .learn_min_s = (guint)MAX (options->learn_min, 0),
        .trash_keep_us = (gint64)(options->trash_keep_hours * 3600 * G_USEC_PER_SEC),
        .trash_free_percent = (guint)options->trash_free_percent,
    };
    return controller_new (&settings, error);
}

/* --- what tests and documents are made from
 * -----------------------------------------------------------------------------------------------------------
 */

static gboolean
list_routes (void)
{
    g_autoptr (HttpRouter) router = http_router_new ();
    routes_add_all (router, NULL);
    g_autoptr (GPtrArray) routes = http_router_list (router);
    for (guint i = 0; i < routes->len; i++) {
        const HttpRoute *route = routes->pdata[i];
        g_autoptr (json_t) row = json_pack (
            "{s:s, s:s, s:s, s:s, s:s, s:b, s:s?}", "name", route->name, "method", route->method, "path",
            route->path, "role", http_role_name (route->role), "scope", http_scope_name (route->scope), "raw",
            route->body == HTTP_BODY_RAW, "request_schema", route->request_schema);
        g_autofree char *text = json_text (row);
        puts (text);
    }
    return TRUE;
}

/* --- restore ----------------------------------------------------------------------------------------------- */

static gboolean
restore (const Options *options, GError **error)
{
    if (options->from == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "restore needs --from FILE");
        return FALSE;
    }
    if (!backup_restore (options->from, options->state, error))
        return FALSE;
    printf ("%s is restored. Start vdcd with --state %s: it asks its servers what happened since the backup\n"
            "before it does anything.\n",
            options->state, options->state);
    return TRUE;
}

/* --- issue
 * -----------------------------------------------------------------------------------------------------------
 */

static gboolean
write_part (const Options *options, const json_t *answer, const char *key, const char *file, GError **error)
{
    const char *text = json_str (answer, key, "");
    g_autofree char *path = g_build_filename (options->out, file, NULL);
    return file_replace (path, text, strlen (text), 0600, error);
}

/* Register a server while vdcd does not run: the store has one user at a time. */
static gboolean
issue (const Options *options, GError **error)
{
    if (options->server == NULL || options->address == NULL || options->out == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "issue needs --server, --address and --out");
        return FALSE;
    }
    Controller *controller = make_controller (options, error);
    if (controller == NULL)
        return FALSE;
    g_autoptr (json_t) answer =
        agent_watch_register (controller, options->server, options->address, 0, error);
    controller_free (controller);
    return answer != NULL && file_make_folder (options->out, 0700, error) &&
           write_part (options, answer, "ca", "ca.crt", error) &&
           write_part (options, answer, "certificate", "agent.crt", error) &&
           write_part (options, answer, "key", "agent.key", error);
}

/* --- serving
 * ---------------------------------------------------------------------------------------------------------
 */

static gboolean
read_pem (Controller *controller, const char *file, char **text, GError **error)
{
    g_autofree char *path = g_build_filename (controller->pki_folder, file, NULL);
    return g_file_get_contents (path, text, NULL, error);
}

static gboolean
listen_all (Daemon *vdcd, const Options *options, GError **error)
{
    g_autofree char *certificate = NULL, *key = NULL, *ca = NULL;
    if (!read_pem (vdcd->controller, "server.crt", &certificate, error) ||
        !read_pem (vdcd->controller, "server.key", &key, error) ||
        !read_pem (vdcd->controller, "ca.crt", &ca, error))
        return FALSE;
    const HttpServerOptions api = {
        .listen = options->listen != NULL ? options->listen : "127.0.0.1:8443",
        .certificate_pem = certificate,
        .key_pem = key,
        .router = vdcd->api,
        .connection_limit_per_ip = API_CONNECTIONS_PER_ADDRESS,
    };
    const HttpServerOptions agents = {
        .listen = options->agent_listen != NULL ? options->agent_listen : "0.0.0.0:8445",
        .certificate_pem = certificate,
        .key_pem = key,
        .client_ca_pem = ca,
        .router = vdcd->agents,
    };
    vdcd->api_server = http_server_start (&api, error);
    vdcd->agent_server = vdcd->api_server != NULL ? http_server_start (&agents, error) : NULL;
    return vdcd->agent_server != NULL;
}

static gboolean
on_end (gpointer user_data)
{
    g_main_loop_quit (((Daemon *)user_data)->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer user_data)
{
    Daemon *vdcd = user_data;
    vdc_log (VDC_LOG_INFO, "reading the catalog anew", NULL);
    controller_reload_catalog (vdcd->controller);
    return G_SOURCE_CONTINUE;
}

static void
serve (Daemon *vdcd)
{
    g_autofree char *port = g_strdup_printf ("%u", http_server_port (vdcd->api_server));
    g_autofree char *agent_port = g_strdup_printf ("%u", http_server_port (vdcd->agent_server));
    vdcd->loop = g_main_loop_new (NULL, FALSE);
    g_unix_signal_add (SIGTERM, on_end, vdcd);
    g_unix_signal_add (SIGINT, on_end, vdcd);
    g_unix_signal_add (SIGHUP, on_reload, vdcd);
    vdc_log (VDC_LOG_INFO, "vdcd serves", "version", VDC_VERSION, "port", port, "agent_port", agent_port,
             "grid", vdcd->controller->grid_id, NULL);
    controller_run (vdcd->controller);
    g_main_loop_run (vdcd->loop);
    vdc_log (VDC_LOG_INFO, "vdcd ends", NULL);
}

static gboolean
run (const Options *options, GError **error)
{
    Daemon vdcd = {0};
    vdcd.controller = make_controller (options, error);
    if (vdcd.controller == NULL)
        return FALSE;
    vdcd.api = http_router_new ();
    vdcd.agents = http_router_new ();
    routes_add_all (vdcd.api, vdcd.controller);
    routes_add_agents (vdcd.agents, vdcd.controller);
    gboolean listening = listen_all (&vdcd, options, error);
    if (listening)
        serve (&vdcd);
    http_server_stop (vdcd.api_server);
    http_server_stop (vdcd.agent_server);
    g_clear_pointer (&vdcd.loop, g_main_loop_unref);
    controller_free (vdcd.controller);
    http_router_free (vdcd.api);
    http_router_free (vdcd.agents);
    return listening;
}

/* As far as the hard limit lets; the listeners take what fits. */
static void
raise_files (void)
{
    struct rlimit files;
    if (getrlimit (RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED)
        return;
    files.rlim_cur = MIN (files.rlim_max, FILES_WANTED);
    setrlimit (RLIMIT_NOFILE, &files);
}

int
main (int argc, char **argv)
{
    g_autoptr (GError) error = NULL;
    Options options = {
        .backup_hour = BACKUP_HOUR_DEFAULT, .events_days = EVENTS_DAYS_DEFAULT, .learn_min = LEARN_MIN_S};
    gboolean good;
    if (vdc_failpoints_asked (argc, argv))
        return 0;
    cores_forbid (); /* its memory holds keys and secrets */
    umask (077);
    raise_files ();
    good = parse_options (&options, &argc, &argv, &error);
    if (good && options.list_routes)
        good = list_routes ();
    else if (good && argc > 1 && strcmp (argv[1], "issue") == 0)
        good = issue (&options, &error);
    else if (good && argc > 1 && strcmp (argv[1], "restore") == 0)
        good = restore (&options, &error);
    else if (good && argc > 1) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE, "unknown argument '%s'", argv[1]);
        good = FALSE;
    } else if (good)
        good = run (&options, &error);
    options_clear (&options);
    if (!good)
        fprintf (stderr, "vdcd: %s\n", error->message);
    return good ? 0 : vdc_error_exit_code (error);
}
