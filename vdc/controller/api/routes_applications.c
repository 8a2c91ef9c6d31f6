#include <string.h>

#include "vdc/controller/api/routes.h"
#include "vdc/controller/description.h"
#include "vdc/controller/view.h"

static char *
key_of (gconstpointer record)
{
    return g_strdup (((const ApplicationRecord *)record)->name);
}

static const char *
field_of (Controller *controller, gconstpointer record, const char *name)
{
    const ApplicationRecord *application = record;
    return application->state;
}

static json_t *
render (Controller *controller, gconstpointer record)
{
    return view_application (controller, record);
}

static void
list_applications (HttpRequest *request, gpointer user_data)
{
    static const char *const filters[] = {"state", NULL};
    static const ListKind kind = {key_of, FALSE, field_of, render, filters};
    Controller *controller = user_data;
    g_autoptr (GPtrArray) seen = g_ptr_array_new ();
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (access_sees (controller, request, application->id))
            g_ptr_array_add (seen, application);
    list_reply (request, controller, seen, &kind);
}

static void
create_application (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    json_t *answer = operation_create (controller, &operation, body, &error);
    api_end (request, &operation, answer, error);
}

static void
get_application (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    ApplicationRecord *application = api_application (controller, request);
    if (application == NULL)
        return;
    tags_set_application (request, application);
    http_reply_json (request, 200, view_application (controller, application));
}

static void
destroy_application (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body;
    if (!api_begin (controller, request, &operation, &body))
        return;
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    json_t *answer =
        application != NULL ? operation_destroy (controller, &operation, application, &error) : NULL;
    api_end (request, &operation, answer, error);
}

static void
get_description (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    DocumentFormat format;
    ApplicationRecord *application = api_application (controller, request);
    if (application == NULL)
        return;
    if (!description_format (http_request_query (request, "format"), &format, &error)) {
        http_reply_error (request, error);
        return;
    }
    g_autofree char *text = view_description (application, format);
    tags_set_application (request, application);
    http_reply_text (request, 200,
                     format == DOCUMENT_JSON ? "application/json" : "application/yaml; charset=utf-8", text);
}

/* @dry_run: plan. Without a description, plan says what a start would do. */
static void
change (HttpRequest *request, Controller *controller, gboolean dry_run)
{
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    operation.dry_run = operation.dry_run || dry_run;
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    if (application != NULL && dry_run && json_object_get (body, "description") == NULL &&
        strcmp (application->phase, "stopped") == 0)
        answer = operation_start (controller, &operation, application, &error);
    else if (application != NULL)
        answer = operation_apply (controller, &operation, application, body, &error);
    api_end (request, &operation, answer, error);
}

static void
plan_application (HttpRequest *request, gpointer user_data)
{
    change (request, user_data, TRUE);
}

static void
apply_application (HttpRequest *request, gpointer user_data)
{
    change (request, user_data, FALSE);
}

/* --- actions
 * ---------------------------------------------------------------------------------------------------------
 */

static json_t *
act_scale (Controller *controller, Operation *operation, ApplicationRecord *application, const json_t *body,
           GError **error)
{
    return operation_scale (controller, operation, application, json_object_get (body, "instances"), error);
}

static json_t *
act_config (Controller *controller, Operation *operation, ApplicationRecord *application, const json_t *body,
            GError **error)
{
    return operation_config (controller, operation, application, json_object_get (body, "set"), error);
}

#define PLAIN_ACTION(verb)                                                                                   \
    static json_t *act_##verb (Controller *controller, Operation *operation, ApplicationRecord *application, \
                               const json_t *body, GError **error)                                           \
    {                                                                                                        \
        return operation_##verb (controller, operation, application, error);                                 \
    }

PLAIN_ACTION (start)
PLAIN_ACTION (stop)
PLAIN_ACTION (restart)
PLAIN_ACTION (clean)
PLAIN_ACTION (continue)

static const struct {
    const char *name;
    json_t *(*act) (Controller *, Operation *, ApplicationRecord *, const json_t *, GError **);
    HttpRole role; /* beyond that of the route */
} actions[] = {
    {"start", act_start, HTTP_ROLE_OPERATOR},       {"stop", act_stop, HTTP_ROLE_OPERATOR},
    {"restart", act_restart, HTTP_ROLE_OPERATOR},   {"scale", act_scale, HTTP_ROLE_OPERATOR},
    {"config", act_config, HTTP_ROLE_EDITOR},       {"clean", act_clean, HTTP_ROLE_OPERATOR},
    {"continue", act_continue, HTTP_ROLE_OPERATOR},
};

static void
post_action (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    Operation operation;
    json_t *body, *answer = NULL;
    if (!api_begin (controller, request, &operation, &body))
        return;
    const char *action = json_str (body, "action", "");
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), &error);
    guint i = 0;
    while (i < G_N_ELEMENTS (actions) && strcmp (actions[i].name, action) != 0)
        i++;
    if (application != NULL && i == G_N_ELEMENTS (actions))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE,
                     "action must be start, stop, restart, scale, config, clean or continue");
    else if (application != NULL &&
             access_may (controller, request, actions[i].role, application->id, &error))
        answer = actions[i].act (controller, &operation, application, body, &error);
    api_end (request, &operation, answer, error);
}

/* What happened to it, newest last: the log people ask for first. */
static void
get_logs (HttpRequest *request, gpointer user_data)
{
    Controller *controller = user_data;
    g_autoptr (GError) error = NULL;
    gint64 limit;
    ApplicationRecord *application = api_application (controller, request);
    if (application == NULL)
        return;
    if (!http_request_query_int (request, "limit", 1, 10000, 500, &limit, &error)) {
        http_reply_error (request, error);
        return;
    }
    g_autoptr (json_t) events = events_list (controller->store, 0, 0, NULL, &error);
    json_t *items = json_array (), *event;
    gsize i;
    json_array_foreach (events, i, event) {
        if (strcmp (json_str (event, "application_id", ""), application->id) == 0)
            json_array_append (items, event);
    }
    while (json_array_size (items) > (gsize)limit)
        json_array_remove (items, 0);
    http_reply_list (request, items, NULL);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/applications", VIEWER, FILTERED, "listApplications"),
     .summary = "All applications", .answer_schema = "ApplicationList", .query = QUERY_PAGE " state",
     .handler = list_applications},
    {HTTP_ROUTE (POST, "/api/v1/applications", EDITOR, CREATE, "createApplication"),
     .summary = "Create from a template or a description", .request_schema = "ApplicationCreate",
     .answer_schema = "Application", .body_limit_bytes = 2 * DOCUMENT_LIMIT_BYTES, .status = 201,
     .handler = create_application},
    {HTTP_ROUTE (GET, "/api/v1/applications/{application}", VIEWER, APPLICATION, "getApplication"),
     .summary = "One application", .answer_schema = "Application", .handler = get_application},
    {HTTP_ROUTE (DELETE, "/api/v1/applications/{application}", EDITOR, APPLICATION, "destroyApplication"),
     .summary = "Move an application and its volumes to the trash (?keep_volumes, ?force)",
     .answer_schema = "JobStarted", .request_schema = "ApplicationDestroy",
     .query = "keep_volumes! force! confirm!", .if_match = HTTP_MATCH_OBJECT, .handler = destroy_application},
    {HTTP_ROUTE (GET, "/api/v1/applications/{application}/description", VIEWER, APPLICATION,
                 "getDescription"),
     .summary = "The description as YAML or JSON text (?format)", .answer_schema = HTTP_ANSWER_BYTES,
     .answer_type = "application/yaml", .query = "format=yaml|json", .handler = get_description},
    {HTTP_ROUTE (POST, "/api/v1/applications/{application}/plan", VIEWER, APPLICATION, "planApplication"),
     .summary = "What an apply, or a start, would do", .answer_schema = "Plan",
     .body_limit_bytes = 2 * DOCUMENT_LIMIT_BYTES, .request_schema = "ApplicationApply",
     .if_match = HTTP_MATCH_OBJECT, .handler = plan_application},
    {HTTP_ROUTE (POST, "/api/v1/applications/{application}/apply", EDITOR, APPLICATION, "applyApplication"),
     .summary = "Make it what the description says", .answer_schema = "JobStarted",
     .body_limit_bytes = 2 * DOCUMENT_LIMIT_BYTES, .request_schema = "ApplicationApply",
     .if_match = HTTP_MATCH_OBJECT, .handler = apply_application},
    {HTTP_ROUTE (POST, "/api/v1/applications/{application}/actions", OPERATOR, APPLICATION,
                 "actOnApplication"),
     .summary = "start, stop, restart, scale, config, clean, continue", .request_schema = "ApplicationAction",
     .answer_schema = "JobStarted", .if_match = HTTP_MATCH_OBJECT, .handler = post_action},
    {HTTP_ROUTE (GET, "/api/v1/applications/{application}/logs", VIEWER, APPLICATION, "getApplicationLogs"),
     .summary = "Its events (?limit)", .answer_schema = "EventList", .query = "limit=1..10000",
     .handler = get_logs},
};

void
routes_add_applications (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
