/*
 * The lab's cables: a network namespace with two bridges, "backbone" (10.254.0.0/24, where servers and
 * controller talk) and "outside" (192.0.2.0/24, what applications see as the world). It exists as long as the
 * descriptor is open.
 */
#pragma once

#include <glib.h>

typedef struct Fabric Fabric;

#define FABRIC_BACKBONE_ADDRESS "10.254.0.254"
#define FABRIC_OUTSIDE_ADDRESS "192.0.2.1"

Fabric *fabric_new (GError **error);
void fabric_free (Fabric *fabric);
/* Borrowed. */
int fabric_netns (const Fabric *fabric);

/*
 * Give the machine whose init is @pid an eth0 on the backbone with @address and, when @outside, an eth1 on
 * the outside bridge without one. Interfaces vanish with the machine.
 */
gboolean fabric_plug (Fabric *fabric, const char *machine, GPid pid, const char *address, gboolean outside,
                      GError **error);
