/* The files of the agent's API among themselves. */
#pragma once

#include "vdc/agent/agent.h"
#include "vdc/http/reply.h"

#define MEMBER "/v1/instances/{app}/{member}"
#define ROW(method_, path_, id, text, function)                                                              \
    {                                                                                                        \
        .method = method_, .path = path_, .role = HTTP_ROLE_SERVER, .scope = HTTP_SCOPE_NONE, .name = id,    \
        .summary = text, .handler = function                                                                 \
    }
#define RAW(method_, path_, id, text, limit, function)                                                       \
    {                                                                                                        \
        .method = method_, .path = path_, .role = HTTP_ROLE_SERVER, .scope = HTTP_SCOPE_NONE, .name = id,    \
        .summary = text, .body = HTTP_BODY_RAW, .body_limit_bytes = limit, .handler = function               \
    }

/* The member that the path names; NULL, and the request is answered, when it is not here. */
Instance *routes_member_of (HttpRequest *request, Agent *agent);
/* {} with @status, or @error (taken). */
void routes_answer (HttpRequest *request, guint status, GError *error);

void routes_add_streams (Agent *agent, HttpRouter *router);
void routes_add_screens (Agent *agent, HttpRouter *router);
void routes_add_memos (Agent *agent, HttpRouter *router);
void routes_add_volumes (Agent *agent, HttpRouter *router);
/* A call that comes twice with one Idempotency-Key has one effect. */
void routes_do_once (HttpRouter *router);
