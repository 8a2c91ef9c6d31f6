#include "vdc/model/resources.h"

#include <math.h>
#include <string.h>

/* Above this a double no longer counts single bytes. */
#define AMOUNT_MAX 9007199254740992.0

static const struct {
    const char *what;
    const char *example;
    const char *units; /* each a power of base, beginning with the first */
    double base;
    double smallest;
} kinds[] = {
    [AMOUNT_CPU] = {"a number of cores", "0.25", "", 1, 0.001},
    [AMOUNT_MEMORY] = {"an amount of memory", "192M", "KMGT", 1024, 1},
    [AMOUNT_NETWORK] = {"a rate in bit/s", "100M", "KMG", 1000, 1},
    [AMOUNT_SIZE] = {"a size", "2G", "KMGT", 1024, 1},
};

/* Digits, at most one point, then at most one unit; no sign, exponent or blank. */
static gboolean
parse_text (const char *text, AmountKind kind, double *amount)
{
    gsize digits = strspn (text, "0123456789");
    gsize number = digits;

    if (digits == 0 || digits > 18)
        return FALSE;
    if (text[number] == '.') {
        gsize fraction = strspn (text + number + 1, "0123456789");
        if (fraction == 0 || fraction > 9)
            return FALSE;
        number += 1 + fraction;
    }
    double factor = 1;
    if (text[number] != '\0') {
        const char *unit = strchr (kinds[kind].units, text[number]);
        if (unit == NULL || text[number + 1] != '\0')
            return FALSE;
        factor = pow (kinds[kind].base, unit - kinds[kind].units + 1);
    }
    *amount = g_ascii_strtod (text, NULL) * factor;
    return TRUE;
}

static gboolean
parse (const json_t *value, AmountKind kind, double *amount)
{
    double found = 0;

    if (json_is_number (value))
        found = json_number_value (value);
    else if (!json_is_string (value) || !parse_text (json_string_value (value), kind, &found))
        return FALSE;
    found = kind == AMOUNT_CPU ? round (found * 1000) / 1000 : found;
    if (!isfinite (found) || found < kinds[kind].smallest || found > AMOUNT_MAX)
        return FALSE;
    if (kind != AMOUNT_CPU && found != floor (found))
        return FALSE;
    *amount = found;
    return TRUE;
}

gboolean
amount_parse (const json_t *value, AmountKind kind, const char *path, Problems *problems, double *amount)
{
    if (parse (value, kind, amount))
        return TRUE;
    problems_add (problems, "bad_amount", path, NULL, "must be %s such as %s", kinds[kind].what,
                  kinds[kind].example);
    return FALSE;
}

char *
amount_text (double amount, AmountKind kind)
{
    if (kind == AMOUNT_CPU) {
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        return g_strdup (g_ascii_formatd (text, sizeof text, "%.6g", amount));
    }
    gsize unit = 0;
    while (amount >= kinds[kind].base && fmod (amount, kinds[kind].base) == 0 &&
           kinds[kind].units[unit] != '\0') {
        amount /= kinds[kind].base;
        unit++;
    }
    char suffix[2] = {unit > 0 ? kinds[kind].units[unit - 1] : '\0', '\0'};
    return g_strdup_printf ("%.0f%s", amount, suffix);
}
