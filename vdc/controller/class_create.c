#include "vdc/controller/class_create.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/description.h"
#include "vdc/controller/image_store.h"
#include "vdc/controller/jobs.h"

#define ROW_PREFIX "class."
#define REMEDY "see the message; what was uploaded is kept for a day"

typedef struct {
    Controller *controller;
    char *job;
    json_t *request;
    json_t *image; /* result */
    GError *error;
} Task;

typedef struct {
    Task *task;
    guint step;
} Stage;

static void
task_free (Task *task)
{
    g_free (task->job);
    json_decref (task->request);
    json_decref (task->image);
    g_clear_error (&task->error);
    g_free (task);
}

/* --- the job ----------------------------------------------------------------------------------------------- */

static void
note_state (Controller *controller, const JobRecord *job)
{
    controller_note (controller, "job.state", "job", job->id, NULL, job->state,
                     json_pack ("{s:s, s:O?}", "kind", job->kind, "error", job->error));
}

static void
set_step (Controller *controller, JobRecord *job, guint index, const char *state)
{
    json_t *step = json_array_get (job->steps, index);
    if (step == NULL || strcmp (json_str (step, "state", ""), state) == 0)
        return;
    json_put (step, "state", json_string (state));
    controller_note (controller, "job.step", "job", job->id, NULL, state, json_deep_copy (step));
}

static JobRecord *
job_begin (Controller *controller, const char *ref)
{
    JobRecord *job = g_new0 (JobRecord, 1);
    job->id = id_random (8);
    job->kind = g_strdup ("class");
    job->state = g_strdup ("running");
    job->created = controller_stamp (controller);
    job->steps = json_array ();
    json_array_append_new (job->steps, job_step_new ("check", ref, "check the upload", NULL));
    json_array_append_new (job->steps, job_step_new ("convert", ref, "convert it to a raw disk", NULL));
    json_array_append_new (job->steps, job_step_new ("publish", ref, "publish the class", NULL));
    g_hash_table_insert (controller->jobs, g_strdup (job->id), job);
    set_step (controller, job, 0, "running");
    note_state (controller, job);
    return job;
}

/* In the records; the commit is the caller's. */
static void
job_finish (Controller *controller, JobRecord *job, const GError *error)
{
    g_autofree char *row = g_strconcat (ROW_PREFIX, job->id, NULL);

    for (guint i = 0; i < json_array_size (job->steps); i++) {
        const char *state = json_str (json_array_get (job->steps, i), "state", "");
        if (error == NULL)
            set_step (controller, job, i, "done");
        else if (strcmp (state, "running") == 0)
            set_step (controller, job, i, "failed");
    }
    record_set_string (&job->state, error == NULL ? "done" : "failed");
    g_free (job->ended);
    job->ended = controller_stamp (controller);
    if (error != NULL)
        record_set_json (&job->error,
                         json_pack ("{s:s, s:s, s:s, s:s}", "step", "image", "code", vdc_error_name (error),
                                    "message", error->message, "remedy", REMEDY));
    controller_write (controller, STORE_META, row, NULL);
    note_state (controller, job);
}

static void
commit_or_say (Controller *controller, const char *job)
{
    g_autoptr (GError) error = NULL;
    if (controller_commit (controller, &error))
        return;
    controller_revert (controller);
    vdc_log (VDC_LOG_ERROR, "cannot keep how a job went, it is done again after a restart", "job", job,
             "error", error->message, NULL);
}

/* --- the worker -------------------------------------------------------------------------------------------- */

static void
fail_job (Task *task, const GError *error)
{
    JobRecord *job = g_hash_table_lookup (task->controller->jobs, task->job);
    vdc_log (VDC_LOG_WARNING, "no class was made", "job", task->job, "error", error->message, NULL);
    if (job == NULL)
        return;
    job_finish (task->controller, job, error);
    commit_or_say (task->controller, task->job);
}

/* Class and the end of its job are one commit. */
static gboolean
publish (Task *task, GError **error)
{
    const json_t *request = task->request;
    g_autoptr (Problems) problems = problems_new ();
    Operation operation = {.problems = problems};
    JobRecord *job = g_hash_table_lookup (task->controller->jobs, task->job);

    if (job != NULL)
        job_finish (task->controller, job, NULL);
    g_autoptr (json_t) answer = operation_publish (
        task->controller, &operation, json_str (request, "catalog", ""),
        json_str (request, "description", ""), json_str (request, "description_format", "yaml"),
        json_str (task->image, "digest", ""), error);
    if (answer == NULL) {
        controller_revert (task->controller); /* the end of the job was noted */
        return FALSE;
    }
    commit_or_say (task->controller, task->job); /* when it was published before, the job's end is not */
    FP ("publish.08.class_kept");
    return TRUE;
}

static gboolean
task_done (gpointer data)
{
    Task *task = data;
    g_autoptr (GError) error = g_steal_pointer (&task->error);

    if (error == NULL && publish (task, &error))
        image_upload_remove (task->controller->images, json_str (task->request, "upload", ""));
    else
        fail_job (task, error);
    image_store_hold (task->controller->images, FALSE);
    task_free (task);
    return G_SOURCE_REMOVE;
}

static gboolean
stage_reached (gpointer data)
{
    Stage *stage = data;
    Controller *controller = stage->task->controller;
    JobRecord *job = g_hash_table_lookup (controller->jobs, stage->task->job);

    if (job != NULL) {
        set_step (controller, job, stage->step - 1, "done");
        set_step (controller, job, stage->step, "running");
        commit_or_say (controller, job->id);
    }
    g_free (stage);
    return G_SOURCE_REMOVE;
}

static void
tell_stage (ImageStage reached, gpointer data)
{
    Stage *stage = g_new0 (Stage, 1);
    *stage = (Stage){data, reached == IMAGE_CHECKED ? 1 : 2};
    g_idle_add (stage_reached, stage);
}

static void
run_task (gpointer data, gpointer unused)
{
    Task *task = data;
    ImageFormat format;
    gboolean known;

    if (image_format_parse (json_str (task->request, "format", NULL), &known, &format, &task->error))
        task->image = image_store_make (task->controller->images, json_str (task->request, "upload", ""),
                                        known ? &format : NULL, tell_stage, task, &task->error);
    g_idle_add (task_done, task);
}

static void
push (Controller *controller, const char *job, const json_t *request)
{
    static GThreadPool *pool;
    Task *task = g_new0 (Task, 1);

    task->controller = controller;
    task->job = g_strdup (job);
    task->request = json_deep_copy (request);
    image_store_hold (controller->images, TRUE);
    if (pool == NULL) /* converting fills disk and processor: one is enough */
        pool = g_thread_pool_new (run_task, NULL, 1, FALSE, NULL);
    g_thread_pool_push (pool, task, NULL);
}

/* --- asking for it ----------------------------------------------------------------------------------------- */

static Class *
read_class (Operation *operation, const char *text, DocumentFormat format, GError **error)
{
    g_autoptr (Class) class = class_parse (text, strlen (text), format, operation->problems);

    if (class == NULL)
        problems_to_error (operation->problems, error);
    else if (!class->unmanaged)
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_INVALID,
            "a class of an image that was brought must say 'unmanaged: true': no vdc-guest is in it");
    return class != NULL && class->unmanaged ? g_steal_pointer (&class) : NULL;
}

/* What is there of that version: the same is the answer, anything else is in the way. *@done receives it. */
static gboolean
look_at_version (Controller *controller, const char *catalog, const Class *class, const char *upload,
                 json_t **done, GError **error)
{
    const Boundary *boundary = &class->boundary;
    const GridEntry *entry =
        catalog_grid_entry (controller->catalogs, catalog, boundary->name, boundary->version);
    g_autofree char *source = g_strconcat ("sha256:", upload, NULL);

    if (entry == NULL)
        return TRUE;
    if (json_equal (entry->document, class->document) &&
        g_strcmp0 (json_str (entry->image, "source", NULL), source) == 0) {
        *done = json_pack ("{s:s, s:s, s:s, s:O?, s:b}", "catalog", catalog, "name", boundary->name,
                           "version", boundary->version, "image", entry->image, "published", 0);
        return TRUE;
    }
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                 "%s/%s@%s is published with another content, and a version never changes; raise the version",
                 catalog, boundary->name, boundary->version);
    return FALSE;
}

static gboolean
check_upload (Controller *controller, const char *upload, GError **error)
{
    g_autoptr (json_t) made = image_store_made_of (controller->images, upload);
    g_autoptr (json_t) state = made == NULL ? image_upload_open (controller->images, upload, 0, error) : NULL;

    if (made != NULL)
        return TRUE;
    if (state == NULL)
        return FALSE;
    if (json_bool (state, "complete", FALSE))
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                 "the upload is not complete: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                 " bytes are there; go on with it",
                 json_int (state, "offset", 0), json_int (state, "size_bytes", 0));
    return FALSE;
}

static json_t *
accept (Controller *controller, Operation *operation, const json_t *request, const Class *class,
        const char *text, const char *format, GError **error)
{
    const char *catalog = json_str (request, "catalog", "");
    g_autofree char *ref = grid_entry_key (catalog, class->boundary.name, class->boundary.version);
    const JobRecord *job = job_begin (controller, ref);
    g_autofree char *id = g_strdup (job->id), *row = g_strconcat (ROW_PREFIX, id, NULL);
    g_autoptr (json_t) kept = json_pack (
        "{s:s, s:s, s:s?, s:s, s:s}", "catalog", catalog, "upload", json_str (request, "upload", ""),
        "format", json_str (request, "format", NULL), "description", text, "description_format", format);

    controller_write (controller, STORE_META, row, json_incref (kept));
    json_t *answer = operation_finish (controller, operation, json_pack ("{s:s}", "job", id), error);
    if (answer == NULL)
        return NULL;
    FP ("publish.03.accepted");
    push (controller, id, kept);
    return answer;
}

json_t *
operation_class_create (Controller *controller, Operation *operation, const json_t *request, GError **error)
{
    const char *catalog = json_str (request, "catalog", ""), *upload = json_str (request, "upload", "");
    const char *text = json_str (request, "description", "");
    const char *format_name = json_str (request, "description_format", "yaml");
    DocumentFormat format;
    json_t *done = NULL;

    if (!description_format (format_name, &format, error))
        return NULL;
    if (!image_is_digest (upload)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "upload must be the SHA-256 of the file: 64 hex digits");
        return NULL;
    }
    if (catalog_grid_catalog (controller->catalogs, catalog) == NULL) {
        g_autofree char *quoted = problem_quote (catalog);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND,
                     "no catalog %s of the grid; make it with `vdc catalog create`", quoted);
        return NULL;
    }
    g_autoptr (Class) class = read_class (operation, text, format, error);
    if (class == NULL || !look_at_version (controller, catalog, class, upload, &done, error))
        return NULL;
    if (done != NULL)
        return done;
    if (!check_upload (controller, upload, error))
        return NULL;
    return operation->dry_run ? json_object ()
                              : accept (controller, operation, request, class, text, format_name, error);
}

/* --- after a restart --------------------------------------------------------------------------------------- */

static gboolean
resume_one (const char *key, json_t *value, gpointer user_data)
{
    Controller *controller = user_data;
    const char *job = key + strlen (ROW_PREFIX);
    vdc_log (VDC_LOG_INFO, "a class that was being made is made on", "job", job, NULL);
    push (controller, job, value);
    return TRUE;
}

void
class_create_resume (Controller *controller)
{
    g_autoptr (GError) error = NULL;
    if (!store_list (controller->store, STORE_META, ROW_PREFIX, NULL, 0, resume_one, controller, &error))
        vdc_log (VDC_LOG_ERROR, "cannot read which classes were being made", "error", error->message, NULL);
    image_store_sweep (controller);
}
