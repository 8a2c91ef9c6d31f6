#include "vdc/controller/audit_limit.h"

typedef struct {
    double left;
    gint64 filled_us;
} Bucket;

typedef struct {
    json_t *entry; /* the first one */
    gint64 count, since_us;
    gboolean begun; /* the first one has an entry of its own */
} Counted;

struct AuditLimit {
    GHashTable *callers; /* address → Bucket */
    GHashTable *known;   /* user → Bucket: strangers take no room from them */
    Bucket all;          /* of strangers */
    GHashTable *counted; /* text → Counted */
};

static void
counted_free (gpointer data)
{
    Counted *counted = data;
    json_decref (counted->entry);
    g_free (counted);
}

AuditLimit *
audit_limit_new (void)
{
    AuditLimit *limit = g_new0 (AuditLimit, 1);
    limit->callers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    limit->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    limit->all.left = AUDIT_BURST_ALL;
    limit->counted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, counted_free);
    return limit;
}

void
audit_limit_free (AuditLimit *limit)
{
    if (limit == NULL)
        return;
    g_hash_table_unref (limit->callers);
    g_hash_table_unref (limit->known);
    g_hash_table_unref (limit->counted);
    g_free (limit);
}

/* A full bucket is as good as none. */
static void
forget_full (GHashTable *table, double burst, double rate, gint64 now_us)
{
    GHashTableIter iter;
    Bucket *bucket;
    g_hash_table_iter_init (&iter, table);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&bucket))
        if ((double)(now_us - bucket->filled_us) / G_USEC_PER_SEC * rate >= burst)
            g_hash_table_iter_remove (&iter);
}

static gboolean
take (Bucket *bucket, double burst, double rate, gint64 now_us)
{
    double more = (double)(now_us - bucket->filled_us) / G_USEC_PER_SEC * rate;
    bucket->left = MIN (burst, bucket->left + more);
    bucket->filled_us = now_us;
    if (bucket->left < 1)
        return FALSE;
    bucket->left -= 1;
    return TRUE;
}

static Bucket *
bucket_for (GHashTable *table, const char *caller, double burst, double rate, gint64 now_us)
{
    Bucket *bucket = g_hash_table_lookup (table, caller);
    if (bucket == NULL && g_hash_table_size (table) >= AUDIT_CALLERS_MAX)
        forget_full (table, burst, rate, now_us);
    if (bucket == NULL && g_hash_table_size (table) >= AUDIT_CALLERS_MAX)
        bucket = g_hash_table_lookup (table, caller = "");
    if (bucket != NULL)
        return bucket;
    bucket = g_new0 (Bucket, 1);
    *bucket = (Bucket){burst, now_us};
    g_hash_table_insert (table, g_strdup (caller), bucket);
    return bucket;
}

gboolean
audit_limit_allows (AuditLimit *limit, const char *who, const char *address, gint64 now_us)
{
    if (who != NULL)
        return take (bucket_for (limit->known, who, AUDIT_BURST_KNOWN, AUDIT_RATE_KNOWN, now_us),
                     AUDIT_BURST_KNOWN, AUDIT_RATE_KNOWN, now_us);
    return take (bucket_for (limit->callers, address, AUDIT_BURST_UNKNOWN, AUDIT_RATE_UNKNOWN, now_us),
                 AUDIT_BURST_UNKNOWN, AUDIT_RATE_UNKNOWN, now_us) &&
           take (&limit->all, AUDIT_BURST_ALL, AUDIT_RATE_ALL, now_us);
}

static char *
kind_of (const json_t *entry)
{
    return g_strdup_printf ("%s\n%s\n%s\n%s", json_str (entry, "who", ""), json_str (entry, "address", ""),
                            json_str (entry, "action", ""), json_str (entry, "result", ""));
}

/* Of many objects, perhaps of many callers: only what they share is said. */
static Counted *
counted_new (const json_t *entry, gboolean many, gint64 now_us)
{
    Counted *counted = g_new0 (Counted, 1);
    counted->entry = json_deep_copy (entry);
    counted->since_us = now_us;
    json_put (counted->entry, "id", NULL);
    json_put (counted->entry, "params", json_object ());
    if (many) {
        json_put (counted->entry, "who", NULL);
        json_put (counted->entry, "address", NULL);
        json_put (counted->entry, "application", NULL);
        json_put (counted->entry, "action", json_string ("many"));
        json_put (counted->entry, "result", json_string ("many"));
    }
    return counted;
}

static Counted *
counted_for (AuditLimit *limit, const json_t *entry, gint64 now_us)
{
    g_autofree char *kind = kind_of (entry);
    Counted *counted = g_hash_table_lookup (limit->counted, kind);
    if (counted != NULL)
        return counted;
    gboolean many = g_hash_table_size (limit->counted) >= AUDIT_COUNTED_MAX - 1;
    if (many && (counted = g_hash_table_lookup (limit->counted, "")) != NULL)
        return counted;
    counted = counted_new (entry, many, now_us);
    g_hash_table_insert (limit->counted, g_strdup (many ? "" : kind), counted);
    return counted;
}

void
audit_limit_count (AuditLimit *limit, const json_t *entry, gint64 now_us)
{
    counted_for (limit, entry, now_us)->count++;
}

gboolean
audit_limit_again (AuditLimit *limit, const json_t *entry, gint64 now_us)
{
    Counted *counted = counted_for (limit, entry, now_us);
    gboolean again = counted->begun;
    counted->begun = TRUE;
    counted->count += again;
    return again;
}

json_t *
audit_limit_due (AuditLimit *limit, gint64 now_us, gboolean every)
{
    json_t *due = NULL;
    GHashTableIter iter;
    Counted *counted;
    g_hash_table_iter_init (&iter, limit->counted);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&counted)) {
        if (!every && now_us - counted->since_us < AUDIT_COUNTED_US)
            continue;
        if (counted->count > 0) {
            due = due != NULL ? due : json_array ();
            json_put (counted->entry, "count", json_integer (counted->count));
            json_array_append (due, counted->entry);
        }
        g_hash_table_iter_remove (&iter);
    }
    return due;
}
