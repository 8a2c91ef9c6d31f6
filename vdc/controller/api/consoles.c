#include "vdc/controller/api/consoles.h"

#include <string.h>

#include "vdc/base/id.h"
#include "vdc/controller/agent_link.h"
#include "vdc/controller/view.h"
#include "vdc/http/websocket.h"

/* One POST to the agent. */
#define INPUT_PIECE_BYTES (16 * 1024)
/* Typed, not yet taken by the agent: more is left in the browser's socket. */
#define INPUT_HIGH_BYTES (64 * 1024)
/* Until the VM has taken what was typed; a screen's agent answers only then. */
#define INPUT_TIMEOUT_MS 60000

struct Consoles {
    Tickets *tickets;
    GPtrArray *open; /* Console */
};

typedef struct {
    Controller *controller;
    Ticket *ticket;
    WebSocket *socket;
    HttpCall *output, *sending; /* NULL: none */
    char *input_url, *since, *address;
    GByteArray *typed;
    gboolean waiting, holding; /* the agent's output, the browser's input is held back */
    guint access;
} Console;

Consoles *
consoles_new (Clock *clock)
{
    Consoles *consoles = g_new0 (Consoles, 1);
    consoles->tickets = tickets_new (clock);
    consoles->open = g_ptr_array_new ();
    return consoles;
}

void
consoles_free (Consoles *consoles)
{
    if (consoles == NULL)
        return;
    tickets_free (consoles->tickets);
    g_ptr_array_unref (consoles->open);
    g_free (consoles);
}

Tickets *
consoles_tickets (Consoles *consoles)
{
    return consoles->tickets;
}

static void
console_free (Console *console)
{
    g_ptr_array_remove (console->controller->consoles->open, console);
    if (console->output != NULL)
        http_call_cancel (console->output);
    if (console->sending != NULL)
        http_call_cancel (console->sending);
    if (console->access != 0)
        access_unwatch (console->controller, console->access);
    ticket_free (console->ticket);
    g_byte_array_unref (console->typed);
    g_free (console->input_url);
    g_free (console->since);
    g_free (console->address);
    g_free (console);
}

/* From our side: the browser is told why. */
static void
end (Console *console, guint code, const char *reason)
{
    WebSocket *socket = console->socket;
    console_free (console);
    websocket_close (socket, code, reason);
}

/* --- from the VM ------------------------------------------------------------------------------------------- */

static gboolean
on_output (HttpCall *call, const void *data, gsize length, gpointer user_data)
{
    Console *console = user_data;
    console->waiting = !websocket_send (console->socket, data, length);
    return !console->waiting;
}

static void
on_output_end (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Console *console = user_data;
    console->output = NULL;
    if (error == NULL)
        end (console, FRAMES_CLOSE_NORMAL, "the console has ended");
    else
        end (console, FRAMES_CLOSE_INTERNAL, error->message);
}

static void
on_drained (WebSocket *socket, gpointer user_data)
{
    Console *console = user_data;
    if (!console->waiting || console->output == NULL)
        return;
    console->waiting = FALSE;
    http_call_resume (console->output);
}

/* --- from the browser -------------------------------------------------------------------------------------- */

static void send_typed (Console *console);

static void
on_sent (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Console *console = user_data;
    console->sending = NULL;
    if (error != NULL)
        end (console, FRAMES_CLOSE_INTERNAL, error->message);
    else
        send_typed (console);
}

/* One request at a time keeps the order. */
static void
send_typed (Console *console)
{
    gsize length = MIN (console->typed->len, INPUT_PIECE_BYTES);
    if (console->sending != NULL || length == 0)
        return;
    g_autoptr (GBytes) bytes = g_bytes_new (console->typed->data, length);
    const HttpCallOptions options = {.bytes = bytes, .timeout_ms = INPUT_TIMEOUT_MS};
    g_byte_array_remove_range (console->typed, 0, (guint)length);
    console->sending = http_client_send (console->controller->agents, "POST", console->input_url, &options,
                                         on_sent, console);
    if (!console->holding || console->typed->len > INPUT_HIGH_BYTES / 2)
        return;
    console->holding = FALSE;
    websocket_hold (console->socket, FALSE);
}

static void
on_message (WebSocket *socket, const void *data, gsize length, gpointer user_data)
{
    Console *console = user_data;
    if (console->ticket->read_only)
        return;
    g_byte_array_append (console->typed, data, (guint)length);
    if (!console->holding && console->typed->len > INPUT_HIGH_BYTES) {
        console->holding = TRUE;
        websocket_hold (socket, TRUE);
    }
    send_typed (console);
}

static void
on_closed (WebSocket *socket, guint code, gpointer user_data)
{
    console_free (user_data);
}

/* --- opening ----------------------------------------------------------------------------------------------- */

static void
on_lost (gpointer user_data)
{
    Console *console = user_data;
    console->access = 0;
    end (console, FRAMES_CLOSE_POLICY, "the login or the role ended meanwhile");
}

/* The member as it is now: neither the application nor its member is that of another time. */
static MemberRecord *
member_of (Controller *controller, const Ticket *ticket, ApplicationRecord **application, GError **error)
{
    *application = controller_application (controller, ticket->application, NULL);
    if (*application == NULL || strcmp ((*application)->id, ticket->application_id) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the application has been destroyed meanwhile");
        return NULL;
    }
    g_autoptr (GPtrArray) members = view_select (*application, ticket->member, error);
    return members != NULL ? members->pdata[0] : NULL;
}

/* Where the agent streams the output from; *@input_url: where it takes input. */
static char *
agent_urls (Controller *controller, const ApplicationRecord *application, const MemberRecord *member,
            const Ticket *ticket, char **input_url, GError **error)
{
    g_autofree char *viewer = id_random (16);
    g_autofree char *suffix =
        ticket->kind == CONSOLE_SCREEN
            ? g_strdup_printf ("/screen?viewer=%s", viewer)
            : g_strdup_printf ("/console?tail=%" G_GINT64_FORMAT "&follow=1", ticket->tail_bytes);
    char *url = agent_link_instance_url (controller, application, member, suffix);
    Server *server = url != NULL ? controller_server (controller, member->server, error) : NULL;
    if (server == NULL) {
        if (*error == NULL)
            g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "instance '%s' of '%s' is %s", member->name,
                         application->name, member->state);
        g_clear_pointer (&url, g_free);
    } else if (ticket->kind == CONSOLE_SCREEN) {
        *input_url = g_strdup_printf ("%s/v1/screens/input?viewer=%s", server->url, viewer);
    } else {
        *input_url = agent_link_instance_url (controller, application, member, "/console/input");
    }
    return url;
}

static gboolean
still_may (Controller *controller, const Ticket *ticket, GError **error)
{
    if (access_role (controller, ticket->principal, ticket->application_id) >= HTTP_ROLE_OPERATOR)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "the login or the role ended meanwhile");
    return FALSE;
}

static void
begin (Console *console, const char *url)
{
    const HttpCallOptions options = {.data = on_output, .accept = "*/*"};
    Controller *controller = console->controller;
    console->access = access_watch (controller, console->ticket->principal, HTTP_ROLE_OPERATOR,
                                    console->ticket->application_id, on_lost, console);
    console->output = http_client_send (controller->agents, "GET", url, &options, on_output_end, console);
}

void
console_open (Controller *controller, HttpRequest *request, Ticket *ticket)
{
    static const WebSocketEvents events = {on_message, on_drained, on_closed};
    g_autoptr (GError) error = NULL;
    g_autoptr (Ticket) taken = ticket;
    g_autofree char *url = NULL, *input_url = NULL;
    ApplicationRecord *application;
    MemberRecord *member =
        still_may (controller, ticket, &error) ? member_of (controller, ticket, &application, &error) : NULL;
    if (member != NULL)
        url = agent_urls (controller, application, member, ticket, &input_url, &error);
    Console *console = url != NULL ? g_new0 (Console, 1) : NULL;
    WebSocket *socket = console != NULL ? websocket_accept (request, &events, console, &error) : NULL;
    if (socket == NULL) {
        http_reply_error (request, error);
        g_free (console);
        return;
    }
    *console = (Console){.controller = controller,
                         .ticket = g_steal_pointer (&taken),
                         .socket = socket,
                         .input_url = g_steal_pointer (&input_url),
                         .since = clock_stamp (controller->clock),
                         .address = g_strdup (http_request_address (request)),
                         .typed = g_byte_array_new ()};
    g_ptr_array_add (controller->consoles->open, console);
    begin (console, url);
}

json_t *
consoles_viewers (Controller *controller, const char *application_id, const char *member)
{
    json_t *items = json_array ();
    for (guint i = 0; i < controller->consoles->open->len; i++) {
        const Console *console = controller->consoles->open->pdata[i];
        const Ticket *ticket = console->ticket;
        if (strcmp (ticket->application_id, application_id) != 0 || strcmp (ticket->member, member) != 0)
            continue;
        json_array_append_new (items, json_pack ("{s:s, s:s, s:b, s:s, s:s}", "user", ticket->principal->user,
                                                 "kind", console_kind_name (ticket->kind), "read_only",
                                                 ticket->read_only, "since", console->since, "address",
                                                 console->address));
    }
    return items;
}
