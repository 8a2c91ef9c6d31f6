/*
 * Names on the command line: "shop", "shop:web", "shop:web.1", "shop:web.1:/path".
 */
#pragma once

#include <glib.h>

typedef struct {
    char *application;
    char *instance; /* instance path or member name; NULL when not given */
    char *path;     /* NULL when not given */
} Target;

void target_clear (Target *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Target, target_clear)

/* "APP:INSTANCE". FALSE: VDC_ERROR_USAGE that shows the right form. */
gboolean target_parse_instance (const char *text, Target *target, GError **error);
/*
 * "APP:INSTANCE:PATH" is inside an appliance: TRUE and *@remote TRUE. Anything else, also "./a:b:c" and "-",
 * is a file here: *@remote FALSE and only path set. FALSE: VDC_ERROR_USAGE.
 */
gboolean target_parse_file (const char *text, Target *target, gboolean *remote, GError **error);
/* "NAME=VALUE" → both (caller frees). FALSE: VDC_ERROR_USAGE. */
gboolean target_parse_assignment (const char *text, char **name, char **value, GError **error);
