/*
 * The libvirt description of one member's VM. Pure: values in, text out.
 *
 * q35, direct kernel boot (unmanaged: by SeaBIOS from the root disk), virtio throughout, every device on
 * pcie.0 at a fixed address (order and count of others never move a device): 1 root disk, 2 virtio-serial, 3
 * rng and with it the display of a class that has one, 4… volumes, 16… NICs. No USB, no balloon. The metadata
 * holds the whole spec, so that a running VM says by itself what it is.
 */
#pragma once

#include "vdc/agent/spec.h"

#define DOMAIN_NAMESPACE "urn:vdc:member:1"

typedef struct {
    const char *tap; /* made beforehand */
    guint mtu;
} DomainNic;

/* What the VM is made of on this server. Everything is borrowed. */
typedef struct {
    const Spec *spec;
    const char *uuid;
    const char *name;      /* "vdc-APPLICATION_ID-MEMBER" */
    const char *accel;     /* "kvm" or "tcg" */
    const char *root;      /* overlay, qcow2 */
    const char *root_base; /* what it lies on, in the format of its image; NULL: nothing */
    const char *seed;      /* of one without vdc-guest: an ISO 9660, read only; NULL: none */
    const char *kernel, *initrd;
    const char *channel;     /* unix socket of org.vdc.guest.0, made by QEMU */
    const char *console;     /* unix socket of the serial console, made by QEMU */
    const char *screen;      /* unix socket of the VNC server, made by QEMU when spec->screen */
    const char *console_log; /* QEMU appends the console's output here */
    char *const *volumes;    /* raw files, in the order of spec->volumes */
    const DomainNic *nics;   /* in the order of spec->nics */
} Domain;

/* Caller frees. */
char *domain_xml_write (const Domain *domain);

/* The member's uuid, the same at every start: from application id and member. Caller frees. */
char *domain_uuid (const char *application_id, const char *member);
char *domain_name (const char *application_id, const char *member);

/* "application_id", "application", "member" and "spec" of a metadata element as libvirt hands it back; FALSE
 * when it is not ours. */
typedef struct {
    char *application, *application_id, *member;
    gint64 incarnation;
    json_t *spec;
} DomainMetadata;

gboolean domain_metadata_parse (const char *xml, DomainMetadata *metadata);
void domain_metadata_clear (DomainMetadata *metadata);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DomainMetadata, domain_metadata_clear)
