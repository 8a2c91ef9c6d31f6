/* What audit.c, audit_request.c and audit_verify.c share. */
#pragma once

#include "vdc/controller/audit.h"
#include "vdc/controller/audit_limit.h"
#include "vdc/store/audit_chain.h"

/* Entries that wait for a disk with room; beyond, they are counted and the loss is told. */
#define AUDIT_NOTED_MAX 4096

struct Audit {
    guint64 first, last; /* numbers; last 0: none yet */
    char digest[65];     /* of the newest */
    guint64 trimmed;     /* number of the entry that tells of the last trimming; 0: never */
    guint kept;          /* entries at most */
    gint64 kept_us;      /* age at most, 0: any */
    gint64 looked_us;    /* monotonic, of the last look for old ones */
    GPtrArray *noted;    /* json_t without seq, prev, digest; in order */
    guint64 lost;        /* not noted for want of room */
    guint put;           /* of `noted` in the transaction under way */
    guint64 put_first, put_last, put_trimmed; /* what the head is after it */
    char put_digest[65];
    HttpRequest *current; /* commits belong to it; NULL: to none */
    gboolean put_current; /* its entry is in the transaction under way, as the last noted */
    AuditLimit *limit;
    GPtrArray *verifying; /* Verifying, audit_verify.c */
};

/* New entry, stamped now. */
json_t *audit_entry_new (Controller *controller, const AuditEntry *entry);
/* Takes @entry. */
void audit_note (Audit *audit, json_t *entry);
/* The entry of audit->current if it is to be in the commit that begins now; NULL: it has one, or needs none.
 */
json_t *audit_request_entry (Controller *controller);
/* It is durable. */
void audit_request_written (Controller *controller);
void audit_verify_stop (Audit *audit);
