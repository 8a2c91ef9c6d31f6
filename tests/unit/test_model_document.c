/* Descriptions as texts: what YAML means here, places, limits, and printing. */
#include "vdc/base/json.h"
#include "vdc/model/document.h"

#include <string.h>

static json_t *
parse (const char *text, DocumentFormat format)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_parse (text, strlen (text), format, problems);
    g_autofree char *wrong = problems_text (problems);

    g_assert_cmpstr (wrong, ==, "");
    return json_incref (document_root (document));
}

static void
test_core_schema (void)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"no", "\"no\""},
        {"on", "\"on\""},
        {"yes", "\"yes\""},
        {"Off", "\"Off\""},
        {"012", "\"012\""},
        {"-012", "\"-012\""},
        {"0", "0"},
        {"-7", "-7"},
        {"+7", "7"},
        {"0o17", "15"},
        {"0x1F", "31"},
        {"0b11", "\"0b11\""},
        {"1_000", "\"1_000\""},
        {"1:30", "\"1:30\""},
        {"2026-11-22", "\"2026-11-22\""},
        {"1.5", "1.5"},
        {".5", "0.5"},
        {"1e3", "1000.0"},
        {"1.0.0", "\"1.0.0\""},
        {"1e", "\"1e\""},
        {"true", "true"},
        {"FALSE", "false"},
        {"tRUE", "\"tRUE\""},
        {"~", "null"},
        {"", "null"},
        {"null", "null"},
        {"\"12\"", "\"12\""},
        {"'true'", "\"true\""},
        {"192M", "\"192M\""},
        {"0.0.0.0/0", "\"0.0.0.0/0\""},
        {"$public_port", "\"$public_port\""},
        {"9223372036854775807", "9223372036854775807"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *yaml = g_strdup_printf ("a: %s\n", cases[i].yaml);
        g_autofree char *text = g_strdup_printf ("{\"a\": %s}", cases[i].json);
        g_autoptr (json_t) from_yaml = parse (yaml, DOCUMENT_YAML);
        g_autoptr (json_t) from_json = parse (text, DOCUMENT_JSON);
        g_autofree char *left = json_text (from_yaml);
        g_autofree char *right = json_text (from_json);
        g_assert_cmpstr (left, ==, right);
    }
}

static void
assert_place (const Document *document, const char *path, guint line, guint column)
{
    guint found_line, found_column;

    g_assert_true (document_position (document, path, &found_line, &found_column));
    g_assert_cmpuint (found_line, ==, line);
    g_assert_cmpuint (found_column, ==, column);
}

static void
test_places (void)
{
    const char *yaml = "a: 1\nb:\n  c: {d: x, \"e.f\": y}\n  g:\n  - h\n  - i: j\n";
    const char *text =
        "{\"a\": 1,\n \"b\": {\"c\": {\"d\": \"\xc3\xa9\", \"e.f\": 2},\n  \"g\": [\"h\", {\"i\": [ ]}]}}";
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) from_yaml = document_parse (yaml, strlen (yaml), DOCUMENT_YAML, problems);
    g_autoptr (Document) from_json = document_parse (text, strlen (text), DOCUMENT_JSON, problems);

    g_assert_cmpuint (problems_count (problems), ==, 0);
    assert_place (from_yaml, "a", 1, 1);
    assert_place (from_yaml, "b.c.d", 3, 7);
    assert_place (from_yaml, "b.c[\"e.f\"]", 3, 13);
    assert_place (from_yaml, "b.g[1].i", 6, 5);
    assert_place (from_yaml, "b.g[1].nothing.here", 6, 5);
    assert_place (from_yaml, "nowhere", 1, 1);
    assert_place (from_json, "b.c.d", 2, 14);
    assert_place (from_json, "b.c[\"e.f\"]", 2, 24);
    assert_place (from_json, "b.g[1].i", 3, 15);
}

static const char *
first_code (const char *text, gsize length, DocumentFormat format, Problems *problems)
{
    g_autoptr (Document) document = document_parse (text, length, format, problems);
    g_assert_cmpuint (problems_count (problems), >, 0);
    return problems_get (problems, 0)->code;
}

static void
assert_refused (const char *text, DocumentFormat format, const char *code, guint line)
{
    g_autoptr (Problems) problems = problems_new ();

    g_assert_cmpstr (first_code (text, strlen (text), format, problems), ==, code);
    g_assert_cmpuint (problems_get (problems, 0)->line, ==, line);
}

static void
test_json_refused (void)
{
    assert_refused ("", DOCUMENT_JSON, "syntax", 1);
    assert_refused ("{\"a\": 1,}", DOCUMENT_JSON, "syntax", 1);
    assert_refused ("{\"a\": 1,\n\"b\": 2,\n\"a\": 3}", DOCUMENT_JSON, "duplicate_key", 3);
    assert_refused ("{\"a\": \"\\u0000\"}", DOCUMENT_JSON, "syntax", 1);
    assert_refused ("{\"a\": 1} x", DOCUMENT_JSON, "syntax", 1);
    assert_refused ("{\"a\": 99999999999999999999}", DOCUMENT_JSON, "syntax", 1);
}

static char *
repeat (const char *text, guint times)
{
    GString *out = g_string_new (NULL);
    for (guint i = 0; i < times; i++)
        g_string_append (out, text);
    return g_string_free (out, FALSE);
}

static void
test_limits (void)
{
    g_autofree char *deep_yaml = repeat ("[", 100000);
    g_autofree char *deep_json = repeat ("[", DOCUMENT_LIMIT_DEPTH + 2);
    g_autofree char *deep_end = repeat ("]", DOCUMENT_LIMIT_DEPTH + 2);
    g_autofree char *deep_both = g_strconcat (deep_json, deep_end, NULL);
    g_autofree char *wide = repeat ("- 1\n", DOCUMENT_LIMIT_NODES + 1);
    g_autofree char *large = repeat ("#", DOCUMENT_LIMIT_BYTES + 1);
    g_autofree char *key = repeat ("k", DOCUMENT_LIMIT_KEY_BYTES + 1);
    g_autofree char *long_key = g_strconcat (key, ": 1\n", NULL);

    assert_refused (deep_yaml, DOCUMENT_YAML, "too_deep", 1);
    assert_refused (deep_both, DOCUMENT_JSON, "too_deep", 1);
    assert_refused (wide, DOCUMENT_YAML, "too_large", DOCUMENT_LIMIT_NODES);
    assert_refused (large, DOCUMENT_YAML, "too_large", 1);
    assert_refused (long_key, DOCUMENT_YAML, "too_long", 1);
}

/* Not UTF-8, and a byte order mark of UTF-16. */
static void
test_bytes (void)
{
    static const char *const texts[] = {"a: \xff\xfe\n", "a: \xc3\n", "\xff\xfe\x61\x00", "a: \x01\n"};

    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autoptr (Problems) problems = problems_new ();
        g_assert_cmpstr (first_code (texts[i], strlen (texts[i]), DOCUMENT_YAML, problems), ==, "syntax");
    }
}

static void
assert_prints (json_t *value)
{
    g_autofree char *yaml = document_yaml (value);
    g_autoptr (json_t) again = parse (yaml, DOCUMENT_YAML);
    g_autofree char *left = json_text (value);
    g_autofree char *right = json_text (again);

    g_assert_cmpstr (left, ==, right);
}

static void
test_print (void)
{
    static const char *const texts[] = {
        "",
        " ",
        "a b",
        " a",
        "a ",
        "no",
        "012",
        "12",
        "1.5",
        "true",
        "~",
        "null",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "'a'",
        "\"a\"",
        "{a}",
        "[a]",
        "a,b=c",
        "\"><",
        "; drop",
        "a\nb",
        "a\r\nb",
        "\t",
        "a\tb",
        "\\n",
        "...",
        "---",
        "--- a",
        "...x",
        "?",
        "? a",
        ":",
        "a:",
        "\xe2\x80\xae"
        "abc",
        "\xc2\x85",
        "\xe2\x80\xa8",
        "\xef\xbb\xbf",
        "\x7f",
        "\x1b[31m",
        "\xc3\xa9t\xc3\xa9",
        "\xf0\x9f\x92\xbe",
        "<<",
        "=",
        ".inf",
        ".nan",
        "0x1f",
        "$name",
        "lb.out -> web.in",
        "1.0.0",
        "10.0.0.0/8",
    };

    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autoptr (json_t) value =
            json_pack ("{s:s, s:[s, {s:s}]}", "value", texts[i], "list", texts[i], "a", texts[i]);
        json_object_set_new (value, texts[i], json_pack ("{s:[[s], {}, []]}", texts[i], texts[i]));
        assert_prints (value);
    }
}

static void
test_print_numbers (void)
{
    static const double numbers[] = {0.05, 0.1, 1.0 / 3, 1e300, -2.5e-8, 1e21, 0.0, 100.0};
    g_autoptr (json_t) list = json_array ();

    for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
        json_array_append_new (list, json_real (numbers[i]));
    json_array_append_new (list, json_integer (G_MININT64));
    json_array_append_new (list, json_integer (G_MAXINT64));
    assert_prints (list);
}

static void
test_print_readable (void)
{
    g_autoptr (json_t) value =
        json_pack ("{s:s, s:{s:{s:s, s:i, s:{}}}, s:[s]}", "application", "shop", "instances", "web", "class",
                   "WEB", "count", 2, "set", "wires", "lb.out -> web.in");
    g_autofree char *yaml = document_yaml (value);

    g_assert_cmpstr (yaml, ==,
                     "application: shop\ninstances:\n  web:\n    class: WEB\n    count: 2\n    set: {}\n"
                     "wires:\n  - lb.out -> web.in\n");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/document/core-schema", test_core_schema);
    g_test_add_func ("/document/places", test_places);
    g_test_add_func ("/document/json-refused", test_json_refused);
    g_test_add_func ("/document/limits", test_limits);
    g_test_add_func ("/document/bytes-that-are-no-text", test_bytes);
    g_test_add_func ("/document/printed-yaml-reads-back", test_print);
    g_test_add_func ("/document/printed-numbers-read-back", test_print_numbers);
    g_test_add_func ("/document/printed-yaml-is-readable", test_print_readable);
    return g_test_run ();
}
