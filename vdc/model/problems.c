#include "vdc/model/problems.h"

#include "vdc/base/error.h"

#include <string.h>

struct Problems {
    GPtrArray *list;
    guint dropped;
};

static void
problem_free (gpointer data)
{
    Problem *problem = data;

    g_free (problem->code);
    g_free (problem->path);
    g_free (problem->message);
    g_free (problem->nearest);
    g_free (problem);
}

Problems *
problems_new (void)
{
    Problems *problems = g_new0 (Problems, 1);
    problems->list = g_ptr_array_new_with_free_func (problem_free);
    return problems;
}

void
problems_free (Problems *problems)
{
    if (problems == NULL)
        return;
    g_ptr_array_unref (problems->list);
    g_free (problems);
}

/* Takes @message. */
static void
add (Problems *problems, const char *code, const char *path, guint line, guint column, const char *nearest,
     char *message)
{
    if (problems->list->len >= PROBLEMS_LIMIT) {
        problems->dropped++;
        g_free (message);
        return;
    }
    Problem *problem = g_new0 (Problem, 1);
    problem->code = g_strdup (code);
    problem->path = g_strdup (path);
    problem->line = line;
    problem->column = column;
    problem->nearest = g_strdup (nearest);
    problem->message = message;
    g_ptr_array_add (problems->list, problem);
}

void
problems_add (Problems *problems, const char *code, const char *path, const char *nearest, const char *format,
              ...)
{
    va_list args;
    va_start (args, format);
    add (problems, code, path, 0, 0, nearest, g_strdup_vprintf (format, args));
    va_end (args);
}

void
problems_add_at (Problems *problems, const char *code, const char *path, guint line, guint column,
                 const char *format, ...)
{
    va_list args;
    va_start (args, format);
    add (problems, code, path, line, column, NULL, g_strdup_vprintf (format, args));
    va_end (args);
}

guint
problems_count (const Problems *problems)
{
    return problems->list->len + problems->dropped;
}

guint
problems_kept (const Problems *problems)
{
    return problems->list->len;
}

void
problems_remove (Problems *problems, guint index)
{
    g_ptr_array_remove_index (problems->list, index);
}

Problem *
problems_get (const Problems *problems, guint index)
{
    g_assert (index < problems->list->len);
    return g_ptr_array_index (problems->list, index);
}

gboolean
problems_has (const Problems *problems, const char *code)
{
    for (guint i = 0; i < problems->list->len; i++)
        if (strcmp (problems_get (problems, i)->code, code) == 0)
            return TRUE;
    return FALSE;
}

static gint
by_line (gconstpointer a, gconstpointer b)
{
    const Problem *left = *(Problem *const *)a, *right = *(Problem *const *)b;

    if ((left->line == 0) != (right->line == 0))
        return left->line == 0 ? 1 : -1;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    if (left->column != right->column)
        return left->column < right->column ? -1 : 1;
    return 0;
}

void
problems_sort (Problems *problems)
{
    /* g_ptr_array_sort is a stable merge sort. */
    g_ptr_array_sort (problems->list, by_line);
}

json_t *
problems_json (const Problems *problems)
{
    json_t *list = json_array ();

    for (guint i = 0; i < problems->list->len; i++) {
        const Problem *problem = problems_get (problems, i);
        json_t *item = json_pack ("{s:s, s:s, s:s}", "code", problem->code, "path", problem->path, "message",
                                  problem->message);
        g_assert (item != NULL);
        if (problem->line > 0) {
            json_object_set_new (item, "line", json_integer (problem->line));
            json_object_set_new (item, "column", json_integer (problem->column));
        }
        if (problem->nearest != NULL)
            json_object_set_new (item, "nearest", json_string (problem->nearest));
        json_array_append_new (list, item);
    }
    return list;
}

char *
problems_text (const Problems *problems)
{
    GString *text = g_string_new (NULL);

    for (guint i = 0; i < problems->list->len; i++) {
        const Problem *problem = problems_get (problems, i);
        if (problem->line > 0)
            g_string_append_printf (text, "%u:%u: ", problem->line, problem->column);
        if (problem->path[0] != '\0')
            g_string_append_printf (text, "%s: ", problem->path);
        g_string_append (text, problem->message);
        if (problem->nearest != NULL)
            g_string_append_printf (text, " (did you mean '%s'?)", problem->nearest);
        g_string_append_printf (text, " [%s]\n", problem->code);
    }
    if (problems->dropped > 0)
        g_string_append_printf (text, "… and %u more\n", problems->dropped);
    return g_string_free (text, FALSE);
}

gboolean
problems_to_error (const Problems *problems, GError **error)
{
    if (problems_count (problems) == 0)
        return TRUE;
    const Problem *first = problems_get (problems, 0);
    g_autofree char *more = problems_count (problems) > 1
                                ? g_strdup_printf (" (and %u more)", problems_count (problems) - 1)
                                : g_strdup ("");
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "%s%s%s%s", first->path, first->path[0] ? ": " : "",
                 first->message, more);
    return FALSE;
}

/* -- nearest word -- */

#define WORD_MAX 64

/* Optimal string alignment: insert, delete, replace, swap of neighbours cost 1 each. */
static guint
distance (const char *a, guint a_length, const char *b, guint b_length)
{
    guint rows[3][WORD_MAX + 1];
    guint *before = rows[0], *last = rows[1], *now = rows[2];

    for (guint j = 0; j <= b_length; j++)
        last[j] = j;
    for (guint i = 1; i <= a_length; i++) {
        now[0] = i;
        for (guint j = 1; j <= b_length; j++) {
            guint cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = MIN (MIN (last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = MIN (now[j], before[j - 2] + 1);
        }
        guint *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_length];
}

const char *
nearest_word (const char *word, const char *const *candidates)
{
    gsize length = strnlen (word, WORD_MAX + 1);
    guint best = MAX (length / 3, 1) + 1;
    const char *found = NULL;

    if (length == 0 || length > WORD_MAX)
        return NULL;
    for (gsize i = 0; candidates[i] != NULL; i++) {
        gsize other = strnlen (candidates[i], WORD_MAX + 1);
        if (other > WORD_MAX)
            continue;
        guint far = distance (word, length, candidates[i], other);
        /* A word of one letter is near to every other one: that helps nobody. */
        if (far < best && far < MAX (length, other)) {
            best = far;
            found = candidates[i];
        }
    }
    return found;
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

const char *
nearest_key (const char *word, GHashTable *table)
{
    g_autofree char **keys = (char **)g_hash_table_get_keys_as_array (table, NULL);

    qsort (keys, g_strv_length (keys), sizeof *keys, by_text);
    return nearest_word (word, (const char *const *)keys);
}

/* -- texts -- */

#define QUOTE_MAX 60

static void
append_escaped (GString *out, gunichar character)
{
    if (character == '"' || character == '\\')
        g_string_append_printf (out, "\\%c", (char)character);
    else if (character == '\n')
        g_string_append (out, "\\n");
    else if (character >= 0x20 && character < 0x7f)
        g_string_append_c (out, (char)character);
    else
        g_string_append_printf (out, character > 0xffff ? "\\U%08X" : "\\u%04X", character);
}

/* Bytes that are not UTF-8 never come here from a document, but a caller may quote something else. */
static void
escape (GString *out, const char *text, guint limit)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    guint count = 0;

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at)) {
        if (limit > 0 && count++ >= limit) {
            g_string_append (out, "...");
            return;
        }
        append_escaped (out, g_utf8_get_char (at));
    }
}

char *
problem_quote (const char *text)
{
    GString *out = g_string_new ("\"");
    escape (out, text, QUOTE_MAX);
    g_string_append_c (out, '"');
    return g_string_free (out, FALSE);
}

static gboolean
is_plain_key (const char *key)
{
    if (key[0] == '\0')
        return FALSE;
    for (const char *at = key; *at != '\0'; at++)
        if (!g_ascii_isalnum (*at) && *at != '_' && *at != '-')
            return FALSE;
    return TRUE;
}

char *
path_key (const char *parent, const char *key)
{
    if (is_plain_key (key))
        return parent[0] == '\0' ? g_strdup (key) : g_strconcat (parent, ".", key, NULL);
    GString *out = g_string_new (parent);
    g_string_append (out, "[\"");
    escape (out, key, 0);
    g_string_append (out, "\"]");
    return g_string_free (out, FALSE);
}

char *
path_index (const char *parent, gsize index)
{
    return g_strdup_printf ("%s[%" G_GSIZE_FORMAT "]", parent, index);
}
