/*
 * One HTTP request as a handler sees it: path parameters, query, headers, body, who asks.
 *
 * Handlers run on the main loop. A request is answered exactly once, at once or later, by one http_reply_…
 * (reply.h). A handler that answers later keeps a reference; the answer goes nowhere, without error, when the
 * client has left in the meantime. A last unref without an answer answers 500: nobody waits for ever.
 *
 * Strings returned here belong to the request and live as long as it does. Main loop only, unless said
 * otherwise.
 */
#pragma once

#include "vdc/base/error.h"
#include "vdc/base/json.h"

#include <glib.h>

typedef struct HttpRequest HttpRequest;
typedef struct HttpRoute HttpRoute;

#define HTTP_JSON_DEPTH_MAX 32

/* Any thread. */
HttpRequest *http_request_ref (HttpRequest *request);
void http_request_unref (HttpRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpRequest, http_request_unref)

/* "GET" */
const char *http_request_method (HttpRequest *request);
/* The path as sent, without the query. */
const char *http_request_path (HttpRequest *request);
/* The row of the table that matched; never NULL in a handler. */
const HttpRoute *http_request_route (HttpRequest *request);

/* The path parameter {name}, percent-decoded, valid UTF-8, never empty. Asking for one the pattern lacks is a
 * bug. */
const char *http_request_param (HttpRequest *request, const char *name);
/* The query value ?name=…, decoded; NULL when not given, "" for a bare "?name". */
const char *http_request_query (HttpRequest *request, const char *name);
/* A whole number in [min, max] from the query; @fallback when not given. FALSE: VDC_ERROR_USAGE. */
gboolean http_request_query_int (HttpRequest *request, const char *name, gint64 min, gint64 max,
                                 gint64 fallback, gint64 *value, GError **error);
/* "0", "false" and not given are FALSE, anything else TRUE ("?follow", "?follow=1"). */
gboolean http_request_query_flag (HttpRequest *request, const char *name);
/* Any header, name without regard to case; NULL when not sent. */
const char *http_request_header (HttpRequest *request, const char *name);
/* TRUE when the Accept header names @media_type ("text/event-stream"). */
gboolean http_request_accepts (HttpRequest *request, const char *media_type);

/* "Authorization: Bearer …", NULL when not sent. Compare it with http_token_equal only. */
const char *http_request_bearer (HttpRequest *request);
/* The Idempotency-Key as sent, NULL when not. At most 128 printable ASCII bytes; others were refused before.
 */
const char *http_request_idempotency_key (HttpRequest *request);
/* Common name of the checked client certificate; NULL on listeners that ask for none. */
const char *http_request_peer (HttpRequest *request);
/* "192.0.2.7", for logs and audit. */
const char *http_request_address (HttpRequest *request);
/* What the router's authorize function found out (user name); NULL until set. Copied. */
void http_request_set_user (HttpRequest *request, const char *user);
const char *http_request_user (HttpRequest *request);
/* The path parameters, name → decoded value; borrowed, NULL for none. */
GHashTable *http_request_params (HttpRequest *request);
/* The query, name → decoded value; borrowed. */
GHashTable *http_request_query_all (HttpRequest *request);

/* Something of another module's that lives as long as the request. @name is static; @free may be NULL. */
void http_request_set_data (HttpRequest *request, const char *name, gpointer data, GDestroyNotify free);
gpointer http_request_data (HttpRequest *request, const char *name);

/* Every name in the query, for checks. Free the array. */
GPtrArray *http_request_query_names (HttpRequest *request);

/* The whole body, never longer than the route's limit; empty for none. */
GBytes *http_request_body (HttpRequest *request);
/*
 * The body as a JSON object, parsed once, borrowed; nested at most HTTP_JSON_DEPTH_MAX deep. An empty body
 * gives an empty object. NULL: VDC_ERROR_USAGE.
 */
json_t *http_request_json (HttpRequest *request, GError **error);

/* TRUE once the client is known to have left; a long computation may ask and give up. */
gboolean http_request_is_gone (HttpRequest *request);

/* Equal in constant time. NULL is equal to nothing. Any thread. */
gboolean http_token_equal (const char *a, const char *b);
