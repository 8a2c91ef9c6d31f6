/*
 * Planted bugs and failpoints: only in the test build, chosen at run time. In other builds they cost nothing and
 * cannot be switched on.
 */
#pragma once

#include <glib.h>

#ifdef VDC_TEST_BUILD
/* TRUE when VDC_BUG names @name (comma-separated list). */
gboolean vdc_bug (const char *name);
/* Kills the process, as by kill -9, when VDC_FAILPOINT is @name, or at the Nth time when it is "@name:N". */
void vdc_failpoint (const char *name);
#else
#define vdc_bug(name) FALSE
#define vdc_failpoint(name) ((void) 0)
#endif
