/*
 * One page of a list: sorted by a key that never changes, filtered, and only what is on the page is rendered.
 * `next` is the key of the last one: going on after it is right also when it, or others, came or went
 * meanwhile.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/http/reply.h"

#define LIST_LIMIT 1000 /* without ?limit */

typedef struct {
    /* What a record is sorted by: unique, the same for as long as it lives. Caller frees. */
    char *(*key) (gconstpointer record);
    gboolean descending;
    /* The value of a field that the query may filter by; NULL matches nothing. Borrowed. */
    const char *(*field) (Controller *controller, gconstpointer record, const char *name);
    json_t *(*render) (Controller *controller, gconstpointer record);
    /* Fields that the query may filter by, as the row's .query names them; NULL-terminated. */
    const char *const *filters;
    /* Instead of render, for list_reply_in. */
    json_t *(*render_in) (Controller *controller, gpointer parent, gconstpointer record);
} ListKind;

/* Answers. @records, in any order, are those that the caller may see. */
void list_reply (HttpRequest *request, Controller *controller, GPtrArray *records, const ListKind *kind);
/* Records that are parts of @parent. */
void list_reply_in (HttpRequest *request, Controller *controller, gpointer parent, GPtrArray *records,
                    const ListKind *kind);
/* Every value of @table, for list_reply. Free the array. */
GPtrArray *list_of_table (GHashTable *table);
/* The same for what is rendered already, in the right order: objects whose member @key is sorted by. Takes
 * @items. */
void list_reply_items (HttpRequest *request, json_t *items, const char *key);
