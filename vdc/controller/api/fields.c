#include "vdc/controller/api/fields.h"

#include <string.h>

#include "vdc/base/json.h"
#include "vdc/controller/api/schemas.h"
#include "vdc/model/problems.h"

#define FIELDS_MAX 100

static const json_t *
meant (const json_t *schema)
{
    const char *name;
    while (schema != NULL && (name = schema_reference (schema)) != NULL)
        schema = schemas_get (name);
    return schema;
}

/* The fields that the objects of @route's answer have; NULL: not known. */
static const json_t *
known_fields (const HttpRoute *route)
{
    const json_t *schema = meant (schemas_get (route->answer_schema));
    const json_t *properties = json_object_get (schema, "properties");
    const json_t *items = meant (json_object_get (json_object_get (properties, "items"), "items"));
    return items != NULL ? json_object_get (items, "properties") : properties;
}

static gboolean
refuse (const char *name, const json_t *known, GError **error)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    g_autofree char *quoted = problem_quote (name);
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)known, key, value)
        g_ptr_array_add (names, (gpointer)key);
    g_ptr_array_add (names, NULL);
    const char *nearest = nearest_word (name, (const char *const *)names->pdata);
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "there is no field %s%s%s%s", quoted,
                 nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return FALSE;
}

gboolean
fields_check (HttpRequest *request, const HttpRoute *route, GError **error)
{
    const char *text = http_request_query (request, "fields");
    if (text == NULL)
        return TRUE;
    const json_t *known = known_fields (route);
    g_auto (GStrv) names = g_strsplit (text, ",", -1);
    if (g_strv_length (names) > FIELDS_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "fields names more than %d", FIELDS_MAX);
        return FALSE;
    }
    for (guint i = 0; known != NULL && names[i] != NULL; i++) {
        g_autofree char *first = g_strndup (names[i], strcspn (names[i], "."));
        if (json_object_get (known, first) == NULL)
            return refuse (first, known, error);
    }
    return TRUE;
}

/* Copies what @path names, "a.b.c", from @from into @into; through lists. */
static void
take (json_t *into, const json_t *from, const char *path)
{
    const char *dot = strchr (path, '.');
    g_autofree char *name = dot != NULL ? g_strndup (path, (gsize)(dot - path)) : g_strdup (path);
    json_t *value = json_object_get (from, name), *inner = json_object_get (into, name);
    if (value == NULL)
        return;
    if (dot == NULL || !json_is_object (value)) {
        json_object_set (into, name, value);
        return;
    }
    if (!json_is_object (inner)) {
        inner = json_object ();
        json_put (into, name, inner);
    } else if (inner == value) {
        return; /* taken whole */
    }
    take (inner, value, dot + 1);
}

static json_t *
selected (const json_t *object, char **paths)
{
    json_t *result = json_object ();
    for (guint i = 0; paths[i] != NULL; i++)
        take (result, object, paths[i]);
    return result;
}

json_t *
fields_shape (HttpRequest *request, json_t *body)
{
    const char *text = http_request_query (request, "fields");
    if (text == NULL || !json_is_object (body))
        return body;
    g_auto (GStrv) paths = g_strsplit (text, ",", -1);
    json_t *items = json_object_get (body, "items"), *result;
    if (!json_is_array (items)) {
        result = selected (body, paths);
    } else {
        json_t *list = json_array (), *item;
        gsize i;
        json_array_foreach (items, i, item)
            json_array_append_new (list, selected (item, paths));
        result = json_pack ("{s:o, s:O}", "items", list, "next", json_object_get (body, "next"));
    }
    json_decref (body);
    return result;
}
