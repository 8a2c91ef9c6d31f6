/*
 * Shared by the readers of document: where places are noted and limits are kept. Inside vdc/model only.
 */
#pragma once

#include "vdc/model/document.h"

/* Bounds the memory of the map of places, whatever the keys are. */
#define PATH_LIMIT_BYTES 2048

typedef struct {
    Problems *problems;
    GHashTable *places; /* path → Place * */
    guint nodes;
    gboolean stopped; /* over a limit: the rest is not read */
} Reading;

typedef struct {
    guint line, column;
    gsize value_start, value_end; /* of a scalar in YAML, in characters from the start; 0, 0: none */
} Place;

/* Note the place of @path; FALSE, with a problem and reading stopped, when a limit is reached. */
gboolean reading_node (Reading *reading, const char *path, guint depth, guint line, guint column);
/* Note that @path stands there. */
void reading_place (Reading *reading, const char *path, guint line, guint column);
/* FALSE with a problem when this key may not be used in @parent; @path is where it would stand. */
gboolean reading_key (Reading *reading, GHashTable *seen, const char *key, const char *path, guint line,
                      guint column);

/* NULL and a problem when @text is no JSON. */
json_t *reading_json (Reading *reading, const char *text, gsize length);

/*
 * What a plain scalar means by the core schema. NULL and @why (static) for a number that JSON cannot hold.
 */
json_t *scalar_resolve (const char *text, const char **why);
