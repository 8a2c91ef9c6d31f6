/*
 * Files that survive a crash.
 */
#pragma once

#include <glib.h>

/*
 * Replace @path by @length bytes of @data: written beside it, fsync, rename, fsync of the folder. After a crash the
 * file holds the old or the new content, whole. Mode @mode from the first byte on.
 */
gboolean file_replace (const char *path, const void *data, gsize length, int mode, GError **error);
/* Remove @path and sync its folder; a missing file is no error. */
gboolean file_remove (const char *path, GError **error);
/* mkdir -p with @mode for what is made. */
gboolean file_make_folder (const char *path, int mode, GError **error);
/* rm -r that never follows a symlink or leaves its file system; a missing folder is no error. */
gboolean file_remove_tree (const char *path, GError **error);
/* What was made, renamed or removed in @folder is so after a crash. */
gboolean file_sync_folder (const char *folder, GError **error);
