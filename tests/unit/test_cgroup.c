/* The numbers, and version 2 against a folder of plain files: the real thing is measured in tests/lab. */
#include "vdc/agent/cgroup.h"

#include "vdc/base/file.h"

#include <string.h>

static void
test_numbers (void)
{
    g_assert_cmpuint (cgroup_shares (1), ==, 1024);
    g_assert_cmpuint (cgroup_shares (0.25), ==, 256);
    g_assert_cmpuint (cgroup_shares (0.0001), ==, 2);
    g_assert_cmpuint (cgroup_weight (1), ==, 100);
    g_assert_cmpuint (cgroup_weight (0.001), ==, 1);
    g_assert_cmpuint (cgroup_weight (1000), ==, 10000);
    g_assert_cmpuint (cgroup_quota_us (0.5), ==, 50000);
    g_assert_cmpuint (cgroup_quota_us (0.001), ==, 1000);
}

static void
test_none (void)
{
    Cgroups *cgroups = cgroups_new ("/nonexistent", "vdc-test");
    CgroupLimits limits = {1, FALSE, 1 << 20};
    guint64 cpu, memory;

    g_assert_cmpint (cgroups_version (cgroups), ==, 0);
    g_assert_nonnull (cgroups_problem (cgroups));
    g_assert_true (cgroup_ensure (cgroups, "a", &limits, 1, NULL));
    g_assert_false (cgroup_usage (cgroups, "a", &cpu, &memory));
    g_assert_true (cgroup_remove (cgroups, "a", NULL));
    cgroups_free (cgroups);
}

static void
touch (const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_assert_true (g_file_set_contents (path, "", -1, NULL));
}

static void
expect (const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *content = NULL;
    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    g_assert_cmpstr (content, ==, text);
}

static void
test_version_2 (void)
{
    g_autofree char *root = g_dir_make_tmp ("vdc-cgroup-XXXXXX", NULL);
    g_autofree char *scope = g_build_filename (root, "vdc-s1", NULL);
    g_autofree char *group = g_build_filename (scope, "vdc-a-web.1", NULL);
    CgroupLimits limits = {0.5, TRUE, 128 << 20};
    guint64 cpu = 0, memory = 0;

    g_mkdir_with_parents (group, 0755);
    touch (root, "cgroup.controllers");
    touch (root, "cgroup.subtree_control");
    touch (scope, "cgroup.subtree_control");
    static const char *const files[] = {"cpu.weight", "cpu.max", "memory.max", "cgroup.procs"};
    for (guint i = 0; i < G_N_ELEMENTS (files); i++)
        touch (group, files[i]);
    Cgroups *cgroups = cgroups_new (root, "vdc-s1");
    g_assert_cmpint (cgroups_version (cgroups), ==, 2);
    g_assert_true (cgroup_ensure (cgroups, "vdc-a-web.1", &limits, 4711, NULL));
    expect (group, "cpu.weight", "50");
    expect (group, "cpu.max", "50000 100000");
    expect (group, "memory.max", "469762048");
    expect (group, "cgroup.procs", "4711");
    touch (group, "memory.max");
    limits.memory_bytes = 0; /* of a running VM: left alone */
    g_assert_true (cgroup_ensure (cgroups, "vdc-a-web.1", &limits, 4711, NULL));
    expect (group, "memory.max", "");
    g_autofree char *stat = g_build_filename (group, "cpu.stat", NULL);
    g_autofree char *current = g_build_filename (group, "memory.current", NULL);
    g_file_set_contents (stat, "usage_usec 1234\nuser_usec 1\n", -1, NULL);
    g_file_set_contents (current, "777\n", -1, NULL);
    g_assert_true (cgroup_usage (cgroups, "vdc-a-web.1", &cpu, &memory));
    g_assert_cmpuint (cpu, ==, 1234);
    g_assert_cmpuint (memory, ==, 777);
    g_autoptr (GPtrArray) names = cgroup_list (cgroups);
    g_assert_cmpuint (names->len, ==, 1);
    cgroups_free (cgroups);
    file_remove_tree (root, NULL);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/cgroup/numbers", test_numbers);
    g_test_add_func ("/cgroup/none", test_none);
    g_test_add_func ("/cgroup/version-2", test_version_2);
    return g_test_run ();
}
