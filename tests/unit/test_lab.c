#include "vdc/lab/paths.h"
#include "vdc/lab/server.h"
#include "vdc/base/error.h"

#include <string.h>

static void
test_paths_refuse_bad_names (void)
{
    static const char *const bad[] = {"", "../x", "A", "a b", "-a", "a;b"};
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (lab_paths_new (bad[i], &error));
        g_assert_error (error, VDC_ERROR, VDC_ERROR_USAGE);
    }
}

static void
test_paths_refuse_hidden_folders (void)
{
    g_autoptr (GError) error = NULL;
    g_setenv ("VDC_LAB_DIR", "/run/lab", TRUE);
    g_assert_null (lab_paths_new ("default", &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_USAGE);
    g_unsetenv ("VDC_LAB_DIR");
}

static void
test_key_follows_the_folder (void)
{
    g_setenv ("VDC_LAB_DIR", "/tmp/one", TRUE);
    g_autoptr (LabPaths) one = lab_paths_new ("same", NULL);
    g_autoptr (LabPaths) renamed = lab_paths_new ("other", NULL);
    g_setenv ("VDC_LAB_DIR", "/tmp/two", TRUE);
    g_autoptr (LabPaths) two = lab_paths_new ("same", NULL);
    g_unsetenv ("VDC_LAB_DIR");
    g_assert_cmpstr (one->key, ==, renamed->key);
    g_assert_cmpstr (one->key, !=, two->key);
}

static void
assert_accounts (const char *text, const char *expected)
{
    g_autofree char *result = lab_accounts (text, TRUE);
    g_assert_cmpstr (result, ==, expected);
}

/* libvirtd does not start without the account it was compiled with. */
static void
test_accounts_gain_libvirt (void)
{
    assert_accounts ("root:x:0:\n", "root:x:0:\nlibvirt-qemu:x:64055:\n");
    assert_accounts ("root:x:0:", "root:x:0:\nlibvirt-qemu:x:64055:\n");
    assert_accounts ("root:x:0:\nlibvirt-qemu:x:7:\n", "root:x:0:\nlibvirt-qemu:x:7:\n");
    assert_accounts ("libvirt-qemu:x:7:\n", "libvirt-qemu:x:7:\n");
    assert_accounts ("not-libvirt-qemu:x:7:\n", "not-libvirt-qemu:x:7:\nlibvirt-qemu:x:64055:\n");
}

static const json_t *
daemon_named (const json_t *settings, const char *name)
{
    size_t i;
    json_t *daemon;
    json_array_foreach (json_object_get (settings, "daemons"), i, daemon)
        if (g_str_equal (json_str (daemon, "name", ""), name))
            return daemon;
    return NULL;
}

/* Sockets have short paths, and a VM keeps its paths when it moves: nothing in them may depend on the lab's
 * folder. */
static void
test_server_paths_are_its_own (void)
{
    const LabPrograms programs = {"/bin/vdcd", "/bin/vdc-agent", "/src", "/cache/images"};
    char *groups[] = {(char *)"/sys/fs/cgroup/cpu/x", (char *)"cpu", NULL};
    g_autoptr (LabPaths) paths = lab_paths_new ("default", NULL);
    g_autoptr (json_t) settings = lab_server_settings (paths, &programs, groups, "b00t");
    const json_t *argv = json_object_get (daemon_named (settings, "vdc-agent"), "argv");
    size_t i;
    json_t *word;
    g_assert_cmpstr (json_str (json_object_get (settings, "env"), "VDC_BOOT_ID", NULL), ==, "b00t");
    json_array_foreach (argv, i, word)
        g_assert_null (strstr (json_string_value (word), paths->folder));
    json_array_foreach (json_object_get (settings, "mounts"), i, word)
        if (g_str_equal (json_str (word, "target", ""), "/run/vdc/images"))
            g_assert_true (json_bool (word, "read_only", FALSE));
    g_assert_nonnull (daemon_named (settings, "libvirtd"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_unsetenv ("VDC_LAB_DIR");
    g_test_add_func ("/lab/paths-refuse-bad-names", test_paths_refuse_bad_names);
    g_test_add_func ("/lab/paths-refuse-hidden-folders", test_paths_refuse_hidden_folders);
    g_test_add_func ("/lab/key-follows-the-folder", test_key_follows_the_folder);
    g_test_add_func ("/lab/accounts-gain-libvirt", test_accounts_gain_libvirt);
    g_test_add_func ("/lab/server-paths-are-its-own", test_server_paths_are_its_own);
    return g_test_run ();
}
