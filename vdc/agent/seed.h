/*
 * What an appliance without vdc-guest is told: a NoCloud seed (cloud-init), a disk labelled "cidata" with
 * meta-data, user-data and network-config, made of the guest settings in its SPEC. Pure.
 *
 * The instance id is a digest of what the seed says: other addresses or names are a new instance to
 * cloud-init, which then sets them at the next boot; the same ones are not.
 *
 * Addresses: an inner NIC has its own as /32 and a route to each peer, as vdc-guest does it. The first wired
 * input has all inner addresses on its link instead: who its clients are may change while it runs, and its
 * routes cannot.
 */
#pragma once

#include "vdc/agent/spec.h"

/* @mtu of inner NICs. Caller unrefs. */
GBytes *seed_new (const Spec *spec, guint mtu);
/* One of its files, for tests: "meta-data", "network-config", "user-data". Caller frees. */
char *seed_text (const Spec *spec, guint mtu, const char *file);
