#include "vdc/lab/conditions.h"

#include "vdc/base/command.h"
#include "vdc/base/error.h"
#include "vdc/lab/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *program, *package;
} programs[] = {
    {"ip", "iproute2"},
    {"nft", "nftables"},
    {"qemu-system-x86_64", "qemu-system-x86"},
    {"qemu-img", "qemu-utils"},
    {"libvirtd", "libvirt-daemon"},
    {"mkfs.ext4", "e2fsprogs"},
};

/* Tried in a namespace that is thrown away; a module that is not loaded yet is loaded by the kernel. */
static const struct {
    const char *lines, *what;
} links[] = {
    {"link add name probe type bridge\n", "bridges (module bridge)"},
    {"link add name probe type veth peer name probe2\n", "virtual cables (module veth)"},
    {"link add name probe type vxlan id 1 dstport 4789 nolearning\n", "VXLAN (module vxlan)"},
    {"tuntap add dev probe mode tap\n", "taps (module tun, /dev/net/tun)"},
};

static void
check_programs (GString *lacks)
{
    for (guint i = 0; i < G_N_ELEMENTS (programs); i++) {
        g_autofree char *found = g_find_program_in_path (programs[i].program);
        if (found == NULL)
            g_string_append_printf (lacks, "\n  %s is missing: apt-get install %s", programs[i].program,
                                    programs[i].package);
    }
}

static void
check_driver (GString *lacks)
{
    static const char driver[] = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so";
    if (g_file_test ("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver", G_FILE_TEST_IS_DIR) &&
        !g_file_test (driver, G_FILE_TEST_EXISTS))
        g_string_append (lacks,
                         "\n  libvirt's QEMU driver is missing: apt-get install libvirt-daemon-driver-qemu");
}

static void
check_kernel (GString *lacks)
{
    g_autoptr (GError) error = NULL;
    for (guint i = 0; i < G_N_ELEMENTS (links); i++) {
        int netns = netns_new (&error);
        if (netns < 0) {
            g_string_append_printf (lacks, "\n  %s", error->message);
            return;
        }
        if (!netns_ip (netns, links[i].lines, NULL))
            g_string_append_printf (lacks,
                                    "\n  the kernel offers no %s: install a full kernel (linux-image-amd64)",
                                    links[i].what);
        close (netns);
    }
}

gboolean
conditions_check (GError **error)
{
    if (geteuid () != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED,
                     "the lab makes namespaces, bridges and VMs: run it as root (sudo)");
        return FALSE;
    }
    g_autoptr (GString) lacks = g_string_new (NULL);
    check_programs (lacks);
    check_driver (lacks);
    if (lacks->len == 0)
        check_kernel (lacks);
    if (lacks->len > 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "this machine cannot run a lab yet:%s", lacks->str);
        return FALSE;
    }
    return TRUE;
}
