/*
 * What the servers report, and their silence.
 *
 *   new ──► up ◄──► suspect ──► down ──► up         new: registered, nothing heard since this process runs
 *
 * Agents report on every change and at least every 5 s: two missing reports make a server suspect, 30 s
 * without one down. Its instances are unknown then, and nothing is asked of it until it has reported in full
 * again.
 */
#pragma once

#include "vdc/controller/controller.h"

#define SERVER_SUSPECT_US (12 * G_USEC_PER_SEC)
#define SERVER_DOWN_US (30 * G_USEC_PER_SEC)

/* Know a server; no store. Replaces the addresses of one that is known. */
Server *agent_watch_add (Controller *controller, const char *name, const char *address, const char *url);
/*
 * Register a server (@port 0: the usual one) and issue its certificate: {server, url, certificate, key, ca}.
 * The key is not kept. A server that exists gets a new certificate. VDC_ERROR_INVALID for a bad name or
 * address.
 */
json_t *agent_watch_register (Controller *controller, const char *name, const char *address, guint port,
                              GError **error);

/*
 * Forget a server that holds nothing: its agent is not heard any more. VDC_ERROR_REFUSED names what it holds:
 * an instance (also a stopped one: its root disk), a volume, something in the trash.
 */
gboolean agent_watch_remove (Controller *controller, const Server *server, GError **error);
/* The same asked only. */
gboolean agent_watch_may_remove (Controller *controller, const Server *server, GError **error);

/* A report of the agent whose certificate says @peer. FALSE: malformed, or it speaks for another server. */
gboolean agent_watch_report (Controller *controller, const char *peer, json_t *report, GError **error);
/* Each second: silence. */
void agent_watch_tick (Controller *controller);
/* Point every member at its newest report. */
void agent_watch_attach_all (Controller *controller);
/* The same of one application. */
void agent_watch_attach (Controller *controller, ApplicationRecord *application);

const char *server_state_name (ServerState state);
/* SERVER for the API. New reference. */
json_t *server_json (Controller *controller, const Server *server);
/* "kvm" → 60 s, else 180 s. */
guint server_start_timeout_s (const Server *server);
