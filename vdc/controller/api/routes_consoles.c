/* Consoles in a browser: a ticket for one, the WebSocket that it opens, who looks. */
#include <string.h>

#include "vdc/controller/api/consoles.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/view.h"
#include "vdc/http/websocket.h"

#define TAIL_DEFAULT_BYTES (64 * 1024)

/* The one member of the path. NULL: answered. */
static MemberRecord *
one_member (Controller *controller, HttpRequest *request, ApplicationRecord **application)
{
    g_autoptr (GError) error = NULL;
    *application = api_application (controller, request);
    if (*application == NULL)
        return NULL;
    MemberRecord *member = view_select_one (*application, http_request_param (request, "instance"), &error);
    if (member == NULL)
        http_reply_error (request, error);
    return member;
}

static gboolean
has_screen (const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *found =
        application->topology != NULL ? topology_member (application->topology, member->name) : NULL;
    return found != NULL && found->class->screen;
}

static Ticket *
ticket_of (HttpRequest *request, const json_t *body, const ApplicationRecord *application,
           const MemberRecord *member, GError **error)
{
    gboolean screen = strcmp (json_str (body, "kind", "serial"), "screen") == 0;
    gboolean read_only = json_bool (body, "read_only", FALSE);
    if (screen && !has_screen (application, member)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the class of '%s' has no screen ('screen: true'); ask for kind serial", member->name);
        return NULL;
    }
    if (screen && read_only) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "read_only is for the serial console");
        return NULL;
    }
    Ticket *ticket = g_new0 (Ticket, 1);
    *ticket = (Ticket){.kind = screen ? CONSOLE_SCREEN : CONSOLE_SERIAL,
                       .read_only = read_only,
                       .tail_bytes = json_int (body, "tail", TAIL_DEFAULT_BYTES),
                       .application = g_strdup (application->name),
                       .application_id = g_strdup (application->id),
                       .member = g_strdup (member->name),
                       .principal = principal_ref (access_principal (request))};
    return ticket;
}

static json_t *
ticket_answer (Controller *controller, ConsoleKind kind, const char *text)
{
    g_autofree char *url = g_strdup_printf ("/api/v1/console?ticket=%s", text ? text : "");
    g_autoptr (GDateTime) now =
        g_date_time_new_from_unix_utc (clock_wall_us (controller->clock) / G_USEC_PER_SEC);
    g_autoptr (GDateTime) then = g_date_time_add (now, TICKET_LIFE_US);
    g_autofree char *expires = g_date_time_format (then, "%Y-%m-%dT%H:%M:%SZ");
    json_t *answer = json_pack ("{s:s, s:s}", "kind", console_kind_name (kind), "expires", expires);
    if (text == NULL)
        return answer;
    json_put (answer, "ticket", json_string (text));
    json_put (answer, "url", json_string (url));
    return answer;
}

static void
post_ticket (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;
    ApplicationRecord *application;
    json_t *body = http_request_json (request, &error);
    if (body == NULL) {
        http_reply_error (request, error);
        return;
    }
    gboolean dry_run = json_bool (body, "dry_run", FALSE) || http_request_query_flag (request, "dry_run");
    MemberRecord *member = one_member (controller, request, &application);
    if (member == NULL)
        return;
    g_autoptr (Ticket) ticket = ticket_of (request, body, application, member, &error);
    ConsoleKind kind = ticket != NULL ? ticket->kind : CONSOLE_SERIAL;
    if (ticket != NULL && !dry_run)
        text = tickets_issue (consoles_tickets (controller->consoles), g_steal_pointer (&ticket), &error);
    if (error != NULL)
        http_reply_error (request, error);
    else
        http_reply_json (request, dry_run ? 200 : 201, ticket_answer (controller, kind, text));
}

/* Before anything is asked of the ticket: a page of another origin shall not even use one up. */
static void
get_console (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const char *text = http_request_query (request, "ticket");
    Ticket *ticket = NULL;
    if (websocket_check (request, &error) &&
        (ticket = tickets_redeem (consoles_tickets (controller->consoles), text != NULL ? text : "")) == NULL)
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN,
                     "the ticket is not good (any more): each opens one console, within 30 s");
    if (ticket == NULL)
        http_reply_error (request, error);
    else
        console_open (controller, request, ticket);
}

static void
list_viewers (HttpRequest *request, gpointer user_data)
{
    ApplicationRecord *application;
    MemberRecord *member = one_member (user_data, request, &application);
    if (member != NULL)
        http_reply_list (request, consoles_viewers (user_data, application->id, member->name), NULL);
}

#define CONSOLE "/api/v1/applications/{application}/instances/{instance}/console"

static const HttpRoute rows[] = {
    {HTTP_ROUTE (POST, CONSOLE "/tickets", OPERATOR, APPLICATION, "createConsoleTicket"),
     .summary = "What opens the console in a browser, once, within 30 s",
     .request_schema = "ConsoleTicketCreate", .answer_schema = "ConsoleTicket", .status = 201,
     .secret_answer = TRUE, .handler = post_ticket},
    {HTTP_ROUTE (GET, CONSOLE "/viewers", VIEWER, APPLICATION, "listConsoleViewers"),
     .summary = "Who looks at it in a browser now", .answer_schema = "ConsoleViewerList", .query = QUERY_PAGE,
     .handler = list_viewers},
    {HTTP_ROUTE (GET, "/api/v1/console", PUBLIC, NONE, "openConsole"),
     .summary = "WebSocket of the console that the ticket is for; binary messages both ways",
     .answer_schema = HTTP_ANSWER_STREAM, .answer_type = "application/octet-stream", .query = "ticket",
     .handler = get_console},
};

void
routes_add_consoles (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
