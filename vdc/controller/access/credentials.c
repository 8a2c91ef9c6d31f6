#include "vdc/controller/access/credentials.h"

#include <string.h>

#include "vdc/base/id.h"
#include "vdc/controller/access/access_private.h"
#include "vdc/controller/access/password.h"

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

/* --- making ---------------------------------------------------------------------------------------------------- */

#define SECOND_US ((gint64)G_USEC_PER_SEC)
/* Tokens that expired are still shown for so long. */
#define EXPIRED_KEPT_US (7 * 24 * 3600 * SECOND_US)

static gboolean
is_kind (const json_t *row, const char *kind)
{
    return strcmp (json_str (row, "kind", ""), kind) == 0;
}

static gint
compare_age (gconstpointer a, gconstpointer b)
{
    gint64 one = json_int (*(const json_t *const *)a, "created_us", 0);
    gint64 other = json_int (*(const json_t *const *)b, "created_us", 0);
    return (one < other) - (one > other);
}

/* Newest first. json_t *, referenced: rows may be ended while it is read. */
static GPtrArray *
rows_of (Controller *controller, const char *kind, const char *user)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func ((GDestroyNotify)json_decref);
    GHashTableIter iter;
    json_t *row;
    g_hash_table_iter_init (&iter, controller->access->ids);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&row))
        if ((kind == NULL || is_kind (row, kind)) &&
            (user == NULL || strcmp (json_str (row, "user", ""), user) == 0))
            g_ptr_array_add (rows, json_incref (row));
    g_ptr_array_sort (rows, compare_age);
    return rows;
}

/* Takes @row; gives it an id and a secret, whose digest it keeps. */
static char *
give_out (Controller *controller, const char *prefix, json_t *row, const json_t **kept)
{
    g_autofree char *id = id_random (8), *random = id_random (32);
    char *secret = g_strconcat (prefix, random, NULL);
    g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, secret, -1);
    password_wipe (random);
    json_put (row, "id", json_string (id));
    json_put (row, "secret", json_string (digest));
    access_put_credential (controller, id, row);
    *kept = row;
    return secret;
}

char *
credential_new_session (Controller *controller, const char *user, gboolean cookie, const char *address,
                        const char *client, const json_t **row)
{
    gint64 now_us = controller_now_us (controller);
    credential_sweep (controller);
    g_autoptr (GPtrArray) others = rows_of (controller, "session", user);
    for (guint i = SESSIONS_PER_USER - 1; i < others->len; i++)
        credential_end (controller, json_str (others->pdata[i], "id", ""));
    g_autofree char *short_client = g_strndup (client != NULL ? client : "", 200);
    json_t *client_text = json_str_new (short_client);
    return give_out (controller, "vdcs_",
                     json_pack ("{s:s, s:s, s:b, s:I, s:I, s:I, s:s, s:o}", "kind", "session", "user", user,
                                "cookie", cookie, "created_us", (json_int_t)now_us, "seen_us",
                                (json_int_t)now_us, "expires_us",
                                (json_int_t)(now_us + SESSION_LIFE_S * SECOND_US), "address", address,
                                "client", client_text),
                     row);
}

char *
credential_new_token (Controller *controller, const char *user, const char *name, HttpRole role,
                      json_t *applications, gint64 life_s, const json_t **row, GError **error)
{
    g_autoptr (json_t) scope = applications;
    gint64 now_us = controller_now_us (controller);
    credential_sweep (controller);
    g_autoptr (GPtrArray) others = rows_of (controller, "token", user);
    for (guint i = 0; i < others->len; i++)
        if (strcmp (json_str (others->pdata[i], "name", ""), name) == 0) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "there is a token '%s'; revoke it first",
                         name);
            return NULL;
        }
    if (others->len >= TOKENS_PER_USER) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "a user has at most %d tokens; revoke one first",
                     TOKENS_PER_USER);
        return NULL;
    }
    return give_out (controller, "vdct_",
                     json_pack ("{s:s, s:s, s:s, s:s, s:O?, s:I, s:I}", "kind", "token", "user", user, "name",
                                name, "role", access_role_name (role), "applications", scope, "created_us",
                                (json_int_t)now_us, "expires_us", (json_int_t)(now_us + life_s * SECOND_US)),
                     row);
}

/* --- ending ---------------------------------------------------------------------------------------------------- */

void
credential_end (Controller *controller, const char *id)
{
    g_autofree char *copy = g_strdup (id); /* it may be the row's */
    g_hash_table_remove (controller->access->seen, copy);
    access_put_credential (controller, copy, NULL);
}

void
credential_end_all (Controller *controller, const char *user, const char *except, gboolean tokens)
{
    g_autoptr (GPtrArray) rows = rows_of (controller, tokens ? NULL : "session", user);
    for (guint i = 0; i < rows->len; i++) {
        const char *id = json_str (rows->pdata[i], "id", "");
        if (g_strcmp0 (id, except) != 0)
            credential_end (controller, id);
    }
}

void
credential_sweep (Controller *controller)
{
    gint64 now_us = controller_now_us (controller);
    g_autoptr (GPtrArray) rows = rows_of (controller, NULL, NULL);
    for (guint i = 0; i < rows->len; i++) {
        const json_t *row = rows->pdata[i];
        gint64 kept_us = is_kind (row, "token") ? EXPIRED_KEPT_US : 0;
        if (!access_credential_is_live (controller, row) &&
            (kept_us == 0 || now_us > json_int (row, "expires_us", 0) + kept_us))
            credential_end (controller, json_str (row, "id", ""));
    }
}

/* --- shown ----------------------------------------------------------------------------------------------------- */

static json_t *
stamp_json (gint64 time_us)
{
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / SECOND_US);
    g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    return json_str_new (text);
}

/* Names of the applications that are still there. */
static json_t *
names_json (Controller *controller, const json_t *ids)
{
    if (!json_is_array (ids))
        return json_null ();
    json_t *names = json_array ();
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        for (gsize i = 0; i < json_array_size (ids); i++)
            if (g_strcmp0 (json_string_value (json_array_get (ids, i)), application->id) == 0)
                json_array_append_new (names, json_string (application->name));
    return names;
}

json_t *
credential_json (Controller *controller, const json_t *row)
{
    json_t *object = json_pack (
        "{s:s, s:s, s:o, s:o, s:b}", "id", json_str (row, "id", ""), "user", json_str (row, "user", ""),
        "created", stamp_json (json_int (row, "created_us", 0)), "expires",
        stamp_json (json_int (row, "expires_us", 0)), "live", access_credential_is_live (controller, row));
    if (is_kind (row, "session")) {
        json_put (object, "browser", json_boolean (json_bool (row, "cookie", FALSE)));
        json_put (object, "seen", stamp_json (last_seen_us (controller, row)));
        json_put (object, "address", json_str_new (json_str (row, "address", "")));
        json_put (object, "client", json_str_new (json_str (row, "client", "")));
    } else {
        json_put (object, "name", json_str_new (json_str (row, "name", "")));
        json_put (object, "role", json_str_new (json_str (row, "role", "none")));
        json_put (object, "applications", names_json (controller, json_object_get (row, "applications")));
    }
    return object;
}

json_t *
credential_list_json (Controller *controller, const char *kind, const char *user)
{
    g_autoptr (GPtrArray) rows = rows_of (controller, kind, user);
    json_t *items = json_array ();
    for (guint i = 0; i < rows->len; i++)
        json_array_append_new (items, credential_json (controller, rows->pdata[i]));
    return items;
}

json_t *
credential_of_principal (Controller *controller, const Principal *principal)
{
    return credential_json (controller, access_credential_row (controller->access, principal->credential));
}

gboolean
credential_is_of (Controller *controller, const char *id, const char *kind, const char *user)
{
    const json_t *row = access_credential_row (controller->access, id);
    return row != NULL && is_kind (row, kind) &&
           (user == NULL || strcmp (json_str (row, "user", ""), user) == 0);
}
