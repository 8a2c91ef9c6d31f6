/* Stores of every earlier format open, whole; a crash meanwhile costs nothing; one of a newer format is left alone. */
#include "vdc/base/file.h"
#include "vdc/store/events.h"
#include "vdc/store/store.h"

#include <lmdb.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The fixture is text, so that a reviewer can read it: this makes the LMDB environment of it. */
static void
put_table (MDB_txn *txn, const char *name, const json_t *rows)
{
    MDB_dbi table;
    const char *key;
    json_t *value;
    g_assert_cmpint (mdb_dbi_open (txn, name, MDB_CREATE, &table), ==, 0);
    json_object_foreach ((json_t *)rows, key, value) {
        guint64 seq = GUINT64_TO_BE (g_ascii_strtoull (key, NULL, 10));
        gboolean events = strcmp (name, "events") == 0;
        MDB_val at = {events ? sizeof seq : strlen (key), events ? (void *)&seq : (void *)key};
        MDB_val text = {json_string_length (value), (void *)json_string_value (value)};
        g_assert_cmpint (mdb_put (txn, table, &at, &text, 0), ==, 0);
    }
}

static char *
make_store (const char *format)
{
    char *folder = g_dir_make_tmp ("vdc-upgrade-XXXXXX", NULL);
    g_autoptr (json_t) dump = json_parse_file (SOURCE_ROOT "/tests/fixtures/store-v1/dump.json", NULL);
    MDB_env *env;
    MDB_txn *txn;
    const char *name;
    json_t *rows;
    g_assert_nonnull (dump);
    json_put (json_object_get (dump, "meta"), "store.format", json_string (format));
    mdb_env_create (&env);
    mdb_env_set_maxdbs (env, 32);
    mdb_env_set_mapsize (env, 64 << 20);
    g_assert_cmpint (mdb_env_open (env, folder, MDB_NOTLS, 0600), ==, 0);
    g_assert_cmpint (mdb_txn_begin (env, NULL, 0, &txn), ==, 0);
    json_object_foreach (dump, name, rows)
        put_table (txn, name, rows);
    g_assert_cmpint (mdb_txn_commit (txn), ==, 0);
    mdb_env_close (env);
    return folder;
}

static void
check_store (const char *folder)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Store) store = store_open (folder, NULL, &error);
    gboolean gap;
    g_assert_no_error (error);
    g_autoptr (json_t) application = store_get (store, STORE_APPLICATIONS, "shop", NULL);
    g_autoptr (json_t) all = events_list (store, 1, 0, &gap, NULL);
    g_autoptr (json_t) shop = events_list_of (store, "shop", 0, 0, &gap, NULL);
    g_autoptr (json_t) later = events_list_of (store, "shop", 3, 1, NULL, NULL);
    g_autoptr (json_t) nobody = events_list_of (store, "sho", 0, 0, NULL, NULL);
    g_assert_cmpint (json_int (application, "revision", 0), ==, 3);
    g_assert_true (store_has (store, STORE_SERVERS, "s1"));
    g_assert_cmpuint (events_last (store), ==, 6);
    g_assert_cmpuint (store_last_commit (store), ==, 7);
    g_assert_cmpuint (json_array_size (all), ==, 5);
    g_assert_cmpuint (json_array_size (shop), ==, 2);
    g_assert_true (gap);
    g_assert_cmpint (json_int (json_array_get (later, 0), "seq", 0), ==, 5);
    g_assert_cmpuint (json_array_size (nobody), ==, 0);
    /* and it is written on */
    StoreTxn *txn = store_begin (store);
    event_add (txn, &(Event){.kind = "x", .object = "application", .id = "shop", .application = "shop"});
    store_abort (txn);
}

static void
end (char *folder)
{
    g_assert_true (file_remove_tree (folder, NULL));
    g_free (folder);
}

static void
test_format_1 (void)
{
    char *folder = make_store ("1");
    check_store (folder);
    check_store (folder); /* once only */
    g_autofree char *kept = g_build_filename (folder, "data.mdb.format1", NULL);
    g_assert_true (g_file_test (kept, G_FILE_TEST_EXISTS));
    end (folder);
}

static void
test_newer (void)
{
    char *folder = make_store ("3");
    g_autoptr (GError) error = NULL;
    g_autofree char *data = g_build_filename (folder, "data.mdb", NULL), *before = NULL, *after = NULL;
    gsize length, then;
    g_file_get_contents (data, &before, &length, NULL);
    g_assert_null (store_open (folder, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
    g_assert_cmpstr (error->message, ==, "the store has format 3, this program knows 2: use a newer one");
    g_file_get_contents (data, &after, &then, NULL);
    g_assert_cmpmem (before, length, after, then);
    end (folder);
}

#ifdef VDC_TEST_BUILD
#ifdef VDC_TEST_BUILD
static int
open_in_child (const char *folder, const char *failpoint)
{
    int status;
    pid_t child = fork ();
    if (child == 0) {
        g_setenv ("VDC_FAILPOINT", failpoint, TRUE);
        Store *store = store_open (folder, NULL, NULL);
        _exit (store != NULL ? 0 : 1);
    }
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    return status;
}
#endif
#endif

static void
test_killed (void)
{
#ifdef VDC_TEST_BUILD
    const char *const points[] = {"upgrade.01.copied", "upgrade.02.changed", "upgrade.03.kept",
                                  "upgrade.04.replaced"};
    for (guint i = 0; i < G_N_ELEMENTS (points); i++) {
        char *folder = make_store ("1");
        int status = open_in_child (folder, points[i]);
        g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
        status = open_in_child (folder, points[i]); /* and again on the way back, where it still passes there */
        check_store (folder);
        end (folder);
    }
#else
    g_test_skip ("built without -Dtest_build=true");
#endif
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/store/upgrade/format-1-opens-whole-and-is-kept", test_format_1);
    g_test_add_func ("/store/upgrade/newer-format-is-refused-untouched", test_newer);
    g_test_add_func ("/store/upgrade/killed-at-every-step", test_killed);
    return g_test_run ();
}
