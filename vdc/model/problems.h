/*
 * What is wrong with a description: a list, so that all problems are reported at once.
 *
 * A problem has a code (stable, for programs and tests), the path of the place ("instances.web.count",
 * "wires[2]"), line and column where the text is known (else 0), a message for people and, where a word was
 * mistyped, the nearest valid word.  Paths and messages are printable ASCII whatever the description held:
 * hostile text is shown escaped and cut.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* More problems than this are counted but not kept: a hostile description must not cost unbounded memory. */
#define PROBLEMS_LIMIT 200

typedef struct {
    char *code;
    char *path; /* "" is the whole document */
    guint line; /* from 1; 0: not known */
    guint column;
    char *message;
    char *nearest; /* may be NULL */
} Problem;

typedef struct Problems Problems;

Problems *problems_new (void);
void problems_free (Problems *problems);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Problems, problems_free)

/* @nearest may be NULL. Everything is copied. */
void problems_add (Problems *problems, const char *code, const char *path, const char *nearest,
                   const char *format, ...) G_GNUC_PRINTF (5, 6);
void problems_add_at (Problems *problems, const char *code, const char *path, guint line, guint column,
                      const char *format, ...) G_GNUC_PRINTF (6, 7);

guint problems_count (const Problems *problems);
/* Those that are kept: at most PROBLEMS_LIMIT. */
guint problems_kept (const Problems *problems);
/* Borrowed. @index < problems_kept. */
Problem *problems_get (const Problems *problems, guint index);
void problems_remove (Problems *problems, guint index);
/* TRUE when one of the problems has @code. */
gboolean problems_has (const Problems *problems, const char *code);
/* By line, then column, problems without a line last; equal ones keep their order. */
void problems_sort (Problems *problems);

/* [{code, path, line, column, message, nearest}]; line and column only when known, nearest only when there is
 * one. New reference. */
json_t *problems_json (const Problems *problems);
/* One line each: "LINE:COLUMN: PATH: MESSAGE (did you mean 'NEAREST'?) [CODE]". Caller frees. */
char *problems_text (const Problems *problems);
/* FALSE and VDC_ERROR_INVALID with the first problem's message when there is any; else TRUE. */
gboolean problems_to_error (const Problems *problems, GError **error);

/*
 * The candidate at the smallest Damerau-Levenshtein distance from @word, or NULL when none is near (distance
 * at most a third of the word's length, at least 1). Borrowed from @candidates (NULL-terminated). Words over
 * 64 bytes have none.
 */
const char *nearest_word (const char *word, const char *const *candidates);
/* The same over the keys (char *) of @table. */
const char *nearest_key (const char *word, GHashTable *table);

/* @text for a message: control, format and other non-ASCII characters as \uXXXX, cut after 60. Caller frees.
 */
char *problem_quote (const char *text);

/* "PARENT.key", or PARENT["key"] when the key is no plain word; "PARENT[3]". An empty parent gives "key".
 * Caller frees. */
char *path_key (const char *parent, const char *key);
char *path_index (const char *parent, gsize index);
