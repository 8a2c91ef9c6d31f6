/* Which names may be asked for, their types, which are kept for ever. Serving itself: tests/api/test_ui.py.
 */
#include "vdc/http/static.h"

#include <string.h>

static void
test_names (void)
{
    static const char *const good[] = {"index.html", "assets/index-B3xY0a9k.js", "_a/b.c", "a..b",
                                       "applications/shop"};
    static const char *const bad[] = {"",        "/",        "/etc/passwd", "..",  "a/../b", "a/..",
                                      ".hidden", "a/.git/x", "a//b",        "a/",  "a\\b",   "a b",
                                      "a%2f",    "\xc3\xa9", "-a",          "a:b", "./a.js", "a/./b.js"};
    for (guint i = 0; i < G_N_ELEMENTS (good); i++)
        g_assert_true (static_name_is_good (good[i]));
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (static_name_is_good (bad[i]));
    for (int more = -1; more <= 1; more++) {
        g_autofree char *name = g_strnfill ((gsize)(STATIC_NAME_MAX_BYTES + more), 'a');
        g_assert_cmpint (static_name_is_good (name), ==, more <= 0);
    }
}

static void
test_types (void)
{
    g_assert_cmpstr (static_type_of ("a/b.js"), ==, "text/javascript; charset=utf-8");
    g_assert_cmpstr (static_type_of ("index.html"), ==, "text/html; charset=utf-8");
    static const char *const none[] = {"a.js.map", "a.php", "a.js.gz", "html", "a.", "a.JS"};
    for (guint i = 0; i < G_N_ELEMENTS (none); i++)
        g_assert_null (static_type_of (none[i]));
}

static void
test_hashed (void)
{
    g_assert_true (static_is_hashed ("assets/index-B3xY0a9k.js"));
    g_assert_true (static_is_hashed ("index-B3xY_a9k.css"));
    static const char *const plain[] = {"index.html", "index-B3xY0a9.js", "B3xY0a9k.js", "-B3xY0a9k",
                                        "a-/b.js"};
    for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
        g_assert_false (static_is_hashed (plain[i]));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/static/names", test_names);
    g_test_add_func ("/static/types", test_types);
    g_test_add_func ("/static/hashed", test_hashed);
    return g_test_run ();
}
