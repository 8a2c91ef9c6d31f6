/*
 * Images that this server lacks come from the controller, by digest: its list of an image's files, then what
 * is not zero of them piece by piece. The digest of every file is checked before the folder gets its name.
 *
 *     STATE/images/DIGEST/         complete
 *     STATE/images/.new-DIGEST/    one that is being fetched; swept at the start
 */
#pragma once

#include <glib.h>

typedef struct ImageFetch ImageFetch;

/* @controller NULL: there is none to ask. Makes and sweeps STATE/images. */
ImageFetch *image_fetch_new (const char *state_folder, const char *controller, GError **error);
void image_fetch_free (ImageFetch *fetch);

/*
 * Make sure that STATE/images/@digest (hex) is there. Blocks, for minutes with a large one; any thread; one
 * image at a time. VDC_ERROR_NOT_FOUND: the controller has none. VDC_ERROR_FULL before anything is fetched.
 */
gboolean image_fetch (ImageFetch *fetch, const char *digest, GError **error);
/* Remove all but those in @wanted (of hex digests). Only while no other thread fetches. */
void image_fetch_sweep (ImageFetch *fetch, GHashTable *wanted);
