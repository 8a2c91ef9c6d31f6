#include "vdc/agent/memos.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <string.h>

#define SUFFIX ".json"

struct Memos {
    char *folder;
    GTree *digests; /* id → digest, in order */
};

gboolean
memo_is_id (const char *text)
{
    gsize length = strlen (text);
    return length >= 8 && length <= 32 && strspn (text, "0123456789abcdef") == length;
}

static char *
path_of (const Memos *memos, const char *id)
{
    g_autofree char *name = g_strconcat (id, SUFFIX, NULL);
    return g_build_filename (memos->folder, name, NULL);
}

static json_t *
read_memo (const Memos *memos, const char *id)
{
    g_autofree char *path = path_of (memos, id);
    return json_parse_file (path, NULL);
}

static int
compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
    return strcmp (a, b);
}

static void
load (Memos *memos)
{
    g_autoptr (GDir) dir = g_dir_open (memos->folder, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        if (!g_str_has_suffix (name, SUFFIX))
            continue;
        g_autofree char *id = g_strndup (name, strlen (name) - strlen (SUFFIX));
        g_autoptr (json_t) memo = memo_is_id (id) ? read_memo (memos, id) : NULL;
        const char *digest = json_str (memo, "digest", NULL);
        if (digest != NULL)
            g_tree_insert (memos->digests, g_steal_pointer (&id), g_strdup (digest));
    }
}

Memos *
memos_new (const char *folder, GError **error)
{
    if (!file_make_folder (folder, 0700, error))
        return NULL;
    Memos *memos = g_new0 (Memos, 1);
    memos->folder = g_strdup (folder);
    memos->digests = g_tree_new_full (compare, NULL, g_free, g_free);
    load (memos);
    return memos;
}

void
memos_free (Memos *memos)
{
    if (memos == NULL)
        return;
    g_tree_unref (memos->digests);
    g_free (memos->folder);
    g_free (memos);
}

gboolean
memos_put (Memos *memos, const char *id, const char *text, gsize length, GError **error)
{
    if (length > MEMO_MAX_BYTES ||
        (g_tree_lookup (memos->digests, id) == NULL && g_tree_nnodes (memos->digests) >= MEMOS_MAX)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "a server keeps %d memos of %d bytes", MEMOS_MAX,
                     MEMO_MAX_BYTES);
        return FALSE;
    }
    g_autoptr (json_t) memo = json_parse (text, length, error);
    if (memo == NULL)
        return FALSE;
    const char *digest = json_str (memo, "digest", NULL);
    if (digest == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "a memo needs a digest");
        return FALSE;
    }
    g_autofree char *path = path_of (memos, id);
    if (!file_replace (path, text, length, 0600, error))
        return FALSE;
    g_tree_replace (memos->digests, g_strdup (id), g_strdup (digest));
    return TRUE;
}

gboolean
memos_delete (Memos *memos, const char *id, GError **error)
{
    g_autofree char *path = path_of (memos, id);
    if (!file_remove (path, error))
        return FALSE;
    g_tree_remove (memos->digests, id);
    return TRUE;
}

typedef struct {
    const Memos *memos;
    const char *after;
    gboolean whole;
    json_t *list;
} Listing;

static gboolean
list_one (gpointer key, gpointer value, gpointer user_data)
{
    Listing *listing = user_data;
    if (listing->after != NULL && strcmp (key, listing->after) <= 0)
        return FALSE;
    if (!listing->whole) {
        json_array_append_new (listing->list,
                               json_pack ("{s:s, s:s}", "id", (char *)key, "digest", (char *)value));
        return FALSE;
    }
    json_t *memo = read_memo (listing->memos, key);
    if (memo != NULL)
        json_array_append_new (listing->list, json_pack ("{s:s, s:o}", "id", (char *)key, "memo", memo));
    return json_array_size (listing->list) >= MEMOS_PAGE;
}

json_t *
memos_list (Memos *memos, const char *after, gboolean whole)
{
    Listing listing = {memos, after, whole, json_array ()};
    g_tree_foreach (memos->digests, list_one, &listing);
    return listing.list;
}
