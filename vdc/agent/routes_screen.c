/*
 * The screens of VMs. One GET is one viewer: its answer streams what QEMU says; what the viewer says comes by
 * POSTs that name the same `viewer` and are answered when QEMU has taken it all.
 */
#include "vdc/agent/routes.h"

#include "vdc/agent/screen.h"
#include "vdc/base/error.h"

#include <string.h>

#define VIEWERS_MAX 64
#define INPUT_BODY_LIMIT_BYTES (64 * 1024)

typedef struct {
    GHashTable *viewers; /* id → Viewer; the agent's */
    char *id;
    Screen *screen;
    HttpStream *stream;
    HttpRequest *asking; /* a POST whose bytes QEMU has not taken yet */
} Viewer;

static gboolean
is_id (const char *text)
{
    gsize length = text ? strlen (text) : 0;
    return length >= 16 && length <= 64 && strspn (text, "0123456789abcdef") == length;
}

static void
viewer_free (Viewer *viewer)
{
    g_autoptr (GError) error = g_error_new (VDC_ERROR, VDC_ERROR_NOT_FOUND, "the viewer has left");
    g_hash_table_remove (viewer->viewers, viewer->id);
    if (viewer->asking != NULL) {
        http_reply_error (viewer->asking, error);
        http_request_unref (viewer->asking);
    }
    g_free (viewer->id);
    g_free (viewer);
}

static gboolean
on_data (const void *data, gsize length, gpointer user_data)
{
    return http_stream_write (((Viewer *)user_data)->stream, data, length);
}

static void
on_taken (gpointer user_data)
{
    Viewer *viewer = user_data;
    if (viewer->asking == NULL)
        return;
    http_reply_empty (viewer->asking, 200);
    g_clear_pointer (&viewer->asking, http_request_unref);
}

static void
on_ended (gpointer user_data)
{
    Viewer *viewer = user_data;
    http_stream_end (viewer->stream);
    viewer_free (viewer);
}

static void
on_drained (HttpStream *stream, gpointer user_data)
{
    screen_resume (((Viewer *)user_data)->screen);
}

static void
on_left (HttpStream *stream, gpointer user_data)
{
    Viewer *viewer = user_data;
    screen_close (viewer->screen);
    viewer_free (viewer);
}

static Screen *
open_screen (HttpRequest *request, Agent *agent, Viewer *viewer, GError **error)
{
    static const ScreenEvents events = {on_data, on_taken, on_ended};
    Instance *instance =
        agent_find (agent, http_request_param (request, "app"), http_request_param (request, "member"));
    const Spec *spec = instance_spec (instance);
    if (!spec->screen) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT,
                     "the class of this instance has no screen; its serial console is there");
        return NULL;
    }
    g_autofree char *path = host_screen_socket (agent_host (agent), spec->application_id, spec->member);
    return screen_open (path, &events, viewer, error);
}

static void
get_screen (HttpRequest *request, gpointer agent)
{
    static const HttpStreamEvents events = {on_drained, on_left, NULL};
    g_autoptr (GError) error = NULL;
    GHashTable *viewers = agent_viewers (agent);
    const char *id = http_request_query (request, "viewer");
    if (routes_member_of (request, agent) == NULL)
        return;
    if (!is_id (id) || g_hash_table_contains (viewers, id))
        g_set_error (&error, VDC_ERROR, VDC_ERROR_USAGE, "viewer must be 16 to 64 hex digits, new ones");
    else if (g_hash_table_size (viewers) >= VIEWERS_MAX)
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NO_CAPACITY,
                     "%d screens of this server are being looked at", VIEWERS_MAX);
    Viewer *viewer = g_new0 (Viewer, 1);
    viewer->screen = error == NULL ? open_screen (request, agent, viewer, &error) : NULL;
    if (viewer->screen == NULL) {
        http_reply_error (request, error);
        g_free (viewer);
        return;
    }
    viewer->viewers = viewers;
    viewer->id = g_strdup (id);
    viewer->stream = http_reply_stream (request, "application/octet-stream", &events, viewer);
    g_hash_table_insert (viewers, viewer->id, viewer);
}

static void
post_screen (HttpRequest *request, gpointer agent)
{
    GError *error = NULL;
    gsize length = 0;
    const char *id = http_request_query (request, "viewer");
    Viewer *viewer = id != NULL ? g_hash_table_lookup (agent_viewers (agent), id) : NULL;
    const void *data = g_bytes_get_data (http_request_body (request), &length);
    if (viewer == NULL)
        g_set_error (&error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the viewer has left");
    else if (viewer->asking != NULL)
        g_set_error (&error, VDC_ERROR, VDC_ERROR_CONFLICT, "the input before has not been taken yet");
    else if (length > 0 && screen_input (viewer->screen, data, length, &error)) {
        viewer->asking = http_request_ref (request);
        return;
    }
    routes_answer (request, 200, error);
}

static const HttpRoute routes[] = {
    ROW ("GET", MEMBER "/screen", "getScreen", "What a VM's screen says (RFB), to one viewer", get_screen),
    RAW ("POST", "/v1/screens/input", "putScreenInput", "What the viewer says", INPUT_BODY_LIMIT_BYTES,
         post_screen),
};

void
routes_add_screens (Agent *agent, HttpRouter *router)
{
    http_router_add (router, routes, G_N_ELEMENTS (routes), agent);
}
