/*
 * JSON values as YAML for people: block style, plain scalars where nobody can misread them, else double
 * quotes.
 */
#include "vdc/model/document_internal.h"

#include <string.h>

/* libyaml takes a key of at most 1024 characters on the line of its value. */
#define SIMPLE_KEY_MAX 1000

static gboolean
is_plain (const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/$.";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/$.@+->() ";
    gsize length = strlen (text);
    const char *why = NULL;

    if (length == 0 || strchr (first, text[0]) == NULL || strspn (text, rest) != length ||
        text[length - 1] == ' ')
        return FALSE;
    json_t *meaning = scalar_resolve (text, &why);
    gboolean same = json_is_string (meaning);
    json_decref (meaning);
    /* "...", which ends a document. */
    return same && !g_str_has_prefix (text, "...");
}

/* Line separators too: libyaml takes them for line breaks even in quotes. */
static gboolean
is_visible (gunichar character)
{
    switch (g_unichar_type (character)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_UNASSIGNED:
        return FALSE;
    default:
        return TRUE;
    }
}

static void
append_quoted (GString *out, const char *text)
{
    g_string_append_c (out, '"');
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at)) {
        gunichar character = g_utf8_get_char (at);
        if (character == '"' || character == '\\')
            g_string_append_printf (out, "\\%c", (char)character);
        else if (character == '\n')
            g_string_append (out, "\\n");
        else if (character == '\t')
            g_string_append (out, "\\t");
        else if (is_visible (character))
            g_string_append_unichar (out, character);
        else
            g_string_append_printf (out, character > 0xffff ? "\\U%08X" : "\\u%04X", character);
    }
    g_string_append_c (out, '"');
}

static void
append_string (GString *out, const char *text)
{
    if (is_plain (text))
        g_string_append (out, text);
    else
        append_quoted (out, text);
}

/* The shortest text that reads back as the same number. */
static void
append_real (GString *out, const json_t *value)
{
    for (int digits = 15; digits <= 17; digits++) {
        char *text = json_dumps (value, JSON_ENCODE_ANY | JSON_REAL_PRECISION (digits));
        gboolean same = g_ascii_strtod (text, NULL) == json_real_value (value);
        if (same || digits == 17)
            g_string_append (out, text);
        g_free (text);
        if (same)
            return;
    }
}

static void
append_scalar (GString *out, const json_t *value)
{
    switch (json_typeof (value)) {
    case JSON_STRING:
        append_string (out, json_string_value (value));
        break;
    case JSON_INTEGER:
        g_string_append_printf (out, "%" JSON_INTEGER_FORMAT, json_integer_value (value));
        break;
    case JSON_REAL:
        append_real (out, value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        g_string_append (out, json_is_true (value) ? "true" : "false");
        break;
    case JSON_OBJECT:
        g_string_append (out, "{}");
        break;
    case JSON_ARRAY:
        g_string_append (out, "[]");
        break;
    default:
        g_string_append (out, "null");
    }
}

static gboolean
is_block (const json_t *value)
{
    return json_object_size (value) > 0 || json_array_size (value) > 0;
}

static void
append_indent (GString *out, guint indent)
{
    for (guint i = 0; i < indent; i++)
        g_string_append_c (out, ' ');
}

static void append_block (GString *out, const json_t *value, guint indent);

static void
append_member (GString *out, const char *key, const json_t *value, guint indent)
{
    gsize start = out->len;

    append_indent (out, indent);
    append_string (out, key);
    if (out->len - start > SIMPLE_KEY_MAX) {
        g_string_insert (out, start + indent, "? ");
        g_string_append_c (out, '\n');
        append_indent (out, indent);
    }
    g_string_append (out, is_block (value) ? ":\n" : ": ");
    if (is_block (value)) {
        append_block (out, value, indent + 2);
    } else {
        append_scalar (out, value);
        g_string_append_c (out, '\n');
    }
}

static void
append_item (GString *out, const json_t *value, guint indent)
{
    append_indent (out, indent);
    g_string_append (out, is_block (value) ? "-\n" : "- ");
    if (is_block (value)) {
        append_block (out, value, indent + 2);
    } else {
        append_scalar (out, value);
        g_string_append_c (out, '\n');
    }
}

static void
append_block (GString *out, const json_t *value, guint indent)
{
    const char *key;
    const json_t *member;
    gsize index;

    if (json_is_object (value)) {
        json_object_foreach ((json_t *)value, key, member)
            append_member (out, key, member, indent);
    } else {
        json_array_foreach (value, index, member)
            append_item (out, member, indent);
    }
}

char *
document_yaml (const json_t *value)
{
    GString *out = g_string_new (NULL);

    if (is_block (value)) {
        append_block (out, value, 0);
    } else {
        append_scalar (out, value);
        g_string_append_c (out, '\n');
    }
    return g_string_free (out, FALSE);
}
