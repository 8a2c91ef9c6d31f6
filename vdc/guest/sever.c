#include "vdc/guest/sever.h"
#include "vdc/guest/modules.h"
#include "vdc/guest/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* All states but LISTEN (10), TIME_WAIT (6) and CLOSE (7): these have nobody waiting. */
#define STATES (0xfffu & ~(1u << 10 | 1u << 6 | 1u << 7))

typedef struct {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
} Request;

typedef struct {
    struct inet_diag_sockid *ids;
    size_t count;
} Found;

static Request
request_new (int type, int flags)
{
    return (Request){
        .head = {.nlmsg_len = sizeof (Request), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags},
        .body = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = STATES},
    };
}

static bool
is_peer (uint32_t address, const uint32_t *peers, size_t n_peers)
{
    for (size_t i = 0; i < n_peers; i++) {
        if (peers[i] == address)
            return true;
    }
    return false;
}

static void
take (Found *found, const struct inet_diag_sockid *id)
{
    found->ids = realloc (found->ids, (found->count + 1) * sizeof *found->ids);
    if (!found->ids)
        abort ();
    found->ids[found->count++] = *id;
}

/* All are listed first: the table changes while its members are destroyed. */
static bool
list_connections (int fd, const uint32_t *peers, size_t n_peers, Found *found)
{
    static char answer[32768] __attribute__ ((aligned (8)));
    Request request = request_new (SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);

    if (send (fd, &request, sizeof request, 0) < 0)
        return false;
    for (;;) {
        int length = recv (fd, answer, sizeof answer, 0);

        if (length <= 0)
            return false;
        for (struct nlmsghdr *head = (struct nlmsghdr *)answer; NLMSG_OK (head, length);
             head = NLMSG_NEXT (head, length)) {
            const struct inet_diag_msg *socket_found = NLMSG_DATA (head);

            if (head->nlmsg_type == NLMSG_DONE)
                return true;
            if (head->nlmsg_type == NLMSG_ERROR)
                return false;
            if (is_peer (ntohl (socket_found->id.idiag_dst[0]), peers, n_peers))
                take (found, &socket_found->id);
        }
    }
}

static void
destroy (int fd, const struct inet_diag_sockid *id)
{
    char answer[512] __attribute__ ((aligned (8)));
    Request request = request_new (SOCK_DESTROY, NLM_F_ACK);

    request.body.id = *id;
    if (send (fd, &request, sizeof request, 0) > 0)
        recv (fd, answer, sizeof answer, 0);
}

void
sever_connections (const uint32_t *peers, size_t n_peers)
{
    AUTO_CLOSE int fd = -1;
    AUTO_FREE char *error = NULL;
    Found found = {0};

    if (n_peers == 0)
        return;
    if (!modules_load ("/etc/vdc/modules-sever", "", &error))
        guest_log ("connections to removed peers end late: %s", error);
    fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0 || !list_connections (fd, peers, n_peers, &found))
        guest_log ("connections to removed peers end late: %s", strerror (errno));
    for (size_t i = 0; i < found.count; i++)
        destroy (fd, &found.ids[i]);
    free (found.ids);
}
