/* The end: everything else is ended, volumes are unmounted, the machine goes off. */
#pragma once

#include "vdc/guest/settings.h"

/* After the stop hook. Under systemd it is asked to do it, and this returns; otherwise this does not return.
 */
void power_off (const Settings *settings);
