/* What fits a schema and what is said when it does not; every schema of the API is one; every route has them.
 */
#include <string.h>

#include "vdc/base/json.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/api/schemas.h"

static json_t *
parse (const char *text)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GString) json = g_string_new (text);
    g_string_replace (json, "'", "\"", 0);
    json_t *value = json_parse (json->str, json->len, &error);
    g_assert_no_error (error);
    return value;
}

static const json_t *
lookup (const char *name, gpointer user_data)
{
    return json_object_get (user_data, name);
}

/* @expected: "PATH|MESSAGE" or "PATH|MESSAGE|NEAREST"; NULL: it fits. */
static void
check (const char *schema_text, const char *text, const char *expected)
{
    g_autoptr (json_t) schema = parse (schema_text), value = parse (text);
    g_autoptr (json_t) others =
        parse ("{'Tree': {'type': 'object', 'properties': {'left': {'$ref': '#/components/schemas/Tree'}},"
               "'additionalProperties': false}}");
    g_auto (SchemaProblem) problem = {0};
    g_assert_true (schema_is_valid (schema, lookup, others, &problem));
    gboolean fits = schema_fits (schema, value, lookup, others, &problem);
    g_autofree char *got = fits ? NULL
                                : g_strconcat (problem.path, "|", problem.message,
                                               problem.nearest ? "|" : NULL, problem.nearest, NULL);
    g_assert_cmpstr (got, ==, expected);
}

static void
test_types (void)
{
    check ("{'type': 'string'}", "'x'", NULL);
    check ("{'type': 'string'}", "1", "|must be a text");
    check ("{'type': 'integer'}", "1.5", "|must be a whole number");
    check ("{'type': 'number'}", "1", NULL);
    check ("{'type': ['string', 'null']}", "null", NULL);
    check ("{'type': ['string', 'null']}", "{}", "|must be a text or null");
    check ("{'type': 'boolean'}", "0", "|must be true or false");
    check ("{'type': 'array'}", "{}", "|must be a list");
}

static void
test_limits (void)
{
    check ("{'minimum': 2, 'maximum': 4}", "1", "|must be at least 2");
    check ("{'minimum': 2, 'maximum': 4}", "2", NULL);
    check ("{'minimum': 2, 'maximum': 4}", "4", NULL);
    check ("{'minimum': 2, 'maximum': 4}", "4.5", "|must be at most 4");
    check ("{'minLength': 1}", "''", "|must not be empty");
    check ("{'minLength': 1, 'maxLength': 2}", "'abc'", "|must have 1 to 2 characters");
    check ("{'maxLength': 2}", "'\\u00e4\\u00e4'", NULL);
    check ("{'minItems': 1, 'maxItems': 2}", "[]", "|must have at least 1 entries");
    check ("{'minItems': 1, 'maxItems': 2}", "[1, 2]", NULL);
    check ("{'minItems': 1, 'maxItems': 2}", "[1, 2, 3]", "|must have at most 2 entries");
    check ("{'maxProperties': 1}", "{'a': 1, 'b': 1}", "|must have at most 1 fields");
    check ("{'minProperties': 1}", "{}", "|must not be empty");
    check ("{'pattern': '^[a-z]+$'}", "'a1'", "|must match ^[a-z]+$");
    check ("{'pattern': '^[a-z]+$'}", "'a\\n'", "|must match ^[a-z]+$");
}

static void
test_places (void)
{
    const char *schema =
        "{'type': 'object', 'additionalProperties': false, 'required': ['ops'], 'properties': {"
        "'ops': {'type': 'array', 'items': {'type': 'object', 'required': ['op'], 'properties': {"
        "'op': {'enum': ['add', 'remove']}, 'set': {'additionalProperties': {'type': 'integer'}}}}}}}";
    check (schema, "{'ops': [{'op': 'add', 'set': {'x': 1}}]}", NULL);
    check (schema, "{'ops': [{'op': 'add'}, {'op': 'ad'}]}", "ops[1].op|must be one of add, remove|add");
    check (schema, "{'ops': [{}]}", "ops[0].op|is missing");
    check (schema, "{'ops': [{'op': 'add', 'set': {'x': '1'}}]}", "ops[0].set.x|must be a whole number");
    check (schema, "{'opps': []}", "opps|there is no field \"opps\"; did you mean 'ops'?|ops");
}

static void
test_alternatives (void)
{
    const char *schema =
        "{'oneOf': [{'type': 'null'}, {'type': 'object', 'properties': {'a': {'type': 'string'}}}]}";
    check (schema, "null", NULL);
    check (schema, "{'a': 'x'}", NULL);
    check (schema, "{'a': 1}", "a|must be a text");
    check (schema, "3", "|must be null");
    check ("{'const': 'x'}", "'y'", "|must be \"x\"");
}

/* @n objects, one in the other. */
static char *
nested (guint n)
{
    GString *text = g_string_new (NULL);
    for (guint i = 1; i < n; i++)
        g_string_append (text, "{'left': ");
    g_string_append (text, "{}");
    for (guint i = 1; i < n; i++)
        g_string_append (text, "}");
    return g_string_free (text, FALSE);
}

static void
test_depth (void)
{
    const char *tree = "{'$ref': '#/components/schemas/Tree'}";
    /* A reference and what it means are two steps. */
    g_autofree char *fits = nested (SCHEMA_DEPTH_MAX / 2), *over = nested (SCHEMA_DEPTH_MAX / 2 + 1);
    g_autoptr (GString) path = g_string_new ("left");
    for (guint i = 1; i < SCHEMA_DEPTH_MAX / 2; i++)
        g_string_append (path, ".left");
    g_string_append (path, "|is nested more than 32 deep");
    check (tree, fits, NULL);
    check (tree, over, path->str);
}

static void
test_wrong_schemas (void)
{
    const char *const wrong[] = {"{'typ': 'string'}",       "{'type': 'text'}",           "{'required': 'a'}",
                                 "{'properties': []}",      "{'minimum': '1'}",           "{'pattern': '('}",
                                 "{'$ref': 'Application'}", "{'items': {'minItem': 1}}",  "{'enum': []}",
                                 "{'maxLength': -1}",       "{'oneOf': [{'foo': true}]}", "[]"};
    for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_autoptr (json_t) schema = parse (wrong[i]), none = json_object ();
        g_auto (SchemaProblem) problem = {0};
        g_assert_false (schema_is_valid (schema, lookup, none, &problem));
    }
}

/* --- of the API -------------------------------------------------------------------------------------------- */

static void
test_api_schemas (void)
{
    g_autoptr (GPtrArray) names = schemas_names ();
    g_assert_cmpuint (names->len, >, 30);
    for (guint i = 0; i < names->len; i++) {
        g_auto (SchemaProblem) problem = {0};
        if (!schema_is_valid (schemas_get (names->pdata[i]), schemas_lookup, NULL, &problem))
            g_error ("%s: %s: %s", (char *)names->pdata[i], problem.path, problem.message);
    }
    g_assert_nonnull (schemas_get ("ApplicationList"));
    g_assert_null (schemas_get ("UnheardOfList"));
    g_assert_null (schemas_get ("Unheard"));
}

/* A request's schema must refuse what it does not know. */
static gboolean
is_closed (const char *name)
{
    return json_is_false (json_object_get (schemas_get (name), "additionalProperties"));
}

static void
check_route (const HttpRoute *route)
{
    g_autoptr (GPtrArray) parameters = query_parameters (route);
    gboolean takes_body = strcmp (route->method, "GET") != 0 && route->body == HTTP_BODY_JSON;
    if (route->summary == NULL || route->name == NULL)
        g_error ("%s %s: no name or no summary", route->method, route->path);
    if (route->answer_schema == NULL ||
        (!schemas_is_plain (route->answer_schema) && schemas_get (route->answer_schema) == NULL))
        g_error ("%s: no such answer_schema: %s", route->name, route->answer_schema);
    if (takes_body && (route->request_schema == NULL || schemas_get (route->request_schema) == NULL))
        g_error ("%s: no such request_schema: %s", route->name, route->request_schema);
    if (takes_body && !is_closed (route->request_schema))
        g_error ("%s: %s must have additionalProperties false", route->name, route->request_schema);
    if (!takes_body && route->request_schema != NULL)
        g_error ("%s: has a request_schema and takes no JSON", route->name);
    if (schemas_is_plain (route->answer_schema) && strcmp (route->answer_schema, HTTP_ANSWER_NONE) != 0 &&
        route->answer_type == NULL)
        g_error ("%s: no answer_type", route->name);
    for (guint i = 0; i < parameters->len; i++)
        if (((QueryParameter *)parameters->pdata[i])->help == NULL)
            g_error ("%s: nobody wrote down what ?%s means (query.c)", route->name,
                     ((QueryParameter *)parameters->pdata[i])->name);
}

static void
test_api_routes (void)
{
    Controller controller = {0};
    g_autoptr (HttpRouter) router = http_router_new ();
    g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
    routes_add_all (router, &controller);
    g_autoptr (GPtrArray) routes = http_router_list (router);
    g_assert_cmpuint (routes->len, >, 30);
    for (guint i = 0; i < routes->len; i++) {
        const HttpRoute *route = routes->pdata[i];
        check_route (route);
        if (!g_hash_table_add (names, (gpointer)route->name))
            g_error ("two routes are called %s", route->name);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/schema/types", test_types);
    g_test_add_func ("/schema/limits", test_limits);
    g_test_add_func ("/schema/says-where", test_places);
    g_test_add_func ("/schema/alternatives", test_alternatives);
    g_test_add_func ("/schema/depth-is-bounded", test_depth);
    g_test_add_func ("/schema/wrong-schemas-are-refused", test_wrong_schemas);
    g_test_add_func ("/schema/api-schemas-are-valid", test_api_schemas);
    g_test_add_func ("/schema/every-route-has-its-schemas", test_api_routes);
    return g_test_run ();
}
