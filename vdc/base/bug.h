/*
 * Planted bugs and failpoints: only in the test build, chosen at run time. In other builds they cost nothing
 * and cannot be switched on.
 *
 * FP ("start.07.seed_sent") passes a step of the table vdc/base/steps.def. A step without one, or one without
 * a step, is not built. What happens there is chosen by VDC_FAILPOINT, or by the content of the file that
 * VDC_FAILPOINT_FILE names, which may change while the process runs:
 *
 *   STEP[:N][=kill|stop]    at the Nth time (1) that the process passes STEP, or any step when STEP is "*",
 *                           it is killed as by kill -9 (the default), or stopped until somebody continues it
 *
 * It happens once; the same text written to the file again, with another number of blanks after it, is a new
 * order.
 */
#pragma once

#include <glib.h>

#ifdef VDC_TEST_BUILD
/* TRUE when VDC_BUG names @name (comma-separated list). */
gboolean vdc_bug (const char *name);

typedef struct {
    const char *name, *process, *text;
} VdcStep;

/* The table; a NULL name ends it. */
extern const VdcStep vdc_steps[];

/* Any thread. */
void vdc_failpoint (const char *name);
/*
 * TRUE when the only argument is --list-failpoints: then the steps that this program's code passes were
 * printed, sorted, one "NAME  text" a line. They are what the linker found, not the table.
 */
gboolean vdc_failpoints_asked (int argc, char **argv);

#define FP(name)                                                                                             \
    do {                                                                                                     \
        static const char *const fp_here __attribute__ ((used, section ("vdc_failpoints"))) = name;          \
        vdc_failpoint (fp_here);                                                                             \
    } while (0)
#else
#define vdc_bug(name) FALSE
#define FP(name) ((void)0)
#define vdc_failpoints_asked(argc, argv) FALSE
#endif
