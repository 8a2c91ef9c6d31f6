#include "vdc/guest/power.h"
#include "vdc/guest/channel.h"
#include "vdc/guest/process.h"
#include "vdc/guest/volumes.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#define TERM_WAIT_MS 3000
#define KILL_WAIT_MS 1000

/* A process with a command line: kernel threads have none, nor have zombies. */
static bool
is_alive (const char *pid)
{
    AUTO_FREE char *path = util_printf ("/proc/%s/cmdline", pid);
    FILE *file = fopen (path, "re");
    bool alive = file && fgetc (file) != EOF;

    if (file)
        fclose (file);
    return alive && atoi (pid) != 1 && atoi (pid) != getpid ();
}

/* The console's shell is started again by init whenever it ends: it does not count. */
static bool
others_left (void)
{
    DIR *folder = opendir ("/proc");
    struct dirent *entry;
    int count = 0;

    while (folder && (entry = readdir (folder)))
        count += isdigit ((unsigned char)entry->d_name[0]) && is_alive (entry->d_name);
    if (folder)
        closedir (folder);
    return count > 1;
}

static void
end_others (int signal_number, int limit_ms)
{
    int64_t end = monotonic_ms () + limit_ms;

    kill (-1, signal_number);
    while (others_left () && monotonic_ms () < end)
        usleep (50000);
}

/* sync would wait for a server that may be gone already. */
static void
drop_network_mounts (void)
{
    FILE *mounts = fopen ("/proc/mounts", "re");
    char line[1024], path[512], type[64];

    while (mounts && fgets (line, sizeof line, mounts)) {
        if (sscanf (line, "%*s %511s %63s", path, type) == 2 && strncmp (type, "nfs", 3) == 0 &&
            strcmp (type, "nfsd")) {
            umount2 (path, MNT_FORCE);
            umount2 (path, MNT_DETACH);
        }
    }
    if (mounts)
        fclose (mounts);
}

void
power_off (const Settings *settings)
{
    channel_flush (500);
    if (access ("/run/systemd/system", F_OK) == 0) {
        process_wait ((const char *const[]){"/bin/systemctl", "poweroff", "--no-block", NULL});
        return;
    }
    end_others (SIGTERM, TERM_WAIT_MS);
    end_others (SIGKILL, KILL_WAIT_MS);
    drop_network_mounts ();
    sync ();
    volumes_unmount (settings);
    mount (NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    sync ();
    reboot (RB_POWER_OFF);
}
