#include "vdc/base/tar.h"

#include "vdc/base/error.h"

#include <string.h>

static const guint8 zeros[TAR_BLOCK_BYTES * 2];

/* Numbers in octal. */
static gboolean
add_header (GByteArray *tar, const char *name, char type, guint64 size, gint64 time_s, GError **error)
{
    char header[TAR_BLOCK_BYTES] = {0};
    guint sum = 0;
    if (strlen (name) > TAR_NAME_MAX_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE, "the path '%s' is longer than %d bytes", name,
                     TAR_NAME_MAX_BYTES);
        return FALSE;
    }
    memcpy (header, name, strlen (name));
    g_snprintf (header + 100, 8, "%07o", type == '5' ? 0755U : 0644U);
    g_snprintf (header + 108, 8, "%07o", 0U);
    g_snprintf (header + 116, 8, "%07o", 0U);
    g_snprintf (header + 124, 12, "%011" G_GINT64_MODIFIER "o", size);
    g_snprintf (header + 136, 12, "%011" G_GINT64_MODIFIER "o", (guint64)MAX (time_s, 0));
    memset (header + 148, ' ', 8);
    header[156] = type;
    memcpy (header + 257, "ustar\00000", 8);
    for (guint i = 0; i < TAR_BLOCK_BYTES; i++)
        sum += (guint8)header[i];
    g_snprintf (header + 148, 8, "%06o", sum);
    g_byte_array_append (tar, (const guint8 *)header, TAR_BLOCK_BYTES);
    return TRUE;
}

gboolean
tar_add_file (GByteArray *tar, const char *name, const void *data, gsize length, gint64 time_s,
              GError **error)
{
    if (!add_header (tar, name, '0', length, time_s, error))
        return FALSE;
    g_byte_array_append (tar, data, (guint)length);
    if (length % TAR_BLOCK_BYTES != 0)
        g_byte_array_append (tar, zeros, TAR_BLOCK_BYTES - (guint)(length % TAR_BLOCK_BYTES));
    return TRUE;
}

gboolean
tar_add_folder (GByteArray *tar, const char *name, gint64 time_s, GError **error)
{
    return add_header (tar, name, '5', 0, time_s, error);
}

void
tar_end (GByteArray *tar)
{
    g_byte_array_append (tar, zeros, sizeof zeros);
}
