/*
 * What differs between two description documents, place by place. Pure; no catalog is asked.
 *
 * Objects are compared by key, wires by their output ("lb.out"), because an output has one wire; the order of
 * keys and of wires is no difference. What was added or removed as a whole is one change.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

typedef struct {
    char *in;          /* the application's own assembly that it is in; NULL: the application itself */
    char *path;        /* within that: "instances.web.count", wires["lb.out"] */
    json_t *from, *to; /* NULL: not there */
    char *next;        /* the key after it in the first document, NULL: it was the last. Not for wires */
    guint index;       /* of the wire in the first document's list */
} DescriptionChange;

/* DescriptionChange *, in the order of the first document, then what is only in the second. Free with
 * g_ptr_array_unref. Documents need not be valid. */
GPtrArray *description_changes (const json_t *before, const json_t *after);
/* "assemblies.WEBX.instances.lb"; caller frees. */
char *description_change_path (const DescriptionChange *change);

/*
 * The words of a path: "instances.web.count" → {"instances", "web", "count"}; `wires["lb.out"]` → {"wires",
 * "lb.out"}. NULL when it is none or has over PATH_WORDS_MAX. Free with g_strfreev.
 */
#define PATH_WORDS_MAX 16
char **path_split (const char *path);
/* TRUE when one of the two is the other or lies under it. */
gboolean paths_overlap (const char *a, const char *b);

/* "lb.out -> web.in", blanks as one likes, into its ends, new strings. FALSE when not of that form. */
gboolean wire_split (const char *text, char **from, char **to);
