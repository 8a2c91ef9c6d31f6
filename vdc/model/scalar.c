/*
 * Plain scalars of the YAML 1.2 core schema. One difference, as the design wants it: a number never begins
 * with a needless zero, so that `012` stays what was written.
 */
#include "vdc/model/document_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static gboolean
is_one_of (const char *text, const char *const *words)
{
    return g_strv_contains (words, text);
}

static gboolean
is_decimal (const char *text)
{
    gsize digits = strspn (text, "0123456789");
    return digits > 0 && text[digits] == '\0' && (digits == 1 || text[0] != '0');
}

static gboolean
is_real (const char *text)
{
    gsize whole = strspn (text, "0123456789");
    const char *at = text + whole;
    gsize fraction = 0;

    if (whole > 1 && text[0] == '0')
        return FALSE;
    if (*at == '.') {
        fraction = strspn (at + 1, "0123456789");
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return FALSE;
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        gsize exponent = strspn (at, "0123456789");
        if (exponent == 0)
            return FALSE;
        at += exponent;
    }
    return *at == '\0';
}

/* @digits: 0o… or 0x…, without the prefix. */
static gboolean
is_based (const char *text, char letter, const char *digits)
{
    return text[0] == '0' && text[1] == letter && text[2] != '\0' &&
           text[2 + strspn (text + 2, digits)] == '\0';
}

static json_t *
integer (const char *text, guint base, const char **why)
{
    errno = 0;
    gint64 value = g_ascii_strtoll (text, NULL, base);
    if (errno == ERANGE) {
        *why = "is a number too large to be held";
        return NULL;
    }
    return json_integer (value);
}

static json_t *
real (const char *text, const char **why)
{
    double value = g_ascii_strtod (text, NULL);
    if (!isfinite (value)) {
        *why = "is a number too large to be held";
        return NULL;
    }
    return json_real (value);
}

json_t *
scalar_resolve (const char *text, const char **why)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const specials[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    const char *unsigned_text = text + (text[0] == '-' || text[0] == '+');

    if (is_one_of (text, nulls))
        return json_null ();
    if (is_one_of (text, trues))
        return json_true ();
    if (is_one_of (text, falses))
        return json_false ();
    if (is_decimal (unsigned_text))
        return integer (text, 10, why);
    if (is_based (text, 'o', "01234567"))
        return integer (text + 2, 8, why);
    if (is_based (text, 'x', "0123456789abcdefABCDEF"))
        return integer (text + 2, 16, why);
    if (is_real (unsigned_text))
        return real (text, why);
    if (is_one_of (unsigned_text, specials)) {
        *why = "is no number that can be used; quote it to mean the text";
        return NULL;
    }
    return json_string (text);
}

json_t *
document_scalar (const char *text)
{
    const char *why = NULL;
    json_t *value = scalar_resolve (text, &why);

    return value != NULL ? value : json_string (text);
}
