/*
 * What the controller asks for again, because it never got our answer, is done once: programs run in a guest,
 * keys typed into a console, a VM killed. Such a call has an Idempotency-Key; answers are kept for a day.
 *
 * In memory: sessions and consoles end with this process anyway, and what must survive it (specs, volumes)
 * says what is to be, not what to do.
 */
#include "vdc/agent/routes.h"

#include "vdc/http/replay.h"

#include <string.h>

#define ANSWERS_MAX 10000
#define KEPT_US (24 * 3600 * (gint64)G_USEC_PER_SEC)

static gboolean
before (HttpRequest *request, const HttpRoute *route, gpointer replay)
{
    const char *key = http_request_idempotency_key (request);
    if (key == NULL || strcmp (route->method, "GET") == 0)
        return TRUE;
    g_autofree char *digest = http_request_digest (request);
    return http_replay_begin (replay, request, key, digest);
}

static void
after (HttpRequest *request, guint *status, GBytes **bytes, gpointer replay)
{
    http_replay_end (replay, request, *status, *bytes, TRUE);
}

static void
free_replay (gpointer replay)
{
    http_replay_free (replay);
}

void
routes_do_once (HttpRouter *router)
{
    static const HttpHooks hooks = {.before = before, .after = after, .free = free_replay};
    http_router_set_hooks (router, &hooks, http_replay_new (ANSWERS_MAX, KEPT_US, clock_real ()));
}
