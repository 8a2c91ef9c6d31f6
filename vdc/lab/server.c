#include "vdc/lab/server.h"

#include <string.h>

static json_t *
machine (const LabPaths *paths, const char *name)
{
    return json_pack ("{s:s, s:s, s:{}, s:[], s:[], s:[]}", "name", name, "logs", paths->logs, "env",
                      "mounts", "cgroups", "daemons");
}

static void
add_daemon (json_t *settings, const char *name, const char *const *argv)
{
    json_t *list = json_array ();
    for (; *argv != NULL; argv++)
        json_array_append_new (list, json_string (*argv));
    json_array_append_new (json_object_get (settings, "daemons"),
                           json_pack ("{s:s, s:o}", "name", name, "argv", list));
}

static void
add_mount (json_t *settings, const char *source, const char *target, gboolean read_only)
{
    json_array_append_new (
        json_object_get (settings, "mounts"),
        json_pack ("{s:s, s:s, s:b}", "source", source, "target", target, "read_only", (int)read_only));
}

json_t *
lab_controller_settings (const LabPaths *paths, const LabSettings *settings, const LabPrograms *programs)
{
    json_t *result = machine (paths, LAB_CONTROLLER);
    g_autofree char *state = lab_paths_join (paths, LAB_CONTROLLER);
    g_autofree char *listen = g_strdup_printf ("%s:%d", LAB_CONTROLLER_ADDRESS, LAB_API_PORT);
    g_autofree char *agents = g_strdup_printf ("%s:%d", LAB_CONTROLLER_ADDRESS, LAB_REPORT_PORT);
    g_autofree char *classes = g_build_filename (programs->root, "appliances", NULL);
    g_autofree char *catalog = g_build_filename (programs->root, "catalog", NULL);
    g_autofree char *images = g_build_filename (programs->root, "build", "images.json", NULL);
    g_autofree char *outside = g_strdup_printf (
        "192.0.2.0/24,gateway=192.0.2.1,addresses=192.0.2.20-192.0.2.250,publish=127.0.0.1:%u-%u",
        settings->publish_first, settings->publish_last);
    const char *const argv[] = {programs->controller,
                                "--state",
                                state,
                                "--listen",
                                listen,
                                "--agent-listen",
                                agents,
                                "--catalog",
                                classes,
                                "--catalog",
                                catalog,
                                "--images",
                                images,
                                "--built-images",
                                programs->images,
                                "--outside",
                                outside,
                                NULL};
    add_daemon (result, "vdcd", argv);
    return result;
}

static void
add_libvirt (json_t *settings, const LabPaths *paths)
{
    static const struct {
        const char *folder, *target;
    } private_folders[] = {{"etc", "/etc/libvirt"},
                           {"lib", "/var/lib/libvirt"},
                           {"cache", "/var/cache/libvirt"},
                           {"log", "/var/log/libvirt"}};
    static const char *const argv[] = {"libvirtd", "--config", "/etc/libvirt/libvirtd.conf", NULL};
    for (guint i = 0; i < G_N_ELEMENTS (private_folders); i++) {
        g_autofree char *source =
            g_build_filename (paths->folder, LAB_SERVER, "libvirt", private_folders[i].folder, NULL);
        add_mount (settings, source, private_folders[i].target, FALSE);
    }
    static const char *const accounts[] = {"passwd", "group"};
    for (guint i = 0; i < G_N_ELEMENTS (accounts); i++) {
        g_autofree char *source = g_build_filename (paths->folder, LAB_SERVER, "libvirt", accounts[i], NULL);
        g_autofree char *target = g_build_filename ("/etc", accounts[i], NULL);
        add_mount (settings, source, target, TRUE);
    }
    add_daemon (settings, "libvirtd", argv);
}

json_t *
lab_server_settings (const LabPaths *paths, const LabPrograms *programs, char **cgroups, const char *boot_id)
{
    json_t *result = machine (paths, LAB_SERVER);
    g_autofree char *state = g_build_filename (paths->folder, LAB_SERVER, "agent", NULL);
    g_autofree char *listen = g_strdup_printf ("%s:%d", LAB_SERVER_ADDRESS, LAB_AGENT_PORT);
    g_autofree char *controller = g_strdup_printf ("https://%s:%d", LAB_CONTROLLER_ADDRESS, LAB_REPORT_PORT);
    /* Short paths, the same on every server: sockets have a limit of 108 bytes, and a VM keeps its paths when
     * it moves. */
    const char *const argv[] = {
        programs->agent,   "--state",    "/run/vdc/agent", "--server",        LAB_SERVER,
        "--listen",        listen,       "--controller",   controller,        "--images",
        "/run/vdc/images", "--backbone", "eth0",           "--outside",       "eth1",
        "--hypervisor",    "libvirt",    "--cgroup-root",  "/run/vdc/cgroup", NULL};
    add_libvirt (result, paths);
    add_mount (result, state, "/run/vdc/agent", FALSE);
    add_mount (result, programs->images, "/run/vdc/images", TRUE);
    add_daemon (result, "vdc-agent", argv);
    json_object_set_new (json_object_get (result, "env"), "VDC_BOOT_ID", json_string (boot_id));
    for (char **pair = cgroups; pair[0] != NULL; pair += 2)
        json_array_append_new (json_object_get (result, "cgroups"),
                               json_pack ("{s:s, s:s}", "source", pair[0], "target", pair[1]));
    return result;
}

char *
lab_accounts (const char *accounts, gboolean are_groups)
{
    static const char name[] = "libvirt-qemu:";
    g_autofree char *inside = g_strconcat ("\n", name, NULL);
    if (g_str_has_prefix (accounts, name) || strstr (accounts, inside) != NULL)
        return g_strdup (accounts);
    return g_strconcat (accounts, g_str_has_suffix (accounts, "\n") ? "" : "\n", name,
                        are_groups ? "x:64055:\n" : "x:64055:64055::/nonexistent:/usr/sbin/nologin\n", NULL);
}

char *
lab_qemu_conf (void)
{
    /* No security driver and no mount namespace per VM: the server is a namespace already, and QEMU must see
     * the agent's sockets. Groups are the agent's part. */
    return g_strdup ("security_driver = \"none\"\n"
                     "stdio_handler = \"file\"\n"
                     "user = \"root\"\n"
                     "group = \"root\"\n"
                     "dynamic_ownership = 0\n"
                     "remember_owner = 0\n"
                     "namespaces = []\n"
                     "cgroup_controllers = []\n");
}

char *
lab_libvirtd_conf (const LabSettings *settings)
{
    return g_strdup_printf ("host_uuid = \"%s\"\n"
                            "unix_sock_rw_perms = \"0700\"\n"
                            "unix_sock_ro_perms = \"0700\"\n"
                            "auth_unix_ro = \"none\"\n"
                            "auth_unix_rw = \"none\"\n"
                            "log_outputs = \"3:stderr\"\n",
                            settings->server_uuid);
}
