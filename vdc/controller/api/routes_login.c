/*
 * Logging in and out, one's own password and sessions.
 *
 * A right password and a wrong one, a user that is there and one that is not, one that is disabled: the same
 * work, the same answer but for the session.
 */
#include <string.h>

#include "vdc/controller/access/access.h"
#include "vdc/controller/access/credentials.h"
#include "vdc/controller/access/users.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"

#define BUSY_RETRY_S 2

/* With Retry-After. */
static void
reply_later (HttpRequest *request, const GError *error, guint wait_s)
{
    g_autofree char *text = g_strdup_printf ("%u", wait_s);
    http_reply_header (request, "Retry-After", text);
    http_reply_error (request, error);
}

/* A guess at @user's password is due now. FALSE: answered. */
static gboolean
may_try (Controller *controller, HttpRequest *request, const char *user)
{
    g_autoptr (GError) error = NULL;
    guint wait_s = 0;
    if (throttle_try (access_throttle (controller), user, http_request_address (request), &wait_s))
        return TRUE;
    g_set_error (&error, VDC_ERROR, VDC_ERROR_TOO_MANY,
                 "too many tries for this user from this address; the next one in %u s", wait_s);
    reply_later (request, error, wait_s);
    return FALSE;
}

/* TRUE: only a try, and answered. */
static gboolean
is_dry (HttpRequest *request)
{
    json_t *body = http_request_json (request, NULL);
    if (!json_bool (body, "dry_run", FALSE) && !http_request_query_flag (request, "dry_run"))
        return FALSE;
    http_reply_json (request, 200, json_object ());
    return TRUE;
}

/* --- login ----------------------------------------------------------------------------------------------------- */

typedef struct {
    Controller *controller;
    HttpRequest *request;
    char *user;
    char *hash;     /* that was checked; NULL: none */
    char *password; /* the new one, of a change */
    gboolean cookie;
} Attempt;

static void
attempt_free (gpointer data)
{
    Attempt *attempt = data;
    http_request_unref (attempt->request);
    g_free (attempt->user);
    g_free (attempt->hash);
    password_wipe (attempt->password);
    g_free (attempt->password);
    g_free (attempt);
}

static Attempt *
attempt_new (Controller *controller, HttpRequest *request, const char *user)
{
    Attempt *attempt = g_new0 (Attempt, 1);
    const json_t *row = user_find (controller, user, NULL);
    attempt->controller = controller;
    attempt->request = http_request_ref (request);
    attempt->user = g_strdup (user);
    attempt->hash = g_strdup (json_str (row, "password", NULL));
    return attempt;
}

/* It is still the password, of a user who may still log in. */
static gboolean
still_good (const Attempt *attempt)
{
    const json_t *row = user_find (attempt->controller, attempt->user, NULL);
    return row != NULL && !json_bool (row, "disabled", FALSE) &&
           g_strcmp0 (json_str (row, "password", NULL), attempt->hash) == 0;
}

static void
set_cookie (HttpRequest *request, const char *secret, guint life_s)
{
    g_autofree char *cookie = g_strdup_printf (
        SESSION_COOKIE "=%s; Path=/; Max-Age=%u; Secure; HttpOnly; SameSite=Strict", secret, life_s);
    http_reply_header (request, "Set-Cookie", cookie);
    password_wipe (cookie);
}

/* A browser that was logged in is so anew: the session it had, or was given by somebody else, ends. */
static void
end_presented (Controller *controller, HttpRequest *request)
{
    g_autofree char *secret = credential_cookie (http_request_header (request, "cookie"));
    const json_t *row = secret != NULL ? credential_find (controller, secret) : NULL;
    if (row != NULL)
        credential_end (controller, json_str (row, "id", ""));
}

static void
log_in (Attempt *attempt)
{
    Controller *controller = attempt->controller;
    g_autoptr (GError) error = NULL;
    const json_t *row;
    end_presented (controller, attempt->request);
    char *secret = credential_new_session (controller, attempt->user, attempt->cookie,
                                           http_request_address (attempt->request),
                                           http_request_header (attempt->request, "user-agent"), &row);
    json_t *answer = credential_json (controller, row);
    if (!controller_commit (controller, &error)) {
        controller_revert (controller);
        json_decref (answer);
        http_reply_error (attempt->request, error);
    } else {
        http_request_set_user (attempt->request, attempt->user);
        if (attempt->cookie)
            set_cookie (attempt->request, secret, SESSION_LIFE_S);
        else
            json_put (answer, "token", json_string (secret));
        http_reply_json (attempt->request, 200, answer);
        access_changed (controller);
    }
    password_wipe (secret);
    g_free (secret);
}

static void
on_checked (gboolean right, gpointer user_data)
{
    Attempt *attempt = user_data;
    g_autoptr (GError) error = NULL;
    if (right && still_good (attempt)) {
        throttle_succeeded (access_throttle (attempt->controller), attempt->user,
                            http_request_address (attempt->request));
        log_in (attempt);
        return;
    }
    g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN, "the user or the password is wrong");
    http_reply_error (attempt->request, error);
}

/* A page of another site must not log the browser in as somebody else either. */
static gboolean
is_from_elsewhere (HttpRequest *request)
{
    const char *origin = http_request_header (request, "origin");
    return (origin != NULL && !http_origin_is_ours (origin, http_request_header (request, "host"))) ||
           !http_type_is (http_request_header (request, "content-type"), "application/json");
}

/* Check @password and go on with @done. Takes @attempt. */
static void
check (Attempt *attempt, const char *password, PasswordChecked done)
{
    g_autoptr (GError) error = NULL;
    Throttle *throttle = access_throttle (attempt->controller);
    if (passwords_check (access_passwords (attempt->controller), password, attempt->hash, done, attempt,
                         attempt_free, &error))
        return;
    throttle_cancel (throttle, attempt->user, http_request_address (attempt->request));
    reply_later (attempt->request, error, BUSY_RETRY_S);
    attempt_free (attempt);
}

static void
post_login (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const char *user, *password;
    json_t *body = http_request_json (request, &error);
    if (body != NULL && is_from_elsewhere (request))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED,
                     "a login is JSON (Content-Type: application/json) from this address's own pages");
    if (error != NULL || !json_need_string (body, "login", "user", &user, &error) ||
        !json_need_string (body, "login", "password", &password, &error)) {
        http_reply_error (request, error);
        return;
    }
    if (is_dry (request) || !may_try (controller, request, user))
        return;
    Attempt *attempt = attempt_new (controller, request, user);
    attempt->cookie = json_bool (body, "cookie", FALSE);
    check (attempt, password, on_checked);
}

/* --- logged in ------------------------------------------------------------------------------------------------- */

static void
post_logout (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const Principal *principal = access_principal (request);
    if (principal->kind != PRINCIPAL_SESSION) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_REFUSED,
                     "this is no session: a token is revoked (vdc token revoke)");
        http_reply_error (request, error);
        return;
    }
    if (is_dry (request))
        return;
    credential_end (controller, principal->credential);
    if (!controller_commit (controller, &error)) {
        controller_revert (controller);
        http_reply_error (request, error);
        return;
    }
    if (principal->cookie)
        set_cookie (request, "", 0);
    http_reply_json (request, 200, json_object ());
    access_changed (controller);
}

static void
get_me (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    const Principal *principal = access_principal (request);
    gboolean local = user_find (controller, principal->user, NULL) == NULL;
    json_t *me = local ? json_pack ("{s:s, s:s, s:b, s:{}}", "name", principal->user, "role", "admin",
                                    "creates", TRUE, "applications")
                       : user_json (controller, principal->user);
    g_autoptr (json_t) user = me;
    json_t *row =
        principal->credential != NULL ? credential_of_principal (controller, principal) : json_null ();
    static const char *const kinds[] = {"local", "session", "token"};
    http_reply_json (request, 200,
                     json_pack ("{s:s, s:s, s:O, s:O, s:O, s:o}", "user", principal->user, "kind",
                                kinds[principal->kind], "role", json_object_get (user, "role"), "creates",
                                json_object_get (user, "creates"), "applications",
                                json_object_get (user, "applications"), "credential", row));
}

static void
on_new_hash (const char *hash, gpointer user_data)
{
    Attempt *attempt = user_data;
    Controller *controller = attempt->controller;
    g_autoptr (GError) error = NULL;
    if (hash == NULL || !still_good (attempt))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_CONFLICT, "the password was not changed; try again");
    if (error == NULL) {
        user_set_password (controller, attempt->user, hash);
        credential_end_all (controller, attempt->user, access_principal (attempt->request)->credential,
                            FALSE);
        if (!controller_commit (controller, &error))
            controller_revert (controller);
    }
    if (error != NULL)
        http_reply_error (attempt->request, error);
    else
        http_reply_json (attempt->request, 200, json_object ());
    access_changed (controller);
}

static void
on_current_checked (gboolean right, gpointer user_data)
{
    Attempt *attempt = user_data;
    g_autoptr (GError) error = NULL;
    if (!right || !still_good (attempt)) {
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "the current password is wrong");
        http_reply_error (attempt->request, error);
        return;
    }
    throttle_succeeded (access_throttle (attempt->controller), attempt->user,
                        http_request_address (attempt->request));
    Attempt *next = attempt_new (attempt->controller, attempt->request, attempt->user);
    if (!passwords_hash (access_passwords (attempt->controller), attempt->password, on_new_hash, next,
                         attempt_free, &error)) {
        reply_later (attempt->request, error, BUSY_RETRY_S);
        attempt_free (next);
    }
}

static void
post_password (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const Principal *principal = access_principal (request);
    const char *current, *new_password;
    json_t *body = http_request_json (request, &error);
    if (principal->kind != PRINCIPAL_SESSION)
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "log in as a user to change your password");
    if (error != NULL || !json_need_string (body, "password", "current", &current, &error) ||
        !json_need_string (body, "password", "password", &new_password, &error) ||
        !password_is_acceptable (new_password, principal->user, &error)) {
        http_reply_error (request, error);
        return;
    }
    if (is_dry (request) || !may_try (controller, request, principal->user))
        return;
    Attempt *attempt = attempt_new (controller, request, principal->user);
    attempt->password = g_strdup (new_password);
    check (attempt, current, on_current_checked);
}

static void
list_my_sessions (HttpRequest *request, gpointer user_data)
{
    http_reply_list (request, credential_list_json (user_data, "session", access_principal (request)->user),
                     NULL);
}

static void
end_my_session (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    const char *id = http_request_param (request, "login");
    if (!credential_is_of (controller, id, "session", access_principal (request)->user)) {
        g_autofree char *quoted = problem_quote (id);
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no session %s", quoted);
    } else if (is_dry (request)) {
        return;
    } else {
        credential_end (controller, id);
        if (!controller_commit (controller, &error))
            controller_revert (controller);
    }
    if (error != NULL)
        http_reply_error (request, error);
    else
        http_reply_json (request, 200, json_object ());
    access_changed (controller);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (POST, "/api/v1/login", PUBLIC, NONE, "login"),
     .summary = "A session: a cookie for a browser {cookie: true}, else a token to be sent as Bearer",
     .request_schema = "Login", .answer_schema = "LoggedIn", .secret_answer = TRUE, .body_limit_bytes = 8192,
     .handler = post_login},
    {HTTP_ROUTE (POST, "/api/v1/logout", VIEWER, NONE, "logout"), .summary = "End this session",
     .request_schema = "Empty", .answer_schema = "Nothing", .handler = post_logout},
    {HTTP_ROUTE (GET, "/api/v1/me", VIEWER, NONE, "getMe"), .summary = "Who asks, and what he may",
     .answer_schema = "Me", .handler = get_me},
    {HTTP_ROUTE (POST, "/api/v1/me/password", VIEWER, NONE, "changeMyPassword"),
     .summary = "Change one's password; one's other sessions end", .request_schema = "PasswordChange",
     .answer_schema = "Nothing", .body_limit_bytes = 8192, .handler = post_password},
    {HTTP_ROUTE (GET, "/api/v1/me/sessions", VIEWER, NONE, "listMySessions"), .summary = "One's own sessions",
     .answer_schema = "LoginSessionList", .query = QUERY_PAGE, .handler = list_my_sessions},
    {HTTP_ROUTE (DELETE, "/api/v1/me/sessions/{login}", VIEWER, NONE, "endMySession"),
     .summary = "End one of them", .request_schema = "Empty", .answer_schema = "Nothing",
     .handler = end_my_session},
};

void
routes_add_login (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
