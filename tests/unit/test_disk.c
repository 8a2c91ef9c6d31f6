#include "tests/unit/agent_fixture.h"
#include "vdc/agent/volume.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "0123456789abcdef"

typedef struct {
    char *folder;
    Disks *disks;
} Fixture;

static void
set_up (Fixture *f, gconstpointer pretend)
{
    g_autofree char *images = NULL;
    f->folder = g_dir_make_tmp ("vdc-disk-XXXXXX", NULL);
    images = g_build_filename (f->folder, "images", NULL);
    f->disks = disks_new (f->folder, images, pretend != NULL, NULL);
    g_assert_nonnull (f->disks);
}

static void
tear_down (Fixture *f, gconstpointer pretend)
{
    disks_free (f->disks);
    file_remove_tree (f->folder, NULL);
    g_free (f->folder);
}

static gboolean
create (Fixture *f, guint64 size, GError **error)
{
    return volume_create (f->disks, ID, "data", "shop", size, "ext4", error);
}

static void
test_life (Fixture *f, gconstpointer pretend)
{
    g_autoptr (GError) error = NULL;
    struct stat info;

    g_assert_true (create (f, 1 << 20, &error));
    g_assert_true (create (f, 1 << 20, &error)); /* again: nothing happens */
    g_assert_true (create (f, 2 << 20, &error)); /* grows */
    g_assert_false (create (f, 1 << 20, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_REFUSED);
    g_autofree char *path = volume_open (f->disks, ID, "shop/db", FALSE, NULL);
    g_assert_nonnull (path);
    g_assert_cmpint (stat (path, &info), ==, 0);
    g_assert_cmpint (info.st_size, ==, 2 << 20);
    g_assert_cmpint (info.st_blocks, <=, 8); /* sparse */
    g_assert_cmpint (info.st_mode & 0777, ==, 0600);
}

static void
test_one_writer (Fixture *f, gconstpointer pretend)
{
    g_autoptr (GError) error = NULL;

    create (f, 1 << 20, NULL);
    g_autofree char *first = volume_open (f->disks, ID, "shop/db", FALSE, NULL);
    g_autofree char *again = volume_open (f->disks, ID, "shop/db", FALSE, NULL);
    g_assert_cmpstr (first, ==, again);
    g_assert_null (volume_open (f->disks, ID, "other/db", FALSE, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
    g_assert_nonnull (strstr (error->message, "shop/db"));
    g_clear_error (&error);
    g_assert_null (volume_open (f->disks, ID, "other/db", TRUE, &error));
    g_clear_error (&error);
    g_assert_false (volume_delete (f->disks, ID, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_REFUSED);
    g_clear_error (&error);
    g_assert_false (create (f, 4 << 20, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
    g_assert_true (volume_close (f->disks, ID, "other/db", NULL)); /* not its own: nothing */
    g_assert_null (volume_open (f->disks, ID, "other/db", FALSE, NULL));
    volume_close_all (f->disks, "shop/db");
    g_autofree char *other = volume_open (f->disks, ID, "other/db", FALSE, NULL);
    g_assert_nonnull (other);
}

/* What kill -9 leaves in the middle of a seed goes with the volume. */
static void
test_rests (Fixture *f, gconstpointer pretend)
{
    static const char *const rests[] = {"json.new", "seed.tar", "seed.tar.new", "seed/file"};
    g_autofree char *seed = g_build_filename (f->folder, "volumes", ID ".seed", NULL);

    create (f, 1 << 20, NULL);
    g_mkdir_with_parents (seed, 0700);
    for (guint i = 0; i < G_N_ELEMENTS (rests); i++) {
        g_autofree char *path = g_strdup_printf ("%s/volumes/%s.%s", f->folder, ID, rests[i]);
        g_assert_true (g_file_set_contents (path, "x", -1, NULL));
    }
    g_assert_true (volume_delete (f->disks, ID, NULL));
    g_autoptr (json_t) list = volume_list (f->disks);
    g_assert_cmpuint (json_array_size (list), ==, 0);
}

/* A record that cannot be read is no missing one: the content stays. */
static void
test_damaged_record (Fixture *f, gconstpointer pretend)
{
    g_autofree char *raw = g_build_filename (f->folder, "volumes", ID ".raw", NULL);
    g_autofree char *record = g_build_filename (f->folder, "volumes", ID ".json", NULL);
    static const char *const damages[] = {"", "{", "[]", "7"};
    g_autoptr (GError) error = NULL;
    g_autofree char *content = NULL;

    create (f, 1 << 20, NULL);
    g_assert_true (g_file_set_contents (raw, "precious", -1, NULL));
    for (guint i = 0; i < G_N_ELEMENTS (damages); i++) {
        g_assert_true (g_file_set_contents (record, damages[i], -1, NULL));
        g_assert_false (create (f, 1 << 20, &error));
        g_assert_error (error, VDC_ERROR, VDC_ERROR_FAILED);
        g_clear_error (&error);
        g_assert_false (volume_delete (f->disks, ID, NULL));
        g_assert_null (volume_open (f->disks, ID, "shop/db", FALSE, NULL));
        g_autoptr (json_t) list = volume_list (f->disks);
        g_assert_cmpuint (json_array_size (list), ==, 1);
    }
    unlink (record);
    g_assert_false (create (f, 1 << 20, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_REFUSED);
    g_assert_true (g_file_get_contents (raw, &content, NULL, NULL));
    g_assert_cmpstr (content, ==, "precious");
    g_assert_true (volume_delete (f->disks, ID, NULL)); /* said to, it goes */
    g_assert_true (create (f, 1 << 20, NULL));
}

/* The lock is on disk: a new agent sees it. */
static void
test_writer_survives (Fixture *f, gconstpointer pretend)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *images = g_build_filename (f->folder, "images", NULL);

    create (f, 1 << 20, NULL);
    g_free (volume_open (f->disks, ID, "shop/db", FALSE, NULL));
    g_autoptr (Disks) second = disks_new (f->folder, images, TRUE, NULL);
    g_assert_null (volume_open (second, ID, "shop/web", FALSE, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
}

static void
test_readers (Fixture *f, gconstpointer pretend)
{
    create (f, 1 << 20, NULL);
    g_autofree char *a = volume_open (f->disks, ID, "shop/web.1", TRUE, NULL);
    g_autofree char *b = volume_open (f->disks, ID, "shop/web.2", TRUE, NULL);
    g_assert_nonnull (a);
    g_assert_nonnull (b);
    g_assert_null (volume_open (f->disks, ID, "shop/nas", FALSE, NULL));
    volume_close (f->disks, ID, "shop/web.1", NULL);
    volume_close (f->disks, ID, "shop/web.2", NULL);
    g_autofree char *c = volume_open (f->disks, ID, "shop/nas", FALSE, NULL);
    g_assert_nonnull (c);
}

static void
test_full (Fixture *f, gconstpointer pretend)
{
    g_autoptr (GError) error = NULL;
    guint64 total, left;

    disk_space (f->disks, &total, &left);
    g_assert_false (create (f, (total + (1 << 20)) / 512 * 512, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_FULL);
    g_autoptr (json_t) list = volume_list (f->disks);
    g_assert_cmpuint (json_array_size (list), ==, 0); /* nothing left behind */
}

static void
test_orphan (Fixture *f, gconstpointer pretend)
{
    g_autofree char *raw = g_build_filename (f->folder, "volumes", ID ".raw", NULL);

    g_file_set_contents (raw, "left by a crash", -1, NULL);
    g_autoptr (json_t) list = volume_list (f->disks);
    g_assert_true (json_bool (json_array_get (list, 0), "orphan", FALSE));
    g_assert_true (volume_delete (f->disks, ID, NULL));
    g_assert_cmpint (access (raw, F_OK), !=, 0);
    g_assert_true (volume_delete (f->disks, ID, NULL)); /* missing is fine */
}

static void
test_root (Fixture *f, gconstpointer pretend)
{
    g_autoptr (Spec) spec = fixture_parse (fixture_spec ());
    gboolean made = FALSE;
    g_autofree char *path = disk_root_ensure (f->disks, spec, &made, NULL);

    g_assert_true (made);
    g_file_set_contents (path, "written by the guest", -1, NULL);
    g_free (disk_root_ensure (f->disks, spec, &made, NULL));
    g_assert_false (made);
    json_t *cleaned = fixture_spec ();
    json_put (cleaned, "root_epoch", json_integer (2));
    g_autoptr (Spec) next = fixture_parse (cleaned);
    g_free (disk_root_ensure (f->disks, next, &made, NULL));
    g_assert_true (made);
    g_autofree char *content = NULL;
    g_file_get_contents (path, &content, NULL, NULL);
    g_assert_cmpstr (content, ==, "");
    g_assert_true (disk_root_delete (f->disks, "shop", "web.1", NULL));
    g_autoptr (json_t) roots = disk_root_list (f->disks);
    g_assert_cmpuint (json_array_size (roots), ==, 0);
}

static void
test_missing_image (Fixture *f, gconstpointer pretend)
{
    g_autoptr (Spec) spec = fixture_parse (fixture_spec ());
    g_autoptr (GError) error = NULL;
    gboolean made;

    g_assert_null (disk_root_ensure (f->disks, spec, &made, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND);
}

/* With the real tools: an overlay whose backing format is named, a seeded file system. */
static void
test_real_tools (Fixture *f, gconstpointer pretend)
{
    g_autoptr (Spec) spec = fixture_parse (fixture_spec ());
    g_autofree char *folder = g_build_filename (f->folder, "images", FIXTURE_DIGEST, NULL);
    g_autofree char *base = g_build_filename (folder, "root.qcow2", NULL);
    const char *create_base[] = {"qemu-img", "create", "-q", "-f", "qcow2", base, "8M", NULL};
    g_autofree char *qemu_img = g_find_program_in_path ("qemu-img");
    g_autofree char *mkfs = g_find_program_in_path ("mkfs.ext4");
    gboolean made = FALSE;
    g_autoptr (GError) error = NULL;

    if (qemu_img == NULL || mkfs == NULL) {
        g_test_skip ("needs qemu-img and mkfs.ext4");
        return;
    }
    g_mkdir_with_parents (folder, 0755);
    g_assert_true (g_spawn_sync (NULL, (char **)create_base, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                                 NULL, NULL, NULL));
    g_autofree char *path = disk_root_ensure (f->disks, spec, &made, &error);
    g_assert_no_error (error);
    g_autofree char *header = NULL;
    gsize length = 0;
    g_file_get_contents (path, &header, &length, NULL);
    g_assert_nonnull (memmem (header, length, base, strlen (base)));
    g_assert_nonnull (memmem (header, length, "qcow2", 5)); /* the backing format */

    create (f, 16 << 20, NULL);
    static const char tar_one_file[] =
        "cd \"$1\" && mkdir t && echo hello > t/index.html && tar --create --file t.tar --directory t .";
    const char *make_tar[] = {"sh", "-c", tar_one_file, "sh", f->folder, NULL};
    g_assert_true (g_spawn_sync (NULL, (char **)make_tar, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                                 NULL, NULL));
    g_autofree char *tar = g_build_filename (f->folder, "t.tar", NULL);
    char *bytes = NULL;
    g_file_get_contents (tar, &bytes, &length, NULL);
    g_autoptr (GBytes) archive = g_bytes_new_take (bytes, length);
    g_assert_true (volume_seed (f->disks, ID, archive, &error));
    g_assert_no_error (error);
    g_autofree char *raw = volume_open (f->disks, ID, "shop/nas", FALSE, NULL);
    g_autofree char *content = NULL;
    g_file_get_contents (raw, &content, &length, NULL);
    g_assert_cmpuint (length, ==, 16 << 20);
    g_assert_nonnull (memmem (content, length, "index.html", 10));
    volume_close (f->disks, ID, "shop/nas", NULL);
    g_assert_false (volume_seed (f->disks, ID, archive, &error)); /* used: never again */
    g_assert_error (error, VDC_ERROR, VDC_ERROR_REFUSED);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(path, pretend, function) g_test_add (path, Fixture, pretend, set_up, function, tear_down)
    ADD ("/disk/create-grow-refuse-shrink", "", test_life);
    ADD ("/disk/one-writer", "", test_one_writer);
    ADD ("/disk/rests-of-a-crash-go-with-the-volume", "", test_rests);
    ADD ("/disk/damaged-record-erases-nothing", "pretend", test_damaged_record);
    ADD ("/disk/writer-outlives-the-agent", "", test_writer_survives);
    ADD ("/disk/readers", "", test_readers);
    ADD ("/disk/full-is-said-and-leaves-nothing", "", test_full);
    ADD ("/disk/orphan", "", test_orphan);
    ADD ("/disk/root-epoch", "", test_root);
    ADD ("/disk/missing-image", NULL, test_missing_image);
    ADD ("/disk/real-tools", NULL, test_real_tools);
    return g_test_run ();
}
