/* The audit: read it, page by page, and have its chain checked. */
#include <string.h>

#include "vdc/controller/api/routes.h"
#include "vdc/controller/audit.h"
#include "vdc/store/audit_chain.h"

#define QUERY_LIST                                                                                           \
    "limit=1..2000 after=0..9223372036854775807 since until who action result object id application"
#define LIMIT_DEFAULT 200
#define LIMIT_MAX 2000
/* Entries looked at for one page: a filter that fits few of them gives a short page and where to go on. */
#define LOOK_MAX 20000
#define LOOK_AT_ONCE 500

/* ?who, ?action, ?result, ?object, ?id, ?application: what an entry must say. */
static const char *const filters[] = {"who", "action", "result", "object", "id", "application", NULL};

typedef struct {
    HttpRequest *request;
    const char *since, *until; /* stamps, compared as text: they are of one form */
    gsize limit;
    guint looked;
    json_t *items;
    char last[AUDIT_KEY_BYTES]; /* key of the last one looked at; "" at the beginning */
} Page;

static gboolean
fits (const Page *page, const json_t *entry)
{
    const char *time = json_str (entry, "time", "");
    for (guint i = 0; filters[i] != NULL; i++) {
        const char *wanted = http_request_query (page->request, filters[i]);
        if (wanted != NULL && strcmp (wanted, json_str (entry, filters[i], "")) != 0)
            return FALSE;
    }
    return (page->since == NULL || strcmp (time, page->since) >= 0) &&
           (page->until == NULL || strcmp (time, page->until) < 0);
}

static gboolean
on_row (const char *key, json_t *entry, gpointer user_data)
{
    Page *page = user_data;
    g_strlcpy (page->last, key, sizeof page->last);
    page->looked++;
    if (fits (page, entry))
        json_array_append (page->items, entry);
    return json_array_size (page->items) < page->limit;
}

/* TRUE: there is more. FALSE: it ended, or @error. */
static gboolean
fill (Controller *controller, Page *page, GError **error)
{
    while (json_array_size (page->items) < page->limit && page->looked < LOOK_MAX) {
        guint before = page->looked;
        const char *after = page->last[0] != '\0' ? page->last : NULL;
        if (!store_list (controller->store, STORE_AUDIT, NULL, after, LOOK_AT_ONCE, on_row, page, error))
            return FALSE;
        if (page->looked - before < LOOK_AT_ONCE && json_array_size (page->items) < page->limit)
            return FALSE;
    }
    const char *digest;
    return audit_chain_seq (page->last) < audit_head (controller, &digest);
}

static void
get_audit (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) items = json_array ();
    gint64 after, limit;
    if (!http_request_query_int (request, "after", 0, G_MAXINT64, 0, &after, &error) ||
        !http_request_query_int (request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, &error)) {
        http_reply_error (request, error);
        return;
    }
    if (audit_has_noted (controller)) /* what waits for a commit is seen too */
        audit_flush (controller, NULL);
    Page page = {.request = request,
                 .since = http_request_query (request, "since"),
                 .until = http_request_query (request, "until"),
                 .limit = (gsize)limit,
                 .items = items};
    audit_chain_key ((guint64)after, page.last);
    gboolean more = fill (controller, &page, &error);
    if (error != NULL) {
        http_reply_error (request, error);
        return;
    }
    g_autofree char *next = more ? g_strdup_printf ("%" G_GUINT64_FORMAT, audit_chain_seq (page.last)) : NULL;
    http_reply_list (request, g_steal_pointer (&items), next);
}

typedef struct {
    HttpRequest *request;
    Controller *controller;
    guint64 seq; /* of a head noted earlier, 0: none */
    char *digest;
} Checking;

/* A chain made anew from the first entry on is whole in itself: only who kept an older head can tell. */
static void
compare_head (const Checking *checking, json_t *report)
{
    char key[AUDIT_KEY_BYTES];
    if (checking->seq == 0 || !json_bool (report, "clean", FALSE) ||
        checking->seq < audit_first (checking->controller))
        return;
    audit_chain_key (checking->seq, key);
    g_autoptr (json_t) entry = store_get (checking->controller->store, STORE_AUDIT, key, NULL);
    if (g_strcmp0 (json_str (entry, "digest", NULL), checking->digest) == 0)
        return;
    json_put (report, "clean", json_false ());
    json_put (report, "finding",
              json_pack ("{s:s, s:I, s:s}", "code", entry != NULL ? "replaced" : "missing", "seq",
                         (json_int_t)checking->seq, "message",
                         "the chain is whole, but it is not the one whose head was noted"));
}

static void
on_verified (json_t *report, gpointer user_data)
{
    Checking *checking = user_data;
    compare_head (checking, report);
    http_reply_json (checking->request, 200, report);
    http_request_unref (checking->request);
    g_free (checking->digest);
    g_free (checking);
}

static void
post_verify (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    const char *digest = json_str (body, "digest", NULL);
    gint64 seq = json_int (body, "seq", 0);
    if (body != NULL && (seq < 0 || (seq > 0) != (digest != NULL)))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE,
                     "a noted head is a seq and its digest, as export and verify print them");
    if (error != NULL) {
        http_reply_error (request, error);
        return;
    }
    if (audit_has_noted (controller))
        audit_flush (controller, NULL);
    Checking *checking = g_new0 (Checking, 1);
    checking->request = http_request_ref (request);
    checking->controller = controller;
    checking->seq = (guint64)seq;
    checking->digest = g_strdup (digest);
    audit_verify (controller, on_verified, checking);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/audit", ADMIN, GRID, "listAudit"),
     .summary = "Who asked for what and what came of it, oldest first", .answer_schema = "AuditEntryList",
     .query = QUERY_LIST, .handler = get_audit},
    {HTTP_ROUTE (POST, "/api/v1/audit/verify", ADMIN, GRID, "verifyAudit"),
     .summary = "Check the audit's chain, against a head noted earlier {seq, digest} if given",
     .request_schema = "AuditHead", .answer_schema = "AuditVerification", .handler = post_verify},
};

void
routes_add_audit (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
