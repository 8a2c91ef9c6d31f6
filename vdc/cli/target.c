#include "vdc/cli/target.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"

#include <string.h>

void
target_clear (Target *target)
{
    g_clear_pointer (&target->application, g_free);
    g_clear_pointer (&target->instance, g_free);
    g_clear_pointer (&target->path, g_free);
}

/* "web", "web.1", "web.lb.2": names and numbers with dots between. */
static gboolean
is_instance (const char *text)
{
    g_auto (GStrv) parts = g_strsplit (text, ".", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        gboolean number = i > 0 && *parts[i] != '\0' && strspn (parts[i], "0123456789") == strlen (parts[i]);
        if (!number && !id_is_name (parts[i]))
            return FALSE;
    }
    return parts[0] != NULL;
}

gboolean
target_parse_instance (const char *text, Target *target, GError **error)
{
    const char *colon = strchr (text, ':');
    g_autofree char *application = colon ? g_strndup (text, (gsize)(colon - text)) : NULL;
    if (application == NULL || !id_is_name (application) || !is_instance (colon + 1)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' is not APP:INSTANCE, such as shop:web.1", text);
        return FALSE;
    }
    target->application = g_steal_pointer (&application);
    target->instance = g_strdup (colon + 1);
    target->path = NULL;
    return TRUE;
}

gboolean
target_parse_file (const char *text, Target *target, gboolean *remote, GError **error)
{
    const char *first = strchr (text, ':');
    const char *second = first ? strchr (first + 1, ':') : NULL;
    *remote = second != NULL && memchr (text, '/', (gsize)(first - text)) == NULL;
    if (!*remote) {
        *target = (Target){.path = g_strdup (text)};
        return TRUE;
    }
    g_autofree char *instance = g_strndup (text, (gsize)(second - text));
    if (!target_parse_instance (instance, target, error))
        return FALSE;
    if (second[1] != '/') {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "'%s': the path inside an appliance must start with /", text);
        target_clear (target);
        return FALSE;
    }
    target->path = g_strdup (second + 1);
    return TRUE;
}

gboolean
target_parse_assignment (const char *text, char **name, char **value, GError **error)
{
    const char *equals = strchr (text, '=');
    if (equals == NULL || equals == text) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' is not NAME=VALUE", text);
        return FALSE;
    }
    *name = g_strndup (text, (gsize)(equals - text));
    *value = g_strdup (equals + 1);
    return TRUE;
}
