#include "vdc/store/audit_chain.h"

#include <string.h>

#include "vdc/base/bug.h"

static const char *const finding_names[AUDIT_N_FINDINGS] = {
    [AUDIT_GOOD] = "good",           [AUDIT_MISSING] = "missing",   [AUDIT_DAMAGED] = "damaged",
    [AUDIT_REORDERED] = "reordered", [AUDIT_REPLACED] = "replaced",
};

const char *
audit_finding_name (AuditFinding finding)
{
    return finding_names[finding];
}

void
audit_chain_key (guint64 seq, char key[AUDIT_KEY_BYTES])
{
    g_snprintf (key, AUDIT_KEY_BYTES, "%016" G_GINT64_MODIFIER "x", seq);
}

guint64
audit_chain_seq (const char *key)
{
    if (strlen (key) != AUDIT_KEY_BYTES - 1 || strspn (key, "0123456789abcdef") != AUDIT_KEY_BYTES - 1)
        return 0;
    return g_ascii_strtoull (key, NULL, 16);
}

char *
audit_chain_digest (const json_t *entry)
{
    g_autoptr (json_t) bare = json_copy ((json_t *)entry);
    json_object_del (bare, "digest");
    g_autofree char *text = json_text (bare);
    return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

void
audit_chain_seal (json_t *entry, guint64 seq, const char *prev)
{
    json_put (entry, "seq", json_integer ((json_int_t)seq));
    json_put (entry, "prev", json_string (vdc_bug ("store-audit-unchained") ? "" : prev));
    g_autofree char *digest = audit_chain_digest (entry);
    json_put (entry, "digest", json_string (digest));
}

AuditFinding
audit_chain_check (const json_t *entry, guint64 seq, const char *prev)
{
    if (entry == NULL)
        return AUDIT_MISSING;
    if (!json_is_object (entry))
        return AUDIT_DAMAGED;
    g_autofree char *digest = audit_chain_digest (entry);
    if (strcmp (json_str (entry, "digest", ""), digest) != 0)
        return AUDIT_DAMAGED;
    if ((guint64)json_int (entry, "seq", 0) != seq)
        return AUDIT_REORDERED;
    return strcmp (json_str (entry, "prev", ""), prev) == 0 ? AUDIT_GOOD : AUDIT_REPLACED;
}
