/* What is let through to the converter, and what is not. */
#include <string.h>

#include "vdc/base/error.h"
#include "vdc/controller/image_header.h"

#define CLUSTER 65536
#define FILE_BYTES (4 * CLUSTER)

/* A good qcow2 of version 3: header, table of the first level, of references, data. */
static guint8 *
good (void)
{
    static guint8 head[IMAGE_HEADER_BYTES];
    memset (head, 0, sizeof head);
    memcpy (head, "QFI\xfb", 4);
    head[7] = 3;     /* version */
    head[23] = 16;   /* clusters of 64 KiB */
    head[28] = 0x40; /* 1 GiB */
    head[39] = 2;    /* entries of the first table */
    head[45] = 1;    /* at the second cluster */
    head[53] = 2;    /* references at the third */
    head[59] = 1;    /* one cluster of them */
    head[99] = 4;
    head[103] = 104;
    return head;
}

static gboolean
check (const guint8 *head, gsize length, guint64 file_bytes, const char *words)
{
    g_autoptr (GError) error = NULL;
    ImageHeader header;
    gboolean ok = image_header_check (head, length, file_bytes, NULL, &header, &error);
    g_assert_cmpint (ok, ==, error == NULL);
    if (words != NULL) {
        g_assert_error (error, VDC_ERROR, VDC_ERROR_INVALID);
        if (strstr (error->message, words) == NULL)
            g_error ("'%s' does not say '%s'", error->message, words);
    }
    return ok;
}

static void
test_good (void)
{
    ImageHeader header;
    ImageFormat raw = IMAGE_RAW, qcow2 = IMAGE_QCOW2;
    g_assert_true (image_header_check (good (), IMAGE_HEADER_BYTES, FILE_BYTES, NULL, &header, NULL));
    g_assert_cmpint (header.format, ==, IMAGE_QCOW2);
    g_assert_cmpuint (header.virtual_bytes, ==, 1 << 30);
    g_assert_true (image_header_check (good (), IMAGE_HEADER_BYTES, FILE_BYTES, &qcow2, &header, NULL));
    /* Said to be raw, it is refused as what it is: nobody's reader may find it later. */
    g_assert_false (image_header_check (good (), IMAGE_HEADER_BYTES, FILE_BYTES, &raw, &header, NULL));
    guint8 *old = good ();
    old[7] = 2;
    memset (old + 72, 0, 32);
    g_assert_true (check (old, IMAGE_HEADER_BYTES, FILE_BYTES, NULL));
    guint8 *zstd = good ();
    zstd[79] = 8;
    zstd[103] = 112;
    zstd[104] = 1;
    g_assert_true (check (zstd, IMAGE_HEADER_BYTES, FILE_BYTES, NULL));
}

static void
test_hostile (void)
{
    static const struct {
        guint at;
        guint8 value;
        const char *words;
    } wrong[] = {
        {15, 1, "another file below it"},
        {35, 1, "encrypted"},
        {63, 1, "snapshots"},
        {79, 1, "closed properly"},
        {79, 2, "closed properly"},
        {79, 4, "another file"},
        {79, 16, "not known"},
        {72, 128, "not known"},
        {7, 4, "version"},
        {7, 0, "version"},
        {23, 8, "numbers"},
        {23, 22, "numbers"},
        {99, 7, "numbers"},
        {103, 8, "numbers"},
        {100, 1, "numbers"},
        {31, 1, "sectors"},
        {24, 1, "2 TiB"},
        {39, 1, "inside it"},
        {36, 255, "inside it"},
        {45, 9, "inside it"},
        {47, 1, "inside it"},
        {45, 0, "inside it"},
        {53, 4, "inside it"},
        {59, 0, "inside it"},
        {56, 1, "inside it"},
        {104, 0, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
        guint8 *head = good ();
        head[wrong[i].at] = wrong[i].value;
        g_assert_cmpint (check (head, IMAGE_HEADER_BYTES, FILE_BYTES, wrong[i].words), ==,
                         wrong[i].words == NULL);
    }
}

static void
put_extension (guint8 *head, gsize at, guint32 kind, guint32 length)
{
    const guint32 values[] = {GUINT32_TO_BE (kind), GUINT32_TO_BE (length)};
    memcpy (head + at, values, sizeof values);
}

static void
test_extensions (void)
{
    static const struct {
        guint32 kind, length;
        const char *words;
    } cases[] = {{0x44415441, 8, "another file"},    {0x0537be77, 16, "encrypted"},
                 {0xe2792aca, 5, "backing file"},    {0x12345678, 8, NULL},
                 {0x12345678, 0xffffffff, "no end"}, {0x12345678, CLUSTER - 104 - 7, "no end"}};
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        guint8 *head = good ();
        put_extension (head, 104, cases[i].kind, cases[i].length);
        g_assert_cmpint (check (head, IMAGE_HEADER_BYTES, FILE_BYTES, cases[i].words), ==,
                         cases[i].words == NULL);
    }
    for (guint n = 15; n <= 17; n++) { /* the limit is 16 */
        guint8 *head = good ();
        for (guint i = 0; i < n; i++)
            put_extension (head, 104 + 8 * i, 0x12345678, 0);
        g_assert_cmpint (check (head, IMAGE_HEADER_BYTES, FILE_BYTES, n > 16 ? "more header" : NULL), ==,
                         n <= 16);
    }
}

static void
test_lengths (void)
{
    g_assert_false (check (good (), 71, 71, "cut off"));
    g_assert_false (check (good (), 103, 103, "cut off"));
    g_assert_false (check (good (), IMAGE_HEADER_BYTES - 1, FILE_BYTES, "shorter"));
    g_assert_false (check (good (), 0, 0, "sectors"));
    for (int delta = -1; delta <= 1;
         delta++) { /* of the virtual size; the table must be there for all of it */
        guint8 raw[512] = {0};
        raw[510] = 0x55;
        raw[511] = 0xaa;
        g_autofree guint8 *head = g_malloc0 (IMAGE_HEADER_BYTES);
        memcpy (head, raw, sizeof raw);
        g_assert_cmpint (check (head, IMAGE_HEADER_BYTES, IMAGE_VIRTUAL_MAX_BYTES + 512 * delta,
                                delta > 0 ? "2 TiB" : NULL),
                         ==, delta <= 0);
    }
}

static void
test_raw (void)
{
    static const struct {
        gsize at;
        const char *bytes;
        const char *words;
    } signs[] = {{0, "KDMV", "VMDK"},
                 {0, "# Disk DescriptorFile", "VMDK"},
                 {0, "vhdxfile", "VHDX"},
                 {0, "conectix", "VHD"},
                 {64, "\x7f\x10\xda\xbe", "VDI"},
                 {0, "LUKS\xba\xbe", "LUKS"},
                 {32769, "CD001", "ISO"},
                 {0, "QED", "QED"},
                 {510, "\x55\xab", "boot sector"},
                 {100, "anything", NULL}};
    for (guint i = 0; i < G_N_ELEMENTS (signs); i++) {
        g_autofree guint8 *head = g_malloc0 (IMAGE_HEADER_BYTES);
        head[510] = 0x55;
        head[511] = 0xaa;
        memcpy (head + signs[i].at, signs[i].bytes, strlen (signs[i].bytes));
        g_assert_cmpint (check (head, IMAGE_HEADER_BYTES, 1 << 20, signs[i].words), ==,
                         signs[i].words == NULL);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/image-header/good-ones-pass", test_good);
    g_test_add_func ("/image-header/what-names-files-or-lies-is-refused", test_hostile);
    g_test_add_func ("/image-header/extensions", test_extensions);
    g_test_add_func ("/image-header/cut-off-and-too-large", test_lengths);
    g_test_add_func ("/image-header/a-raw-disk-is-nothing-else", test_raw);
    return g_test_run ();
}
