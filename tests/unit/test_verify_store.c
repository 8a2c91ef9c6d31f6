#include "vdc/controller/verify.h"

#include <string.h>

#include "vdc/base/file.h"
#include "vdc/controller/audit.h"
#include "vdc/store/audit_chain.h"

/* A vdcd without servers, whose store is damaged by hand. */
typedef struct {
    char *folder;
    Controller *controller;
    json_t *report;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    static const char *const none[] = {NULL};
    g_autoptr (GError) error = NULL;
    fixture->folder = g_dir_make_tmp ("vdc-verify-XXXXXX", NULL);
    const ControllerOptions options = {
        .state_folder = fixture->folder, .catalog_folders = none, .names = none};
    fixture->controller = controller_new (&options, &error);
    g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    controller_free (fixture->controller);
    file_remove_tree (fixture->folder, NULL);
    g_free (fixture->folder);
}

static void
take (json_t *report, gpointer user_data)
{
    ((Fixture *)user_data)->report = report;
}

static void
expect (Fixture *fixture, void (*look) (Controller *, VerifyDone, gpointer), const char *code)
{
    look (fixture->controller, take, fixture);
    while (fixture->report == NULL)
        g_main_context_iteration (NULL, TRUE);
    g_autoptr (json_t) report = g_steal_pointer (&fixture->report);
    const json_t *findings = json_object_get (report, "findings");
    g_autofree char *text = json_pretty (report);
    g_test_message ("%s", text);
    g_assert_cmpuint (json_array_size (findings), ==, code != NULL);
    g_assert_cmpint (json_bool (report, "clean", FALSE), ==, code == NULL);
    if (code != NULL)
        g_assert_cmpstr (json_str (json_array_get (findings, 0), "code", ""), ==, code);
}

static void
put_row (Fixture *fixture, StoreTable table, const char *key, json_t *value)
{
    StoreTxn *txn = store_begin (fixture->controller->store);
    if (value != NULL)
        store_put (txn, table, key, value);
    else
        store_del (txn, table, key);
    g_assert_true (store_commit (txn, NULL, NULL));
}

static void
row_that_vdcd_does_not_have (Fixture *fixture, gconstpointer data)
{
    expect (fixture, verify_start, NULL);
    put_row (fixture, STORE_VOLUMES, "00000000000000aa", json_pack ("{s:s}", "name", "shop.data"));
    expect (fixture, verify_start, "store_differs");
    put_row (fixture, STORE_VOLUMES, "00000000000000aa", NULL);
    expect (fixture, verify_start, NULL);
}

static void
row_that_is_lost (Fixture *fixture, gconstpointer data)
{
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = g_strdup ("00000000000000aa");
    volume->name = g_strdup ("shop.data");
    g_hash_table_insert (fixture->controller->volumes, g_strdup (volume->id), volume);
    g_assert_true (controller_commit (fixture->controller, NULL));
    expect (fixture, verify_start, NULL);
    put_row (fixture, STORE_VOLUMES, volume->id, NULL);
    expect (fixture, verify_start, "store_differs");
}

static void
changed_entry_of_the_audit (Fixture *fixture, gconstpointer data)
{
    const AuditEntry entry = {
        .who = "ann", .action = "startApplication", .object = "application", .id = "shop"};
    char key[AUDIT_KEY_BYTES];
    controller_audit (fixture->controller, &entry);
    controller_audit (fixture->controller, &entry);
    g_assert_true (controller_commit (fixture->controller, NULL));
    expect (fixture, verify_start, NULL);
    audit_chain_key (1, key);
    g_autoptr (json_t) row = store_get (fixture->controller->store, STORE_AUDIT, key, NULL);
    json_put (row, "who", json_string ("bob"));
    put_row (fixture, STORE_AUDIT, key, json_incref (row));
    expect (fixture, verify_start, "audit_broken");
}

/* --- repairs ------------------------------------------------------------------------------------------------- */

static void
job_of_nobody_is_ended (Fixture *fixture, gconstpointer data)
{
    JobRecord *job = job_record_new (NULL);
    job->id = g_strdup ("00000000000000cc");
    job->kind = g_strdup ("start");
    job->application = g_strdup ("shop");
    job->state = g_strdup ("running");
    job->created = controller_stamp (fixture->controller);
    g_hash_table_insert (fixture->controller->jobs, g_strdup (job->id), job);
    g_assert_true (controller_commit (fixture->controller, NULL));
    expect (fixture, verify_start, "job_stuck");
    expect (fixture, verify_repair, NULL);
    g_assert_cmpstr (job->state, ==, "failed");
}

static VolumeRecord *
add_volume (Fixture *fixture)
{
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = g_strdup ("00000000000000aa");
    volume->name = g_strdup ("shop.data");
    g_hash_table_insert (fixture->controller->volumes, g_strdup (volume->id), volume);
    return volume;
}

static void
volume_of_nobody_becomes_unused (Fixture *fixture, gconstpointer data)
{
    VolumeRecord *volume = add_volume (fixture);
    volume->application = g_strdup ("shop");
    volume->local = g_strdup ("data");
    g_assert_true (controller_commit (fixture->controller, NULL));
    expect (fixture, verify_start, "volume_stray");
    expect (fixture, verify_repair, NULL);
    g_assert_cmpstr (volume_state (volume), ==, "unused");
    g_assert_null (volume->application);
}

/* Also for the next vdcd: the entry without it is stored. */
static void
volume_in_use_leaves_the_trash (Fixture *fixture, gconstpointer data)
{
    add_volume (fixture);
    TrashRecord *entry = trash_record_new (NULL);
    entry->id = g_strdup ("00000000000000ee");
    entry->kind = g_strdup ("volume");
    entry->name = g_strdup ("old.data");
    entry->why = g_strdup ("destroyed");
    entry->volumes = json_pack ("[{s:s}]", "id", "00000000000000aa");
    g_hash_table_insert (fixture->controller->trash, g_strdup (entry->id), entry);
    g_assert_true (controller_commit (fixture->controller, NULL));
    expect (fixture, verify_start, "trash_clash");
    expect (fixture, verify_repair, NULL);
    g_autoptr (json_t) row = store_get (fixture->controller->store, STORE_TRASH, entry->id, NULL);
    g_assert_cmpuint (json_array_size (json_object_get (row, "volumes")), ==, 0);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/verify_store/" path, Fixture, NULL, set_up, function, tear_down)
    ADD ("store_differs-row-that-vdcd-does-not-have", row_that_vdcd_does_not_have);
    ADD ("store_differs-row-that-is-lost", row_that_is_lost);
    ADD ("audit_broken", changed_entry_of_the_audit);
    ADD ("job_stuck-repaired", job_of_nobody_is_ended);
    ADD ("volume_stray-repaired", volume_of_nobody_becomes_unused);
    ADD ("trash_clash-repaired", volume_in_use_leaves_the_trash);
    return g_test_run ();
}
