/*
 * Disks of this server: one root disk per member (qcow2 overlay over its class image). Application volumes
 * are in volume.h, over the same Disks.
 *
 *     disks/APP/MEMBER.qcow2, MEMBER.json    overlay; {"epoch","digest"} it was made for, written after it
 *
 * A crash leaves at most a file without its .json (or "*.new"): it counts as not made, and is made anew or
 * deleted. All calls block; any thread.
 */
#pragma once

#include "vdc/agent/spec.h"

typedef struct Disks Disks;

/* @images_folder holds DIGEST/FILE. With @pretend no image is needed and no file system is made: for the fake
 * hypervisor. */
Disks *disks_new (const char *state_folder, const char *images_folder, gboolean pretend, GError **error);
void disks_free (Disks *disks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Disks, disks_free)

/*
 * Path of @file of the image @digest (hex), in the images' folder or among those fetched (STATE/images).
 * VDC_ERROR_NOT_FOUND when it is not on this server. Caller frees.
 */
char *disk_image_file (Disks *disks, const char *digest, const char *file, GError **error);

/*
 * Make sure the member's root disk is there for the spec's image and root epoch; one of another epoch or
 * image is made anew. *@made tells whether it was. VDC_ERROR_FULL before anything is written when the space
 * is short.
 */
char *disk_root_ensure (Disks *disks, const Spec *spec, gboolean *made, GError **error);
/*
 * The disk that tells a member without vdc-guest its name and addresses: replaced at each start, deleted with
 * the root disk. Caller frees the path.
 */
char *disk_seed_write (Disks *disks, const Spec *spec, GBytes *seed, GError **error);
gboolean disk_root_delete (Disks *disks, const char *application, const char *member, GError **error);

/* Digests (hex, owned) of the images that root disks lie on. Caller unrefs. */
GHashTable *disk_root_images (Disks *disks);
/* [{"application","member","path"}] of root disks. */
json_t *disk_root_list (Disks *disks);

/* Capacity and free space of the state folder's file system. */
void disk_space (Disks *disks, guint64 *total_bytes, guint64 *free_bytes);
/* Digests ("sha256:…") of the images there are; NULL where images are pretended. Caller owns. */
json_t *disk_image_list (Disks *disks);
