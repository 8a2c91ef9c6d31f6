/*
 * The two JSON documents of a member: SPEC for its agent, GUEST SETTINGS for the guest. Pure: the same inputs
 * give the same documents, so the controller may compare them (json_equal) to see whether anything must be
 * sent.
 */
#pragma once

#include "vdc/controller/wiring.h"

/* A real volume: what the agent knows it by. */
typedef struct {
    char *id; /* 16 hex digits */
    guint64 size_bytes;
} VolumeIdentity;

/* What is not in the description. All borrowed. */
typedef struct {
    const char *application_id;
    const char *operation; /* hex; may be NULL */
    gint64 generation;
    gboolean power_on;
    gint64 incarnation;
    gint64 root_epoch;
    const json_t *image; /* {digest, root, format, kernel, initrd, cmdline}; NULL gives null */
    GHashTable *volumes; /* volume name → VolumeIdentity *; a volume missing in it is left out */
    GHashTable *states;  /* member name → "ready", "starting", "draining", "failed"; missing: "starting" */
    gint64 revision;     /* of the guest settings */
    gboolean go;
    gboolean draining;
    guint default_start_timeout_s; /* where the description gives none: 60 under KVM, 180 under TCG */
} MemberRuntime;

/* GUEST SETTINGS as in vdc/guest/PROTOCOL.md. New reference. @member must be of @wiring. */
json_t *member_guest_settings (const Topology *topology, const Wiring *wiring, const char *member,
                               const MemberRuntime *runtime);
/* SPEC as in vdc/README.md, with the guest settings in "guest". New reference. */
json_t *member_spec (const Topology *topology, const Wiring *wiring, const char *member,
                     const MemberRuntime *runtime);
