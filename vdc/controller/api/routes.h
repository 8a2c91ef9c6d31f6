/*
 * The API of vdcd: every resource adds its rows to the one router table. A row has its role; what is not in a
 * row does not exist. Handlers only translate: request → operation or view → answer.
 */
#pragma once

#include "vdc/controller/api/list.h"
#include "vdc/controller/api/query.h"
#include "vdc/controller/api/tags.h"
#include "vdc/controller/controller.h"
#include "vdc/controller/operation.h"
#include "vdc/http/reply.h"
#include "vdc/http/router.h"

/* All of /api/v1, the console page, and who may call what. */
void routes_add_all (HttpRouter *router, Controller *controller);
/* What agents call: another listener, with client certificates. */
void routes_add_agents (HttpRouter *router, Controller *controller);

void routes_add_applications (HttpRouter *router, Controller *controller);
void routes_add_draft (HttpRouter *router, Controller *controller);
void routes_add_instances (HttpRouter *router, Controller *controller);
void routes_add_catalog (HttpRouter *router, Controller *controller);
void routes_add_images (HttpRouter *router, Controller *controller);
void routes_add_agent_images (HttpRouter *router, Controller *controller);
void routes_add_volumes (HttpRouter *router, Controller *controller);
void routes_add_servers (HttpRouter *router, Controller *controller);
void routes_add_networks (HttpRouter *router, Controller *controller);
void routes_add_consoles (HttpRouter *router, Controller *controller);
void routes_add_jobs (HttpRouter *router, Controller *controller);
void routes_add_events (HttpRouter *router, Controller *controller);
void routes_add_support (HttpRouter *router, Controller *controller);
void routes_add_trash (HttpRouter *router, Controller *controller);
void routes_add_login (HttpRouter *router, Controller *controller);
void routes_add_users (HttpRouter *router, Controller *controller);
void routes_add_tokens (HttpRouter *router, Controller *controller);
void routes_add_backup (HttpRouter *router, Controller *controller);
void routes_add_audit (HttpRouter *router, Controller *controller);
void routes_add_metrics (HttpRouter *router, Controller *controller);
void routes_add_verify (HttpRouter *router, Controller *controller);
/* After all others. */
void routes_add_docs (HttpRouter *router, Controller *controller);
void routes_add_ui (HttpRouter *router, Controller *controller);

/* --- shared by the handlers -------------------------------------------------------------------------------- */

/*
 * Begin an operation for @request. FALSE: it has been answered (malformed). Clear with api_end.
 */
gboolean api_begin (Controller *controller, HttpRequest *request, Operation *operation, json_t **body);
/*
 * Answer with the operation's result (taken, NULL on failure) or @error, and clear the operation: 202 for a
 * job, the row's status otherwise, 422 with problems for a wrong description.
 */
void api_end (HttpRequest *request, Operation *operation, json_t *answer, const GError *error);
/* ?dry_run, or {"dry_run": true}. */
gboolean api_is_dry_run (HttpRequest *request);
/* The application of the path; NULL: 404 was answered. */
ApplicationRecord *api_application (Controller *controller, HttpRequest *request);

/* --- passing on to agents (proxy.c) ------------------------------------------------------------------------ */

/* Send @body (borrowed, may be NULL) to the agent; its JSON answer, changed by @change (may be NULL), is
 * ours. */
typedef json_t *(*ProxyChange) (json_t *answer, gpointer user_data);
void proxy_json (Controller *controller, HttpRequest *request, const char *method, const char *url,
                 json_t *body, ProxyChange change, gpointer user_data, GDestroyNotify free_data);
/* Pass the request's raw body on. */
void proxy_raw (Controller *controller, HttpRequest *request, const char *method, const char *url);
/* Pass the agent's stream on as it comes; back pressure goes through. */
void proxy_stream (Controller *controller, HttpRequest *request, const char *url, const char *content_type);
