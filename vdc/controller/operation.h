/*
 * What users ask for. Each operation checks everything first, then changes records and commits once; on any
 * error nothing has changed. The reconciler does the rest.
 *
 * Result: {"job": ID} when something goes on, {} or an object otherwise, {steps, changes, cycles} for a dry
 * run; new reference. NULL and @error; a description's problems are in Operation.problems, the place of a
 * failed start in Operation.params.
 *
 * After an error records may have been read anew from the store: pointers to them must not be used.
 */
#pragma once

#include "vdc/controller/keys.h"

typedef struct {
    RequestKey *key;       /* the answer is remembered under it; borrowed, NULL: none */
    guint status;          /* of success, 0: 200 */
    Principal *principal;  /* who asks; borrowed; NULL: vdcd itself */
    const char *user;      /* who asks; NULL: vdcd itself */
    const char *retry_of;  /* the job that is repeated; NULL: none */
    gboolean dry_run;      /* only say what would be done */
    gboolean debug;        /* start: leave a failed start up */
    gboolean confirm;      /* change: warnings are accepted */
    gboolean force;        /* destroy: stop it first */
    gboolean keep_volumes; /* destroy: its volumes become unused instead */
    Problems *problems;    /* never NULL */
    json_t *params;        /* result, taken by the caller; NULL unless set: {instance, step, remedy} */
} Operation;

/* --- create.c, change.c, adopt.c: what an application is ---------------------------------------------------- */

/* {name, from | description+format, set} */
json_t *operation_create (Controller *controller, Operation *operation, const json_t *request,
                          GError **error);
/* {description?, format?}: without one, what runs is applied again to the catalog as it is now. */
json_t *operation_apply (Controller *controller, Operation *operation, ApplicationRecord *application,
                         const json_t *request, GError **error);
/* {"web": 4} */
json_t *operation_scale (Controller *controller, Operation *operation, ApplicationRecord *application,
                         const json_t *counts, GError **error);
/* {"property": value, "instance.property": value} */
json_t *operation_config (Controller *controller, Operation *operation, ApplicationRecord *application,
                          const json_t *settings, GError **error);
/* For the reconciler: those leaving are gone, take over ApplicationRecord.next. */
gboolean operation_adopt_next (Controller *controller, ApplicationRecord *application, GError **error);

/* --- life.c: what it does ---------------------------------------------------------------------------------- */

json_t *operation_start (Controller *controller, Operation *operation, ApplicationRecord *application,
                         GError **error);
/* After a failed start with debug: try those that failed again. */
json_t *operation_continue (Controller *controller, Operation *operation, ApplicationRecord *application,
                            GError **error);
json_t *operation_stop (Controller *controller, Operation *operation, ApplicationRecord *application,
                        GError **error);
json_t *operation_restart (Controller *controller, Operation *operation, ApplicationRecord *application,
                           GError **error);
json_t *operation_clean (Controller *controller, Operation *operation, ApplicationRecord *application,
                         GError **error);
json_t *operation_destroy (Controller *controller, Operation *operation, ApplicationRecord *application,
                           GError **error);
/* @instance: a member or all of a group; @action: "start", "stop", "restart". */
json_t *operation_instance (Controller *controller, Operation *operation, ApplicationRecord *application,
                            const char *instance, const char *action, GError **error);
/* For the reconciler: it is stopped and shall start again. */
gboolean life_begin_start (Controller *controller, Operation *operation, ApplicationRecord *application,
                           GError **error);
/* Make @member run on @server with a fresh VM. */
void life_switch_on (Controller *controller, ApplicationRecord *application, MemberRecord *member,
                     const char *server);

/* --- catalog_change.c: catalogs of the grid ---------------------------------------------------------------- */

/* {name, summary} */
json_t *operation_catalog_create (Controller *controller, Operation *operation, const json_t *request,
                                  GError **error);
/* With all that is in it. VDC_ERROR_REFUSED while something is used, with the list. */
json_t *operation_catalog_remove (Controller *controller, Operation *operation, const char *name,
                                  GError **error);
/*
 * Put the class or assembly described by @text into @catalog. @image: "sha256:…" or a class whose image it
 * has; NULL for an assembly. The same again is no error; another content under a version that is there is
 * VDC_ERROR_CONFLICT. {ref, catalog, kind, name, version, image, published}.
 */
json_t *operation_publish (Controller *controller, Operation *operation, const char *catalog,
                           const char *text, const char *format, const char *image, GError **error);
/*
 * The text (JSON) of an assembly of @application's own, as its draft has it, to be published in @version.
 * Caller frees; NULL and @error when there is none.
 */
char *catalog_own_assembly (Controller *controller, ApplicationRecord *application, const char *assembly,
                            const char *version, GError **error);
/* @entry: "NAME@VERSION". As operation_catalog_remove. */
json_t *operation_unpublish (Controller *controller, Operation *operation, const char *catalog,
                             const char *entry, GError **error);

/* --- volumes.c --------------------------------------------------------------------------------------------- */

/* {name, size}: a volume the application of that name will take when its description names it. */
json_t *operation_volume_create (Controller *controller, Operation *operation, const json_t *request,
                                 GError **error);
json_t *operation_volume_destroy (Controller *controller, Operation *operation, VolumeRecord *volume,
                                  GError **error);
/* TRUE: "shop.data", a name for a volume of its own. */
gboolean volumes_check_name (const char *name, GError **error);
/* The caller may give a volume of its own that name. */
gboolean volumes_may_name (Controller *controller, const Operation *operation, const char *name,
                           GError **error);
/*
 * Whether an application of that name may have the volumes of @topology. VDC_ERROR_REFUSED: one was kept from
 * an earlier application of that name, and using it with its content is not confirmed, or it is not the
 * caller's.
 */
gboolean volumes_may_follow (Controller *controller, const Operation *operation, const char *application,
                             const Topology *topology, GError **error);
/*
 * Make the volume records what the application's topology says: those there are taken, also those of the name
 * that belong to no application yet, missing ones are added, and the rest of its volumes become unused.
 */
void volumes_follow (Controller *controller, ApplicationRecord *application);
/* The volume that @local of the application is, or would become by volumes_follow. NULL: it would be a new
 * one. */
VolumeRecord *volumes_find (Controller *controller, const char *application, const char *local);
/* VOLUME for the API. New reference. */
json_t *volume_json (Controller *controller, const VolumeRecord *volume);

/* --- shared ------------------------------------------------------------------------------------------------ */

/* Remember @answer under the key, commit, wake. Takes and returns @answer; on failure reverts and frees it.
 */
json_t *operation_finish (Controller *controller, const Operation *operation, json_t *answer, GError **error);
/*
 * The same for a change that has no part in any record, and nothing to reconcile: controller_commit_rows,
 * unless events of another kind than @kind wait for the next commit.
 */
json_t *operation_finish_rows (Controller *controller, const Operation *operation, const char *kind,
                               json_t *answer, GError **error);
/* 200 for a dry run, 202 when a job goes on, else the operation's. */
guint operation_status (const Operation *operation, const json_t *answer);
