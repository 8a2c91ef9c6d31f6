/*
 * Asks over a tap whether a TCP port of one member answers, without the kernel: SYN out, SYN and ACK back,
 * RST. The tap is a port of the member's segment, with rules as any client's (wire_probe.h). Main loop only.
 */
#pragma once

#include "vdc/agent/probe_frame.h"

typedef struct TcpProbe TcpProbe;

/* @answered is told once per tcp_probe_ask: TRUE, or FALSE with a text (static) after @timeout_ms. */
typedef void (*TcpProbeAnswered) (TcpProbe *probe, gboolean open, const char *text, gpointer user_data);

/* Opens @tap, which must be there. NULL and @error: try again later. */
TcpProbe *tcp_probe_new (const char *tap, const ProbeEnds *ends, guint16 port, TcpProbeAnswered answered,
                         gpointer user_data, GError **error);
void tcp_probe_free (TcpProbe *probe);
/* No effect while a question is open. */
void tcp_probe_ask (TcpProbe *probe, guint timeout_ms);
guint16 tcp_probe_port (const TcpProbe *probe);
