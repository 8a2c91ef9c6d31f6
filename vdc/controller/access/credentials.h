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
 * A new session of @user, with the next commit; the oldest ends when it has SESSIONS_PER_USER. Returns the
 * secret, given out once; caller wipes and frees. *@row (borrowed) is what is kept.
 */
char *credential_new_session (Controller *controller, const char *user, gboolean cookie, const char *address,
                              const char *client, const json_t **row);
/*
 * A new API token. @applications: an array of ids (taken), NULL: all its owner's. The same return. NULL:
 * VDC_ERROR_CONFLICT when the user has one of that name, VDC_ERROR_REFUSED at TOKENS_PER_USER.
 */
char *credential_new_token (Controller *controller, const char *user, const char *name, HttpRole role,
                            json_t *applications, gint64 life_s, const json_t **row, GError **error);
/* With the next commit. */
void credential_end (Controller *controller, const char *id);
/* All sessions of @user but @except (may be NULL), and with @tokens its tokens. */
void credential_end_all (Controller *controller, const char *user, const char *except, gboolean tokens);
/* Drop what ended long ago. */
void credential_sweep (Controller *controller);
/* There is such a thing of that kind and @user (NULL: anybody). */
gboolean credential_is_of (Controller *controller, const char *id, const char *kind, const char *user);
/* What the caller itself showed, for the API. New reference. */
json_t *credential_of_principal (Controller *controller, const Principal *principal);
/* For the API, newest first, of @kind "session" or "token" and @user (NULL: everybody's). New reference. */
json_t *credential_list_json (Controller *controller, const char *kind, const char *user);
/* SESSION or TOKEN for the API, without the secret. New reference. */
json_t *credential_json (Controller *controller, const json_t *row);

/*
 * The session's secret in a Cookie header; NULL: none, more than one, or not of the form we give out. @header
 * may be NULL. Caller frees.
 */
char *credential_cookie (const char *header);
/* "https://" and Host are the Origin. Either may be NULL. */
gboolean http_origin_is_ours (const char *origin, const char *host);
/* A Content-Type header, with or without parameters, says @type. May be NULL. */
gboolean http_type_is (const char *content_type, const char *type);
