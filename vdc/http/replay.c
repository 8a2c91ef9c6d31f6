#include "vdc/http/replay.h"

#include <string.h>

#include "vdc/http/reply.h"

#define DATA_NAME "http-replay"

typedef struct {
    char *key, *digest;
    HttpRequest *first; /* the one under way, a name only; NULL: answered */
    GPtrArray *waiting; /* HttpRequest * */
    guint status;
    GBytes *bytes;
    gint64 end_us; /* kept until then */
    GList link;    /* in `answered` */
} Entry;

struct HttpReplay {
    GHashTable *entries; /* key → Entry */
    GQueue answered;     /* Entry, the oldest first */
    guint limit;
    gint64 kept_us;
    Clock *clock;
};

static void
entry_free (gpointer data)
{
    Entry *entry = data;
    g_free (entry->key);
    g_free (entry->digest);
    g_ptr_array_unref (entry->waiting);
    g_clear_pointer (&entry->bytes, g_bytes_unref);
    g_free (entry);
}

HttpReplay *
http_replay_new (guint limit, gint64 kept_us, Clock *clock)
{
    HttpReplay *replay = g_new0 (HttpReplay, 1);
    replay->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
    g_queue_init (&replay->answered);
    replay->limit = limit;
    replay->kept_us = kept_us;
    replay->clock = clock;
    return replay;
}

void
http_replay_free (HttpReplay *replay)
{
    if (replay == NULL)
        return;
    g_hash_table_unref (replay->entries);
    g_free (replay);
}

static void
forget (HttpReplay *replay, Entry *entry)
{
    if (entry->link.data != NULL)
        g_queue_unlink (&replay->answered, &entry->link);
    g_hash_table_remove (replay->entries, entry->key);
}

static void
forget_old (HttpReplay *replay)
{
    gint64 now_us = clock_monotonic_us (replay->clock);
    for (Entry *oldest; (oldest = g_queue_peek_head (&replay->answered)) != NULL;) {
        if (oldest->end_us > now_us && replay->answered.length <= replay->limit)
            return;
        forget (replay, oldest);
    }
}

static gboolean
refuse (HttpRequest *request, VdcErrorCode code)
{
    g_autoptr (GError) error = g_error_new_literal (VDC_ERROR, (gint)code, vdc_error_info (code)->meaning);
    if (code == VDC_ERROR_IN_PROGRESS)
        http_reply_header (request, "Retry-After", "1");
    http_reply_error (request, error);
    return FALSE;
}

static gboolean
again (HttpRequest *request, Entry *entry)
{
    if (entry->first == NULL)
        http_reply_again (request, entry->status, entry->bytes);
    else if (entry->waiting->len >= HTTP_REPLAY_WAITERS_MAX)
        return refuse (request, VDC_ERROR_IN_PROGRESS);
    else
        g_ptr_array_add (entry->waiting, http_request_ref (request));
    return FALSE;
}

gboolean
http_replay_begin (HttpReplay *replay, HttpRequest *request, const char *key, const char *digest)
{
    forget_old (replay);
    Entry *entry = g_hash_table_lookup (replay->entries, key);
    if (entry != NULL)
        return strcmp (entry->digest, digest) == 0 ? again (request, entry)
                                                   : refuse (request, VDC_ERROR_KEY_REUSED);
    entry = g_new0 (Entry, 1);
    entry->key = g_strdup (key);
    entry->digest = g_strdup (digest);
    entry->first = request;
    entry->waiting = g_ptr_array_new_with_free_func ((GDestroyNotify)http_request_unref);
    g_hash_table_insert (replay->entries, entry->key, entry);
    http_request_set_data (request, DATA_NAME, g_strdup (key), g_free);
    return TRUE;
}

void
http_replay_end (HttpReplay *replay, HttpRequest *request, guint status, GBytes *bytes, gboolean keep)
{
    const char *key = http_request_data (request, DATA_NAME);
    Entry *entry = key != NULL ? g_hash_table_lookup (replay->entries, key) : NULL;
    if (entry == NULL || entry->first != request)
        return;
    g_autoptr (GPtrArray) waiting = g_steal_pointer (&entry->waiting);
    entry->waiting = g_ptr_array_new_with_free_func ((GDestroyNotify)http_request_unref);
    entry->first = NULL;
    if (keep && status / 100 == 2) {
        entry->status = status;
        entry->bytes = g_bytes_ref (bytes);
        entry->end_us = clock_monotonic_us (replay->clock) + replay->kept_us;
        entry->link.data = entry;
        g_queue_push_tail_link (&replay->answered, &entry->link);
    } else {
        forget (replay, entry);
    }
    for (guint i = 0; i < waiting->len; i++)
        http_reply_again (waiting->pdata[i], status, bytes);
}

/* --- what a request asks ----------------------------------------------------------------------------------- */

static void
add (GChecksum *sum, const void *data, gsize length)
{
    guint64 size = GUINT64_TO_LE (length);
    g_checksum_update (sum, (const guchar *)&size, sizeof size);
    g_checksum_update (sum, data, (gssize)length);
}

static gint
compare_texts (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

char *
http_request_digest (HttpRequest *request)
{
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
    g_autoptr (GPtrArray) names = http_request_query_names (request);
    gsize length = 0;
    const void *body = g_bytes_get_data (http_request_body (request), &length);
    add (sum, http_request_method (request), strlen (http_request_method (request)));
    add (sum, http_request_path (request), strlen (http_request_path (request)));
    add (sum, body, length);
    g_ptr_array_sort (names, compare_texts);
    for (guint i = 0; i < names->len; i++) {
        const char *value = http_request_query (request, names->pdata[i]);
        add (sum, names->pdata[i], strlen (names->pdata[i]));
        add (sum, value, strlen (value));
    }
    return g_strdup (g_checksum_get_string (sum));
}
