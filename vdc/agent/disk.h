/*
 * Disks of this server: one root disk per member (qcow2 overlay over its class image) and application volumes
 * (raw, sparse). Stands where the volume engine will stand: create, open for one writer, close, size, grow,
 * delete.
 *
 *     disks/APP/MEMBER.qcow2, MEMBER.json    overlay; {"epoch","digest"} it was made for, written after it
 *     volumes/ID.raw, ID.json                content;
 * {"name","application","size_bytes","filesystem","seeded","used", "writer","readers"}, written after it
 *
 * A crash leaves at most a file without its .json (or "*.new"): it counts as not made, is made anew or
 * deleted. A writer is recorded before its VM starts and outlives the agent; QEMU's own lock on the file is
 * the second belt. All calls block; any thread.
 */
#pragma once

#include "vdc/agent/spec.h"

typedef struct Disks Disks;

/* @images_folder holds DIGEST/FILE. With @pretend no image is needed and no file system is made: for the fake
 * hypervisor. */
Disks *disks_new (const char *state_folder, const char *images_folder, gboolean pretend, GError **error);
void disks_free (Disks *disks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Disks, disks_free)

/* Path of @file of the image @digest (hex). VDC_ERROR_NOT_FOUND when it is not on this server. Caller frees.
 */
char *disk_image_file (Disks *disks, const char *digest, const char *file, GError **error);

/*
 * Make sure the member's root disk is there for the spec's image and root epoch; one of another epoch or
 * image is made anew. *@made tells whether it was. VDC_ERROR_FULL before anything is written when the space
 * is short.
 */
char *disk_root_ensure (Disks *disks, const Spec *spec, gboolean *made, GError **error);
gboolean disk_root_delete (Disks *disks, const char *application, const char *member, GError **error);

/*
 * Create a volume of @size_bytes, or do nothing when @id exists with that size; a larger size grows it
 * (VDC_ERROR_CONFLICT while open), a smaller is refused.
 */
gboolean volume_create (Disks *disks, const char *id, const char *name, const char *application,
                        guint64 size_bytes, const char *filesystem, GError **error);
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
/* [{"application","member","path"}] of root disks. */
json_t *disk_root_list (Disks *disks);

/* Capacity and free space of the state folder's file system. */
void disk_space (Disks *disks, guint64 *total_bytes, guint64 *free_bytes);
