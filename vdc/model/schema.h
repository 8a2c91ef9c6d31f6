/*
 * Does a JSON value fit a schema? The subset of JSON Schema 2020-12 that the API's schemas are written in, no
 * more, so that checking is bounded and each message can say what is wrong where.
 *
 * Known words: $ref "#/components/schemas/NAME", type (a word or a list), properties, required,
 * additionalProperties (false or a schema), minProperties, maxProperties, items, minItems, maxItems, enum,
 * const, minimum, maximum, minLength, maxLength (characters), pattern, oneOf (the first alternative whose
 * type fits), and the ones that only say something: description, title, examples, default, format, writeOnly,
 * readOnly. schema_is_valid refuses others, so that a word that does nothing cannot slip in.
 *
 * Pure; any thread, as long as the schemas are not changed.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* References followed and values nested deeper than this do not fit. */
#define SCHEMA_DEPTH_MAX 32

/* The schema called @name, borrowed; NULL when there is none. */
typedef const json_t *(*SchemaLookup) (const char *name, gpointer user_data);

/* What does not fit, the first thing found. Clear with schema_problem_clear. */
typedef struct {
    char *path;    /* "ops[2].set.port"; "" is the whole value */
    char *message; /* "must be a number, at least 1" */
    char *nearest; /* the word that was probably meant; may be NULL */
} SchemaProblem;

void schema_problem_clear (SchemaProblem *problem);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SchemaProblem, schema_problem_clear)

/* TRUE when @value fits @schema; FALSE and @problem, which was zeroed by the caller. */
gboolean schema_fits (const json_t *schema, const json_t *value, SchemaLookup lookup, gpointer user_data,
                      SchemaProblem *problem);

/* TRUE when @schema uses known words only, and rightly, and every $ref is found; FALSE and @problem. */
gboolean schema_is_valid (const json_t *schema, SchemaLookup lookup, gpointer user_data,
                          SchemaProblem *problem);

/* NAME of {"$ref": "#/components/schemas/NAME"}, borrowed; NULL when @schema is no reference. */
const char *schema_reference (const json_t *schema);
