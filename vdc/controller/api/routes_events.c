/*
 * The change log: as a list, or as a stream that begins where the client left off.
 *
 * A stream reads the log itself, in order, whenever it may write and something is new; it is never handed
 * single events. So a slow client falls behind without losing any and without a queue here, and nothing can
 * slip between replay and following.
 */
#include <string.h>

#include "vdc/controller/access/redact.h"
#include "vdc/controller/api/routes.h"

#define BATCH 256

typedef struct {
    Controller *controller;
    HttpStream *stream;
    guint64 seen; /* number of the newest event sent */
    guint watch, wake, access;
    Principal *principal;
    gboolean held;
    char *application; /* only this one's; NULL: all */
} Follower;

static void
send_new (Follower *follower)
{
    while (!follower->held) {
        g_autoptr (json_t) events =
            events_list (follower->controller->store, follower->seen, BATCH, NULL, NULL);
        gsize i;
        json_t *event;
        if (json_array_size (events) == 0)
            return;
        json_array_foreach (events, i, event) {
            follower->seen = (guint64)json_int (event, "seq", 0);
            if (follower->application != NULL &&
                g_strcmp0 (follower->application, json_str (event, "application", NULL)) != 0)
                continue;
            if (!access_sees_event (follower->controller, follower->principal, event))
                continue;
            g_autoptr (json_t) shown =
                access_redact (follower->controller, follower->principal, json_incref (event));
            if (!http_stream_event (follower->stream, follower->seen, NULL, shown))
                follower->held = TRUE;
        }
    }
}

static gboolean
on_wake (gpointer user_data)
{
    Follower *follower = user_data;
    follower->wake = 0;
    send_new (follower);
    return G_SOURCE_REMOVE;
}

/* From within a commit: read later. */
static void
on_event (const json_t *event, gpointer user_data)
{
    Follower *follower = user_data;
    if (follower->wake == 0 && !follower->held)
        follower->wake = g_idle_add (on_wake, follower);
}

static void
on_drained (HttpStream *stream, gpointer user_data)
{
    Follower *follower = user_data;
    follower->held = FALSE;
    send_new (follower);
}

static void
follower_free (Follower *follower)
{
    events_unwatch (follower->controller->store, follower->watch);
    if (follower->access != 0)
        access_unwatch (follower->controller, follower->access);
    g_clear_handle_id (&follower->wake, g_source_remove);
    principal_unref (follower->principal);
    g_free (follower->application);
    g_free (follower);
}

static void
on_closed (HttpStream *stream, gpointer user_data)
{
    Follower *follower = user_data;
    follower_free (follower);
}

/* Its login ended: it must log in again to hear more. */
static void
on_lost (gpointer user_data)
{
    Follower *follower = user_data;
    HttpStream *stream = follower->stream;
    follower->access = 0;
    follower_free (follower);
    http_stream_end (stream);
}

static const HttpStreamEvents follower_events = {.drained = on_drained, .closed = on_closed};

/* Without a place to go on from, a follower hears what happens from now. */
static void
follow (HttpRequest *request, Controller *controller)
{
    Follower *follower = g_new0 (Follower, 1);
    follower->controller = controller;
    follower->principal = principal_ref (access_principal (request));
    follower->access = access_watch_request (controller, request, on_lost, follower);
    follower->application = g_strdup (http_request_query (request, "application"));
    follower->seen = http_request_events_after (request, events_last (controller->store));
    if (follower->seen + 1 < events_first (controller->store)) {
        follower->seen = events_first (controller->store) - 1; /* the gap is told first */
        follower->stream = http_reply_events (request, &follower_events, follower);
        g_autoptr (json_t) gap = json_pack ("{s:s}", "kind", "gap");
        http_stream_event (follower->stream, 0, "gap", gap);
    } else {
        follower->stream = http_reply_events (request, &follower_events, follower);
        http_stream_event_mark (follower->stream, follower->seen);
    }
    follower->watch = events_watch (controller->store, on_event, follower);
    send_new (follower);
}

/* A page may be empty and have a next one: what it held was not the caller's. New reference. */
static json_t *
seen_of (Controller *controller, HttpRequest *request, const json_t *events)
{
    json_t *items = json_array (), *event;
    gsize i;
    json_array_foreach (events, i, event) {
        if (access_sees_event (controller, access_principal (request), event))
            json_array_append (items, event);
    }
    return items;
}

static void
get_events (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    gint64 after, limit;
    if (http_request_accepts (request, "text/event-stream")) {
        follow (request, controller);
        return;
    }
    if (!http_request_query_int (request, "after", 0, G_MAXINT64, 0, &after, &error) ||
        !http_request_query_int (request, "limit", 1, 10000, 1000, &limit, &error)) {
        http_reply_error (request, error);
        return;
    }
    g_autoptr (json_t) events = events_list (controller->store, (guint64)after, (guint)limit, NULL, &error);
    if (events == NULL) {
        http_reply_error (request, error);
        return;
    }
    gsize n = json_array_size (events);
    g_autofree char *next =
        n == (gsize)limit
            ? g_strdup_printf ("%" G_GINT64_FORMAT, json_int (json_array_get (events, n - 1), "seq", 0))
            : NULL;
    http_reply_list (request, seen_of (controller, request, events), next);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/events", VIEWER, FILTERED, "listEvents"),
     .summary = "The change log (?after, ?limit), or a stream of server-sent events (?application)",
     .answer_schema = "EventList", .query = "after=0.. limit=1..10000 application follow!",
     .handler = get_events},
};

void
routes_add_events (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
