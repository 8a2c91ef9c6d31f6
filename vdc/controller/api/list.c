#include "vdc/controller/api/list.h"

#include <string.h>

typedef struct {
    char *key;
    gconstpointer record;
} Entry;

static void
entry_clear (gpointer data)
{
    g_free (((Entry *)data)->key);
}

static gint
compare_up (gconstpointer a, gconstpointer b)
{
    return strcmp (((const Entry *)a)->key, ((const Entry *)b)->key);
}

static gint
compare_down (gconstpointer a, gconstpointer b)
{
    return compare_up (b, a);
}

static gboolean
wanted (HttpRequest *request, Controller *controller, gconstpointer record, const ListKind *kind)
{
    for (guint i = 0; kind->filters != NULL && kind->filters[i] != NULL; i++) {
        const char *value = http_request_query (request, kind->filters[i]);
        if (value != NULL && g_strcmp0 (value, kind->field (controller, record, kind->filters[i])) != 0)
            return FALSE;
    }
    return TRUE;
}

/* Those that match and come after ?after, sorted. */
static GArray *
select_entries (HttpRequest *request, Controller *controller, GPtrArray *records, const ListKind *kind)
{
    const char *after = http_request_query (request, "after");
    GArray *entries = g_array_new (FALSE, FALSE, sizeof (Entry));
    g_array_set_clear_func (entries, entry_clear);
    for (guint i = 0; i < records->len; i++) {
        Entry entry = {NULL, records->pdata[i]};
        if (!wanted (request, controller, entry.record, kind))
            continue;
        entry.key = kind->key (entry.record);
        int side = after != NULL ? strcmp (entry.key, after) : 1;
        if (after == NULL || (kind->descending ? side < 0 : side > 0))
            g_array_append_val (entries, entry);
        else
            g_free (entry.key);
    }
    g_array_sort (entries, kind->descending ? compare_down : compare_up);
    return entries;
}

static guint
limit_of (HttpRequest *request)
{
    gint64 limit = LIST_LIMIT;
    http_request_query_int (request, "limit", 1, G_MAXINT32, LIST_LIMIT, &limit, NULL); /* checked before */
    return (guint)limit;
}

void
list_reply_in (HttpRequest *request, Controller *controller, gpointer parent, GPtrArray *records,
               const ListKind *kind)
{
    guint limit = limit_of (request);
    g_autoptr (GArray) entries = select_entries (request, controller, records, kind);
    json_t *items = json_array ();
    for (guint i = 0; i < MIN (limit, entries->len); i++) {
        gconstpointer record = g_array_index (entries, Entry, i).record;
        json_array_append_new (items, kind->render_in != NULL ? kind->render_in (controller, parent, record)
                                                              : kind->render (controller, record));
    }
    http_reply_list (request, items,
                     entries->len > limit ? g_array_index (entries, Entry, limit - 1).key : NULL);
}

void
list_reply (HttpRequest *request, Controller *controller, GPtrArray *records, const ListKind *kind)
{
    list_reply_in (request, controller, NULL, records, kind);
}

GPtrArray *
list_of_table (GHashTable *table)
{
    GPtrArray *records = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer record;
    g_hash_table_iter_init (&iter, table);
    while (g_hash_table_iter_next (&iter, NULL, &record))
        g_ptr_array_add (records, record);
    return records;
}

void
list_reply_items (HttpRequest *request, json_t *items, const char *key)
{
    const char *after = http_request_query (request, "after");
    guint limit = limit_of (request);
    json_t *page = json_array (), *item;
    const char *next = NULL, *last = NULL;
    gsize i;
    json_array_foreach (items, i, item) {
        const char *own = json_str (item, key, "");
        if (after != NULL && strcmp (own, after) <= 0)
            continue;
        if (json_array_size (page) == limit) {
            next = last;
            break;
        }
        json_array_append (page, item);
        last = own;
    }
    http_reply_list (request, page, next);
    json_decref (items);
}
