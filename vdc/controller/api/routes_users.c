/* Users, what they may on the grid and on applications, and their sessions. */
#include <string.h>

#include "vdc/controller/access/access.h"
#include "vdc/controller/access/credentials.h"
#include "vdc/controller/access/users.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static void
list_users (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GPtrArray) names = user_names (controller);
    json_t *items = json_array ();
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++)
        json_array_append_new (items, user_json (controller, names->pdata[i]));
    http_reply_list (request, items, NULL);
}

static void
get_user (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    const char *name = http_request_param (request, "user");
    if (user_find (user_data, name, &error) != NULL)
        http_reply_json (request, 200, user_json (user_data, name));
    else
        http_reply_error (request, error);
}

/* --- what needs a password hashed ------------------------------------------------------------------------------ */

typedef struct {
    Controller *controller;
    HttpRequest *request;
    Operation operation;
    char *name;
    HttpRole role;
    gboolean creates, is_new;
} Change;

static void
change_free (gpointer data)
{
    Change *change = data;
    g_clear_pointer (&change->operation.problems, problems_free);
    http_request_unref (change->request);
    g_free (change->name);
    g_free (change);
}

/* What was true before the hashing may not be any more. */
static gboolean
may_still (Change *change, GError **error)
{
    if (!access_may (change->controller, change->request, HTTP_ROLE_ADMIN, NULL, error))
        return FALSE;
    return change->is_new ? user_name_is_free (change->controller, change->name, error)
                          : user_find (change->controller, change->name, error) != NULL;
}

static void
finish (Change *change, const char *hash)
{
    Controller *controller = change->controller;
    g_autoptr (GError) error = NULL;
    json_t *answer = NULL;
    if (may_still (change, &error)) {
        if (change->is_new) {
            user_create (controller, change->name, change->role, change->creates, hash);
        } else {
            user_set_password (controller, change->name, hash);
            credential_end_all (controller, change->name, NULL, FALSE);
        }
        answer =
            operation_finish (controller, &change->operation, user_json (controller, change->name), &error);
    }
    api_end (change->request, &change->operation, answer, error);
    access_changed (controller);
}

static void
on_hashed (const char *hash, gpointer user_data)
{
    Change *change = user_data;
    g_autoptr (GError) error = NULL;
    if (hash != NULL) {
        finish (change, hash);
        return;
    }
    g_set_error (&error, VDC_ERROR, VDC_ERROR_BUSY, "no memory to hash a password; try again");
    http_reply_header (change->request, "Retry-After", "2");
    api_end (change->request, &change->operation, NULL, error);
}

/* Takes @change. */
static void
begin_hashing (Change *change, const char *password)
{
    g_autoptr (GError) error = NULL;
    if (password_is_acceptable (password, change->name, &error) &&
        passwords_hash (access_passwords (change->controller), password, on_hashed, change, change_free,
                        &error))
        return;
    if (error->code == VDC_ERROR_BUSY)
        http_reply_header (change->request, "Retry-After", "2");
    api_end (change->request, &change->operation, NULL, error);
    change_free (change);
}

/* Takes @operation's content. */
static Change *
change_new (Controller *controller, HttpRequest *request, const Operation *operation, const char *name)
{
    Change *change = g_new0 (Change, 1);
    change->controller = controller;
    change->request = http_request_ref (request);
    change->operation = *operation;
    change->name = g_strdup (name);
    return change;
}

static void
create_user (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body;
    HttpRole role;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *name = json_str (body, "name", ""), *password = json_str (body, "password", NULL);
    if (!user_name_is_free (controller, name, &error) ||
        !access_role_parse (json_str (body, "role", "none"), TRUE, &role, &error) || operation.dry_run) {
        api_end (request, &operation, error == NULL ? json_object () : NULL, error);
        return;
    }
    Change *change = change_new (controller, request, &operation, name);
    change->role = role;
    change->creates = json_bool (body, "creates", FALSE);
    change->is_new = TRUE;
    if (password != NULL) {
        begin_hashing (change, password);
        return;
    }
    finish (change, NULL);
    change_free (change);
}

/* --- actions --------------------------------------------------------------------------------------------------- */

static gboolean
act_role (Controller *controller, const char *name, const json_t *body, GError **error)
{
    HttpRole role;
    json_t *creates = json_object_get (body, "creates");
    if (!access_role_parse (json_str (body, "role", NULL), TRUE, &role, error))
        return FALSE;
    user_set (controller, name, "role", json_string (access_role_name (role)));
    if (json_is_boolean (creates))
        user_set (controller, name, "creates", json_incref (creates));
    return TRUE;
}

static gboolean
act_disable (Controller *controller, const char *name, const json_t *body, GError **error)
{
    user_set (controller, name, "disabled", json_true ());
    credential_end_all (controller, name, NULL, FALSE);
    return TRUE;
}

static gboolean
act_enable (Controller *controller, const char *name, const json_t *body, GError **error)
{
    user_set (controller, name, "disabled", json_false ());
    return TRUE;
}

static gboolean
act_logout (Controller *controller, const char *name, const json_t *body, GError **error)
{
    credential_end_all (controller, name, NULL, json_bool (body, "tokens", FALSE));
    return TRUE;
}

static const struct {
    const char *name;
    gboolean (*act) (Controller *controller, const char *name, const json_t *body, GError **error);
} actions[] = {{"role", act_role}, {"disable", act_disable}, {"enable", act_enable}, {"logout", act_logout}};

static json_t *
act_on (Controller *controller, Operation *operation, const char *name, const json_t *body, GError **error)
{
    const char *action = json_str (body, "action", "");
    for (guint i = 0; i < G_N_ELEMENTS (actions); i++) {
        if (strcmp (actions[i].name, action) != 0)
            continue;
        if (operation->dry_run)
            return json_object ();
        return actions[i].act (controller, name, body, error)
                   ? operation_finish (controller, operation, user_json (controller, name), error)
                   : NULL;
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                 "action must be role, password, disable, enable or logout");
    return NULL;
}

static void
post_action (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *name = http_request_param (request, "user"), *password = json_str (body, "password", NULL);
    gboolean found = user_find (controller, name, &error) != NULL;
    if (found && strcmp (json_str (body, "action", ""), "password") == 0 && !operation.dry_run) {
        begin_hashing (change_new (controller, request, &operation, name), password != NULL ? password : "");
        return;
    }
    json_t *answer = found ? act_on (controller, &operation, name, body, &error) : NULL;
    api_end (request, &operation, answer, error);
    access_changed (controller);
}

static void
delete_user (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *name = http_request_param (request, "user");
    if (user_find (controller, name, &error) != NULL) {
        if (!operation.dry_run)
            user_delete (controller, name);
        answer = operation.dry_run ? json_object ()
                                   : operation_finish (controller, &operation, json_object (), &error);
    }
    api_end (request, &operation, answer, error);
    access_changed (controller);
}

static void
list_sessions (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    const char *name = http_request_param (request, "user");
    if (user_find (user_data, name, &error) != NULL)
        http_reply_list (request, credential_list_json (user_data, "session", name), NULL);
    else
        http_reply_error (request, error);
}

/* --- roles on an application ----------------------------------------------------------------------------------- */

static void
list_roles (HttpRequest *request, gpointer user_data)
{
    ApplicationRecord *application = api_application (user_data, request);
    if (application != NULL)
        http_reply_list (request, user_roles_json (user_data, application->id), NULL);
}

static void
post_role (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    HttpRole role;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *user = json_str (body, "user", "");
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    if (application != NULL && user_find (controller, user, &error) != NULL &&
        access_role_parse (json_str (body, "role", NULL), TRUE, &role, &error)) {
        if (!operation.dry_run)
            user_set_application_role (controller, user, application->id, role);
        answer = operation.dry_run ? json_object ()
                                   : operation_finish (controller, &operation, json_object (), &error);
    }
    api_end (request, &operation, answer, error);
    access_changed (controller);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/users", ADMIN, GRID, "listUsers"), .summary = "All users",
     .answer_schema = "UserList", .query = QUERY_PAGE, .handler = list_users},
    {HTTP_ROUTE (POST, "/api/v1/users", ADMIN, GRID, "createUser"),
     .summary = "A local user; without a password he cannot log in yet", .request_schema = "UserCreate",
     .answer_schema = "UserChanged", .status = 201, .body_limit_bytes = 8192, .handler = create_user},
    {HTTP_ROUTE (GET, "/api/v1/users/{user}", ADMIN, GRID, "getUser"), .summary = "One user",
     .answer_schema = "User", .handler = get_user},
    {HTTP_ROUTE (POST, "/api/v1/users/{user}/actions", ADMIN, GRID, "actOnUser"),
     .summary = "role, password, disable, enable, logout", .request_schema = "UserAction",
     .answer_schema = "UserChanged", .body_limit_bytes = 8192, .handler = post_action},
    {HTTP_ROUTE (DELETE, "/api/v1/users/{user}", ADMIN, GRID, "deleteUser"),
     .summary = "With his sessions and tokens", .request_schema = "Empty", .answer_schema = "Nothing",
     .handler = delete_user},
    {HTTP_ROUTE (GET, "/api/v1/users/{user}/sessions", ADMIN, GRID, "listUserSessions"),
     .summary = "His sessions; the action logout ends them", .answer_schema = "LoginSessionList",
     .query = QUERY_PAGE, .handler = list_sessions},
    {HTTP_ROUTE (GET, "/api/v1/applications/{application}/roles", ADMIN, APPLICATION, "listApplicationRoles"),
     .summary = "Who has a role on this application", .answer_schema = "ApplicationRoleList",
     .query = QUERY_PAGE, .handler = list_roles},
    {HTTP_ROUTE (POST, "/api/v1/applications/{application}/roles", ADMIN, APPLICATION, "setApplicationRole"),
     .summary = "Give a user a role on it, or none", .request_schema = "ApplicationRole",
     .answer_schema = "Nothing", .handler = post_role},
};

void
routes_add_users (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
