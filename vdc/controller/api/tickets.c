#include "vdc/controller/api/tickets.h"

#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/id.h"

#include <string.h>

#define SECRET_BYTES 32

struct Tickets {
    Clock *clock;
    GHashTable
        *waiting; /* SHA-256 of the text → Ticket: looking one up tells nothing of the others by its time */
};

const char *
console_kind_name (ConsoleKind kind)
{
    return kind == CONSOLE_SCREEN ? "screen" : "serial";
}

void
ticket_free (Ticket *ticket)
{
    if (ticket == NULL)
        return;
    g_free (ticket->application);
    g_free (ticket->application_id);
    g_free (ticket->member);
    principal_unref (ticket->principal);
    g_free (ticket);
}

Tickets *
tickets_new (Clock *clock)
{
    Tickets *tickets = g_new0 (Tickets, 1);
    tickets->clock = clock;
    tickets->waiting = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)ticket_free);
    return tickets;
}

void
tickets_free (Tickets *tickets)
{
    if (tickets == NULL)
        return;
    g_hash_table_unref (tickets->waiting);
    g_free (tickets);
}

/* Those of @user that are still good; the others go. */
static guint
clean (Tickets *tickets, const char *user)
{
    gint64 now_us = clock_monotonic_us (tickets->clock);
    GHashTableIter iter;
    gpointer value;
    guint count = 0;
    g_hash_table_iter_init (&iter, tickets->waiting);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
        Ticket *ticket = value;
        if (now_us >= ticket->ends_us)
            g_hash_table_iter_remove (&iter);
        else
            count += strcmp (ticket->principal->user, user) == 0;
    }
    return count;
}

char *
tickets_issue (Tickets *tickets, Ticket *ticket, GError **error)
{
    g_autoptr (Ticket) taken = ticket;
    guint own = clean (tickets, ticket->principal->user);
    if (own >= TICKETS_PER_USER_MAX || g_hash_table_size (tickets->waiting) >= TICKETS_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY,
                     "too many console tickets wait to be used; each runs out after 30 s");
        return NULL;
    }
    char *text = id_random (SECRET_BYTES);
    taken->ends_us = clock_monotonic_us (tickets->clock) + TICKET_LIFE_US;
    g_hash_table_insert (tickets->waiting, g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1),
                         g_steal_pointer (&taken));
    return text;
}

Ticket *
tickets_redeem (Tickets *tickets, const char *text)
{
    g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
    g_autofree char *key = NULL;
    g_autoptr (Ticket) ticket = NULL;
    if (!g_hash_table_steal_extended (tickets->waiting, hash, (gpointer *)&key, (gpointer *)&ticket))
        return NULL;
    return clock_monotonic_us (tickets->clock) < ticket->ends_us || vdc_bug ("http-ticket-for-ever")
               ? g_steal_pointer (&ticket)
               : NULL;
}
