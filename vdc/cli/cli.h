/*
 * What every command works with: its options, the connection to the controller, and how results and errors
 * are shown. Exit codes are those of VdcErrorCode's table.
 */
#pragma once

#include "vdc/base/error.h"
#include "vdc/base/json.h"
#include "vdc/cli/options.h"
#include "vdc/http/client.h"

#define CLI_REPEAT_MS 15000

typedef struct {
    Options *options;
    gboolean json;    /* --json */
    gboolean no_wait; /* --no-wait */
    gboolean cancels; /* that a job ends as cancelled is what was asked for */
    const char *lab;  /* --lab, NULL: not given */
    const char *command;
    HttpClient *client; /* made by the first request */
    char *url;
    json_t *error_body; /* JSON of the last error answer; NULL: none */
} Cli;

/* Print @error the way the user asked for it and give its exit code. NULL @error: "failed". */
int cli_fail (Cli *cli, const GError *error);
/* The same, with @file in front of the lines of a description's problems. */
int cli_fail_in (Cli *cli, const GError *error, const char *file);
/* Usage error: message on standard error, exit code 2. */
int cli_usage (Cli *cli, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* "https://…/api/v1" and the path, each %s already escaped by http_escape where needed. Caller frees. NULL
 * and @error when no grid is known. */
char *cli_url (Cli *cli, GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* "/applications/{A}" with the name escaped. Caller frees. */
char *cli_path (const char *format, const char *first, const char *second);

/* A request to "/api/v1" @path (with its query). Caller owns the answer. */
json_t *cli_get (Cli *cli, const char *path, GError **error);
/*
 * A POST or DELETE under an Idempotency-Key. When its result is unknown (the controller died under it) it is
 * sent again with the same key until somebody answers, CLI_REPEAT_MS at most: the controller does it once and
 * remembers the answer.
 */
json_t *cli_post (Cli *cli, const char *path, json_t *body, GError **error);
json_t *cli_put (Cli *cli, const char *path, json_t *body, GError **error);
json_t *cli_delete (Cli *cli, const char *path, GError **error);
/* For what the controller does not remember (sessions, kill). */
json_t *cli_post_once (Cli *cli, const char *path, json_t *body, GError **error);
/* Every page of a list: {"items": […], "next": null}. */
json_t *cli_list (Cli *cli, const char *path, GError **error);
/* The client, made on first use. NULL and @error. */
HttpClient *cli_client (Cli *cli, GError **error);
void cli_clear (Cli *cli);

/* Let the main loop run for so long. */
void cli_wait_ms (guint ms);

/* Standard error is a terminal: progress may be redrawn. */
gboolean cli_is_interactive (void);
/* "Question [y/N] " on the terminal; FALSE without one. */
gboolean cli_ask_name (const char *question, const char *expected);

/* --- commands that change something -------------------------------------------------------------------- */

/*
 * POST and, when the answer names a job, follow it to its end with progress on standard error. *@job receives
 * the job (NULL when there was none, or --no-wait, which prints the id). Exit code; errors are printed. @body
 * is taken.
 */
int cli_change (Cli *cli, const char *path, json_t *body, json_t **job, json_t **answer);
/* The same with the answer of the POST, taken; NULL with @error (taken too). */
int cli_changed (Cli *cli, json_t *answer, GError *error, json_t **job, json_t **answer_out);
/* Follow @job_id to its end. Exit code; errors are printed. */
int cli_follow_job (Cli *cli, const char *job_id, json_t **job);
