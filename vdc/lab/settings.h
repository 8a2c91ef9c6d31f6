/*
 * What a lab keeps between two starts, in FOLDER/lab.json: the ports of the host it uses, the ids of its
 * servers.
 */
#pragma once

#include "vdc/lab/paths.h"

#include <glib.h>

typedef struct {
    guint16 api_port;                    /* of 127.0.0.1 */
    guint16 publish_first, publish_last; /* of 127.0.0.1: for the applications' published ports */
    char *server_uuid;                   /* libvirt's host id of s1 */
} LabSettings;

/*
 * Read lab.json, or choose: ports that no other lab has and nothing listens on now. @wanted may name some (0:
 * any); they replace what was kept. Written back before the call returns.
 */
LabSettings *lab_settings_load (const LabPaths *paths, const LabSettings *wanted, GError **error);
void lab_settings_free (LabSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LabSettings, lab_settings_free)
