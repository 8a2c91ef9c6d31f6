/*
 * Anything somebody could upload as a disk image: the header checker. The first two bytes choose the format
 * asked for and how much longer than its head the file is.
 */
#include "vdc/base/error.h"
#include "vdc/controller/image_header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
must (gboolean holds)
{
    if (!holds)
        abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    ImageFormat formats[] = {IMAGE_RAW, IMAGE_QCOW2};
    ImageHeader header;
    g_autoptr (GError) error = NULL;

    if (size < 2)
        return 0;
    const ImageFormat *wanted = data[0] % 3 == 2 ? NULL : &formats[data[0] % 3];
    gsize length = MIN (size - 2, IMAGE_HEADER_BYTES);
    guint64 file_bytes = length < IMAGE_HEADER_BYTES ? length : length + ((guint64)data[1] << 20);
    gboolean good = image_header_check (data + 2, length, file_bytes, wanted, &header, &error);
    must (good == (error == NULL));
    if (!good)
        return 0;
    must (header.virtual_bytes > 0 && header.virtual_bytes % 512 == 0 &&
          header.virtual_bytes <= IMAGE_VIRTUAL_MAX_BYTES);
    must (wanted == NULL || header.format == *wanted);
    gboolean qcow2 = memcmp (data + 2, "QFI\xfb", 4) == 0;
    must (qcow2 == (header.format == IMAGE_QCOW2));
    must (!qcow2 || (memcmp (data + 2 + 8, "\0\0\0\0\0\0\0\0", 8) == 0)); /* no backing file */
    return 0;
}
