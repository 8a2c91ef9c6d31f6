#include "vdc/controller/api/schemas.h"

#include <string.h>

#include "vdc/base/json.h"
#include "vdc/controller/api/schemas_private.h"
#include "vdc/http/router.h"

#define LIST_SUFFIX "List"

static json_t *known; /* name → schema */

static void
read_all (void)
{
    known = json_object ();
    for (const SchemaText *schema = schema_texts; schema->name != NULL; schema++) {
        g_autoptr (GError) error = NULL;
        json_t *value = json_parse (schema->text, strlen (schema->text), &error);
        if (value == NULL)
            g_error ("schema %s: %s", schema->name, error->message);
        json_put (known, schema->name, value);
    }
}

static json_t *
list_of (const char *name)
{
    g_autofree char *reference = g_strconcat ("#/components/schemas/", name, NULL);
    return json_pack ("{s:s, s:s, s:[s, s], s:{s:{s:s, s:{s:s}}, s:{s:[s, s], s:s}}}", "description",
                      "A page of them", "type", "object", "required", "items", "next", "properties", "items",
                      "type", "array", "items", "$ref", reference, "next", "type", "string", "null",
                      "description", "Give it as ?after= for the next page; null: this is the last one");
}

const json_t *
schemas_get (const char *name)
{
    if (known == NULL)
        read_all ();
    const json_t *schema = json_object_get (known, name);
    if (schema != NULL || !g_str_has_suffix (name, LIST_SUFFIX))
        return schema;
    g_autofree char *item = g_strndup (name, strlen (name) - strlen (LIST_SUFFIX));
    if (json_object_get (known, item) == NULL)
        return NULL;
    json_put (known, name, list_of (item));
    return json_object_get (known, name);
}

const json_t *
schemas_lookup (const char *name, gpointer unused)
{
    return schemas_get (name);
}

gboolean
schemas_is_plain (const char *name)
{
    return strcmp (name, HTTP_ANSWER_NONE) == 0 || strcmp (name, HTTP_ANSWER_BYTES) == 0 ||
           strcmp (name, HTTP_ANSWER_STREAM) == 0;
}

GPtrArray *
schemas_names (void)
{
    GPtrArray *names = g_ptr_array_new ();
    for (const SchemaText *schema = schema_texts; schema->name != NULL; schema++)
        g_ptr_array_add (names, (gpointer)schema->name);
    return names;
}
