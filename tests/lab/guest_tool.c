/*
 * What the lab tests run inside appliances, copied in with `vdc cp`; static, so that it runs in any of them.
 *
 *   guest-tool send MAC              frames from standard input, one a line in hex, out of the NIC with that MAC
 *   guest-tool ports MS ADDR:PORT…   tries TCP connections to all of them at once; prints those that answer within MS
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 2048
#define TARGETS_MAX 512

static int
fail (const char *what)
{
    fprintf (stderr, "guest-tool: %s: %s\n", what, strerror (errno));
    return 1;
}

static int
interface_of (const char *mac)
{
    DIR *folder = opendir ("/sys/class/net");
    struct dirent *entry;
    while (folder != NULL && (entry = readdir (folder)) != NULL) {
        char path[512], text[32] = "";
        snprintf (path, sizeof path, "/sys/class/net/%s/address", entry->d_name);
        FILE *file = fopen (path, "re");
        if (file == NULL)
            continue;
        if (fgets (text, sizeof text, file) == NULL)
            text[0] = '\0';
        fclose (file);
        if (strncasecmp (text, mac, strlen (mac)) == 0) {
            int index = (int) if_nametoindex (entry->d_name);
            closedir (folder);
            return index;
        }
    }
    if (folder != NULL)
        closedir (folder);
    errno = ENODEV;
    return 0;
}

static size_t
from_hex (const char *line, unsigned char *frame)
{
    size_t n = 0;
    unsigned byte;
    while (n < FRAME_MAX && sscanf (line + 2 * n, "%2x", &byte) == 1)
        frame[n++] = (unsigned char) byte;
    return n;
}

static int
send_frames (const char *mac)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons (ETH_P_ALL), .sll_halen = 6};
    static char line[2 * FRAME_MAX + 2];
    unsigned char frame[FRAME_MAX];
    int fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons (ETH_P_ALL));
    to.sll_ifindex = interface_of (mac);
    if (fd < 0 || to.sll_ifindex == 0)
        return fail (mac);
    while (fgets (line, sizeof line, stdin) != NULL) {
        size_t n = from_hex (line, frame);
        if (n >= 14 && sendto (fd, frame, n, 0, (struct sockaddr *) &to, sizeof to) < 0)
            return fail ("send");
    }
    close (fd);
    return 0;
}

static int
begin (const char *target)
{
    char address[64];
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *colon = strchr (target, ':');
    if (colon == NULL || (size_t) (colon - target) >= sizeof address)
        return -1;
    memcpy (address, target, (size_t) (colon - target));
    address[colon - target] = '\0';
    to.sin_port = htons ((unsigned short) atoi (colon + 1));
    if (inet_pton (AF_INET, address, &to.sin_addr) != 1)
        return -1;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect (fd, (struct sockaddr *) &to, sizeof to) != 0 && errno != EINPROGRESS) {
        close (fd);
        return -1;
    }
    return fd;
}

static long
now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
try_ports (int timeout_ms, char **targets, int n)
{
    static struct pollfd fds[TARGETS_MAX];
    if (n > TARGETS_MAX)
        n = TARGETS_MAX;
    for (int i = 0; i < n; i++)
        fds[i] = (struct pollfd){begin (targets[i]), POLLOUT, 0};
    long end = now_ms () + timeout_ms;
    for (long left = timeout_ms; left > 0; left = end - now_ms ()) {
        if (poll (fds, (nfds_t) n, (int) left) <= 0)
            break;
        for (int i = 0; i < n; i++) {
            int problem = 0;
            socklen_t size = sizeof problem;
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            getsockopt (fds[i].fd, SOL_SOCKET, SO_ERROR, &problem, &size);
            if (problem == 0)
                puts (targets[i]);
            close (fds[i].fd);
            fds[i].fd = -1;
        }
    }
    return 0;
}

int
main (int argc, char **argv)
{
    if (argc == 3 && strcmp (argv[1], "send") == 0)
        return send_frames (argv[2]);
    if (argc > 3 && strcmp (argv[1], "ports") == 0)
        return try_ports (atoi (argv[2]), argv + 3, argc - 3);
    fputs ("guest-tool send MAC | ports MS ADDR:PORT…\n", stderr);
    return 2;
}
