/*
 * Parsing of options by a table, GNU style: --name value, --name=value, -n value, flags, "--" ends options.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *name;    /* "follow" for --follow; NULL ends the table */
    char letter;         /* 'f' for -f; 0: none */
    const char *metavar; /* "N": takes a value; NULL: a flag */
    const char *help;
    gboolean many; /* may be given several times */
} Option;

typedef struct Options Options;

/*
 * Parse @argv (not the program's or command's own words) by @tables, NULL-terminated. With @stop_at_first
 * everything from the word after the first positional on is positional, options included; a "--" right there
 * is dropped. NULL: VDC_ERROR_USAGE.
 */
Options *options_parse (int argc, char **argv, const Option *const *tables, gboolean stop_at_first,
                        GError **error);
void options_free (Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Options, options_free)

/* Positional arguments. Borrowed; index < count. */
guint options_count (const Options *options);
const char *options_word (const Options *options, guint index); /* NULL beyond the end */
gboolean options_flag (const Options *options, const char *name);
/* The (last) value, NULL when not given. */
const char *options_value (const Options *options, const char *name);
/* All values of a `many` option, in order; never NULL. Borrowed. */
const GPtrArray *options_values (const Options *options, const char *name);
/* A whole number in [min, max]. FALSE: VDC_ERROR_USAGE. */
gboolean options_int (const Options *options, const char *name, gint64 min, gint64 max, gint64 fallback,
                      gint64 *value, GError **error);
