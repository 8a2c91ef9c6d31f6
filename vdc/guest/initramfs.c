/*
 * vdc-init, /init of the initramfs: loads the virtio modules, finds the disk with serial "root", mounts it,
 * mounts what every appliance needs, becomes its /sbin/init. No shell: each fork and exec is dear under TCG.
 */
#include "vdc/guest/modules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/root"
#define WAIT_MS 30000

static void
give_up (const char *what)
{
    fprintf (stderr, "vdc-init: %s: %s\n", what, strerror (errno));
    sleep (1); /* let the console get out */
    exit (1);  /* the kernel panics, and with panic=1 the machine ends */
}

static void
mount_or_die (const char *source, const char *target, const char *type, unsigned long flags,
              const char *options)
{
    mkdir (target, 0755);
    if (mount (source, target, type, flags, options) < 0)
        give_up (target);
}

static int
is_root_disk (const char *name)
{
    char path[300], serial[32] = "";
    int fd;

    snprintf (path, sizeof path, "/sys/block/%s/serial", name);
    fd = open (path, O_RDONLY);
    if (fd < 0 || read (fd, serial, sizeof serial - 1) < 0)
        serial[0] = '\0';
    if (fd >= 0)
        close (fd);
    return strcmp (serial, "root") == 0 || strcmp (serial, "root\n") == 0;
}

static int
find_root (char *device, size_t size)
{
    DIR *folder = opendir ("/sys/block");
    struct dirent *entry;
    int found = 0;

    while (folder && !found && (entry = readdir (folder))) {
        found = is_root_disk (entry->d_name);
        if (found)
            snprintf (device, size, "/dev/%s", entry->d_name);
    }
    if (folder)
        closedir (folder);
    return found;
}

static void
mount_root (void)
{
    char device[300];
    int waited_ms = 0;

    while (!find_root (device, sizeof device)) {
        if (waited_ms >= WAIT_MS) {
            errno = ENODEV;
            give_up ("no disk with serial \"root\"");
        }
        usleep (10000);
        waited_ms += 10;
    }
    mount_or_die (device, ROOT, "ext4", MS_NOATIME, "");
}

int
main (void)
{
    char *error = NULL;

    mount_or_die ("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
    mount_or_die ("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
    if (!modules_load ("/modules", "", &error))
        fprintf (stderr, "vdc-init: %s\n", error);
    mount_root ();
    if (mount ("/dev", ROOT "/dev", NULL, MS_MOVE, NULL) < 0 ||
        mount ("/sys", ROOT "/sys", NULL, MS_MOVE, NULL) < 0)
        give_up ("cannot move /dev and /sys");
    mount_or_die ("proc", ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
    mount_or_die ("run", ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=20%");
    mount_or_die ("devpts", ROOT "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666");
    mount_or_die ("shm", ROOT "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=20%");
    if (chdir (ROOT) < 0 || mount (".", "/", NULL, MS_MOVE, NULL) < 0 || chroot (".") < 0 || chdir ("/") < 0)
        give_up ("cannot change to the root disk");
    execl ("/sbin/init", "/sbin/init", (char *)NULL);
    give_up ("cannot run /sbin/init");
    return 1;
}
