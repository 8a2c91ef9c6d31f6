/*
 * The audit: who asked for what and what came of it, one entry for every changing call and every refusal,
 * chained by digests (vdc/store/audit_chain.h), in the same transaction as the change.
 *
 * Nothing needs to be done in a handler: audit_watch_router hooks every route. While a handler runs, the
 * first commit carries the entry of its request; a request answered without a commit gets its entry before
 * the answer goes out. So there is no moment at which a change is durable and its entry is not. Three cases
 * need a word:
 *
 *   - a handler that commits later, from a callback (after a worker, after an agent's answer), puts
 *     audit_enter and audit_leave around that commit;
 *   - a handler that makes somebody else act (an agent runs a program) calls audit_pass first, as proxy.c
 * does;
 *   - what no request asked for (the grid itself, vdcd issue) is noted by controller_audit.
 *
 * Not recorded: GETs that are answered, dry runs that changed nothing. Refusals are bounded: beyond a burst
 * those of one caller are counted and recorded once a minute as one entry with "count", so that nobody can
 * fill the disk or push history out. A kill loses at most those counts, never a change.
 *
 * ENTRY: {seq, time, who, address, action, object, id, application, result, params, count?, prev, digest}.
 * action is the route's name; result is "ok", "passed" (handed to an agent), "repeated" (an idempotency key
 * seen before: nothing was done again), or the code of the error. params never holds values of secrets or
 * free text: see audit_params.h.
 *
 * Main loop only.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/http/router.h"

typedef struct {
    const char *who;     /* NULL: nobody known */
    const char *address; /* NULL: this machine */
    const char *action;  /* "startApplication" */
    const char *object;  /* "application", "volume", … NULL: the grid */
    const char *id;
    const char *application;
    const char *result; /* NULL: "ok" */
    json_t *params;     /* taken, without secrets; NULL: none */
} AuditEntry;

/* Note an entry for the next commit. */
void controller_audit (Controller *controller, const AuditEntry *entry);

/* --- requests ---------------------------------------------------------------------------------------------- */

/* Every request of @router from now on. */
void audit_watch_router (Controller *controller, HttpRouter *router);
/* Commits between these belong to @request. Not nested; handlers are inside already until they return. */
void audit_enter (Controller *controller, HttpRequest *request);
void audit_leave (Controller *controller);
/*
 * Make the entry of @request durable, result "passed", before somebody else acts on it. FALSE: it could not
 * be written (VDC_ERROR_FULL); do not act, answer the error. TRUE at once when it has its entry already.
 */
gboolean audit_pass (Controller *controller, HttpRequest *request, GError **error);
/* What its entry shall say instead of "ok". Static text. */
void audit_set_result (HttpRequest *request, const char *result);
/* What the route's path does not tell: who tried to log in, what was made. Copied; NULL leaves it. */
void audit_set_object (HttpRequest *request, const char *object, const char *id);

/* --- the chain --------------------------------------------------------------------------------------------- */

typedef struct Audit Audit;

#define AUDIT_KEPT_DEFAULT 1000000 /* entries */
#define AUDIT_KEPT_MIN 1000

/* Reads the head. @kept entries at most, 0: AUDIT_KEPT_DEFAULT; none older than @days, 0: any age. */
gboolean audit_open (Controller *controller, guint kept, guint days, GError **error);
void audit_close (Controller *controller);
/* Number and digest of the newest entry; 0 and AUDIT_NO_DIGEST. Borrowed until the next commit. */
guint64 audit_head (const Controller *controller, const char **digest);
/* Number of the oldest entry kept. */
guint64 audit_first (const Controller *controller);
/* Write what is noted, alone. FALSE: it stays noted. */
gboolean audit_flush (Controller *controller, GError **error);

/*
 * Check the whole chain in the background, a piece at a time; @done gets {clean, first, last, entries,
 * digest, finding: null or {code, seq, message}} and owns it. The first bad entry ends it.
 */
typedef void (*AuditVerified) (json_t *report, gpointer user_data);
void audit_verify (Controller *controller, AuditVerified done, gpointer user_data);

/* For commit.c: are there entries; put them into @txn; say what came of it. */
gboolean audit_has_noted (Controller *controller);
void audit_put (Controller *controller, StoreTxn *txn);
void audit_put_done (Controller *controller, gboolean written);
