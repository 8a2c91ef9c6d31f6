/*
 * One-time tickets that open a console from a browser: a WebSocket's address is all that a page can give, and
 * a cookie would be sent by any page. A ticket is 256 random bits, good once, for 30 s, for one console and
 * for whom it was given. Only its hash is kept, in memory: a new vdcd knows none. Main loop only.
 */
#pragma once

#include "vdc/base/clock.h"
#include "vdc/controller/access/access.h"

#define TICKET_LIFE_US (30 * G_USEC_PER_SEC)
/* Not yet used nor run out: of one user, of all. */
#define TICKETS_PER_USER_MAX 16
#define TICKETS_MAX 1024

typedef enum { CONSOLE_SERIAL, CONSOLE_SCREEN } ConsoleKind;

typedef struct {
    ConsoleKind kind;
    gboolean read_only;
    gint64 tail_bytes; /* serial: of what was said before */
    char *application, *application_id, *member;
    Principal *principal;
    gint64 ends_us; /* monotonic; set by tickets_issue */
} Ticket;

typedef struct Tickets Tickets;

/* "serial", "screen". Static. */
const char *console_kind_name (ConsoleKind kind);

void ticket_free (Ticket *ticket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ticket, ticket_free)

Tickets *tickets_new (Clock *clock);
void tickets_free (Tickets *tickets);
/* Takes @ticket. What opens it; caller frees. NULL: VDC_ERROR_NO_CAPACITY, too many wait to be used. */
char *tickets_issue (Tickets *tickets, Ticket *ticket, GError **error);
/* Caller owns. NULL: never given, used, or run out; nobody is told which. */
Ticket *tickets_redeem (Tickets *tickets, const char *text);
