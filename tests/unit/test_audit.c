/* The audit's chain: whatever is changed, dropped, moved or put in is named. Its trimming keeps it checkable.
 */
#include "vdc/base/file.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/audit_limit.h"
#include "vdc/controller/backup.h"
#include "vdc/store/audit_chain.h"

#include <string.h>

typedef struct {
    char *folder;
    Controller controller;
    Clock *clock;
} Fixture;

static void
reopen (Fixture *f, guint kept)
{
    g_autofree char *store = g_build_filename (f->folder, "store", NULL);
    const StoreOptions options = {.clock = f->clock};
    if (f->controller.audit != NULL)
        audit_close (&f->controller);
    store_close (f->controller.store);
    f->controller.store = store_open (store, &options, NULL);
    g_assert_true (audit_open (&f->controller, kept, 0, NULL));
}

static void
set_up (Fixture *f, guint kept, guint entries)
{
    memset (f, 0, sizeof *f);
    f->folder = g_dir_make_tmp ("vdc-audit-XXXXXX", NULL);
    f->clock = clock_manual_new (1000000000 * (gint64)G_USEC_PER_SEC);
    f->controller.clock = f->clock;
    reopen (f, kept);
    for (guint i = 0; i < entries; i++) {
        controller_audit (&f->controller,
                          &(AuditEntry){.who = "ann", .action = "createVolume", .object = "volume"});
        g_assert_true (audit_flush (&f->controller, NULL));
    }
}

static void
tear_down (Fixture *f)
{
    audit_close (&f->controller);
    store_close (f->controller.store);
    clock_manual_free (f->clock);
    g_assert_true (file_remove_tree (f->folder, NULL));
    g_free (f->folder);
}

static void
keep_report (json_t *report, gpointer user_data)
{
    *(json_t **)user_data = report;
}

/* "clean", or "CODE SEQ". */
static char *
verified (Fixture *f)
{
    json_t *report = NULL;
    audit_verify (&f->controller, keep_report, &report);
    while (report == NULL)
        g_main_context_iteration (NULL, TRUE);
    const json_t *finding = json_object_get (report, "finding");
    char *said = json_is_object (finding)
                     ? g_strdup_printf ("%s %" G_GINT64_FORMAT, json_str (finding, "code", ""),
                                        json_int (finding, "seq", 0))
                     : g_strdup ("clean");
    json_decref (report);
    return said;
}

static void
expect (Fixture *f, const char *said)
{
    g_autofree char *found = verified (f);
    g_assert_cmpstr (found, ==, said);
}

static json_t *
entry (Fixture *f, guint64 seq)
{
    char key[AUDIT_KEY_BYTES];
    audit_chain_key (seq, key);
    return store_get (f->controller.store, STORE_AUDIT, key, NULL);
}

/* As somebody with the files would. NULL deletes. */
static void
put (Fixture *f, guint64 seq, json_t *value)
{
    char key[AUDIT_KEY_BYTES];
    audit_chain_key (seq, key);
    StoreTxn *txn = store_begin (f->controller.store);
    if (value != NULL)
        store_put (txn, STORE_AUDIT, key, value);
    else
        store_del (txn, STORE_AUDIT, key);
    g_assert_true (store_commit (txn, NULL, NULL));
}

static void
test_damage_is_named (void)
{
    Fixture f;
    set_up (&f, 0, 12);
    expect (&f, "clean");
    json_t *changed = entry (&f, 5), *whole = json_deep_copy (changed);
    json_put (changed, "who", json_string ("bob"));
    put (&f, 5, changed);
    expect (&f, "damaged 5");
    changed = json_deep_copy (whole);
    json_put (changed, "who", json_string ("bob"));
    audit_chain_seal (changed, 5, json_str (whole, "prev", "")); /* with a digest that fits */
    put (&f, 5, changed);
    expect (&f, "replaced 6");
    put (&f, 5, NULL);
    expect (&f, "missing 5");
    put (&f, 5, entry (&f, 7));
    expect (&f, "reordered 5");
    put (&f, 5, whole);
    expect (&f, "clean");
    tear_down (&f);
}

static void
test_ends_are_checked (void)
{
    Fixture f;
    set_up (&f, 0, 5);
    json_t *first = entry (&f, 1);
    g_autoptr (json_t) last = entry (&f, 5);
    put (&f, 1, NULL);
    expect (&f, "missing 1");
    put (&f, 1, first);
    put (&f, 5, NULL);
    expect (&f, "missing 5");
    put (&f, 5, json_incref (last));
    json_t *more = json_deep_copy (last);
    audit_chain_seal (more, 6, json_str (last, "digest", ""));
    put (&f, 6, more);
    expect (&f, "reordered 6");
    put (&f, 6, NULL);
    expect (&f, "clean");
    reopen (&f, 0);
    expect (&f, "clean");
    tear_down (&f);
}

static void
test_trimmed_chain_is_whole (void)
{
    Fixture f;
    set_up (&f, AUDIT_KEPT_MIN, 0);
    for (guint i = 0; i < 2 * AUDIT_KEPT_MIN + 10; i++) {
        controller_audit (&f.controller, &(AuditEntry){.who = "ann", .action = "createVolume"});
        if (i % 100 == 0)
            g_assert_true (audit_flush (&f.controller, NULL));
    }
    g_assert_true (audit_flush (&f.controller, NULL));
    g_assert_cmpuint (audit_first (&f.controller), ==, 1001);
    expect (&f, "clean");
    json_t *oldest = entry (&f, 1001);
    put (&f, 1001, NULL);
    expect (&f, "missing 1001");
    put (&f, 1001, oldest);
    reopen (&f, AUDIT_KEPT_MIN);
    expect (&f, "clean");
    tear_down (&f);
}

static void
test_refusals_are_bounded (void)
{
    AuditLimit *limit = audit_limit_new ();
    guint alone = 0;
    for (guint i = 0; i < 100000; i++) {
        g_autofree char *address = g_strdup_printf ("10.%u.%u.%u", i >> 16, (i >> 8) & 255, i & 255);
        g_autoptr (json_t) one =
            json_pack ("{s:s, s:s, s:s}", "address", address, "action", "login", "result", "x");
        if (audit_limit_allows (limit, NULL, address, 0))
            alone++;
        else
            audit_limit_count (limit, one, 0);
    }
    g_autoptr (json_t) early = audit_limit_due (limit, AUDIT_COUNTED_US - 1, FALSE);
    g_autoptr (json_t) due = audit_limit_due (limit, AUDIT_COUNTED_US, FALSE);
    gint64 counted = 0;
    for (gsize i = 0; i < json_array_size (due); i++)
        counted += json_int (json_array_get (due, i), "count", 0);
    g_assert_null (early);
    g_assert_cmpuint (alone, ==, AUDIT_BURST_ALL);
    g_assert_cmpuint (json_array_size (due), ==, AUDIT_COUNTED_MAX);
    g_assert_cmpint (counted + alone, ==, 100000);
    for (guint i = 0; i < AUDIT_BURST_KNOWN; i++)
        g_assert_true (audit_limit_allows (limit, "ann", "10.0.0.1", 0));
    g_assert_false (audit_limit_allows (limit, "ann", "10.0.0.1", 0));
    g_assert_true (audit_limit_allows (limit, "ann", "10.0.0.1", G_USEC_PER_SEC));
    audit_limit_free (limit);
}

/* --- the nightly backup -------------------------------------------------------------------------------------- */

static void
put_file (Fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename (f->folder, name, NULL), *parent = g_path_get_dirname (path);
    g_assert_true (file_make_folder (parent, 0700, NULL));
    g_assert_true (file_replace (path, "x", 1, 0600, NULL));
}

/* What the next commit would write is written. */
static void
settle (Fixture *f)
{
    gsize i;
    json_t *row;
    StoreTxn *txn = store_begin (f->controller.store);
    json_array_foreach (f->controller.written, i, row)
        store_put (txn, STORE_META, json_string_value (json_array_get (row, 1)),
                   json_incref (json_array_get (row, 2)));
    g_assert_true (store_commit (txn, NULL, NULL));
    json_array_clear (f->controller.written);
}

/* A second of the controller; how many backups there are after it. */
static gsize
tick (Fixture *f)
{
    gsize noted = json_array_size (f->controller.noted);
    backups_tick (&f->controller);
    while (backups_under_way (&f->controller))
        g_main_context_iteration (NULL, TRUE);
    settle (f);
    g_assert_cmpuint (json_array_size (f->controller.noted) - noted, <=, 1);
    g_autoptr (json_t) list = backup_list (&f->controller, NULL);
    return json_array_size (list);
}

static void
test_nightly_backup (void)
{
    Fixture f;
    set_up (&f, 0, 3);
    f.controller.state_folder = f.folder;
    f.controller.grid_id = (char *)"0011223344556677";
    f.controller.noted = json_array ();
    f.controller.written = json_array ();
    const char *const files[] = {"token", "pki/ca.crt", "pki/ca.key"};
    for (guint i = 0; i < G_N_ELEMENTS (files); i++)
        put_file (&f, files[i]);
    backups_open (&f.controller, 0);
    g_assert_cmpuint (tick (&f), ==, 0); /* a new grid: its first night comes */
    for (guint day = 1; day <= BACKUPS_KEPT + 3; day++) {
        clock_manual_advance (f.clock, 24 * 3600 * (gint64)G_USEC_PER_SEC);
        g_assert_cmpuint (tick (&f), ==, MIN (day, BACKUPS_KEPT));
        g_assert_cmpuint (tick (&f), ==, MIN (day, BACKUPS_KEPT)); /* once a night */
    }
    backups_close (&f.controller);
    json_decref (f.controller.noted);
    json_decref (f.controller.written);
    tear_down (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/audit/changed-dropped-moved-replaced-is-named", test_damage_is_named);
    g_test_add_func ("/audit/both-ends-are-checked", test_ends_are_checked);
    g_test_add_func ("/audit/trimmed-chain-is-whole", test_trimmed_chain_is_whole);
    g_test_add_func ("/audit/refusals-are-bounded-and-all-counted", test_refusals_are_bounded);
    g_test_add_func ("/audit/nightly-backup-is-made-once-and-seven-are-kept", test_nightly_backup);
    return g_test_run ();
}
