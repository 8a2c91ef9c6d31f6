/*
 * What the guest has said of itself, and what it is told: settings made of the spec's `guest` part. Pure.
 */
#pragma once

#include "vdc/agent/spec.h"

#define GUEST_TEXT_MAX 1000
#define GUEST_COUNTERS_MAX 64

typedef struct {
    gboolean connected;
    char *state; /* "booting", "configuring", "waiting", "starting", "ready", "failed", "maintenance",
                    "stopping" */
    char *text;
    gint64 progress;
    gint64 configured; /* revision */
    char *configure_error;
    gboolean check_ok;
    gint64 check_misses;
    char *check_text;
    gboolean drained;
    json_t *counters;
} GuestState;

void guest_state_reset (GuestState *guest);
void guest_state_clear (GuestState *guest);
/* FALSE: nothing in a report changes by it (counters count as no change). Anything may be in @message. */
gboolean guest_state_take (GuestState *guest, const char *type, const json_t *message);
/* The "guest" object of a report. */
json_t *guest_state_report (const GuestState *guest);

/* The settings document for @spec: its `guest` part with the secrets in place and "mtu" in every NIC that has none. @mtu 0: left out.
 */
json_t *guest_settings (const Spec *spec, guint mtu);
