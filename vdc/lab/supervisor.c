#include "vdc/lab/supervisor.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/lab/cgroups.h"
#include "vdc/lab/control.h"
#include "vdc/lab/fabric.h"
#include "vdc/lab/link.h"
#include "vdc/lab/machine.h"
#include "vdc/lab/published.h"
#include "vdc/lab/relay.h"
#include "vdc/lab/resume.h"
#include "vdc/lab/server.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESTART_MS 1000
#define START_LIMIT_MS 120000
#define STOP_APPLICATIONS_MS 60000
#define WAIT_FOR_MACHINES_MS 10000

/*
 *   STARTING → UP → STOPPING_APPLICATIONS → STOPPING_MACHINES → (the loop ends)
 *   any state → STOPPING_MACHINES by "down" with "now", by SIGTERM, or when the start fails
 * UP: vdcd answers, the server has reported, published ports are forwarded.
 */
typedef enum { STARTING, UP, STOPPING_APPLICATIONS, STOPPING_MACHINES } Phase;

typedef struct {
    const LabPaths *paths;
    LabSettings *settings;
    Phase phase;
    int lock_fd, ready_fd;
    GMainLoop *loop;
    int status; /* to exit with */
    char *controller_program, *agent_program, *root, *images, *url;
    LabPrograms programs;
    Fabric *fabric;
    Relay *relay;
    Published *published;
    Link *link;
    Control *control;
    Machine *controller, *server; /* NULL: not running */
    gboolean server_wanted;       /* FALSE after "lab kill" */
    gboolean registering;
    guint restart, start_limit, stop_limit;
    GPtrArray *waiting;      /* ControlReply of "down" */
    GPtrArray *waiting_kill; /* of "kill": answered when the server is off */
} Supervisor;

static void start_machines (Supervisor *self);
static gboolean on_restart (gpointer user_data);

static void
close_ready (Supervisor *self)
{
    if (self->ready_fd >= 0)
        close (self->ready_fd);
    self->ready_fd = -1;
}

/* A starter that went away (Ctrl-C) does not stop the start. */
static void
tell_starter (Supervisor *self, char *line)
{
    g_autofree char *owned = line;
    if (self->ready_fd >= 0 && write (self->ready_fd, owned, strlen (owned)) < 0)
        close_ready (self);
}

static void
progress (Supervisor *self, const char *text)
{
    vdc_log (VDC_LOG_INFO, text, "lab", self->paths->name, NULL);
    if (self->phase == STARTING)
        tell_starter (self, control_line_text (text));
    for (guint i = 0; i < self->waiting->len; i++)
        control_text (self->waiting->pdata[i], text);
}

/* What status shows. Caller owns. */
static json_t *
describe (Supervisor *self)
{
    static const char *const names[] = {"starting", "up", "stopping", "stopping"};
    json_t *machines = json_array ();
    Machine *all[] = {self->controller, self->server};
    const char *const machine_names[] = {LAB_CONTROLLER, LAB_SERVER};
    const char *const addresses[] = {LAB_CONTROLLER_ADDRESS, LAB_SERVER_ADDRESS};
    for (guint i = 0; i < 2; i++)
        json_array_append_new (machines,
                               json_pack ("{s:s, s:s, s:s, s:o, s:o}", "name", machine_names[i], "state",
                                          all[i] ? "on" : "off", "address", addresses[i], "pid",
                                          all[i] ? json_integer (machine_pid (all[i])) : json_null (),
                                          "processes", all[i] ? machine_processes (all[i]) : json_array ()));
    return json_pack ("{s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "name", self->paths->name, "state",
                      names[self->phase], "url", self->url, "folder", self->paths->folder, "pid",
                      (int)getpid (), "machines", machines, "published", published_list (self->published));
}

static void
maybe_finished (Supervisor *self)
{
    if (self->controller == NULL && self->server == NULL)
        g_main_loop_quit (self->loop);
}

static void
stop_machines (Supervisor *self)
{
    if (self->phase == STOPPING_MACHINES)
        return;
    progress (self, "stopping the machines");
    self->phase = STOPPING_MACHINES;
    g_clear_handle_id (&self->start_limit, g_source_remove);
    g_clear_handle_id (&self->restart, g_source_remove);
    g_clear_handle_id (&self->stop_limit, g_source_remove);
    if (self->server != NULL)
        machine_stop (self->server);
    if (self->controller != NULL)
        machine_stop (self->controller);
    maybe_finished (self);
}

static void
start_failed (Supervisor *self, const GError *error)
{
    vdc_log (VDC_LOG_ERROR, "lab not started", "lab", self->paths->name, "reason", error->message, NULL);
    tell_starter (self, control_line_error (error));
    close_ready (self);
    self->status = 1;
    stop_machines (self);
}

/* A daemon that ends again and again, as on a full disk, is started again and again: somebody has to say so.
 */
static gboolean
on_start_limit (gpointer user_data)
{
    Supervisor *self = user_data;
    g_autoptr (GError) error =
        g_error_new (VDC_ERROR, VDC_ERROR_FAILED, "not up within %d s; the daemons' logs in %s tell why",
                     START_LIMIT_MS / 1000, self->paths->logs);
    self->start_limit = 0;
    start_failed (self, error);
    return G_SOURCE_REMOVE;
}

static void
restart_soon (Supervisor *self)
{
    if (self->restart == 0)
        self->restart = g_timeout_add (RESTART_MS, on_restart, self);
}

static gboolean
on_restart (gpointer user_data)
{
    Supervisor *self = user_data;
    self->restart = 0;
    start_machines (self);
    return G_SOURCE_REMOVE;
}

static void
answer_all (GPtrArray *replies)
{
    for (guint i = 0; i < replies->len; i++)
        control_done (replies->pdata[i], json_object ());
    g_ptr_array_set_size (replies, 0);
}

static void
on_machine_ended (Machine *machine, gpointer user_data)
{
    Supervisor *self = user_data;
    vdc_log (VDC_LOG_INFO, "machine is off", "machine", machine_name (machine), NULL);
    if (machine == self->server) {
        self->server = NULL;
        answer_all (self->waiting_kill);
    } else if (machine == self->controller) {
        self->controller = NULL;
    } /* else one that could not be put on the fabric: nobody knew it yet */
    machine_free (machine);
    if (self->phase == STOPPING_MACHINES)
        maybe_finished (self);
    else
        restart_soon (self);
}

/* For supervisor_sweep, should this process be killed. */
static gboolean
note_namespace (Supervisor *self, Machine *machine, GError **error)
{
    g_autofree char *path = g_strdup_printf ("%s/%s.pidns", self->paths->run, machine_name (machine));
    g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT "\n", machine_namespace (machine));
    return file_replace (path, text, strlen (text), 0600, error);
}

/* Start machine @name from @settings (stolen) and put it on the fabric. */
static Machine *
start_machine (Supervisor *self, const char *name, const char *address, json_t *settings, gboolean outside,
               GError **error)
{
    g_autoptr (json_t) owned = settings;
    g_autofree char *text = json_pretty (settings);
    g_autofree char *file = g_strdup_printf ("%s/%s.json", self->paths->run, name);
    if (!file_replace (file, text, strlen (text), 0600, error))
        return NULL;
    Machine *machine = machine_start (name, file, on_machine_ended, self, error);
    if (machine == NULL)
        return NULL;
    if (!note_namespace (self, machine, error) ||
        !fabric_plug (self->fabric, name, machine_pid (machine), address, outside, error)) {
        machine_kill (machine); /* on_machine_ended frees it */
        return NULL;
    }
    machine_go (machine);
    return machine;
}

static gboolean
start_controller (Supervisor *self, GError **error)
{
    json_t *settings = lab_controller_settings (self->paths, self->settings, &self->programs);
    self->controller = start_machine (self, LAB_CONTROLLER, LAB_CONTROLLER_ADDRESS, settings, FALSE, error);
    return self->controller != NULL;
}

static gboolean
write_file (const char *folder, const char *name, const char *text, int mode, GError **error)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    return file_replace (path, text, strlen (text), mode, error);
}

static gboolean
write_accounts (const char *folder, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename ("/etc", name, NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents (path, &text, NULL, error))
        return FALSE;
    g_autofree char *more = lab_accounts (text, g_str_equal (name, "group"));
    return write_file (folder, name, more, 0644, error);
}

static gboolean
prepare_server_folders (Supervisor *self, GError **error)
{
    static const char *const folders[] = {"agent/pki", "libvirt/etc", "libvirt/lib", "libvirt/cache",
                                          "libvirt/log"};
    g_autofree char *base = lab_paths_join (self->paths, LAB_SERVER);
    for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
        g_autofree char *folder = g_build_filename (base, folders[i], NULL);
        if (!file_make_folder (folder, 0700, error))
            return FALSE;
    }
    g_autofree char *libvirt = g_build_filename (base, "libvirt", NULL);
    g_autofree char *etc = g_build_filename (libvirt, "etc", NULL);
    g_autofree char *qemu = lab_qemu_conf ();
    g_autofree char *libvirtd = lab_libvirtd_conf (self->settings);
    return write_file (etc, "qemu.conf", qemu, 0600, error) &&
           write_file (etc, "libvirtd.conf", libvirtd, 0600, error) &&
           write_accounts (libvirt, "passwd", error) && write_accounts (libvirt, "group", error);
}

static gboolean
start_server (Supervisor *self, GError **error)
{
    g_autofree char *boot_id = id_random (16);
    g_auto (GStrv) groups = NULL;
    if (!prepare_server_folders (self, error) || !cgroups_remove (self->paths->key, error))
        return FALSE;
    groups = cgroups_make (self->paths->key, LAB_SERVER, error);
    if (groups == NULL)
        return FALSE;
    json_t *settings = lab_server_settings (self->paths, &self->programs, groups, boot_id);
    self->server = start_machine (self, LAB_SERVER, LAB_SERVER_ADDRESS, settings, TRUE, error);
    return self->server != NULL;
}

static char *
certificate_folder (Supervisor *self)
{
    return g_build_filename (self->paths->folder, LAB_SERVER, "agent", "pki", NULL);
}

static gboolean
server_is_registered (Supervisor *self)
{
    g_autofree char *folder = certificate_folder (self);
    g_autofree char *key = g_build_filename (folder, "agent.key", NULL);
    return g_file_test (key, G_FILE_TEST_EXISTS);
}

static void
start_machines (Supervisor *self)
{
    g_autoptr (GError) error = NULL;
    gboolean ok = self->controller != NULL || start_controller (self, &error);
    if (ok && self->server == NULL && self->server_wanted && server_is_registered (self))
        ok = start_server (self, &error);
    if (ok)
        return;
    if (self->phase == STARTING) {
        start_failed (self, error);
        return;
    }
    vdc_log (VDC_LOG_ERROR, "machine not started, trying again", "reason", error->message, NULL);
    restart_soon (self);
}

static void
on_registered (Link *link, const json_t *answer, const GError *failure, gpointer user_data)
{
    Supervisor *self = user_data;
    g_autoptr (GError) error = failure ? g_error_copy (failure) : NULL;
    g_autofree char *folder = certificate_folder (self);
    const char *certificate = NULL, *key = NULL, *ca = NULL;
    self->registering = FALSE;
    if (error == NULL && json_need_string (answer, "answer", "certificate", &certificate, &error) &&
        json_need_string (answer, "answer", "key", &key, &error) &&
        json_need_string (answer, "answer", "ca", &ca, &error) && prepare_server_folders (self, &error) &&
        write_file (folder, "ca.crt", ca, 0600, &error) &&
        write_file (folder, "agent.crt", certificate, 0600, &error) &&
        write_file (folder, "agent.key", key, 0600, &error)) {
        progress (self, "server " LAB_SERVER " registered");
        start_machines (self);
        return;
    }
    g_prefix_error (&error, "cannot register server " LAB_SERVER " with vdcd: ");
    start_failed (self, error);
}

static void
register_server (Supervisor *self)
{
    if (self->registering)
        return;
    self->registering = TRUE;
    link_post (self->link, "/api/v1/servers",
               json_pack ("{s:s, s:s}", "name", LAB_SERVER, "address", LAB_SERVER_ADDRESS), on_registered,
               self);
}

static gboolean
write_client_files (Supervisor *self, GError **error)
{
    g_autofree char *state = lab_paths_join (self->paths, LAB_CONTROLLER);
    g_autofree char *token_file = g_build_filename (state, "token", NULL);
    g_autofree char *ca_file = g_build_filename (state, "pki", "ca.crt", NULL);
    g_autofree char *token = NULL, *ca = NULL;
    return g_file_get_contents (token_file, &token, NULL, error) &&
           g_file_get_contents (ca_file, &ca, NULL, error) &&
           write_file (self->paths->client, "token", token, 0600, error) &&
           write_file (self->paths->client, "ca.crt", ca, 0644, error) &&
           write_file (self->paths->client, "url", self->url, 0644, error);
}

static void
become_up (Supervisor *self)
{
    g_autoptr (GError) error = NULL;
    if (!write_client_files (self, &error)) {
        start_failed (self, error);
        return;
    }
    self->phase = UP;
    g_clear_handle_id (&self->start_limit, g_source_remove);
    vdc_log (VDC_LOG_INFO, "lab is up", "lab", self->paths->name, "url", self->url, NULL);
    resume_start (self->paths, self->link);
    g_autoptr (json_t) done = json_pack ("{s:o}", "done", describe (self));
    g_autofree char *text = json_text (done);
    tell_starter (self, g_strconcat (text, "\n", NULL));
    close_ready (self);
}

static const json_t *
find_named (const json_t *answer, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get (answer, "items"), i, item)
        if (g_str_equal (json_str (item, "name", ""), name))
            return item;
    return NULL;
}

static void
on_servers (Link *link, const json_t *answer, const GError *error, gpointer user_data)
{
    Supervisor *self = user_data;
    if (error != NULL || self->phase == STOPPING_MACHINES)
        return;
    const json_t *server = find_named (answer, LAB_SERVER);
    if (!server_is_registered (self))
        register_server (self);
    else if (self->server == NULL && self->restart == 0)
        start_machines (self);
    else if (self->phase == STARTING && server != NULL && g_str_equal (json_str (server, "state", ""), "up"))
        become_up (self);
}

static void
on_network (Link *link, const json_t *answer, const GError *error, gpointer user_data)
{
    Supervisor *self = user_data;
    if (error == NULL)
        published_update (self->published, answer);
}

static void
on_applications (Link *link, const json_t *answer, const GError *error, gpointer user_data)
{
    Supervisor *self = user_data;
    if (error == NULL && resume_all_stopped (answer))
        stop_machines (self);
}

static void
on_changed (Link *link, gpointer user_data)
{
    Supervisor *self = user_data;
    if (self->phase == STOPPING_MACHINES)
        return;
    link_get (link, "/api/v1/servers", on_servers, self);
    link_get (link, "/api/v1/networks/outside", on_network, self);
    if (self->phase == STOPPING_APPLICATIONS)
        link_get (link, "/api/v1/applications", on_applications, self);
}

static gboolean
on_stop_limit (gpointer user_data)
{
    Supervisor *self = user_data;
    self->stop_limit = 0;
    progress (self, "some applications did not stop in time: power off");
    stop_machines (self);
    return G_SOURCE_REMOVE;
}

static void
on_stop_list (Link *link, const json_t *answer, const GError *error, gpointer user_data)
{
    Supervisor *self = user_data;
    if (self->phase != STOPPING_APPLICATIONS)
        return;
    if (error != NULL || !resume_stop (self->paths, self->link, answer)) {
        stop_machines (self);
        return;
    }
    progress (self, "stopping the applications");
    on_changed (link, self);
}

static void
begin_down (Supervisor *self, gboolean now)
{
    if (self->phase == STARTING) {
        g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_CONFLICT, "taken down while it started");
        start_failed (self, error);
        return;
    }
    if (now || self->server == NULL || self->controller == NULL) {
        stop_machines (self);
        return;
    }
    if (self->phase != UP)
        return;
    self->phase = STOPPING_APPLICATIONS;
    self->stop_limit = g_timeout_add (STOP_APPLICATIONS_MS, on_stop_limit, self);
    link_get (self->link, "/api/v1/applications", on_stop_list, self);
}

static void
server_power (Supervisor *self, ControlReply *reply, const json_t *request, gboolean on)
{
    const char *name = json_str (request, "server", "");
    if (!g_str_equal (name, LAB_SERVER)) {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_NOT_FOUND, "lab %s has no server '%s' (there is: %s)",
                         self->paths->name, name, LAB_SERVER);
        control_failed (reply, error);
        return;
    }
    self->server_wanted = on;
    if (!on && self->server != NULL) {
        g_ptr_array_add (self->waiting_kill, reply);
        machine_kill (self->server);
        return;
    }
    if (on)
        start_machines (self);
    control_done (reply, json_object ());
}

static void
on_request (ControlReply *reply, const json_t *request, gpointer user_data)
{
    Supervisor *self = user_data;
    const char *op = json_str (request, "op", "");
    if (g_str_equal (op, "status")) {
        control_done (reply, describe (self));
    } else if (g_str_equal (op, "down")) {
        g_ptr_array_add (self->waiting, reply);
        begin_down (self, json_bool (request, "now", FALSE));
    } else if (g_str_equal (op, "kill") || g_str_equal (op, "start")) {
        server_power (self, reply, request, g_str_equal (op, "start"));
    } else {
        g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_USAGE, "unknown request '%s'", op);
        control_failed (reply, error);
    }
}

static gboolean
on_terminate (gpointer user_data)
{
    stop_machines (user_data);
    return G_SOURCE_CONTINUE;
}

static gboolean
take_lock (Supervisor *self, GError **error)
{
    char pid[32];
    if (!file_make_folder (self->paths->folder, 0700, error))
        return FALSE;
    self->lock_fd = open (self->paths->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock_fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open %s", self->paths->lock);
    if (flock (self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "lab %s is just being started or taken down by another command; 'vdc lab status' tells",
                     self->paths->name);
        return FALSE;
    }
    int length = snprintf (pid, sizeof pid, "%d\n", (int)getpid ());
    if (ftruncate (self->lock_fd, 0) != 0 || write (self->lock_fd, pid, (size_t)length) != length)
        return vdc_error_set_errno (error, errno, "cannot write %s", self->paths->lock);
    return TRUE;
}

static gboolean
find_programs (Supervisor *self, GError **error)
{
    self->images = lab_images_folder ();
    if ((self->controller_program = lab_find_program ("vdcd", error)) == NULL ||
        (self->agent_program = lab_find_program ("vdc-agent", error)) == NULL ||
        (self->root = lab_find_root (error)) == NULL)
        return FALSE;
    if (!g_file_test (self->images, G_FILE_TEST_IS_DIR)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "no images in %s: build them first with %s/appliances/build", self->images, self->root);
        return FALSE;
    }
    self->programs = (LabPrograms){self->controller_program, self->agent_program, self->root, self->images};
    return TRUE;
}

static gboolean
make_folders (Supervisor *self, GError **error)
{
    g_autofree char *controller = lab_paths_join (self->paths, LAB_CONTROLLER);
    const char *const folders[] = {self->paths->logs, self->paths->client, self->paths->run, controller};
    for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
        if (!file_make_folder (folders[i], 0700, error))
            return FALSE;
    return TRUE;
}

static gboolean
prepare (Supervisor *self, const LabSettings *wanted, GError **error)
{
    if (!supervisor_sweep (self->paths, error) || !make_folders (self, error) || !find_programs (self, error))
        return FALSE;
    self->settings = lab_settings_load (self->paths, wanted, error);
    if (self->settings == NULL)
        return FALSE;
    self->url = g_strdup_printf ("https://127.0.0.1:%u", self->settings->api_port);
    self->fabric = fabric_new (error);
    if (self->fabric == NULL)
        return FALSE;
    self->relay = relay_new (fabric_netns (self->fabric));
    self->published = published_new (self->relay, self->settings);
    if (!relay_add (self->relay, self->settings->api_port, LAB_CONTROLLER_ADDRESS, LAB_API_PORT, error)) {
        g_prefix_error (error, "the API's port is taken, give it another one (--api-port): ");
        return FALSE;
    }
    self->control = control_listen (self->paths, on_request, self, error);
    return self->control != NULL;
}

/* Run by the loop: a start that fails at once has a loop to end. */
static gboolean
start (gpointer user_data)
{
    Supervisor *self = user_data;
    g_autofree char *state = lab_paths_join (self->paths, LAB_CONTROLLER);
    progress (self, "starting the controller and server " LAB_SERVER);
    self->link = link_new (self->url, state, on_changed, self);
    self->start_limit = g_timeout_add (START_LIMIT_MS, on_start_limit, self);
    start_machines (self);
    return G_SOURCE_REMOVE;
}

static void
finish (Supervisor *self)
{
    g_autoptr (GError) error = NULL;
    if (!supervisor_sweep (self->paths, &error))
        vdc_log (VDC_LOG_ERROR, "not everything was removed", "reason", error->message, NULL);
    answer_all (self->waiting);
    control_free (self->control);
    link_free (self->link);
    published_free (self->published);
    relay_free (self->relay);
    fabric_free (self->fabric);
    lab_settings_free (self->settings);
    g_ptr_array_free (self->waiting, TRUE);
    g_ptr_array_free (self->waiting_kill, TRUE);
    g_free (self->controller_program);
    g_free (self->agent_program);
    g_free (self->root);
    g_free (self->images);
    g_free (self->url);
    g_main_loop_unref (self->loop);
    vdc_log (VDC_LOG_INFO, "lab is down", "lab", self->paths->name, NULL);
}

int
supervisor_run (const LabPaths *paths, const LabSettings *wanted, int ready_fd)
{
    Supervisor self = {.paths = paths, .lock_fd = -1, .ready_fd = ready_fd, .server_wanted = TRUE};
    g_autoptr (GError) error = NULL;
    self.loop = g_main_loop_new (NULL, FALSE);
    self.waiting = g_ptr_array_new ();
    self.waiting_kill = g_ptr_array_new ();
    if (!take_lock (&self, &error)) {
        tell_starter (&self, control_line_error (error));
        return vdc_error_exit_code (error);
    }
    g_unix_signal_add (SIGTERM, on_terminate, &self);
    g_unix_signal_add (SIGINT, on_terminate, &self);
    if (prepare (&self, wanted, &error)) {
        g_idle_add_full (G_PRIORITY_HIGH, start, &self, NULL);
        g_main_loop_run (self.loop);
    } else {
        vdc_log (VDC_LOG_ERROR, "lab not started", "reason", error->message, NULL);
        tell_starter (&self, control_line_error (error));
        self.status = vdc_error_exit_code (error);
    }
    finish (&self);
    return self.status;
}

static gboolean
wait_for_machines (const LabPaths *paths, GError **error)
{
    g_autoptr (GDir) dir = g_dir_open (paths->run, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (paths->run, name, NULL);
        g_autofree char *text = NULL;
        if (!g_str_has_suffix (name, ".pidns") || !g_file_get_contents (path, &text, NULL, NULL))
            continue;
        if (!machine_namespace_wait (g_ascii_strtoull (text, NULL, 10), WAIT_FOR_MACHINES_MS)) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                         "processes of lab %s are still there: lsns -t pid %s", paths->name,
                         g_strchomp (text));
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
supervisor_sweep (const LabPaths *paths, GError **error)
{
    return wait_for_machines (paths, error) && cgroups_remove (paths->key, error) &&
           file_remove_tree (paths->run, error) && file_remove_tree (paths->client, error);
}
