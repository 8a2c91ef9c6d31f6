#include "vdc/cli/print.h"

#include "vdc/base/error.h"

#include <math.h>
#include <string.h>

json_t *
print_lookup (const json_t *object, const char *path)
{
    g_auto (GStrv) keys = g_strsplit (path, ".", -1);
    json_t *value = (json_t *)object;
    for (guint i = 0; keys[i] != NULL && value != NULL; i++)
        value = json_object_get (value, keys[i]);
    return json_is_null (value) ? NULL : value;
}

static gboolean
is_harmful (gunichar c)
{
    return c < ' ' || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static char *
clean (const char *text, const char *keep)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    GString *out = g_string_new (NULL);
    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at)) {
        gunichar c = g_utf8_get_char (at);
        if (is_harmful (c) && !(c < 0x80 && strchr (keep, (int)c) != NULL))
            g_string_append_printf (out, "\\u%04x", c);
        else
            g_string_append_unichar (out, c);
    }
    return g_string_free (out, FALSE);
}

char *
print_clean (const char *text)
{
    return clean (text, "");
}

char *
print_clean_lines (const char *text)
{
    return clean (text, "\n\t");
}

char *
print_bytes (guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    guint unit = 0;
    while (value >= 1024 && unit + 1 < G_N_ELEMENTS (units)) {
        value /= 1024;
        unit++;
    }
    return g_strdup_printf (value < 10 && fabs (value - round (value)) > 0.05 ? "%.1f %s" : "%.0f %s", value,
                            units[unit]);
}

static char *
print_rate (double bits)
{
    static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
    guint unit = 0;
    while (bits >= 1000 && unit + 1 < G_N_ELEMENTS (units)) {
        bits /= 1000;
        unit++;
    }
    return g_strdup_printf ("%.3g %s", bits, units[unit]);
}

gboolean
print_parse_bytes (const char *text, guint64 *bytes, GError **error)
{
    static const char units[] = "KMGT";
    char *end = NULL;
    double value = g_ascii_isdigit (*text) ? g_ascii_strtod (text, &end) : -1;
    if (end != NULL && *end != '\0') {
        const char *unit = strchr (units, g_ascii_toupper (*end));
        const char *rest = end + 1;
        if (unit != NULL && (*rest == '\0' || strcmp (rest, "iB") == 0 || strcmp (rest, "B") == 0))
            value *= pow (1024, (double)(unit - units) + 1);
        else
            value = -1;
    }
    if (!(value >= 1 && value <= 1e18)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' is no size; write 512M, 2G or 1T", text);
        return FALSE;
    }
    *bytes = (guint64)value;
    return TRUE;
}

static char *
print_time (const char *stamp)
{
    g_autoptr (GDateTime) utc = g_date_time_new_from_iso8601 (stamp, NULL);
    g_autoptr (GDateTime) local = utc ? g_date_time_to_local (utc) : NULL;
    return local ? g_date_time_format (local, "%Y-%m-%d %H:%M:%S") : print_clean (stamp);
}

static char *
scalar_text (const json_t *value)
{
    if (json_is_string (value))
        return print_clean (json_string_value (value));
    if (json_is_integer (value))
        return g_strdup_printf ("%" JSON_INTEGER_FORMAT, json_integer_value (value));
    if (json_is_real (value))
        return g_strdup_printf ("%g", json_real_value (value));
    if (json_is_boolean (value))
        return g_strdup (json_is_true (value) ? "yes" : "no");
    return json_text (value);
}

static char *
list_text (const json_t *list)
{
    g_autoptr (GString) text = g_string_new (NULL);
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        g_autofree char *one = scalar_text (item);
        g_string_append_printf (text, "%s%s", text->len ? ", " : "", one);
    }
    return text->len ? g_strdup (text->str) : g_strdup ("-");
}

static char *
amount_text (const json_t *range, const char *key, Format format)
{
    double amount = json_num (range, key, 0);
    if (format == FORMAT_RANGE_BYTES)
        return print_bytes ((guint64)amount);
    return format == FORMAT_RANGE_RATE ? print_rate (amount) : g_strdup_printf ("%g", amount);
}

static char *
range_text (const json_t *range, Format format)
{
    g_autofree char *min = amount_text (range, "min", format);
    g_autofree char *max = amount_text (range, "max", format);
    g_autofree char *initial = amount_text (range, "default", format);
    return g_strdup_printf ("%s (%s to %s)", initial, min, max);
}

char *
print_cell (const json_t *object, const char *path, Format format)
{
    json_t *value = print_lookup (object, path);
    if (value == NULL)
        return g_strdup ("-");
    switch (format) {
    case FORMAT_BYTES:
        return json_is_number (value) ? print_bytes ((guint64)json_number_value (value))
                                      : scalar_text (value);
    case FORMAT_RATE:
        return json_is_number (value) ? print_rate (json_number_value (value)) : scalar_text (value);
    case FORMAT_TIME:
        return json_is_string (value) ? print_time (json_string_value (value)) : scalar_text (value);
    case FORMAT_COUNT:
        return g_strdup_printf ("%zu",
                                json_is_array (value) ? json_array_size (value) : json_object_size (value));
    case FORMAT_LIST:
        return json_is_array (value) ? list_text (value) : scalar_text (value);
    case FORMAT_FLAG:
        return g_strdup (json_is_true (value) ? "yes" : "no");
    case FORMAT_RANGE:
    case FORMAT_RANGE_BYTES:
    case FORMAT_RANGE_RATE:
        return json_is_object (value) ? range_text (value, format) : scalar_text (value);
    case FORMAT_TEXT:
        break;
    }
    char *text = scalar_text (value);
    if (*text != '\0')
        return text;
    g_free (text);
    return g_strdup ("-");
}

static guint
display_width (const char *text)
{
    guint width = 0;
    for (; *text != '\0'; text = g_utf8_next_char (text))
        width += g_unichar_iszerowidth (g_utf8_get_char (text)) ? 0
                 : g_unichar_iswide (g_utf8_get_char (text))    ? 2
                                                                : 1;
    return width;
}

static void
print_row (FILE *file, char **cells, const guint *widths, guint n)
{
    for (guint i = 0; i < n; i++) {
        fputs (cells[i], file);
        if (i + 1 < n)
            fprintf (file, "%*s", (int)(widths[i] - display_width (cells[i]) + 2), "");
    }
    fputc ('\n', file);
}

static guint
count_columns (const Column *columns)
{
    guint n = 0;
    while (columns[n].title != NULL)
        n++;
    return n;
}

void
print_table (FILE *file, const Column *columns, const json_t *items, const char *none)
{
    guint n = count_columns (columns);
    g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
    g_autofree guint *widths = g_new0 (guint, n);
    size_t index;
    json_t *item;

    if (json_array_size (items) == 0 && none != NULL) {
        fprintf (file, "%s\n", none);
        return;
    }
    char **titles = g_new0 (char *, n + 1);
    for (guint i = 0; i < n; i++)
        titles[i] = g_strdup (columns[i].title);
    g_ptr_array_add (rows, titles);
    json_array_foreach (items, index, item) {
        char **cells = g_new0 (char *, n + 1);
        for (guint i = 0; i < n; i++)
            cells[i] = print_cell (item, columns[i].path, columns[i].format);
        g_ptr_array_add (rows, cells);
    }
    for (guint r = 0; r < rows->len; r++)
        for (guint i = 0; i < n; i++)
            widths[i] = MAX (widths[i], display_width (((char **)rows->pdata[r])[i]));
    for (guint r = 0; r < rows->len; r++)
        print_row (file, rows->pdata[r], widths, n);
}

void
print_fields (FILE *file, const Column *columns, const json_t *object)
{
    guint n = count_columns (columns), widest = 0;
    for (guint i = 0; i < n; i++)
        widest = MAX (widest, (guint)strlen (columns[i].title));
    for (guint i = 0; i < n; i++) {
        g_autofree char *text = print_cell (object, columns[i].path, columns[i].format);
        if (strcmp (text, "-") != 0)
            fprintf (file, "%s:%*s%s\n", columns[i].title, (int)(widest - strlen (columns[i].title) + 2), "",
                     text);
    }
}

void
print_json (FILE *file, const json_t *value)
{
    g_autofree char *text = json_pretty (value);
    fprintf (file, "%s\n", text);
}

void
print_json_line (FILE *file, const json_t *value)
{
    g_autofree char *text = json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY);
    fprintf (file, "%s\n", text);
    fflush (file);
}

static void
print_problem (FILE *out, const char *file, const json_t *problem)
{
    gint64 line = json_int (problem, "line", 0), column = json_int (problem, "column", 0);
    g_autofree char *path = print_clean (json_str (problem, "path", ""));
    g_autofree char *message =
        print_clean (json_str (problem, "message", json_str (problem, "code", "wrong")));
    const char *nearest = json_str (problem, "nearest", NULL);

    file = json_str (problem, "file", file);
    if (file != NULL) {
        fprintf (out, "%s:", file);
        if (line > 0)
            fprintf (out, "%" G_GINT64_FORMAT ":", line);
        if (line > 0 && column > 0)
            fprintf (out, "%" G_GINT64_FORMAT ":", column);
        fputc (' ', out);
    }
    if (*path != '\0')
        fprintf (out, "%s: ", path);
    fputs (message, out);
    if (nearest != NULL) {
        g_autofree char *word = print_clean (nearest);
        fprintf (out, " (did you mean '%s'?)", word);
    }
    fputc ('\n', out);
}

void
print_problems (FILE *out, const char *file, const json_t *problems)
{
    size_t index;
    json_t *problem;
    json_array_foreach (problems, index, problem)
        print_problem (out, file, problem);
}
