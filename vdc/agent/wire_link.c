#include "vdc/agent/wire_link.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct WireLink {
    int fd;
    guint32 sequence;
};

/* A request under construction; large enough for every message made here. */
typedef struct {
    union {
        struct nlmsghdr header;
        char bytes[2048];
    };
} Request;

typedef void (*Answer) (const struct nlmsghdr *message, gpointer data);

WireLink *
wire_link_open (GError **error)
{
    int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        vdc_error_set_errno (error, errno, "cannot open rtnetlink");
        return NULL;
    }
    int on = 1;
    setsockopt (fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt (fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    struct timeval patience = {.tv_sec = 30};
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    WireLink *link = g_new0 (WireLink, 1);
    link->fd = fd;
    return link;
}

void
wire_link_close (WireLink *link)
{
    if (link == NULL)
        return;
    close (link->fd);
    g_free (link);
}

void
link_info_free (LinkInfo *info)
{
    if (info == NULL)
        return;
    g_free (info->alias);
    g_free (info->kind);
    g_free (info);
}

/* ---- messages ---- */

static void *
request_start (Request *request, guint16 type, guint16 flags, gsize body)
{
    memset (request, 0, sizeof *request);
    request->header.nlmsg_len = (guint32)NLMSG_LENGTH (body);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = NLM_F_REQUEST | flags;
    return NLMSG_DATA (&request->header);
}

static struct rtattr *
request_add (Request *request, guint16 type, const void *data, gsize length)
{
    gsize offset = NLMSG_ALIGN (request->header.nlmsg_len);
    g_assert (offset + RTA_SPACE (length) <= sizeof request->bytes);
    struct rtattr *attribute = (struct rtattr *)(request->bytes + offset);
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH (length);
    if (length > 0)
        memcpy (RTA_DATA (attribute), data, length);
    request->header.nlmsg_len = (guint32)(offset + RTA_ALIGN (attribute->rta_len));
    return attribute;
}

static void
request_add_u8 (Request *request, guint16 type, guint8 value)
{
    request_add (request, type, &value, sizeof value);
}

static void
request_add_u32 (Request *request, guint16 type, guint32 value)
{
    request_add (request, type, &value, sizeof value);
}

static struct rtattr *
request_open (Request *request, guint16 type)
{
    return request_add (request, type | NLA_F_NESTED, NULL, 0);
}

static void
request_close (Request *request, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)(request->bytes + request->header.nlmsg_len - (char *)nest);
}

/* One datagram of answers. 1: more to come, 0: finished, negative errno: refused. */
static int
take_answers (WireLink *link, char *buffer, int length, Answer answer, gpointer data)
{
    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK (m, (unsigned)length);
         m = NLMSG_NEXT (m, length)) {
        if (m->nlmsg_seq != link->sequence)
            continue;
        if (m->nlmsg_flags & NLM_F_DUMP_INTR)
            return -EAGAIN;
        if (m->nlmsg_type == NLMSG_DONE)
            return 0;
        if (m->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA (m))->error;
        if (answer != NULL)
            answer (m, data);
    }
    return 1;
}

/* Send and read to the acknowledgement (or a dump's end). 0 or an errno. */
static int
talk (WireLink *link, Request *request, Answer answer, gpointer data)
{
    request->header.nlmsg_seq = ++link->sequence;
    /* The flag is two bits, each of which means something else in a request that makes a thing. */
    if ((request->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        request->header.nlmsg_flags |= NLM_F_ACK;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto (link->fd, request->bytes, request->header.nlmsg_len, 0, (struct sockaddr *)&kernel,
                sizeof kernel) < 0)
        return errno;

    enum { BUFFER = 64 * 1024 };
    g_autofree char *buffer = g_malloc (BUFFER);
    for (;;) {
        ssize_t got = recv (link->fd, buffer, BUFFER, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        int more = take_answers (link, buffer, (int)got, answer, data);
        if (more <= 0)
            return -more;
    }
}

/* ---- reading ---- */

static void
read_statistics (LinkInfo *info, const struct rtattr *a)
{
    struct rtnl_link_stats64 s;
    memset (&s, 0, sizeof s);
    memcpy (&s, RTA_DATA (a), MIN (sizeof s, (gsize)RTA_PAYLOAD (a)));
    info->rx_bytes = s.rx_bytes;
    info->tx_bytes = s.tx_bytes;
    info->rx_packets = s.rx_packets;
    info->tx_packets = s.tx_packets;
    info->rx_dropped = s.rx_dropped;
    info->tx_dropped = s.tx_dropped;
}

static void
read_kind (LinkInfo *info, struct rtattr *nest)
{
    int length = (int)RTA_PAYLOAD (nest);
    for (struct rtattr *a = RTA_DATA (nest); RTA_OK (a, length); a = RTA_NEXT (a, length))
        if (a->rta_type == IFLA_INFO_KIND)
            info->kind = g_strndup (RTA_DATA (a), RTA_PAYLOAD (a));
}

static void
read_attribute (LinkInfo *info, struct rtattr *a)
{
    switch (a->rta_type & NLA_TYPE_MASK) {
    case IFLA_IFNAME:
        g_strlcpy (info->name, RTA_DATA (a), sizeof info->name);
        break;
    case IFLA_IFALIAS:
        info->alias = g_strndup (RTA_DATA (a), RTA_PAYLOAD (a));
        break;
    case IFLA_MTU:
        memcpy (&info->mtu, RTA_DATA (a), sizeof info->mtu);
        break;
    case IFLA_MASTER:
        memcpy (&info->master, RTA_DATA (a), sizeof info->master);
        break;
    case IFLA_LINKINFO:
        read_kind (info, a);
        break;
    case IFLA_STATS64:
        read_statistics (info, a);
        break;
    default:
        break;
    }
}

static void
take_link (const struct nlmsghdr *message, gpointer data)
{
    if (message->nlmsg_type != RTM_NEWLINK)
        return;
    const struct ifinfomsg *body = NLMSG_DATA (message);
    LinkInfo *info = g_new0 (LinkInfo, 1);
    info->index = body->ifi_index;
    info->up = (body->ifi_flags & IFF_UP) != 0;
    int length = (int)IFLA_PAYLOAD (message);
    for (struct rtattr *a = (struct rtattr *)IFLA_RTA (body); RTA_OK (a, length); a = RTA_NEXT (a, length))
        read_attribute (info, a);
    g_ptr_array_add (data, info);
}

GPtrArray *
link_list (WireLink *link, gboolean statistics, GError **error)
{
    /* A dump disturbed by a change is repeated; changes are rarer than that. */
    for (guint attempt = 0; attempt < 10; attempt++) {
        g_autoptr (GPtrArray) links = g_ptr_array_new_with_free_func ((GDestroyNotify)link_info_free);
        Request request;
        request_start (&request, RTM_GETLINK, NLM_F_DUMP, sizeof (struct ifinfomsg));
        if (!statistics)
            request_add_u32 (&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        int err = talk (link, &request, take_link, links);
        if (err == 0)
            return g_steal_pointer (&links);
        if (err != EAGAIN) {
            vdc_error_set_errno (error, err, "cannot list network interfaces");
            return NULL;
        }
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot list network interfaces: they keep changing");
    return NULL;
}

LinkInfo *
link_get (WireLink *link, const char *name, GError **error)
{
    g_autoptr (GPtrArray) links = g_ptr_array_new_with_free_func ((GDestroyNotify)link_info_free);
    Request request;
    request_start (&request, RTM_GETLINK, 0, sizeof (struct ifinfomsg));
    request_add (&request, IFLA_IFNAME, name, strlen (name) + 1);
    request_add_u32 (&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    int err = talk (link, &request, take_link, links);
    if (err == 0 && links->len == 1)
        return g_ptr_array_steal_index (links, 0);
    vdc_error_set_errno (error, err == ENODEV || err == 0 ? ENOENT : err, "network interface '%s'", name);
    return NULL;
}

typedef struct {
    int index;
    gboolean carries;
} AddressSearch;

static void
take_address (const struct nlmsghdr *message, gpointer data)
{
    AddressSearch *search = data;
    const struct ifaddrmsg *body = NLMSG_DATA (message);
    if (message->nlmsg_type == RTM_NEWADDR && (int)body->ifa_index == search->index &&
        body->ifa_scope < RT_SCOPE_LINK)
        search->carries = TRUE;
}

gboolean
link_has_address (WireLink *link, int index, gboolean *carries, GError **error)
{
    AddressSearch search = {index, FALSE};
    Request request;
    request_start (&request, RTM_GETADDR, NLM_F_DUMP, sizeof (struct ifaddrmsg));
    int err = talk (link, &request, take_address, &search);
    if (err != 0)
        return vdc_error_set_errno (error, err, "cannot list addresses");
    *carries = search.carries;
    return TRUE;
}

/* ---- making and removing ---- */

gboolean
link_make_tap (const char *name, GError **error)
{
    /* Opening one that exists takes a queue of it: refused (EBUSY) while QEMU has it, and then it is there.
     */
    if (if_nametoindex (name) != 0)
        return TRUE;
    int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open /dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
    gboolean made = ioctl (fd, TUNSETIFF, &request) == 0 && ioctl (fd, TUNSETPERSIST, 1) == 0;
    int err = errno;
    close (fd);
    return made || vdc_error_set_errno (error, err, "cannot make tap '%s'", name);
}

gboolean
link_make_bridge (WireLink *link, const char *name, GError **error)
{
    Request request;
    request_start (&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof (struct ifinfomsg));
    request_add (&request, IFLA_IFNAME, name, strlen (name) + 1);
    struct rtattr *info = request_open (&request, IFLA_LINKINFO);
    request_add (&request, IFLA_INFO_KIND, "bridge", 6);
    struct rtattr *options = request_open (&request, IFLA_INFO_DATA);
    request_add_u32 (&request, IFLA_BR_STP_STATE, 0);
    /* VLAN filtering is off by default, and naming it fails on kernels built without. */
    request_add_u8 (&request, IFLA_BR_MCAST_SNOOPING, 0);
    request_close (&request, options);
    request_close (&request, info);
    int err = talk (link, &request, NULL, NULL);
    return err == 0 || err == EEXIST || vdc_error_set_errno (error, err, "cannot make bridge '%s'", name);
}

gboolean
link_delete (WireLink *link, const char *name, GError **error)
{
    Request request;
    request_start (&request, RTM_DELLINK, 0, sizeof (struct ifinfomsg));
    request_add (&request, IFLA_IFNAME, name, strlen (name) + 1);
    int err = talk (link, &request, NULL, NULL);
    return err == 0 || err == ENODEV ||
           vdc_error_set_errno (error, err, "cannot remove interface '%s'", name);
}

/* ---- changing ---- */

static gboolean
set_attribute (WireLink *link, int index, guint16 type, const void *value, gsize length, const char *what,
               GError **error)
{
    Request request;
    struct ifinfomsg *body = request_start (&request, RTM_NEWLINK, 0, sizeof *body);
    body->ifi_index = index;
    request_add (&request, type, value, length);
    int err = talk (link, &request, NULL, NULL);
    return err == 0 || vdc_error_set_errno (error, err, "cannot set %s of interface %d", what, index);
}

gboolean
link_set_alias (WireLink *link, int index, const char *alias, GError **error)
{
    return set_attribute (link, index, IFLA_IFALIAS, alias, strlen (alias), "the alias", error);
}

gboolean
link_set_mtu (WireLink *link, int index, guint mtu, GError **error)
{
    return set_attribute (link, index, IFLA_MTU, &mtu, sizeof mtu, "the MTU", error);
}

gboolean
link_set_master (WireLink *link, int index, int master, GError **error)
{
    return set_attribute (link, index, IFLA_MASTER, &master, sizeof master, "the bridge", error);
}

gboolean
link_set_up (WireLink *link, int index, gboolean up, GError **error)
{
    Request request;
    struct ifinfomsg *body = request_start (&request, RTM_NEWLINK, 0, sizeof *body);
    body->ifi_index = index;
    body->ifi_change = IFF_UP;
    body->ifi_flags = up ? IFF_UP : 0;
    int err = talk (link, &request, NULL, NULL);
    return err == 0 ||
           vdc_error_set_errno (error, err, "cannot bring interface %d %s", index, up ? "up" : "down");
}

static gboolean
write_setting (const char *family, const char *name, const char *key, const char *value, GError **error)
{
    g_autofree char *path = g_strdup_printf ("/proc/sys/net/%s/conf/%s/%s", family, name, key);
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || vdc_error_set_errno (error, errno, "cannot open %s", path);
    gboolean done = write (fd, value, strlen (value)) >= 0;
    int err = errno;
    close (fd);
    return done || vdc_error_set_errno (error, err, "cannot write %s", path);
}

gboolean
link_keep_silent (const char *name, GError **error)
{
    return write_setting ("ipv6", name, "disable_ipv6", "1", error) &&
           write_setting ("ipv4", name, "arp_ignore", "8", error);
}

static gboolean
set_port_flags (WireLink *link, int index, gboolean isolated, GError **error)
{
    Request request;
    struct ifinfomsg *body = request_start (&request, RTM_SETLINK, 0, sizeof *body);
    body->ifi_family = AF_BRIDGE;
    body->ifi_index = index;
    struct rtattr *port = request_open (&request, IFLA_PROTINFO);
    request_add_u8 (&request, IFLA_BRPORT_LEARNING, 0);
    request_add_u8 (&request, IFLA_BRPORT_UNICAST_FLOOD, 0);
    request_add_u8 (&request, IFLA_BRPORT_MCAST_FLOOD, 0);
    request_add_u8 (&request, IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
    request_close (&request, port);
    int err = talk (link, &request, NULL, NULL);
    return err == 0 || vdc_error_set_errno (error, err, "cannot set up bridge port %d", index);
}

gboolean
link_set_port (WireLink *link, int index, const WireMac *mac, gboolean isolated, GError **error)
{
    if (!set_port_flags (link, index, isolated, error))
        return FALSE;
    Request request;
    struct ndmsg *body = request_start (&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof *body);
    body->ndm_family = AF_BRIDGE;
    body->ndm_ifindex = index;
    body->ndm_state = NUD_NOARP;
    body->ndm_flags = NTF_MASTER;
    request_add (&request, NDA_LLADDR, mac->bytes, sizeof mac->bytes);
    int err = talk (link, &request, NULL, NULL);
    return err == 0 ||
           vdc_error_set_errno (error, err, "cannot set the address behind bridge port %d", index);
}

/* ---- rate ---- */

static gboolean
remove_rate (WireLink *link, int index, GError **error)
{
    Request request;
    struct tcmsg *body = request_start (&request, RTM_DELQDISC, 0, sizeof *body);
    body->tcm_family = AF_UNSPEC;
    body->tcm_ifindex = index;
    body->tcm_parent = TC_H_ROOT;
    int err = talk (link, &request, NULL, NULL);
    return err == 0 || err == ENOENT || err == EINVAL ||
           vdc_error_set_errno (error, err, "cannot remove the rate of interface %d", index);
}

gboolean
link_set_rate (WireLink *link, int index, guint64 bps, GError **error)
{
    if (bps == 0)
        return remove_rate (link, index, error);
    guint64 bytes = bps / 8;
    /* A frame from another guest is up to 64 KB before it is cut; 10 ms keep the timer's grain out of the
     * rate. */
    guint32 burst =
        (guint32)MIN (MAX (bytes / 100, G_GUINT64_CONSTANT (98304)), G_GUINT64_CONSTANT (64000000));
    struct tc_tbf_qopt options = {
        .rate = {.rate = (guint32)MIN (bytes, G_GUINT64_CONSTANT (0xffffffff)),
                 .linklayer = TC_LINKLAYER_ETHERNET},
        .limit = (guint32)MIN (bytes / 20, G_GUINT64_CONSTANT (256000000)) + burst,
        .buffer = burst,
    };
    Request request;
    struct tcmsg *body = request_start (&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, sizeof *body);
    body->tcm_family = AF_UNSPEC;
    body->tcm_ifindex = index;
    body->tcm_parent = TC_H_ROOT;
    request_add (&request, TCA_KIND, "tbf", 4);
    struct rtattr *nest = request_open (&request, TCA_OPTIONS);
    request_add (&request, TCA_TBF_PARMS, &options, sizeof options);
    request_add_u32 (&request, TCA_TBF_BURST, burst);
    if (bytes > 0xffffffff)
        request_add (&request, TCA_TBF_RATE64, &bytes, sizeof bytes);
    request_close (&request, nest);
    int err = talk (link, &request, NULL, NULL);
    return err == 0 ||
           vdc_error_set_errno (error, err, "cannot set the rate of interface %d (module sch_tbf?)", index);
}
