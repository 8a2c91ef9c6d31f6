/*
 * Images that people brought: uploaded in pieces, checked, converted once to a raw disk, kept by the digest
 * of that disk. And where agents get any image from that they lack: these, and those that were built
 * (`appliances/build`).
 *
 *     STATE/uploads/SHA256.part    the first so many bytes of a file of that digest; SHA256.json
 * {"size_bytes"} STATE/images/DIGEST/         root.raw, image.json: complete, moved there by one rename,
 * never changed STATE/images/.new-HEX/       one being made; swept at the start
 *
 * An upload goes on where it stopped, also after a restart: what may have been lost then shows in the digest.
 * It is removed when a class has been made of it, or after UPLOAD_KEPT_S without a write.
 *
 * Everything here blocks, and is for worker threads, unless it says otherwise. Two calls about one upload at
 * a time are the caller's business: jobs are one at a time, and pieces are taken at the end only.
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/controller/image_header.h"

#define IMAGE_UPLOAD_MAX_BYTES (G_GUINT64_CONSTANT (64) << 30)
/* Of one piece of an upload, and of one answer to an agent. */
#define IMAGE_PIECE_MAX_BYTES (4u << 20)
#define IMAGE_UPLOADS_MAX 8
#define UPLOAD_KEPT_S (24 * 3600)

typedef struct ImageStore ImageStore;
typedef struct Controller Controller;

/* @built: folder of built images, may be NULL. Makes the folders; sweeps what a crash left. */
ImageStore *image_store_new (const char *state_folder, const char *built, GError **error);
void image_store_free (ImageStore *images);

/* TRUE when @text is 64 lower-case hex digits. */
gboolean image_is_digest (const char *text);

/* --- uploads ------------------------------------------------------------------------------------------- */

/*
 * {sha256, size_bytes, offset, complete}: where to go on. The first call about a file says its size;
 * VDC_ERROR_FULL when there is no room, TOO_LARGE, CONFLICT for another size. @size_bytes 0: only look,
 * NOT_FOUND when there is none.
 */
json_t *image_upload_open (ImageStore *images, const char *sha256, guint64 size_bytes, GError **error);
/*
 * Add @bytes at @offset; a piece that is there already is no error. VDC_ERROR_CONFLICT: it would leave a
 * hole. The answer is as of image_upload_open.
 */
json_t *image_upload_write (ImageStore *images, const char *sha256, guint64 offset, GBytes *bytes,
                            GError **error);
void image_upload_remove (ImageStore *images, const char *sha256);

/* What is done, told from the worker. */
typedef enum { IMAGE_CHECKED, IMAGE_CONVERTED } ImageStage;
typedef void (*ImageProgress) (ImageStage stage, gpointer user_data);

/* --- images -------------------------------------------------------------------------------------------- */

/*
 * Make an image of a complete upload: digest, header, conversion. @wanted NULL: by its look. The result is
 * its description {digest, root: "root.raw", format: "raw", size_bytes, source}; an image that was made of
 * that file before is taken. NULL and @error; then nothing is left of it, and an upload whose digest was
 * wrong is gone.
 */
json_t *image_store_make (ImageStore *images, const char *sha256, const ImageFormat *wanted,
                          ImageProgress progress, gpointer user_data, GError **error);
/* The description of an image of ours. Any thread; reads one small file. */
json_t *image_store_describe (ImageStore *images, const char *digest, GError **error);
/* Of an upload there may be an image already: its description, or NULL. Reads the small files of all. */
json_t *image_store_made_of (ImageStore *images, const char *sha256);

/*
 * {digest, files: [{name, size_bytes, sha256, extents: [[offset, length], …]}]} of any image there is; what
 * lies outside of the extents is zero.
 */
json_t *image_store_manifest (ImageStore *images, const char *digest, GError **error);
/* At most IMAGE_PIECE_MAX_BYTES of one file; shorter at its end. */
GBytes *image_store_read (ImageStore *images, const char *digest, const char *file, guint64 offset,
                          guint64 length, GError **error);

/* Remove images that no class and no application has. Main loop; nothing while one is being made. */
void image_store_sweep (Controller *controller);
/* Counted: while anything is being made nothing is swept. Main loop. */
void image_store_hold (ImageStore *images, gboolean on);
