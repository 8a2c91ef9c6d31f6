/* Volumes and the inventory: what may block, in a thread with copies. */
#include "vdc/agent/routes.h"

#include <string.h>

#include "vdc/agent/repair.h"
#include "vdc/agent/survey.h"
#include "vdc/base/error.h"

#define SEED_LIMIT_BYTES (64 * 1024 * 1024)

typedef struct {
    HttpRequest *request;
    const Host *host;
    char *id, *name, *application, *filesystem;
    guint64 size_bytes;
    GBytes *bytes;
    json_t *wish;               /* repair */
    GPtrArray *specs, *settled; /* settled: of a running member whose wires nobody is changing now */
    json_t *(*act) (gpointer task, GError **error); /* NULL without @error: an empty answer */
    json_t *result;
    gboolean list;
    gboolean existing; /* PUT: not to be made anew */
    GError *error;
} Task;

static gboolean
task_done (gpointer data)
{
    Task *task = data;

    if (task->error != NULL)
        http_reply_error (task->request, task->error);
    else if (task->list)
        http_reply_list (task->request, g_steal_pointer (&task->result), NULL);
    else
        http_reply_json (task->request, 200, task->result ? g_steal_pointer (&task->result) : json_object ());
    http_request_unref (task->request);
    json_decref (task->result);
    json_decref (task->wish);
    g_clear_error (&task->error);
    g_clear_pointer (&task->bytes, g_bytes_unref);
    g_clear_pointer (&task->specs, g_ptr_array_unref);
    g_clear_pointer (&task->settled, g_ptr_array_unref);
    g_free (task->id);
    g_free (task->name);
    g_free (task->application);
    g_free (task->filesystem);
    g_free (task);
    return G_SOURCE_REMOVE;
}

static gpointer
task_thread (gpointer data)
{
    Task *task = data;
    task->result = task->act (task, &task->error);
    g_idle_add_full (G_PRIORITY_DEFAULT, task_done, task, NULL);
    return NULL;
}

static Task *
task_new (HttpRequest *request, Agent *agent, json_t *(*act) (gpointer task, GError **error))
{
    Task *task = g_new0 (Task, 1);
    task->request = http_request_ref (request);
    task->host = agent_host (agent);
    task->act = act;
    return task;
}

/* For the rows with {volume}; NULL after an answer that it cannot be. */
static Task *
volume_task (HttpRequest *request, Agent *agent, json_t *(*act) (gpointer task, GError **error))
{
    const char *id = http_request_param (request, "volume");

    if (!spec_is_volume_id (id)) {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_INVALID, "a volume's id is 16 hex digits");
        http_reply_error (request, error);
        return NULL;
    }
    Task *task = task_new (request, agent, act);
    task->id = g_strdup (id);
    return task;
}

static void
task_begin (Task *task)
{
    if (task != NULL)
        g_thread_unref (g_thread_new ("request", task_thread, task));
}

static json_t *
act_list_volumes (gpointer data, GError **error)
{
    Task *task = data;
    return volume_list (task->host->disks);
}

static void
list_volumes (HttpRequest *request, gpointer agent)
{
    Task *task = task_new (request, agent, act_list_volumes);
    task->list = TRUE;
    task_begin (task);
}

static json_t *
act_get_volume (gpointer data, GError **error)
{
    Task *task = data;
    return volume_get (task->host->disks, task->id, error);
}

static void
get_volume (HttpRequest *request, gpointer agent)
{
    task_begin (volume_task (request, agent, act_get_volume));
}

static json_t *
act_put_volume (gpointer data, GError **error)
{
    Task *task = data;
    if (task->existing && !volume_rename (task->host->disks, task->id, task->name, task->application, error))
        return NULL;
    if (!volume_create (task->host->disks, task->id, task->name, task->application, task->size_bytes,
                        task->filesystem, error))
        return NULL;
    return volume_get (task->host->disks, task->id, error);
}

static void
put_volume (HttpRequest *request, gpointer agent)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    gint64 size = 0;

    if (body == NULL || !json_need_int (body, NULL, "size_bytes", &size, &error)) {
        http_reply_error (request, error);
        return;
    }
    Task *task = volume_task (request, agent, act_put_volume);
    if (task == NULL)
        return;
    task->name = g_strdup (json_str (body, "name", ""));
    task->application = g_strdup (json_str (body, "application", ""));
    task->filesystem = g_strdup (json_str (body, "filesystem", "ext4"));
    task->size_bytes = (guint64)MAX (size, 0);
    task->existing = json_bool (body, "existing", FALSE);
    task_begin (task);
}

static json_t *
act_delete_volume (gpointer data, GError **error)
{
    Task *task = data;
    volume_delete (task->host->disks, task->id, error);
    return NULL;
}

static void
delete_volume (HttpRequest *request, gpointer agent)
{
    task_begin (volume_task (request, agent, act_delete_volume));
}

static json_t *
act_seed_volume (gpointer data, GError **error)
{
    Task *task = data;
    volume_seed (task->host->disks, task->id, task->bytes, error);
    return NULL;
}

static void
seed_volume (HttpRequest *request, gpointer agent)
{
    Task *task = volume_task (request, agent, act_seed_volume);
    if (task != NULL)
        task->bytes = g_bytes_ref (http_request_body (request));
    task_begin (task);
}

static json_t *
act_inventory (gpointer data, GError **error)
{
    Task *task = data;
    return inventory_read (task->host, task->specs, task->settled);
}

static GPtrArray *
settled_specs (Agent *agent, const GPtrArray *specs)
{
    GPtrArray *settled = g_ptr_array_new_with_free_func ((GDestroyNotify)spec_unref);
    for (guint i = 0; i < specs->len; i++) {
        Spec *spec = g_ptr_array_index (specs, i);
        const Instance *instance = agent_find (agent, spec->application, spec->member);
        if (instance != NULL && instance_vm (instance) == VM_RUNNING && !instance_is_busy (instance))
            g_ptr_array_add (settled, spec_ref (spec));
    }
    return settled;
}

static void
get_inventory (HttpRequest *request, gpointer agent)
{
    Task *task = task_new (request, agent, act_inventory);
    task->specs = agent_specs (agent);
    task->settled = settled_specs (agent, task->specs);
    task_begin (task);
}

/* --- repair ----------------------------------------------------------------------------------------- */

static json_t *
act_repair (gpointer data, GError **error)
{
    Task *task = data;
    repair_do (task->host, task->specs, task->wish, error);
    return NULL;
}

static void
post_repair (HttpRequest *request, gpointer agent)
{
    GError *error = NULL;
    const json_t *wish = http_request_json (request, &error);

    if (wish == NULL || strcmp (json_str (wish, "action", ""), "lay_wires") == 0) {
        if (wish != NULL)
            agent_lay_wires (agent, json_str (wish, "application", ""), json_str (wish, "member", ""),
                             &error);
        routes_answer (request, 200, error);
        return;
    }
    Task *task = task_new (request, agent, act_repair);
    task->specs = agent_specs (agent);
    task->wish = json_deep_copy (wish);
    task_begin (task);
}

/* --- table ------------------------------------------------------------------------------------------ */

static const HttpRoute routes[] = {
    ROW ("GET", "/v1/volumes", "listVolumes", "Volumes on this server", list_volumes),
    ROW ("GET", "/v1/volumes/{volume}", "getVolume", "One volume", get_volume),
    ROW ("PUT", "/v1/volumes/{volume}", "putVolume", "Create or grow a volume", put_volume),
    ROW ("DELETE", "/v1/volumes/{volume}", "deleteVolume", "Delete a volume", delete_volume),
    RAW ("PUT", "/v1/volumes/{volume}/seed", "seedVolume", "Fill an unused volume from a tar archive",
         SEED_LIMIT_BYTES, seed_volume),
    ROW ("POST", "/v1/repair", "repair", "Do one small repair", post_repair),
    ROW ("GET", "/v1/inventory", "getInventory", "All that is found here", get_inventory),
};

void
routes_add_volumes (Agent *agent, HttpRouter *router)
{
    http_router_add (router, routes, G_N_ELEMENTS (routes), agent);
}
