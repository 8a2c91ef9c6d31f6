#include "vdc/controller/api/routes.h"
#include "vdc/controller/support.h"

static void
on_bundle (GBytes *bundle, const GError *error, gpointer user_data)
{
    HttpRequest *request = user_data;
    if (bundle != NULL)
        http_reply_bytes (request, 200, "application/gzip", bundle);
    else
        http_reply_error (request, error);
    http_request_unref (request);
}

static void
get_bundle (HttpRequest *request, gpointer user_data)
{
    support_bundle (user_data, on_bundle, http_request_ref (request));
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/support/bundle", ADMIN, GRID, "getSupportBundle"),
     .summary = "A tar.gz of states, events and logs for support, without secrets",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "application/gzip", .handler = get_bundle},
};

void
routes_add_support (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
