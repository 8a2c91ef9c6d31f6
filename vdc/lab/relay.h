/*
 * Forwards TCP from 127.0.0.1 of the host into the lab: the only thing of a lab that is seen outside its
 * namespaces.
 *
 * Never blocks. Each direction has a bounded buffer, so that a slow reader slows its writer down. The end of
 * one direction is passed on when its data has gone through, while the other direction goes on. When the far
 * end refuses, the near end is reset: a client then sees the same as with a closed port, never an empty
 * answer. Main loop only.
 */
#pragma once

#include <glib.h>

typedef struct Relay Relay;

/* Of one relay, fewer when the process may not open so many files; more wait in the listener's queue. */
#define RELAY_CONNECTIONS_MAX 1024
/* What the process opens beside two for each connection. */
#define RELAY_OTHER_FILES 128

/* Targets are connected to from inside @netns (borrowed; stays open as long as the relay). */
Relay *relay_new (int netns);
/* Closes listeners and connections. */
void relay_free (Relay *relay);

/*
 * Listen on 127.0.0.1:@local_port and forward to @address:@port. A port that is forwarded already gets the
 * new target, for new connections. FALSE and VDC_ERROR_CONFLICT when another program uses the port.
 */
gboolean relay_add (Relay *relay, guint16 local_port, const char *address, guint16 port, GError **error);
/* Stop listening on it; connections under way go on. */
void relay_remove (Relay *relay, guint16 local_port);
gboolean relay_has (const Relay *relay, guint16 local_port);
/* The local ports, as guint GUINT_TO_POINTER; caller frees the list. */
GList *relay_ports (const Relay *relay);
