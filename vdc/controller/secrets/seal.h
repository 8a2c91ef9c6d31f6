/*
 * Secrets as they are stored: "sealed:" and base64 of nonce and ciphertext (XChaCha20-Poly1305 of libsodium).
 * The key is in a file that only vdcd reads, apart from the store, so the store alone shows no secret. (A
 * backup holds both, since it is to make a controller anew: it is a file as secret as the key.) The context
 * is authenticated: what was sealed for one application opens for no other.
 *
 * The length is hidden up to 64 bytes. Main loop only.
 */
#pragma once

#include <glib.h>

typedef struct Seal Seal;

/* Read the key file @path, or make it (0600). The key is kept in locked memory, out of core files. */
Seal *seal_new (const char *path, GError **error);
void seal_free (Seal *seal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Seal, seal_free)

/* Never the same twice. Caller frees. */
char *seal_close (const Seal *seal, const char *context, const char *plain);
/*
 * The plain text; caller wipes it (seal_wipe). NULL: VDC_ERROR_INVALID, it is no seal of ours, or of another
 * context.
 */
char *seal_open (const Seal *seal, const char *context, const char *sealed, GError **error);
/* Looks like one: begins with "sealed:". */
gboolean seal_is (const char *text);
/* Zero and free. */
void seal_wipe (char *plain);
