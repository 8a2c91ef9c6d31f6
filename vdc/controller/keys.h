/*
 * Idempotency keys: what was answered to whom, kept a day, in the transaction of what was done. So a reply
 * that was lost, by the network or by a crash, is given again byte for byte, and nothing is done twice.
 *
 * Rows of STORE_META: "key.HASH" → {digest, time_us, status, text}, text null for an answer that held a
 * secret; "keytime.TIME.HASH" → true, by which old ones are found. HASH is over who asks and the key.
 */
#pragma once

#include "vdc/controller/controller.h"

#define KEYS_KEPT_US (24 * 3600 * (gint64)G_USEC_PER_SEC)

/* One request with a key. */
typedef struct {
    char *hash;
    char *digest;    /* of http_request_digest, keyed with the key itself */
    gboolean secret; /* its answer is not written down */
    gboolean noted;  /* keys_note was called */
} RequestKey;

RequestKey *request_key_new (const char *who, const char *key, const char *digest, gboolean secret);
void request_key_free (RequestKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RequestKey, request_key_free)

/* Write @text, the answer's bytes, with the next commit. */
void keys_note (Controller *controller, RequestKey *key, guint status, const char *text);

typedef enum {
    KEYS_NEW,
    KEYS_ANSWERED, /* *status and *text (caller frees) are set */
    KEYS_OTHER,    /* the key was sent with another request */
    KEYS_SECRET,   /* done before, and its answer was not kept */
} KeysState;
KeysState keys_look_up (Controller *controller, const RequestKey *key, guint *status, char **text);

/* Drop those older than a day, with the next commit. */
void keys_forget (Controller *controller);
