/* disk.c and volume.c among themselves. */
#pragma once

#include "vdc/agent/disk.h"

struct Disks {
    char *state, *disks, *volumes, *images, *fetched;
    gboolean pretend;
    GMutex lock; /* volume records */
};

/* VDC_ERROR_FULL, before anything is written, when less than @bytes are free for @what. */
gboolean disk_need_space (Disks *disks, guint64 bytes, const char *what, GError **error);
/* Programs say that the disk is full as text only: gives their error its code. Always FALSE. */
gboolean disk_recognise_full (GError **error);
