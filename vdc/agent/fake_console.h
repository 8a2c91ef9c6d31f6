/* Where QEMU would listen for what is typed into a serial console: types it back, as a terminal does. Main
 * loop only. */
#pragma once

#include <glib.h>

typedef struct FakeConsole FakeConsole;

/* What is typed is appended to @log_path. NULL: it cannot listen there. */
FakeConsole *fake_console_new (const char *socket_path, const char *log_path);
void fake_console_free (FakeConsole *console);
