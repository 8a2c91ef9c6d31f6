#include "vdc/guest/network.h"
#include "vdc/guest/sever.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INNER_NETWORK 0x64400000u /* 100.64.0.0/10 */
#define NOWHERE 0x00ffffffu       /* 0.255.255.255, the address of an unwired output */

typedef struct {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    };
    char space[256];
} Request;

/* A link as the kernel has it. */
typedef struct {
    int index;
    bool up;
    char name[16];
    unsigned char mac[6];
} Link;

typedef struct {
    uint32_t to, source, gateway;
    unsigned prefix;
    int index; /* 0: unreachable */
} Route;

typedef struct {
    int index;
    uint32_t address;
    unsigned prefix;
} Address;

typedef struct {
    int fd;
    Link links[64];
    size_t n_links;
    Address *addresses;
    size_t n_addresses;
    Route *routes;
    size_t n_routes;
} Kernel;

static void
request_add (Request *request, int type, const void *data, size_t length)
{
    struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN (request->head.nlmsg_len));

    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH (length);
    memcpy (RTA_DATA (attribute), data, length);
    request->head.nlmsg_len = NLMSG_ALIGN (request->head.nlmsg_len) + RTA_ALIGN (attribute->rta_len);
}

static void
request_add_address (Request *request, int type, uint32_t address)
{
    uint32_t value = htonl (address);

    request_add (request, type, &value, sizeof value);
}

/* Sends and waits for the acknowledgement; 0 or the kernel's errno. */
static int
request_do (int fd, Request *request)
{
    char answer[8192] __attribute__ ((aligned (8)));
    struct nlmsghdr *head = (struct nlmsghdr *)answer;

    request->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    if (send (fd, request, request->head.nlmsg_len, 0) < 0 || recv (fd, answer, sizeof answer, 0) < 0)
        return errno;
    if (head->nlmsg_type != NLMSG_ERROR)
        return EPROTO;
    return -((struct nlmsgerr *)NLMSG_DATA (head))->error;
}

static Request
request_new (int type, int flags, size_t body)
{
    return (Request){.head = {.nlmsg_len = NLMSG_LENGTH (body), .nlmsg_type = type, .nlmsg_flags = flags}};
}

static void
take_link (Kernel *kernel, struct nlmsghdr *head)
{
    struct ifinfomsg *info = NLMSG_DATA (head);
    int left = IFLA_PAYLOAD (head);
    Link *link = &kernel->links[kernel->n_links];

    if (kernel->n_links == 64)
        return;
    *link = (Link){.index = info->ifi_index, .up = info->ifi_flags & IFF_UP};
    for (struct rtattr *part = IFLA_RTA (info); RTA_OK (part, left); part = RTA_NEXT (part, left)) {
        if (part->rta_type == IFLA_IFNAME)
            snprintf (link->name, sizeof link->name, "%s", (char *)RTA_DATA (part));
        if (part->rta_type == IFLA_ADDRESS && RTA_PAYLOAD (part) == 6)
            memcpy (link->mac, RTA_DATA (part), 6);
    }
    kernel->n_links++;
}

static void
take_address (Kernel *kernel, struct nlmsghdr *head)
{
    struct ifaddrmsg *info = NLMSG_DATA (head);
    int left = IFA_PAYLOAD (head);
    Address address = {.index = info->ifa_index, .prefix = info->ifa_prefixlen};

    for (struct rtattr *part = IFA_RTA (info); RTA_OK (part, left); part = RTA_NEXT (part, left)) {
        if (part->rta_type == IFA_LOCAL)
            address.address = ntohl (*(uint32_t *)RTA_DATA (part));
    }
    kernel->addresses = realloc (kernel->addresses, (kernel->n_addresses + 1) * sizeof address);
    if (!kernel->addresses)
        abort ();
    kernel->addresses[kernel->n_addresses++] = address;
}

static void
take_route (Kernel *kernel, struct nlmsghdr *head)
{
    struct rtmsg *info = NLMSG_DATA (head);
    int left = RTM_PAYLOAD (head);
    Route route = {.prefix = info->rtm_dst_len};

    if (info->rtm_protocol != NETWORK_PROTOCOL)
        return;
    for (struct rtattr *part = RTM_RTA (info); RTA_OK (part, left); part = RTA_NEXT (part, left)) {
        if (part->rta_type == RTA_DST)
            route.to = ntohl (*(uint32_t *)RTA_DATA (part));
        if (part->rta_type == RTA_PREFSRC)
            route.source = ntohl (*(uint32_t *)RTA_DATA (part));
        if (part->rta_type == RTA_GATEWAY)
            route.gateway = ntohl (*(uint32_t *)RTA_DATA (part));
        if (part->rta_type == RTA_OIF && info->rtm_type != RTN_UNREACHABLE)
            route.index = *(int *)RTA_DATA (part);
    }
    kernel->routes = realloc (kernel->routes, (kernel->n_routes + 1) * sizeof route);
    if (!kernel->routes)
        abort ();
    kernel->routes[kernel->n_routes++] = route;
}

static bool
dump (Kernel *kernel, int type, size_t body, void (*take) (Kernel *kernel, struct nlmsghdr *head))
{
    Request request = request_new (type, NLM_F_REQUEST | NLM_F_DUMP, body);
    static char answer[32768] __attribute__ ((aligned (8)));

    request.route.rtm_family = AF_INET; /* the first byte of each of the bodies */
    if (send (kernel->fd, &request, request.head.nlmsg_len, 0) < 0)
        return false;
    for (;;) {
        int length = recv (kernel->fd, answer, sizeof answer, 0);

        if (length <= 0)
            return false;
        for (struct nlmsghdr *head = (struct nlmsghdr *)answer; NLMSG_OK (head, length);
             head = NLMSG_NEXT (head, length)) {
            if (head->nlmsg_type == NLMSG_DONE)
                return true;
            if (head->nlmsg_type == NLMSG_ERROR)
                return false;
            take (kernel, head);
        }
    }
}

static int
link_set (int fd, int index, const char *name, bool up)
{
    Request request = request_new (RTM_NEWLINK, 0, sizeof (struct ifinfomsg));

    request.link.ifi_index = index;
    if (name)
        request_add (&request, IFLA_IFNAME, name, strlen (name) + 1);
    if (up) {
        request.link.ifi_flags = IFF_UP;
        request.link.ifi_change = IFF_UP;
    }
    return request_do (fd, &request);
}

static const Link *
link_by_mac (const Kernel *kernel, const unsigned char mac[6])
{
    for (size_t i = 0; i < kernel->n_links; i++) {
        if (memcmp (kernel->links[i].mac, mac, 6) == 0)
            return &kernel->links[i];
    }
    return NULL;
}

/* The kernel names NICs eth0…; names are exchanged only while a link is down, which is so before its first
 * use. */
static bool
apply_links (Kernel *kernel, const Settings *settings, int *indices, char **error)
{
    link_set (kernel->fd, 1, NULL, true);
    for (size_t i = 0; i < settings->n_nics; i++) {
        const Nic *nic = &settings->nics[i];
        const Link *link = link_by_mac (kernel, nic->mac);
        bool rename = link && strcmp (link->name, nic->device) != 0 && !link->up;
        int problem;

        if (!link)
            return fail (error, "terminal %s: there is no NIC with its MAC", nic->terminal);
        indices[i] = link->index;
        problem =
            !link->up || rename ? link_set (kernel->fd, link->index, rename ? nic->device : NULL, true) : 0;
        if (problem)
            return fail (error, "terminal %s: cannot bring up its NIC: %s", nic->terminal,
                         strerror (problem));
    }
    return true;
}

static int
address_change (int fd, int type, int flags, Address address)
{
    Request request = request_new (type, flags, sizeof (struct ifaddrmsg));

    request.address.ifa_family = AF_INET;
    request.address.ifa_prefixlen = address.prefix;
    request.address.ifa_index = address.index;
    request_add_address (&request, IFA_LOCAL, address.address);
    request_add_address (&request, IFA_ADDRESS, address.address);
    if (address.prefix < 31) {
        uint32_t broadcast = address.address | (0xffffffffu >> address.prefix);

        request_add_address (&request, IFA_BROADCAST, broadcast);
    }
    return request_do (fd, &request);
}

static bool
address_wanted (const Settings *settings, const int *indices, const Address *address)
{
    for (size_t i = 0; i < settings->n_nics; i++) {
        for (size_t j = 0; indices[i] == address->index && j < settings->nics[i].n_addresses; j++) {
            if (settings->nics[i].addresses[j] == address->address &&
                settings->nics[i].prefix == address->prefix)
                return true;
        }
    }
    return false;
}

static bool
address_present (const Kernel *kernel, const Address *wanted)
{
    for (size_t i = 0; i < kernel->n_addresses; i++) {
        const Address *have = &kernel->addresses[i];

        if (have->index == wanted->index && have->address == wanted->address &&
            have->prefix == wanted->prefix)
            return true;
    }
    return false;
}

static bool
is_ours (const Settings *settings, const int *indices, int index)
{
    for (size_t i = 0; i < settings->n_nics; i++) {
        if (indices[i] == index)
            return true;
    }
    return false;
}

static bool
apply_addresses (Kernel *kernel, const Settings *settings, const int *indices, char **error)
{
    for (size_t i = 0; i < settings->n_nics; i++) {
        const Nic *nic = &settings->nics[i];

        for (size_t j = 0; j < nic->n_addresses; j++) {
            Address address = {.index = indices[i], .address = nic->addresses[j], .prefix = nic->prefix};
            int problem = address_present (kernel, &address)
                              ? 0
                              : address_change (kernel->fd, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);

            if (problem)
                return fail (error, "terminal %s: cannot set its address: %s", nic->terminal,
                             strerror (problem));
        }
    }
    for (size_t i = 0; i < kernel->n_addresses; i++) {
        const Address *address = &kernel->addresses[i];

        if (is_ours (settings, indices, address->index) && !address_wanted (settings, indices, address))
            address_change (kernel->fd, RTM_DELADDR, 0, *address);
    }
    return true;
}

static int
route_change (int fd, int type, int flags, const Route *route)
{
    Request request = request_new (type, flags, sizeof (struct rtmsg));

    request.route = (struct rtmsg){.rtm_family = AF_INET,
                                   .rtm_dst_len = route->prefix,
                                   .rtm_table = RT_TABLE_MAIN,
                                   .rtm_protocol = NETWORK_PROTOCOL};
    request.route.rtm_type = route->index ? RTN_UNICAST : RTN_UNREACHABLE;
    request.route.rtm_scope = route->index && !route->gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (route->prefix)
        request_add_address (&request, RTA_DST, route->to);
    if (route->source)
        request_add_address (&request, RTA_PREFSRC, route->source);
    if (route->gateway) {
        request.route.rtm_flags = RTNH_F_ONLINK;
        request_add_address (&request, RTA_GATEWAY, route->gateway);
    }
    if (route->index)
        request_add (&request, RTA_OIF, &route->index, sizeof route->index);
    return request_do (fd, &request);
}

static bool
route_same (const Route *a, const Route *b)
{
    return a->to == b->to && a->prefix == b->prefix && a->source == b->source && a->gateway == b->gateway &&
           a->index == b->index;
}

/* Everything that should be there. Nothing inner may leave by a gateway: the unreachable routes end what has
 * no wire. */
static Route *
wanted_routes (const Settings *settings, const int *indices, size_t *count)
{
    size_t limit = 4;
    Route *routes;
    size_t n = 0;

    for (size_t i = 0; i < settings->n_nics; i++)
        limit += settings->nics[i].n_routes + 1;
    routes = util_alloc (limit * sizeof *routes);
    routes[n++] = (Route){.to = NOWHERE, .prefix = 32};
    routes[n++] = (Route){.to = INNER_NETWORK, .prefix = 10};
    for (size_t i = 0; i < settings->n_nics; i++) {
        const Nic *nic = &settings->nics[i];

        for (size_t j = 0; j < nic->n_routes; j++)
            routes[n++] = (Route){
                .to = nic->routes[j].to, .prefix = 32, .source = nic->routes[j].source, .index = indices[i]};
        if (nic->gateway)
            routes[n++] = (Route){.gateway = nic->gateway, .source = nic->addresses[0], .index = indices[i]};
        else if (settings->gateway && strcmp (settings->gateway_terminal, nic->terminal) == 0)
            routes[n++] =
                (Route){.gateway = settings->gateway, .source = nic->addresses[0], .index = indices[i]};
    }
    *count = n;
    return routes;
}

static bool
route_in (const Route *list, size_t count, const Route *route)
{
    for (size_t i = 0; i < count; i++) {
        if (route_same (&list[i], route))
            return true;
    }
    return false;
}

static bool
has_peer (const Route *list, size_t count, const Route *route)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].index && list[i].prefix == 32 && list[i].to == route->to)
            return true;
    }
    return false;
}

/* A peer that is gone altogether takes its connections with it. */
static void
remove_routes (Kernel *kernel, const Route *wanted, size_t count)
{
    AUTO_FREE uint32_t *gone = util_alloc ((kernel->n_routes + 1) * sizeof *gone);
    size_t n_gone = 0;

    for (size_t i = 0; i < kernel->n_routes; i++) {
        const Route *route = &kernel->routes[i];

        if (route_in (wanted, count, route))
            continue;
        route_change (kernel->fd, RTM_DELROUTE, 0, route);
        if (route->index && route->prefix == 32 && !has_peer (wanted, count, route))
            gone[n_gone++] = route->to;
    }
    sever_connections (gone, n_gone);
}

/* Removed first: a route that only changed its source would otherwise be taken away with its old form. */
static bool
apply_routes (Kernel *kernel, const Settings *settings, const int *indices, char **error)
{
    size_t count;
    AUTO_FREE Route *wanted = wanted_routes (settings, indices, &count);

    remove_routes (kernel, wanted, count);
    for (size_t i = 0; i < count; i++) {
        struct in_addr to = {htonl (wanted[i].to)};
        int problem = route_in (kernel->routes, kernel->n_routes, &wanted[i])
                          ? 0
                          : route_change (kernel->fd, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &wanted[i]);

        if (problem)
            return fail (error, "cannot set the route to %s: %s", inet_ntoa (to), strerror (problem));
    }
    return true;
}

/*
 * Tells the outside who has the address now (an ARP announcement, RFC 5227): the gateway there may remember
 * the MAC of whoever had it before, for most of a minute. Nobody answers, so nothing is lost when it cannot
 * be sent.
 */
static void
announce (const Nic *nic, int index)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = index, .sll_halen = 6};
    struct {
        struct arphdr head;
        unsigned char sender_mac[6], sender[4], target_mac[6], target[4];
    } __attribute__ ((packed))
    arp = {.head = {htons (ARPHRD_ETHER), htons (ETHERTYPE_IP), 6, 4, htons (ARPOP_REQUEST)}};
    uint32_t address = htonl (nic->addresses[0]);
    int fd = socket (AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    to.sll_protocol = htons (ETHERTYPE_ARP);
    memset (to.sll_addr, 0xff, 6);
    memcpy (arp.sender_mac, nic->mac, 6);
    memcpy (arp.sender, &address, 4);
    memcpy (arp.target, &address, 4);
    if (fd < 0)
        return;
    sendto (fd, &arp, sizeof arp, 0, (struct sockaddr *)&to, sizeof to);
    close (fd);
}

static void
announce_outside (const Settings *settings, const int *indices)
{
    for (size_t i = 0; i < settings->n_nics; i++)
        if (strcmp (settings->nics[i].terminal, "outside") == 0 && settings->nics[i].n_addresses > 0)
            announce (&settings->nics[i], indices[i]);
}

bool
network_apply (const Settings *settings, char **error)
{
    Kernel kernel = {.fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    int indices[64] = {0};
    bool done = false;

    if (kernel.fd < 0 || !dump (&kernel, RTM_GETLINK, sizeof (struct ifinfomsg), take_link) ||
        !dump (&kernel, RTM_GETADDR, sizeof (struct ifaddrmsg), take_address) ||
        !dump (&kernel, RTM_GETROUTE, sizeof (struct rtmsg), take_route))
        fail (error, "cannot ask the kernel for its network: %s", strerror (errno));
    else
        done = apply_links (&kernel, settings, indices, error) &&
               apply_addresses (&kernel, settings, indices, error) &&
               apply_routes (&kernel, settings, indices, error);
    if (done)
        announce_outside (settings, indices);
    if (kernel.fd >= 0)
        close (kernel.fd);
    free (kernel.addresses);
    free (kernel.routes);
    return done;
}

/* To an own address: answered by our own kernel at once, unless the backlog is full. */
static int
probe_one (const ProbeTarget *target)
{
    AUTO_CLOSE int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons (target->port), .sin_addr = {htonl (target->address)}};
    int problem = 0;
    socklen_t size = sizeof problem;

    if (connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (poll (&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 500) != 1)
        return ETIMEDOUT;
    getsockopt (fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    return problem;
}

bool
network_probe (const Settings *settings, char **error)
{
    ProbeTarget targets[32];
    size_t count = settings_probes (settings, targets, 32);

    for (size_t i = 0; i < count; i++) {
        int problem = probe_one (&targets[i]);

        if (problem)
            return fail (error, "input %s: port %u does not answer: %s", targets[i].terminal, targets[i].port,
                         strerror (problem));
    }
    return true;
}

static bool
port_is_of (const json_t *input, unsigned port)
{
    json_t *ports = json_object_get (input, "ports"), *range;
    size_t i;

    json_array_foreach (ports, i, range) {
        if (port >= json_int_of (range, "from", 0) && port <= json_int_of (range, "to", 0))
            return true;
    }
    return json_array_size (ports) == 0;
}

static bool
is_input (const Settings *settings, uint32_t address, unsigned port)
{
    const char *terminal;
    json_t *input;

    json_object_foreach (json_object_get (settings->document, "inputs"), terminal, input) {
        const Nic *nic = settings_nic (settings, terminal);

        for (size_t i = 0; nic && i < nic->n_addresses; i++) {
            if (nic->addresses[i] == address && port_is_of (input, port))
                return true;
        }
    }
    return false;
}

int
network_connections (const Settings *settings)
{
    FILE *table = fopen ("/proc/net/tcp", "re");
    char line[256];
    int count = 0;

    if (!table)
        return -1;
    while (fgets (line, sizeof line, table)) {
        unsigned local, port, remote, state;

        /* Addresses are printed as the bytes in memory: network order read as little endian. */
        if (sscanf (line, " %*u: %8x:%4x %8x:%*x %2x", &local, &port, &remote, &state) != 4 || state != 1)
            continue;
        /* Not the probe's own. */
        if (local != remote && is_input (settings, ntohl (local), port))
            count++;
    }
    fclose (table);
    return count;
}
