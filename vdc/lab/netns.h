/*
 * Network namespaces, held by file descriptors only: nothing is mounted in /run/netns, so nothing can stay
 * behind. The calling thread's namespace is the same before and after every call.
 */
#pragma once

#include <glib.h>

/* A fresh namespace: loopback up, IPv6 off. -1 and @error on failure; the caller closes the descriptor. */
int netns_new (GError **error);
/* The network namespace of process @pid. */
int netns_of_process (GPid pid, GError **error);

/* "ip -batch" with @lines inside @netns. All interface work of the lab goes through here. */
gboolean netns_ip (int netns, const char *lines, GError **error);
/* Loopback up, IPv6 off. */
gboolean netns_prepare (int netns, GError **error);

/*
 * A non-blocking TCP socket that lives in @netns, whichever namespace the caller is in. Main loop only: it
 * switches the calling thread for a moment. -1 with errno on failure.
 */
int netns_socket (int netns);
