#include "vdc/base/bug.h"

#ifdef VDC_TEST_BUILD

#include <signal.h>
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
    if (g_strcmp0 (g_getenv ("VDC_FAILPOINT"), name) == 0)
        kill (getpid (), SIGKILL);
}

#endif
