#include "vdc/controller/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/job_undo.h"

json_t *
job_step_new (const char *kind, const char *object, const char *name, const char *text)
{
    return json_pack ("{s:s, s:s, s:s, s:s, s:s?}", "name", name, "kind", kind, "object", object, "state",
                      "pending", "text", text);
}

/* --- what it was asked for --------------------------------------------------------------------------------- */

#define DATA_PREFIX "job."

/* As one text: the store sorts keys, and in descriptions their order means something. Takes @data; NULL
 * deletes. */
static void
write_data (Controller *controller, const char *id, json_t *data)
{
    g_autofree char *key = g_strconcat (DATA_PREFIX, id, NULL);
    char *text = data != NULL ? json_dumps (data, JSON_COMPACT) : NULL;
    controller_write (controller, STORE_META, key, text != NULL ? json_pack ("{s:s}", "data", text) : NULL);
    free (text);
    json_decref (data);
}

json_t *
job_data (Controller *controller, const JobRecord *job)
{
    g_autofree char *key = g_strconcat (DATA_PREFIX, job->id, NULL);
    g_autoptr (json_t) row = store_get (controller->store, STORE_META, key, NULL);
    const char *text = json_str (row, "data", "");
    return row != NULL ? json_loads (text, 0, NULL) : NULL;
}

/* --- its log ----------------------------------------------------------------------------------------------- */

/* Lines are texts "TIME TEXT": hundreds of jobs are in memory. */
void
job_log (Controller *controller, JobRecord *job, const json_t *step, const char *text)
{
    g_autofree char *stamp = controller_stamp (controller);
    g_autofree char *line = step != NULL
                                ? g_strdup_printf ("%s %s: %s", stamp, json_str (step, "name", ""), text)
                                : g_strdup_printf ("%s %s", stamp, text);
    if (job->log == NULL)
        job->log = json_array ();
    json_array_append_new (job->log, json_str_new (line));
    if (json_array_size (job->log) > JOB_LOG_LINES)
        json_array_remove (job->log, 0);
}

void
job_bytes (Controller *controller, const char *application, const char *kind, const char *object,
           gint64 bytes, gint64 bytes_total)
{
    const ApplicationRecord *record =
        application != NULL ? g_hash_table_lookup (controller->applications, application) : NULL;
    JobRecord *job = record != NULL ? job_of (controller, record) : NULL;
    gsize i;
    json_t *step;
    json_array_foreach (job != NULL ? job->steps : NULL, i, step) {
        if (strcmp (json_str (step, "kind", ""), kind) != 0 ||
            strcmp (json_str (step, "object", ""), object) != 0)
            continue;
        json_put (step, "bytes", json_integer (bytes));
        json_put (step, "bytes_total", json_integer (bytes_total));
    }
}

/* --- its life ---------------------------------------------------------------------------------------------- */

static void
note_state (Controller *controller, const JobRecord *job)
{
    controller_note (controller, "job.state", "job", job->id, job->application, job->state,
                     json_pack ("{s:s, s:b, s:O?}", "kind", job->kind, "cancelling", job->cancelling, "error",
                                job->error));
}

JobRecord *
job_start (Controller *controller, const Operation *operation, ApplicationRecord *application,
           const char *kind, json_t *steps, json_t *data)
{
    JobRecord *job = g_new0 (JobRecord, 1);
    job->id = id_random (8);
    job->kind = g_strdup (kind);
    job->application = g_strdup (application->name);
    job->application_id = g_strdup (application->id);
    job->state = g_strdup ("running");
    job->created = controller_stamp (controller);
    job->user = g_strdup (operation->user);
    job->retry_of = g_strdup (operation->retry_of);
    job->steps = steps;
    g_hash_table_insert (controller->jobs, g_strdup (job->id), job);
    record_set_string (&application->job, job->id);
    if (data != NULL)
        write_data (controller, job->id, data);
    g_autofree char *line = g_strdup_printf ("%s of %s asked for by %s", kind, application->name,
                                             job->user != NULL ? job->user : "vdcd");
    job_log (controller, job, NULL, line);
    vdc_log (VDC_LOG_INFO, "job started", "job", job->id, "kind", kind, "application", application->name,
             "user", job->user != NULL ? job->user : "", NULL);
    note_state (controller, job);
    return job;
}

JobRecord *
job_of (Controller *controller, const ApplicationRecord *application)
{
    JobRecord *job =
        application->job != NULL ? g_hash_table_lookup (controller->jobs, application->job) : NULL;
    return job != NULL && strcmp (job->state, "running") == 0 ? job : NULL;
}

void
job_turn_back (Controller *controller, JobRecord *job, json_t *steps)
{
    gsize i;
    json_t *step;
    job->cancelling = TRUE;
    json_array_foreach (job->steps, i, step) {
        const char *state = json_str (step, "state", "");
        if (strcmp (state, "done") != 0 && strcmp (state, "failed") != 0)
            json_put (step, "state", json_string ("cancelled"));
    }
    json_array_foreach (steps, i, step) {
        json_put (step, "undoes", json_true ());
    }
    json_array_extend (job->steps, steps);
    json_decref (steps);
    note_state (controller, job);
}

static void
pass_end (const char *kind)
{
    if (strcmp (kind, "start") == 0)
        FP ("start.39.ended");
    else if (strcmp (kind, "stop") == 0)
        FP ("stop.22.ended");
    else if (strcmp (kind, "scale") == 0)
        FP ("scale.08.ended");
    else if (strcmp (kind, "destroy") == 0)
        FP ("destroy.06.ended");
    else if (strcmp (kind, "restore") == 0)
        FP ("restore.04.ended");
    else
        FP ("apply.07.ended");
}

void
job_end (Controller *controller, ApplicationRecord *application, const char *state, const json_t *error)
{
    JobRecord *job = job_of (controller, application);
    if (job == NULL)
        return;
    record_set_string (&job->state, state);
    g_free (job->ended);
    job->ended = controller_stamp (controller);
    record_set_json (&job->error, error != NULL ? json_deep_copy (error) : NULL);
    job_log (controller, job, NULL, json_str (error, "message", state));
    if (strcmp (state, "done") == 0) /* neither repeated nor taken back */
        write_data (controller, job->id, NULL);
    vdc_log (VDC_LOG_INFO, "job ended", "job", job->id, "kind", job->kind, "application", application->name,
             "state", state, NULL);
    note_state (controller, job);
    pass_end (job->kind);
}

gboolean
job_is_running (Controller *controller, const ApplicationRecord *application, GError **error)
{
    const JobRecord *job = job_of (controller, application);
    if (job == NULL)
        return FALSE;
    g_set_error (
        error, VDC_ERROR, VDC_ERROR_CONFLICT,
        "application '%s' is busy: %s by %s runs since %s%s; wait for it (vdc job wait %s) or cancel it (vdc "
        "job cancel %s)",
        application->name, job->kind, job->user != NULL ? job->user : "vdcd", job->created,
        job->cancelling ? " and is being cancelled" : "", job->id, job->id);
    return TRUE;
}

void
jobs_resumed (Controller *controller)
{
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        if (strcmp (job->state, "running") == 0)
            job_log (controller, job, NULL, "vdcd was started again, going on");
}

/* --- keeping ----------------------------------------------------------------------------------------------- */

static gint
compare_created (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(JobRecord *const *)a)->created, (*(JobRecord *const *)b)->created);
}

void
jobs_trim (Controller *controller)
{
    if (g_hash_table_size (controller->jobs) <= JOBS_KEPT)
        return;
    g_autoptr (GPtrArray) ended = g_ptr_array_new ();
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        if (strcmp (job->state, "running") != 0)
            g_ptr_array_add (ended, job);
    g_ptr_array_sort (ended, compare_created);
    guint excess = g_hash_table_size (controller->jobs) - JOBS_KEPT;
    for (guint i = 0; i < MIN (excess, ended->len); i++) {
        g_autofree char *id = g_strdup (((JobRecord *)ended->pdata[i])->id);
        controller_write (controller, STORE_JOBS, id, NULL);
        write_data (controller, id, NULL);
        g_hash_table_remove (controller->jobs, id);
    }
}

/* --- showing ----------------------------------------------------------------------------------------------- */

gint64
job_eta_s (gint64 elapsed_s, gint64 typical_s, gsize done, gsize all)
{
    if (typical_s >= elapsed_s)
        return typical_s - elapsed_s;
    if (done == 0 || done > all)
        return -1;
    return elapsed_s * (gint64)(all - done) / (gint64)done;
}

static gint64
seconds_between (const char *from, const char *to)
{
    g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
    g_autoptr (GDateTime) began = g_date_time_new_from_iso8601 (from != NULL ? from : "", utc);
    g_autoptr (GDateTime) ended = g_date_time_new_from_iso8601 (to != NULL ? to : "", utc);
    if (began == NULL || ended == NULL)
        return -1;
    return MAX (g_date_time_difference (ended, began) / G_USEC_PER_SEC, 0);
}

/* What the last one like it took. */
static gint64
typical_s (Controller *controller, const JobRecord *job)
{
    GHashTableIter iter;
    const JobRecord *other, *last = NULL;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&other))
        if (strcmp (other->kind, job->kind) == 0 && strcmp (other->state, "done") == 0 &&
            g_strcmp0 (other->application_id, job->application_id) == 0 &&
            (last == NULL || strcmp (other->created, last->created) > 0))
            last = other;
    return last != NULL ? seconds_between (last->created, last->ended) : -1;
}

/* Steps for the API: with what needs not be stored. */
static json_t *
steps_json (const JobRecord *job)
{
    json_t *steps = json_array (), *step;
    gsize i;
    json_array_foreach (job->steps, i, step) {
        json_t *shown = json_copy (step);
        const char *undo =
            json_bool (step, "undoes", FALSE) ? NULL : job_undo_text (job->kind, json_str (step, "kind", ""));
        json_put (shown, "number", json_integer ((json_int_t)i + 1));
        json_put (shown, "undo", json_str_new (undo));
        json_array_append_new (steps, shown);
    }
    return steps;
}

/* Of those that count: of a job on its way back, the way back. */
static gsize
count_done (const JobRecord *job, gsize *all)
{
    gsize i, done = 0;
    json_t *step;
    *all = 0;
    json_array_foreach (job->steps, i, step) {
        if (job->cancelling && !json_bool (step, "undoes", FALSE))
            continue;
        (*all)++;
        done += strcmp (json_str (step, "state", ""), "done") == 0;
    }
    return done;
}

json_t *
job_json (Controller *controller, const JobRecord *job)
{
    json_t *object = job_record_json (job);
    gsize all, done = count_done (job, &all);
    gboolean ended = strcmp (job->state, "done") == 0, running = strcmp (job->state, "running") == 0;
    g_autofree char *now = controller_stamp (controller);
    gint64 eta_s = running ? job_eta_s (seconds_between (job->created, now),
                                        job->cancelling ? -1 : typical_s (controller, job), done, all)
                           : -1;
    json_object_del (object, "log");
    json_put (object, "steps", steps_json (job));
    json_put (object, "progress", json_integer (ended || all == 0 ? 100 : (json_int_t)(100 * done / all)));
    json_put (object, "eta_s", eta_s >= 0 ? json_integer (eta_s) : json_null ());
    return object;
}
