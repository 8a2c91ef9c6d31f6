#include "vdc/agent/wire_nft.h"

#include "vdc/base/error.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct WireNft {
    struct nft_ctx *context;
};

WireNft *
wire_nft_new (GError **error)
{
    struct nft_ctx *context = nft_ctx_new (NFT_CTX_DEFAULT);
    if (context == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot open nftables; is this process root?");
        return NULL;
    }
    if (nft_ctx_buffer_output (context) != 0 || nft_ctx_buffer_error (context) != 0) {
        nft_ctx_free (context);
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot set up nftables: no memory");
        return NULL;
    }
    WireNft *nft = g_new0 (WireNft, 1);
    nft->context = context;
    return nft;
}

void
wire_nft_free (WireNft *nft)
{
    if (nft == NULL)
        return;
    nft_ctx_free (nft->context);
    g_free (nft);
}

/* nft quotes the failing command below its complaint; one line is enough for a message. */
static void
set_error (WireNft *nft, GError **error)
{
    const char *text = nft_ctx_get_error_buffer (nft->context);
    g_autofree char *line = g_strndup (text, strcspn (text, "\n"));
    gboolean missing = strstr (line, "No such file or directory") != NULL;
    g_set_error (error, VDC_ERROR, missing ? VDC_ERROR_NOT_FOUND : VDC_ERROR_FAILED, "nftables: %s",
                 *line ? line : "refused without a reason");
}

gboolean
wire_nft_run (WireNft *nft, const char *text, GError **error)
{
    nft_ctx_output_set_flags (nft->context, 0);
    gboolean done = nft_run_cmd_from_buffer (nft->context, text) == 0;
    if (!done)
        set_error (nft, error);
    /* Reading a buffer is what empties it. */
    nft_ctx_get_output_buffer (nft->context);
    return done;
}

json_t *
wire_nft_list (WireNft *nft, const char *command, GError **error)
{
    nft_ctx_output_set_flags (nft->context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_ALL);
    if (nft_run_cmd_from_buffer (nft->context, command) != 0) {
        set_error (nft, error);
        nft_ctx_get_output_buffer (nft->context);
        return NULL;
    }
    const char *text = nft_ctx_get_output_buffer (nft->context);
    json_t *document = json_loads (text, 0, NULL);
    json_t *list = json_incref (json_object_get (document, "nftables"));
    json_decref (document);
    if (list == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "nftables: '%s' answered what is not JSON", command);
    return list;
}

/* ---- counters ---- */

static guint64
read_be64 (const struct rtattr *a)
{
    guint64 value = 0;
    memcpy (&value, RTA_DATA (a), MIN (sizeof value, (gsize)RTA_PAYLOAD (a)));
    return GUINT64_FROM_BE (value);
}

static void
take_counter (const struct nlmsghdr *m, WireNftTake take, gpointer data)
{
    const char *name = NULL;
    guint64 packets = 0, bytes = 0;
    int length = (int)NLMSG_PAYLOAD (m, sizeof (struct nfgenmsg));
    struct rtattr *a = (struct rtattr *)((char *)NLMSG_DATA (m) + NLMSG_ALIGN (sizeof (struct nfgenmsg)));
    for (; RTA_OK (a, length); a = RTA_NEXT (a, length)) {
        guint type = a->rta_type & NLA_TYPE_MASK;
        if (type == NFTA_OBJ_NAME)
            name = RTA_DATA (a);
        if (type != NFTA_OBJ_DATA)
            continue;
        int inner = (int)RTA_PAYLOAD (a);
        for (struct rtattr *b = RTA_DATA (a); RTA_OK (b, inner); b = RTA_NEXT (b, inner)) {
            if ((b->rta_type & NLA_TYPE_MASK) == NFTA_COUNTER_BYTES)
                bytes = read_be64 (b);
            else if ((b->rta_type & NLA_TYPE_MASK) == NFTA_COUNTER_PACKETS)
                packets = read_be64 (b);
        }
    }
    if (name != NULL)
        take (name, packets, bytes, data);
}

/* Reads to the dump's end. 0 or an errno. */
static int
read_counters (int fd, WireNftTake take, gpointer data)
{
    enum { BUFFER = 64 * 1024 };
    g_autofree char *buffer = g_malloc (BUFFER);
    for (;;) {
        ssize_t got = recv (fd, buffer, BUFFER, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        int length = (int)got;
        for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK (m, (unsigned)length);
             m = NLMSG_NEXT (m, length)) {
            if (m->nlmsg_type == NLMSG_DONE)
                return 0;
            if (m->nlmsg_type == NLMSG_ERROR)
                return -((const struct nlmsgerr *)NLMSG_DATA (m))->error;
            take_counter (m, take, data);
        }
    }
}

static int
ask_counters (int fd, const char *table)
{
    struct {
        struct nlmsghdr header;
        struct nfgenmsg family;
        char attributes[128];
    } request = {
        .header = {.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .family = {.nfgen_family = NFPROTO_BRIDGE, .version = NFNETLINK_V0},
    };
    gsize name_size = strlen (table) + 1;
    g_assert (RTA_SPACE (name_size) + RTA_SPACE (4) <= sizeof request.attributes);
    struct rtattr *a = (struct rtattr *)request.attributes;
    a->rta_type = NFTA_OBJ_TABLE;
    a->rta_len = (unsigned short)RTA_LENGTH (name_size);
    memcpy (RTA_DATA (a), table, name_size);
    struct rtattr *b = (struct rtattr *)(request.attributes + RTA_SPACE (name_size));
    guint32 type = GUINT32_TO_BE (NFT_OBJECT_COUNTER);
    b->rta_type = NFTA_OBJ_TYPE;
    b->rta_len = (unsigned short)RTA_LENGTH (sizeof type);
    memcpy (RTA_DATA (b), &type, sizeof type);
    request.header.nlmsg_len =
        (guint32)(NLMSG_LENGTH (sizeof request.family) + RTA_SPACE (name_size) + RTA_SPACE (sizeof type));
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto (fd, &request, request.header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0
               ? errno
               : 0;
}

gboolean
wire_nft_counters (WireNft *nft, const char *table, WireNftTake take, gpointer data, GError **error)
{
    int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0)
        return vdc_error_set_errno (error, errno, "cannot open netfilter's netlink");
    struct timeval patience = {.tv_sec = 30};
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int err = ask_counters (fd, table);
    if (err == 0)
        err = read_counters (fd, take, data);
    close (fd);
    return err == 0 || err == ENOENT || vdc_error_set_errno (error, err, "cannot read counters");
}
