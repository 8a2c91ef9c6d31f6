/*
 * The draft of an application: the description people edit, while the applied one runs.
 *
 * Every application has one. As long as nobody edited it, it is the applied description under revision 0 and
 * nothing of it is stored. From then on it has a row of its own, and each change counts its revision up, also
 * a discard, so that a revision always means one document. The changes of the last DRAFT_LOG_MAX revisions
 * are kept as operations: an editor that is behind gets them, and may be right all the same:
 *
 *   - operations based on an older revision are applied when none of the places they change was changed
 * since; else they are refused with what happened meanwhile, place by place: both values and who. Positions
 * on the canvas never stand in each other's way: the last one holds.
 *   - whatever changes the applied description (scale, config, apply of a text) changes the draft in the same
 *     commit, except where the draft differs already: that stays pending. What scale and config set is set in
 *     the draft in any case.
 *
 * The text a person gave stands beside the document with its revision; operations since then leave it behind.
 *
 * A volume renamed in the draft is remembered until it is applied: it is the same volume with its data, not a
 * new one.
 *
 * Records are changed like all others: in memory and noted, durable with the next commit.
 */
#pragma once

#include "vdc/controller/operation.h"
#include "vdc/model/topology.h"

#define DRAFT_LOG_MAX 200                 /* revisions whose operations are kept */
#define DRAFT_LOG_ENTRY_BYTES (64 * 1024) /* larger ones are kept, and told, as "read it anew" */
/* ApplicationRecord.cause of a description that is back because an apply was cancelled: what was to be applied stays
 * pending in the draft. */
#define CAUSE_APPLY_CANCELLED "apply_cancelled"
#define DESCRIPTIONS_KEPT 50              /* applied descriptions, the running one included */

typedef struct Draft {
    gint64 revision;     /* 0: nobody edited it, nothing is stored */
    gint64 base;         /* revision of the applied description that it was last brought up to */
    json_t *document;    /* never changed in place; NULL: as applied */
    char *text, *format; /* as last given; NULL: none */
    gint64 text_revision;
    gint64 text_behind; /* changes between text and document at text_revision */
    json_t *renamed;    /* {"NEW": "OLD"}: volumes, against the applied description */
    char *user, *time;  /* of the last change; NULL: none */

    /* Not stored. */
    json_t *pending; /* see draft_pending; NULL: not known */
} Draft;

void draft_free (Draft *draft);
/* Read once, then kept with the record. Never NULL. */
Draft *draft_of (Controller *controller, ApplicationRecord *application);
/* Borrowed. */
const json_t *draft_document (Controller *controller, ApplicationRecord *application);
/* How many changes the text is behind; -1: there is no text. */
gint64 draft_text_behind (const Draft *draft);
/* Its text where that is current; else that with the document's values, comments kept; where that cannot be, the
 * document printed. Caller frees. */
char *draft_text (Controller *controller, ApplicationRecord *application);

/*
 * Make @document the draft's next revision: row, log and event are noted. @ops (taken) made it of the one
 * before;
 * @touched are the places, both borrowed or NULL to be found out. @user NULL: vdcd.
 */
void draft_change (Controller *controller, ApplicationRecord *application, json_t *document, json_t *ops,
                   const json_t *touched, const char *user);
/* Note the row again, after other fields were changed. */
void draft_keep (Controller *controller, ApplicationRecord *application);
/* Log entries after @revision, oldest first: [{rev, ops, touched, user, time}]; NULL when they do not reach
 * back to it. */
json_t *draft_log_since (Controller *controller, ApplicationRecord *application, gint64 revision);

/* What differs from what runs, as description_diff; empty when nothing does. Borrowed. */
const json_t *draft_pending (Controller *controller, ApplicationRecord *application);

/* --- together with what is applied -------------------------------------------------------------------------- */

/* The applied description was @before (borrowed) and has changed. Call after the revision was counted up. */
void draft_follow (Controller *controller, ApplicationRecord *application, const json_t *before);
/* The applied description has a current text: the draft's too, if it says the same. */
void draft_take_text (Controller *controller, ApplicationRecord *application);
/* Set in the draft, too, what @document, made of the applied description by scale or config, has changed. */
void draft_force (Controller *controller, ApplicationRecord *application, const json_t *document,
                  const char *user);
/*
 * The volumes renamed in the draft, in the applied description and in the records: the same volumes under new
 * names. FALSE: nothing has changed but records may have to be reverted.
 */
gboolean draft_rename_volumes (Controller *controller, ApplicationRecord *application, GError **error);
/* What runs, as if those renames had been applied. NULL: there are none, or (with @error) it cannot be. */
Topology *draft_renamed_topology (Controller *controller, ApplicationRecord *application, json_t **document,
                                  GError **error);

/* Keep the description that was just applied, and drop the oldest. */
void descriptions_keep (Controller *controller, ApplicationRecord *application);
/* Nothing of the application with that id is needed any more. */
void draft_forget (Controller *controller, const char *application_id);

/* --- what users ask for (draft_operations.c, draft_view.c) --------------------------------------------------- */

/* {base, ops, dry_run}: {rev, inverse, problems}; a dry run has the document too. */
json_t *operation_draft_ops (Controller *controller, Operation *operation, ApplicationRecord *application,
                             const json_t *request, GError **error);
/* {text, format} or {document} or both, {base}: as draft_json. */
json_t *operation_draft_put (Controller *controller, Operation *operation, ApplicationRecord *application,
                             const json_t *request, GError **error);
/* Back to what is applied. */
json_t *operation_draft_discard (Controller *controller, Operation *operation, ApplicationRecord *application,
                                 const json_t *request, GError **error);

/* {rev, base_applied_revision, document, text, format, text_state, text_behind, problems, pending, …}. */
json_t *draft_json (Controller *controller, ApplicationRecord *application);
/* {from, to, changes, …}. @from, @to: "applied", "draft" or a revision. */
json_t *draft_diff (Controller *controller, ApplicationRecord *application, const char *from, const char *to,
                    GError **error);
/* {from: "lb.out", in?}: every terminal and whether it may be wired to. */
json_t *draft_wire_check (Controller *controller, ApplicationRecord *application, const json_t *request,
                          GError **error);
/* [{revision, time, user, cause, applied}], newest first. */
json_t *descriptions_list (Controller *controller, const ApplicationRecord *application);
/* The same with document; NULL and VDC_ERROR_NOT_FOUND. */
json_t *descriptions_get (Controller *controller, const ApplicationRecord *application, gint64 revision,
                          GError **error);
