/* Single records of the store: does each refer to what is there, and is it what the store holds? */
#include <string.h>

#include "vdc/controller/trash.h"
#include "vdc/controller/verify_internal.h"

/* --- members ------------------------------------------------------------------------------------------------ */

static void
verify_members (Controller *controller, const ApplicationRecord *application, json_t *findings)
{
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        if (member->server != NULL && !g_hash_table_contains (controller->servers, member->server))
            verify_add (findings, "server_unknown", NULL, application->name, member->name,
                        "%s:%s lies on server '%s', which is not registered", application->name, member->name,
                        member->server);
        if (!member->leaving && topology_member (application->topology, member->name) == NULL)
            verify_add (findings, "member_stray", NULL, application->name, member->name,
                        "no description names %s:%s", application->name, member->name);
    }
    /* Those that come with what is not adopted yet are no members of the topology. */
    for (guint i = 0;
         !application->destroying && application->next == NULL && i < application->topology->members->len;
         i++) {
        const char *name = ((Member *)application->topology->members->pdata[i])->name;
        if (application_record_member (application, name) == NULL)
            verify_add (findings, "member_missing", NULL, application->name, name, "%s:%s has no record",
                        application->name, name);
    }
}

static void
verify_networks (Controller *controller, const ApplicationRecord *application, json_t *findings)
{
    const char *member;
    json_t *use;
    json_object_foreach (application->outside, member, use) {
        const char *network = json_str (use, "network", "");
        if (*network != '\0' && (controller->store == NULL || /* of a test: it holds none */
                                 !store_has (controller->store, STORE_NETWORKS, network)))
            verify_add (findings, "network_unknown", NULL, application->name, member,
                        "%s:%s has address %s of network '%s', which there is not", application->name, member,
                        json_str (use, "address", ""), network);
    }
}

static void
verify_application (Controller *controller, const ApplicationRecord *application, json_t *findings)
{
    if (application->topology == NULL) {
        verify_add (findings, "description_broken", NULL, application->name, NULL,
                    "the description of '%s' does not compile", application->name);
        return;
    }
    verify_members (controller, application, findings);
    verify_networks (controller, application, findings);
}

/* --- volumes and jobs --------------------------------------------------------------------------------------- */

static void
verify_volume (Controller *controller, const VolumeRecord *volume, GHashTable *names, json_t *findings)
{
    if (volume->application != NULL && !g_hash_table_contains (controller->applications, volume->application))
        verify_add (findings, "volume_stray", NULL, volume->application, volume->id,
                    "volume '%s' belongs to application '%s', which there is not", volume->name,
                    volume->application);
    if (volume->server != NULL && controller->servers != NULL &&
        !g_hash_table_contains (controller->servers, volume->server))
        verify_add (findings, "server_unknown", NULL, volume->application, volume->id,
                    "volume '%s' lies on server '%s', which is not registered", volume->name, volume->server);
    if (!volume->deleting && !g_hash_table_add (names, volume->name))
        verify_add (findings, "volume_duplicate", NULL, volume->application, volume->id,
                    "there is more than one volume '%s'", volume->name);
    if (trash_volume (controller, volume->id) != NULL)
        verify_add (findings, "trash_clash", NULL, volume->application, volume->id,
                    "volume '%s' (%s) is in use and in the trash", volume->name, volume->id);
}

static void
verify_job (Controller *controller, const JobRecord *job, json_t *findings)
{
    const ApplicationRecord *application =
        job->application != NULL ? g_hash_table_lookup (controller->applications, job->application) : NULL;
    if (strcmp (job->state, "running") != 0 || job->application == NULL ||
        (application != NULL && g_strcmp0 (application->job, job->id) == 0))
        return;
    verify_add (findings, "job_stuck", NULL, job->application, job->id, "job %s (%s) runs, and %s '%s' %s",
                job->id, job->kind, "application", job->application,
                application != NULL ? "is at another" : "is not there");
}

/* --- the store itself --------------------------------------------------------------------------------------- */

typedef struct {
    Controller *controller;
    json_t *findings;
    const char *what;
    GHashTable *table;
    gsize stored_offset; /* of json_t *stored in its records */
    guint rows;
} Rows;

static gboolean
compare_row (const char *key, json_t *value, gpointer user_data)
{
    Rows *rows = user_data;
    gpointer record = g_hash_table_lookup (rows->table, key);
    const json_t *stored = record != NULL ? G_STRUCT_MEMBER (json_t *, record, rows->stored_offset) : NULL;
    rows->rows++;
    if (stored == NULL || !json_equal ((json_t *)stored, value))
        verify_add (rows->findings, "store_differs", NULL, NULL, key,
                    "the store's row of %s '%s' is not what vdcd has", rows->what, key);
    return TRUE;
}

static void
verify_table (Controller *controller, StoreTable table, const char *what, GHashTable *records,
              gsize stored_offset, json_t *findings)
{
    g_autoptr (GError) error = NULL;
    Rows rows = {controller, findings, what, records, stored_offset, 0};
    if (!store_list (controller->store, table, NULL, NULL, 0, compare_row, &rows, &error))
        verify_add (findings, "store_differs", NULL, NULL, what, "cannot read the store: %s", error->message);
    else if (rows.rows < g_hash_table_size (records))
        verify_add (findings, "store_differs", NULL, NULL, what,
                    "the store lacks rows of %ss: it has %u of %u", what, rows.rows,
                    g_hash_table_size (records));
}

static void
verify_rows (Controller *controller, json_t *findings)
{
    if (controller->store == NULL)
        return;
    verify_table (controller, STORE_APPLICATIONS, "application", controller->applications,
                  G_STRUCT_OFFSET (ApplicationRecord, stored), findings);
    verify_table (controller, STORE_VOLUMES, "volume", controller->volumes,
                  G_STRUCT_OFFSET (VolumeRecord, stored), findings);
    verify_table (controller, STORE_JOBS, "job", controller->jobs, G_STRUCT_OFFSET (JobRecord, stored),
                  findings);
    verify_table (controller, STORE_TRASH, "trash entry", controller->trash,
                  G_STRUCT_OFFSET (TrashRecord, stored), findings);
}

void
verify_records (Controller *controller, json_t *findings)
{
    g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
    GHashTableIter iter;
    gpointer record;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        verify_application (controller, record, findings);
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        verify_volume (controller, record, names, findings);
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        verify_job (controller, record, findings);
    verify_rows (controller, findings);
}
