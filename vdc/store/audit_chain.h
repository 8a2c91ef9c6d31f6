/*
 * The audit's hash chain: pure functions on entries, so that tests, the fuzzer and anyone outside can check
 * the same thing the same way.
 *
 * An entry is a JSON object. Its "digest" is the SHA-256, in lower-case hex, of the text of the entry without
 * that key: compact, keys sorted by bytes, UTF-8 unescaped (json_text). "prev" is the digest of the entry
 * before it, AUDIT_NO_DIGEST in entry 1; "seq" counts 1, 2, 3 … without gaps.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

#define AUDIT_NO_DIGEST "0000000000000000000000000000000000000000000000000000000000000000"
#define AUDIT_KEY_BYTES 17 /* 16 hex digits and NUL */

/* The row's key in STORE_AUDIT: sorts by number. */
void audit_chain_key (guint64 seq, char key[AUDIT_KEY_BYTES]);
/* The number a key stands for; 0: it is none. */
guint64 audit_chain_seq (const char *key);
/* What the digest of @entry must be. Caller frees. */
char *audit_chain_digest (const json_t *entry);
/* Set seq, prev and digest. */
void audit_chain_seal (json_t *entry, guint64 seq, const char *prev);

/* What is wrong with an entry; AUDIT_GOOD is 0. */
typedef enum {
    AUDIT_GOOD,
    AUDIT_MISSING,   /* there is no such entry */
    AUDIT_DAMAGED,   /* not what its digest says */
    AUDIT_REORDERED, /* another entry lies in its place */
    AUDIT_REPLACED,  /* whole in itself, but it does not continue the one before */
    AUDIT_N_FINDINGS
} AuditFinding;

/* "missing", … Static. */
const char *audit_finding_name (AuditFinding finding);
/* Does @entry (NULL: there is none) belong at @seq after the entry with digest @prev? */
AuditFinding audit_chain_check (const json_t *entry, guint64 seq, const char *prev);
