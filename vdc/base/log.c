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

/* --- the tail ------------------------------------------------------------------------------------------------ */

#define FIELDS_MAX 32

typedef struct {
    const char *key, *value;
} Field;

static GMutex tail_lock;
static GQueue tail = G_QUEUE_INIT; /* lines, oldest first */
static gsize tail_bytes;

/* Their values are names, numbers and words of ours. */
static gboolean
is_name (const char *key)
{
    static const char *const names[] = {
        "accel",  "action", "agent_port", "application", "code",   "from",      "generation", "grid",
        "id",     "incarnation", "instance", "job",      "kind",   "member",    "object",     "operation",
        "port",   "server", "state",      "step",        "to",     "trash",     "uuid",       "version",
        "volume", "why",
    };
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (strcmp (names[i], key) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
is_about_instance (const Field *fields, guint n)
{
    for (guint i = 0; i < n; i++)
        if (strcmp (fields[i].key, "instance") == 0 || strcmp (fields[i].key, "member") == 0 ||
            strcmp (fields[i].key, "application") == 0)
            return TRUE;
    return FALSE;
}

static void
keep_tail (const char *head, const Field *fields, guint n)
{
    g_autoptr (GString) line = g_string_new (head);
    gboolean about_instance = is_about_instance (fields, n);
    for (guint i = 0; i < n; i++) {
        gboolean kept = is_name (fields[i].key) || (!about_instance && strcmp (fields[i].key, "error") == 0);
        g_string_append_printf (line, " %s=", fields[i].key);
        append_value (line, kept ? fields[i].value : "(left out)");
    }
    g_string_append_c (line, '\n');
    g_mutex_lock (&tail_lock);
    tail_bytes += line->len;
    g_queue_push_tail (&tail, g_strdup (line->str));
    while (tail_bytes > LOG_TAIL_BYTES) {
        g_autofree char *oldest = g_queue_pop_head (&tail);
        tail_bytes -= strlen (oldest);
    }
    g_mutex_unlock (&tail_lock);
}

char *
vdc_log_tail (void)
{
    GString *text = g_string_new (NULL);
    g_mutex_lock (&tail_lock);
    for (GList *item = tail.head; item != NULL; item = item->next)
        g_string_append (text, item->data);
    g_mutex_unlock (&tail_lock);
    return g_string_free (text, FALSE);
}

/* --- a line -------------------------------------------------------------------------------------------------- */

void
vdc_log (VdcLogLevel level, const char *message, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (!wanted (level))
        return;

    g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
    g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
    g_autoptr (GString) line = g_string_new (NULL);
    Field fields[FIELDS_MAX];
    guint n = 0;
    g_string_append_printf (line, "%s.%03dZ %s ", stamp, g_date_time_get_microsecond (now) / 1000, names[level]);
    append_value (line, message);

    va_list args;
    va_start (args, message);
    for (const char *key = va_arg (args, const char *); key != NULL && n < FIELDS_MAX;
         key = va_arg (args, const char *))
        fields[n++] = (Field){key, va_arg (args, const char *)};
    va_end (args);
    keep_tail (line->str, fields, n);
    for (guint i = 0; i < n; i++) {
        g_string_append_printf (line, " %s=", fields[i].key);
        append_value (line, fields[i].value);
    }
    g_string_append_c (line, '\n');

    /* One write: lines of several threads do not mix. A full or closed stderr must not stop a daemon. */
    ssize_t ignored = write (STDERR_FILENO, line->str, line->len);
    (void)ignored;
}
