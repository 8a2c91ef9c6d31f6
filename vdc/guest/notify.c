#include "vdc/guest/notify.h"
#include "vdc/guest/life.h"
#include "vdc/guest/loop.h"
#include "vdc/guest/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_LIMIT 8192

static void
answer (int fd)
{
    char text[REQUEST_LIMIT];
    struct ucred caller = {.uid = (uid_t)-1};
    socklen_t size = sizeof caller;
    ssize_t length = recv (fd, text, sizeof text, 0);
    AUTO_FREE char *error = NULL;
    AUTO_JSON json_t *message = length > 0 ? message_parse (text, length, &error) : NULL;
    const char *refusal = "no request";

    getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &caller, &size);
    if (message)
        refusal = life_notify (message, caller.uid == 0);
    refusal = refusal ? refusal : "ok";
    send (fd, refusal, strlen (refusal), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
on_request (int fd, uint32_t events, void *context)
{
    loop_unwatch (fd);
    answer (fd);
    close (fd);
}

static void
on_connection (int listener, uint32_t events, void *context)
{
    int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        loop_watch (fd, EPOLLIN, on_request, NULL);
}

static struct sockaddr_un
socket_address (void)
{
    return (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET};
}

void
notify_listen (void)
{
    struct sockaddr_un address = socket_address ();
    int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlink (NOTIFY_SOCKET);
    if (fd < 0 || bind (fd, (struct sockaddr *)&address, sizeof address) < 0 || listen (fd, 16) < 0) {
        guest_log ("vdc-notify will not work: %s", strerror (errno));
        return;
    }
    chmod (NOTIFY_SOCKET, 0666);
    loop_watch (fd, EPOLLIN, on_connection, NULL);
}

/* Steals @request. */
static int
ask (json_t *request)
{
    struct sockaddr_un address = socket_address ();
    AUTO_CLOSE int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    AUTO_FREE char *text = json_dumps (request, JSON_COMPACT);
    char reply[256];
    ssize_t length;

    json_decref (request);
    if (!text || strlen (text) >= REQUEST_LIMIT ||
        connect (fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        send (fd, text, strlen (text), MSG_NOSIGNAL) < 0) {
        fprintf (stderr, "vdc-notify: vdc-guest cannot be reached: %s\n", strerror (errno));
        return 1;
    }
    length = recv (fd, reply, sizeof reply - 1, 0);
    reply[length > 0 ? length : 0] = '\0';
    if (strcmp (reply, "ok") == 0)
        return 0;
    fprintf (stderr, "vdc-notify: %s\n", reply);
    return 1;
}

int
notify_simple (const char *type)
{
    return ask (json_pack ("{ss}", "t", type));
}

static int
usage (void)
{
    fputs ("usage: vdc-notify ready\n"
           "       vdc-notify failed TEXT\n"
           "       vdc-notify maintenance [TEXT] [--progress PERCENT]\n"
           "       vdc-notify log|alert TEXT [--severity info|warning|error]\n"
           "       vdc-notify counter NAME VALUE\n",
           stderr);
    return 2;
}

static int
ask_counter (const char *name, const char *value)
{
    char *end;
    double number = strtod (value, &end);

    if (!*value || *end)
        return usage ();
    return ask (json_pack ("{ss ss so}", "t", "counter", "name", name, "value",
                           strchr (value, '.') ? json_real (number) : json_integer ((json_int_t)number)));
}

int
notify_main (int argc, char **argv)
{
    const char *text = NULL, *severity = NULL, *type = argc > 1 ? argv[1] : "";
    int progress = 0;

    if (strcmp (type, "counter") == 0)
        return argc == 4 ? ask_counter (argv[2], argv[3]) : usage ();
    for (int i = 2; i < argc; i++) {
        if (strcmp (argv[i], "--progress") == 0 && i + 1 < argc)
            progress = atoi (argv[++i]);
        else if (strcmp (argv[i], "--severity") == 0 && i + 1 < argc)
            severity = argv[++i];
        else if (!text)
            text = argv[i];
        else
            return usage ();
    }
    if (strcmp (type, "ready") == 0 && !text)
        return ask (json_pack ("{ss}", "t", "ready"));
    if (strcmp (type, "maintenance") == 0)
        return ask (json_pack ("{ss ss si}", "t", type, "text", text ? text : "", "progress", progress));
    if ((strcmp (type, "failed") == 0 || strcmp (type, "log") == 0 || strcmp (type, "alert") == 0) && text)
        return ask (json_pack ("{ss ss ss}", "t", type, "text", text, "severity",
                               severity               ? severity
                               : strcmp (type, "log") ? "error"
                                                      : "info"));
    return usage ();
}
