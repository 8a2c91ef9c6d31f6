/*
 * The one hook: what the router tells of every request becomes its one entry.
 */
#include "vdc/controller/audit_internal.h"

#include <string.h>

#include "vdc/base/log.h"
#include "vdc/controller/access/access.h"
#include "vdc/controller/audit_params.h"

#define NOTE "audit"

/* Kept with a request. */
typedef struct {
    gboolean authorised;
    gboolean recorded;  /* its entry is durable, or waits for a disk with room */
    const char *result; /* instead of "ok"; static */
    char *object, *id;
} Note;

static void
note_free (gpointer data)
{
    Note *note = data;
    g_free (note->object);
    g_free (note->id);
    g_free (note);
}

static gboolean
is_changing (const HttpRoute *route)
{
    return strcmp (route->method, "GET") != 0 && route->role != HTTP_ROLE_SERVER;
}

/* --- the entry --------------------------------------------------------------------------------------------- */

/* "/api/v1/applications/{application}/instances/{instance}/exec" is about an instance: the last {name}. */
static char *
last_parameter (const HttpRoute *route)
{
    const char *brace = strrchr (route->path, '{');
    return brace != NULL ? g_strndup (brace + 1, strcspn (brace + 1, "*}")) : NULL;
}

/* "/api/v1/volumes" makes a volume. */
static char *
collection (const HttpRoute *route)
{
    g_autofree char *path = g_strdup (route->path);
    const char *name = strrchr (path, '/') + 1;
    gsize length = strlen (name);
    return g_strndup (name, length > 1 && name[length - 1] == 's' ? length - 1 : length);
}

static json_t *
body_of (HttpRequest *request)
{
    const HttpRoute *route = http_request_route (request);
    GBytes *bytes = http_request_body (request);
    if (route->body != HTTP_BODY_JSON || bytes == NULL || g_bytes_get_size (bytes) == 0)
        return NULL;
    return http_request_json (request, NULL);
}

static json_t *
entry_of (Controller *controller, HttpRequest *request, const char *result)
{
    const HttpRoute *route = http_request_route (request);
    const Note *note = http_request_data (request, NOTE);
    GHashTable *params = http_request_params (request);
    const json_t *body = body_of (request);
    g_autofree char *parameter = last_parameter (route);
    g_autofree char *object = parameter == NULL ? collection (route) : g_strdup (parameter);
    const char *id =
        parameter != NULL ? g_hash_table_lookup (params, parameter) : json_str (body, "name", NULL);
    const AuditEntry entry = {
        .who =
            http_request_user (request) != NULL ? http_request_user (request) : http_request_peer (request),
        .address = http_request_address (request),
        .action = route->name,
        .object = note != NULL && note->object != NULL ? note->object : object,
        .id = note != NULL && note->id != NULL ? note->id : id,
        .application = params != NULL ? g_hash_table_lookup (params, "application") : NULL,
        .result = result,
        .params = audit_params (body, http_request_query_all (request)),
    };
    return audit_entry_new (controller, &entry);
}

json_t *
audit_request_entry (Controller *controller)
{
    HttpRequest *request = controller->audit->current;
    const Note *note = request != NULL ? http_request_data (request, NOTE) : NULL;
    if (note == NULL || note->recorded || !is_changing (http_request_route (request)))
        return NULL;
    return entry_of (controller, request, note->result);
}

void
audit_request_written (Controller *controller)
{
    Note *note = http_request_data (controller->audit->current, NOTE);
    note->recorded = TRUE;
}

/* --- what the router tells --------------------------------------------------------------------------------- */

static Note *
note_of (HttpRequest *request)
{
    Note *note = http_request_data (request, NOTE);
    if (note == NULL) {
        note = g_new0 (Note, 1);
        http_request_set_data (request, NOTE, note, note_free);
    }
    return note;
}

static void
on_begin (HttpRequest *request, gpointer user_data)
{
    note_of (request)->authorised = TRUE;
    audit_enter (user_data, request);
}

static void
on_handled (HttpRequest *request, gpointer user_data)
{
    audit_leave (user_data);
}

static gboolean
is_dry_run (HttpRequest *request)
{
    return http_request_query_flag (request, "dry_run") || json_bool (body_of (request), "dry_run", FALSE);
}

static void
flush_or_keep (Controller *controller, json_t *entry)
{
    g_autoptr (GError) error = NULL;
    audit_note (controller->audit, entry);
    if (!audit_flush (controller, &error))
        vdc_log (VDC_LOG_WARNING, "an audit entry waits for room on the disk", "error", error->message, NULL);
}

static void
record_refusal (Controller *controller, HttpRequest *request, const char *code)
{
    Audit *audit = controller->audit;
    json_t *entry = entry_of (controller, request, code);
    const char *who = json_str (entry, "who", NULL);
    gint64 now_us = clock_monotonic_us (controller->clock);
    if (!audit_limit_allows (audit->limit, who, json_str (entry, "address", ""), now_us)) {
        audit_limit_count (audit->limit, entry, now_us);
        json_decref (entry);
    } else if (who == NULL) {
        audit_note (audit, entry); /* the next commit takes it: a stranger must not make us sync the disk */
        controller_wake (controller);
    } else {
        flush_or_keep (controller, entry);
    }
}

/* Who sees everything was told the truth; to others "there is none" may stand for "you may not". */
static gboolean
sees_everything (Controller *controller, HttpRequest *request)
{
    const Principal *principal = access_principal (request);
    return principal != NULL && access_role (controller, principal, NULL) >= HTTP_ROLE_VIEWER;
}

/* A GET that is answered with an error is a refusal only when the caller may not. */
static gboolean
is_refusal (Controller *controller, HttpRequest *request, guint status)
{
    const Note *note = http_request_data (request, NOTE);
    if (status < 400 || is_changing (http_request_route (request)))
        return status >= 400;
    if (status == 404)
        return !note->authorised && !sees_everything (controller, request);
    return !note->authorised || status == 401 || status == 403;
}

static void
on_answer (HttpRequest *request, guint status, const char *code, gpointer user_data)
{
    Controller *controller = user_data;
    Note *note = note_of (request);
    if (note->recorded)
        return;
    note->recorded = TRUE; /* first: writing it is a commit too */
    if (is_refusal (controller, request, status)) {
        g_autofree char *number = g_strdup_printf ("%u", status);
        record_refusal (controller, request, code != NULL ? code : number);
    } else if (status < 400 && is_changing (http_request_route (request)) && !is_dry_run (request)) {
        flush_or_keep (controller, entry_of (controller, request, note->result));
    }
}

static const HttpWatch watch = {on_begin, on_handled, on_answer};

void
audit_watch_router (Controller *controller, HttpRouter *router)
{
    http_router_set_watch (router, &watch, controller);
}

/* --- for handlers ------------------------------------------------------------------------------------------ */

void
audit_enter (Controller *controller, HttpRequest *request)
{
    g_assert (controller->audit->current == NULL);
    controller->audit->current = request;
}

void
audit_leave (Controller *controller)
{
    controller->audit->current = NULL;
}

gboolean
audit_pass (Controller *controller, HttpRequest *request, GError **error)
{
    Note *note = note_of (request);
    if (note->recorded || !is_changing (http_request_route (request)))
        return TRUE;
    json_t *entry = entry_of (controller, request, "passed");
    gint64 now_us = clock_monotonic_us (controller->clock);
    if (http_request_route (request)->counted &&
        audit_limit_again (controller->audit->limit, entry, now_us)) {
        json_decref (entry);
        note->recorded = TRUE;
        return TRUE;
    }
    note->recorded = TRUE;
    audit_note (controller->audit, entry);
    note->recorded = audit_flush (controller, error);
    if (!note->recorded)
        g_ptr_array_remove (controller->audit->noted, entry);
    return note->recorded;
}

void
audit_set_result (HttpRequest *request, const char *result)
{
    note_of (request)->result = result;
}

void
audit_set_object (HttpRequest *request, const char *object, const char *id)
{
    Note *note = note_of (request);
    if (object != NULL)
        record_set_string (&note->object, object);
    if (id != NULL)
        record_set_string (&note->id, id);
}
