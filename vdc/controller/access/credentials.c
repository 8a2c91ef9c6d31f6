#include "vdc/controller/access/credentials.h"

#include <string.h>

#include "vdc/controller/access/access_private.h"

/* How far what is stored of a session's last use may lag behind: a controller that starts anew believes that.
 */
#define SEEN_LAG_US (5 * 60 * (gint64)G_USEC_PER_SEC)

const json_t *
credential_find (Controller *controller, const char *secret)
{
    g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, secret, -1);
    return g_hash_table_lookup (controller->access->secrets, digest);
}

static gint64
last_seen_us (Controller *controller, const json_t *row)
{
    const gint64 *seen = g_hash_table_lookup (controller->access->seen, json_str (row, "id", ""));
    return seen != NULL ? *seen : json_int (row, "seen_us", 0);
}

gboolean
access_credential_is_live (Controller *controller, const json_t *row)
{
    gint64 now_us = controller_now_us (controller);
    if (now_us >= json_int (row, "expires_us", 0))
        return FALSE;
    if (strcmp (json_str (row, "kind", ""), "session") != 0)
        return TRUE;
    return now_us < last_seen_us (controller, row) + SESSION_IDLE_S * (gint64)G_USEC_PER_SEC;
}

void
credential_used (Controller *controller, const char *id)
{
    Access *access = controller->access;
    const json_t *row = access_credential_row (access, id);
    gint64 now_us = controller_now_us (controller);
    if (strcmp (json_str (row, "kind", ""), "session") != 0)
        return;
    g_hash_table_replace (access->seen, g_strdup (id), g_memdup2 (&now_us, sizeof now_us));
    if (now_us - json_int (row, "seen_us", 0) < SEEN_LAG_US)
        return;
    json_t *newer = json_copy ((json_t *)row);
    json_put (newer, "seen_us", json_integer (now_us));
    access_put_credential (controller, id, newer);
}
