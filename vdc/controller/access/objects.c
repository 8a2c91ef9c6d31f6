/* What an object of a path belongs to: the one table that routes of scope OBJECT are decided by. */
#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/access/access_private.h"
#include "vdc/controller/trash.h"

/*
 * A session of exec or cp is kept by an agent, not by us: its name says what it belongs to, and is signed. So
 * it is known to whoever opened it, and only to him, also after vdcd was started anew.
 */
static char *
session_seal (Controller *controller, const char *server, const char *id, const char *application_id,
              const char *user)
{
    g_autofree char *text = g_strjoin ("\n", "exec-session", server, id, application_id, user, NULL);
    char *seal = g_compute_hmac_for_string (G_CHECKSUM_SHA256, (const guchar *)controller->token,
                                            strlen (controller->token), text, -1);
    seal[32] = '\0'; /* 128 bits */
    return seal;
}

char *
access_session_name (Controller *controller, HttpRequest *request, const char *server, const char *id,
                     const char *application_id)
{
    g_autofree char *seal =
        session_seal (controller, server, id, application_id, access_principal (request)->user);
    return g_strjoin (".", server, id, application_id, seal, NULL);
}

gboolean
access_session_parse (Controller *controller, HttpRequest *request, char **server, char **id)
{
    g_auto (GStrv) parts = g_strsplit (http_request_param (request, "session"), ".", 5);
    if (g_strv_length (parts) != 4)
        return FALSE;
    g_autofree char *seal =
        session_seal (controller, parts[0], parts[1], parts[2], access_principal (request)->user);
    if (!http_token_equal (seal, parts[3]))
        return FALSE;
    *server = g_strdup (parts[0]);
    *id = g_strdup (parts[1]);
    return TRUE;
}

typedef struct {
    const char *param;
    const char *what; /* in "no volume 'x'" */
    gboolean (*find) (Controller *controller, HttpRequest *request, const char *name, char **application_id);
} Rule;

static gboolean
find_volume (Controller *controller, HttpRequest *request, const char *name, char **application_id)
{
    const VolumeRecord *volume = controller_volume (controller, name, NULL);
    if (volume == NULL)
        return FALSE;
    *application_id = g_strdup (volume->owner);
    return TRUE;
}

static gboolean
find_job (Controller *controller, HttpRequest *request, const char *name, char **application_id)
{
    const JobRecord *job = controller_job (controller, name, NULL);
    if (job == NULL)
        return FALSE;
    *application_id = g_strdup (job->application_id);
    return TRUE;
}

static gboolean
find_session (Controller *controller, HttpRequest *request, const char *name, char **application_id)
{
    g_autofree char *server = NULL, *id = NULL;
    if (!access_session_parse (controller, request, &server, &id))
        return FALSE;
    g_auto (GStrv) parts = g_strsplit (name, ".", 5);
    *application_id = g_strdup (parts[2]);
    return TRUE;
}

static gboolean
find_entry (Controller *controller, HttpRequest *request, const char *name, char **application_id)
{
    g_autoptr (GPtrArray) entries = trash_named (controller, request, name);
    if (entries->len == 0)
        return FALSE;
    *application_id = g_strdup (((TrashRecord *)entries->pdata[0])->owner); /* of several, none is acted on */
    return TRUE;
}

static const Rule rules[] = {
    {"volume", "volume", find_volume},
    {"job", "job", find_job},
    {"session", "session", find_session},
    {"entry", "trash entry", find_entry},
};

static const Rule *
rule_of (const HttpRoute *route)
{
    for (guint i = 0; i < G_N_ELEMENTS (rules); i++) {
        g_autofree char *parameter = g_strdup_printf ("{%s}", rules[i].param);
        if (strstr (route->path, parameter) != NULL)
            return &rules[i];
    }
    return NULL;
}

gboolean
access_object_is_known (const HttpRoute *route)
{
    return rule_of (route) != NULL;
}

void
access_object_missing (HttpRequest *request, GError **error)
{
    const HttpRoute *route = http_request_route (request);
    const Rule *rule = route->scope == HTTP_SCOPE_APPLICATION ? NULL : rule_of (route);
    const char *param = rule != NULL ? rule->param : "application";
    const char *what = rule != NULL ? rule->what : "application";
    g_autofree char *quoted = problem_quote (http_request_param (request, param));
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "no %s %s", what, quoted);
}

gboolean
access_object (Controller *controller, HttpRequest *request, char **application_id, GError **error)
{
    const Rule *rule = rule_of (http_request_route (request));
    if (rule->find (controller, request, http_request_param (request, rule->param), application_id))
        return TRUE;
    access_object_missing (request, error);
    return FALSE;
}
