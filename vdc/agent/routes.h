/* The files of the agent's API among themselves. */
#pragma once

#include "vdc/agent/agent.h"
#include "vdc/http/reply.h"

#define MEMBER "/v1/instances/{app}/{member}"
#define ROW(method, path, id, text, function)                                                                \
    {                                                                                                        \
        method, path, HTTP_ROLE_SERVER, .name = id, .summary = text, .handler = function                     \
    }
#define RAW(method, path, id, text, limit, function)                                                         \
    {                                                                                                        \
        method, path, HTTP_ROLE_SERVER, .name = id, .summary = text, .body = HTTP_BODY_RAW,                  \
                                        .body_limit_bytes = limit, .handler = function                       \
    }

/* The member that the path names; NULL, and the request is answered, when it is not here. */
Instance *routes_member_of (HttpRequest *request, Agent *agent);
/* {} with @status, or @error (taken). */
void routes_answer (HttpRequest *request, guint status, GError *error);

void routes_add_streams (Agent *agent, HttpRouter *router);
void routes_add_volumes (Agent *agent, HttpRouter *router);
