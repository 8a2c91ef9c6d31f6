#include "vdc/base/id.h"

#include <string.h>
#include <sys/random.h>

static gboolean
shape (const char *text, gsize max, gboolean (*first) (char), gboolean (*rest) (char))
{
    if (text == NULL || !first (text[0]))
        return FALSE;
    gsize length = strnlen (text, max + 1);
    if (length > max)
        return FALSE;
    for (gsize i = 1; i < length; i++)
        if (!rest (text[i]))
            return FALSE;
    return TRUE;
}

static gboolean
is_lower (char c)
{
    return c >= 'a' && c <= 'z';
}

static gboolean
is_upper (char c)
{
    return c >= 'A' && c <= 'Z';
}

static gboolean
is_name_rest (char c)
{
    return is_lower (c) || (c >= '0' && c <= '9') || c == '-';
}

static gboolean
is_terminal_rest (char c)
{
    return is_lower (c) || (c >= '0' && c <= '9') || c == '_';
}

static gboolean
is_class_rest (char c)
{
    return is_terminal_rest (c) || is_upper (c);
}

gboolean
id_is_name (const char *text)
{
    return shape (text, ID_NAME_MAX, is_lower, is_name_rest) && text[strlen (text) - 1] != '-';
}

gboolean
id_is_terminal (const char *text)
{
    return shape (text, ID_TERMINAL_MAX, is_lower, is_terminal_rest);
}

gboolean
id_is_class (const char *text)
{
    return shape (text, ID_CLASS_MAX, is_upper, is_class_rest);
}

const char *
id_name_rule (void)
{
    return "1 to 32 lower-case letters, digits and '-', beginning with a letter, not ending with '-'";
}

const char *
id_terminal_rule (void)
{
    return "1 to 32 lower-case letters, digits and '_', beginning with a letter";
}

const char *
id_class_rule (void)
{
    return "1 to 32 letters, digits and '_', beginning with a capital";
}

char *
id_random (guint bytes)
{
    guint8 raw[64];
    g_assert (bytes > 0 && bytes <= sizeof raw);
    /* Up to 256 bytes from the kernel's pool are never short. */
    ssize_t got = getrandom (raw, bytes, 0);
    g_assert (got == (ssize_t) bytes);

    GString *text = g_string_sized_new (2 * bytes);
    for (guint i = 0; i < bytes; i++)
        g_string_append_printf (text, "%02x", raw[i]);
    return g_string_free (text, FALSE);
}
