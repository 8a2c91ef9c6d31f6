#include "vdc/base/json.h"

#include "vdc/base/error.h"

#include <stdlib.h>

/* jansson hands out malloc'd text; callers of ours use g_free, which is the same allocator since GLib 2.46.
 */
static char *
dump (const json_t *value, size_t flags)
{
    char *text = json_dumps (value, flags | JSON_ENCODE_ANY);
    g_assert (text != NULL);
    return text;
}

char *
json_text (const json_t *value)
{
    return dump (value, JSON_COMPACT | JSON_SORT_KEYS);
}

char *
json_pretty (const json_t *value)
{
    return dump (value, JSON_INDENT (2));
}

guint
json_text_depth (const char *text, gsize length)
{
    guint depth = 0, deepest = 0;
    gboolean quoted = FALSE;
    for (gsize i = 0; i < length; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[')) {
            depth++;
            deepest = MAX (deepest, depth);
        } else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return deepest;
}

json_t *
json_parse (const char *text, gsize length, GError **error)
{
    json_error_t problem;
    json_t *value = json_loadb (text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);

    if (value == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "not valid JSON: line %d, column %d: %s",
                     problem.line, problem.column, problem.text);
    return value;
}

json_t *
json_parse_file (const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr (GError) local = NULL;

    if (!g_file_get_contents (path, &text, &length, &local)) {
        g_set_error (error, VDC_ERROR,
                     g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? VDC_ERROR_NOT_FOUND
                                                                               : VDC_ERROR_FAILED,
                     "%s", local->message);
        return NULL;
    }
    json_t *value = json_parse (text, length, error);
    if (value == NULL)
        g_prefix_error (error, "%s: ", path);
    return value;
}

static gboolean
need (const json_t *object, const char *where, const char *key, gboolean right, const char *type,
      GError **error)
{
    if (right)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s%s%s must be %s", where ? where : "", where ? "." : "",
                 key, type);
    return FALSE;
}

gboolean
json_need_string (const json_t *object, const char *where, const char *key, const char **value,
                  GError **error)
{
    json_t *member = json_object_get (object, key);
    if (!need (object, where, key, json_is_string (member), "a string", error))
        return FALSE;
    *value = json_string_value (member);
    return TRUE;
}

gboolean
json_need_int (const json_t *object, const char *where, const char *key, gint64 *value, GError **error)
{
    json_t *member = json_object_get (object, key);
    if (!need (object, where, key, json_is_integer (member), "an integer", error))
        return FALSE;
    *value = json_integer_value (member);
    return TRUE;
}

gboolean
json_need_object (const json_t *object, const char *where, const char *key, json_t **value, GError **error)
{
    json_t *member = json_object_get (object, key);
    if (!need (object, where, key, json_is_object (member), "an object", error))
        return FALSE;
    *value = member;
    return TRUE;
}

gboolean
json_need_array (const json_t *object, const char *where, const char *key, json_t **value, GError **error)
{
    json_t *member = json_object_get (object, key);
    if (!need (object, where, key, json_is_array (member), "an array", error))
        return FALSE;
    *value = member;
    return TRUE;
}

const char *
json_str (const json_t *object, const char *key, const char *fallback)
{
    json_t *member = json_object_get (object, key);
    return json_is_string (member) ? json_string_value (member) : fallback;
}

gint64
json_int (const json_t *object, const char *key, gint64 fallback)
{
    json_t *member = json_object_get (object, key);
    return json_is_integer (member) ? json_integer_value (member) : fallback;
}

double
json_num (const json_t *object, const char *key, double fallback)
{
    json_t *member = json_object_get (object, key);
    return json_is_number (member) ? json_number_value (member) : fallback;
}

gboolean
json_bool (const json_t *object, const char *key, gboolean fallback)
{
    json_t *member = json_object_get (object, key);
    return json_is_boolean (member) ? json_boolean_value (member) : fallback;
}

void
json_put (json_t *object, const char *key, json_t *value)
{
    int rc = json_object_set_new (object, key, value ? value : json_null ());
    g_assert (rc == 0);
}

json_t *
json_str_new (const char *text)
{
    if (text == NULL)
        return json_null ();
    if (g_utf8_validate (text, -1, NULL))
        return json_string (text);
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    return json_string (valid);
}
