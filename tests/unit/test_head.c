/* The parser of request heads: limits, what is taken, what is refused, in whatever pieces it comes. */
#include "vdc/http/head.h"

#include <string.h>

/* The verdict for all bytes at once; the same must come of any cut in two, and byte by byte. */
static HttpHeadState
read_cut (const GString *text, gsize cut, guint *status)
{
    HttpHead head = {0};
    HttpHeadState state = http_head_read (&head, (const guint8 *)text->str, cut);
    if (state == HTTP_HEAD_MORE)
        state = http_head_read (&head, (const guint8 *)text->str, text->len);
    *status = head.status;
    http_head_clear (&head);
    return state;
}

static HttpHeadState
read_all (const GString *text, guint *status)
{
    guint other;
    HttpHeadState state = read_cut (text, text->len, status);
    for (gsize cut = 0; cut < MIN (text->len, 200); cut++) {
        g_assert_cmpint (read_cut (text, cut, &other), ==, state);
        g_assert_cmpuint (other, ==, *status);
    }
    return state;
}

/* A request line of @line bytes, then headers to @total bytes in all, in @headers lines (0: as many as it
 * takes). */
static GString *
make (gsize line, gsize total, guint headers)
{
    GString *text = g_string_new ("GET /");
    while (text->len < line - strlen (" HTTP/1.1"))
        g_string_append_c (text, 'a');
    g_string_append (text, " HTTP/1.1\r\nHost: x\r\n");
    for (guint i = 1; i < headers; i++)
        g_string_append_printf (text, "x%u: y\r\n", i);
    while (text->len + 2 < total) {
        gsize room = total - text->len - 2;
        gsize n = room <= HTTP_LINE_LIMIT_BYTES ? room : MIN (room - 10, 4000);
        g_string_append (text, "y: ");
        for (gsize i = strlen ("y: \r\n"); i < n; i++)
            g_string_append_c (text, 'z');
        g_string_append (text, "\r\n");
    }
    g_string_append (text, "\r\n");
    return text;
}

static void
expect (GString *text, HttpHeadState state, guint status)
{
    guint got;
    g_assert_cmpint (read_all (text, &got), ==, state);
    g_assert_cmpuint (got, ==, status);
    g_string_free (text, TRUE);
}

static void
test_limits (void)
{
    expect (make (HTTP_LINE_LIMIT_BYTES - 1, 0, 0), HTTP_HEAD_WHOLE, 0);
    expect (make (HTTP_LINE_LIMIT_BYTES, 0, 0), HTTP_HEAD_WHOLE, 0);
    expect (make (HTTP_LINE_LIMIT_BYTES + 1, 0, 0), HTTP_HEAD_REFUSED, 414);
    for (int i = -1; i <= 1; i++) {
        GString *text = make (20, HTTP_HEAD_LIMIT_BYTES + i, 0);
        g_assert_cmpuint (text->len, ==, HTTP_HEAD_LIMIT_BYTES + i);
        expect (text, i <= 0 ? HTTP_HEAD_WHOLE : HTTP_HEAD_REFUSED, i <= 0 ? 0 : 431);
    }
    expect (make (20, 0, HTTP_HEADERS_MAX - 1), HTTP_HEAD_WHOLE, 0);
    expect (make (20, 0, HTTP_HEADERS_MAX), HTTP_HEAD_WHOLE, 0);
    expect (make (20, 0, HTTP_HEADERS_MAX + 1), HTTP_HEAD_REFUSED, 431);
}

/* One header line of @length bytes. */
static GString *
long_header (gsize length)
{
    GString *text = g_string_new ("GET / HTTP/1.1\r\nHost: x\r\ny:");
    for (gsize i = strlen ("y:"); i < length; i++)
        g_string_append_c (text, 'z');
    g_string_append (text, "\r\n\r\n");
    return text;
}

static GString *
with_header (const char *name, const char *value_unit, gsize times)
{
    GString *text = g_string_new ("GET / HTTP/1.1\r\nHost: x\r\n");
    g_string_append_printf (text, "%s: ", name);
    for (gsize i = 0; i < times; i++)
        g_string_append (text, value_unit);
    g_string_append (text, "\r\n\r\n");
    return text;
}

static GString *
with_method (gsize length)
{
    GString *text = g_string_new (NULL);
    for (gsize i = 0; i < length; i++)
        g_string_append_c (text, 'A');
    return g_string_append (text, " / HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void
test_limits_of_parts (void)
{
    for (int i = -1; i <= 1; i++) {
        HttpHeadState state = i <= 0 ? HTTP_HEAD_WHOLE : HTTP_HEAD_REFUSED;
        expect (long_header ((gsize)(HTTP_LINE_LIMIT_BYTES + i)), state, i <= 0 ? 0 : 431);
        expect (with_header ("Idempotency-Key", "k", (gsize)(HTTP_IDEMPOTENCY_KEY_MAX_BYTES + i)), state,
                i <= 0 ? 0 : 400);
        expect (with_method ((gsize)(HTTP_METHOD_MAX_BYTES + i)), state, i <= 0 ? 0 : 400);
        expect (with_header ("Content-Length", "1", (gsize)(18 + i)), state, i <= 0 ? 0 : 400);
    }
}

static void
test_what_is_read (void)
{
    static const char text[] =
        "POST /a%20b?x=1&y HTTP/1.1\r\nHOST:x:1\r\nAccept: a\r\nAccept:\tb \r\n"
        "Connection: keep-alive, Close\r\nExpect: 100-Continue\r\nContent-Length: 03\r\n\r\nabc";
    HttpHead head = {0};
    g_assert_cmpint (http_head_read (&head, (const guint8 *)text, sizeof text - 1), ==, HTTP_HEAD_WHOLE);
    g_assert_cmpstr (head.method, ==, "POST");
    g_assert_cmpstr (head.path, ==, "/a%20b");
    g_assert_cmpstr (head.query, ==, "x=1&y");
    g_assert_cmpstr (g_hash_table_lookup (head.headers, "host"), ==, "x:1");
    g_assert_cmpstr (g_hash_table_lookup (head.headers, "accept"), ==, "a, b");
    g_assert_cmpuint (head.content_length, ==, 3);
    g_assert_true (head.close && head.continues);
    g_assert_cmpstr (text + head.length, ==, "abc");
    http_head_clear (&head);
}

/* The rest of what is refused is in tests/api/smuggling, sent to a real vdcd. */
static void
test_refused (void)
{
    static const struct {
        const char *text;
        guint status;
    } cases[] = {
        {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\nHost: x\r\nIdempotency-Key:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n", 400},
        {"\n", 400},
        {"GET / HTTP/1.1\n", 400},
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        expect (g_string_new (cases[i].text), HTTP_HEAD_REFUSED, cases[i].status);
    expect (g_string_new ("GET / HTTP/1.1\r\nHost: x\r\n\r"), HTTP_HEAD_MORE, 0);
}

static void
test_query (void)
{
    g_autoptr (GHashTable) values = http_query_parse ("a=1&b=%C3%A9+%26&&c&a=2&=x");
    g_assert_cmpstr (g_hash_table_lookup (values, "a"), ==, "2");
    g_assert_cmpstr (g_hash_table_lookup (values, "b"), ==, "é &");
    g_assert_cmpstr (g_hash_table_lookup (values, "c"), ==, "");
    g_autoptr (GHashTable) none = http_query_parse (NULL);
    g_assert_cmpuint (g_hash_table_size (none), ==, 0);
    static const char *const wrong[] = {"a=%", "a=%0", "a=%zz", "a=%00", "%ff=1", "a=%c3"};
    for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
        g_assert_null (http_query_parse (wrong[i]));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/head/limits", test_limits);
    g_test_add_func ("/head/limits-of-parts", test_limits_of_parts);
    g_test_add_func ("/head/what-is-read", test_what_is_read);
    g_test_add_func ("/head/refused", test_refused);
    g_test_add_func ("/head/query", test_query);
    return g_test_run ();
}
