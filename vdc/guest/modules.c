#include "vdc/guest/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
load_one (const char *root, const char *name)
{
    char path[512];
    int fd, problem;

    snprintf (path, sizeof path, "%s%s", root, name);
    fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    problem = syscall (SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST ? errno : 0;
    close (fd);
    return problem;
}

bool
modules_load (const char *list, const char *root, char **error)
{
    char path[512], line[512];
    FILE *file;
    bool done = true;

    snprintf (path, sizeof path, "%s%s", root, list);
    file = fopen (path, "re");
    while (file && fgets (line, sizeof line, file)) {
        int problem;

        line[strcspn (line, "\n")] = '\0';
        problem = load_one (root, line);
        if (problem && done) {
            done = false;
            if (asprintf (error, "cannot load the kernel module %s: %s", line, strerror (problem)) < 0)
                abort ();
        }
    }
    if (file)
        fclose (file);
    return done;
}
