#include "vdc/model/description_changes.h"

#include "vdc/base/json.h"
#include "vdc/model/problems.h"

#include <string.h>

static void
change_free (gpointer data)
{
    DescriptionChange *change = data;

    g_free (change->in);
    g_free (change->path);
    json_decref (change->from);
    json_decref (change->to);
    g_free (change->next);
    g_free (change);
}

char *
description_change_path (const DescriptionChange *change)
{
    if (change->in == NULL)
        return g_strdup (change->path);
    g_autofree char *assembly = path_key ("assemblies", change->in);
    return g_strconcat (assembly, ".", change->path, NULL);
}

/* -- paths -- */

static gboolean
is_word_character (char character)
{
    return g_ascii_isalnum (character) || character == '_' || character == '-';
}

/* `["…"]` at @at: appends the word, returns what follows, NULL when malformed. */
static const char *
quoted_word (const char *at, GPtrArray *words)
{
    g_autoptr (GString) word = g_string_new (NULL);

    for (at += 2; *at != '"'; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        if (*at == '\0' || *at == '\\')
            return NULL;
        g_string_append_c (word, *at);
    }
    if (at[1] != ']')
        return NULL;
    g_ptr_array_add (words, g_strndup (word->str, word->len));
    return at + 2;
}

char **
path_split (const char *path)
{
    g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
    const char *at = path;

    while (at != NULL && *at != '\0' && words->len < PATH_WORDS_MAX) {
        if (at[0] == '[' && at[1] == '"') {
            at = quoted_word (at, words);
            continue;
        }
        if (at != path && *at++ != '.')
            return NULL;
        const char *start = at;
        while (is_word_character (*at))
            at++;
        if (at == start)
            return NULL;
        g_ptr_array_add (words, g_strndup (start, at - start));
    }
    if (at == NULL || *at != '\0' || words->len == 0)
        return NULL;
    g_ptr_array_add (words, NULL);
    g_ptr_array_set_free_func (words, NULL);
    return (char **)g_ptr_array_free (g_steal_pointer (&words), FALSE);
}

static gboolean
starts_with_path (const char *path, const char *start)
{
    gsize length = strlen (start);
    return strncmp (path, start, length) == 0 &&
           (path[length] == '\0' || path[length] == '.' || path[length] == '[');
}

gboolean
paths_overlap (const char *a, const char *b)
{
    return starts_with_path (a, b) || starts_with_path (b, a);
}

gboolean
wire_split (const char *text, char **from, char **to)
{
    const char *arrow = strstr (text, "->");

    if (arrow == NULL)
        return FALSE;
    *from = g_strstrip (g_strndup (text, arrow - text));
    *to = g_strstrip (g_strdup (arrow + 2));
    return TRUE;
}

/* -- comparing -- */

typedef struct {
    GPtrArray *changes;
    const char *in;
} Compare;

static DescriptionChange *
note (Compare *compare, const char *path, json_t *from, json_t *to)
{
    DescriptionChange *change = g_new0 (DescriptionChange, 1);

    change->in = g_strdup (compare->in);
    change->path = g_strdup (path);
    change->from = json_incref (from);
    change->to = json_incref (to);
    g_ptr_array_add (compare->changes, change);
    return change;
}

static const char *
key_after (json_t *object, const char *key)
{
    return json_object_iter_key (json_object_iter_next (object, json_object_iter_at (object, key)));
}

static void compare_values (Compare *compare, const char *path, json_t *before, json_t *after);

static void
compare_member (Compare *compare, const char *path, json_t *parent, const char *key, json_t *from, json_t *to)
{
    g_autofree char *place = path_key (path, key);

    if (json_is_object (from) && json_is_object (to)) {
        compare_values (compare, place, from, to);
        return;
    }
    if (from == to || (from != NULL && to != NULL && json_equal (from, to)))
        return;
    DescriptionChange *change = note (compare, place, from, to);
    if (from != NULL)
        change->next = g_strdup (key_after (parent, key));
}

static void
compare_values (Compare *compare, const char *path, json_t *before, json_t *after)
{
    const char *key;
    json_t *value;

    if (before == after)
        return;
    json_object_foreach (before, key, value)
        compare_member (compare, path, before, key, value, json_object_get (after, key));
    json_object_foreach (after, key, value)
        if (json_object_get (before, key) == NULL)
            compare_member (compare, path, before, key, NULL, value);
}

/* -- wires -- */

/* The output where it can be told and is not taken yet by another wire, else the whole text. */
static char *
wire_key (GHashTable *taken, const json_t *value)
{
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    g_autofree char *text = json_is_string (value) ? g_strdup (json_string_value (value)) : json_text (value);

    if (wire_split (text, &from, &to) && !g_hash_table_contains (taken, from))
        return g_steal_pointer (&from);
    return g_steal_pointer (&text);
}

/* Key → place in the list + 1. */
static GHashTable *
wire_table (const json_t *list)
{
    GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    for (gsize i = 0; i < json_array_size (list); i++)
        g_hash_table_insert (table, wire_key (table, json_array_get (list, i)), GSIZE_TO_POINTER (i + 1));
    return table;
}

static gboolean
same_wire (const json_t *a, const json_t *b)
{
    g_autofree char *from_a = NULL, *to_a = NULL, *from_b = NULL, *to_b = NULL;

    if (json_equal (a, b))
        return TRUE;
    return json_is_string (a) && json_is_string (b) && wire_split (json_string_value (a), &from_a, &to_a) &&
           wire_split (json_string_value (b), &from_b, &to_b) && strcmp (from_a, from_b) == 0 &&
           strcmp (to_a, to_b) == 0;
}

static void
compare_wire (Compare *compare, const char *key, json_t *from, json_t *to, gsize index)
{
    g_autofree char *path = path_key ("wires", key);

    if (from != NULL && to != NULL && same_wire (from, to))
        return;
    note (compare, path, from, to)->index = (guint)index;
}

static void
compare_wires (Compare *compare, json_t *before, json_t *after)
{
    if (before == after)
        return;
    g_autoptr (GHashTable) old = wire_table (before), new = wire_table (after);
    g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr (GHashTable) taken_new = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (gsize i = 0; i < json_array_size (before); i++) {
        char *key = wire_key (taken, json_array_get (before, i));
        gsize at = GPOINTER_TO_SIZE (g_hash_table_lookup (new, key));
        compare_wire (compare, key, json_array_get (before, i),
                      at > 0 ? json_array_get (after, at - 1) : NULL, i);
        g_hash_table_add (taken, key);
    }
    for (gsize i = 0; i < json_array_size (after); i++) {
        char *key = wire_key (taken_new, json_array_get (after, i));
        if (!g_hash_table_contains (old, key))
            compare_wire (compare, key, NULL, json_array_get (after, i), i);
        g_hash_table_add (taken_new, key);
    }
}

/* -- the whole -- */

static void compare_body (Compare *compare, json_t *before, json_t *after);

static void
compare_assemblies (Compare *compare, json_t *before, json_t *after)
{
    const char *name;
    json_t *value;

    json_object_foreach (before, name, value) {
        json_t *other = json_object_get (after, name);
        Compare inner = {compare->changes, name};
        if (json_is_object (value) && json_is_object (other))
            compare_body (&inner, value, other);
        else
            compare_member (compare, "assemblies", before, name, value, other);
    }
    json_object_foreach (after, name, value)
        if (json_object_get (before, name) == NULL)
            compare_member (compare, "assemblies", before, name, NULL, value);
}

/* Sections whose members are looked at one by one, also when one of the two documents has none. */
static gboolean
is_section (const char *key)
{
    static const char *const names[] = {"terminals", "properties", "instances", "volumes", "layout", NULL};
    return g_strv_contains (names, key);
}

static void
compare_section (Compare *compare, const char *key, json_t *before_root, json_t *before, json_t *after)
{
    gboolean objects =
        (before == NULL || json_is_object (before)) && (after == NULL || json_is_object (after));

    if (before == after)
        return;
    if (strcmp (key, "wires") == 0 && !json_is_object (before) && !json_is_object (after))
        compare_wires (compare, before, after);
    else if (strcmp (key, "assemblies") == 0 && compare->in == NULL && objects)
        compare_assemblies (compare, before, after);
    else if (is_section (key) && objects)
        compare_values (compare, key, before, after);
    else
        compare_member (compare, "", before_root, key, before, after);
}

static void
compare_body (Compare *compare, json_t *before, json_t *after)
{
    const char *key;
    json_t *value;

    if (before == after)
        return;
    json_object_foreach (before, key, value)
        compare_section (compare, key, before, value, json_object_get (after, key));
    json_object_foreach (after, key, value)
        if (json_object_get (before, key) == NULL)
            compare_section (compare, key, before, NULL, value);
}

GPtrArray *
description_changes (const json_t *before, const json_t *after)
{
    Compare compare = {g_ptr_array_new_with_free_func (change_free), NULL};

    compare_body (&compare, (json_t *)before, (json_t *)after);
    return compare.changes;
}
