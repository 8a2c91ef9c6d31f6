/*
 * Walks the chain from the oldest entry kept to the newest, some at a time, so that the grid goes on
 * meanwhile.
 */
#include "vdc/controller/audit_internal.h"

#include <string.h>

#define AT_ONCE 200

typedef struct {
    Controller *controller;
    AuditVerified done;
    gpointer user_data;
    guint source;
    guint64 next, entries;
    char prev[65];
} Verifying;

static json_t *
finding_new (AuditFinding finding, guint64 seq, const char *message)
{
    return json_pack ("{s:s, s:I, s:s}", "code", audit_finding_name (finding), "seq", (json_int_t)seq,
                      "message", message);
}

static json_t *
describe (AuditFinding finding, guint64 seq)
{
    static const char *const say[AUDIT_N_FINDINGS] = {
        [AUDIT_MISSING] = "entry %" G_GUINT64_FORMAT " is missing",
        [AUDIT_DAMAGED] = "entry %" G_GUINT64_FORMAT " was changed: it is not what its digest says",
        [AUDIT_REORDERED] = "in the place of entry %" G_GUINT64_FORMAT " lies another one",
        [AUDIT_REPLACED] =
            "entry %" G_GUINT64_FORMAT " does not continue the one before: one of them was replaced",
    };
    g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, seq);
    g_autoptr (GString) message = g_string_new (say[finding]);
    g_string_replace (message, "%" G_GUINT64_FORMAT, number, 1);
    return finding_new (finding, seq, message->str);
}

static json_t *
read_entry (Controller *controller, guint64 seq, AuditFinding *finding)
{
    g_autoptr (GError) error = NULL;
    char key[AUDIT_KEY_BYTES];
    audit_chain_key (seq, key);
    json_t *entry = store_get (controller->store, STORE_AUDIT, key, &error);
    *finding = entry != NULL || vdc_error_is_not_found (error) ? AUDIT_GOOD : AUDIT_DAMAGED;
    return entry;
}

/* The oldest entry kept follows what the last trimming says it dropped; that word is in the chain itself. */
static json_t *
check_beginning (Verifying *verifying)
{
    const Audit *audit = verifying->controller->audit;
    AuditFinding finding;
    if (audit->first <= 1)
        return NULL;
    g_autoptr (json_t) word = read_entry (verifying->controller, audit->trimmed, &finding);
    const json_t *params = json_object_get (word, "params");
    if (strcmp (json_str (word, "action", ""), "trimAudit") != 0 ||
        (guint64)json_int (params, "dropped_to", 0) + 1 != audit->first)
        return finding_new (
            AUDIT_MISSING, audit->first - 1,
            "entries before the oldest one are missing, and no entry tells of their dropping");
    g_strlcpy (verifying->prev, json_str (params, "digest", AUDIT_NO_DIGEST), sizeof verifying->prev);
    return NULL;
}

static gboolean
note_extra (const char *key, json_t *value, gpointer user_data)
{
    *(guint64 *)user_data = audit_chain_seq (key);
    return FALSE;
}

/* The walk ended where the head says, and nothing lies behind it. */
static json_t *
check_end (Verifying *verifying)
{
    const Audit *audit = verifying->controller->audit;
    char key[AUDIT_KEY_BYTES];
    guint64 extra = 0;
    if (strcmp (verifying->prev, audit->digest) != 0)
        return finding_new (AUDIT_REPLACED, audit->last,
                            "the newest entry is not the one that the head names");
    audit_chain_key (audit->last, key);
    if (!store_list (verifying->controller->store, STORE_AUDIT, NULL, key, 1, note_extra, &extra, NULL) ||
        extra != 0)
        return finding_new (AUDIT_REORDERED, extra, "there is an entry behind the newest one");
    return NULL;
}

/* NULL: good so far. */
static json_t *
check_some (Verifying *verifying)
{
    Audit *audit = verifying->controller->audit;
    for (guint n = 0; n < AT_ONCE && verifying->next <= audit->last;
         n++, verifying->next++, verifying->entries++) {
        AuditFinding finding;
        g_autoptr (json_t) entry = read_entry (verifying->controller, verifying->next, &finding);
        if (finding == AUDIT_GOOD)
            finding = audit_chain_check (entry, verifying->next, verifying->prev);
        if (finding != AUDIT_GOOD)
            return describe (finding, verifying->next);
        g_strlcpy (verifying->prev, json_str (entry, "digest", ""), sizeof verifying->prev);
    }
    return NULL;
}

/* Takes @finding. */
static void
end (Verifying *verifying, json_t *finding)
{
    Audit *audit = verifying->controller->audit;
    json_t *report = json_pack ("{s:b, s:I, s:I, s:I, s:s, s:o?}", "clean", finding == NULL, "first",
                                (json_int_t)audit->first, "last", (json_int_t)audit->last, "entries",
                                (json_int_t)verifying->entries, "digest", audit->digest, "finding", finding);
    g_ptr_array_remove (audit->verifying, verifying);
    verifying->done (report, verifying->user_data);
    g_free (verifying);
}

static void
begin (Verifying *verifying)
{
    verifying->next = verifying->controller->audit->first;
    verifying->entries = 0;
    g_strlcpy (verifying->prev, AUDIT_NO_DIGEST, sizeof verifying->prev);
}

static gboolean
on_idle (gpointer user_data)
{
    Verifying *verifying = user_data;
    const Audit *audit = verifying->controller->audit;
    json_t *finding = NULL;
    if (verifying->next < audit->first) /* old ones were dropped meanwhile */
        begin (verifying);
    if (verifying->next == audit->first)
        finding = check_beginning (verifying);
    if (finding == NULL)
        finding = check_some (verifying);
    if (finding == NULL && verifying->next <= audit->last)
        return G_SOURCE_CONTINUE;
    end (verifying, finding != NULL ? finding : check_end (verifying));
    return G_SOURCE_REMOVE;
}

void
audit_verify (Controller *controller, AuditVerified done, gpointer user_data)
{
    Verifying *verifying = g_new0 (Verifying, 1);
    verifying->controller = controller;
    verifying->done = done;
    verifying->user_data = user_data;
    begin (verifying);
    verifying->source = g_idle_add (on_idle, verifying);
    g_ptr_array_add (controller->audit->verifying, verifying);
}

void
audit_verify_stop (Audit *audit)
{
    while (audit->verifying->len > 0) {
        Verifying *verifying = audit->verifying->pdata[0];
        g_source_remove (verifying->source);
        end (verifying, finding_new (AUDIT_GOOD, verifying->next, "the controller ends"));
    }
}
