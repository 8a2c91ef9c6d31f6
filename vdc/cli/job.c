/*
 * Following a job: one line per step as it changes; on a terminal the running steps are redrawn in place.
 */
#include "vdc/cli/cli.h"
#include "vdc/cli/print.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_FIRST_MS 100
#define POLL_MS 250
/* A controller that restarts is waited for so long; the job goes on without it. */
#define ABSENCE_MS 60000
#define EXIT_INTERRUPTED 130

typedef struct {
    GHashTable *told; /* index of the step → state last printed */
    gboolean drawn;   /* a line without newline stands on the terminal */
    gint64 start_us;
    const char *job_id;
} Progress;

static void
clear_line (Progress *progress)
{
    if (progress->drawn)
        fprintf (stderr, "\r\033[K");
    progress->drawn = FALSE;
}

static const char *
mark_of (const char *state)
{
    return strcmp (state, "done") == 0 ? "done" : strcmp (state, "failed") == 0 ? "FAILED" : "...";
}

static void
print_step (Progress *progress, const json_t *step, const char *state)
{
    g_autofree char *name = print_clean (json_str (step, "name", "?"));
    g_autofree char *text = print_clean (json_str (step, "text", ""));
    clear_line (progress);
    fprintf (stderr, "[%5.1f s] %-6s  %s%s%s\n", (double)(g_get_monotonic_time () - progress->start_us) / 1e6,
             mark_of (state), name, *text ? ": " : "", text);
}

/* The running steps in one line that is drawn over. */
static void
draw_running (Progress *progress, const json_t *job)
{
    size_t index;
    json_t *step;
    g_autoptr (GString) names = g_string_new (NULL);
    json_array_foreach (json_object_get (job, "steps"), index, step) {
        if (strcmp (json_str (step, "state", ""), "running") != 0)
            continue;
        g_autofree char *name = print_clean (json_str (step, "name", "?"));
        g_autofree char *text = print_clean (json_str (step, "text", ""));
        g_string_append_printf (names, "%s%s%s%s%s", names->len ? ", " : "", name, *text ? " (" : "", text,
                                *text ? ")" : "");
    }
    g_autofree char *line = g_utf8_substring (names->str, 0, MIN (g_utf8_strlen (names->str, -1), 90));
    clear_line (progress);
    fprintf (stderr, "[%5.1f s] %3d %%  %s", (double)(g_get_monotonic_time () - progress->start_us) / 1e6,
             (int)json_int (job, "progress", 0), line);
    fflush (stderr);
    progress->drawn = TRUE;
}

static void
show (Cli *cli, Progress *progress, const json_t *job)
{
    size_t index;
    json_t *step;
    gboolean interactive = cli_is_interactive ();
    if (cli->json)
        return;
    json_array_foreach (json_object_get (job, "steps"), index, step) {
        const char *state = json_str (step, "state", "");
        const char *told = g_hash_table_lookup (progress->told, GSIZE_TO_POINTER (index));
        gboolean ended = strcmp (state, "done") == 0 || strcmp (state, "failed") == 0;
        gboolean begun = strcmp (state, "running") == 0 && !interactive;
        if ((!ended && !begun) || g_strcmp0 (told, state) == 0)
            continue;
        print_step (progress, step, state);
        g_hash_table_insert (progress->told, GSIZE_TO_POINTER (index), g_strdup (state));
    }
    if (interactive && strcmp (json_str (job, "state", ""), "running") == 0)
        draw_running (progress, job);
}

/* The job as it is when it has ended. NULL and @error. */
static json_t *
wait_for_end (Cli *cli, const char *job_id, Progress *progress, GError **error)
{
    g_autofree char *path = cli_path ("/jobs/%s", job_id, NULL);
    gint64 seen_us = g_get_monotonic_time ();
    for (guint pause_ms = POLL_FIRST_MS;; pause_ms = MIN (POLL_MS, pause_ms + 50)) {
        g_autoptr (GError) local = NULL;
        g_autoptr (json_t) job = cli_get (cli, path, &local);
        gint64 now_us = g_get_monotonic_time ();
        if (job != NULL) {
            seen_us = now_us;
            show (cli, progress, job);
            if (strcmp (json_str (job, "state", ""), "running") != 0)
                return g_steal_pointer (&job);
        } else if (!vdc_error_is_unreachable (local) || now_us - seen_us > (gint64)ABSENCE_MS * 1000) {
            g_propagate_error (error, g_steal_pointer (&local));
            return NULL;
        }
        cli_wait_ms (pause_ms);
    }
}

static void
print_console_tail (const char *tail)
{
    g_autofree char *text = print_clean_lines (tail);
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    fprintf (stderr, "  last lines of its console:\n");
    for (guint i = 0; lines[i] != NULL; i++)
        if (*lines[i] != '\0')
            fprintf (stderr, "  | %s\n", lines[i]);
}

/* "vdc: start of shop failed: web.1, step guest: …" with remedy and console. */
static int
report_failure (Cli *cli, const json_t *job)
{
    json_t *error = json_object_get (job, "error");
    VdcErrorCode code = vdc_error_from_name (json_str (error, "code", "failed"));
    if (code == VDC_ERROR_NOT_FOUND)
        code = VDC_ERROR_FAILED; /* what the job lacked; what the user named was found */
    g_autoptr (GError) local =
        g_error_new (VDC_ERROR, (int)code, "%s",
                     json_str (error, "message",
                               strcmp (json_str (job, "state", ""), "cancelled") == 0
                                   ? "it was taken back, or another operation took over"
                                   : "no reason given"));
    if (cli->json)
        return vdc_error_exit_code (local);

    g_autofree char *message = print_clean_lines (local->message);
    const char *instance = json_str (error, "instance", NULL), *step = json_str (error, "step", NULL);
    const char *remedy = json_str (error, "remedy", NULL), *tail = json_str (error, "console_tail", NULL);
    fprintf (stderr, "vdc: %s %s: ", json_str (job, "kind", "job"), json_str (job, "state", "failed"));
    if (instance != NULL && *instance != '\0')
        fprintf (stderr, "%s: ", instance);
    if (step != NULL && *step != '\0')
        fprintf (stderr, "%s: ", step);
    fprintf (stderr, "%s\n", message);
    if (remedy != NULL && *remedy != '\0') {
        g_autofree char *text = print_clean (remedy);
        fprintf (stderr, "  what to do: %s\n", text);
    }
    if (tail != NULL && *tail != '\0')
        print_console_tail (tail);
    return vdc_error_exit_code (local);
}

/* Only a look is under way, so there is nothing to tidy: the job is the controller's. */
static gboolean
on_interrupt (gpointer user_data)
{
    Progress *progress = user_data;
    clear_line (progress);
    fprintf (stderr, "vdc: no longer waiting; job %s goes on, 'vdc job show %s' looks at it\n",
             progress->job_id, progress->job_id);
    exit (EXIT_INTERRUPTED);
}

int
cli_follow_job (Cli *cli, const char *job_id, json_t **job_out)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GHashTable) told = g_hash_table_new_full (NULL, NULL, NULL, g_free);
    Progress progress = {told, FALSE, g_get_monotonic_time (), job_id};
    guint interrupted = g_unix_signal_add (SIGINT, on_interrupt, &progress);
    g_autoptr (json_t) job = wait_for_end (cli, job_id, &progress, &error);
    g_source_remove (interrupted);
    clear_line (&progress);
    if (job == NULL) {
        fprintf (stderr, "vdc: lost sight of job %s; 'vdc job show %s' looks again\n", job_id, job_id);
        return cli_fail (cli, error);
    }
    gboolean done = strcmp (json_str (job, "state", ""), "done") == 0;
    gboolean cancelled = strcmp (json_str (job, "state", ""), "cancelled") == 0;
    int code = done || (cancelled && cli->cancels) ? 0 : report_failure (cli, job);
    if (job_out != NULL)
        *job_out = json_incref (job);
    return code;
}

int
cli_changed (Cli *cli, json_t *given, GError *failure, json_t **job, json_t **answer_out)
{
    g_autoptr (GError) error = failure;
    g_autoptr (json_t) answer = given;
    if (answer == NULL)
        return cli_fail (cli, error);
    if (answer_out != NULL)
        *answer_out = json_incref (answer);
    const char *id = json_str (answer, "job", NULL);
    if (id == NULL)
        return 0;
    if (cli->no_wait) {
        if (!cli->json)
            printf ("%s\n", id);
        return 0;
    }
    return cli_follow_job (cli, id, job);
}

int
cli_change (Cli *cli, const char *path, json_t *body, json_t **job, json_t **answer)
{
    GError *error = NULL;
    g_autoptr (json_t) sent = body;
    json_t *given = cli_post (cli, path, sent, &error);
    return cli_changed (cli, given, error, job, answer);
}
