#include "vdc/controller/api/routes.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/verify.h"

static void
on_verified (json_t *report, gpointer user_data)
{
    HttpRequest *request = user_data;
    http_reply_json (request, 200, report);
    http_request_unref (request);
}

static void
post_verify (HttpRequest *request, gpointer user_data)
{
    verify_start (user_data, on_verified, http_request_ref (request));
}

static void
post_repair (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    if (api_is_dry_run (request)) { /* what would be repaired is repairable in the findings */
        verify_start (user_data, on_verified, http_request_ref (request));
        return;
    }
    /* Agents act, and records change later. */
    if (audit_pass (user_data, request, &error))
        verify_repair (user_data, on_verified, http_request_ref (request));
    else
        http_reply_error (request, error);
}

static void
list_codes (HttpRequest *request, gpointer user_data)
{
    http_reply_list (request, verify_codes_json (), NULL);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (POST, "/api/v1/verify", OPERATOR, GRID, "verify"),
     .summary = "Compare the store with what the servers have", .answer_schema = "Verification",
     .request_schema = "Empty", .handler = post_verify},
    {HTTP_ROUTE (POST, "/api/v1/verify/repair", ADMIN, GRID, "repair"),
     .summary = "The same, and repair what can lose nothing", .answer_schema = "Verification",
     .request_schema = "Empty", .handler = post_repair},
    {HTTP_ROUTE (GET, "/api/v1/verify/codes", VIEWER, GRID, "listVerifyCodes"),
     .summary = "What verify can find, and what to do", .answer_schema = "VerifyCodeList",
     .query = QUERY_PAGE, .handler = list_codes},
};

void
routes_add_verify (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
