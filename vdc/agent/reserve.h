/*
 * Space kept back for giving space back: a stop or a delete writes records before it frees anything, and must
 * not fail because the disk is full. The file STATE/reserve is given up for such a record, and made again
 * when there is room. Any thread.
 */
#pragma once

#include <glib.h>

#define RESERVE_BYTES (1024 * 1024)
/* With less than this free beside it the reserve is not made again: what was freed is for others first. */
#define RESERVE_ROOM_BYTES (4 * RESERVE_BYTES)

/* Make it again if it is gone and there is room. Blocks; cheap when it is there. */
void reserve_ensure (const char *state_folder);
/* file_replace, which on a full disk gives the reserve up and tries once more. */
gboolean reserve_replace (const char *state_folder, const char *path, const char *text, GError **error);
