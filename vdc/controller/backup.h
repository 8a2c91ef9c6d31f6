/*
 * Backups of the controller: made each night and by order, opened and read before they count, the newest
 * BACKUPS_KEPT of each sort kept; and a state folder made from one.
 *
 * A backup (vdc/store/backup_file.h) holds the store, the grid's CA and keys, the key of the secrets and the
 * local token. It does not hold images: they come from where they came from, and servers keep theirs. What
 * was changed after it is asked of the servers, see learn.h.
 */
#pragma once

#include "vdc/controller/controller.h"

#define BACKUPS_KEPT 7
#define BACKUP_HOUR_DEFAULT 3 /* of the machine's day */

typedef struct Backups Backups;

/* @hour 0 to 23, or -1: none by night. */
void backups_open (Controller *controller, int hour);
/* Waits for one under way. Before the store is closed. */
void backups_close (Controller *controller);
/* Each second: the nightly one. A failed one is tried again after an hour, with an event. */
void backups_tick (Controller *controller);

/* One is being made. */
gboolean backups_under_way (const Controller *controller);

/* Gets BACKUP (taken) or an error. */
typedef void (*BackupMade) (json_t *backup, const GError *error, gpointer user_data);
/*
 * Make one now, in the background, in @folder (absolute, there) or with NULL in STATE/backups.
 * VDC_ERROR_CONFLICT: one is under way.
 */
gboolean backup_make (Controller *controller, const char *folder, BackupMade made, gpointer user_data,
                      GError **error);
/* Can a backup go there? NULL: yes. VDC_ERROR_INVALID. */
gboolean backup_folder_fits (const char *folder, GError **error);
/* BACKUPs in STATE/backups, newest first: {name, path, created, size_bytes, grid, commit, audit: {seq,
 * digest}, nightly}. */
json_t *backup_list (Controller *controller, GError **error);

/*
 * vdcd restore: make the state folder @state, which must have no store, from @file. Until the servers were
 * asked the controller only learns. Sessions of before are ended.
 */
gboolean backup_restore (const char *file, const char *state, GError **error);
