#include "vdc/http/router.h"

static void
handler (HttpRequest *request, gpointer user_data)
{
}

static const HttpRoute routes[] = {
    {HTTP_ROUTE (GET, "/", PUBLIC, NONE, "root"), .handler = handler},
    {HTTP_ROUTE (GET, "/api/v1/jobs/{job}", VIEWER, OBJECT, "getJob"), .handler = handler},
    {HTTP_ROUTE (GET, "/api/v1/jobs/all", VIEWER, GRID, "allJobs"), .handler = handler},
    {HTTP_ROUTE (DELETE, "/api/v1/jobs/{job}", ADMIN, OBJECT, "delJob"), .handler = handler},
    {HTTP_ROUTE (GET, "/api/v1/applications/{app}/instances/{instance}", VIEWER, GRID, "getInstance"),
     .handler = handler},
    {HTTP_ROUTE (GET, "/ui/{rest*}", PUBLIC, NONE, "file"), .handler = handler},
    {HTTP_ROUTE (GET, "/ui/index", PUBLIC, NONE, "index"), .handler = handler},
};

/* "NAME p1=v1 …", "405 ALLOW" or "404". */
static char *
outcome (const char *method, const char *path)
{
    g_autoptr (HttpRouter) router = http_router_new ();
    g_autoptr (GHashTable) params = NULL;
    g_autofree char *allow = NULL;
    http_router_add (router, routes, G_N_ELEMENTS (routes), NULL);
    const HttpRoute *route = http_router_match (router, method, path, &params, &allow);
    if (route == NULL)
        return allow ? g_strdup_printf ("405 %s", allow) : g_strdup ("404");
    GString *text = g_string_new (route->name);
    g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (params), (GCompareFunc)g_strcmp0);
    for (GList *key = keys; key != NULL; key = key->next)
        g_string_append_printf (text, " %s=%s", (char *)key->data,
                                (char *)g_hash_table_lookup (params, key->data));
    return g_string_free (text, FALSE);
}

static void
test_match (void)
{
    static const char *const cases[][3] = {
        {"GET", "/", "root"},
        {"GET", "/api/v1/jobs/7", "getJob job=7"},
        {"HEAD", "/api/v1/jobs/7", "getJob job=7"},
        {"GET", "/api/v1/jobs/all", "allJobs"},
        {"DELETE", "/api/v1/jobs/7", "delJob job=7"},
        {"PUT", "/api/v1/jobs/7", "405 GET, DELETE"},
        {"GET", "/api/v1/jobs/", "404"},
        {"GET", "/api/v1/jobs", "404"},
        {"GET", "/api/v1/jobs/7/", "404"},
        {"GET", "/api/v1/applications/shop/instances/web.1", "getInstance app=shop instance=web.1"},
        {"GET", "/api/v1/applications/a%20b/instances/%C3%A9", "getInstance app=a b instance=é"},
        {"GET", "/api/v1/applications/a%2Fb/instances/x", "getInstance app=a/b instance=x"},
        {"GET", "/api/v1/applications/a%00b/instances/x", "404"},
        {"GET", "/api/v1/applications/%FF/instances/x", "404"},
        {"GET", "/api/v1/applications/%zz/instances/x", "404"},
        {"GET", "/ui/a/b/c.js", "file rest=a/b/c.js"},
        {"GET", "/ui/index", "index"},
        {"GET", "/ui", "404"},
        {"GET", "*", "404"},
        {"GET", "", "404"},
        {"GET", "//", "404"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *got = outcome (cases[i][0], cases[i][1]);
        g_assert_cmpstr (got, ==, cases[i][2]);
    }
}

static void
test_list_is_whole_table (void)
{
    g_autoptr (HttpRouter) router = http_router_new ();
    http_router_add (router, routes, G_N_ELEMENTS (routes), NULL);
    g_autoptr (GPtrArray) list = http_router_list (router);
    g_assert_cmpuint (list->len, ==, G_N_ELEMENTS (routes));
    g_assert_cmpstr (((HttpRoute *)list->pdata[3])->name, ==, "delJob");
    g_assert_cmpstr (http_role_name (HTTP_ROLE_ADMIN), ==, "admin");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/router/match", test_match);
    g_test_add_func ("/router/list-is-the-whole-table", test_list_is_whole_table);
    return g_test_run ();
}
