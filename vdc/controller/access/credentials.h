/*
 * Sessions and API tokens: what a caller shows, and how it is parsed. A secret is 256 random bits, given out
 * once and kept as its SHA-256 (it is random: nothing slower is needed). Main loop only, but the parsers,
 * which are pure.
 */
#pragma once

#include "vdc/controller/access/access.h"

#define SESSION_COOKIE "__Host-vdc"
#define SESSION_IDLE_S (2 * 3600)
#define SESSION_LIFE_S (12 * 3600)
#define SESSIONS_PER_USER 32 /* one more ends the oldest */
#define TOKENS_PER_USER 64
#define TOKEN_LIFE_MIN_S 60
#define TOKEN_LIFE_DEFAULT_S (90 * 24 * 3600)
#define TOKEN_LIFE_MAX_S (366 * 24 * 3600)

/* The row of what has that secret, live or not; NULL: none. Borrowed. */
const json_t *credential_find (Controller *controller, const char *secret);
/* A session lives on from now. */
void credential_used (Controller *controller, const char *id);

/*
 * The session's secret in a Cookie header; NULL: none, more than one, or not of the form we give out. @header
 * may be NULL. Caller frees.
 */
char *credential_cookie (const char *header);
/* "https://" and Host are the Origin. Either may be NULL. */
gboolean http_origin_is_ours (const char *origin, const char *host);
/* A Content-Type header, with or without parameters, says @type. May be NULL. */
gboolean http_type_is (const char *content_type, const char *type);
