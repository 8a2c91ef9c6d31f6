#include "vdc/controller/audit_params.h"

#include <string.h>

/* Keys whose text is a name, a word or an address by the API's schemas. */
static const char *const plain[] = {
    "action", "address",  "application", "base", "catalog",  "class",  "expires", "format",
    "from",   "id",       "instance",    "kind", "mode",     "name",   "network", "new_name",
    "object", "op",       "operation",   "path", "protocol", "role",   "scope",   "server",
    "state",  "terminal", "to",          "user", "version",  "volume", NULL,
};
/* Also numbers under these are not kept. */
static const char *const hidden[] = {"password", "secret", "token", "key", "cookie", "private", NULL};

static gboolean
is_hidden (const char *key)
{
    g_autofree char *lower = g_ascii_strdown (key, -1);
    for (guint i = 0; hidden[i] != NULL; i++)
        if (strstr (lower, hidden[i]) != NULL)
            return TRUE;
    return FALSE;
}

static json_t *
length_only (gsize bytes)
{
    g_autofree char *text = g_strdup_printf ("(%" G_GSIZE_FORMAT " bytes)", bytes);
    return json_string (text);
}

static json_t *
kept_text (const char *key, const char *text, gsize length, gboolean named)
{
    if (!named || key == NULL || !g_strv_contains (plain, key) || length > AUDIT_NAME_MAX_BYTES)
        return length_only (length);
    return json_str_new (text);
}

static json_t *kept (const char *key, const json_t *value, guint depth, gboolean named);

/* Below the top only operations have keys of ours; elsewhere ("set") keys are the user's own. */
static gboolean
names_below (const char *key)
{
    return strcmp (key, "ops") == 0;
}

static json_t *
kept_object (const json_t *value, guint depth, gboolean named)
{
    json_t *object = json_object ();
    const char *name;
    json_t *member;
    json_object_foreach ((json_t *)value, name, member) {
        if (json_object_size (object) >= AUDIT_PARAMS_MAX_KEYS) {
            json_put (object, "cut", json_true ());
            break;
        }
        g_autofree char *key = g_utf8_make_valid (name, (gssize)MIN (strlen (name), AUDIT_NAME_MAX_BYTES));
        json_put (object, key, kept (name, member, depth + 1, named));
    }
    return object;
}

static json_t *
kept_array (const char *key, const json_t *value, guint depth, gboolean named)
{
    json_t *array = json_array (), *item;
    gsize i;
    json_array_foreach (value, i, item) {
        if (i >= AUDIT_PARAMS_MAX_KEYS) {
            json_array_append_new (array, json_string ("(cut)"));
            break;
        }
        json_array_append_new (array, kept (key, item, depth + 1, named));
    }
    return array;
}

static json_t *
kept (const char *key, const json_t *value, guint depth, gboolean named)
{
    if (key != NULL && is_hidden (key))
        return json_string ("(not kept)");
    if (depth > AUDIT_PARAMS_MAX_DEPTH)
        return json_string ("(cut)");
    if (json_is_string (value))
        return kept_text (key, json_string_value (value), json_string_length (value), named);
    named = named && key != NULL && names_below (key);
    if (json_is_object (value))
        return kept_object (value, depth, named);
    if (json_is_array (value))
        return kept_array (key, value, depth, named);
    return json_deep_copy (value);
}

json_t *
audit_params (const json_t *body, GHashTable *query)
{
    json_t *params = json_is_object (body) ? kept_object (body, 0, TRUE) : json_object ();
    GHashTableIter iter;
    const char *name, *text;
    if (query != NULL) {
        g_hash_table_iter_init (&iter, query);
        while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&text)) {
            g_autoptr (json_t) value = json_str_new (text);
            if (json_object_get (params, name) == NULL && json_object_size (params) < AUDIT_PARAMS_MAX_KEYS)
                json_put (params, name, kept (name, value, 0, TRUE));
        }
    }
    if (json_dumpb (params, NULL, 0, JSON_COMPACT) <= AUDIT_PARAMS_MAX_BYTES)
        return params;
    json_decref (params);
    return json_pack ("{s:b}", "cut", 1);
}
