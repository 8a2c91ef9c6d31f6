/*
 * Who asks, and what may they do. One function decides: access_role. Everything else here asks it.
 *
 * A request is made by a principal: root of the controller's machine (the local token), or a user by a
 * browser session, a command line session or an API token. A user has a role on the grid and roles on
 * applications, by the application's id: a later one of the same name is another. The role on an application
 * is the higher of the two. A token lowers it to its own ceiling and applications; it is computed at each
 * use, so what its owner loses the token loses.
 *
 * Roles: HTTP_ROLE_PUBLIC (none) < VIEWER < OPERATOR < EDITOR < ADMIN.
 *
 * The router calls access_authorize before each handler, which decides by the row's role and scope:
 *
 *   GRID         role on the grid, else 403
 *   APPLICATION  role on {application}; who is not its viewer is told that there is none, else 403
 *   OBJECT       the same on the application that {volume}, {job}, {session} belongs to (objects.c); on the
 * grid when it belongs to none FILTERED     the role on anything; the handler shows what access_sees, changes
 * what access_may CREATE       the role on the grid, or a user who may create applications of his own NONE
 * somebody logged in; the handler looks at what is the caller's own
 *
 * A handler that finds an application otherwise than by the path (a body's field, a query) calls access_may
 * itself. Main loop only.
 */
#pragma once

#include "vdc/controller/access/password.h"
#include "vdc/controller/access/throttle.h"
#include "vdc/http/router.h"

typedef struct Controller Controller;
typedef struct Access Access;

typedef enum { PRINCIPAL_LOCAL, PRINCIPAL_SESSION, PRINCIPAL_TOKEN } PrincipalKind;

/* Shared by reference; never changes. */
typedef struct {
    PrincipalKind kind;
    gboolean cookie;  /* a browser session */
    char *user;       /* ACCESS_LOCAL_USER for the local token */
    char *credential; /* id of the session or token; NULL for the local token */
} Principal;

/* What root on the controller's machine is called; no user may have the name. */
#define ACCESS_LOCAL_USER "local"
/* A user with so many roles loses those on applications that are gone, when he makes another. */
#define ACCESS_ROLES_KEPT 1024

/* Knows nobody until access_reload. */
Access *access_new (Clock *clock);
void access_free (Access *access);
/* Read users, sessions and tokens from the store: what was not committed is dropped. */
gboolean access_reload (Controller *controller, GError **error);

Passwords *access_passwords (Controller *controller);
Throttle *access_throttle (Controller *controller);

/* --- deciding ------------------------------------------------------------------------------------------------ */

/* The router's HttpAuthorize; user_data is the Controller. Sets the request's user and principal. */
gboolean access_authorize (HttpRequest *request, const HttpRoute *route, gpointer user_data, GError **error);

/* Every row has a rule, or our own bug aborts. Once, when all rows were added. */
void access_check_routes (const HttpRouter *router);

/* Of an authorised request; borrowed, lives with it. NULL for a public route. */
Principal *access_principal (HttpRequest *request);
Principal *principal_ref (Principal *principal);
void principal_unref (Principal *principal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Principal, principal_unref)

/*
 * The role of @principal on an application (by id), or on the grid (NULL). HTTP_ROLE_PUBLIC: none, also when
 * its credential ended or its user was disabled meanwhile.
 */
HttpRole access_role (Controller *controller, const Principal *principal, const char *application_id);
/* Its login has not ended. A list it reads may be empty all the same. */
gboolean access_is_live (Controller *controller, const Principal *principal);
/* The highest it has on anything. */
HttpRole access_highest (Controller *controller, const Principal *principal);
/* It may make applications of its own. */
gboolean access_may_create (Controller *controller, const Principal *principal);

/*
 * May the caller do what needs @role on that application (NULL: the grid)? FALSE: VDC_ERROR_NOT_PERMITTED.
 * For an application the caller does not even see, answer what a missing one gives instead:
 * access_application does.
 */
gboolean access_may (Controller *controller, HttpRequest *request, HttpRole role, const char *application_id,
                     GError **error);
/* For lists: the caller is at least its viewer (NULL: a viewer of the grid). */
gboolean access_sees (Controller *controller, HttpRequest *request, const char *application_id);
/* With the next commit: who makes an application is its admin. */
void access_give_creator (Controller *controller, const Principal *principal, const char *application_id);
/* By the event's "application_id"; one without belongs to the grid. For streams, which outlive their request.
 */
gboolean access_sees_event (Controller *controller, const Principal *principal, const json_t *event);
/* The id of the application of that name, NULL when there is none: nobody but the grid's viewers sees what is
 * left of it. */
const char *access_application_id (Controller *controller, const char *name);

/* --- what goes on ---------------------------------------------------------------------------------------------- */

/*
 * Told once, when the principal's role on the application (NULL: on anything) has fallen below @role: its
 * session or token ended or was revoked, its user lost rights. Then end the stream. Checked at each change
 * and each second.
 * @principal is referenced. Returns an id for access_unwatch, which is not to be called after @lost was.
 */
typedef void (*AccessLost) (gpointer user_data);
guint access_watch (Controller *controller, Principal *principal, HttpRole role, const char *application_id,
                    AccessLost lost, gpointer user_data);
/* The same with what the request's route asks for. */
guint access_watch_request (Controller *controller, HttpRequest *request, AccessLost lost,
                            gpointer user_data);
void access_unwatch (Controller *controller, guint id);
/* Somebody's rights changed: end what he may no longer. After the commit. */
void access_changed (Controller *controller);
/* Each second. */
void access_tick (Controller *controller);

/* --- sessions of exec and cp ------------------------------------------------------------------------------------- */

/* What a session of an agent is called by the API: only who opened it knows and may use it. Caller frees. */
char *access_session_name (Controller *controller, HttpRequest *request, const char *server, const char *id,
                           const char *application_id);
/* The server and the agent's id of the path's {session}; caller frees. FALSE: no such session of the caller.
 */
gboolean access_session_parse (Controller *controller, HttpRequest *request, char **server, char **id);

/* --- names ----------------------------------------------------------------------------------------------------- */

/* "none", "viewer", … Static. */
const char *access_role_name (HttpRole role);
/* FALSE: VDC_ERROR_INVALID that lists them. "none" only with @none. */
gboolean access_role_parse (const char *name, gboolean none, HttpRole *role, GError **error);
