/*
 * What a browser loads: the files of --ui DIR, else the console page (console/), which lists applications and their
 * states, live, from the API. A user logs in, and the browser keeps the session as a cookie that no script reads; or
 * the grid's token comes in the address's fragment (#token=…), which a browser keeps to itself. The files hold
 * nothing secret.
 */
#include "vdc/controller/api/console_files.h"
#include "vdc/controller/api/routes.h"

static void
get_page (HttpRequest *request, gpointer user_data)
{
    static_files_serve (((Controller *)user_data)->ui, request, "index.html");
}

static void
get_file (HttpRequest *request, gpointer user_data)
{
    static_files_serve (((Controller *)user_data)->ui, request, http_request_param (request, "file"));
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/", PUBLIC, NONE, "getConsolePage"), .summary = "The console page",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/html", .handler = get_page},
    {HTTP_ROUTE (GET, "/ui", PUBLIC, NONE, "getConsolePageUi"), .summary = "The console page",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/html", .handler = get_page},
    {HTTP_ROUTE (GET, "/ui/{file*}", PUBLIC, NONE, "getConsoleFile"), .summary = "Its files",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "*/*", .handler = get_file},
};

void
routes_add_ui (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
