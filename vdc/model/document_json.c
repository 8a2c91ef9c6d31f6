/*
 * JSON with places. jansson reads and checks the text; it keeps no positions and silently joins duplicate
 * keys, so a second walk over the text, which by then is known to be well formed, notes both.
 */
#include "vdc/model/document_internal.h"

#include <string.h>

typedef struct {
    Reading *reading;
    const char *at, *end;
    guint line, column;
} Walk;

static void
step (Walk *walk)
{
    if (*walk->at == '\n') {
        walk->line++;
        walk->column = 1;
    } else if (((guchar)*walk->at & 0xc0) != 0x80) {
        walk->column++;
    }
    walk->at++;
}

/* The next character that is no blank; 0 at the end. */
static char
peek (Walk *walk)
{
    while (walk->at < walk->end && strchr (" \t\r\n", *walk->at) != NULL)
        step (walk);
    return walk->at < walk->end ? *walk->at : '\0';
}

static void
skip_string (Walk *walk)
{
    step (walk);
    while (walk->at < walk->end && *walk->at != '"') {
        if (*walk->at == '\\')
            step (walk);
        step (walk);
    }
    step (walk);
}

/* New string: the key as jansson understands it. */
static char *
take_key (Walk *walk)
{
    const char *start = walk->at;

    skip_string (walk);
    g_autoptr (GString) wrapped = g_string_new_len (start, walk->at - start);
    json_t *value = json_loadb (wrapped->str, wrapped->len, JSON_DECODE_ANY, NULL);
    char *key = g_strdup (value != NULL ? json_string_value (value) : "");
    json_decref (value);
    return key;
}

static void walk_value (Walk *walk, const char *path, guint depth);

static void
walk_object (Walk *walk, const char *path, guint depth)
{
    g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    step (walk);
    while (peek (walk) == '"' && !walk->reading->stopped) {
        guint line = walk->line, column = walk->column;
        g_autofree char *key = take_key (walk);
        g_autofree char *place = path_key (path, key);
        gboolean first = reading_key (walk->reading, seen, key, place, line, column);
        if (first)
            reading_place (walk->reading, place, line, column);
        peek (walk); /* the colon */
        step (walk);
        peek (walk);
        walk_value (walk, place, depth + 1);
        if (peek (walk) == ',') {
            step (walk);
            continue;
        }
    }
    if (!walk->reading->stopped)
        step (walk);
}

static void
walk_array (Walk *walk, const char *path, guint depth)
{
    gsize index = 0;

    step (walk);
    while (peek (walk) != ']' && peek (walk) != '\0' && !walk->reading->stopped) {
        g_autofree char *place = path_index (path, index++);
        reading_place (walk->reading, place, walk->line, walk->column);
        walk_value (walk, place, depth + 1);
        if (peek (walk) == ',')
            step (walk);
    }
    if (!walk->reading->stopped)
        step (walk);
}

static void
walk_value (Walk *walk, const char *path, guint depth)
{
    char first = peek (walk);

    if (!reading_node (walk->reading, path, depth, walk->line, walk->column))
        return;
    if (first == '{') {
        walk_object (walk, path, depth);
    } else if (first == '[') {
        walk_array (walk, path, depth);
    } else if (first == '"') {
        skip_string (walk);
    } else {
        while (walk->at < walk->end && strchr (",]} \t\r\n", *walk->at) == NULL)
            step (walk);
    }
}

json_t *
reading_json (Reading *reading, const char *text, gsize length)
{
    json_error_t problem;
    json_t *root = json_loadb (text, length, JSON_DECODE_ANY, &problem);

    if (root == NULL) {
        g_autofree char *quoted = problem_quote (problem.text);
        problems_add_at (reading->problems, "syntax", "", MAX (problem.line, 1), MAX (problem.column, 1),
                         "not valid JSON: %s", quoted);
        return NULL;
    }
    Walk walk = {reading, text, text + length, 1, 1};
    walk_value (&walk, "", 0);
    if (reading->stopped)
        g_clear_pointer (&root, json_decref);
    return root;
}
