#include "vdc/controller/secrets/seal.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/model/property.h"

#include <sodium.h>
#include <string.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KEY crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define BLOCK 64

struct Seal {
    unsigned char *key; /* in guarded memory of libsodium */
};

static gboolean
load_key (Seal *seal, const char *path, GError **error)
{
    g_autofree char *content = NULL;
    g_autoptr (GError) problem = NULL;
    gsize length;

    if (g_file_get_contents (path, &content, &length, &problem)) {
        gboolean whole = length == KEY;
        if (whole)
            memcpy (seal->key, content, KEY);
        else
            g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                         "%s: a key of %u bytes was expected, there are %zu; restore it from a backup", path,
                         KEY, length);
        sodium_memzero (content, length);
        return whole;
    }
    if (!g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_error (error, g_steal_pointer (&problem));
        return FALSE;
    }
    randombytes_buf (seal->key, KEY);
    return file_replace (path, seal->key, KEY, 0600, error);
}

Seal *
seal_new (const char *path, GError **error)
{
    if (sodium_init () < 0)
        g_error ("libsodium does not start");
    g_autoptr (Seal) seal = g_new0 (Seal, 1);
    seal->key = sodium_malloc (KEY);
    if (seal->key == NULL)
        g_error ("out of memory");
    if (!load_key (seal, path, error))
        return NULL;
    sodium_mprotect_readonly (seal->key);
    return g_steal_pointer (&seal);
}

void
seal_free (Seal *seal)
{
    if (seal == NULL)
        return;
    sodium_free (seal->key);
    g_free (seal);
}

gboolean
seal_is (const char *text)
{
    return text != NULL && g_str_has_prefix (text, SECRET_SEALED_PREFIX);
}

void
seal_wipe (char *plain)
{
    if (plain != NULL)
        sodium_memzero (plain, strlen (plain));
    g_free (plain);
}

char *
seal_close (const Seal *seal, const char *context, const char *plain)
{
    gsize length = strlen (plain), padded, room = (length / BLOCK + 1) * BLOCK;
    g_autofree unsigned char *text = g_malloc0 (room);
    g_autofree unsigned char *box = g_malloc (NONCE + room + TAG);

    memcpy (text, plain, length);
    sodium_pad (&padded, text, length, BLOCK, room);
    randombytes_buf (box, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt (box + NONCE, NULL, text, padded, (const guchar *)context,
                                                strlen (context), NULL, box, seal->key);
    sodium_memzero (text, room);
    g_autofree char *encoded = g_base64_encode (box, NONCE + padded + TAG);
    return g_strconcat (SECRET_SEALED_PREFIX, encoded, NULL);
}

static char *
refuse (GError **error)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                 "this secret was not sealed for this application; give its value anew");
    return NULL;
}

char *
seal_open (const Seal *seal, const char *context, const char *sealed, GError **error)
{
    gsize length = 0, end;

    if (!seal_is (sealed))
        return refuse (error);
    g_autofree guchar *box = g_base64_decode (sealed + strlen (SECRET_SEALED_PREFIX), &length);
    if (box == NULL || length < NONCE + TAG + BLOCK || length > SECRET_SEALED_MAX)
        return refuse (error);
    gsize room = length - NONCE - TAG;
    char *text = g_malloc0 (room + 1);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt ((guchar *)text, NULL, NULL, box + NONCE, length - NONCE,
                                                    (const guchar *)context, strlen (context), box,
                                                    seal->key) != 0 ||
        sodium_unpad (&end, (guchar *)text, room, BLOCK) != 0) {
        g_free (text);
        return refuse (error);
    }
    memset (text + end, 0, room - end);
    return text;
}
