/*
 * Consoles in a browser: a WebSocket on this side, the agent's streams on the other, bytes as they are in
 * between, held back where one side does not take them. Each ends when its user may no longer, when the VM's
 * side ends, or when the browser leaves. Main loop only.
 */
#pragma once

#include "vdc/controller/api/tickets.h"
#include "vdc/controller/controller.h"
#include "vdc/http/request.h"

typedef struct Consoles Consoles;

Consoles *consoles_new (Clock *clock);
/* After the listener was stopped. */
void consoles_free (Consoles *consoles);
Tickets *consoles_tickets (Consoles *consoles);

/* Answer @request with the console that @ticket (taken) opens, or with why not. */
void console_open (Controller *controller, HttpRequest *request, Ticket *ticket);
/* Who looks at the consoles of that member now: [{user, kind, read_only, since, address}]. Caller owns. */
json_t *consoles_viewers (Controller *controller, const char *application_id, const char *member);
