/*
 * The trash: what was destroyed stays for a while, because operators err.
 *
 * An entry holds the records of an application (stopped, without members) and of its volumes, or of one
 * volume, as they were. Nothing else knows them any more: their names, outside addresses and ports are free.
 * The files of the volumes stay where they are, on their servers, under the volumes' ids. Root disks do not:
 * they are made anew at the next start.
 *
 *   destroy ──► entry ──► restore: the records are back, the volumes with their ids and content
 *                 └─────► removed: its volumes become records in state "deleting", whose files the agents
 * erase; because its time is over, because a server needs its space, or by order
 *
 * Each arrow is one commit, so that a crash leaves the one or the other.
 */
#pragma once

#include "vdc/controller/operation.h"

/* Unless vdcd is told otherwise. */
#define TRASH_KEEP_US (24 * 3600 * (gint64)G_USEC_PER_SEC)
/* A server with less of its disk free, in percent, gets space from the trash. */
#define TRASH_FREE_PERCENT 5

/* --- putting in, for the reconciler and for repairs --------------------------------------------------------- */

/* Note an entry of @application, whose members are gone, and of its volumes. The caller drops its record. */
void trash_put_application (Controller *controller, ApplicationRecord *application);
/*
 * The same for a volume; its record is freed. @why: "destroyed", or "found": on a server, known to nobody.
 * One that was found stays until somebody removes it.
 */
void trash_put_volume (Controller *controller, VolumeRecord *volume, const char *why);

/* Note an event about @entry; takes @data. For the files of the trash. */
void trash_note (Controller *controller, const char *kind, const TrashRecord *entry, json_t *data);

/* --- looking ----------------------------------------------------------------------------------------------- */

/* By id, or by name when only one of those that the caller sees has it. @request NULL: vdcd itself asks. */
TrashRecord *trash_find (Controller *controller, HttpRequest *request, const char *name, GError **error);
/* All of them; caller unrefs. */
GPtrArray *trash_named (Controller *controller, HttpRequest *request, const char *name);
/* The stored record (borrowed) of the volume @id when it is in the trash; else NULL. */
const json_t *trash_volume (Controller *controller, const char *id);
/* Oldest first; caller unrefs. */
GPtrArray *trash_sorted (Controller *controller);
/* TRASH for the API. New reference. */
json_t *trash_json (const TrashRecord *entry);

/* --- taking out -------------------------------------------------------------------------------------------- */

/*
 * {as?}: bring the entry back, under its name or another. VDC_ERROR_CONFLICT: the name is taken.
 * VDC_ERROR_REFUSED: a volume that was kept out of the trash is gone, and a new empty one is not confirmed.
 * {job} for an application, VOLUME for a volume.
 */
json_t *operation_trash_restore (Controller *controller, Operation *operation, TrashRecord *entry,
                                 const json_t *request, GError **error);
/* Remove @entry, or with NULL all, for good. {removed: [names]} */
json_t *operation_trash_empty (Controller *controller, Operation *operation, TrashRecord *entry,
                               GError **error);

/* Each round: remove what is over its time, and the oldest where a server has too little space. */
void trash_tick (Controller *controller);
/* The wall clock was set: what waits in the trash waits as long as before. */
void trash_shift (Controller *controller, gint64 delta_us);
/*
 * Decides for one server, pure: the entry to remove for its space, NULL for none. @sorted: TrashRecord,
 * oldest first. @need_bytes: what somebody asked for in vain, 0: nothing. Entries without a file there, and
 * those that were found, are passed over.
 */
TrashRecord *trash_for_space (const GPtrArray *sorted, const char *server, gint64 disk_bytes,
                              gint64 free_bytes, guint free_percent, gint64 need_bytes);
