/*
 * ECMA-119, level 1 with names as Linux takes them. Sectors of 2048 bytes: 16 empty ones, the primary volume
 * descriptor, the terminator, the two path tables (one entry: the root), the root folder, the files. Numbers
 * that are "both" stand there in either byte order.
 */
#include "vdc/agent/iso_image.h"

#include <string.h>

#define SECTOR 2048
#define PRIMARY 16
#define TERMINATOR 17
#define TABLE_LITTLE 18
#define TABLE_BIG 19
#define ROOT 20
#define FIRST_FILE 21
#define TABLE_BYTES 10
#define RECORD_BYTES 33 /* of a folder's entry, without its name */

static void
put_little (guint8 *at, guint32 value, guint bytes)
{
    for (guint i = 0; i < bytes; i++)
        at[i] = (guint8)(value >> (8 * i));
}

static void
put_big (guint8 *at, guint32 value, guint bytes)
{
    for (guint i = 0; i < bytes; i++)
        at[bytes - 1 - i] = (guint8)(value >> (8 * i));
}

static void
put_both (guint8 *at, guint32 value, guint bytes)
{
    put_little (at, value, bytes);
    put_big (at + bytes, value, bytes);
}

static guint32
sectors (gsize bytes)
{
    return (guint32)((bytes + SECTOR - 1) / SECTOR);
}

/* Its length. @name of a folder itself is one byte: 0, or 1 for the one above. */
static gsize
put_record (guint8 *at, const char *name, gsize name_bytes, guint32 sector, guint32 bytes, gboolean folder)
{
    gsize length = RECORD_BYTES + name_bytes + (name_bytes % 2 == 0 ? 1 : 0);

    at[0] = (guint8)length;
    put_both (at + 2, sector, 4);
    put_both (at + 10, bytes, 4);
    at[25] = folder ? 2 : 0;
    put_both (at + 28, 1, 2);
    at[32] = (guint8)name_bytes;
    memcpy (at + RECORD_BYTES, name, name_bytes);
    return length;
}

static void
put_primary (guint8 *at, const char *label, guint32 all_sectors)
{
    memset (at + 8, ' ', 32);
    memset (at + 40, ' ', 32);
    memset (at + 190, ' ', 813 - 190);
    at[0] = 1;
    memcpy (at + 1, "CD001", 5);
    at[6] = 1;
    memcpy (at + 40, label, MIN (strlen (label), 32));
    put_both (at + 80, all_sectors, 4);
    put_both (at + 120, 1, 2);
    put_both (at + 124, 1, 2);
    put_both (at + 128, SECTOR, 2);
    put_both (at + 132, TABLE_BYTES, 4);
    put_little (at + 140, TABLE_LITTLE, 4);
    put_big (at + 148, TABLE_BIG, 4);
    put_record (at + 156, "", 1, ROOT, SECTOR, TRUE);
    for (guint i = 0; i < 4; i++) /* made, changed, expires, in force: not said */
        memset (at + 813 + 17 * i, '0', 16);
    at[881] = 1;
}

static void
put_tables (guint8 *image)
{
    guint8 *little = image + TABLE_LITTLE * SECTOR, *big = image + TABLE_BIG * SECTOR;
    little[0] = big[0] = 1;
    put_little (little + 2, ROOT, 4);
    put_big (big + 2, ROOT, 4);
    put_little (little + 6, 1, 2);
    put_big (big + 6, 1, 2);
}

static void
put_files (guint8 *image, const IsoFile *files, guint count)
{
    guint8 *record = image + ROOT * SECTOR;
    guint32 sector = FIRST_FILE;

    record += put_record (record, "\0", 1, ROOT, SECTOR, TRUE);
    record += put_record (record, "\1", 1, ROOT, SECTOR, TRUE);
    for (guint i = 0; i < count; i++) {
        gsize bytes = strlen (files[i].text);
        g_autofree char *name = g_strconcat (files[i].name, ";1", NULL);
        record += put_record (record, name, strlen (name), sector, (guint32)bytes, FALSE);
        memcpy (image + (gsize)sector * SECTOR, files[i].text, bytes);
        sector += sectors (bytes);
    }
}

GBytes *
iso_image_new (const char *label, const IsoFile *files, guint count)
{
    guint32 all = FIRST_FILE;

    g_assert (count <= ISO_FILES_MAX);
    for (guint i = 0; i < count; i++) {
        g_assert (strlen (files[i].name) <= ISO_NAME_MAX);
        all += sectors (strlen (files[i].text));
    }
    guint8 *image = g_malloc0 ((gsize)all * SECTOR);
    put_primary (image + PRIMARY * SECTOR, label, all);
    image[TERMINATOR * SECTOR] = 255;
    memcpy (image + TERMINATOR * SECTOR + 1, "CD001", 5);
    image[TERMINATOR * SECTOR + 6] = 1;
    put_tables (image);
    put_files (image, files, count);
    return g_bytes_new_take (image, (gsize)all * SECTOR);
}
