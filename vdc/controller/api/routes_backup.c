/* Backups of the controller, and what goes on after one was restored. */
#include <string.h>

#include "vdc/controller/api/query.h"
#include "vdc/controller/api/routes.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/backup.h"
#include "vdc/controller/learn.h"

static void
list_backups (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    json_t *items = backup_list (user_data, &error);
    if (items != NULL)
        http_reply_list (request, items, NULL);
    else
        http_reply_error (request, error);
}

typedef struct {
    HttpRequest *request;
    Controller *controller;
} Asking;

static void
on_made (json_t *backup, const GError *error, gpointer user_data)
{
    Asking *asking = user_data;
    if (error != NULL)
        http_reply_error (asking->request, error);
    else
        http_reply_json (asking->request, 201, backup);
    http_request_unref (asking->request);
    g_free (asking);
}

/* A folder of the machine is named by who owns the machine, not by an administrator of the grid. */
static gboolean
may_name_folder (HttpRequest *request, const char *folder, GError **error)
{
    const Principal *principal = access_principal (request);
    if (folder == NULL || (principal != NULL && principal->kind == PRINCIPAL_LOCAL))
        return TRUE;
    g_set_error (
        error, VDC_ERROR, VDC_ERROR_NOT_PERMITTED,
        "a folder is named by root on the controller's machine only; without one it goes to the usual place");
    return FALSE;
}

static void
post_backup (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    const char *folder = json_str (body, "to", NULL);
    if (body == NULL || !may_name_folder (request, folder, &error) ||
        !backup_folder_fits (folder, &error)) {
        http_reply_error (request, error);
        return;
    }
    if (json_bool (body, "dry_run", FALSE) || http_request_query_flag (request, "dry_run")) {
        http_reply_json (request, 200, json_object ());
        return;
    }
    Asking *asking = g_new0 (Asking, 1);
    asking->request = http_request_ref (request);
    asking->controller = user_data;
    /* The entry first: who holds a backup holds the grid. */
    if (audit_pass (user_data, request, &error) && backup_make (user_data, folder, on_made, asking, &error))
        return;
    http_reply_error (request, error);
    http_request_unref (request);
    g_free (asking);
}

static void
get_restore (HttpRequest *request, gpointer user_data)
{
    http_reply_json (request, 200, json_pack ("{s:o?}", "learning", learn_json (user_data)));
}

static void
post_restore (HttpRequest *request, gpointer user_data)
{
    if (!http_request_query_flag (request, "dry_run"))
        learn_accept (user_data);
    get_restore (request, user_data);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/backups", ADMIN, GRID, "listBackups"),
     .summary = "Backups in the controller's own folder, newest first", .answer_schema = "BackupList",
     .handler = list_backups},
    {HTTP_ROUTE (POST, "/api/v1/backups", ADMIN, GRID, "createBackup"),
     .summary = "Back up the store, the keys and the token; answered when it was read back",
     .request_schema = "BackupCreate", .answer_schema = "Backup", .status = 201, .handler = post_backup},
    {HTTP_ROUTE (GET, "/api/v1/restore", VIEWER, GRID, "getRestore"),
     .summary = "Whether a restored controller is still asking its servers", .answer_schema = "Restore",
     .handler = get_restore},
    {HTTP_ROUTE (POST, "/api/v1/restore", ADMIN, GRID, "acceptRestore"),
     .summary = "Go on without the servers that do not answer", .request_schema = "Empty",
     .answer_schema = "Restore", .handler = post_restore},
};

void
routes_add_backup (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
