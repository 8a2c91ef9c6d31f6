#include "vdc/controller/api/tags.h"

#include <string.h>

#include "vdc/controller/operation.h"
#include "vdc/controller/view.h"
#include "vdc/http/reply.h"

#define DATA_NAME "api-tag"
#define DIGEST_LENGTH 32 /* hex digits */

char *
tags_application (const ApplicationRecord *application)
{
    return g_strdup_printf ("%s.%" G_GINT64_FORMAT, application->id, application->revision);
}

void
tags_set_application (HttpRequest *request, const ApplicationRecord *application)
{
    http_request_set_data (request, DATA_NAME, tags_application (application), g_free);
}

static char *
digest_of (const void *data, gsize length)
{
    char *text = g_compute_checksum_for_data (G_CHECKSUM_SHA256, data, length);
    text[DIGEST_LENGTH] = '\0';
    return text;
}

/* @header: "*", or tags in quotes with commas. Is @tag, without quotes, one of them? */
static gboolean
names_tag (const char *header, const char *tag)
{
    g_auto (GStrv) tags = g_strsplit (header, ",", -1);
    for (guint i = 0; tags[i] != NULL; i++) {
        char *one = g_strstrip (tags[i]);
        if (g_str_has_prefix (one, "W/"))
            one += 2;
        gsize length = strlen (one);
        if (strcmp (one, "*") == 0 ||
            (length == strlen (tag) + 2 && *one == '"' && strncmp (one + 1, tag, length - 2) == 0))
            return TRUE;
    }
    return FALSE;
}

/* In quotes. Caller frees. */
static char *
tag_of (HttpRequest *request, GBytes *bytes)
{
    const char *identity = http_request_data (request, DATA_NAME);
    gsize length = 0;
    const void *data = g_bytes_get_data (bytes, &length);
    g_autofree char *digest = digest_of (data, length);
    return identity != NULL ? g_strdup_printf ("\"%s.%s\"", identity, digest)
                            : g_strdup_printf ("\"%s\"", digest);
}

void
tags_answer (HttpRequest *request, guint *status, GBytes **bytes)
{
    if (*status != 200)
        return;
    const char *known = http_request_header (request, "If-None-Match");
    if (http_reply_header_set (request, "ETag") == NULL) {
        g_autofree char *made = tag_of (request, *bytes);
        http_reply_header (request, "ETag", made);
    }
    const char *quoted = http_reply_header_set (request, "ETag");
    g_autofree char *tag = g_strndup (quoted + 1, strlen (quoted) - 2);
    if (known == NULL || !names_tag (known, tag))
        return;
    *status = 304;
    g_bytes_unref (*bytes);
    *bytes = g_bytes_new (NULL, 0);
}

/* --- If-Match ---------------------------------------------------------------------------------------------- */

/* "ID.REVISION.DIGEST" → "ID.REVISION" in each tag of @header. Caller frees. */
static char *
without_digests (const char *header)
{
    g_autoptr (GString) list = g_string_new (NULL);
    g_auto (GStrv) tags = g_strsplit (header, ",", -1);
    for (guint i = 0; tags[i] != NULL; i++) {
        char *one = g_strstrip (tags[i]);
        g_auto (GStrv) parts = g_strsplit (one, ".", 3);
        if (g_strv_length (parts) == 3)
            g_string_append_printf (list, "%s%s.%s\"", list->len > 0 ? ", " : "", parts[0], parts[1]);
        else
            g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", one);
    }
    return g_strdup (list->str);
}

static gboolean
refuse (HttpRequest *request, const char *what, const char *name, const char *tag, json_t *now)
{
    g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_PRECONDITION,
                                            "%s '%s' was changed since you looked at it", what, name);
    g_autofree char *quoted = g_strdup_printf ("\"%s\"", tag);
    json_t *params = json_pack ("{s:s, s:o}", "etag", quoted, what, now);
    http_reply_error_at (request, error, params, NULL);
    return FALSE;
}

/* One that is not there is the handler's to say. */
static gboolean
check_application (Controller *controller, HttpRequest *request, const char *header)
{
    ApplicationRecord *application =
        controller_application (controller, http_request_param (request, "application"), NULL);
    if (application == NULL)
        return TRUE;
    g_autofree char *tag = tags_application (application), *plain = without_digests (header);
    return names_tag (plain, tag) || refuse (request, "application", application->name, tag,
                                             view_application (controller, application));
}

static gboolean
check_volume (Controller *controller, HttpRequest *request, const char *header)
{
    VolumeRecord *volume = controller_volume (controller, http_request_param (request, "volume"), NULL);
    if (volume == NULL)
        return TRUE;
    json_t *now = volume_json (controller, volume);
    g_autofree char *text = json_text (now), *line = g_strconcat (text, "\n", NULL),
                    *tag = digest_of (line, strlen (line));
    if (!names_tag (header, tag))
        return refuse (request, "volume", volume->name, tag, now);
    json_decref (now);
    return TRUE;
}

gboolean
tags_check (Controller *controller, HttpRequest *request, const HttpRoute *route)
{
    const char *header = http_request_header (request, "If-Match");
    if (header == NULL || route->if_match == HTTP_MATCH_HANDLER || strcmp (route->method, "GET") == 0)
        return TRUE;
    if (route->if_match == HTTP_MATCH_OBJECT && strstr (route->path, "{application}") != NULL)
        return check_application (controller, request, header);
    if (route->if_match == HTTP_MATCH_OBJECT && strstr (route->path, "{volume}") != NULL)
        return check_volume (controller, request, header);
    g_autoptr (GError) error =
        g_error_new (VDC_ERROR, VDC_ERROR_USAGE, "%s %s knows no If-Match", route->method, route->path);
    http_reply_error (request, error);
    return FALSE;
}
