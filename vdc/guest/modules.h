/* Kernel modules from a list of files, dependencies first; the build makes the list, so nothing is resolved
 * here. */
#pragma once

#include <stdbool.h>

/*
 * @list: a file with one path per line, opened below @root. All are tried; false and @error (caller frees)
 * tell of the first that failed. A missing list is an empty one.
 */
bool modules_load (const char *list, const char *root, char **error);
