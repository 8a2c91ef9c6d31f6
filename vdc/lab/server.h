/*
 * Pure: what the machines of a lab consist of. The settings are those of machine.h.
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/lab/paths.h"
#include "vdc/lab/settings.h"

#include <glib.h>

#define LAB_SERVER "s1"
#define LAB_SERVER_ADDRESS "10.254.0.1"
#define LAB_CONTROLLER "ctl"
#define LAB_CONTROLLER_ADDRESS "10.254.0.250"
#define LAB_API_PORT 8443    /* of vdcd, inside */
#define LAB_REPORT_PORT 8445 /* of vdcd, for agents */
#define LAB_AGENT_PORT 8444

/* Where programs and inputs are; borrowed by the calls below. */
typedef struct {
    const char *controller; /* path of vdcd */
    const char *agent;      /* path of vdc-agent */
    const char *root;       /* holds appliances/, catalog/, build/images.json */
    const char *images;     /* the image cache */
} LabPrograms;

/* Caller owns both. */
json_t *lab_controller_settings (const LabPaths *paths, const LabSettings *settings,
                                 const LabPrograms *programs);
json_t *lab_server_settings (const LabPaths *paths, const LabPrograms *programs, char **cgroups,
                             const char *boot_id);

/*
 * @accounts is the text of /etc/passwd or /etc/group. The same with the account that libvirtd was compiled to
 * need, even when it is told to use another: without Debian's service package the host has none. Caller
 * frees.
 */
char *lab_accounts (const char *accounts, gboolean are_groups);

/* The text of libvirt's two settings files; caller frees. */
char *lab_qemu_conf (void);
char *lab_libvirtd_conf (const LabSettings *settings);
