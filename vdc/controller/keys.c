#include "vdc/controller/keys.h"

#include <string.h>

#include "vdc/base/bug.h"

#define KEY_PREFIX "key."
#define TIME_PREFIX "keytime."
#define HASH_LENGTH 40 /* hex digits of SHA-256 that are kept: nobody meets another's key */

RequestKey *
request_key_new (const char *who, const char *key, const char *digest, gboolean secret)
{
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
    RequestKey *made = g_new0 (RequestKey, 1);
    g_checksum_update (sum, (const guchar *)who, (gssize)strlen (who) + 1);
    g_checksum_update (sum, (const guchar *)key, (gssize)strlen (key));
    made->hash = g_strndup (g_checksum_get_string (sum), HASH_LENGTH);
    /* What was asked may hold a password: a plain digest of it, stored, could be guessed at. */
    made->digest =
        g_compute_hmac_for_string (G_CHECKSUM_SHA256, (const guchar *)key, strlen (key), digest, -1);
    made->secret = secret;
    return made;
}

void
request_key_free (RequestKey *key)
{
    if (key == NULL)
        return;
    g_free (key->hash);
    g_free (key->digest);
    g_free (key);
}

void
keys_note (Controller *controller, RequestKey *key, guint status, const char *text)
{
    gint64 now_us = controller_now_us (controller);
    g_autofree char *row = g_strconcat (KEY_PREFIX, key->hash, NULL);
    g_autofree char *by_time = g_strdup_printf (TIME_PREFIX "%020" G_GINT64_FORMAT ".%s", now_us, key->hash);
    controller_write (controller, STORE_META, row,
                      json_pack ("{s:s, s:I, s:i, s:s?}", "digest", key->digest, "time_us",
                                 (json_int_t)now_us, "status", (int)status, "text",
                                 key->secret ? NULL : text));
    controller_write (controller, STORE_META, by_time, json_true ());
    key->noted = TRUE;
}

KeysState
keys_look_up (Controller *controller, const RequestKey *key, guint *status, char **text)
{
    g_autofree char *name = g_strconcat (KEY_PREFIX, key->hash, NULL);
    g_autoptr (json_t) row = store_get (controller->store, STORE_META, name, NULL);
    if (row == NULL || vdc_bug ("reconcile-key-forgotten") ||
        json_int (row, "time_us", 0) + KEYS_KEPT_US < controller_now_us (controller))
        return KEYS_NEW;
    if (strcmp (json_str (row, "digest", ""), key->digest) != 0)
        return KEYS_OTHER;
    if (json_str (row, "text", NULL) == NULL)
        return KEYS_SECRET;
    *status = (guint)json_int (row, "status", 200);
    *text = g_strdup (json_str (row, "text", ""));
    return KEYS_ANSWERED;
}

typedef struct {
    Controller *controller;
    gint64 before_us;
} Forgetting;

/* The oldest come first: the first that is young enough ends the walk. */
static gboolean
forget_old (const char *row, json_t *value, gpointer user_data)
{
    Forgetting *forgetting = user_data;
    const char *time = row + strlen (TIME_PREFIX), *hash = strchr (time, '.');
    if (hash == NULL || g_ascii_strtoll (time, NULL, 10) >= forgetting->before_us)
        return FALSE;
    g_autofree char *name = g_strconcat (KEY_PREFIX, hash + 1, NULL);
    g_autoptr (json_t) entry = store_get (forgetting->controller->store, STORE_META, name, NULL);
    /* It may have been used again since. */
    if (entry != NULL && json_int (entry, "time_us", 0) < forgetting->before_us)
        controller_write (forgetting->controller, STORE_META, name, NULL);
    controller_write (forgetting->controller, STORE_META, row, NULL);
    return TRUE;
}

void
keys_forget (Controller *controller)
{
    Forgetting forgetting = {controller, controller_now_us (controller) - KEYS_KEPT_US};
    store_list (controller->store, STORE_META, TIME_PREFIX, NULL, 0, forget_old, &forgetting, NULL);
}
