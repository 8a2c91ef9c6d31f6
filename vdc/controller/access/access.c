#include "vdc/controller/access/access_private.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"

/* --- names ----------------------------------------------------------------------------------------------------- */

G_STATIC_ASSERT (HTTP_ROLE_PUBLIC < HTTP_ROLE_VIEWER && HTTP_ROLE_VIEWER < HTTP_ROLE_OPERATOR &&
                 HTTP_ROLE_OPERATOR < HTTP_ROLE_EDITOR && HTTP_ROLE_EDITOR < HTTP_ROLE_ADMIN);

static const char *const role_names[] = {"none", "viewer", "operator", "editor", "admin"};

const char *
access_role_name (HttpRole role)
{
    g_assert (role >= HTTP_ROLE_PUBLIC && role <= HTTP_ROLE_ADMIN);
    return role_names[role - HTTP_ROLE_PUBLIC];
}

gboolean
access_role_parse (const char *name, gboolean none, HttpRole *role, GError **error)
{
    for (guint i = none ? 0 : 1; i < G_N_ELEMENTS (role_names); i++)
        if (g_strcmp0 (name, role_names[i]) == 0) {
            *role = (HttpRole)(HTTP_ROLE_PUBLIC + i);
            return TRUE;
        }
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "role must be %sviewer, operator, editor or admin",
                 none ? "none, " : "");
    return FALSE;
}

static HttpRole
stored_role (const char *name)
{
    HttpRole role;
    return access_role_parse (name, TRUE, &role, NULL) ? role : HTTP_ROLE_PUBLIC;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static gboolean
load_user (const char *key, json_t *value, gpointer user_data)
{
    Access *access = user_data;
    g_hash_table_replace (access->users, g_strdup (key), json_incref (value));
    return TRUE;
}

static void
remember_credential (Access *access, const char *id, json_t *row)
{
    g_hash_table_replace (access->ids, g_strdup (id), row);
    g_hash_table_replace (access->secrets, g_strdup (json_str (row, "secret", "")), row);
}

static gboolean
load_credential (const char *key, json_t *value, gpointer user_data)
{
    remember_credential (user_data, key, json_incref (value));
    return TRUE;
}

gboolean
access_reload (Controller *controller, GError **error)
{
    Access *access = controller->access;
    g_hash_table_remove_all (access->users);
    g_hash_table_remove_all (access->secrets);
    g_hash_table_remove_all (access->ids);
    return store_list (controller->store, STORE_USERS, NULL, NULL, 0, load_user, access, error) &&
           store_list (controller->store, STORE_TOKENS, NULL, NULL, 0, load_credential, access, error);
}

json_t *
access_user_row (Access *access, const char *name)
{
    return name != NULL ? g_hash_table_lookup (access->users, name) : NULL;
}

json_t *
access_credential_row (Access *access, const char *id)
{
    return id != NULL ? g_hash_table_lookup (access->ids, id) : NULL;
}

void
access_put_user (Controller *controller, const char *name, json_t *row)
{
    controller_write (controller, STORE_USERS, name, row != NULL ? json_incref (row) : NULL);
    if (row != NULL)
        g_hash_table_replace (controller->access->users, g_strdup (name), row);
    else
        g_hash_table_remove (controller->access->users, name);
}

void
access_put_credential (Controller *controller, const char *id, json_t *row)
{
    Access *access = controller->access;
    json_t *before = access_credential_row (access, id);
    controller_write (controller, STORE_TOKENS, id, row != NULL ? json_incref (row) : NULL);
    if (before != NULL)
        g_hash_table_remove (access->secrets, json_str (before, "secret", ""));
    if (row != NULL)
        remember_credential (access, id, row);
    else
        g_hash_table_remove (access->ids, id);
}

/* --- deciding -------------------------------------------------------------------------------------------------- */

static HttpRole
owner_role (Access *access, const char *user, const char *application_id)
{
    const json_t *row = access_user_row (access, user);
    if (g_strcmp0 (user, ACCESS_LOCAL_USER) == 0)
        return HTTP_ROLE_ADMIN;
    if (row == NULL || json_bool (row, "disabled", FALSE))
        return HTTP_ROLE_PUBLIC;
    HttpRole role = stored_role (json_str (row, "role", "none"));
    if (application_id == NULL)
        return role;
    HttpRole here = stored_role (json_str (json_object_get (row, "applications"), application_id, "none"));
    return MAX (role, here);
}

static gboolean
lists (const json_t *ids, const char *id)
{
    gsize i;
    const json_t *item;
    json_array_foreach (ids, i, item) {
        if (g_strcmp0 (json_string_value (item), id) == 0)
            return TRUE;
    }
    return FALSE;
}

/* What a token leaves of its owner's role. */
static HttpRole
token_role (const json_t *token, HttpRole role, const char *application_id)
{
    const json_t *applications = json_object_get (token, "applications");
    if (vdc_bug ("access-token-scope-ignored"))
        return role;
    if (json_is_array (applications) && (application_id == NULL || !lists (applications, application_id)))
        return HTTP_ROLE_PUBLIC;
    return MIN (role, stored_role (json_str (token, "role", "none")));
}

HttpRole
access_role (Controller *controller, const Principal *principal, const char *application_id)
{
    HttpRole role = owner_role (controller->access, principal->user, application_id);
    if (principal->kind == PRINCIPAL_LOCAL)
        return role;
    const json_t *row = access_credential_row (controller->access, principal->credential);
    if (row == NULL || !access_credential_is_live (controller, row))
        return HTTP_ROLE_PUBLIC;
    return principal->kind == PRINCIPAL_TOKEN ? token_role (row, role, application_id) : role;
}

HttpRole
access_highest (Controller *controller, const Principal *principal)
{
    HttpRole highest = access_role (controller, principal, NULL);
    const json_t *user = access_user_row (controller->access, principal->user);
    const char *id;
    json_t *role;
    json_object_foreach (json_object_get (user, "applications"), id, role) {
        HttpRole here = access_role (controller, principal, id);
        highest = MAX (highest, here);
    }
    return highest;
}

gboolean
access_may_create (Controller *controller, const Principal *principal)
{
    const json_t *user = access_user_row (controller->access, principal->user);
    const json_t *token = access_credential_row (controller->access, principal->credential);
    if (access_role (controller, principal, NULL) >= HTTP_ROLE_EDITOR)
        return TRUE;
    if (!json_bool (user, "creates", FALSE) || json_bool (user, "disabled", FALSE) || token == NULL ||
        !access_credential_is_live (controller, token))
        return FALSE;
    return principal->kind == PRINCIPAL_SESSION ||
           (stored_role (json_str (token, "role", "none")) >= HTTP_ROLE_EDITOR &&
            !json_is_array (json_object_get (token, "applications")));
}

gboolean
access_may (Controller *controller, HttpRequest *request, HttpRole role, const char *application_id,
            GError **error)
{
    HttpRole have = access_role (controller, access_principal (request), application_id);
    if (have >= role)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED, "this needs the role %s on the %s; yours is %s",
                 access_role_name (role), application_id != NULL ? "application" : "grid",
                 access_role_name (have));
    return FALSE;
}

gboolean
access_sees (Controller *controller, HttpRequest *request, const char *application_id)
{
    if (vdc_bug ("access-lists-unfiltered"))
        return TRUE;
    return access_role (controller, access_principal (request), application_id) >= HTTP_ROLE_VIEWER;
}

gboolean
access_sees_event (Controller *controller, const Principal *principal, const json_t *event)
{
    if (vdc_bug ("access-events-unfiltered"))
        return TRUE;
    return access_role (controller, principal, json_str (event, "application_id", NULL)) >= HTTP_ROLE_VIEWER;
}

const char *
access_application_id (Controller *controller, const char *name)
{
    const ApplicationRecord *application =
        name != NULL ? g_hash_table_lookup (controller->applications, name) : NULL;
    return application != NULL ? application->id : NULL;
}

static gboolean
is_id_in_use (Controller *controller, const char *id)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    TrashRecord *entry;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (g_strcmp0 (application->id, id) == 0)
            return TRUE;
    g_hash_table_iter_init (&iter, controller->trash);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
        if (g_strcmp0 (entry->owner, id) == 0)
            return TRUE;
    return FALSE;
}

/* Roles on what is gone for good stay, for its jobs and events, until there are too many. */
static void
drop_dead_roles (Controller *controller, json_t *roles)
{
    const char *id;
    json_t *role;
    void *next;
    if (json_object_size (roles) < ACCESS_ROLES_KEPT)
        return;
    json_object_foreach_safe (roles, next, id, role) {
        if (!is_id_in_use (controller, id))
            json_object_del (roles, id);
    }
}

void
access_give_creator (Controller *controller, const Principal *principal, const char *application_id)
{
    json_t *before = access_user_row (controller->access, principal->user);
    if (before == NULL) /* the local user */
        return;
    json_t *row = json_deep_copy (before);
    json_t *roles = json_object_get (row, "applications");
    drop_dead_roles (controller, roles);
    json_put (roles, application_id, json_string (access_role_name (HTTP_ROLE_ADMIN)));
    access_put_user (controller, principal->user, row);
}

/* --- what goes on ---------------------------------------------------------------------------------------------- */

typedef struct {
    guint id;
    Principal *principal;
    HttpRole role;
    char *application_id; /* NULL: anything */
    AccessLost lost;
    gpointer user_data;
} Watch;

static void
watch_free (gpointer data)
{
    Watch *watch = data;
    principal_unref (watch->principal);
    g_free (watch->application_id);
    g_free (watch);
}

guint
access_watch (Controller *controller, Principal *principal, HttpRole role, const char *application_id,
              AccessLost lost, gpointer user_data)
{
    Watch *watch = g_new0 (Watch, 1);
    watch->id = ++controller->access->last_watch;
    watch->principal = principal_ref (principal);
    watch->role = role;
    watch->application_id = g_strdup (application_id);
    watch->lost = lost;
    watch->user_data = user_data;
    g_ptr_array_add (controller->access->watches, watch);
    return watch->id;
}

guint
access_watch_request (Controller *controller, HttpRequest *request, AccessLost lost, gpointer user_data)
{
    const HttpRoute *route = http_request_route (request);
    g_autofree char *id = NULL;
    if (route->scope == HTTP_SCOPE_APPLICATION)
        id = g_strdup (access_application_id (controller, http_request_param (request, "application")));
    else if (route->scope == HTTP_SCOPE_OBJECT)
        access_object (controller, request, &id, NULL);
    return access_watch (controller, access_principal (request), route->role, id, lost, user_data);
}

void
access_unwatch (Controller *controller, guint id)
{
    GPtrArray *watches = controller->access->watches;
    for (guint i = 0; i < watches->len; i++)
        if (((Watch *)watches->pdata[i])->id == id) {
            g_ptr_array_remove_index (watches, i);
            return;
        }
}

/* Watching only needs a live login: a list may be empty now and not later. */
static gboolean
still_may (Controller *controller, const Watch *watch)
{
    if (watch->application_id != NULL || watch->role > HTTP_ROLE_VIEWER)
        return access_role (controller, watch->principal, watch->application_id) >= watch->role;
    return access_is_live (controller, watch->principal);
}

void
access_tick (Controller *controller)
{
    GPtrArray *watches = controller->access->watches;
    g_autoptr (GPtrArray) over = g_ptr_array_new_with_free_func (watch_free);
    for (guint i = watches->len; i > 0; i--)
        if (!still_may (controller, watches->pdata[i - 1]))
            g_ptr_array_add (over, g_ptr_array_steal_index (watches, i - 1));
    for (guint i = 0; i < over->len; i++) {
        Watch *watch = over->pdata[i];
        watch->lost (watch->user_data);
    }
}

void
access_changed (Controller *controller)
{
    access_tick (controller);
}

/* --- principals ------------------------------------------------------------------------------------------------ */

Principal *
principal_ref (Principal *principal)
{
    return g_rc_box_acquire (principal);
}

static void
principal_clear (gpointer data)
{
    Principal *principal = data;
    g_free (principal->user);
    g_free (principal->credential);
}

void
principal_unref (Principal *principal)
{
    if (principal != NULL)
        g_rc_box_release_full (principal, principal_clear);
}

Principal *
access_principal (HttpRequest *request)
{
    return http_request_data (request, "principal");
}

gboolean
access_is_live (Controller *controller, const Principal *principal)
{
    if (principal->kind == PRINCIPAL_LOCAL)
        return TRUE;
    const json_t *row = access_credential_row (controller->access, principal->credential);
    const json_t *user = access_user_row (controller->access, principal->user);
    return row != NULL && access_credential_is_live (controller, row) &&
           (g_strcmp0 (principal->user, ACCESS_LOCAL_USER) == 0 ||
            (user != NULL && !json_bool (user, "disabled", FALSE)));
}

Passwords *
access_passwords (Controller *controller)
{
    return controller->access->passwords;
}

Throttle *
access_throttle (Controller *controller)
{
    return controller->access->throttle;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

Access *
access_new (Clock *clock)
{
    Access *access = g_new0 (Access, 1);
    access->users = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
    access->ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
    access->secrets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    access->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    access->watches = g_ptr_array_new_with_free_func (watch_free);
    access->passwords = passwords_new ();
    access->throttle = throttle_new (clock);
    return access;
}

void
access_free (Access *access)
{
    if (access == NULL)
        return;
    passwords_free (access->passwords);
    throttle_free (access->throttle);
    g_ptr_array_unref (access->watches);
    g_hash_table_unref (access->seen);
    g_hash_table_unref (access->secrets);
    g_hash_table_unref (access->ids);
    g_hash_table_unref (access->users);
    g_free (access);
}
