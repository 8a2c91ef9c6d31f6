/* What the controller wants to be told again. */
#include "vdc/agent/memos.h"
#include "vdc/agent/routes.h"

#include "vdc/base/error.h"

/* NULL: answered. */
static const char *
memo_id (HttpRequest *request)
{
    const char *id = http_request_param (request, "application");
    if (memo_is_id (id))
        return id;
    routes_answer (request, 0, g_error_new (VDC_ERROR, VDC_ERROR_INVALID, "no application has that id"));
    return NULL;
}

static void
list_memos (HttpRequest *request, gpointer agent)
{
    http_reply_list (request,
                     memos_list (agent_memos (agent), http_request_query (request, "after"),
                                 http_request_query_flag (request, "whole")),
                     NULL);
}

static void
put_memo (HttpRequest *request, gpointer agent)
{
    GError *error = NULL;
    gsize length;
    const char *id = memo_id (request);
    if (id == NULL)
        return;
    const char *text = g_bytes_get_data (http_request_body (request), &length);
    memos_put (agent_memos (agent), id, text != NULL ? text : "", length, &error);
    routes_answer (request, 200, error);
}

static void
delete_memo (HttpRequest *request, gpointer agent)
{
    GError *error = NULL;
    const char *id = memo_id (request);
    if (id == NULL)
        return;
    memos_delete (agent_memos (agent), id, &error);
    routes_answer (request, 200, error);
}

static const HttpRoute routes[] = {
    ROW ("GET", "/v1/memos", "listMemos", "What is remembered for the controller (?after, ?whole)",
         list_memos),
    RAW ("PUT", "/v1/memos/{application}", "putMemo", "Remember an application", MEMO_MAX_BYTES, put_memo),
    ROW ("DELETE", "/v1/memos/{application}", "deleteMemo", "Forget it", delete_memo),
};

void
routes_add_memos (Agent *agent, HttpRouter *router)
{
    http_router_add (router, routes, G_N_ELEMENTS (routes), agent);
}
