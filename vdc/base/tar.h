/*
 * Tar archives in memory: POSIX.1-1988 ("ustar") headers, written only.
 */
#pragma once

#include <glib.h>

#define TAR_BLOCK_BYTES 512
#define TAR_NAME_MAX_BYTES 99

/* A file of mode 0644, of root. VDC_ERROR_TOO_LARGE: the name has more than TAR_NAME_MAX_BYTES. */
gboolean tar_add_file (GByteArray *tar, const char *name, const void *data, gsize length, gint64 time_s,
                       GError **error);
/* A folder of mode 0755; @name ends with "/". */
gboolean tar_add_folder (GByteArray *tar, const char *name, gint64 time_s, GError **error);
void tar_end (GByteArray *tar);
