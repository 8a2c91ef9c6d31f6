/*
 * Reading the members of a description's objects with problems instead of errors. Inside vdc/model only.
 *
 * Each reader takes the object, its path and the key; a wrong value gives one problem and the fallback.
 */
#pragma once

#include "vdc/model/problems.h"

#include <glib.h>
#include <jansson.h>

/* An array for unknown keys: `field_check_keys (object, path, problems, "class", "count", NULL)`. */
void field_check_keys (json_t *object, const char *path, Problems *problems, ...) G_GNUC_NULL_TERMINATED;

/* "a string", "a list", … for messages. */
const char *json_type_text (const json_t *value);
/* wrong_type problem: "must be WANTED, not …". Always FALSE. */
gboolean field_wrong_type (const json_t *value, const char *wanted, const char *path, Problems *problems);

typedef enum { TEXT_LINE, TEXT_LINES } TextKind;

/*
 * TRUE when @text is at most @max characters without control characters, bidirectional overrides, invisible
 * format characters, line separators or unassigned code points (newline and tab are allowed in TEXT_LINES);
 * else FALSE with bad_text or too_long at @path.
 */
gboolean field_check_text (const char *text, TextKind kind, guint max, const char *path, Problems *problems);

/* New string or NULL. A missing key is no problem. */
char *field_text (json_t *object, const char *path, const char *key, TextKind kind, guint max,
                  Problems *problems);
gboolean field_bool (json_t *object, const char *path, const char *key, gboolean fallback,
                     Problems *problems);
gint64 field_int (json_t *object, const char *path, const char *key, gint64 min, gint64 max, gint64 fallback,
                  Problems *problems);
/* Seconds from 30, "30s", "5m", "24h", "2d". */
guint field_seconds (json_t *object, const char *path, const char *key, guint min, guint max, guint fallback,
                     Problems *problems);
/* Index into @words (NULL-terminated), or @fallback. */
gint field_word (json_t *object, const char *path, const char *key, const char *const *words, gint fallback,
                 Problems *problems);
/* The object at @key: borrowed, NULL when missing or wrong. */
json_t *field_object (json_t *object, const char *path, const char *key, Problems *problems);
/* missing_key when @key is not there. */
gboolean field_require (json_t *object, const char *path, const char *key, Problems *problems);
/* bad_name unless @is_valid; the message says @rule. */
gboolean field_check_name (const char *name, gboolean (*is_valid) (const char *), const char *rule,
                           const char *what, const char *path, Problems *problems);
/* "1", "1.0", "1.0.0", "1.0.0-rc.1" */
gboolean version_is_valid (const char *text);
/* Numbers as numbers: 1.2 < 1.10; a pre-release before its release. */
int version_compare (const char *a, const char *b);
/* "lb.in" → two new strings; FALSE when not of that form. */
gboolean split_terminal (const char *text, char **instance, char **terminal);
