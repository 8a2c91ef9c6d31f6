#include "vdc/controller/image_header.h"

#include <string.h>

#include "vdc/base/error.h"

#define SECTOR 512
#define QCOW2_V2_BYTES 72
#define QCOW2_V3_BYTES 104
#define QCOW2_COMPRESSION_BIT (G_GUINT64_CONSTANT (1) << 3)
#define QCOW2_EXTENSIONS_MAX 16
/* 2 TiB in clusters of 512 bytes is 2^26 tables of the second level; QEMU itself stops at 32 MiB of table. */
#define QCOW2_L1_MAX_ENTRIES (32u << 20 >> 3)
#define QCOW2_REFCOUNT_MAX_BYTES (8u << 20)

static const char *const format_names[] = {"raw", "qcow2"};

const char *
image_format_name (ImageFormat format)
{
    return format_names[format];
}

gboolean
image_format_parse (const char *name, gboolean *known, ImageFormat *format, GError **error)
{
    *known = name != NULL && *name != '\0';
    if (!*known)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS (format_names); i++)
        if (strcmp (name, format_names[i]) == 0) {
            *format = (ImageFormat)i;
            return TRUE;
        }
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "the format must be raw or qcow2");
    return FALSE;
}

static gboolean
refuse (GError **error, const char *text)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "the image %s", text);
    return FALSE;
}

static guint64
big_endian (const guint8 *at, guint bytes)
{
    guint64 value = 0;
    for (guint i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* --- qcow2 ------------------------------------------------------------------------------------------------- */

typedef struct {
    guint32 version, cluster_bits, crypt_method, l1_entries, refcount_clusters, snapshots;
    guint64 backing, virtual_bytes, l1_offset, refcount_offset, incompatible;
    guint32 refcount_order, header_bytes;
    guint8 compression;
} Qcow2;

static gboolean
read_qcow2 (const guint8 *head, gsize length, Qcow2 *q, GError **error)
{
    if (length < QCOW2_V2_BYTES)
        return refuse (error, "is cut off within its qcow2 header");
    q->version = (guint32)big_endian (head + 4, 4);
    q->backing = big_endian (head + 8, 8);
    q->cluster_bits = (guint32)big_endian (head + 20, 4);
    q->virtual_bytes = big_endian (head + 24, 8);
    q->crypt_method = (guint32)big_endian (head + 32, 4);
    q->l1_entries = (guint32)big_endian (head + 36, 4);
    q->l1_offset = big_endian (head + 40, 8);
    q->refcount_offset = big_endian (head + 48, 8);
    q->refcount_clusters = (guint32)big_endian (head + 56, 4);
    q->snapshots = (guint32)big_endian (head + 60, 4);
    q->refcount_order = 4;
    q->header_bytes = QCOW2_V2_BYTES;
    if (q->version == 2)
        return TRUE;
    if (q->version != 3)
        return refuse (error,
                       "is a qcow2 of a version that is not 2 or 3; convert it with `qemu-img convert`");
    if (length < QCOW2_V3_BYTES)
        return refuse (error, "is cut off within its qcow2 header");
    q->incompatible = big_endian (head + 72, 8);
    q->refcount_order = (guint32)big_endian (head + 96, 4);
    q->header_bytes = (guint32)big_endian (head + 100, 4);
    if (q->header_bytes > QCOW2_V3_BYTES && length > QCOW2_V3_BYTES)
        q->compression = head[104];
    return TRUE;
}

/* Names of files may stand there, too. Kinds whose meaning is not known are nobody's business but QEMU's,
 * which passes over them. */
static gboolean
check_extensions (const guint8 *head, gsize length, const Qcow2 *q, GError **error)
{
    guint64 at = q->header_bytes, end = MIN ((guint64)1 << q->cluster_bits, length);

    for (guint i = 0; at + 8 <= end; i++) {
        guint32 kind = (guint32)big_endian (head + at, 4);
        guint64 bytes = big_endian (head + at + 4, 4);
        if (kind == 0)
            return TRUE;
        if (kind == 0x44415441)
            return refuse (error, "keeps its data in another file; convert it with `qemu-img convert`");
        if (kind == 0x0537be77)
            return refuse (error, "is encrypted; convert it with `qemu-img convert`");
        if (kind == 0xe2792aca)
            return refuse (error, "names the format of a backing file; flatten it with `qemu-img convert`");
        if (i >= QCOW2_EXTENSIONS_MAX)
            return refuse (error, "has more header extensions than any qcow2 has");
        at += 8 + ((bytes + 7) & ~G_GUINT64_CONSTANT (7));
    }
    return at <= end || at == q->header_bytes ? TRUE
                                              : refuse (error, "has a header extension that has no end");
}

static gboolean
lies_inside (guint64 offset, guint64 bytes, guint64 cluster, guint64 file_bytes)
{
    return offset % cluster == 0 && offset >= cluster && offset <= file_bytes && bytes <= file_bytes - offset;
}

static gboolean
check_tables (const Qcow2 *q, guint64 file_bytes, GError **error)
{
    guint64 cluster = (guint64)1 << q->cluster_bits, covered = cluster * (cluster / 8);
    guint64 needed = q->virtual_bytes / covered + (q->virtual_bytes % covered != 0);

    if (q->l1_entries > QCOW2_L1_MAX_ENTRIES || q->l1_entries < needed ||
        !lies_inside (q->l1_offset, (guint64)q->l1_entries * 8, cluster, file_bytes))
        return refuse (error, "has a qcow2 table that does not lie inside it");
    if (q->refcount_clusters == 0 || q->refcount_clusters > QCOW2_REFCOUNT_MAX_BYTES >> q->cluster_bits ||
        !lies_inside (q->refcount_offset, (guint64)q->refcount_clusters << q->cluster_bits, cluster,
                      file_bytes))
        return refuse (error, "has a qcow2 table that does not lie inside it");
    return TRUE;
}

static gboolean
check_features (const Qcow2 *q, GError **error)
{
    if (q->backing != 0)
        return refuse (error, "needs another file below it; flatten it with `qemu-img convert`");
    if (q->crypt_method != 0)
        return refuse (error, "is encrypted; convert it with `qemu-img convert`");
    if (q->snapshots != 0)
        return refuse (error, "has snapshots inside; convert it with `qemu-img convert`");
    if (q->incompatible & 3)
        return refuse (error, "was not closed properly; repair it with `qemu-img check -r all`");
    if (q->incompatible & 4)
        return refuse (error, "keeps its data in another file; convert it with `qemu-img convert`");
    if (q->incompatible & ~QCOW2_COMPRESSION_BIT)
        return refuse (error, "has features that are not known here; convert it with `qemu-img convert`");
    if (q->compression > 1 || (q->compression == 1) != (q->incompatible != 0))
        return refuse (error, "is compressed in a way that is not known here");
    return TRUE;
}

static gboolean
check_qcow2 (const guint8 *head, gsize length, guint64 file_bytes, ImageHeader *header, GError **error)
{
    Qcow2 q = {0};

    if (!read_qcow2 (head, length, &q, error) || !check_features (&q, error))
        return FALSE;
    if (q.cluster_bits < 9 || q.cluster_bits > 21 || q.refcount_order > 6)
        return refuse (error, "has a qcow2 header with numbers that no qcow2 has");
    if (q.header_bytes < (q.version == 2 ? QCOW2_V2_BYTES : QCOW2_V3_BYTES) || q.header_bytes % 8 != 0 ||
        q.header_bytes > (guint32)1 << q.cluster_bits)
        return refuse (error, "has a qcow2 header with numbers that no qcow2 has");
    if (q.virtual_bytes == 0 || q.virtual_bytes % SECTOR != 0 || q.virtual_bytes > IMAGE_VIRTUAL_MAX_BYTES)
        return refuse (error, "would be a disk of no whole number of sectors, or of more than 2 TiB");
    if (!check_tables (&q, file_bytes, error) || !check_extensions (head, length, &q, error))
        return FALSE;
    *header = (ImageHeader){IMAGE_QCOW2, q.virtual_bytes};
    return TRUE;
}

/* --- raw --------------------------------------------------------------------------------------------------- */

static const struct {
    gsize offset;
    const char *bytes;
    gsize length;
    const char *name;
} containers[] = {
    {0, "QFI\xfb", 4, "qcow2"},
    {0, "QED\0", 4, "QED"},
    {0, "KDMV", 4, "VMDK"},
    {0, "COWD", 4, "VMDK"},
    {0, "# Disk DescriptorFile", 21, "VMDK"},
    {0, "vhdxfile", 8, "VHDX"},
    {0, "conectix", 8, "VHD"},
    {64, "\x7f\x10\xda\xbe", 4, "VDI"},
    {0, "WithoutFreeSpace", 16, "Parallels"},
    {0, "WithouFreSpacExt", 16, "Parallels"},
    {0, "LUKS\xba\xbe", 6, "LUKS"},
    {0, "SKUL\xba\xbe", 6, "LUKS"},
    {32769, "CD001", 5, "ISO 9660"},
    {0, "OOOM", 4, "user mode Linux"},
    {0, "\x1f\x8b", 2, "gzip"},
    {0,
     "\xfd"
     "7zXZ",
     5, "xz"},
    {0, "(\xb5/\xfd", 4, "zstd"},
    {0, "BZh", 3, "bzip2"},
    {0, "PK\x03\x04", 4, "zip"},
};

static gboolean
check_raw (const guint8 *head, gsize length, guint64 file_bytes, ImageHeader *header, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS (containers); i++)
        if (length >= containers[i].offset + containers[i].length &&
            memcmp (head + containers[i].offset, containers[i].bytes, containers[i].length) == 0) {
            g_autofree char *text =
                g_strdup_printf ("looks like %s, not like a raw disk; unpack or convert it to qcow2 or raw",
                                 containers[i].name);
            return refuse (error, text);
        }
    if (file_bytes < SECTOR || file_bytes % SECTOR != 0 || file_bytes > IMAGE_VIRTUAL_MAX_BYTES)
        return refuse (error, "would be a disk of no whole number of sectors, or of more than 2 TiB");
    if (length < SECTOR || head[510] != 0x55 || head[511] != 0xaa)
        return refuse (error, "has no boot sector: it must be a whole disk with its boot loader");
    *header = (ImageHeader){IMAGE_RAW, file_bytes};
    return TRUE;
}

gboolean
image_header_check (const guint8 *head, gsize length, guint64 file_bytes, const ImageFormat *wanted,
                    ImageHeader *header, GError **error)
{
    gboolean qcow2 = length >= 4 && memcmp (head, "QFI\xfb", 4) == 0;

    if (length < MIN (file_bytes, IMAGE_HEADER_BYTES) || length > file_bytes)
        return refuse (error, "is shorter than it was said to be");
    if (wanted != NULL && *wanted == IMAGE_QCOW2 && !qcow2)
        return refuse (error, "is no qcow2");
    if (qcow2 && (wanted == NULL || *wanted == IMAGE_QCOW2))
        return check_qcow2 (head, length, file_bytes, header, error);
    return check_raw (head, length, file_bytes, header, error);
}
