/*
 * What one member shall be, as the controller sent it (the SPEC document): checked once, then never changed,
 * so that workers and the main loop share it. Unknown keys are kept in the document: a newer controller may
 * say more.
 */
#pragma once

#include "vdc/base/json.h"

#define SPEC_NICS_MAX 15
#define SPEC_VOLUMES_MAX 12

typedef enum { NIC_INPUT, NIC_OUTPUT, NIC_OUTSIDE } SpecSide;

typedef struct {
    char *terminal;
    SpecSide side;
    char *mac;     /* lower case */
    char *address; /* IPv4 */
} SpecNic;

typedef struct {
    char *slot;
    char *id; /* 16 hex */
    char *name;
    char *serial; /* at most 20 characters: what virtio-blk carries */
    guint64 size_bytes;
    gboolean read_only;
} SpecVolume;

typedef struct {
    gint references;
    json_t *document; /* the whole SPEC but for `secrets`; read only */
    json_t *secrets;  /* seal → value; never written down. NULL: not known since a restart of ours */
    char *application, *application_id, *member;
    char *key; /* "APPLICATION/MEMBER" */
    char *operation;
    gint64 generation, incarnation, root_epoch;
    gboolean power;
    gboolean screen; /* the VM has a display */
    char *image_digest; /* 64 hex, without "sha256:" */
    char *image_root, *image_kernel, *image_initrd, *image_cmdline;
    char *image_format; /* "qcow2", "raw" */
    gboolean unmanaged; /* no vdc-guest in it: boots by firmware, reads a seed */
    double cpu;         /* cores */
    gboolean cpu_cap;
    guint64 memory_bytes, network_bps;
    SpecNic *nics;
    guint n_nics;
    SpecVolume *volumes;
    guint n_volumes;
    guint start_timeout_s, stop_timeout_s;
} Spec;

/*
 * Check @document and take what the agent needs of it. VDC_ERROR_USAGE or VDC_ERROR_INVALID names the key.
 * The names in it are safe in paths afterwards. @application and @member (may be NULL) must be the ones in
 * it: the URL's.
 */
Spec *spec_new (json_t *document, const char *application, const char *member, GError **error);
Spec *spec_ref (Spec *spec);
void spec_unref (Spec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Spec, spec_unref)

/* "web", "web.1", "web.1.lb": names and numbers by turns of '.', at most 128 bytes. */
gboolean spec_is_member (const char *text);
/* 16 lower-case hex digits. */
gboolean spec_is_volume_id (const char *text);

/* Borrowed arrays and objects of the document; NULL when missing. */
json_t *spec_nics (const Spec *spec);
json_t *spec_guest (const Spec *spec);

/* The value is in `secrets` under this. */
gboolean spec_is_seal (const char *text);
/* Every seal in the guest's settings has its value. */
gboolean spec_is_whole (const Spec *spec);

/* NICs, rules and rate are the same: nothing to lay anew. */
gboolean spec_same_wires (const Spec *a, const Spec *b);
