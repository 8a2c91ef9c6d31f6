#include "vdc/base/file.h"
#include "vdc/store/events.h"
#include "vdc/store/store.h"

#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char *folder;
    Store *store;
} Fixture;

static void
reopen (Fixture *f, const StoreOptions *options)
{
    g_autoptr (GError) error = NULL;
    store_close (f->store);
    f->store = store_open (f->folder, options, &error);
    g_assert_no_error (error);
}

static void
set_up (Fixture *f, const StoreOptions *options)
{
    f->folder = g_dir_make_tmp ("vdc-store-XXXXXX", NULL);
    f->store = NULL;
    reopen (f, options);
}

static void
tear_down (Fixture *f)
{
    store_close (f->store);
    g_assert_true (file_remove_tree (f->folder, NULL));
    g_free (f->folder);
}

static guint64
put (Store *store, const char *key, int number, GError **error)
{
    guint64 seq = 0;
    StoreTxn *txn = store_begin (store);
    store_put (txn, STORE_APPLICATIONS, key, json_pack ("{s:i}", "n", number));
    event_add (txn,
               &(Event){.kind = "application.state", .object = "application", .id = key, .application = key});
    return store_commit (txn, &seq, error) ? seq : 0;
}

static int
get (Store *store, const char *key)
{
    g_autoptr (json_t) value = store_get (store, STORE_APPLICATIONS, key, NULL);
    return value ? (int)json_int (value, "n", -2) : -1;
}

static void
test_reopen (void)
{
    Fixture f;
    g_autoptr (GError) error = NULL;
    set_up (&f, NULL);
    g_assert_cmpuint (events_last (f.store), ==, 0);
    g_assert_cmpuint (put (f.store, "shop", 1, NULL), ==, 1);
    g_assert_cmpuint (put (f.store, "blog", 2, NULL), ==, 2);
    reopen (&f, NULL);
    g_assert_cmpint (get (f.store, "shop"), ==, 1);
    g_assert_cmpuint (events_last (f.store), ==, 2);
    g_assert_cmpuint (put (f.store, "shop", 3, NULL), ==, 3);
    g_assert_cmpint (get (f.store, "shop"), ==, 3);

    g_assert_null (store_get (f.store, STORE_APPLICATIONS, "nothing", &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND);
    g_assert_cmpstr (error->message, ==, "no application 'nothing'");
    tear_down (&f);
}

static void
test_abort_changes_nothing (void)
{
    Fixture f;
    set_up (&f, NULL);
    StoreTxn *txn = store_begin (f.store);
    store_put (txn, STORE_APPLICATIONS, "shop", json_object ());
    event_add (txn, &(Event){.kind = "x"});
    store_abort (txn);
    g_assert_false (store_has (f.store, STORE_APPLICATIONS, "shop"));
    g_assert_cmpuint (events_last (f.store), ==, 0);
    tear_down (&f);
}

static char *
listed (Store *store, const char *prefix, const char *after, guint limit)
{
    g_autoptr (json_t) values = store_list_json (store, STORE_APPLICATIONS, prefix, after, limit, NULL);
    return json_text (values);
}

static void
test_list (void)
{
    Fixture f;
    set_up (&f, NULL);
    const char *keys[] = {"a", "b.1", "b.2", "b.3", "bb", "c"};
    for (int i = 0; i < 6; i++)
        put (f.store, keys[i], i, NULL);
    static const struct {
        const char *prefix, *after;
        guint limit;
        const char *expected;
    } cases[] = {
        {NULL, NULL, 2, "[{\"n\":0},{\"n\":1}]"},
        {"b.", NULL, 0, "[{\"n\":1},{\"n\":2},{\"n\":3}]"},
        {"b.", "b.1", 1, "[{\"n\":2}]"},
        {"b.", "b.3", 0, "[]"},
        {NULL, "bb", 0, "[{\"n\":5}]"},
        {NULL, "b.25", 1, "[{\"n\":3}]"},
        {"z", NULL, 0, "[]"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *got = listed (f.store, cases[i].prefix, cases[i].after, cases[i].limit);
        g_assert_cmpstr (got, ==, cases[i].expected);
    }
    StoreTxn *txn = store_begin (f.store);
    store_del (txn, STORE_APPLICATIONS, "a");
    store_del (txn, STORE_APPLICATIONS, "never-there");
    g_assert_true (store_commit (txn, NULL, NULL));
    g_assert_false (store_has (f.store, STORE_APPLICATIONS, "a"));
    tear_down (&f);
}

static guint64 watched;

static void
on_event (const json_t *event, gpointer user_data)
{
    g_assert_cmpint (json_int (event, "seq", 0), ==, (gint64)watched + 1);
    watched++;
}

static void
test_events (void)
{
    Fixture f;
    gboolean gap = TRUE;
    Clock *clock = clock_manual_new (1763800000000000);
    set_up (&f, &(StoreOptions){.clock = clock});
    watched = 0;
    guint id = events_watch (f.store, on_event, NULL);
    StoreTxn *txn = store_begin (f.store);
    for (int i = 0; i < 3; i++)
        event_add (txn, &(Event){.kind = "job.step",
                                 .object = "job",
                                 .id = "7",
                                 .state = "running",
                                 .data = json_pack ("{s:i}", "i", i)});
    g_assert_true (store_commit (txn, NULL, NULL));
    g_assert_cmpuint (watched, ==, 3);
    events_unwatch (f.store, id);
    put (f.store, "shop", 1, NULL);
    g_assert_cmpuint (watched, ==, 3);

    g_autoptr (json_t) events = events_list (f.store, 1, 2, &gap, NULL);
    g_autofree char *text = json_text (events);
    g_assert_false (gap);
    g_assert_nonnull (strstr (text, "\"seq\":2"));
    g_assert_nonnull (strstr (text, "\"seq\":3"));
    g_assert_cmpuint (json_array_size (events), ==, 2);
    g_assert_nonnull (strstr (text, "\"time\":\"2025-11-22T"));
    tear_down (&f);
    clock_manual_free (clock);
}

static void
test_events_retention (void)
{
    Fixture f;
    gboolean gap = FALSE;
    StoreOptions options = {.events_kept = 10};
    set_up (&f, &options);
    for (int i = 1; i <= 50; i++)
        put (f.store, "shop", i, NULL);
    g_assert_cmpuint (events_last (f.store), ==, 50);
    g_assert_cmpuint (events_first (f.store), ==, 41);
    g_autoptr (json_t) events = events_list (f.store, 5, 0, &gap, NULL);
    g_assert_true (gap);
    g_assert_cmpuint (json_array_size (events), ==, 10);
    g_autoptr (json_t) fresh = events_list (f.store, 40, 0, &gap, NULL);
    g_assert_false (gap);
    g_assert_cmpuint (json_array_size (fresh), ==, 10);
    reopen (&f, &options);
    g_assert_cmpuint (events_first (f.store), ==, 41);
    g_assert_cmpuint (put (f.store, "shop", 51, NULL), ==, 51);
    tear_down (&f);
}

static json_t *
big_value (void)
{
    g_autofree char *text = g_strnfill (64 * 1024, 'x');
    return json_pack ("{s:s}", "text", text);
}

static gboolean
put_big (Store *store, int i, GError **error)
{
    g_autofree char *key = g_strdup_printf ("k%06d", i);
    StoreTxn *txn = store_begin (store);
    store_put (txn, STORE_VOLUMES, key, big_value ());
    event_add (txn, &(Event){.kind = "big", .id = key});
    return store_commit (txn, NULL, error);
}

static void
test_map_grows (void)
{
    Fixture f;
    StoreOptions options = {.map_size_bytes = 256 * 1024};
    set_up (&f, &options);
    for (int i = 0; i < 100; i++) {
        g_autoptr (GError) error = NULL;
        put_big (f.store, i, &error);
        g_assert_no_error (error);
    }
    g_assert_cmpuint (events_last (f.store), ==, 100);
    /* What grew is opened again with the small first size. */
    reopen (&f, &options);
    g_assert_true (store_has (f.store, STORE_VOLUMES, "k000099"));
    g_assert_true (put_big (f.store, 100, NULL));
    tear_down (&f);
}

static void
test_map_limit (void)
{
    Fixture f;
    g_autoptr (GError) error = NULL;
    set_up (&f, &(StoreOptions){.map_size_bytes = 256 * 1024, .map_limit_bytes = 1024 * 1024});
    int i = 0;
    while (put_big (f.store, i, &error))
        i++;
    g_assert_error (error, VDC_ERROR, VDC_ERROR_FULL);
    g_assert_cmpuint (events_last (f.store), ==, (guint64)i);
    g_assert_false (store_has (f.store, STORE_VOLUMES, "k000099"));
    /* Room made, room used. */
    StoreTxn *txn = store_begin (f.store);
    store_del (txn, STORE_VOLUMES, "k000000");
    store_del (txn, STORE_VOLUMES, "k000001");
    g_assert_true (store_commit (txn, NULL, NULL));
    put (f.store, "shop", 7, NULL);
    g_assert_cmpint (get (f.store, "shop"), ==, 7);
    tear_down (&f);
}

static void
test_one_owner (void)
{
    Fixture f;
    g_autoptr (GError) error = NULL;
    set_up (&f, NULL);
    g_assert_null (store_open (f.folder, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
    tear_down (&f);
}

static void
test_copy (void)
{
    Fixture f;
    set_up (&f, NULL);
    put (f.store, "shop", 5, NULL);
    g_autofree char *folder = g_build_filename (f.folder, "copy", NULL);
    g_assert_true (store_copy (f.store, folder, NULL));
    Store *copy = store_open (folder, NULL, NULL);
    g_assert_cmpint (get (copy, "shop"), ==, 5);
    g_assert_cmpuint (events_last (copy), ==, 1);
    store_close (copy);
    tear_down (&f);
}

/* The child commits 1, 2, 3 … and tells each through the pipe after its commit. Never returns. */
static void G_GNUC_NORETURN
write_until_killed (const char *folder, int fd)
{
    Store *store = store_open (folder, NULL, NULL);
    for (int n = MAX (0, get (store, "counter")) + 1;; n++) {
        if (put (store, "counter", n, NULL) == 0 || write (fd, &n, sizeof n) != sizeof n)
            _exit (1);
    }
}

static void
test_kill (void)
{
    Fixture f;
    set_up (&f, NULL);
    store_close (g_steal_pointer (&f.store));
    int total = 0;
    for (int round = 0; round < 30; round++) {
        int fds[2], acked = total, n;
        g_assert_cmpint (pipe (fds), ==, 0);
        pid_t pid = fork ();
        if (pid == 0) {
            close (fds[0]);
            write_until_killed (f.folder, fds[1]);
        }
        close (fds[1]);
        /* Let it run a while that differs from round to round, in commits, not in time. */
        for (int i = 0; i < 3 + round && read (fds[0], &n, sizeof n) == sizeof n; i++)
            acked = n;
        kill (pid, SIGKILL);
        while (read (fds[0], &n, sizeof n) == sizeof n)
            acked = n;
        close (fds[0]);
        waitpid (pid, NULL, 0);

        reopen (&f, NULL);
        int found = get (f.store, "counter");
        g_assert_cmpint (found, >=, acked);
        g_assert_cmpint (found, <=, acked + 1);
        g_assert_cmpuint (events_last (f.store), ==, (guint64)found);
        store_close (g_steal_pointer (&f.store));
        total = found;
    }
    g_test_message ("%d commits in 30 lives", total);
    tear_down (&f);
}

static void
test_disk_full (void)
{
    g_autofree char *folder = g_dir_make_tmp ("vdc-full-XXXXXX", NULL);
    if (mount ("tmpfs", folder, "tmpfs", 0, "size=3m") != 0) {
        g_assert_cmpint (rmdir (folder), ==, 0);
        g_test_skip ("needs root to mount a small tmpfs");
        return;
    }
    g_autoptr (GError) error = NULL;
    Fixture f = {.folder = folder};
    reopen (&f, NULL);
    int i = 0;
    while (put_big (f.store, i, &error))
        i++;
    int held = i;
    g_assert_error (error, VDC_ERROR, VDC_ERROR_FULL);
    g_assert_cmpint (held, >, 3);
    g_assert_cmpuint (events_last (f.store), ==, (guint64)held);
    reopen (&f, NULL);
    g_assert_cmpuint (events_last (f.store), ==, (guint64)held);
    /* Small things still go, from what was reserved; so space can be made. */
    StoreTxn *txn = store_begin (f.store);
    store_del (txn, STORE_VOLUMES, "k000000");
    g_assert_true (store_commit (txn, NULL, NULL));
    g_assert_cmpint (mount ("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=8m"), ==, 0);
    g_assert_true (put_big (f.store, held, NULL));
    g_assert_cmpuint (events_last (f.store), ==, (guint64)held + 1);
    store_close (f.store);
    umount2 (folder, MNT_DETACH);
    rmdir (folder);
}

/* A failed sync ends the process instead of going on with an unknown disk. */
static void
test_sync_failure_ends_process (void)
{
#ifdef VDC_TEST_BUILD
    if (g_test_subprocess ()) {
        Fixture f;
        set_up (&f, NULL);
        g_setenv ("VDC_BUG", "store-sync-fails", TRUE);
        put (f.store, "shop", 1, NULL);
        return;
    }
    g_test_trap_subprocess (NULL, 0, 0);
    g_test_trap_assert_failed ();
    g_test_trap_assert_stderr ("*could not be synced*");
#else
    g_test_skip ("needs -Dtest_build=true");
#endif
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/store/reopen", test_reopen);
    g_test_add_func ("/store/abort-changes-nothing", test_abort_changes_nothing);
    g_test_add_func ("/store/list", test_list);
    g_test_add_func ("/store/events", test_events);
    g_test_add_func ("/store/events-retention", test_events_retention);
    g_test_add_func ("/store/map-grows", test_map_grows);
    g_test_add_func ("/store/map-limit-is-full", test_map_limit);
    g_test_add_func ("/store/one-owner", test_one_owner);
    g_test_add_func ("/store/copy", test_copy);
    g_test_add_func ("/store/kill-loses-nothing-acked", test_kill);
    g_test_add_func ("/store/disk-full", test_disk_full);
    g_test_add_func ("/store/sync-failure-ends-process", test_sync_failure_ends_process);
    return g_test_run ();
}
