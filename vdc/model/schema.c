#include "vdc/model/schema.h"

#include <string.h>

#include "vdc/model/problems.h"

#define REFERENCE_PREFIX "#/components/schemas/"
#define ENUM_SHOWN 12 /* words of a list shown in a message */

typedef struct {
    SchemaLookup lookup;
    gpointer user_data;
    SchemaProblem *problem;
    guint depth;
} Check;

void
schema_problem_clear (SchemaProblem *problem)
{
    g_clear_pointer (&problem->path, g_free);
    g_clear_pointer (&problem->message, g_free);
    g_clear_pointer (&problem->nearest, g_free);
}

static gboolean G_GNUC_PRINTF (4, 5)
    wrong (Check *check, const char *path, const char *nearest, const char *format, ...)
{
    va_list args;
    schema_problem_clear (check->problem);
    va_start (args, format);
    check->problem->message = g_strdup_vprintf (format, args);
    va_end (args);
    check->problem->path = g_strdup (path);
    check->problem->nearest = g_strdup (nearest);
    return FALSE;
}

const char *
schema_reference (const json_t *schema)
{
    const char *text = json_string_value (json_object_get (schema, "$ref"));
    return text != NULL && g_str_has_prefix (text, REFERENCE_PREFIX) ? text + strlen (REFERENCE_PREFIX)
                                                                     : NULL;
}

static gint64
number_of (const json_t *schema, const char *word, gint64 fallback)
{
    const json_t *value = json_object_get (schema, word);
    return json_is_integer (value) ? json_integer_value (value) : fallback;
}

/* --- types ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
} types[] = {
    {"object", "an object"}, {"array", "a list"},
    {"string", "a text"},    {"integer", "a whole number"},
    {"number", "a number"},  {"boolean", "true or false"},
    {"null", "null"},
};

static gboolean
is_type (const char *type, const json_t *value)
{
    switch (json_typeof (value)) {
    case JSON_OBJECT:
        return strcmp (type, "object") == 0;
    case JSON_ARRAY:
        return strcmp (type, "array") == 0;
    case JSON_STRING:
        return strcmp (type, "string") == 0;
    case JSON_INTEGER:
        return strcmp (type, "integer") == 0 || strcmp (type, "number") == 0;
    case JSON_REAL:
        return strcmp (type, "number") == 0;
    case JSON_TRUE:
    case JSON_FALSE:
        return strcmp (type, "boolean") == 0;
    case JSON_NULL:
        return strcmp (type, "null") == 0;
    }
    return FALSE;
}

static const char *
type_text (const char *type)
{
    for (guint i = 0; i < G_N_ELEMENTS (types); i++)
        if (strcmp (types[i].name, type) == 0)
            return types[i].text;
    return NULL;
}

static gboolean
check_type (Check *check, const json_t *type, const json_t *value, const char *path)
{
    g_autoptr (GString) wanted = g_string_new (NULL);
    gsize n = json_is_array (type) ? json_array_size (type) : type != NULL ? 1 : 0;
    for (gsize i = 0; i < n; i++) {
        const char *name = json_string_value (json_is_array (type) ? json_array_get (type, i) : type);
        if (is_type (name, value))
            return TRUE;
        g_string_append_printf (wanted, "%s%s", wanted->len > 0 ? " or " : "", type_text (name));
    }
    return n == 0 || wrong (check, path, NULL, "must be %s", wanted->str);
}

/* --- plain values ------------------------------------------------------------------------------------------ */

static gboolean
check_enum (Check *check, const json_t *words, const json_t *value, const char *path)
{
    g_autoptr (GString) list = g_string_new (NULL);
    g_autoptr (GPtrArray) candidates = g_ptr_array_new ();
    json_t *word;
    gsize i;
    json_array_foreach ((json_t *)words, i, word) {
        if (json_equal (word, value))
            return TRUE;
        if (!json_is_string (word))
            continue;
        g_ptr_array_add (candidates, (gpointer)json_string_value (word));
        if (i < ENUM_SHOWN)
            g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", json_string_value (word));
        else if (i == ENUM_SHOWN)
            g_string_append (list, ", …");
    }
    g_ptr_array_add (candidates, NULL);
    const char *nearest = json_is_string (value) ? nearest_word (json_string_value (value),
                                                                 (const char *const *)candidates->pdata)
                                                 : NULL;
    return wrong (check, path, nearest, "must be one of %s", list->str);
}

static gboolean
check_string (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    const char *text = json_string_value (value), *pattern;
    glong length = g_utf8_strlen (text, -1);
    gint64 min = number_of (schema, "minLength", 0), max = number_of (schema, "maxLength", G_MAXINT64);
    if (length < min && max == G_MAXINT64)
        return wrong (check, path, NULL, min == 1 ? "must not be empty" : "is too short");
    if (length < min || length > max)
        return wrong (check, path, NULL, "must have %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " characters",
                      min, max);
    pattern = json_string_value (json_object_get (schema, "pattern"));
    if (pattern != NULL && !g_regex_match_simple (pattern, text, G_REGEX_DOLLAR_ENDONLY, 0))
        return wrong (check, path, NULL, "must match %s", pattern);
    return TRUE;
}

static gboolean
check_number (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    const json_t *min = json_object_get (schema, "minimum"), *max = json_object_get (schema, "maximum");
    double number = json_number_value (value);
    if (min != NULL && number < json_number_value (min))
        return wrong (check, path, NULL, "must be at least %.15g", json_number_value (min));
    if (max != NULL && number > json_number_value (max))
        return wrong (check, path, NULL, "must be at most %.15g", json_number_value (max));
    return TRUE;
}

/* --- lists and objects ------------------------------------------------------------------------------------- */

static gboolean check_value (Check *check, const json_t *schema, const json_t *value, const char *path);

static gboolean
check_array (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    const json_t *items = json_object_get (schema, "items");
    gint64 size = (gint64)json_array_size (value), min = number_of (schema, "minItems", 0),
           max = number_of (schema, "maxItems", G_MAXINT64);
    if (size < min)
        return wrong (check, path, NULL, "must have at least %" G_GINT64_FORMAT " entries", min);
    if (size > max)
        return wrong (check, path, NULL, "must have at most %" G_GINT64_FORMAT " entries", max);
    for (gsize i = 0; items != NULL && i < (gsize)size; i++) {
        g_autofree char *place = path_index (path, i);
        if (!check_value (check, items, json_array_get (value, i), place))
            return FALSE;
    }
    return TRUE;
}

static gboolean
unknown_key (Check *check, const json_t *properties, const char *key, const char *path)
{
    g_autoptr (GPtrArray) known = g_ptr_array_new ();
    g_autofree char *place = path_key (path, key);
    g_autofree char *quoted = problem_quote (key);
    const char *name;
    json_t *property;
    json_object_foreach ((json_t *)properties, name, property)
        g_ptr_array_add (known, (gpointer)name);
    g_ptr_array_add (known, NULL);
    const char *nearest = nearest_word (key, (const char *const *)known->pdata);
    return wrong (check, place, nearest, "there is no field %s%s%s%s", quoted,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static gboolean
check_required (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    json_t *name;
    gsize i;
    json_array_foreach (json_object_get (schema, "required"), i, name) {
        if (json_object_get (value, json_string_value (name)) != NULL)
            continue;
        g_autofree char *place = path_key (path, json_string_value (name));
        return wrong (check, place, NULL, "is missing");
    }
    return TRUE;
}

static gboolean
check_object (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    const json_t *properties = json_object_get (schema, "properties"),
                 *more = json_object_get (schema, "additionalProperties");
    gint64 size = (gint64)json_object_size (value);
    const char *key;
    json_t *member;
    if (size > number_of (schema, "maxProperties", G_MAXINT64))
        return wrong (check, path, NULL, "must have at most %" G_GINT64_FORMAT " fields",
                      number_of (schema, "maxProperties", 0));
    json_object_foreach ((json_t *)value, key, member) {
        const json_t *known = json_object_get (properties, key);
        if (known == NULL && json_is_false (more))
            return unknown_key (check, properties, key, path);
        if (known == NULL && !json_is_object (more))
            continue;
        g_autofree char *place = path_key (path, key);
        if (!check_value (check, known != NULL ? known : more, member, place))
            return FALSE;
    }
    if (size < number_of (schema, "minProperties", 0))
        return wrong (check, path, NULL, "must not be empty");
    return check_required (check, schema, value, path);
}

/* The alternative for a value of this type: the one whose message helps, should it not fit either. */
static gboolean
check_alternatives (Check *check, const json_t *list, const json_t *value, const char *path)
{
    g_auto (SchemaProblem) first = {0};
    SchemaProblem *problem = check->problem;
    gboolean fits = FALSE;
    json_t *schema;
    gsize i;
    json_array_foreach ((json_t *)list, i, schema) {
        g_auto (SchemaProblem) other = {0};
        check->problem = &other;
        fits = check_value (check, schema, value, path);
        if (fits)
            break;
        /* One that fails deeper down is the one that was meant. */
        if (first.path == NULL || strlen (other.path) > strlen (first.path)) {
            schema_problem_clear (&first);
            first = other;
            memset (&other, 0, sizeof other);
        }
    }
    check->problem = problem;
    return fits || wrong (check, first.path ? first.path : path, first.nearest, "%s",
                          first.message ? first.message : "does not fit");
}

static gboolean
check_plain (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    const json_t *constant = json_object_get (schema, "const"), *words = json_object_get (schema, "enum"),
                 *alternatives = json_object_get (schema, "oneOf");
    if (!check_type (check, json_object_get (schema, "type"), value, path))
        return FALSE;
    if (constant != NULL && !json_equal (constant, value))
        return wrong (check, path, NULL, "must be \"%s\"",
                      json_is_string (constant) ? json_string_value (constant) : "the one value allowed");
    if (words != NULL && !check_enum (check, words, value, path))
        return FALSE;
    if (alternatives != NULL && !check_alternatives (check, alternatives, value, path))
        return FALSE;
    if (json_is_object (value))
        return check_object (check, schema, value, path);
    if (json_is_array (value))
        return check_array (check, schema, value, path);
    if (json_is_string (value))
        return check_string (check, schema, value, path);
    return !json_is_number (value) || check_number (check, schema, value, path);
}

static gboolean
check_value (Check *check, const json_t *schema, const json_t *value, const char *path)
{
    const char *name = schema_reference (schema);
    gboolean fits = FALSE;
    if (++check->depth > SCHEMA_DEPTH_MAX)
        wrong (check, path, NULL, "is nested more than %d deep", SCHEMA_DEPTH_MAX);
    else if (name == NULL)
        fits = check_plain (check, schema, value, path);
    else {
        const json_t *meant = check->lookup (name, check->user_data);
        fits = meant != NULL ? check_value (check, meant, value, path)
                             : wrong (check, path, NULL, "has no schema %s", name);
    }
    check->depth--;
    return fits;
}

gboolean
schema_fits (const json_t *schema, const json_t *value, SchemaLookup lookup, gpointer user_data,
             SchemaProblem *problem)
{
    Check check = {lookup, user_data, problem, 0};
    return check_value (&check, schema, value, "");
}

/* --- is a schema one --------------------------------------------------------------------------------------- */

typedef gboolean (*WordCheck) (Check *check, const json_t *value, const char *path);

static gboolean check_schema (Check *check, const json_t *schema, const char *path);

static gboolean
word_any (Check *check, const json_t *value, const char *path)
{
    return TRUE;
}

static gboolean
word_reference (Check *check, const json_t *value, const char *path)
{
    g_autoptr (GString) text = g_string_new (json_string_value (value));
    const char *name =
        g_str_has_prefix (text->str, REFERENCE_PREFIX) ? text->str + strlen (REFERENCE_PREFIX) : "";
    return check->lookup (name, check->user_data) != NULL ||
           wrong (check, path, NULL, "there is no schema %s", text->str);
}

static gboolean
word_type (Check *check, const json_t *value, const char *path)
{
    gsize n = json_is_array (value) ? json_array_size (value) : 1;
    for (gsize i = 0; i < n; i++) {
        const char *name = json_string_value (json_is_array (value) ? json_array_get (value, i) : value);
        if (name == NULL || type_text (name) == NULL)
            return wrong (check, path, NULL, "must be a type");
    }
    return n > 0 || wrong (check, path, NULL, "must be a type");
}

static gboolean
word_properties (Check *check, const json_t *value, const char *path)
{
    const char *key;
    json_t *schema;
    if (!json_is_object (value))
        return wrong (check, path, NULL, "must be an object");
    json_object_foreach ((json_t *)value, key, schema) {
        g_autofree char *place = path_key (path, key);
        if (!check_schema (check, schema, place))
            return FALSE;
    }
    return TRUE;
}

static gboolean
word_more (Check *check, const json_t *value, const char *path)
{
    return json_is_boolean (value) || check_schema (check, value, path);
}

static gboolean
word_strings (Check *check, const json_t *value, const char *path)
{
    for (gsize i = 0; i < json_array_size (value); i++)
        if (!json_is_string (json_array_get (value, i)))
            return wrong (check, path, NULL, "must be a list of texts");
    return json_is_array (value) || wrong (check, path, NULL, "must be a list of texts");
}

static gboolean
word_list (Check *check, const json_t *value, const char *path)
{
    return json_array_size (value) > 0 || wrong (check, path, NULL, "must be a list");
}

static gboolean
word_schemas (Check *check, const json_t *value, const char *path)
{
    for (gsize i = 0; i < json_array_size (value); i++) {
        g_autofree char *place = path_index (path, i);
        if (!check_schema (check, json_array_get (value, i), place))
            return FALSE;
    }
    return word_list (check, value, path);
}

static gboolean
word_count (Check *check, const json_t *value, const char *path)
{
    return (json_is_integer (value) && json_integer_value (value) >= 0) ||
           wrong (check, path, NULL, "must be a count");
}

static gboolean
word_number (Check *check, const json_t *value, const char *path)
{
    return json_is_number (value) || wrong (check, path, NULL, "must be a number");
}

static gboolean
word_text (Check *check, const json_t *value, const char *path)
{
    return json_is_string (value) || wrong (check, path, NULL, "must be a text");
}

static gboolean
word_pattern (Check *check, const json_t *value, const char *path)
{
    g_autoptr (GRegex) regex =
        json_is_string (value) ? g_regex_new (json_string_value (value), 0, 0, NULL) : NULL;
    return regex != NULL || wrong (check, path, NULL, "must be a pattern");
}

static const struct {
    const char *word;
    WordCheck check;
} words[] = {
    {"$ref", word_reference},
    {"type", word_type},
    {"properties", word_properties},
    {"required", word_strings},
    {"additionalProperties", word_more},
    {"minProperties", word_count},
    {"maxProperties", word_count},
    {"items", check_schema},
    {"minItems", word_count},
    {"maxItems", word_count},
    {"enum", word_list},
    {"const", word_any},
    {"minimum", word_number},
    {"maximum", word_number},
    {"minLength", word_count},
    {"maxLength", word_count},
    {"pattern", word_pattern},
    {"oneOf", word_schemas},
    {"description", word_text},
    {"title", word_text},
    {"examples", word_list},
    {"default", word_any},
    {"format", word_text},
    {"readOnly", word_any},
    {"writeOnly", word_any},
};

static gboolean
check_word (Check *check, const char *word, const json_t *value, const char *path)
{
    g_autofree char *place = path_key (path, word);
    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        if (strcmp (words[i].word, word) == 0)
            return words[i].check (check, value, place);
    return wrong (check, place, NULL, "is no word of the schemas used here");
}

static gboolean
check_schema (Check *check, const json_t *schema, const char *path)
{
    const char *word;
    json_t *value;
    gboolean valid = json_is_object (schema) || wrong (check, path, NULL, "must be a schema");
    if (++check->depth > SCHEMA_DEPTH_MAX)
        valid = wrong (check, path, NULL, "is nested too deep");
    json_object_foreach ((json_t *)schema, word, value)
        valid = valid && check_word (check, word, value, path);
    check->depth--;
    return valid;
}

gboolean
schema_is_valid (const json_t *schema, SchemaLookup lookup, gpointer user_data, SchemaProblem *problem)
{
    Check check = {lookup, user_data, problem, 0};
    return check_schema (&check, schema, "");
}
