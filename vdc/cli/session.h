/*
 * A session with a program or a file inside an appliance: input is posted piece by piece (one under way at a
 * time: the answer is the back-pressure), output comes as one stream of JSON lines.
 */
#pragma once

#include "vdc/cli/cli.h"
#include "vdc/cli/target.h"

typedef struct {
    int input;         /* descriptor to read input from; -1: no input, end of it at once */
    int output;        /* standard output of the program, or the file, goes here */
    int errors;        /* standard error */
    gboolean no_input; /* do not even send the end of input (get) */
} SessionEnds;

/*
 * POST @path with @body (taken), then move bytes until the session ends. *@exit_code receives the program's
 * exit code. FALSE and @error: the session failed or broke off (UNKNOWN_RESULT).
 */
gboolean session_run (Cli *cli, const char *path, json_t *body, const SessionEnds *ends, int *exit_code,
                      GError **error);
