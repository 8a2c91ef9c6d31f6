#include "vdc/cli/options.h"

#include "vdc/base/error.h"

#include <string.h>

struct Options {
    GPtrArray *words;
    GHashTable *values; /* name → GPtrArray of char * */
};

static Options *
options_new (void)
{
    Options *options = g_new0 (Options, 1);
    options->words = g_ptr_array_new_with_free_func (g_free);
    options->values =
        g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    return options;
}

void
options_free (Options *options)
{
    if (options == NULL)
        return;
    g_ptr_array_unref (options->words);
    g_hash_table_unref (options->values);
    g_free (options);
}

static const Option *
find (const Option *const *tables, const char *name, gsize length, char letter)
{
    for (; *tables != NULL; tables++)
        for (const Option *option = *tables; option->name != NULL; option++) {
            if (letter != 0 && option->letter == letter)
                return option;
            if (letter == 0 && strlen (option->name) == length && strncmp (option->name, name, length) == 0)
                return option;
        }
    return NULL;
}

static gboolean
add_value (Options *options, const Option *option, const char *value, GError **error)
{
    GPtrArray *values = g_hash_table_lookup (options->values, option->name);
    if (values == NULL) {
        values = g_ptr_array_new_with_free_func (g_free);
        g_hash_table_insert (options->values, (gpointer)option->name, values);
    } else if (option->metavar != NULL && !option->many) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "--%s is given twice", option->name);
        return FALSE;
    }
    g_ptr_array_add (values, g_strdup (value));
    return TRUE;
}

/* One option word at argv[*at]; moves *at past its value. */
static gboolean
take_option (Options *options, int argc, char **argv, int *at, const Option *const *tables, GError **error)
{
    const char *word = argv[*at];
    gboolean is_long = g_str_has_prefix (word, "--");
    const char *name = is_long ? word + 2 : word + 1;
    const char *equals = is_long ? strchr (name, '=') : NULL;
    gsize length = equals ? (gsize)(equals - name) : strlen (name);
    const Option *option = find (tables, name, length, is_long ? 0 : name[0]);

    if (option == NULL || (!is_long && length > 1 && option->metavar == NULL)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "there is no option '%.*s' here; see --help",
                     (int)(length + (is_long ? 2 : 1)), word);
        return FALSE;
    }
    if (option->metavar == NULL) {
        if (equals == NULL)
            return add_value (options, option, "1", error);
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "--%s takes no value", option->name);
        return FALSE;
    }
    if (equals != NULL)
        return add_value (options, option, equals + 1, error);
    if (!is_long && length > 1)
        return add_value (options, option, name + 1, error);
    if (*at + 1 >= argc) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s needs a value (%s)", word, option->metavar);
        return FALSE;
    }
    return add_value (options, option, argv[++*at], error);
}

Options *
options_parse (int argc, char **argv, const Option *const *tables, gboolean stop_at_first, GError **error)
{
    g_autoptr (Options) options = options_new ();
    gboolean only_words = FALSE;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && strcmp (word, "--") == 0) {
            only_words = TRUE;
            continue;
        }
        if (only_words || word[0] != '-' || word[1] == '\0') {
            g_ptr_array_add (options->words, g_strdup (word));
            if (stop_at_first && !only_words) {
                only_words = TRUE;
                if (i + 1 < argc && strcmp (argv[i + 1], "--") == 0)
                    i++;
            }
        } else if (!take_option (options, argc, argv, &i, tables, error)) {
            return NULL;
        }
    }
    return g_steal_pointer (&options);
}

guint
options_count (const Options *options)
{
    return options->words->len;
}

const char *
options_word (const Options *options, guint index)
{
    return index < options->words->len ? options->words->pdata[index] : NULL;
}

gboolean
options_flag (const Options *options, const char *name)
{
    return g_hash_table_contains (options->values, name);
}

const GPtrArray *
options_values (const Options *options, const char *name)
{
    static GPtrArray *none;
    GPtrArray *values = g_hash_table_lookup (options->values, name);
    if (values == NULL && none == NULL)
        none = g_ptr_array_new ();
    return values ? values : none;
}

const char *
options_value (const Options *options, const char *name)
{
    const GPtrArray *values = options_values (options, name);
    return values->len ? values->pdata[values->len - 1] : NULL;
}

gboolean
options_int (const Options *options, const char *name, gint64 min, gint64 max, gint64 fallback, gint64 *value,
             GError **error)
{
    const char *text = options_value (options, name);
    if (text == NULL) {
        *value = fallback;
        return TRUE;
    }
    if (g_ascii_string_to_signed (text, 10, min, max, value, NULL))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                 "--%s must be a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, min,
                 max);
    return FALSE;
}
