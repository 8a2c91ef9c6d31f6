/*
 * Users as stored and as shown. Changes are in memory and noted for the next commit; the caller commits, then
 * calls access_changed. Main loop only.
 */
#pragma once

#include "vdc/controller/access/access.h"

#define USERS_MAX 10000

/* A name a new user may have. FALSE: VDC_ERROR_INVALID, VDC_ERROR_CONFLICT when there is one, or
 * VDC_ERROR_REFUSED at the limit. */
gboolean user_name_is_free (Controller *controller, const char *name, GError **error);
/* NULL: VDC_ERROR_NOT_FOUND. Borrowed. */
const json_t *user_find (Controller *controller, const char *name, GError **error);
/* @hash may be NULL: cannot log in until there is a password. */
void user_create (Controller *controller, const char *name, HttpRole role, gboolean creates,
                  const char *hash);
/* Takes @value. Keys of USER: "role", "creates", "disabled". */
void user_set (Controller *controller, const char *name, const char *key, json_t *value);
void user_set_password (Controller *controller, const char *name, const char *hash);
/* HTTP_ROLE_PUBLIC takes it away. */
void user_set_application_role (Controller *controller, const char *name, const char *application_id,
                                HttpRole role);
/* With its sessions and tokens. */
void user_delete (Controller *controller, const char *name);
/* char *, borrowed, in no order. Free the array. */
GPtrArray *user_names (Controller *controller);
/* USER for the API: {name, role, creates, disabled, created, has_password, applications: {NAME: role}}. New
 * reference. */
json_t *user_json (Controller *controller, const char *name);
/* The roles that users have on one application: [{user, role}], by name. New reference. */
json_t *user_roles_json (Controller *controller, const char *application_id);
