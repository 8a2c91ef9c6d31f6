/*
 * Work in a child process: a hook (a program) or a function of ours that may block. stdout and stderr go to a
 * file under /run/vdc, of which the tail becomes the text of a failure; a daemon that a hook leaves behind
 * keeps that file, not a pipe that nobody reads.
 */
#pragma once

#include <stdbool.h>

typedef struct Process Process;

/* "/run/vdc"; tests have their own. */
extern const char *process_output_folder;

/* @text: the last lines of output, one line, never NULL. @ok: exit code 0 within the time limit. */
typedef void (*ProcessDone) (bool ok, const char *text, void *context);

/* @name is for messages and the output file (/run/vdc/NAME.output). The process is freed when @done returns.
 */
Process *process_run (const char *name, const char *program, char **environment, int limit_ms,
                      ProcessDone done, void *context);
/* As above; @function runs in the child, prints its complaints on stderr, returns its success. */
Process *process_call (const char *name, bool (*function) (void *argument), void *argument, int limit_ms,
                       ProcessDone done, void *context);
/* The time limit starts again. */
void process_extend (Process *process);
/* Kills it with what it started (its process group); done is not called. */
void process_kill (Process *process);

/* For use inside a child only: runs @argv and waits; exit code, or -1. */
int process_wait (const char *const *argv);
