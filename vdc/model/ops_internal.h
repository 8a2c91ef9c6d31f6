/*
 * Shared by ops*.c. Inside vdc/model only.
 *
 * Documents are copied on write: at the start of an operation the root is copied one level deep, and
 * own_member copies each level on the way to what changes. So the document before stays whole for the
 * inverse, and comparing the two only looks at what was copied.
 */
#pragma once

#include "vdc/model/description_changes.h"
#include "vdc/model/ops.h"

typedef struct {
    json_t *root;   /* of the application; private at its first level */
    json_t *body;   /* the application or the assembly worked on; private at its first level */
    const char *in; /* name of that assembly; NULL: the application */
    const json_t *op;
    char *place; /* "ops[2]" */
    const Catalog *catalog;
    json_t *renamed; /* see OpsResult */
    Problems *problems;
    gboolean is_rename; /* its inverse is a rename, not the difference */
} Edit;

/* @path with "assemblies.WEBX." in front where that is worked on. Caller frees. */
char *edit_path (const Edit *edit, const char *path);
/* A problem at a path of the description (edit_path is applied) or at "ops[i].key". Always FALSE. */
gboolean edit_refuse (Edit *edit, const char *code, const char *path, const char *nearest, const char *format,
                      ...) G_GNUC_PRINTF (5, 6);
gboolean edit_refuse_key (Edit *edit, const char *code, const char *key, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
/* The operation's text @key; NULL with a problem unless optional. */
const char *edit_text (Edit *edit, const char *key, gboolean optional);

/* The member @key of @parent, made private; NULL when there is none, or it holds nothing. Borrowed. */
json_t *own_member (json_t *parent, const char *key);
/* The same, made in its place among the sections of a description when it is not there. */
json_t *own_section (json_t *body, const char *key);
/* Remove @key from @section of @body, and the section when it becomes empty. */
void section_remove (json_t *body, const char *section, const char *key);
/* Sets @key before the key @before (NULL or unknown: at the end). */
void object_insert (json_t *object, const char *key, json_t *value, const char *before);
/* Same value, same place, another name. */
void object_rename (json_t *object, const char *from, const char *to);

/* Does `[catalog/]NAME[@version]` mean the application's own assembly @name? */
gboolean ref_is_own (const char *ref, const char *name);
/* Calls @function with the application (in NULL) and each of its own assemblies, each private. */
typedef void (*BodyFunction) (json_t *body, const char *in, gpointer data);
void each_body (Edit *edit, BodyFunction function, gpointer data);

/* "lb.out" → "lb", "out". FALSE when not of that form. */
gboolean terminal_split (const char *text, char **instance, char **terminal);
char *wire_text (const char *from, const char *to);
/* The place of the wire from @from (and to @to unless NULL) in @body's list, -1 when there is none. */
gssize wire_find (const json_t *body, const char *from, const char *to);
/* For each wire of @body, both ends may be replaced: *@from and *@to are owned strings. FALSE: the wire goes.
 */
typedef gboolean (*WireFunction) (char **from, char **to, gpointer data);
void each_wire (json_t *body, WireFunction function, gpointer data);

/* ops_rename.c, ops_group.c */
gboolean op_rename (Edit *edit);
gboolean op_group (Edit *edit);
gboolean op_ungroup (Edit *edit);
