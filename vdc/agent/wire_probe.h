/*
 * How an agent sees whether an appliance without vdc-guest answers: on each wired input it is one more
 * client, with a tap of its own on the segment, under rules like any other's: its own addresses, that one
 * member, the input's ports. The server itself still has no address there and no kernel of its own speaks:
 * frames are written and read by tcp_probe.c. Pure.
 */
#pragma once

#include "vdc/agent/wire_plan.h"

/* Of a probe's terminal, "in#probe": no terminal of a class has such a name. */
#define WIRE_PROBE_SUFFIX "#probe"
/* Of its wire, "probe->in". */
#define WIRE_PROBE_WIRE "probe->"
#define WIRE_PROBE_TEXT 16

/* For a member whose SPEC says "unmanaged": a NIC per wired input with TCP ports, and the rules on both ends.
 */
void wire_member_add_probes (WireMember *member);
/* The probe's address on @terminal of an unmanaged SPEC; FALSE when there is none. */
gboolean wire_probe_address_text (const json_t *spec, const char *terminal, char text[WIRE_PROBE_TEXT]);
