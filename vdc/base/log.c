#include "vdc/base/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static gint threshold = -1;

void
vdc_log_set_level (VdcLogLevel level)
{
    g_atomic_int_set (&threshold, level);
}

static gboolean
wanted (VdcLogLevel level)
{
    if (g_atomic_int_get (&threshold) < 0)
        g_atomic_int_set (&threshold, g_getenv ("VDC_DEBUG") ? VDC_LOG_DEBUG : VDC_LOG_INFO);
    return (gint) level >= g_atomic_int_get (&threshold);
}

static void
append_value (GString *line, const char *value)
{
    if (value == NULL)
        value = "-";
    gboolean plain = *value != '\0';
    for (const char *p = value; *p; p++)
        if ((guchar) *p <= ' ' || *p == '"' || *p == '=' || *p == '\\' || *p == 0x7f || (guchar) *p >= 0x80)
            plain = FALSE;
    if (plain) {
        g_string_append (line, value);
        return;
    }
    g_autofree char *escaped = g_strescape (value, NULL);
    g_string_append_printf (line, "\"%s\"", escaped);
}

void
vdc_log (VdcLogLevel level, const char *message, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (!wanted (level))
        return;

    g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
    g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
    g_autoptr (GString) line = g_string_new (NULL);
    g_string_append_printf (line, "%s.%03dZ %s ", stamp, g_date_time_get_microsecond (now) / 1000, names[level]);
    append_value (line, message);

    va_list args;
    va_start (args, message);
    for (const char *key = va_arg (args, const char *); key != NULL; key = va_arg (args, const char *)) {
        g_string_append_printf (line, " %s=", key);
        append_value (line, va_arg (args, const char *));
    }
    va_end (args);
    g_string_append_c (line, '\n');

    /* One write: lines of several threads do not mix. A full or closed stderr must not stop a daemon. */
    ssize_t ignored = write (STDERR_FILENO, line->str, line->len);
    (void) ignored;
}
