#include "vdc/base/error.h"
#include "vdc/lab/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    Relay *relay;
    int netns, target_fd;
    guint16 target_port, local_port;
} Fixture;

static struct sockaddr_in
loopback (guint16 port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons (port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    return address;
}

/* A listener on a port of the kernel's choice. */
static int
listener (guint16 *port)
{
    struct sockaddr_in address = loopback (0);
    socklen_t length = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (listen (fd, 8), ==, 0);
    getsockname (fd, (struct sockaddr *)&address, &length);
    *port = ntohs (address.sin_port);
    return fd;
}

static guint16
free_port (void)
{
    guint16 port;
    close (listener (&port));
    return port;
}

static void
set_up (Fixture *fixture, gconstpointer unused)
{
    g_autoptr (GError) error = NULL;
    fixture->netns = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    fixture->target_fd = listener (&fixture->target_port);
    fixture->local_port = free_port ();
    fixture->relay = relay_new (fixture->netns);
    relay_add (fixture->relay, fixture->local_port, "127.0.0.1", fixture->target_port, &error);
    g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer unused)
{
    relay_free (fixture->relay);
    close (fixture->target_fd);
    close (fixture->netns);
}

/* The relay's work that can be done now. */
static void
turn (void)
{
    while (g_main_context_iteration (NULL, FALSE))
        ;
}

/* Run the relay until @fd is readable (or at its end); a test that hangs is ended by the runner. */
static void
turn_until_readable (int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    do
        turn ();
    while (poll (&poll_fd, 1, 5) == 0);
}

static int
dial (const Fixture *fixture)
{
    struct sockaddr_in address = loopback (fixture->local_port);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (connect (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

static int
answer (const Fixture *fixture)
{
    turn_until_readable (fixture->target_fd);
    return accept (fixture->target_fd, NULL, NULL);
}

static void
assert_reads (int fd, const char *expected)
{
    char buffer[64] = "";
    turn_until_readable (fd);
    ssize_t n = read (fd, buffer, sizeof buffer - 1);
    g_assert_cmpint (n, ==, (ssize_t)strlen (expected));
    g_assert_cmpstr (buffer, ==, expected);
}

/* The end of one direction is passed on, the other one goes on. */
static void
test_half_close (Fixture *fixture, gconstpointer unused)
{
    int near = dial (fixture), far = answer (fixture);
    g_assert_cmpint (write (near, "question", 8), ==, 8);
    shutdown (near, SHUT_WR);
    assert_reads (far, "question");
    assert_reads (far, "");
    g_assert_cmpint (write (far, "answer", 6), ==, 6);
    assert_reads (near, "answer");
    close (far);
    assert_reads (near, "");
    close (near);
    turn ();
}

/* A reader that does not read stops its writer after a bounded amount, and loses nothing. */
static void
test_slow_reader (Fixture *fixture, gconstpointer unused)
{
    g_autofree char *block = g_malloc0 (65536);
    int near = dial (fixture), far = answer (fixture);
    gsize sent = 0, got = 0;
    guint idle = 0;
    fcntl (near, F_SETFL, O_NONBLOCK);
    while (idle < 20) {
        ssize_t n = write (near, block, 65536);
        turn ();
        sent += n > 0 ? (gsize)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        if (n < 0)
            poll (NULL, 0, 2);
        g_assert_cmpuint (sent, <, 256 * 1024 * 1024);
    }
    shutdown (near, SHUT_WR);
    for (;;) {
        turn_until_readable (far);
        ssize_t n = read (far, block, 65536);
        if (n <= 0)
            break;
        got += (gsize)n;
    }
    g_assert_cmpuint (got, ==, sent);
    close (near);
    close (far);
    turn ();
}

/* Nobody behind it: the client sees a reset, not an empty answer. */
static void
test_refused (Fixture *fixture, gconstpointer unused)
{
    char byte;
    g_autoptr (GError) error = NULL;
    relay_add (fixture->relay, fixture->local_port, "127.0.0.1", free_port (), &error);
    g_assert_no_error (error);
    int near = dial (fixture);
    turn_until_readable (near);
    g_assert_cmpint (read (near, &byte, 1), ==, -1);
    g_assert_cmpint (errno, ==, ECONNRESET);
    close (near);
}

/* The far end breaks off: so does the near one. */
static void
test_reset_is_passed_on (Fixture *fixture, gconstpointer unused)
{
    char byte;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int near = dial (fixture), far = answer (fixture);
    turn ();
    setsockopt (far, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close (far);
    turn_until_readable (near);
    g_assert_cmpint (read (near, &byte, 1), ==, -1);
    g_assert_cmpint (errno, ==, ECONNRESET);
    close (near);
}

static void
test_removed_port_is_closed (Fixture *fixture, gconstpointer unused)
{
    struct sockaddr_in address = loopback (fixture->local_port);
    relay_remove (fixture->relay, fixture->local_port);
    g_assert_false (relay_has (fixture->relay, fixture->local_port));
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (connect (fd, (struct sockaddr *)&address, sizeof address), ==, -1);
    g_assert_cmpint (errno, ==, ECONNREFUSED);
    close (fd);
}

static void
test_port_in_use (Fixture *fixture, gconstpointer unused)
{
    g_autoptr (GError) error = NULL;
    g_assert_false (relay_add (fixture->relay, fixture->target_port, "127.0.0.1", 1, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
}

/* With few descriptors the relay takes fewer connections; the others wait and get their turn. */
static void
test_few_descriptors (Fixture *fixture, gconstpointer unused)
{
    enum { MOST = 4, ALL = 7 };
    int near[ALL], far[ALL];
    g_autoptr (GError) error = NULL;
    struct rlimit before, few;
    struct pollfd target = {.fd = fixture->target_fd, .events = POLLIN};
    getrlimit (RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = RELAY_OTHER_FILES + 2 * MOST;
    g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &few), ==, 0);
    relay_free (fixture->relay);
    fixture->relay = relay_new (fixture->netns);
    g_assert_true (
        relay_add (fixture->relay, fixture->local_port, "127.0.0.1", fixture->target_port, &error));
    for (guint i = 0; i < ALL; i++)
        near[i] = dial (fixture);
    for (guint i = 0; i < MOST; i++)
        far[i] = answer (fixture);
    turn ();
    g_assert_cmpint (poll (&target, 1, 0), ==, 0);
    for (guint i = 0; i < ALL; i++) {
        close (near[i]);
        assert_reads (far[i], "");
        close (far[i]);
        if (i + MOST < ALL)
            far[i + MOST] = answer (fixture);
    }
    setrlimit (RLIMIT_NOFILE, &before);
}

static void
add (const char *name, void (*test) (Fixture *, gconstpointer))
{
    g_test_add (name, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    if (geteuid () != 0) {
        g_print ("1..0 # SKIP needs root: the relay enters namespaces\n");
        return 0;
    }
    add ("/relay/half-close", test_half_close);
    add ("/relay/slow-reader-slows-its-writer", test_slow_reader);
    add ("/relay/refused-is-a-reset", test_refused);
    add ("/relay/reset-is-passed-on", test_reset_is_passed_on);
    add ("/relay/removed-port-is-closed", test_removed_port_is_closed);
    add ("/relay/port-in-use", test_port_in_use);
    add ("/relay/few-descriptors-make-clients-wait", test_few_descriptors);
    return g_test_run ();
}
