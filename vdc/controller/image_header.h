/*
 * Looks at the beginning of a disk image that somebody brought, before any program of QEMU sees it: a header
 * can name files of ours, other machines, or a disk of 8 TiB in 300 KB. Only what is understood is let
 * through:
 *
 *   qcow2   version 2 or 3; no backing file, no external data file, no encryption, no internal snapshots; of
 * the incompatible features only the compression type; tables that lie inside the file; a virtual size within
 *           the limit
 *   raw     a boot sector, and no sign of another container, whose reader might be found for it
 *
 * Pure; the bytes are not trusted.
 */
#pragma once

#include <glib.h>

/* What image_header_check wants to see of the file: this much, or all of it. */
#define IMAGE_HEADER_BYTES (128 * 1024)
/* Of the disk that a VM sees. */
#define IMAGE_VIRTUAL_MAX_BYTES (G_GUINT64_CONSTANT (2) << 40)

typedef enum { IMAGE_RAW, IMAGE_QCOW2 } ImageFormat;

typedef struct {
    ImageFormat format;
    guint64 virtual_bytes;
} ImageHeader;

/* "raw", "qcow2". Static. */
const char *image_format_name (ImageFormat format);
/* "" or NULL: to be found out, *@known FALSE. FALSE and VDC_ERROR_USAGE for another word. */
gboolean image_format_parse (const char *name, gboolean *known, ImageFormat *format, GError **error);

/*
 * @head: the first @length bytes of a file of @file_bytes. @wanted NULL: raw or qcow2 by what it looks like.
 * FALSE: VDC_ERROR_INVALID says what is wrong and how to make it right.
 */
gboolean image_header_check (const guint8 *head, gsize length, guint64 file_bytes, const ImageFormat *wanted,
                             ImageHeader *header, GError **error);
