#include "vdc/controller/access/throttle.h"

struct Throttle {
    Clock *clock;
    GHashTable *entries; /* "USER\nADDRESS" → Entry */
    GQueue order;        /* Entry, the one tried longest ago first */
};

typedef struct {
    char *key;
    guint tries;
    gint64 last_us, next_us; /* monotonic */
    GList *link;
} Entry;

static void
entry_free (gpointer data)
{
    Entry *entry = data;
    g_free (entry->key);
    g_free (entry);
}

Throttle *
throttle_new (Clock *clock)
{
    Throttle *throttle = g_new0 (Throttle, 1);
    throttle->clock = clock;
    throttle->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
    g_queue_init (&throttle->order);
    return throttle;
}

void
throttle_free (Throttle *throttle)
{
    if (throttle == NULL)
        return;
    g_queue_clear (&throttle->order);
    g_hash_table_unref (throttle->entries);
    g_free (throttle);
}

static void
forget (Throttle *throttle, Entry *entry)
{
    g_queue_delete_link (&throttle->order, entry->link);
    g_hash_table_remove (throttle->entries, entry->key);
}

static void
forget_old (Throttle *throttle, gint64 now_us)
{
    Entry *oldest;
    while ((oldest = g_queue_peek_head (&throttle->order)) != NULL &&
           (g_hash_table_size (throttle->entries) > THROTTLE_ENTRIES ||
            now_us >= oldest->last_us + THROTTLE_FORGET_S * (gint64)G_USEC_PER_SEC))
        forget (throttle, oldest);
}

static Entry *
entry_of (Throttle *throttle, const char *user, const char *address, gboolean make)
{
    g_autofree char *key = g_strconcat (user, "\n", address, NULL);
    Entry *entry = g_hash_table_lookup (throttle->entries, key);
    if (entry != NULL || !make)
        return entry;
    entry = g_new0 (Entry, 1);
    entry->key = g_steal_pointer (&key);
    g_queue_push_tail (&throttle->order, entry);
    entry->link = throttle->order.tail;
    g_hash_table_insert (throttle->entries, entry->key, entry);
    return entry;
}

static gint64
delay_us (guint tries)
{
    guint s = 0;
    if (tries >= THROTTLE_FREE)
        s = MIN (1u << MIN (tries - THROTTLE_FREE, 6), THROTTLE_MAX_S);
    return s * (gint64)G_USEC_PER_SEC;
}

gboolean
throttle_try (Throttle *throttle, const char *user, const char *address, guint *wait_s)
{
    gint64 now_us = clock_monotonic_us (throttle->clock);
    forget_old (throttle, now_us);
    Entry *entry = entry_of (throttle, user, address, TRUE);
    if (now_us < entry->next_us) {
        *wait_s = (guint)((entry->next_us - now_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
        return FALSE;
    }
    entry->tries++;
    entry->last_us = now_us;
    entry->next_us = now_us + delay_us (entry->tries);
    g_queue_unlink (&throttle->order, entry->link);
    g_queue_push_tail_link (&throttle->order, entry->link);
    forget_old (throttle, now_us);
    return TRUE;
}

void
throttle_succeeded (Throttle *throttle, const char *user, const char *address)
{
    Entry *entry = entry_of (throttle, user, address, FALSE);
    if (entry != NULL)
        forget (throttle, entry);
}

void
throttle_cancel (Throttle *throttle, const char *user, const char *address)
{
    Entry *entry = entry_of (throttle, user, address, FALSE);
    if (entry == NULL || entry->tries == 0)
        return;
    entry->tries--;
    entry->next_us = clock_monotonic_us (throttle->clock) + delay_us (entry->tries);
}

guint
throttle_count (const Throttle *throttle)
{
    return g_hash_table_size (throttle->entries);
}
