/*
 * Passwords from people and scripts: never an argument, never shown.
 */
#pragma once

#include <glib.h>

/*
 * On a terminal: asks with @prompt, without echo, and with @twice once more, until both are the same. Else
 * the first line of standard input. Caller wipes with secret_free. NULL: VDC_ERROR_USAGE when there is none.
 */
char *secret_read (const char *prompt, gboolean twice, GError **error);
void secret_free (char *secret);
