#include "vdc/controller/trash.h"

#include <string.h>

#include "vdc/base/file.h"

#define DAY_US (24 * 3600 * (gint64)G_USEC_PER_SEC)

/* --- which one goes for want of space ----------------------------------------------------------------------- */

static TrashRecord *
entry_of (const char *id, gint64 trashed_us, gint64 expires_us, const char *server)
{
    TrashRecord *entry = trash_record_new (NULL);
    entry->id = g_strdup (id);
    entry->trashed_us = trashed_us;
    entry->expires_us = expires_us;
    entry->volumes = json_pack ("[{s:s?}]", "server", server);
    return entry;
}

static void
space_takes_the_oldest_on_that_server (void)
{
    g_autoptr (GPtrArray) sorted = g_ptr_array_new_with_free_func ((GDestroyNotify)trash_record_free);
    g_ptr_array_add (sorted, entry_of ("never-made", 1, 100, NULL));
    g_ptr_array_add (sorted, entry_of ("elsewhere", 2, 100, "s2"));
    g_ptr_array_add (sorted, entry_of ("found", 3, 0, "s1"));
    g_ptr_array_add (sorted, entry_of ("oldest", 4, 100, "s1"));
    g_ptr_array_add (sorted, entry_of ("newer", 5, 100, "s1"));
    g_assert_cmpstr (trash_for_space (sorted, "s1", 1000, 49, 5, 0)->id, ==, "oldest");
    g_assert_null (trash_for_space (sorted, "s1", 1000, 50, 5, 0)); /* exactly the limit is enough */
    g_assert_null (trash_for_space (sorted, "s1", 1000, 51, 5, 0));
    g_assert_cmpstr (trash_for_space (sorted, "s2", 1000, 0, 5, 0)->id, ==, "elsewhere");
    g_assert_null (trash_for_space (sorted, "s3", 1000, 0, 5, 0));
    /* Somebody was refused a volume of 600. */
    g_assert_cmpstr (trash_for_space (sorted, "s1", 1000, 599, 5, 600)->id, ==, "oldest");
    g_assert_null (trash_for_space (sorted, "s1", 1000, 600, 5, 600));
}

/* --- in a controller with a clock of ours ------------------------------------------------------------------- */

typedef struct {
    char *folder;
    Clock *clock;
    Controller *controller;
} Fixture;

static void
open_controller (Fixture *fixture)
{
    static const char *const none[] = {NULL};
    const ControllerOptions options = {
        .state_folder = fixture->folder, .catalog_folders = none, .names = none, .clock = fixture->clock};
    g_autoptr (GError) error = NULL;
    fixture->controller = controller_new (&options, &error);
    g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp ("vdc-trash-XXXXXX", NULL);
    fixture->clock = clock_manual_new (1000 * DAY_US);
    open_controller (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    controller_free (fixture->controller);
    clock_manual_free (fixture->clock);
    file_remove_tree (fixture->folder, NULL);
    g_free (fixture->folder);
}

static void
commit (Fixture *fixture)
{
    g_autoptr (GError) error = NULL;
    g_assert_true (controller_commit (fixture->controller, &error));
    g_assert_no_error (error);
}

/* A volume of its own, made on s1. */
static VolumeRecord *
add_volume (Fixture *fixture, const char *id, const char *name)
{
    VolumeRecord *volume = volume_record_new (NULL);
    volume->id = g_strdup (id);
    volume->name = g_strdup (name);
    volume->server = g_strdup ("s1");
    volume->size_bytes = 8 << 20;
    volume->made = volume->unused = TRUE;
    g_hash_table_insert (fixture->controller->volumes, g_strdup (id), volume);
    return volume;
}

static void
expect (Fixture *fixture, guint entries, guint volumes)
{
    g_assert_cmpuint (g_hash_table_size (fixture->controller->trash), ==, entries);
    g_assert_cmpuint (g_hash_table_size (fixture->controller->volumes), ==, volumes);
}

static gboolean
was_told (Fixture *fixture, const char *kind, const char *why)
{
    g_autoptr (json_t) events = events_list (fixture->controller->store, 0, 0, NULL, NULL);
    gsize i;
    json_t *event;
    json_array_foreach (events, i, event) {
        if (strcmp (json_str (event, "kind", ""), kind) == 0 &&
            strcmp (json_str (json_object_get (event, "data"), "why", ""), why) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
a_day_and_not_a_microsecond_less (Fixture *fixture, gconstpointer data)
{
    add_volume (fixture, "00000000000000aa", "shop.data");
    commit (fixture);
    trash_put_volume (fixture->controller, controller_volume (fixture->controller, "shop.data", NULL),
                      "destroyed");
    commit (fixture);
    expect (fixture, 1, 0);
    clock_manual_advance (fixture->clock, TRASH_KEEP_US - 1);
    trash_tick (fixture->controller);
    expect (fixture, 1, 0);
    clock_manual_advance (fixture->clock, 1);
    trash_tick (fixture->controller);
    commit (fixture);
    expect (fixture, 0, 1);
    VolumeRecord *volume = g_hash_table_lookup (fixture->controller->volumes, "00000000000000aa");
    g_assert_cmpstr (volume_state (volume), ==, "deleting");
    g_assert_cmpstr (volume->name, ==, volume->id); /* its name may be another's */
    g_assert_true (was_told (fixture, "trash.added", "destroyed"));
    g_assert_true (was_told (fixture, "trash.removed", "expired"));
}

/* Into the trash and out of it in one commit: the row must be there for the next vdcd to erase the file. */
static void
trashed_and_removed_in_one_commit (Fixture *fixture, gconstpointer data)
{
    add_volume (fixture, "00000000000000aa", "shop.data");
    commit (fixture);
    trash_put_volume (fixture->controller, controller_volume (fixture->controller, "shop.data", NULL),
                      "destroyed");
    clock_manual_advance (fixture->clock, TRASH_KEEP_US);
    trash_tick (fixture->controller);
    commit (fixture);
    controller_free (fixture->controller);
    open_controller (fixture);
    expect (fixture, 0, 1);
}

static void
entries_survive_the_process (Fixture *fixture, gconstpointer data)
{
    add_volume (fixture, "00000000000000aa", "shop.data");
    commit (fixture);
    trash_put_volume (fixture->controller, controller_volume (fixture->controller, "shop.data", NULL),
                      "destroyed");
    commit (fixture);
    controller_free (fixture->controller);
    open_controller (fixture);
    expect (fixture, 1, 0);
    g_assert_nonnull (trash_volume (fixture->controller, "00000000000000aa"));
    g_assert_nonnull (trash_find (fixture->controller, NULL, "shop.data", NULL));
    g_assert_null (controller_volume (fixture->controller, "shop.data", NULL));
}

static void
what_was_found_stays (Fixture *fixture, gconstpointer data)
{
    add_volume (fixture, "00000000000000aa", "00000000000000aa");
    trash_put_volume (fixture->controller, controller_volume (fixture->controller, "00000000000000aa", NULL),
                      "found");
    clock_manual_advance (fixture->clock, 10 * TRASH_KEEP_US);
    trash_tick (fixture->controller);
    expect (fixture, 1, 0);
}

static void
a_clock_that_is_set_changes_nothing (Fixture *fixture, gconstpointer data)
{
    add_volume (fixture, "00000000000000aa", "shop.data");
    trash_put_volume (fixture->controller, controller_volume (fixture->controller, "shop.data", NULL),
                      "destroyed");
    commit (fixture);
    trash_shift (fixture->controller, 10 * TRASH_KEEP_US);
    clock_manual_advance (fixture->clock, 10 * TRASH_KEEP_US);
    trash_tick (fixture->controller);
    expect (fixture, 1, 0);
    commit (fixture);
    controller_free (fixture->controller);
    open_controller (fixture);
    trash_tick (fixture->controller);
    expect (fixture, 1, 0);
}

static void
two_of_one_name_are_told_apart_by_id (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    for (guint i = 0; i < 2; i++) {
        add_volume (fixture, i == 0 ? "00000000000000aa" : "00000000000000bb", "shop.data");
        trash_put_volume (fixture->controller, controller_volume (fixture->controller, "shop.data", NULL),
                          "destroyed");
    }
    expect (fixture, 2, 0);
    g_assert_null (trash_find (fixture->controller, NULL, "shop.data", &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
    g_autoptr (GPtrArray) sorted = trash_sorted (fixture->controller);
    const TrashRecord *first = sorted->pdata[0];
    g_assert_true (trash_find (fixture->controller, NULL, first->id, NULL) == first);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/trash/space-takes-the-oldest-on-that-server", space_takes_the_oldest_on_that_server);
#define ADD(path, function) g_test_add ("/trash/" path, Fixture, NULL, set_up, function, tear_down)
    ADD ("a-day-and-not-a-microsecond-less", a_day_and_not_a_microsecond_less);
    ADD ("trashed-and-removed-in-one-commit", trashed_and_removed_in_one_commit);
    ADD ("entries-survive-the-process", entries_survive_the_process);
    ADD ("what-was-found-stays", what_was_found_stays);
    ADD ("a-clock-that-is-set-changes-nothing", a_clock_that_is_set_changes_nothing);
    ADD ("two-of-one-name-are-told-apart-by-id", two_of_one_name_are_told_apart_by_id);
    return g_test_run ();
}
