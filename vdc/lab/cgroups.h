/*
 * The control groups of a server of the lab: one subtree of the host's hierarchies, which the server sees as
 * its whole hierarchy. Removing the subtree removes whatever its agent made in it.
 */
#pragma once

#include <glib.h>

/*
 * Make the subtree "vdc-lab-KEY-SERVER" (@lab is the key of paths.h) in the v2 hierarchy, or in each v1
 * hierarchy that accounts for CPU, memory or processes. Returns (source, target) pairs, target relative to
 * the root that the server sees ("" in v2, "cpu" … in v1), NULL-terminated; free with g_strfreev. NULL and
 * @error when the host has no usable hierarchy.
 */
char **cgroups_make (const char *lab, const char *server, GError **error);
/* Remove the subtrees of all servers of @lab. Their processes must have ended. A missing one is no error. */
gboolean cgroups_remove (const char *lab, GError **error);
