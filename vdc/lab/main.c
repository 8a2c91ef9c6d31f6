/*
 * vdc-lab is not for people: "vdc lab" starts it.
 *
 *     vdc-lab supervise NAME API_PORT PUBLISH_FIRST PUBLISH_LAST    progress on descriptor 3
 *     vdc-lab machine SETTINGS                                      PID 1 of a machine
 */
#include "vdc/base/error.h"
#include "vdc/base/log.h"
#include "vdc/lab/machine.h"
#include "vdc/lab/relay.h"
#include "vdc/lab/supervisor.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define READY_FD 3

/* Debian gives 1024; the relay alone takes two for each connection. */
static void
raise_file_limit (void)
{
    const rlim_t wanted = 2 * RELAY_CONNECTIONS_MAX + RELAY_OTHER_FILES;
    struct rlimit files;
    if (getrlimit (RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    files.rlim_cur = MIN (wanted, files.rlim_max);
    setrlimit (RLIMIT_NOFILE, &files);
}

static int
supervise (char **argv)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (LabPaths) paths = lab_paths_new (argv[0], &error);
    if (paths == NULL) {
        vdc_log (VDC_LOG_ERROR, "lab not started", "reason", error->message, NULL);
        return vdc_error_exit_code (error);
    }
    const LabSettings wanted = {(guint16)atoi (argv[1]), (guint16)atoi (argv[2]), (guint16)atoi (argv[3]),
                                NULL};
    fcntl (READY_FD, F_SETFD, FD_CLOEXEC);
    raise_file_limit ();
    return supervisor_run (paths, &wanted, READY_FD);
}

int
main (int argc, char **argv)
{
    signal (SIGPIPE, SIG_IGN);
    /* libvirtd, nft and mkfs are in sbin, which is not in everyone's PATH. */
    g_autofree char *path = g_strconcat (g_getenv ("PATH") ? g_getenv ("PATH") : "/usr/bin:/bin",
                                         ":/usr/local/sbin:/usr/sbin:/sbin", NULL);
    g_setenv ("PATH", path, TRUE);
    if (argc == 6 && strcmp (argv[1], "supervise") == 0)
        return supervise (argv + 2);
    if (argc == 3 && strcmp (argv[1], "machine") == 0)
        return machine_init_main (argv[2]);
    g_printerr ("vdc-lab is started by: vdc lab up\n");
    return 2;
}
