#include "vdc/controller/api/openapi.h"

#include <string.h>

#include "vdc/base/json.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/schemas.h"

#define PREFIX "/api/"

gboolean
openapi_has (const HttpRoute *route)
{
    return g_str_has_prefix (route->path, PREFIX);
}

static gboolean
is_get (const HttpRoute *route)
{
    return strcmp (route->method, "GET") == 0;
}

static json_t *
reference (const char *schema)
{
    g_autofree char *text = g_strconcat ("#/components/schemas/", schema, NULL);
    return json_pack ("{s:s}", "$ref", text);
}

static json_t *
content (const char *type, json_t *schema)
{
    return json_pack ("{s:{s:o}}", type, "schema", schema);
}

/* --- parameters -------------------------------------------------------------------------------------------- */

/* "{rest*}" is written "{rest}" here. */
static char *
template_of (const char *path)
{
    g_autoptr (GString) text = g_string_new (path);
    g_string_replace (text, "*}", "}", 0);
    return g_strdup (text->str);
}

static json_t *
parameter (const char *place, const char *name, const char *help, json_t *schema)
{
    json_t *object = json_pack ("{s:s, s:s, s:o}", "in", place, "name", name, "schema", schema);
    if (help != NULL)
        json_put (object, "description", json_string (help));
    if (strcmp (place, "path") == 0)
        json_put (object, "required", json_true ());
    return object;
}

static void
add_path_parameters (json_t *list, const char *path)
{
    g_auto (GStrv) parts = g_strsplit (path, "/", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        if (*parts[i] != '{')
            continue;
        g_autofree char *name = g_strndup (parts[i] + 1, strcspn (parts[i], "*}") - 1);
        json_array_append_new (list, parameter ("path", name, NULL, json_pack ("{s:s}", "type", "string")));
    }
}

static json_t *
query_schema (const QueryParameter *query)
{
    json_t *schema, *words;
    switch (query->type) {
    case QUERY_FLAG:
        return json_pack ("{s:s}", "type", "boolean");
    case QUERY_INTEGER:
        schema = json_pack ("{s:s, s:I}", "type", "integer", "minimum", (json_int_t)query->min);
        if (query->max != G_MAXINT64)
            json_put (schema, "maximum", json_integer (query->max));
        return schema;
    case QUERY_WORDS:
        words = json_array ();
        for (guint i = 0; query->words[i] != NULL; i++)
            json_array_append_new (words, json_string (query->words[i]));
        return json_pack ("{s:s, s:o}", "type", "string", "enum", words);
    case QUERY_TEXT:
        break;
    }
    return json_pack ("{s:s, s:i}", "type", "string", "maxLength", QUERY_TEXT_MAX_BYTES);
}

static json_t *
parameters (const HttpRoute *route)
{
    json_t *list = json_array ();
    g_autoptr (GPtrArray) query = query_parameters (route);
    add_path_parameters (list, route->path);
    for (guint i = 0; i < query->len; i++) {
        const QueryParameter *one = query->pdata[i];
        json_array_append_new (list, parameter ("query", one->name, one->help, query_schema (one)));
    }
    if (!is_get (route) && route->role != HTTP_ROLE_PUBLIC)
        json_array_append_new (list, json_pack ("{s:s}", "$ref", "#/components/parameters/IdempotencyKey"));
    if (route->if_match != HTTP_MATCH_NONE)
        json_array_append_new (list, json_pack ("{s:s}", "$ref", "#/components/parameters/IfMatch"));
    return list;
}

/* --- answers ----------------------------------------------------------------------------------------------- */

static json_t *
response (const char *description, json_t *media)
{
    json_t *object = json_pack ("{s:s}", "description", description);
    if (media != NULL)
        json_put (object, "content", media);
    return object;
}

static json_t *
success_content (const HttpRoute *route)
{
    if (strcmp (route->answer_schema, HTTP_ANSWER_NONE) == 0)
        return NULL;
    if (schemas_is_plain (route->answer_schema))
        return content (route->answer_type, json_pack ("{s:s}", "type", "string"));
    return content ("application/json", reference (route->answer_schema));
}

static json_t *
error_content (void)
{
    return content ("application/json", reference ("Error"));
}

/* What the answer says beside its body. */
static void
add_get_headers (json_t *answer)
{
    json_put (answer, "headers", json_pack ("{s:{s:s}}", "ETag", "$ref", "#/components/headers/ETag"));
}

/* A dry run answers a plan; done at once, or a job that goes on. */
static void
add_successes (json_t *answers, const HttpRoute *route)
{
    g_autofree char *status = g_strdup_printf ("%u", route->status != 0 ? route->status : 200);
    json_put (answers, status, response ("Done", success_content (route)));
    if (is_get (route)) {
        if (!schemas_is_plain (route->answer_schema)) {
            add_get_headers (json_object_get (answers, status));
            json_put (answers, "304", response ("Nothing changed since If-None-Match", NULL));
        }
        return;
    }
    if (strcmp (status, "200") != 0)
        json_put (answers, "200",
                  response ("Of a dry run", content ("application/json", reference ("Plan"))));
    else if (strcmp (route->answer_schema, "Plan") != 0 && !schemas_is_plain (route->answer_schema))
        json_put (answers, "200",
                  response ("Done; of a dry run the plan",
                            content ("application/json",
                                     json_pack ("{s:[o, o]}", "anyOf", reference (route->answer_schema),
                                                reference ("Plan")))));
    json_put (answers, "202",
              response ("A job goes on", content ("application/json", reference ("JobStarted"))));
}

/* Codes that share a status share an answer: which they are is in /api/v1/errors. */
static json_t *
answers_of (const HttpRoute *route)
{
    static const int anywhere[] = {400, 401, 403, 404, 503};
    static const int changing[] = {409, 413, 415, 422, 504, 507};
    json_t *answers = json_object ();
    add_successes (answers, route);
    for (guint i = 0; i < G_N_ELEMENTS (anywhere); i++) {
        g_autofree char *status = g_strdup_printf ("%d", anywhere[i]);
        json_put (answers, status, json_pack ("{s:s}", "$ref", "#/components/responses/Error"));
    }
    for (guint i = 0; !is_get (route) && i < G_N_ELEMENTS (changing); i++) {
        g_autofree char *status = g_strdup_printf ("%d", changing[i]);
        json_put (answers, status, json_pack ("{s:s}", "$ref", "#/components/responses/Error"));
    }
    if (route->if_match != HTTP_MATCH_NONE)
        json_put (answers, "412", json_pack ("{s:s}", "$ref", "#/components/responses/Error"));
    return answers;
}

/* --- operations -------------------------------------------------------------------------------------------- */

/* "/api/v1/applications/…" → "applications" */
static char *
tag_of (const HttpRoute *route)
{
    g_auto (GStrv) parts = g_strsplit (route->path, "/", -1);
    return g_strdup (g_strv_length (parts) > 3 ? parts[3] : "grid");
}

static json_t *
body_of (const HttpRoute *route)
{
    if (route->body == HTTP_BODY_RAW)
        return json_pack ("{s:o}", "content",
                          content ("application/octet-stream",
                                   json_pack ("{s:s, s:s}", "type", "string", "format", "binary")));
    const json_t *schema = schemas_get (route->request_schema);
    gboolean needed = json_array_size (json_object_get (schema, "required")) > 0;
    return json_pack ("{s:b, s:o}", "required", needed, "content",
                      content ("application/json", reference (route->request_schema)));
}

static json_t *
operation_of (const HttpRoute *route)
{
    g_autofree char *tag = tag_of (route);
    g_autofree char *description =
        route->role == HTTP_ROLE_PUBLIC
            ? g_strdup ("Nobody needs to be logged in.")
            : g_strdup_printf ("Needs the role %s (scope: %s).", http_role_name (route->role),
                               http_scope_name (route->scope));
    json_t *operation = json_pack ("{s:s, s:s, s:s, s:[s], s:o, s:o}", "operationId", route->name, "summary",
                                   route->summary, "description", description, "tags", tag, "parameters",
                                   parameters (route), "responses", answers_of (route));
    json_put (operation, "x-role", json_string (http_role_name (route->role)));
    json_put (operation, "x-scope", json_string (http_scope_name (route->scope)));
    if (route->role == HTTP_ROLE_PUBLIC)
        json_put (operation, "security", json_array ());
    if (!is_get (route) && (route->body == HTTP_BODY_RAW || route->request_schema != NULL))
        json_put (operation, "requestBody", body_of (route));
    return operation;
}

static json_t *
paths_of (GPtrArray *routes)
{
    json_t *paths = json_object ();
    for (guint i = 0; i < routes->len; i++) {
        const HttpRoute *route = routes->pdata[i];
        if (!openapi_has (route))
            continue;
        g_autofree char *path = template_of (route->path), *method = g_ascii_strdown (route->method, -1);
        json_t *item = json_object_get (paths, path);
        if (item == NULL) {
            item = json_object ();
            json_put (paths, path, item);
        }
        json_put (item, method, operation_of (route));
    }
    return paths;
}

/* --- what they refer to ------------------------------------------------------------------------------------ */

/* Every schema that @value refers to, and what these refer to. */
static void
collect_schemas (json_t *into, const json_t *value)
{
    const char *name = schema_reference (value), *key;
    json_t *member;
    gsize i;
    if (name != NULL && json_object_get (into, name) == NULL) {
        json_put (into, name, json_deep_copy (schemas_get (name)));
        collect_schemas (into, schemas_get (name));
    }
    json_object_foreach ((json_t *)value, key, member)
        collect_schemas (into, member);
    json_array_foreach ((json_t *)value, i, member)
        collect_schemas (into, member);
}

static json_t *
components_of (json_t *schemas)
{
    json_t *key = json_pack (
        "{s:s, s:s, s:s, s:{s:s, s:i, s:i}}", "in", "header", "name", "Idempotency-Key", "description",
        "The same request with the same key has one effect and one answer, for 24 hours. Take a new one "
        "for each thing you want done, and send it again when no answer came.",
        "schema", "type", "string", "minLength", 1, "maxLength", 128);
    json_t *match =
        json_pack ("{s:s, s:s, s:s, s:{s:s}}", "in", "header", "name", "If-Match", "description",
                   "An ETag: refused with 412 when it was changed since", "schema", "type", "string");
    json_t *tag = json_pack ("{s:s, s:{s:s}}", "description", "For If-None-Match and If-Match", "schema",
                             "type", "string");
    return json_pack ("{s:o, s:{s:o, s:o}, s:{s:o}, s:{s:o}, s:{s:{s:s, s:s, s:s}}}", "schemas", schemas,
                      "parameters", "IdempotencyKey", key, "IfMatch", match, "headers", "ETag", tag,
                      "responses", "Error",
                      response ("Not done; which codes there are: /api/v1/errors", error_content ()),
                      "securitySchemes", "token", "type", "http", "scheme", "bearer", "description",
                      "An API token; browsers log in and send a cookie instead");
}

json_t *
openapi_errors (void)
{
    json_t *list = json_array ();
    for (int i = 0; i < VDC_N_ERRORS; i++) {
        const VdcErrorInfo *info = vdc_error_info ((VdcErrorCode)i);
        json_array_append_new (list, json_pack ("{s:s, s:i, s:i, s:s, s:s}", "code", info->name, "status",
                                                info->http_status, "exit", info->exit_code, "meaning",
                                                info->meaning, "remedy", info->remedy));
    }
    return list;
}

json_t *
openapi_document (const HttpRouter *router)
{
    g_autoptr (GPtrArray) routes = http_router_list (router);
    json_t *info = json_pack ("{s:s, s:s, s:s}", "title", "VDC", "version", VDC_VERSION, "description",
                              "A virtual data centre: applications as one object. Long operations are jobs; "
                              "everything that changes is an "
                              "event at /api/v1/events. Each change takes an Idempotency-Key and ?dry_run; "
                              "each list ?limit, ?after and "
                              "?fields; each GET has an ETag.");
    json_t *paths = paths_of (routes), *schemas = json_object ();
    collect_schemas (schemas, paths);
    json_put (schemas, "Error", json_deep_copy (schemas_get ("Error")));
    collect_schemas (schemas, schemas_get ("Error"));
    return json_pack ("{s:s, s:o, s:[{s:s}], s:[{s:[]}], s:o, s:o, s:o}", "openapi", "3.1.0", "info", info,
                      "servers", "url", "/", "security", "token", "paths", paths, "components",
                      components_of (schemas), "x-errors", openapi_errors ());
}
