/*
 * What of a request's body and query the audit keeps. Names are kept, numbers and booleans are kept; text is
 * kept only for keys known to hold names ("action", "server", …). Any other text may hold a secret or be as
 * long as it likes: its length is kept.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

#define AUDIT_PARAMS_MAX_BYTES 4096 /* beyond: {"cut": true} */
#define AUDIT_PARAMS_MAX_KEYS 64    /* of one object, and items of one array */
#define AUDIT_PARAMS_MAX_DEPTH 6
#define AUDIT_NAME_MAX_BYTES 128

/* @body (an object, may be NULL) and @query (name → value, may be NULL). New reference, never NULL. */
json_t *audit_params (const json_t *body, GHashTable *query);
