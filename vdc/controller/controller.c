#include "vdc/controller/controller.h"

#include <string.h>

#include "vdc/base/file.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/agent_watch.h"
#include "vdc/controller/api/console_files.h"
#include "vdc/controller/api/consoles.h"
#include "vdc/controller/class_create.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/metrics/metrics.h"
#include "vdc/controller/backup.h"
#include "vdc/controller/learn.h"
#include "vdc/controller/memo.h"
#include "vdc/controller/networks.h"
#include "vdc/controller/jobs.h"
#include "vdc/controller/reconcile.h"
#include "vdc/controller/trash.h"
#include "vdc/controller/secrets/seal.h"
#include "vdc/http/pki.h"

#define TICK_MS 1000

/* --- making ------------------------------------------------------------------------------------------------ */

static gboolean
load_application (const char *key, json_t *value, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = application_record_new (value);
    g_hash_table_replace (controller->applications, g_strdup (key), application);
    if (!controller_compile (controller, application, &error))
        vdc_log (VDC_LOG_ERROR, "stored description does not compile, left alone", "application", key,
                 "error", error->message, NULL);
    return TRUE;
}

static gboolean
load_volume (const char *key, json_t *value, gpointer user_data)
{
    Controller *controller = user_data;
    g_hash_table_replace (controller->volumes, g_strdup (key), volume_record_new (value));
    return TRUE;
}

static gboolean
load_trash (const char *key, json_t *value, gpointer user_data)
{
    Controller *controller = user_data;
    g_hash_table_replace (controller->trash, g_strdup (key), trash_record_new (value));
    return TRUE;
}

static gboolean
load_job (const char *key, json_t *value, gpointer user_data)
{
    Controller *controller = user_data;
    g_hash_table_replace (controller->jobs, g_strdup (key), job_record_new (value));
    return TRUE;
}

static gboolean
load_server (const char *key, json_t *value, gpointer user_data)
{
    Controller *controller = user_data;
    agent_watch_add (controller, key, json_str (value, "address", ""), json_str (value, "url", ""));
    return TRUE;
}

static gboolean
load_records (Controller *controller, GError **error)
{
    g_hash_table_remove_all (controller->applications);
    g_hash_table_remove_all (controller->volumes);
    g_hash_table_remove_all (controller->jobs);
    g_hash_table_remove_all (controller->trash);
    return store_list (controller->store, STORE_VOLUMES, NULL, NULL, 0, load_volume, controller, error) &&
           store_list (controller->store, STORE_JOBS, NULL, NULL, 0, load_job, controller, error) &&
           store_list (controller->store, STORE_TRASH, NULL, NULL, 0, load_trash, controller, error) &&
           access_reload (controller, error) &&
           store_list (controller->store, STORE_APPLICATIONS, NULL, NULL, 0, load_application, controller,
                       error);
}

/* The grid's id is made once; the generation counts every start, so that agents can tell an old controller.
 */
static gboolean
load_identity (Controller *controller, GError **error)
{
    g_autoptr (json_t) grid = store_get (controller->store, STORE_META, "grid", NULL);
    controller->grid_id = g_strdup (json_str (grid, "id", NULL));
    if (controller->grid_id == NULL)
        controller->grid_id = id_random (8);
    controller->generation = json_int (grid, "generation", 0) + 1;
    controller_write (controller, STORE_META, "grid",
                      json_pack ("{s:s, s:I}", "id", controller->grid_id, "generation",
                                 (json_int_t)controller->generation));
    return controller_commit (controller, error);
}

/* The token of the local command line: 256 random bits in a file only its owner reads. */
static gboolean
load_token (Controller *controller, GError **error)
{
    g_autofree char *path = g_build_filename (controller->state_folder, "token", NULL);
    if (g_file_get_contents (path, &controller->token, NULL, NULL)) {
        g_strstrip (controller->token);
        if (strlen (controller->token) >= 32)
            return TRUE;
        g_clear_pointer (&controller->token, g_free);
    }
    controller->token = id_random (32);
    return file_replace (path, controller->token, strlen (controller->token), 0600, error);
}

static gboolean
load_seal (Controller *controller, GError **error)
{
    g_autofree char *path = g_build_filename (controller->state_folder, "secret.key", NULL);
    controller->seal = seal_new (path, error);
    return controller->seal != NULL;
}

static gboolean
load_certificates (Controller *controller, const char *const *names, GError **error)
{
    const PkiSubject server = {.common_name = "vdcd", .names = names, .use = PKI_SERVER};
    const PkiSubject client = {.common_name = "vdcd", .use = PKI_CLIENT};
    if (!pki_ensure_ca (controller->pki_folder, "VDC grid", error) ||
        !pki_ensure (controller->pki_folder, "server", &server, error) ||
        !pki_ensure (controller->pki_folder, "controller", &client, error))
        return FALSE;
    g_autofree char *ca = g_build_filename (controller->pki_folder, "ca.crt", NULL);
    g_autofree char *certificate = g_build_filename (controller->pki_folder, "controller.crt", NULL);
    g_autofree char *key = g_build_filename (controller->pki_folder, "controller.key", NULL);
    const HttpClientOptions options = {.ca_file = ca, .certificate_file = certificate, .key_file = key};
    controller->agents = http_client_new (&options, error);
    return controller->agents != NULL;
}

static void
server_free (gpointer data)
{
    Server *server = data;
    g_free (server->name);
    g_free (server->address);
    g_free (server->url);
    json_decref (server->info);
    g_hash_table_unref (server->reports);
    g_free (server);
}

static gboolean
load_catalogs (Controller *controller, const ControllerOptions *options, GError **error)
{
    g_autofree char *built = options->built_images != NULL  ? g_strdup (options->built_images)
                             : options->images_file != NULL ? g_path_get_dirname (options->images_file)
                                                            : NULL;
    controller->images = image_store_new (options->state_folder, built, error);
    if (controller->images == NULL || !catalog_grid_load (controller->catalogs, controller->store, error))
        return FALSE;
    controller_reload_catalog (controller);
    return TRUE;
}

Controller *
controller_new (const ControllerOptions *options, GError **error)
{
    Controller *controller = g_new0 (Controller, 1);
    controller->clock = options->clock != NULL ? options->clock : clock_real ();
    controller->state_folder = g_strdup (options->state_folder);
    controller->pki_folder = g_build_filename (options->state_folder, "pki", NULL);
    controller->agent_port = g_strdup (options->agent_port != NULL ? options->agent_port : "8444");
    controller->started_us = clock_monotonic_us (controller->clock);
    g_autofree char *metrics = g_build_filename (options->state_folder, "metrics", NULL);
    controller->metrics = metrics_new (options->no_metrics_history ? NULL : metrics);
    controller->noted = json_array ();
    controller->written = json_array ();
    controller->applications =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)application_record_free);
    controller->volumes =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)volume_record_free);
    controller->jobs =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)job_record_free);
    controller->servers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, server_free);
    controller->access = access_new (controller->clock);
    controller->consoles = consoles_new (controller->clock);
    controller->trash =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)trash_record_free);
    controller->trash_keep_us = options->trash_keep_us != 0 ? options->trash_keep_us : TRASH_KEEP_US;
    controller->trash_free_percent =
        options->trash_free_percent != 0 ? options->trash_free_percent : TRASH_FREE_PERCENT;
    controller->catalog = catalog_folder_new (options->catalog_folders, options->images_file);
    controller->catalogs = catalog_grid_new ();

    controller->memos = memos_new ();
    controller->learn_min_us = options->learn_min_s * (gint64)G_USEC_PER_SEC;
    backups_open (controller, options->backup_hour);
    g_autofree char *store_folder = g_build_filename (options->state_folder, "store", NULL);
    const StoreOptions store_options = {
        .clock = controller->clock, .events_kept = options->events_kept, .events_days = options->events_days};
    controller->ui = options->ui_folder != NULL ? static_files_open (options->ui_folder, error)
                                                : static_files_embedded (console_files, n_console_files);
    if (controller->ui == NULL || !file_make_folder (options->state_folder, 0700, error) ||
        (controller->store = store_open (store_folder, &store_options, error)) == NULL ||
        !audit_open (controller, options->audit_kept, options->audit_days, error) ||
        !load_identity (controller, error) || !load_token (controller, error) ||
        !load_seal (controller, error) || !load_certificates (controller, options->names, error) ||
        !store_list (controller->store, STORE_SERVERS, NULL, NULL, 0, load_server, controller, error) ||
        !load_catalogs (controller, options, error) || !load_records (controller, error) ||
        !networks_ensure_outside (controller, options->outside, error) || !learn_open (controller, error)) {
        controller_free (controller);
        return NULL;
    }
    return controller;
}

void
controller_free (Controller *controller)
{
    if (controller == NULL)
        return;
    g_clear_handle_id (&controller->wake_source, g_source_remove);
    g_clear_handle_id (&controller->tick_source, g_source_remove);
    backups_close (controller);
    http_client_free (controller->agents);
    g_hash_table_unref (controller->applications);
    g_hash_table_unref (controller->volumes);
    g_hash_table_unref (controller->jobs);
    g_hash_table_unref (controller->trash);
    g_hash_table_unref (controller->servers);
    catalog_folder_free (controller->catalog);
    catalog_grid_free (controller->catalogs);
    image_store_free (controller->images);
    learn_close (controller);
    memos_free (controller->memos);
    audit_close (controller);
    consoles_free (controller->consoles);
    static_files_free (controller->ui);
    access_free (controller->access);
    seal_free (controller->seal);
    metrics_free (controller->metrics);
    if (controller->store != NULL)
        store_close (controller->store);
    json_decref (controller->noted);
    json_decref (controller->written);
    g_free (controller->state_folder);
    g_free (controller->pki_folder);
    g_free (controller->grid_id);
    g_free (controller->token);
    g_free (controller->agent_port);
    g_free (controller);
}

/* --- catalogs ---------------------------------------------------------------------------------------------- */

void
controller_reload_catalog (Controller *controller)
{
    catalog_folder_reload (controller->catalog);
    catalog_grid_fill (controller->catalogs, catalog_folder_all (controller->catalog));
}

const json_t *
controller_class_image (const Controller *controller, const char *catalog, const char *name,
                        const char *version)
{
    if (strcmp (catalog, CATALOG_SYSTEM) == 0)
        return catalog_folder_image (controller->catalog, name, version);
    const GridEntry *entry = catalog_grid_entry (controller->catalogs, catalog, name, version);
    return entry != NULL ? entry->image : NULL;
}

/* --- running ----------------------------------------------------------------------------------------------- */

static gboolean
on_wake (gpointer user_data)
{
    Controller *controller = user_data;
    controller->wake_source = 0;
    reconcile_all (controller);
    return G_SOURCE_REMOVE;
}

static gboolean
on_tick (gpointer user_data)
{
    Controller *controller = user_data;
    backups_tick (controller);
    agent_watch_tick (controller);
    access_tick (controller);
    metrics_tick (controller);
    reconcile_all (controller);
    return G_SOURCE_CONTINUE;
}

void
controller_wake (Controller *controller)
{
    if (controller->wake_source == 0 && controller->tick_source != 0)
        controller->wake_source = g_idle_add (on_wake, controller);
}

void
controller_run (Controller *controller)
{
    jobs_resumed (controller);
    controller->tick_source = g_timeout_add (TICK_MS, on_tick, controller);
    class_create_resume (controller);
    controller_wake (controller);
}

/* --- records ----------------------------------------------------------------------------------------------- */

static gpointer
look_up (GHashTable *table, const char *what, const char *name, GError **error)
{
    gpointer record = g_hash_table_lookup (table, name);
    if (record == NULL) {
        g_autofree char *quoted = problem_quote (name);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no %s %s", what, quoted);
    }
    return record;
}

ApplicationRecord *
controller_application (Controller *controller, const char *name, GError **error)
{
    ApplicationRecord *application = look_up (controller->applications, "application", name, error);
    if (application != NULL)
        controller_touch (application);
    return application;
}

Server *
controller_server (Controller *controller, const char *name, GError **error)
{
    return look_up (controller->servers, "server", name, error);
}

JobRecord *
controller_job (Controller *controller, const char *id, GError **error)
{
    return look_up (controller->jobs, "job", id, error);
}

static VolumeRecord *
volume_named (Controller *controller, const char *name)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (strcmp (volume->name, name) == 0)
            return volume;
    return NULL;
}

VolumeRecord *
controller_volume (Controller *controller, const char *name, GError **error)
{
    VolumeRecord *volume = volume_named (controller, name);
    if (volume == NULL)
        volume = look_up (controller->volumes, "volume", name, error);
    if (volume != NULL)
        volume->dirty = TRUE;
    return volume;
}

VolumeRecord *
controller_application_volume (Controller *controller, const char *application, const char *local)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (g_strcmp0 (volume->application, application) == 0 && g_strcmp0 (volume->local, local) == 0 &&
            !volume->deleting) {
            volume->dirty = TRUE;
            return volume;
        }
    return NULL;
}

void
controller_touch (ApplicationRecord *application)
{
    application->touched = application->dirty = TRUE;
}

void
controller_touch_all (Controller *controller)
{
    GHashTableIter iter;
    gpointer record;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        controller_touch (record);
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        ((VolumeRecord *)record)->dirty = TRUE;
}

static GHashTable *
outside_table (const json_t *outside)
{
    GHashTable *table =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)outside_address_free);
    const char *member;
    json_t *value;
    json_object_foreach ((json_t *)outside, member, value) {
        g_hash_table_insert (
            table, g_strdup (member),
            outside_address_new (json_str (value, "address", ""), (guint)json_int (value, "prefix", 24),
                                 json_str (value, "gateway", NULL), json_str (value, "network", "outside")));
    }
    return table;
}

gboolean
controller_compile (Controller *controller, ApplicationRecord *application, GError **error)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_new (application->applied);
    g_autoptr (Catalog) catalog = catalog_from_snapshot (application->used, error);
    if (catalog == NULL)
        return FALSE;
    g_autoptr (Topology) topology = topology_from_document (document, catalog, problems);
    if (topology == NULL)
        return problems_to_error (problems, error);
    g_autoptr (Addresses) book = addresses_from_json (application->addresses, error);
    g_autoptr (GHashTable) outside = outside_table (application->outside);
    if (book == NULL || !addresses_assign (book, topology, error))
        return FALSE;
    Wiring *wiring = wiring_new (topology, book, controller->grid_id, application->id, outside, error);
    if (wiring == NULL)
        return FALSE;
    wiring_free (application->wiring);
    addresses_free (application->address_book);
    topology_free (application->topology);
    application->wiring = wiring;
    application->address_book = g_steal_pointer (&book);
    application->topology = g_steal_pointer (&topology);
    record_set_json (&application->addresses, addresses_json (application->address_book));
    return TRUE;
}

/* --- changes ----------------------------------------------------------------------------------------------- */

void
controller_revert (Controller *controller)
{
    g_autoptr (GError) error = NULL;
    json_array_clear (controller->noted);
    json_array_clear (controller->written);
    if (!load_records (controller, &error))
        g_error ("cannot read the store back: %s", error->message);
    agent_watch_attach_all (controller);
}

gint64
controller_now_us (Controller *controller)
{
    return clock_wall_us (controller->clock);
}

char *
controller_stamp (Controller *controller)
{
    return clock_stamp (controller->clock);
}
