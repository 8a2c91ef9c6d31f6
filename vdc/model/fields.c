#include "vdc/model/fields.h"

#include "vdc/base/id.h"

#include <string.h>

void
field_check_keys (json_t *object, const char *path, Problems *problems, ...)
{
    g_autoptr (GPtrArray) known = g_ptr_array_new ();
    const char *key, *word;
    json_t *value;
    va_list args;

    va_start (args, problems);
    while ((word = va_arg (args, const char *)) != NULL)
        g_ptr_array_add (known, (char *)word);
    va_end (args);
    g_ptr_array_add (known, NULL);

    json_object_foreach (object, key, value) {
        const char *const *words = (const char *const *)known->pdata;
        if (g_strv_contains (words, key))
            continue;
        g_autofree char *place = path_key (path, key);
        g_autofree char *quoted = problem_quote (key);
        problems_add (problems, "unknown_key", place, nearest_word (key, words), "unknown key %s%s", quoted,
                      json_is_null (value) ? ": a text that holds a comma must be quoted inside { }" : "");
    }
}

const char *
json_type_text (const json_t *value)
{
    if (value == NULL)
        return "nothing";
    switch (json_typeof (value)) {
    case JSON_OBJECT:
        return "a mapping";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

gboolean
field_wrong_type (const json_t *value, const char *wanted, const char *path, Problems *problems)
{
    problems_add (problems, "wrong_type", path, NULL, "must be %s, not %s", wanted, json_type_text (value));
    return FALSE;
}

/* What can deceive a reader or break a line: everything that is not visible as itself. */
static gboolean
is_harmful (gunichar character, TextKind kind)
{
    if (kind == TEXT_LINES && (character == '\n' || character == '\t'))
        return FALSE;
    switch (g_unichar_type (character)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* bidirectional overrides and isolates, zero-width characters, tags */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_UNASSIGNED:
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
field_check_text (const char *text, TextKind kind, guint max, const char *path, Problems *problems)
{
    glong length = g_utf8_strlen (text, -1);

    if (length > (glong)max) {
        problems_add (problems, "too_long", path, NULL, "has %ld characters; at most %u are allowed", length,
                      max);
        return FALSE;
    }
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at)) {
        gunichar character = g_utf8_get_char (at);
        if (!is_harmful (character, kind))
            continue;
        problems_add (problems, "bad_text", path, NULL,
                      "holds the character U+%04X, which is not allowed here%s", character,
                      character == '\n' ? ": it is one line" : "");
        return FALSE;
    }
    return TRUE;
}

char *
field_text (json_t *object, const char *path, const char *key, TextKind kind, guint max, Problems *problems)
{
    json_t *value = json_object_get (object, key);
    g_autofree char *place = path_key (path, key);

    if (value == NULL)
        return NULL;
    if (!json_is_string (value)) {
        field_wrong_type (value, "a string", place, problems);
        return NULL;
    }
    if (!field_check_text (json_string_value (value), kind, max, place, problems))
        return NULL;
    return g_strdup (json_string_value (value));
}

gboolean
field_bool (json_t *object, const char *path, const char *key, gboolean fallback, Problems *problems)
{
    json_t *value = json_object_get (object, key);

    if (value == NULL)
        return fallback;
    if (json_is_boolean (value))
        return json_is_true (value);
    g_autofree char *place = path_key (path, key);
    field_wrong_type (value, "true or false", place, problems);
    return fallback;
}

static gboolean
check_range (gint64 value, gint64 min, gint64 max, const char *path, Problems *problems)
{
    if (value >= min && value <= max)
        return TRUE;
    problems_add (problems, "out_of_range", path, NULL,
                  "must be from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, min,
                  max, value);
    return FALSE;
}

gint64
field_int (json_t *object, const char *path, const char *key, gint64 min, gint64 max, gint64 fallback,
           Problems *problems)
{
    json_t *value = json_object_get (object, key);
    g_autofree char *place = path_key (path, key);

    if (value == NULL)
        return fallback;
    if (!json_is_integer (value)) {
        field_wrong_type (value, "an integer", place, problems);
        return fallback;
    }
    return check_range (json_integer_value (value), min, max, place, problems) ? json_integer_value (value)
                                                                               : fallback;
}

/* -1 when @value is no duration. */
static gint64
seconds_of (const json_t *value)
{
    if (json_is_integer (value))
        return json_integer_value (value) < 0 ? -1 : json_integer_value (value);
    if (!json_is_string (value))
        return -1;
    const char *text = json_string_value (value);
    gsize digits = strspn (text, "0123456789");
    if (digits == 0 || digits > 9)
        return -1;
    gint64 number = g_ascii_strtoll (text, NULL, 10);
    const char *unit = text + digits;
    static const struct {
        const char *unit;
        gint64 seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    for (gsize i = 0; i < G_N_ELEMENTS (units); i++)
        if (strcmp (unit, units[i].unit) == 0)
            return number * units[i].seconds;
    return -1;
}

guint
field_seconds (json_t *object, const char *path, const char *key, guint min, guint max, guint fallback,
               Problems *problems)
{
    json_t *value = json_object_get (object, key);
    g_autofree char *place = path_key (path, key);

    if (value == NULL)
        return fallback;
    gint64 seconds = seconds_of (value);
    if (seconds < 0) {
        problems_add (problems, "bad_duration", place, NULL, "must be a time such as 30, 90s, 5m or 24h");
        return fallback;
    }
    return check_range (seconds, min, max, place, problems) ? (guint)seconds : fallback;
}

gint
field_word (json_t *object, const char *path, const char *key, const char *const *words, gint fallback,
            Problems *problems)
{
    json_t *value = json_object_get (object, key);
    g_autofree char *place = path_key (path, key);

    if (value == NULL)
        return fallback;
    if (!json_is_string (value)) {
        field_wrong_type (value, "a word", place, problems);
        return fallback;
    }
    for (gint i = 0; words[i] != NULL; i++)
        if (strcmp (words[i], json_string_value (value)) == 0)
            return i;
    g_autofree char *quoted = problem_quote (json_string_value (value));
    g_autofree char *all = g_strjoinv (", ", (char **)words);
    problems_add (problems, "bad_value", place, nearest_word (json_string_value (value), words),
                  "%s is none of: %s", quoted, all);
    return fallback;
}

json_t *
field_object (json_t *object, const char *path, const char *key, Problems *problems)
{
    json_t *value = json_object_get (object, key);

    if (value == NULL || json_is_object (value))
        return value;
    g_autofree char *place = path_key (path, key);
    field_wrong_type (value, "a mapping", place, problems);
    return NULL;
}

gboolean
field_require (json_t *object, const char *path, const char *key, Problems *problems)
{
    if (json_object_get (object, key) != NULL)
        return TRUE;
    problems_add (problems, "missing_key", path, NULL, "'%s' is missing", key);
    return FALSE;
}

gboolean
field_check_name (const char *name, gboolean (*is_valid) (const char *), const char *rule, const char *what,
                  const char *path, Problems *problems)
{
    if (is_valid (name))
        return TRUE;
    g_autofree char *quoted = problem_quote (name);
    problems_add (problems, "bad_name", path, NULL, "%s is no name of %s: it must be %s", quoted, what, rule);
    return FALSE;
}

gboolean
version_is_valid (const char *text)
{
    const char *at = text;

    if (strnlen (text, ID_NAME_MAX + 1) > ID_NAME_MAX)
        return FALSE;
    for (guint part = 0; part < 3; part++) {
        gsize digits = strspn (at, "0123456789");
        if (digits == 0 || digits > 9)
            return FALSE;
        at += digits;
        if (*at != '.' || part == 2)
            break;
        at++;
    }
    if (*at == '\0')
        return TRUE;
    if (*at != '-' || at[1] == '\0')
        return FALSE;
    return at[1 + strspn (at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] ==
           '\0';
}

/* The number at *@at, 0 when there is none; moves on past it and the point after it. */
static gint64
version_part (const char **at)
{
    gint64 number = 0;

    while (g_ascii_isdigit (**at))
        number = number * 10 + *(*at)++ - '0';
    if (**at == '.')
        (*at)++;
    return number;
}

int
version_compare (const char *a, const char *b)
{
    for (guint part = 0; part < 3; part++) {
        gint64 left = version_part (&a), right = version_part (&b);
        if (left != right)
            return left < right ? -1 : 1;
    }
    if ((*a == '\0') != (*b == '\0'))
        return *a == '\0' ? 1 : -1;
    return strcmp (a, b);
}

gboolean
split_terminal (const char *text, char **instance, char **terminal)
{
    const char *dot = strchr (text, '.');
    g_autofree char *first = dot != NULL ? g_strndup (text, dot - text) : NULL;

    if (dot == NULL || !id_is_name (first) || !id_is_terminal (dot + 1))
        return FALSE;
    *instance = g_steal_pointer (&first);
    *terminal = g_strdup (dot + 1);
    return TRUE;
}
