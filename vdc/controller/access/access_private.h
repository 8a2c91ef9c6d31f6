/*
 * What the files of this folder share. Memory is the rows as stored; a change replaces a row in memory and
 * notes the write for the next commit, so that controller_revert, which reads them again, drops it.
 *
 * USER, by name: {name, role, applications: {ID: role}, creates, disabled, created, password (argon2id),
 * password_us} CREDENTIAL, by id: {id, kind: "session"|"token", user, secret (SHA-256, hex), created_us,
 * expires_us}, and a session {cookie, seen_us, address, client}; a token {name, role, applications:
 * [ID]|null}
 */
#pragma once

#include "vdc/controller/access/access.h"
#include "vdc/controller/controller.h"

struct Access {
    GHashTable *users;   /* name → json_t */
    GHashTable *ids;     /* id → json_t of a credential */
    GHashTable *secrets; /* its secret's digest → the same json_t, borrowed */
    GHashTable *seen; /* id of a session → gint64 *: last use, wall clock us; newer than what is stored */
    GPtrArray *watches;
    Passwords *passwords;
    Throttle *throttle;
    guint last_watch;
};

/* --- rows ------------------------------------------------------------------------------------------------------ */

/* NULL: there is none. Borrowed. */
json_t *access_user_row (Access *access, const char *name);
json_t *access_credential_row (Access *access, const char *id);
/* Replace (@row taken) or delete (NULL) in memory and with the next commit. */
void access_put_user (Controller *controller, const char *name, json_t *row);
void access_put_credential (Controller *controller, const char *id, json_t *row);

/* --- credentials ----------------------------------------------------------------------------------------------- */

/* It has neither expired nor been idle too long. */
gboolean access_credential_is_live (Controller *controller, const json_t *row);

/* --- objects.c ------------------------------------------------------------------------------------------------- */

/*
 * The application that the object of the path belongs to: its id (caller frees), or NULL for the grid's own.
 * FALSE: VDC_ERROR_NOT_FOUND.
 */
gboolean access_object (Controller *controller, HttpRequest *request, char **application_id, GError **error);
/* There is a rule for the objects of such a path. */
gboolean access_object_is_known (const HttpRoute *route);
/* Says that there is no such thing as the path names. */
void access_object_missing (HttpRequest *request, GError **error);
