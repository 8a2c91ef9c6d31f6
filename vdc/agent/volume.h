/*
 * Application volumes of this server: raw, sparse files. Stands where the volume engine will stand: create,
 * open for one writer, close, size, grow, delete.
 *
 *     volumes/ID.raw, ID.json    content;
 * {"name","application","size_bytes","filesystem","seeded","used","writer", "readers"}, written after it
 *
 * A crash leaves at most a file without content and without its .json (or "*.new"): it counts as not made.
 * Content without a .json, or with one that cannot be read, is never made anew. A writer is recorded before
 * its VM starts and outlives the agent; QEMU's own lock on the file is the second belt. All calls block; any
 * thread.
 */
#pragma once

#include "vdc/agent/disk.h"

/*
 * Create a volume of @size_bytes, or do nothing when @id exists with that size; a larger size grows it
 * (VDC_ERROR_CONFLICT while open), a smaller is refused.
 */
gboolean volume_create (Disks *disks, const char *id, const char *name, const char *application,
                        guint64 size_bytes, const char *filesystem, GError **error);
/* Note another name and application of a volume that is there, also while it is open. VDC_ERROR_NOT_FOUND. */
gboolean volume_rename (Disks *disks, const char *id, const char *name, const char *application,
                        GError **error);
/* Write the record of a volume whose file of that size is there and whose record is not. VDC_ERROR_REFUSED.
 */
gboolean volume_record (Disks *disks, const char *id, const char *name, const char *application,
                        guint64 size_bytes, GError **error);
/* Make the file system with the content of the tar archive @tar. VDC_ERROR_REFUSED once the volume was used.
 */
gboolean volume_seed (Disks *disks, const char *id, GBytes *tar, GError **error);
/*
 * Take the volume for @user ("APP/MEMBER"); again by the same user is fine. VDC_ERROR_CONFLICT names who has
 * it: one writer, or any number of readers. Returns the path of the file; caller frees.
 */
char *volume_open (Disks *disks, const char *id, const char *user, gboolean read_only, GError **error);
/* Not open by @user is no error. */
gboolean volume_close (Disks *disks, const char *id, const char *user, GError **error);
/* VDC_ERROR_REFUSED while open. A missing volume is no error. */
gboolean volume_delete (Disks *disks, const char *id, GError **error);
/* {"id","name","application","size_bytes","allocated_bytes","writer","readers","seeded","used","filesystem"}.
 */
json_t *volume_get (Disks *disks, const char *id, GError **error);
/* Of those objects; also files that no .json describes, with "orphan":true. */
json_t *volume_list (Disks *disks);
/* Close every volume still open by @user. */
void volume_close_all (Disks *disks, const char *user);
