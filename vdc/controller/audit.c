#include "vdc/controller/audit_internal.h"

#include <string.h>

#include "vdc/base/log.h"

#define HEAD_KEY "audit"
#define DAY_US (24 * 3600 * (gint64)G_USEC_PER_SEC)
/* Dropped at once, so that no commit becomes long, and only when so many are due: each time costs an entry.
 */
#define TRIM_AT_ONCE 1000
#define LOOK_US (3600 * (gint64)G_USEC_PER_SEC)

/* --- opening ----------------------------------------------------------------------------------------------- */

gboolean
audit_open (Controller *controller, guint kept, guint days, GError **error)
{
    g_autoptr (GError) local = NULL;
    g_autoptr (json_t) head = store_get (controller->store, STORE_META, HEAD_KEY, &local);
    if (head == NULL && !vdc_error_is_not_found (local)) {
        g_propagate_error (error, g_steal_pointer (&local));
        return FALSE;
    }
    Audit *audit = controller->audit = g_new0 (Audit, 1);
    audit->kept = MAX (kept != 0 ? kept : AUDIT_KEPT_DEFAULT, AUDIT_KEPT_MIN);
    audit->kept_us = days * DAY_US;
    audit->first = (guint64)json_int (head, "first", 1);
    audit->last = (guint64)json_int (head, "seq", 0);
    audit->trimmed = (guint64)json_int (head, "trimmed", 0);
    g_strlcpy (audit->digest, json_str (head, "digest", AUDIT_NO_DIGEST), sizeof audit->digest);
    audit->noted = g_ptr_array_new_with_free_func ((GDestroyNotify)json_decref);
    audit->limit = audit_limit_new ();
    audit->verifying = g_ptr_array_new ();
    return TRUE;
}

void
audit_close (Controller *controller)
{
    Audit *audit = controller->audit;
    if (audit == NULL)
        return;
    g_autoptr (json_t) due = audit_limit_due (audit->limit, 0, TRUE);
    gsize i;
    json_t *entry;
    json_array_foreach (due, i, entry) {
        audit_note (audit, json_incref (entry));
    }
    if (audit->noted->len > 0)
        audit_flush (controller, NULL);
    audit_verify_stop (audit);
    g_ptr_array_unref (audit->verifying);
    g_ptr_array_unref (audit->noted);
    audit_limit_free (audit->limit);
    g_free (audit);
    controller->audit = NULL;
}

guint64
audit_head (const Controller *controller, const char **digest)
{
    *digest = controller->audit->digest;
    return controller->audit->last;
}

guint64
audit_first (const Controller *controller)
{
    return controller->audit->first;
}

/* --- noting ------------------------------------------------------------------------------------------------ */

json_t *
audit_entry_new (Controller *controller, const AuditEntry *from)
{
    g_autofree char *stamp = controller_stamp (controller);
    json_t *entry = json_object ();
    json_put (entry, "time", json_string (stamp));
    json_put (entry, "who", json_str_new (from->who));
    json_put (entry, "address", json_str_new (from->address));
    json_put (entry, "action", json_str_new (from->action));
    json_put (entry, "object", json_str_new (from->object));
    json_put (entry, "id", json_str_new (from->id));
    json_put (entry, "application", json_str_new (from->application));
    json_put (entry, "result", json_string (from->result != NULL ? from->result : "ok"));
    json_put (entry, "params", from->params != NULL ? from->params : json_object ());
    return entry;
}

void
audit_note (Audit *audit, json_t *entry)
{
    if (audit->noted->len < AUDIT_NOTED_MAX) {
        g_ptr_array_add (audit->noted, entry);
        return;
    }
    audit->lost++;
    json_decref (entry);
}

void
controller_audit (Controller *controller, const AuditEntry *entry)
{
    audit_note (controller->audit, audit_entry_new (controller, entry));
}

/* What waited for its minute, and what could not be noted, as entries. */
static void
note_due (Controller *controller)
{
    Audit *audit = controller->audit;
    g_autoptr (json_t) due = audit_limit_due (audit->limit, clock_monotonic_us (controller->clock), FALSE);
    gsize i;
    json_t *entry;
    json_array_foreach (due, i, entry) {
        audit_note (audit, json_incref (entry));
    }
    if (audit->lost == 0 || audit->noted->len >= AUDIT_NOTED_MAX)
        return;
    controller_audit (controller,
                      &(AuditEntry){.who = "vdcd",
                                    .action = "auditLost",
                                    .object = "audit",
                                    .result = "full",
                                    .params = json_pack ("{s:I}", "entries", (json_int_t)audit->lost)});
    audit->lost = 0;
}

/* --- dropping old ones ------------------------------------------------------------------------------------- */

static json_t *
row (Controller *controller, guint64 seq)
{
    char key[AUDIT_KEY_BYTES];
    audit_chain_key (seq, key);
    return store_get (controller->store, STORE_AUDIT, key, NULL);
}

/* Number of the last entry to drop now; 0: none. */
static guint64
trim_to (Controller *controller)
{
    Audit *audit = controller->audit;
    guint64 to = audit->first + TRIM_AT_ONCE - 1;
    gint64 now_us = clock_monotonic_us (controller->clock);
    if (audit->last < to + 1)
        return 0;
    if (audit->last - audit->first + 1 >= (guint64)audit->kept + TRIM_AT_ONCE)
        return to;
    if (audit->kept_us == 0 || (audit->looked_us != 0 && now_us - audit->looked_us < LOOK_US))
        return 0;
    audit->looked_us = now_us;
    g_autoptr (json_t) newest = row (controller, to);
    g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (json_str (newest, "time", ""), NULL);
    gint64 before_us = controller_now_us (controller) - audit->kept_us;
    if (time == NULL || g_date_time_to_unix (time) * G_USEC_PER_SEC >= before_us)
        return 0;
    audit->looked_us = 0; /* there may be more */
    return to;
}

/* The entry that tells of it is part of the chain: nobody else can shorten it from below. */
static void
trim (Controller *controller, StoreTxn *txn)
{
    Audit *audit = controller->audit;
    guint64 to = trim_to (controller);
    if (to == 0)
        return;
    g_autoptr (json_t) last = row (controller, to);
    char key[AUDIT_KEY_BYTES];
    for (guint64 seq = audit->first; seq <= to; seq++) {
        audit_chain_key (seq, key);
        store_del (txn, STORE_AUDIT, key);
    }
    json_t *params = json_pack ("{s:I, s:s}", "dropped_to", (json_int_t)to, "digest",
                                json_str (last, "digest", AUDIT_NO_DIGEST));
    g_autoptr (json_t) entry = audit_entry_new (
        controller, &(AuditEntry){.who = "vdcd", .action = "trimAudit", .object = "audit", .params = params});
    audit_chain_key (++audit->put_last, key);
    audit_chain_seal (entry, audit->put_last, audit->put_digest);
    g_strlcpy (audit->put_digest, json_str (entry, "digest", ""), sizeof audit->put_digest);
    store_put (txn, STORE_AUDIT, key, json_incref (entry));
    audit->put_first = to + 1;
    audit->put_trimmed = audit->put_last;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

gboolean
audit_has_noted (Controller *controller)
{
    note_due (controller);
    return controller->audit->noted->len > 0;
}

static void
put_noted (Audit *audit, StoreTxn *txn)
{
    char key[AUDIT_KEY_BYTES];
    for (guint i = 0; i < audit->noted->len; i++) {
        json_t *entry = audit->noted->pdata[i];
        audit_chain_seal (entry, ++audit->put_last, audit->put_digest);
        g_strlcpy (audit->put_digest, json_str (entry, "digest", ""), sizeof audit->put_digest);
        audit_chain_key (audit->put_last, key);
        store_put (txn, STORE_AUDIT, key, json_incref (entry));
    }
    audit->put = audit->noted->len;
}

static void
put_head (Audit *audit, StoreTxn *txn)
{
    store_put (txn, STORE_META, HEAD_KEY,
               json_pack ("{s:I, s:s, s:I, s:I}", "seq", (json_int_t)audit->put_last, "digest",
                          audit->put_digest, "first", (json_int_t)audit->put_first, "trimmed",
                          (json_int_t)audit->put_trimmed));
}

void
audit_put (Controller *controller, StoreTxn *txn)
{
    Audit *audit = controller->audit;
    note_due (controller);
    json_t *current = audit_request_entry (controller);
    audit->put_current = current != NULL;
    if (current != NULL)
        g_ptr_array_add (audit->noted, current);
    audit->put_first = audit->first;
    audit->put_last = audit->last;
    audit->put_trimmed = audit->trimmed;
    memcpy (audit->put_digest, audit->digest, sizeof audit->put_digest);
    put_noted (audit, txn);
    trim (controller, txn);
    if (audit->put_last != audit->last)
        put_head (audit, txn);
}

void
audit_put_done (Controller *controller, gboolean written)
{
    Audit *audit = controller->audit;
    if (written) {
        g_ptr_array_remove_range (audit->noted, 0, audit->put);
        audit->first = audit->put_first;
        audit->last = audit->put_last;
        audit->trimmed = audit->put_trimmed;
        memcpy (audit->digest, audit->put_digest, sizeof audit->digest);
        if (audit->put_current)
            audit_request_written (controller);
    } else if (audit->put_current) { /* its answer will be an error, and tell that */
        g_ptr_array_remove_index (audit->noted, audit->noted->len - 1);
    }
    audit->put_current = FALSE;
    audit->put = 0;
}

gboolean
audit_flush (Controller *controller, GError **error)
{
    StoreTxn *txn = store_begin (controller->store);
    audit_put (controller, txn);
    gboolean written = store_commit (txn, NULL, error);
    audit_put_done (controller, written);
    return written;
}
