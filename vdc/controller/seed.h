/*
 * The first content of a volume, from a folder of the catalog, as a tar archive for the agent.
 */
#pragma once

#include <glib.h>

#define SEED_LIMIT_BYTES (64 * 1024 * 1024)

/*
 * A ustar archive of @folder: folders and regular files, names relative to it, sorted, owner root, modes 0755
 * and 0644, no times, so that the same content gives the same bytes. Symlinks and others are left out.
 * Blocking. NULL: VDC_ERROR_NOT_FOUND, or VDC_ERROR_TOO_LARGE beyond SEED_LIMIT_BYTES.
 */
GBytes *seed_pack (const char *folder, GError **error);
