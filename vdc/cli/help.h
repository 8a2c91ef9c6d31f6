/*
 * --help, from the table of commands.
 */
#pragma once

#include "vdc/cli/commands.h"

#include <stdio.h>

/* Options that every command takes. */
extern const Option global_options[];

/* All commands; with @group ("app") only those. */
void help_overview (FILE *file, const char *group);
void help_command (FILE *file, const Command *command);
