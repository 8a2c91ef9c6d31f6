/*
 * Protocols of terminals: a name and its ports, enforced on the wire. A fixed table.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

typedef struct {
    const char *proto; /* "tcp" or "udp" */
    guint16 from, to;  /* inclusive */
} ProtocolPort;

#define PROTOCOL_PORTS_MAX 3

typedef struct {
    const char *name;
    gboolean any; /* TCP, UDP and ICMP echo on every port */
    guint n_ports;
    ProtocolPort ports[PROTOCOL_PORTS_MAX];
} Protocol;

/* NULL when there is none of that name. Static. */
const Protocol *protocol_get (const char *name);
/* NULL-terminated; static. */
const char *const *protocol_names (void);
/* What both allow: the one that is not `any`, or the same one; NULL when they do not go together. */
const Protocol *protocol_narrower (const Protocol *a, const Protocol *b);
/* [{"proto","from","to"}]; empty for `any`. New reference. */
json_t *protocol_ports_json (const Protocol *protocol);
