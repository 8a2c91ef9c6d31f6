/*
 * Disk images on their way: from people to the controller in pieces, from the controller to servers. What
 * blocks runs in a thread, with copies.
 */
#include <string.h>

#include "vdc/controller/api/routes.h"

#define THREADS 2

typedef struct Task Task;
struct Task {
    HttpRequest *request;
    ImageStore *images;
    char *digest, *file;
    guint64 offset, length, size_bytes;
    GBytes *body;
    json_t *(*act) (Task *task, GError **error);
    json_t *result;
    GBytes *bytes; /* instead of it */
    GError *error;
};

static gboolean
task_done (gpointer data)
{
    Task *task = data;
    if (task->error != NULL)
        http_reply_error (task->request, task->error);
    else if (task->bytes != NULL)
        http_reply_bytes (task->request, 200, "application/octet-stream", task->bytes);
    else
        http_reply_json (task->request, 200,
                         task->result != NULL ? g_steal_pointer (&task->result) : json_object ());
    http_request_unref (task->request);
    json_decref (task->result);
    g_clear_pointer (&task->bytes, g_bytes_unref);
    g_clear_pointer (&task->body, g_bytes_unref);
    g_clear_error (&task->error);
    g_free (task->digest);
    g_free (task->file);
    g_free (task);
    return G_SOURCE_REMOVE;
}

static void
run_task (gpointer data, gpointer unused)
{
    Task *task = data;
    task->result = task->act (task, &task->error);
    g_idle_add_full (G_PRIORITY_DEFAULT, task_done, task, NULL);
}

static void
task_push (Task *task)
{
    static GThreadPool *pool;
    if (pool == NULL)
        pool = g_thread_pool_new (run_task, NULL, THREADS, FALSE, NULL);
    g_thread_pool_push (pool, task, NULL);
}

/* NULL after an answer that @digest cannot be one. */
static Task *
task_new (HttpRequest *request, Controller *controller, const char *digest,
          json_t *(*act) (Task *task, GError **error))
{
    if (!image_is_digest (digest)) {
        g_autoptr (GError) error =
            g_error_new (VDC_ERROR, VDC_ERROR_USAGE, "a file is named by its SHA-256: 64 hex digits");
        http_reply_error (request, error);
        return NULL;
    }
    Task *task = g_new0 (Task, 1);
    task->request = http_request_ref (request);
    task->images = controller->images;
    task->digest = g_strdup (digest);
    task->act = act;
    return task;
}

/* --- uploads ----------------------------------------------------------------------------------------------- */

static json_t *
act_open (Task *task, GError **error)
{
    return image_upload_open (task->images, task->digest, task->size_bytes, error);
}

/* An image that was made of that file needs no upload: it counts as complete. */
static json_t *
act_begin (Task *task, GError **error)
{
    g_autoptr (json_t) made = image_store_made_of (task->images, task->digest);
    if (made == NULL)
        return image_upload_open (task->images, task->digest, task->size_bytes, error);
    return json_pack ("{s:s, s:I, s:I, s:b}", "sha256", task->digest, "size_bytes",
                      (json_int_t)task->size_bytes, "offset", (json_int_t)task->size_bytes, "complete", 1);
}

static void
begin_upload (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    json_t *body = http_request_json (request, &error);
    const char *sha256;
    gint64 size;
    if (body == NULL || !json_need_string (body, NULL, "sha256", &sha256, &error) ||
        !json_need_int (body, NULL, "size_bytes", &size, &error)) {
        http_reply_error (request, error);
        return;
    }
    Task *task = task_new (request, user_data, sha256, act_begin);
    if (task == NULL)
        return;
    task->size_bytes = (guint64)MAX (size, 0);
    task_push (task);
}

static void
get_upload (HttpRequest *request, gpointer user_data)
{
    Task *task = task_new (request, user_data, http_request_param (request, "upload"), act_open);
    if (task != NULL)
        task_push (task);
}

static json_t *
act_write (Task *task, GError **error)
{
    return image_upload_write (task->images, task->digest, task->offset, task->body, error);
}

static void
put_upload (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    gint64 offset;
    if (!http_request_query_int (request, "offset", 0, (gint64)IMAGE_UPLOAD_MAX_BYTES, 0, &offset, &error)) {
        http_reply_error (request, error);
        return;
    }
    Task *task = task_new (request, user_data, http_request_param (request, "upload"), act_write);
    if (task == NULL)
        return;
    task->offset = (guint64)offset;
    task->body = g_bytes_ref (http_request_body (request));
    task_push (task);
}

static json_t *
act_remove (Task *task, GError **error)
{
    image_upload_remove (task->images, task->digest);
    return NULL;
}

static void
remove_upload (HttpRequest *request, gpointer user_data)
{
    Task *task = task_new (request, user_data, http_request_param (request, "upload"), act_remove);
    if (task != NULL)
        task_push (task);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (POST, "/api/v1/uploads", EDITOR, GRID, "beginUpload"),
     .summary = "Begin to bring a disk image, or go on with it", .request_schema = "UploadBegin",
     .answer_schema = "Upload", .handler = begin_upload},
    {HTTP_ROUTE (GET, "/api/v1/uploads/{upload}", EDITOR, GRID, "getUpload"),
     .summary = "How much of a file, by its SHA-256, is there", .answer_schema = "Upload",
     .handler = get_upload},
    {HTTP_ROUTE (PUT, "/api/v1/uploads/{upload}", EDITOR, GRID, "putUpload"),
     .summary = "The next bytes of it, at most 4 MiB, at ?offset", .answer_schema = "Upload",
     .query = "offset=0..68719476736", .body = HTTP_BODY_RAW, .body_limit_bytes = IMAGE_PIECE_MAX_BYTES,
     .handler = put_upload},
    {HTTP_ROUTE (DELETE, "/api/v1/uploads/{upload}", EDITOR, GRID, "removeUpload"),
     .summary = "Give up an upload", .request_schema = "Empty", .answer_schema = "Nothing",
     .handler = remove_upload},
};

void
routes_add_images (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}

/* --- servers ----------------------------------------------------------------------------------------------- */

static json_t *
act_manifest (Task *task, GError **error)
{
    return image_store_manifest (task->images, task->digest, error);
}

static void
get_manifest (HttpRequest *request, gpointer user_data)
{
    Task *task = task_new (request, user_data, http_request_param (request, "digest"), act_manifest);
    if (task != NULL)
        task_push (task);
}

static json_t *
act_read (Task *task, GError **error)
{
    task->bytes =
        image_store_read (task->images, task->digest, task->file, task->offset, task->length, error);
    return NULL;
}

static void
get_piece (HttpRequest *request, gpointer user_data)
{
    g_autoptr (GError) error = NULL;
    gint64 offset, length;
    if (!http_request_query_int (request, "offset", 0, G_MAXINT64, 0, &offset, &error) ||
        !http_request_query_int (request, "length", 0, IMAGE_PIECE_MAX_BYTES, IMAGE_PIECE_MAX_BYTES, &length,
                                 &error)) {
        http_reply_error (request, error);
        return;
    }
    Task *task = task_new (request, user_data, http_request_param (request, "digest"), act_read);
    if (task == NULL)
        return;
    task->file = g_strdup (http_request_param (request, "file"));
    task->offset = (guint64)offset;
    task->length = (guint64)length;
    task_push (task);
}

static const HttpRoute agent_rows[] = {
    {HTTP_ROUTE (GET, "/agent/v1/images/{digest}", SERVER, NONE, "getImage"),
     .summary = "The files of an image, their digests, and where they are not zero", .answer_schema = "Image",
     .handler = get_manifest},
    {HTTP_ROUTE (GET, "/agent/v1/images/{digest}/{file}", SERVER, NONE, "getImagePiece"),
     .summary = "A piece of one, at most 4 MiB", .answer_schema = HTTP_ANSWER_BYTES,
     .answer_type = "application/octet-stream", .query = "offset=0.. length=0..4194304",
     .handler = get_piece},
};

void
routes_add_agent_images (HttpRouter *router, Controller *controller)
{
    http_router_add (router, agent_rows, G_N_ELEMENTS (agent_rows), controller);
}
