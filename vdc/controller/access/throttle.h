/*
 * Guessing is slowed, not locked: per account and address, after THROTTLE_FREE tries each next one must wait
 * twice as long, up to THROTTLE_MAX_S. A try counts as failed from its beginning, so that many at once are
 * not free. A right password forgets them. Keyed by what was typed, so that it tells nothing of who exists.
 * Main loop only.
 */
#pragma once

#include "vdc/base/clock.h"

#define THROTTLE_FREE 5
#define THROTTLE_MAX_S 60
#define THROTTLE_FORGET_S (15 * 60) /* after that long without a try */
#define THROTTLE_ENTRIES 10000      /* beyond it the oldest is forgotten */

typedef struct Throttle Throttle;

Throttle *throttle_new (Clock *clock);
void throttle_free (Throttle *throttle);
/* May this be tried now? FALSE: not before *@wait_s seconds, at least 1, have gone. */
gboolean throttle_try (Throttle *throttle, const char *user, const char *address, guint *wait_s);
/* The password was right. */
void throttle_succeeded (Throttle *throttle, const char *user, const char *address);
/* It was not looked at after all. */
void throttle_cancel (Throttle *throttle, const char *user, const char *address);
guint throttle_count (const Throttle *throttle);
