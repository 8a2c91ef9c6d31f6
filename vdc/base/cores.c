#include "vdc/base/cores.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void
cores_forbid (void)
{
    const struct rlimit none = {0, 0};

    prctl (PR_SET_DUMPABLE, 0);
    setrlimit (RLIMIT_CORE, &none);
}
