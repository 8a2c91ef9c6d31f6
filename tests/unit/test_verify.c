#include "vdc/controller/verify_internal.h"

#include <string.h>

#include "vdc/controller/controller.h"

/*
 * A grid with one running application: "web" wired to "db", which has the volume "data", and an inventory of
 * server s1 that agrees with it. Each test makes one damage and expects one code.
 */
typedef struct {
    Controller controller;
    Server server;
    ApplicationRecord *application;
    VolumeRecord *volume;
    json_t *inventory;
} Fixture;

#define RESOURCES                                                                                            \
    "resources: {cpu: {min: 0.1, max: 1, default: 0.1}, memory: {min: 16M, max: 1G, default: 32M}, "         \
    "network: {min: 1M, max: 1G, default: 100M}}\n"

static const char web_class[] = "class: WEB\nversion: 1.0.0\nsummary: web\n"
                                "terminals: {db: {side: output, protocol: mysql}}\n" RESOURCES;
static const char db_class[] = "class: DB\nversion: 1.0.0\nsummary: db\n"
                               "terminals: {in: {side: input, protocol: mysql}}\n"
                               "volumes: {data: {mount: /mnt/data}}\n" RESOURCES;
static const char description[] =
    "application: shop\n"
    "instances:\n  web: {class: WEB}\n  db: {class: DB, volumes: {data: data}}\n"
    "wires:\n  - web.db -> db.in\n"
    "volumes: {data: {size: 8M}}\n";

static void
add_class (Catalog *catalog, const char *text)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Class) class = class_parse (text, strlen (text), DOCUMENT_YAML, problems);
    g_autofree char *said = problems_text (problems);
    g_assert_cmpstr (said, ==, "");
    catalog_add_class (catalog, "system", class);
}

static ApplicationRecord *
make_application (Controller *controller, const char *name, const char *id)
{
    g_autoptr (Catalog) catalog = catalog_new ();
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (GError) error = NULL;
    add_class (catalog, web_class);
    add_class (catalog, db_class);
    g_autoptr (Document) document =
        document_parse (description, strlen (description), DOCUMENT_YAML, problems);
    g_autoptr (Topology) topology = topology_from_document (document, catalog, problems);
    g_assert_nonnull (topology);
    ApplicationRecord *application = application_record_new (NULL);
    application->name = g_strdup (name);
    application->id = g_strdup (id);
    application->applied = json_deep_copy (document_root (document));
    application->used = json_deep_copy (topology_used (topology));
    g_assert_true (controller_compile (controller, application, &error));
    g_hash_table_insert (controller->applications, g_strdup (name), application);
    return application;
}

static void
make_running (ApplicationRecord *application, const char *name)
{
    MemberRecord *member = application_record_add (application, name);
    member->server = g_strdup ("s1");
    member->on = member->sent = member->known = member->fresh = TRUE;
    member->generation = 2;
    record_set_string (&member->state, "running");
    member->report = json_pack ("{s:s, s:i}", "vm", "running", "generation", 2);
}

static json_t *
sound_inventory (void)
{
    json_t *inventory = json_object ();
    const char *const members[] = {"web", "db"}, *const terminals[] = {"db", "in"};
    const char *const lists[] = {"domains", "specs",   "disks",   "taps",     "chains",
                                 "bridges", "volumes", "cgroups", "qemu_pids"};
    for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
        json_put (inventory, lists[i], json_array ());
    for (guint i = 0; i < 2; i++) {
        g_autofree char *group = g_strdup_printf ("vdc-0a0b-%s", members[i]);
        g_autoptr (json_t) entry = json_pack (
            "{s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "name", group, "application", "shop", "application_id",
            "0a0b", "member", members[i], "terminal", terminals[i], "generation", 2, "pid", 100 + (int)i);
        for (guint k = 0; k < 5; k++)
            json_array_append_new (json_object_get (inventory, lists[k]), json_deep_copy (entry));
        json_array_append_new (json_object_get (inventory, "cgroups"), json_string (group));
        json_array_append_new (json_object_get (inventory, "qemu_pids"), json_integer (100 + (int)i));
    }
    json_array_append_new (
        json_object_get (inventory, "bridges"),
        json_pack ("{s:s, s:s, s:s}", "name", "vb1", "application", "shop", "application_id", "0a0b"));
    json_array_append_new (json_object_get (inventory, "volumes"),
                           json_pack ("{s:s, s:i, s:s, s:[]}", "id", "00000000000000aa", "size_bytes",
                                      8 << 20, "writer", "shop/db", "readers"));
    return inventory;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    Controller *controller = &fixture->controller;
    controller->clock = clock_real ();
    controller->grid_id = (char *)"0123";
    controller->applications =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)application_record_free);
    controller->volumes =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)volume_record_free);
    controller->trash =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)trash_record_free);
    controller->jobs =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)job_record_free);
    controller->servers = g_hash_table_new (g_str_hash, g_str_equal);
    g_hash_table_insert (controller->servers, (char *)"s1", &fixture->server);
    fixture->server.name = (char *)"s1";
    fixture->application = make_application (controller, "shop", "0a0b");
    make_running (fixture->application, "web");
    make_running (fixture->application, "db");
    fixture->volume = volume_record_new (NULL);
    fixture->volume->id = g_strdup ("00000000000000aa");
    fixture->volume->name = g_strdup ("shop.data");
    fixture->volume->application = g_strdup ("shop");
    fixture->volume->local = g_strdup ("data");
    fixture->volume->server = g_strdup ("s1");
    fixture->volume->size_bytes = 8 << 20;
    fixture->volume->made = TRUE;
    g_hash_table_insert (controller->volumes, g_strdup (fixture->volume->id), fixture->volume);
    fixture->inventory = sound_inventory ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    g_hash_table_unref (fixture->controller.applications);
    g_hash_table_unref (fixture->controller.volumes);
    g_hash_table_unref (fixture->controller.trash);
    g_hash_table_unref (fixture->controller.jobs);
    g_hash_table_unref (fixture->controller.servers);
    json_decref (fixture->inventory);
}

static void
expect (Fixture *fixture, const char *code)
{
    g_autoptr (json_t) findings = json_array ();
    verify_store (&fixture->controller, findings);
    verify_server (&fixture->controller, &fixture->server, fixture->inventory, findings);
    g_autofree char *text = json_pretty (findings);
    g_test_message ("%s", text);
    g_assert_cmpuint (json_array_size (findings), ==, code != NULL ? 1 : 0);
    if (code != NULL)
        g_assert_cmpstr (json_str (json_array_get (findings, 0), "code", ""), ==, code);
}

static void
sound_grid_is_clean (Fixture *fixture, gconstpointer data)
{
    expect (fixture, NULL);
}

/* "-LIST": its first entry is missing; "+LIST": one of nobody is there. */
typedef struct {
    const char *code, *damage;
} Damage;

static const Damage damages[] = {
    {"domain_missing", "-domains"}, {"spec_missing", "-specs"},    {"disk_missing", "-disks"},
    {"tap_missing", "-taps"},       {"chain_missing", "-chains"},  {"volume_missing", "-volumes"},
    {"qemu_orphan", "+qemu_pids"},  {"domain_orphan", "+domains"}, {"spec_orphan", "+specs"},
    {"disk_orphan", "+disks"},      {"tap_orphan", "+taps"},       {"bridge_orphan", "+bridges"},
    {"volume_orphan", "+volumes"},  {"cgroup_orphan", "+cgroups"},
};

static void
one_damage_one_code (Fixture *fixture, gconstpointer data)
{
    const Damage *damage = data;
    json_t *list = json_object_get (fixture->inventory, damage->damage + 1);
    if (damage->damage[0] == '-')
        json_array_remove (list, 0);
    else if (strcmp (damage->damage, "+cgroups") == 0)
        json_array_append_new (list, json_string ("vdc-ffff-web"));
    else if (strcmp (damage->damage, "+qemu_pids") == 0)
        json_array_append_new (list, json_integer (999));
    else
        json_array_append_new (list,
                               json_pack ("{s:s, s:s, s:s, s:s, s:s}", "name", "x", "id", "ff", "application",
                                          "none", "application_id", "ffff", "member", "web"));
    if (strcmp (damage->damage, "-domains") == 0) /* its process is gone too */
        json_array_remove (json_object_get (fixture->inventory, "qemu_pids"), 0);
    expect (fixture, damage->code);
}

static void
chain_without_tap (Fixture *fixture, gconstpointer data)
{
    json_array_append_new (json_object_get (fixture->inventory, "chains"),
                           json_pack ("{s:s, s:b}", "name", "vtx", "orphan", 1));
    expect (fixture, "chain_orphan");
}

static void
other_numbers (Fixture *fixture, gconstpointer data)
{
    json_t *spec = json_array_get (json_object_get (fixture->inventory, "specs"), 0);
    json_put (spec, "generation", json_integer (1));
    expect (fixture, "spec_stale");
    json_put (spec, "generation", json_integer (2));
    fixture->volume->size_bytes++;
    expect (fixture, "volume_size");
}

/* The record on the server is right, its file is not. */
static void
volume_file_cut_and_lost (Fixture *fixture, gconstpointer data)
{
    json_t *volume = json_array_get (json_object_get (fixture->inventory, "volumes"), 0);
    json_put (volume, "file_bytes", json_integer (1 << 20));
    expect (fixture, "volume_size");
    json_put (volume, "orphan", json_true ());
    expect (fixture, "volume_missing");
}

static void
wires_that_differ (Fixture *fixture, gconstpointer data)
{
    json_put (fixture->inventory, "wires",
              json_pack ("[{s:s, s:s, s:s, s:[s]}]", "application", "shop", "application_id", "0a0b",
                         "member", "web", "differences", "terminal 'db': its rules differ from its wires"));
    expect (fixture, "wire_differs");
    /* Told as a lost tap already. */
    json_array_remove (json_object_get (fixture->inventory, "taps"), 0);
    expect (fixture, "tap_missing");
}

static void
two_vms_of_one_member (Fixture *fixture, gconstpointer data)
{
    json_t *domains = json_object_get (fixture->inventory, "domains");
    json_array_append_new (domains, json_deep_copy (json_array_get (domains, 0)));
    expect (fixture, "domain_duplicate");
}

static void
writer_and_reader (Fixture *fixture, gconstpointer data)
{
    json_t *volume = json_array_get (json_object_get (fixture->inventory, "volumes"), 0);
    json_array_append_new (json_object_get (volume, "readers"), json_string ("shop/web"));
    expect (fixture, "volume_writers");
}

static void
addresses_given_twice (Fixture *fixture, gconstpointer data)
{
    ApplicationRecord *other = make_application (&fixture->controller, "other", "0c0d");
    application_record_add (other, "web");
    application_record_add (other, "db");
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = g_strdup ("00000000000000bb");
    volume->name = g_strdup ("other.data");
    volume->application = g_strdup ("other");
    volume->local = g_strdup ("data");
    g_hash_table_insert (fixture->controller.volumes, g_strdup (volume->id), volume);
    expect (fixture, NULL);
    record_set_json (&fixture->application->outside,
                     json_pack ("{s:{s:s, s:[{s:i, s:i}]}}", "web", "address", "192.0.2.20", "published",
                                "port", 80, "local_port", 20080));
    record_set_json (&other->outside,
                     json_pack ("{s:{s:s, s:[]}}", "web", "address", "192.0.2.20", "published"));
    expect (fixture, "outside_duplicate");
    record_set_json (&other->outside, json_pack ("{s:{s:s, s:[{s:i, s:i}]}}", "web", "address", "192.0.2.21",
                                                 "published", "port", 80, "local_port", 20080));
    expect (fixture, "port_duplicate");
}

static void
stored_map_and_wiring_differ (Fixture *fixture, gconstpointer data)
{
    json_put (fixture->application->addresses, "web:db", json_string ("100.64.9.9"));
    expect (fixture, "address_mismatch");
}

/* --- records ----------------------------------------------------------------------------------------------- */

static void
member_without_record (Fixture *fixture, gconstpointer data)
{
    MemberRecord *extra = application_record_add (fixture->application, "web.9");
    expect (fixture, "member_stray");
    g_ptr_array_remove (fixture->application->members, extra);
    g_ptr_array_remove_index (fixture->application->members, 0);
    g_autoptr (json_t) findings = json_array ();
    verify_store (&fixture->controller, findings);
    g_assert_cmpstr (json_str (json_array_get (findings, 0), "code", ""), ==, "member_missing");
}

static void
server_that_went (Fixture *fixture, gconstpointer data)
{
    g_autoptr (json_t) findings = json_array ();
    g_hash_table_remove_all (fixture->controller.servers);
    verify_store (&fixture->controller, findings);
    g_assert_cmpuint (json_array_size (findings), ==, 3); /* two members and a volume */
    for (gsize i = 0; i < 3; i++)
        g_assert_cmpstr (json_str (json_array_get (findings, i), "code", ""), ==, "server_unknown");
}

static void
description_that_does_not_compile (Fixture *fixture, gconstpointer data)
{
    g_autoptr (json_t) findings = json_array ();
    g_clear_pointer (&fixture->application->topology, topology_free);
    verify_records (&fixture->controller, findings);
    g_assert_cmpuint (json_array_size (findings), ==, 1);
    g_assert_cmpstr (json_str (json_array_get (findings, 0), "code", ""), ==, "description_broken");
}

static void
job_of_nobody (Fixture *fixture, gconstpointer data)
{
    JobRecord *job = job_record_new (NULL);
    job->id = g_strdup ("00000000000000cc");
    job->kind = g_strdup ("start");
    job->application = g_strdup ("shop");
    job->state = g_strdup ("running");
    g_hash_table_insert (fixture->controller.jobs, g_strdup (job->id), job);
    expect (fixture, "job_stuck");
    record_set_string (&fixture->application->job, job->id);
    expect (fixture, NULL);
}

static VolumeRecord *
add_volume (Fixture *fixture, const char *id, const char *name)
{
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = g_strdup (id);
    volume->name = g_strdup (name);
    volume->unused = TRUE;
    g_hash_table_insert (fixture->controller.volumes, g_strdup (id), volume);
    return volume;
}

static void
volumes_that_do_not_fit (Fixture *fixture, gconstpointer data)
{
    VolumeRecord *volume = add_volume (fixture, "00000000000000bb", "shop.data");
    expect (fixture, "volume_duplicate");
    record_set_string (&volume->name, "none.data");
    expect (fixture, NULL);
    volume->application = g_strdup ("none");
    expect (fixture, "volume_stray");
}

static TrashRecord *
add_trash (Fixture *fixture, const char *id, const char *server)
{
    TrashRecord *entry = trash_record_new (NULL);
    entry->id = g_strdup ("00000000000000ee");
    entry->name = g_strdup ("old.data");
    entry->volumes =
        json_pack ("[{s:s, s:s, s:s, s:b}]", "id", id, "name", "old.data", "server", server, "made", 1);
    g_hash_table_insert (fixture->controller.trash, g_strdup (entry->id), entry);
    return entry;
}

static void
volume_in_use_and_in_trash (Fixture *fixture, gconstpointer data)
{
    add_trash (fixture, "00000000000000aa", "s1");
    expect (fixture, "trash_clash");
}

static void
trash_and_its_files (Fixture *fixture, gconstpointer data)
{
    add_trash (fixture, "00000000000000ff", "s1");
    expect (fixture, "trash_missing");
    json_array_append_new (json_object_get (fixture->inventory, "volumes"),
                           json_pack ("{s:s, s:i, s:n, s:[]}", "id", "00000000000000ff", "size_bytes",
                                      8 << 20, "writer", "readers"));
    expect (fixture, NULL);
}

static void
volume_noted_as_open (Fixture *fixture, gconstpointer data)
{
    json_t *volume = json_array_get (json_object_get (fixture->inventory, "volumes"), 0);
    json_put (volume, "writer", json_string ("shop/gone"));
    expect (fixture, "volume_open");
    json_put (volume, "writer", json_string ("shop/db"));
    expect (fixture, NULL);
}

static void
volume_whose_record_is_lost (Fixture *fixture, gconstpointer data)
{
    json_t *list = json_object_get (fixture->inventory, "volumes");
    json_array_set_new (
        list, 0, json_pack ("{s:s, s:i, s:b}", "id", "00000000000000aa", "file_bytes", 8 << 20, "orphan", 1));
    expect (fixture, "volume_unrecorded");
}

static void
files_of_nobody (Fixture *fixture, gconstpointer data)
{
    json_put (fixture->inventory, "files", json_pack ("[s]", "volumes/rest.new"));
    expect (fixture, "file_orphan");
}

static void
image_that_is_not_there (Fixture *fixture, gconstpointer data)
{
    fixture->application->images = json_pack ("{s:{s:s}, s:{s:s}}", "WEB@1.0.0", "digest", "sha256:aa",
                                              "DB@1.0.0", "digest", "sha256:bb");
    json_put (fixture->inventory, "images", json_pack ("[s, s]", "sha256:aa", "sha256:bb"));
    expect (fixture, NULL);
    json_put (fixture->inventory, "images", json_pack ("[s]", "sha256:aa"));
    expect (fixture, "image_missing");
}

static void
network_that_there_is_not (Fixture *fixture, gconstpointer data)
{
    fixture->application->outside =
        json_pack ("{s:{s:s, s:s}}", "web", "address", "192.0.2.20", "network", "none");
    expect (fixture, "network_unknown");
}

/* --- the table ---------------------------------------------------------------------------------------------- */

static void
table_is_whole (void)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    for (const VerifyCode *row = verify_codes (); row->code != NULL; row++) {
        g_assert_true (g_hash_table_add (seen, (char *)row->code));
        g_assert_true (row->meaning != NULL && row->remedy != NULL && row->where != NULL);
        g_test_message ("%s", row->code);
        g_assert_cmpint (row->repair != NULL, ==, verify_knows_repair (row->code));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(path, data, function) g_test_add ("/verify/" path, Fixture, data, set_up, function, tear_down)
    ADD ("sound-grid-is-clean", NULL, sound_grid_is_clean);
    for (guint i = 0; i < G_N_ELEMENTS (damages); i++) {
        g_autofree char *path = g_strconcat ("/verify/", damages[i].code, NULL);
        g_test_add (path, Fixture, &damages[i], set_up, one_damage_one_code, tear_down);
    }
    ADD ("chain_orphan", NULL, chain_without_tap);
    ADD ("spec_stale-volume_size", NULL, other_numbers);
    ADD ("volume_size-volume_missing", NULL, volume_file_cut_and_lost);
    ADD ("wire_differs", NULL, wires_that_differ);
    ADD ("domain_duplicate", NULL, two_vms_of_one_member);
    ADD ("volume_writers", NULL, writer_and_reader);
    ADD ("outside_duplicate-port_duplicate", NULL, addresses_given_twice);
    ADD ("address_mismatch", NULL, stored_map_and_wiring_differ);
    ADD ("member_missing-member_stray", NULL, member_without_record);
    ADD ("server_unknown", NULL, server_that_went);
    ADD ("description_broken", NULL, description_that_does_not_compile);
    ADD ("job_stuck", NULL, job_of_nobody);
    ADD ("volume_duplicate-volume_stray", NULL, volumes_that_do_not_fit);
    ADD ("trash_clash", NULL, volume_in_use_and_in_trash);
    ADD ("trash_missing", NULL, trash_and_its_files);
    ADD ("volume_open", NULL, volume_noted_as_open);
    ADD ("volume_unrecorded", NULL, volume_whose_record_is_lost);
    ADD ("file_orphan", NULL, files_of_nobody);
    ADD ("image_missing", NULL, image_that_is_not_there);
    ADD ("network_unknown", NULL, network_that_there_is_not);
    g_test_add_func ("/verify/table-is-whole", table_is_whole);
    return g_test_run ();
}
