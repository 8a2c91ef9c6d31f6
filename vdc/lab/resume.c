#include "vdc/lab/resume.h"

#include "vdc/base/file.h"
#include "vdc/base/id.h"
#include "vdc/base/log.h"

#include <string.h>

static char *
resume_file (const LabPaths *paths)
{
    return lab_paths_join (paths, "resume.json");
}

static void
on_done (Link *link, const json_t *answer, const GError *error, gpointer user_data)
{
    if (error != NULL)
        vdc_log (VDC_LOG_WARNING, "cannot start or stop an application, ignoring", "reason", error->message,
                 NULL);
}

static void
act (Link *link, const char *name, const char *action)
{
    if (!id_is_name (name))
        return;
    g_autofree char *path = g_strdup_printf ("/api/v1/applications/%s/actions", name);
    link_post (link, path, json_pack ("{s:s}", "action", action), on_done, NULL);
}

gboolean
resume_stop (const LabPaths *paths, Link *link, const json_t *applications)
{
    g_autoptr (json_t) names = json_array ();
    g_autoptr (GError) error = NULL;
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get (applications, "items"), i, item)
        if (g_str_equal (json_str (item, "desired", ""), "running"))
            json_array_append (names, json_object_get (item, "name"));
    if (json_array_size (names) == 0)
        return FALSE;
    g_autoptr (json_t) document = json_pack ("{s:O}", "applications", names);
    g_autofree char *text = json_pretty (document);
    g_autofree char *file = resume_file (paths);
    if (!file_replace (file, text, strlen (text), 0600, &error)) {
        vdc_log (VDC_LOG_ERROR, "applications are powered off, not stopped", "reason", error->message, NULL);
        return FALSE;
    }
    json_array_foreach (names, i, item)
        act (link, json_string_value (item), "stop");
    return TRUE;
}

gboolean
resume_all_stopped (const json_t *applications)
{
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get (applications, "items"), i, item)
        if (!g_str_equal (json_str (item, "state", ""), "stopped") &&
            !g_str_equal (json_str (item, "state", ""), "failed"))
            return FALSE;
    return TRUE;
}

void
resume_start (const LabPaths *paths, Link *link)
{
    g_autofree char *file = resume_file (paths);
    g_autoptr (json_t) document =
        g_file_test (file, G_FILE_TEST_EXISTS) ? json_parse_file (file, NULL) : NULL;
    size_t i;
    json_t *item;
    if (document == NULL)
        return;
    json_array_foreach (json_object_get (document, "applications"), i, item)
        if (json_is_string (item))
            act (link, json_string_value (item), "start");
    file_remove (file, NULL);
}
