/*
 * A backup: one file (0600) with everything a controller needs to be itself again. It holds keys: who has it
 * is the grid.
 *
 *     VDC-BACKUP 1\n
 *     LENGTH\n                    of the index in bytes, decimal
 *     INDEX\n                     JSON in one line: {…, "files": [{"path", "size", "sha256"}, …]}
 *     the files' bytes one after the other, in that order, and nothing behind
 *
 * Paths are those of backup_paths, relative to the state folder. Written beside its name, synced, renamed: a
 * backup of that name is whole. Any thread.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

#define BACKUP_SUFFIX ".vdcbackup"
#define BACKUP_INDEX_MAX_BYTES (64 * 1024)
#define BACKUP_FILE_MAX_BYTES ((gint64)64 << 30)

typedef struct {
    const char *path; /* in the backup and under the state folder */
    gboolean needed;
} BackupPath;

/* NULL path ends it. */
extern const BackupPath backup_paths[];

/*
 * Write @file from @store_folder (for store/data.mdb) and @state_folder (the rest). @index is an object that
 * gets "files". FALSE: nothing is left, VDC_ERROR_FULL or FAILED.
 */
gboolean backup_write (const char *file, const char *store_folder, const char *state_folder, json_t *index,
                       GError **error);
/* The index of @file. VDC_ERROR_INVALID: no backup, or a damaged one, or of a newer program. Caller owns. */
json_t *backup_read_index (const char *file, GError **error);
/* Put its files under @folder (made 0700, must be empty or missing), each checked against its sum. */
gboolean backup_unpack (const char *file, const char *folder, GError **error);

/*
 * The index in the first @length bytes of a backup, for the fuzzer too; *@offset is where the first file
 * begins, *@total the size the whole must have.
 */
json_t *backup_parse_head (const char *bytes, gsize length, gint64 *offset, gint64 *total, GError **error);
