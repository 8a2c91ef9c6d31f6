#include "vdc/controller/operation.h"

#include <string.h>

guint
operation_status (const Operation *operation, const json_t *answer)
{
    if (operation->dry_run)
        return 200;
    if (json_object_get (answer, "job") != NULL && json_object_get (answer, "state") == NULL)
        return 202;
    return operation->status != 0 ? operation->status : 200;
}

static void
remember (Controller *controller, const Operation *operation, json_t *answer)
{
    if (operation->key != NULL) {
        g_autofree char *text = json_text (answer), *line = g_strconcat (text, "\n", NULL);
        keys_note (controller, operation->key, operation_status (operation, answer), line);
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
