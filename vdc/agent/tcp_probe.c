#include "vdc/agent/tcp_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vdc/base/error.h"

/* Frames taken at a time: a guest that sends without end must not hold the loop. */
#define FRAMES_AT_ONCE 16
#define ASK_AGAIN_MS 500
#define FIRST_OWN_PORT 49152
#define OWN_PORTS 16384

struct TcpProbe {
    int fd;
    ProbeEnds ends;
    ProbeAsked asked;
    gboolean open_question;
    gint64 end_us;
    guint source, timer;
    TcpProbeAnswered answered;
    gpointer user_data;
};

static void
send_frame (TcpProbe *probe, const guint8 *frame, gsize length)
{
    /* A frame that is lost is asked for again. */
    if (write (probe->fd, frame, length) < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
        probe->end_us = 0;
}

static void
ask_once (TcpProbe *probe)
{
    guint8 frame[PROBE_FRAME_BYTES];
    send_frame (probe, frame, probe_frame_who_has (frame, &probe->ends));
    send_frame (probe, frame, probe_frame_syn (frame, &probe->ends, &probe->asked));
}

static void
answer (TcpProbe *probe, gboolean open, const char *text)
{
    g_clear_handle_id (&probe->timer, g_source_remove);
    probe->open_question = FALSE;
    probe->answered (probe, open, text, probe->user_data);
}

static gboolean
ask_again (gpointer user_data)
{
    TcpProbe *probe = user_data;
    if (g_get_monotonic_time () < probe->end_us) {
        ask_once (probe);
        return G_SOURCE_CONTINUE;
    }
    probe->timer = 0;
    answer (probe, FALSE, "does not answer");
    return G_SOURCE_REMOVE;
}

/* FALSE: told somebody, who may have freed us. */
static gboolean
take (TcpProbe *probe, const guint8 *data, gsize length)
{
    guint8 frame[PROBE_FRAME_BYTES];
    switch (probe_frame_read (data, length, &probe->ends, &probe->asked)) {
    case PROBE_WHO_HAS:
        send_frame (probe, frame, probe_frame_here (frame, &probe->ends));
        return TRUE;
    case PROBE_OPEN:
        send_frame (probe, frame, probe_frame_reset (frame, &probe->ends, &probe->asked));
        if (probe->open_question)
            answer (probe, TRUE, NULL);
        return FALSE;
    case PROBE_CLOSED:
        if (probe->open_question)
            answer (probe, FALSE, "refuses connections");
        return FALSE;
    case PROBE_HERE:
    case PROBE_NOTHING:
        break;
    }
    return TRUE;
}

static gboolean
readable (gint fd, GIOCondition condition, gpointer user_data)
{
    TcpProbe *probe = user_data;
    guint8 data[PROBE_FRAME_MAX_BYTES];
    for (guint i = 0; i < FRAMES_AT_ONCE; i++) {
        ssize_t n = read (fd, data, sizeof data);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return G_SOURCE_CONTINUE;
        if (n <= 0) { /* the tap was taken away: its wire was */
            probe->source = 0;
            return G_SOURCE_REMOVE;
        }
        if (!take (probe, data, (gsize)n))
            return G_SOURCE_CONTINUE;
    }
    return G_SOURCE_CONTINUE;
}

static int
open_tap (const char *tap, GError **error)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    g_strlcpy (request.ifr_name, tap, sizeof request.ifr_name);
    if (fd >= 0 && ioctl (fd, TUNSETIFF, &request) == 0)
        return fd;
    vdc_error_set_errno (error, errno, "cannot open the probe's tap %s", tap);
    if (fd >= 0)
        close (fd);
    return -1;
}

TcpProbe *
tcp_probe_new (const char *tap, const ProbeEnds *ends, guint16 port, TcpProbeAnswered answered,
               gpointer user_data, GError **error)
{
    int fd = open_tap (tap, error);
    if (fd < 0)
        return NULL;
    TcpProbe *probe = g_new0 (TcpProbe, 1);
    probe->fd = fd;
    probe->ends = *ends;
    probe->asked.port = port;
    probe->answered = answered;
    probe->user_data = user_data;
    probe->source = g_unix_fd_add (fd, G_IO_IN | G_IO_ERR | G_IO_HUP, readable, probe);
    return probe;
}

void
tcp_probe_free (TcpProbe *probe)
{
    if (probe == NULL)
        return;
    g_clear_handle_id (&probe->source, g_source_remove);
    g_clear_handle_id (&probe->timer, g_source_remove);
    close (probe->fd);
    g_free (probe);
}

void
tcp_probe_ask (TcpProbe *probe, guint timeout_ms)
{
    if (probe->open_question)
        return;
    probe->open_question = TRUE;
    probe->asked.own_port = (guint16)(FIRST_OWN_PORT + g_random_int_range (0, OWN_PORTS));
    probe->asked.sequence = g_random_int ();
    probe->end_us = g_get_monotonic_time () + (gint64)timeout_ms * 1000;
    probe->timer = g_timeout_add (ASK_AGAIN_MS, ask_again, probe);
    ask_once (probe);
}

guint16
tcp_probe_port (const TcpProbe *probe)
{
    return probe->asked.port;
}
