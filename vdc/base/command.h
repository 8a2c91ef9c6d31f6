/*
 * Run a program from an argument vector; never a shell.
 */
#pragma once

#include <glib.h>

/* Output kept of a command, each stream; the rest is read and dropped. */
#define COMMAND_OUTPUT_LIMIT_BYTES (1024 * 1024)

/*
 * Run @argv to its end and wait for it: for workers and command-line tools, not for the main loop.
 * @input (may be NULL) goes to its standard input. @output (may be NULL) receives standard output, caller frees.
 * After @timeout_ms (0: none) it is killed: VDC_ERROR_UNKNOWN_RESULT. A non-zero exit is VDC_ERROR_FAILED with the end
 * of its standard error in the message.
 */
gboolean command_run (const char *const *argv, const char *input, char **output, guint timeout_ms, GError **error);
