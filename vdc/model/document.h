/*
 * Description texts: YAML or JSON into one json_t document plus the place of every value, and back to YAML.
 *
 * YAML is the 1.2 core schema cut down: no anchors, aliases, merge keys, tags, second document; `no`, `on`,
 * `yes`, `012` are strings; keys are strings and never twice in one mapping.  Pure; any thread.
 */
#pragma once

#include "vdc/model/problems.h"

#include <glib.h>
#include <jansson.h>

#define DOCUMENT_LIMIT_BYTES (1024 * 1024)
#define DOCUMENT_LIMIT_DEPTH 32
#define DOCUMENT_LIMIT_NODES 20000
#define DOCUMENT_LIMIT_KEY_BYTES                                                                             \
    400 /* far over any valid name: those are refused later, by a better message */

typedef enum { DOCUMENT_YAML, DOCUMENT_JSON } DocumentFormat;

typedef struct Document Document;

/*
 * NULL with at least one more problem when @text cannot be read. What can be skipped (a duplicate key, an
 * anchor) is a problem too, but the rest is still given, so that all problems are found at once: look at
 * @problems, not only at the result. @text needs no NUL at its end.
 */
Document *document_parse (const char *text, gsize length, DocumentFormat format, Problems *problems);
/* A document without positions, for values that came from the API or the store. Takes a reference of @root.
 */
Document *document_new (json_t *root);
void document_free (Document *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Document, document_free)

/* Borrowed. */
json_t *document_root (const Document *document);
/* Where the value at @path (for a mapping's member: its key) stands; its nearest enclosing place when there
 * is none. */
gboolean document_position (const Document *document, const char *path, guint *line, guint *column);
/* Give every problem without a line the line of its path in @document; then sort. */
void document_locate (const Document *document, Problems *problems);

/*
 * The YAML text @text with other values at some places, everything else as it was, comments too. @values:
 * path → text of a plain scalar. NULL when one of the places has no scalar. The caller looks whether the
 * result reads as it should. Caller frees.
 */
char *document_replace_values (const char *text, GHashTable *values);

/* One plain YAML scalar by the core schema: "8080" integer, "true" boolean, "012" string. New reference,
 * never NULL. */
json_t *document_scalar (const char *text);

/*
 * YAML text of @value, keys as inserted; document_parse of it gives an equal value. Real numbers are printed
 * so that they read back the same. Caller frees.
 */
char *document_yaml (const json_t *value);
