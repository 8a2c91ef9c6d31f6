#include "vdc/guest/volumes.h"
#include "vdc/guest/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEBIBYTE (1024 * 1024)
/* Kept free at the end of a new file system, for the mark; a later growth takes it. */
#define TAIL (64 * 1024)
#define MARK_SIZE 4096

/* What we need of an ext4 superblock. */
typedef struct {
    uint64_t size_bytes;
    bool clean;
} Superblock;

/* /dev/vdX by the serial the agent gave the disk; the order of disks means nothing. */
static char *
find_device (const char *serial)
{
    DIR *folder = opendir ("/sys/block");
    struct dirent *entry;
    char *device = NULL;

    while (folder && !device && (entry = readdir (folder))) {
        AUTO_FREE char *path = util_printf ("/sys/block/%s/serial", entry->d_name);
        AUTO_FREE char *found = file_read (path, 256);

        if (!found)
            continue;
        found[strcspn (found, "\n")] = '\0';
        if (strcmp (found, serial) == 0)
            device = util_printf ("/dev/%s", entry->d_name);
    }
    if (folder)
        closedir (folder);
    return device;
}

/* Is something mounted there? The device number of the folder differs from its parent's. */
static bool
is_mounted (const char *path)
{
    AUTO_FREE char *parent = util_printf ("%s/..", path);
    struct stat here, above;

    return stat (path, &here) == 0 && stat (parent, &above) == 0 && here.st_dev != above.st_dev;
}

/* Of a block device or a file. */
static uint64_t
device_size (int fd)
{
    off_t size = lseek (fd, 0, SEEK_END);

    return size > 0 ? size : 0;
}

static uint32_t
little32 (const unsigned char *bytes)
{
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool
read_superblock (int fd, Superblock *superblock)
{
    unsigned char raw[1024];
    uint64_t blocks;

    if (pread (fd, raw, sizeof raw, 1024) != sizeof raw || raw[56] != 0x53 || raw[57] != 0xef)
        return false;
    blocks = little32 (raw + 4);
    if (little32 (raw + 96) & 0x80) /* 64bit */
        blocks |= (uint64_t)little32 (raw + 336) << 32;
    superblock->size_bytes = blocks << (10 + (little32 (raw + 24) & 15));
    superblock->clean = (raw[58] | raw[59] << 8) == 1;
    return true;
}

static bool
is_empty (int fd)
{
    AUTO_FREE char *start = util_alloc (MEBIBYTE);
    ssize_t count = pread (fd, start, MEBIBYTE, 0);

    for (ssize_t i = 0; i < count; i++) {
        if (start[i])
            return false;
    }
    return count > 0;
}

static bool
complain (const VolumeUse *volume, const char *text)
{
    fprintf (stderr, "volume %s: %s\n", volume->slot, text);
    return false;
}

static bool
make_folder (const char *path)
{
    AUTO_FREE char *partial = util_dup (path);

    for (char *slash = strchr (partial + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        mkdir (partial, 0755);
        *slash = '/';
    }
    return mkdir (partial, 0755) == 0 || errno == EEXIST;
}

/*
 * Formatting takes many writes, and a VM may be killed between any two of them: what is left is neither empty
 * nor a file system, and could never be told from somebody's data. So a mark is written to the end of the
 * disk first and wiped last; nothing is mounted before it is gone. A disk that bears it has never been used.
 */
static bool
mark_is (int fd, const char *mark)
{
    AUTO_FREE char *found = util_alloc (MARK_SIZE);

    return pread (fd, found, MARK_SIZE, device_size (fd) - MARK_SIZE) == MARK_SIZE &&
           memcmp (found, mark, MARK_SIZE) == 0;
}

static bool
mark_set (int fd, const char *mark)
{
    return pwrite (fd, mark, MARK_SIZE, device_size (fd) - MARK_SIZE) == MARK_SIZE && fsync (fd) == 0;
}

static char *
mark_of (const VolumeUse *volume)
{
    char *mark = util_alloc (MARK_SIZE);

    snprintf (mark, MARK_SIZE, "vdc-guest is formatting the volume %s", volume->serial);
    return mark;
}

static bool
format (const VolumeUse *volume, const char *device, int fd, const char *mark)
{
    AUTO_FREE char *size = util_printf ("%lluk", (unsigned long long)(device_size (fd) - TAIL) / 1024);
    AUTO_FREE char *nothing = util_alloc (MARK_SIZE);

    if (volume->read_only)
        return complain (volume, "is read-only and has no file system");
    if (device_size (fd) < 2 * MEBIBYTE)
        return complain (volume, "is too small for a file system");
    if (!mark_set (fd, mark))
        return complain (volume, "cannot be written to");
    if (process_wait ((const char *const[]){"/usr/sbin/mkfs.ext4", "-q", "-F", "-m", "1", "-E",
                                            "lazy_itable_init=1,lazy_journal_init=1", device, size, NULL}) !=
        0)
        return complain (volume, "cannot be formatted");
    return (fsync (fd) == 0 && mark_set (fd, nothing)) || complain (volume, "cannot be written to");
}

/* Only what is certainly empty is formatted; anything else unknown is somebody's data. */
bool
volume_check_or_format (const VolumeUse *volume, const char *device)
{
    AUTO_CLOSE int fd = open (device, (volume->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    AUTO_FREE char *mark = mark_of (volume);
    Superblock superblock;
    int code;

    if (fd < 0)
        return complain (volume, "cannot open its disk");
    if (mark_is (fd, mark))
        return format (volume, device, fd, mark);
    if (read_superblock (fd, &superblock)) {
        /* The kernel replays the journal; fsck is for what it marked as damaged. */
        if (superblock.clean || volume->read_only)
            return true;
        code = process_wait ((const char *const[]){"/usr/sbin/e2fsck", "-p", device, NULL});
        return (code >= 0 && code < 4) ||
               complain (volume, "its file system is damaged beyond automatic repair");
    }
    if (!is_empty (fd))
        return complain (volume, "is neither empty nor an ext4 file system; it is left as it is");
    return format (volume, device, fd, mark);
}

static bool
mount_volume (const VolumeUse *volume, const char *device)
{
    unsigned long flags = MS_NOATIME | (volume->read_only ? MS_RDONLY : 0);

    if (!make_folder (volume->mount))
        return complain (volume, "cannot make its mount point");
    /* A read-only device cannot replay a journal. */
    if (mount (device, volume->mount, "ext4", flags, volume->read_only ? "noload" : "") == 0)
        return true;
    return complain (volume, strerror (errno));
}

static bool
can_grow (const VolumeUse *volume, int fd)
{
    Superblock superblock;

    return !volume->read_only && read_superblock (fd, &superblock) &&
           device_size (fd) >= superblock.size_bytes + MEBIBYTE;
}

static bool
prepare_one (const VolumeUse *volume)
{
    AUTO_FREE char *device = find_device (volume->serial);
    AUTO_CLOSE int fd = -1;

    if (!device)
        return complain (volume, "there is no disk with its serial");
    fd = open (device, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return complain (volume, "cannot open its disk");
    if (!is_mounted (volume->mount) &&
        (!volume_check_or_format (volume, device) || !mount_volume (volume, device)))
        return false;
    if (can_grow (volume, fd) &&
        process_wait ((const char *const[]){"/usr/sbin/resize2fs", device, NULL}) != 0)
        return complain (volume, "cannot be grown to the size of its disk");
    return true;
}

bool
volumes_need_work (const Settings *settings)
{
    for (size_t i = 0; i < settings->n_volumes; i++) {
        const VolumeUse *volume = &settings->volumes[i];
        AUTO_FREE char *device = NULL;
        AUTO_CLOSE int fd = -1;

        if (!is_mounted (volume->mount))
            return true;
        device = find_device (volume->serial);
        fd = device ? open (device, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0 && can_grow (volume, fd))
            return true;
    }
    return false;
}

bool
volumes_prepare (void *argument)
{
    const Settings *settings = argument;

    for (size_t i = 0; i < settings->n_volumes; i++) {
        if (!prepare_one (&settings->volumes[i]))
            return false;
    }
    return true;
}

static bool
freeze_control (const VolumeUse *volume, unsigned long control)
{
    AUTO_CLOSE int fd = open (volume->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (volume->read_only || !is_mounted (volume->mount))
        return true;
    return fd >= 0 && ioctl (fd, control, 0) == 0;
}

bool
volumes_freeze (const Settings *settings, char **error)
{
    for (size_t i = 0; settings && i < settings->n_volumes; i++) {
        /* Frozen already is as good. */
        if (!freeze_control (&settings->volumes[i], FIFREEZE) && errno != EBUSY) {
            fail (error, "volume %s: cannot freeze: %s", settings->volumes[i].slot, strerror (errno));
            volumes_thaw (settings);
            return false;
        }
    }
    return true;
}

void
volumes_thaw (const Settings *settings)
{
    for (size_t i = 0; settings && i < settings->n_volumes; i++)
        freeze_control (&settings->volumes[i], FITHAW);
}

void
volumes_unmount (const Settings *settings)
{
    for (size_t i = settings ? settings->n_volumes : 0; i > 0; i--) {
        const char *path = settings->volumes[i - 1].mount;

        if (is_mounted (path) && umount (path) < 0) {
            guest_log ("volume %s: cannot unmount: %s", settings->volumes[i - 1].slot, strerror (errno));
            mount (NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL);
        }
    }
}
