#include "vdc/base/bug.h"

#ifdef VDC_TEST_BUILD

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

gboolean
vdc_bug (const char *name)
{
    const char *list = g_getenv ("VDC_BUG");
    if (list == NULL)
        return FALSE;
    g_auto (GStrv) names = g_strsplit (list, ",", -1);
    return g_strv_contains ((const char *const *)names, name);
}

/* --- failpoints -------------------------------------------------------------------------------------------- */

/* One order: its text as given, and how often its step was passed since. */
static struct {
    GMutex lock;
    char *text;
    gint64 passed;
    gboolean over;
} order;

static char *
order_text (void)
{
    const char *file = g_getenv ("VDC_FAILPOINT_FILE");
    char *text = NULL;
    if (file == NULL)
        return g_strdup (g_getenv ("VDC_FAILPOINT"));
    return g_file_get_contents (file, &text, NULL, NULL) ? text : NULL;
}

/* "NAME:N=ACTION" → NAME in place; *@count, *@signal_number. */
static void
parse_order (char *text, gint64 *count, int *signal_number)
{
    g_strchomp (text);
    char *action = strchr (text, '=');
    if (action != NULL)
        *action++ = '\0';
    *signal_number = g_strcmp0 (action, "stop") == 0 ? SIGSTOP : SIGKILL;
    char *number = strchr (text, ':');
    if (number != NULL)
        *number++ = '\0';
    *count = number != NULL ? g_ascii_strtoll (number, NULL, 10) : 1;
}

/* The signal that is due now; 0: none. */
static int
signal_due (const char *name)
{
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&order.lock);
    char *text = order_text ();
    if (g_strcmp0 (text, order.text) != 0) {
        order.passed = 0;
        order.over = FALSE;
    }
    g_free (order.text);
    order.text = text;
    if (text == NULL || order.over)
        return 0;
    g_autofree char *step = g_strdup (text);
    gint64 count;
    int signal_number;
    parse_order (step, &count, &signal_number);
    if (strcmp (step, "*") != 0 && strcmp (step, name) != 0)
        return 0;
    order.over = ++order.passed >= count;
    return order.over ? signal_number : 0;
}

void
vdc_failpoint (const char *name)
{
    int number = signal_due (name);
    if (number == 0)
        return;
    fprintf (stderr, "failpoint %s\n", name);
    kill (getpid (), number);
}

/* Made by the linker from every FP of the program; absent in one without. */
extern const char *const __start_vdc_failpoints[] __attribute__ ((weak));
extern const char *const __stop_vdc_failpoints[] __attribute__ ((weak));

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static const char *
step_text (const char *name)
{
    const VdcStep *step = vdc_steps;
    while (step->name != NULL && strcmp (step->name, name) != 0)
        step++;
    return step->name != NULL ? step->text : "is no step";
}

gboolean
vdc_failpoints_asked (int argc, char **argv)
{
    if (argc != 2 || strcmp (argv[1], "--list-failpoints") != 0)
        return FALSE;
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    for (const char *const *name = __start_vdc_failpoints; name < __stop_vdc_failpoints; name++)
        if (!g_ptr_array_find_with_equal_func (names, *name, g_str_equal, NULL))
            g_ptr_array_add (names, (gpointer)*name);
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++)
        printf ("%s  %s\n", (char *)names->pdata[i], step_text (names->pdata[i]));
    return TRUE;
}

#endif
