/*
 * A controller whose store was restored from a backup: before it acts it learns what happened since.
 *
 * Each server is asked what it runs (its report) and what it remembers (memo.h). Then, in one commit:
 *
 *   - an application is what its newest memo says: made, changed, scaled, stopped or started after the
 * backup;
 *   - what runs is as its server reports it: incarnations and generations go up to what agents have seen, so
 *     that nothing is restarted and no order is refused;
 *   - one of the backup that should be on servers and of which none knows anything is stopped: it was
 *     destroyed since, or its servers lost it. Nothing is made anew in its name;
 *   - jobs of then that were running are ended as failed;
 *   - a server that was registered after the backup is known again by its certificate.
 *
 * Until then changes are refused (503), reading goes on. A server that does not answer is waited for, or left
 * out by order. A crash meanwhile begins again.
 *
 * Not learned: users, tokens, networks, catalogs and settings as changed after the backup; applications that
 * were never on a server; what is on a server that is left out.
 */
#pragma once

#include "vdc/controller/controller.h"

/* Servers report every 5 s; one that was registered after the backup is heard within this. */
#define LEARN_MIN_S 12

typedef struct Learning Learning;

/* After everything was read: does the store say that it was restored? */
gboolean learn_open (Controller *controller, GError **error);
void learn_close (Controller *controller);
/* Each round. TRUE: still learning, nothing else is to be done. */
gboolean learn_round (Controller *controller);
/* {backup, created, waiting: [servers]}; NULL: not learning. New reference. */
json_t *learn_json (Controller *controller);
/* Go on without the servers that have not answered. */
void learn_accept (Controller *controller);
/* An unknown server with a certificate of the grid reports from @address; while learning it is taken in. */
void learn_server (Controller *controller, const char *name, const char *address);
