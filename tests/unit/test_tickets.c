/* Console tickets: once, for 30 seconds, so many. */
#include "vdc/base/error.h"
#include "vdc/controller/api/tickets.h"

#include <string.h>

static Ticket *
ticket_of (const char *user)
{
    Ticket *ticket = g_new0 (Ticket, 1);
    ticket->principal = g_rc_box_new0 (Principal);
    ticket->principal->user = g_strdup (user);
    ticket->member = g_strdup ("web.1");
    return ticket;
}

static char *
issue (Tickets *tickets, const char *user, gboolean taken)
{
    g_autoptr (GError) error = NULL;
    char *text = tickets_issue (tickets, ticket_of (user), &error);
    g_assert_cmpint (text != NULL, ==, taken);
    if (!taken)
        g_assert_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY);
    return text;
}

static gboolean
is_good (Tickets *tickets, const char *text)
{
    g_autoptr (Ticket) ticket = tickets_redeem (tickets, text);
    if (ticket != NULL)
        g_assert_cmpstr (ticket->member, ==, "web.1");
    return ticket != NULL;
}

static void
test_once (void)
{
    Clock *clock = clock_manual_new (0);
    Tickets *tickets = tickets_new (clock);
    g_autofree char *text = issue (tickets, "anna", TRUE);
    g_assert_cmpuint (strlen (text), ==, 64);
    g_assert_false (is_good (tickets, ""));
    g_assert_false (is_good (tickets, "0"));
    g_assert_true (is_good (tickets, text));
    g_assert_false (is_good (tickets, text));
    tickets_free (tickets);
    clock_manual_free (clock);
}

static void
test_life (void)
{
    for (gint64 more = -1; more <= 1; more++) {
        Clock *clock = clock_manual_new (0);
        Tickets *tickets = tickets_new (clock);
        g_autofree char *text = issue (tickets, "anna", TRUE);
        clock_manual_advance (clock, TICKET_LIFE_US + more);
        g_assert_cmpint (is_good (tickets, text), ==, more < 0);
        tickets_free (tickets);
        clock_manual_free (clock);
    }
}

static void
test_limits (void)
{
    Clock *clock = clock_manual_new (0);
    Tickets *tickets = tickets_new (clock);
    for (guint i = 0; i < TICKETS_MAX; i++) {
        g_autofree char *user = g_strdup_printf ("user-%u", i / TICKETS_PER_USER_MAX);
        g_free (issue (tickets, user, TRUE));
        if (i + 1 == TICKETS_PER_USER_MAX)
            g_assert_null (issue (tickets, "user-0", FALSE));
    }
    g_assert_null (issue (tickets, "another", FALSE));
    clock_manual_advance (clock, TICKET_LIFE_US);
    g_free (issue (tickets, "another", TRUE));
    tickets_free (tickets);
    clock_manual_free (clock);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tickets/once", test_once);
    g_test_add_func ("/tickets/thirty-seconds", test_life);
    g_test_add_func ("/tickets/limits", test_limits);
    return g_test_run ();
}
