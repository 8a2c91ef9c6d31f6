/* Drafts, their differences, earlier descriptions, and the rules of wires as data. */
#include <string.h>

#include "vdc/controller/api/routes.h"
#include "vdc/controller/draft.h"
#include "vdc/model/ops.h"
#include "vdc/model/wire_check.h"

/* The draft's revision is its ETag. */
static void
reply_draft (Controller *controller, HttpRequest *request, ApplicationRecord *application)
{
    g_autofree char *tag =
        g_strdup_printf ("\"%" G_GINT64_FORMAT "\"", draft_of (controller, application)->revision);
    http_reply_header (request, "ETag", tag);
    http_reply_json (request, 200, draft_json (controller, application));
}

static void
get_draft (HttpRequest *request, gpointer user_data)
{
    ApplicationRecord *application = api_application (user_data, request);
    if (application != NULL)
        reply_draft (user_data, request, application);
}

/* If-Match: "7" says base, unless the body does. FALSE: it is neither. */
static gboolean
take_base (HttpRequest *request, json_t *body, GError **error)
{
    const char *match = http_request_header (request, "If-Match");
    char *end = NULL;
    if (json_object_get (body, "base") != NULL)
        return TRUE;
    gint64 base = match != NULL && match[0] == '"' ? g_ascii_strtoll (match + 1, &end, 10) : -1;
    if (end != NULL && end > match + 1 && strcmp (end, "\"") == 0) {
        json_put (body, "base", json_integer (base));
        return TRUE;
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                 "say which revision of the draft this replaces: If-Match: \"REV\", or base");
    return FALSE;
}

typedef json_t *(*DraftOperation) (Controller *controller, Operation *operation,
                                   ApplicationRecord *application, const json_t *request, GError **error);

static void
operate (HttpRequest *request, Controller *controller, DraftOperation function, gboolean whole)
{
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    if (application != NULL && (!whole || take_base (request, body, &error)))
        answer = function (controller, &operation, application, body, &error);
    api_end (request, &operation, answer, error);
}

static void
post_ops (HttpRequest *request, gpointer user_data)
{
    operate (request, user_data, operation_draft_ops, FALSE);
}

static void
put_draft (HttpRequest *request, gpointer user_data)
{
    operate (request, user_data, operation_draft_put, TRUE);
}

static void
discard_draft (HttpRequest *request, gpointer user_data)
{
    operate (request, user_data, operation_draft_discard, FALSE);
}

static void
get_ops (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    gint64 after;
    ApplicationRecord *application = api_application (controller, request);
    if (application == NULL)
        return;
    if (!http_request_query_int (request, "after", 0, G_MAXINT64, 0, &after, &error)) {
        http_reply_error (request, error);
        return;
    }
    json_t *log = draft_log_since (controller, application, after);
    json_t *items = log != NULL ? log : json_array ();
    http_reply_json (request, 200,
                     json_pack ("{s:o, s:n, s:I, s:b}", "items", items, "next", "rev",
                                (json_int_t)draft_of (controller, application)->revision, "reload",
                                log == NULL));
}

static void
reply_or_error (HttpRequest *request, json_t *answer, const GError *error)
{
    if (answer != NULL)
        http_reply_json (request, 200, answer);
    else
        http_reply_error (request, error);
}

static void
check_wire (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = api_application (user_data, request);
    if (application == NULL)
        return;
    const json_t *body = http_request_json (request, &error);
    json_t *answer = body != NULL ? draft_wire_check (user_data, application, body, &error) : NULL;
    reply_or_error (request, answer, error);
}

static void
get_diff (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = api_application (user_data, request);
    const char *from = http_request_query (request, "from"), *to = http_request_query (request, "to");
    if (application == NULL)
        return;
    json_t *answer = draft_diff (user_data, application, from != NULL ? from : "applied",
                                 to != NULL ? to : "draft", &error);
    reply_or_error (request, answer, error);
}

static void
list_descriptions (HttpRequest *request, gpointer user_data)
{
    ApplicationRecord *application = api_application (user_data, request);
    if (application != NULL)
        http_reply_list (request, descriptions_list (user_data, application), NULL);
}

static void
get_earlier (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    ApplicationRecord *application = api_application (user_data, request);
    const char *text = http_request_param (request, "revision");
    char *end = NULL;
    gint64 revision = g_ascii_strtoll (text, &end, 10);
    if (application == NULL)
        return;
    json_t *answer = descriptions_get (user_data, application, *end == '\0' ? revision : -1, &error);
    reply_or_error (request, answer, error);
}

static void
list_protocols (HttpRequest *request, gpointer user_data)
{
    http_reply_list (request, protocols_json (), NULL);
}

static void
list_rules (HttpRequest *request, gpointer user_data)
{
    http_reply_list (request, wire_rules_json (), NULL);
}

#define APPLICATION "/api/v1/applications/{application}"

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, APPLICATION "/draft", VIEWER, APPLICATION, "getDraft"),
     .summary = "The draft: revision (also its ETag), document, text, problems, pending changes",
     .answer_schema = "Draft", .handler = get_draft},
    {HTTP_ROUTE (PUT, APPLICATION "/draft", EDITOR, APPLICATION, "putDraft"),
     .summary = "A whole new text or document (If-Match or base: the revision it replaces)",
     .request_schema = "DraftPut", .answer_schema = "DraftOrPlan", .if_match = HTTP_MATCH_HANDLER,
     .body_limit_bytes = 4 * DOCUMENT_LIMIT_BYTES, .handler = put_draft},
    {HTTP_ROUTE (DELETE, APPLICATION "/draft", EDITOR, APPLICATION, "discardDraft"),
     .summary = "Discard it: back to what is applied", .request_schema = "DraftDiscard",
     .answer_schema = "Draft", .handler = discard_draft},
    {HTTP_ROUTE (GET, APPLICATION "/draft/ops", VIEWER, APPLICATION, "getDraftOps"),
     .summary = "What made the draft's revisions after one (?after)", .answer_schema = "DraftLog",
     .query = "after=0..9007199254740991", .handler = get_ops},
    {HTTP_ROUTE (POST, APPLICATION "/draft/ops", EDITOR, APPLICATION, "editDraft"),
     .summary = "Operations on the draft, all or nothing", .request_schema = "DraftOps",
     .answer_schema = "DraftEdited", .body_limit_bytes = 2 * DOCUMENT_LIMIT_BYTES, .handler = post_ops},
    {HTTP_ROUTE (POST, APPLICATION "/draft/wire-check", VIEWER, APPLICATION, "checkWire"),
     .summary = "Which terminals may be wired to one, and why the others may not",
     .request_schema = "WireCheck", .answer_schema = "WireChecked", .handler = check_wire},
    {HTTP_ROUTE (GET, APPLICATION "/diff", VIEWER, APPLICATION, "getDiff"),
     .summary = "Differences between draft, applied and earlier descriptions, with their effect",
     .answer_schema = "Diff", .query = "from to", .handler = get_diff},
    {HTTP_ROUTE (GET, APPLICATION "/descriptions", VIEWER, APPLICATION, "listDescriptions"),
     .summary = "Descriptions that were applied, newest first", .answer_schema = "DescriptionList",
     .query = QUERY_PAGE, .handler = list_descriptions},
    {HTTP_ROUTE (GET, APPLICATION "/descriptions/{revision}", VIEWER, APPLICATION, "getEarlierDescription"),
     .summary = "One of them", .answer_schema = "Description", .handler = get_earlier},
    {HTTP_ROUTE (GET, "/api/v1/protocols", VIEWER, FILTERED, "listProtocols"),
     .summary = "Protocols of terminals: ports, and which others each speaks with",
     .answer_schema = "ProtocolList", .query = QUERY_PAGE, .handler = list_protocols},
    {HTTP_ROUTE (GET, "/api/v1/wiring-rules", VIEWER, FILTERED, "listWiringRules"),
     .summary = "What wires are refused for", .answer_schema = "WiringRuleList", .query = QUERY_PAGE,
     .handler = list_rules},
};

void
routes_add_draft (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
