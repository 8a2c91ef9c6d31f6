#include "vdc/controller/access/users.h"

#include <string.h>

#include "vdc/base/id.h"
#include "vdc/controller/access/access_private.h"
#include "vdc/controller/access/credentials.h"

gboolean
user_name_is_free (Controller *controller, const char *name, GError **error)
{
    if (!id_is_name (name) || strcmp (name, ACCESS_LOCAL_USER) == 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "a user's name must be %s, and not '%s'",
                     id_name_rule (), ACCESS_LOCAL_USER);
        return FALSE;
    }
    if (access_user_row (controller->access, name) != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "user '%s' exists", name);
        return FALSE;
    }
    if (g_hash_table_size (controller->access->users) >= USERS_MAX) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "there are %d users; more are not kept", USERS_MAX);
        return FALSE;
    }
    return TRUE;
}

const json_t *
user_find (Controller *controller, const char *name, GError **error)
{
    const json_t *row = access_user_row (controller->access, name);
    if (row == NULL) {
        g_autofree char *quoted = problem_quote (name);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no user %s", quoted);
    }
    return row;
}

void
user_create (Controller *controller, const char *name, HttpRole role, gboolean creates, const char *hash)
{
    g_autofree char *stamp = controller_stamp (controller);
    access_put_user (controller, name,
                     json_pack ("{s:s, s:s, s:{}, s:b, s:b, s:s, s:s?, s:I}", "name", name, "role",
                                access_role_name (role), "applications", "creates", creates, "disabled",
                                FALSE, "created", stamp, "password", hash, "password_us",
                                (json_int_t)controller_now_us (controller)));
}

void
user_set (Controller *controller, const char *name, const char *key, json_t *value)
{
    json_t *row = json_deep_copy (access_user_row (controller->access, name));
    json_put (row, key, value);
    access_put_user (controller, name, row);
}

void
user_set_password (Controller *controller, const char *name, const char *hash)
{
    user_set (controller, name, "password", json_string (hash));
    user_set (controller, name, "password_us", json_integer (controller_now_us (controller)));
}

void
user_set_application_role (Controller *controller, const char *name, const char *application_id,
                           HttpRole role)
{
    json_t *roles =
        json_deep_copy (json_object_get (access_user_row (controller->access, name), "applications"));
    if (role == HTTP_ROLE_PUBLIC)
        json_object_del (roles, application_id);
    else
        json_put (roles, application_id, json_string (access_role_name (role)));
    user_set (controller, name, "applications", roles);
}

void
user_delete (Controller *controller, const char *name)
{
    credential_end_all (controller, name, NULL, TRUE);
    access_put_user (controller, name, NULL);
}

GPtrArray *
user_names (Controller *controller)
{
    GPtrArray *names = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init (&iter, controller->access->users);
    while (g_hash_table_iter_next (&iter, &name, NULL))
        g_ptr_array_add (names, name);
    return names;
}

/* --- shown ----------------------------------------------------------------------------------------------------- */

/* Applications that are gone are not shown. */
static json_t *
roles_by_name (Controller *controller, const json_t *roles)
{
    json_t *object = json_object ();
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (json_object_size (roles) > 0 && g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        const char *role = json_str (roles, application->id, NULL);
        if (role != NULL)
            json_put (object, application->name, json_string (role));
    }
    return object;
}

json_t *
user_json (Controller *controller, const char *name)
{
    const json_t *row = access_user_row (controller->access, name);
    return json_pack ("{s:s, s:s, s:b, s:b, s:s, s:b, s:o}", "name", name, "role",
                      json_str (row, "role", "none"), "creates", json_bool (row, "creates", FALSE),
                      "disabled", json_bool (row, "disabled", FALSE), "created",
                      json_str (row, "created", ""), "has_password", json_str (row, "password", NULL) != NULL,
                      "applications", roles_by_name (controller, json_object_get (row, "applications")));
}

static gint
compare_users (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

json_t *
user_roles_json (Controller *controller, const char *application_id)
{
    json_t *items = json_array ();
    g_autoptr (GPtrArray) names = user_names (controller);
    g_ptr_array_sort (names, compare_users);
    for (guint i = 0; i < names->len; i++) {
        const json_t *row = access_user_row (controller->access, names->pdata[i]);
        const char *role = json_str (json_object_get (row, "applications"), application_id, NULL);
        if (role != NULL)
            json_array_append_new (items,
                                   json_pack ("{s:s, s:s}", "user", (char *)names->pdata[i], "role", role));
    }
    return items;
}
