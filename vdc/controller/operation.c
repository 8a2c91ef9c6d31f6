#include "vdc/controller/operation.h"

#include <string.h>

#define KEY_PREFIX "key."
#define KEY_KEPT_US (24 * 3600 * (gint64)G_USEC_PER_SEC)

/* By user: one must not be given what another was answered. */
static char *
stored_key (const Operation *operation)
{
    return g_strconcat (KEY_PREFIX, operation->principal != NULL ? operation->principal->user : "", ".",
                        operation->key, NULL);
}

static void
remember (Controller *controller, const Operation *operation, json_t *answer)
{
    if (operation->key != NULL) {
        g_autofree char *key = stored_key (operation);
        controller_write (controller, STORE_META, key,
                          json_pack ("{s:s, s:I, s:O}", "path", operation->path, "time_us",
                                     (json_int_t)controller_now_us (controller), "answer", answer));
    }
}

static json_t *
committed (Controller *controller, gboolean good, json_t *answer)
{
    if (good)
        return answer;
    controller_revert (controller);
    json_decref (answer);
    return NULL;
}

json_t *
operation_finish (Controller *controller, const Operation *operation, json_t *answer, GError **error)
{
    remember (controller, operation, answer);
    answer = committed (controller, controller_commit (controller, error), answer);
    if (answer != NULL)
        controller_wake (controller);
    return answer;
}

json_t *
operation_finish_rows (Controller *controller, const Operation *operation, const char *kind, json_t *answer,
                       GError **error)
{
    gsize i;
    json_t *event;
    gboolean mine = TRUE;
    json_array_foreach (controller->noted, i, event)
        mine = mine && strcmp (json_str (event, "kind", ""), kind) == 0;
    remember (controller, operation, answer);
    return committed (
        controller, mine ? controller_commit_rows (controller, error) : controller_commit (controller, error),
        answer);
}

json_t *
operation_remembered (Controller *controller, const Operation *operation, GError **error)
{
    if (operation->key == NULL)
        return NULL;
    g_autofree char *key = stored_key (operation);
    g_autoptr (json_t) row = store_get (controller->store, STORE_META, key, NULL);
    if (row == NULL)
        return NULL;
    if (strcmp (json_str (row, "path", ""), operation->path) != 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "idempotency key was used for %s",
                     json_str (row, "path", ""));
        return NULL;
    }
    return json_incref (json_object_get (row, "answer"));
}

typedef struct {
    Controller *controller;
    gint64 before_us;
} Forgetting;

static gboolean
forget_old (const char *key, json_t *value, gpointer user_data)
{
    Forgetting *forgetting = user_data;
    if (json_int (value, "time_us", 0) < forgetting->before_us)
        controller_write (forgetting->controller, STORE_META, key, NULL);
    return TRUE;
}

void
operation_forget_keys (Controller *controller)
{
    Forgetting forgetting = {controller, controller_now_us (controller) - KEY_KEPT_US};
    store_list (controller->store, STORE_META, KEY_PREFIX, NULL, 0, forget_old, &forgetting, NULL);
}
