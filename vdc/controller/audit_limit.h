/*
 * How many refusals of one caller get an entry of their own. Beyond a burst they are counted, by caller,
 * action and result, and become one entry a minute with "count". Whatever is sent, the number of entries a
 * minute is bounded, and so is the memory. Pure but for the clock it is given.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

#define AUDIT_BURST_KNOWN 500 /* refusals of a logged-in caller that are entries of their own … */
#define AUDIT_RATE_KNOWN 5.0  /* … and so many more each second */
#define AUDIT_BURST_UNKNOWN 20
#define AUDIT_RATE_UNKNOWN 0.1
#define AUDIT_BURST_ALL 1000 /* all unknown callers together: addresses cost nothing */
#define AUDIT_RATE_ALL 2.0
#define AUDIT_CALLERS_MAX 4096 /* remembered; beyond, callers share one */
#define AUDIT_COUNTED_MAX 256  /* kinds of refusals counted at once; beyond, they share one */
#define AUDIT_COUNTED_US (60 * (gint64)G_USEC_PER_SEC)

typedef struct AuditLimit AuditLimit;

AuditLimit *audit_limit_new (void);
void audit_limit_free (AuditLimit *limit);

/* May a refusal of this caller be an entry of its own now? @who NULL: unknown. */
gboolean audit_limit_allows (AuditLimit *limit, const char *who, const char *address, gint64 now_us);
/* Count @entry (borrowed; its who, address, action, result matter) instead. */
void audit_limit_count (AuditLimit *limit, const json_t *entry, gint64 now_us);
/* Of a kind that is always counted. FALSE: the first of its minute, make it an entry; TRUE: it was counted.
 */
gboolean audit_limit_again (AuditLimit *limit, const json_t *entry, gint64 now_us);
/* Entries whose minute is over (or all, @every), with "count"; NULL: none. Caller owns. */
json_t *audit_limit_due (AuditLimit *limit, gint64 now_us, gboolean every);
