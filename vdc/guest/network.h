/*
 * NICs by rtnetlink, without a fork: names, addresses, peer routes. Applied as a difference to what the
 * kernel has, so a change of settings leaves untouched what stays, and a restarted vdc-guest finds its own
 * work again (its routes carry protocol number NETWORK_PROTOCOL).
 */
#pragma once

#include "vdc/guest/settings.h"

#define NETWORK_PROTOCOL 77

/* false and @error on the first thing that could not be done; what was done before stays. */
bool network_apply (const Settings *settings, char **error);

/* Does each probe target accept a connection? On failure @error names the first that does not. */
bool network_probe (const Settings *settings, char **error);
/* Established TCP connections on inputs: to the address and ports of each; -1 when it cannot be known. */
int network_connections (const Settings *settings);
