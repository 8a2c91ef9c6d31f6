/*
 * Structured log lines on stderr: time, level, message, then key=value fields, one line each.
 *
 *     vdc_log (VDC_LOG_INFO, "instance started", "application", app, "member", member, NULL);
 *
 * Values that hold spaces, quotes, '=' or control characters are quoted and escaped, so that a name can never forge
 * a field or a line. Callable from any thread.
 */
#pragma once

#include <glib.h>

typedef enum { VDC_LOG_DEBUG, VDC_LOG_INFO, VDC_LOG_WARNING, VDC_LOG_ERROR } VdcLogLevel;

void vdc_log (VdcLogLevel level, const char *message, ...) G_GNUC_NULL_TERMINATED;
/* Lines below @level are dropped. Default VDC_LOG_INFO, or VDC_LOG_DEBUG when VDC_DEBUG is set. */
void vdc_log_set_level (VdcLogLevel level);

/* --- for support --------------------------------------------------------------------------------------------- */

#define LOG_TAIL_BYTES (256 * 1024)
/*
 * The newest lines of this process, LOG_TAIL_BYTES at most, with those fields only that name things: what guests
 * and people wrote is left out, and so are errors of lines about an instance. Caller frees; any thread.
 */
char *vdc_log_tail (void);
