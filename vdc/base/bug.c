#include "vdc/base/bug.h"

#ifdef VDC_TEST_BUILD

#include <signal.h>
#include <string.h>
#include <unistd.h>

gboolean
vdc_bug (const char *name)
{
    const char *list = g_getenv ("VDC_BUG");
    if (list == NULL)
        return FALSE;
    g_auto (GStrv) names = g_strsplit (list, ",", -1);
    return g_strv_contains ((const char *const *) names, name);
}

void
vdc_failpoint (const char *name)
{
    static gint passed;
    const char *chosen = g_getenv ("VDC_FAILPOINT");
    gsize length = strlen (name);
    if (chosen == NULL || strncmp (chosen, name, length) != 0 || (chosen[length] != '\0' && chosen[length] != ':'))
        return;
    gint64 wanted = chosen[length] == ':' ? g_ascii_strtoll (chosen + length + 1, NULL, 10) : 1;
    if (g_atomic_int_add (&passed, 1) + 1 >= wanted)
        kill (getpid (), SIGKILL);
}

#endif
