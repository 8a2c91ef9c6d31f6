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
#define LOOK_MAX 20000
#define KINDS_MAX 32

/* What a reader asked for; NULL: any. */
typedef struct {
    char *application, *object, *id;
    char **kinds; /* "job.*" is all that begins so */
} Filter;

static void
filter_init (Filter *filter, HttpRequest *request)
{
    const char *kinds = http_request_query (request, "kind");
    filter->application = g_strdup (http_request_query (request, "application"));
    filter->object = g_strdup (http_request_query (request, "object"));
    filter->id = g_strdup (http_request_query (request, "id"));
    filter->kinds = kinds != NULL ? g_strsplit (kinds, ",", KINDS_MAX) : NULL;
}

static void
filter_clear (Filter *filter)
{
    g_free (filter->application);
    g_free (filter->object);
    g_free (filter->id);
    g_strfreev (filter->kinds);
}

static gboolean
kind_fits (char **kinds, const char *kind)
{
    for (guint i = 0; kinds != NULL && kinds[i] != NULL; i++) {
        gsize length = strlen (kinds[i]);
        gboolean open = length > 0 && kinds[i][length - 1] == '*';
        if (open ? strncmp (kind, kinds[i], length - 1) == 0 : strcmp (kind, kinds[i]) == 0)
            return TRUE;
    }
    return kinds == NULL;
}

static gboolean
filter_fits (const Filter *filter, const json_t *event)
{
    return (filter->application == NULL ||
            strcmp (filter->application, json_str (event, "application", "")) == 0) &&
           (filter->object == NULL || strcmp (filter->object, json_str (event, "object", "")) == 0) &&
           (filter->id == NULL || strcmp (filter->id, json_str (event, "id", "")) == 0) &&
           kind_fits (filter->kinds, json_str (event, "kind", ""));
}

/* Of one application by its index: what others do costs nothing. */
static json_t *
read_events (Controller *controller, const Filter *filter, guint64 after, guint limit, gboolean *gap,
             GError **error)
{
    if (filter->application != NULL && *filter->application != '\0')
        return events_list_of (controller->store, filter->application, after, limit, gap, error);
    return events_list (controller->store, after, limit, gap, error);
}

typedef struct {
    Controller *controller;
    HttpStream *stream;
    guint64 seen; /* number of the newest event sent */
    guint watch, wake, access;
    Principal *principal;
    gboolean held;
    Filter filter;
} Follower;

/* What it would have been sent next is no longer kept: it must read the state anew. */
static void
send_gap (Follower *follower)
{
    Store *store = follower->controller->store;
    g_autoptr (json_t) gap =
        json_pack ("{s:s, s:I, s:I}", "kind", "gap", "first", (json_int_t)events_first (store), "last",
                   (json_int_t)events_last (store));
    follower->seen = events_first (store) - 1;
    http_stream_event (follower->stream, 0, "gap", gap);
}

static void
send_new (Follower *follower)
{
    while (!follower->held) {
        if (follower->seen + 1 < events_first (follower->controller->store))
            send_gap (follower);
        g_autoptr (json_t) events =
            read_events (follower->controller, &follower->filter, follower->seen, BATCH, NULL, NULL);
        gsize i;
        json_t *event;
        if (json_array_size (events) == 0)
            return;
        json_array_foreach (events, i, event) {
            follower->seen = (guint64)json_int (event, "seq", 0);
            if (!filter_fits (&follower->filter, event) ||
                !access_sees_event (follower->controller, follower->principal, event))
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
    filter_clear (&follower->filter);
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
    filter_init (&follower->filter, request);
    follower->seen = http_request_events_after (request, events_last (controller->store));
    follower->stream = http_reply_events (request, &follower_events, follower);
    if (follower->seen + 1 >= events_first (controller->store))
        http_stream_event_mark (follower->stream, follower->seen);
    follower->watch = events_watch (controller->store, on_event, follower);
    send_new (follower);
}

typedef struct {
    Filter filter;
    guint64 seen; /* number of the newest event looked at */
    gboolean gap, more;
    json_t *items;
} EventPage;

/* Looks at LOOK_MAX events at most: a page may be short, or empty, and have a next one. */
static gboolean
fill_page (Controller *controller, HttpRequest *request, EventPage *page, guint limit, GError **error)
{
    guint looked = 0;
    page->more = TRUE;
    while (page->more && json_array_size (page->items) < limit && looked < LOOK_MAX) {
        gboolean gap;
        g_autoptr (json_t) events = read_events (controller, &page->filter, page->seen, BATCH, &gap, error);
        gsize i;
        json_t *event;
        if (events == NULL)
            return FALSE;
        page->gap = page->gap || (looked == 0 && gap);
        page->more = json_array_size (events) == BATCH;
        json_array_foreach (events, i, event) {
            if (json_array_size (page->items) >= limit) {
                page->more = TRUE;
                break;
            }
            looked++;
            page->seen = (guint64)json_int (event, "seq", 0);
            if (filter_fits (&page->filter, event) &&
                access_sees_event (controller, access_principal (request), event))
                json_array_append (page->items, event);
        }
    }
    return TRUE;
}

/* {"items", "next", "last", "resync"}: after resync the reader reads the state anew, and goes on after last.
 */
static void
answer_page (HttpRequest *request, Controller *controller, EventPage *page)
{
    g_autofree char *next = page->more ? g_strdup_printf ("%" G_GUINT64_FORMAT, page->seen) : NULL;
    json_t *body = json_pack ("{s:O, s:s?, s:I, s:b}", "items", page->items, "next", next, "last",
                              (json_int_t)events_last (controller->store), "resync", page->gap);
    http_reply_json (request, 200, body);
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
    EventPage page = {.seen = (guint64)after, .items = json_array ()};
    filter_init (&page.filter, request);
    if (fill_page (controller, request, &page, (guint)limit, &error))
        answer_page (request, controller, &page);
    else
        http_reply_error (request, error);
    filter_clear (&page.filter);
    json_decref (page.items);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/events", VIEWER, FILTERED, "listEvents"),
     .summary = "The change log, or a stream of server-sent events. After a notice 'gap' (resync) the state "
                "is to be read anew",
     .answer_schema = "EventList", .query = "after=0.. limit=1..10000 application object id kind follow!",
     .handler = get_events},
};

void
routes_add_events (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
