/*
 * The table of what a server answers: method, path, role, scope, name, schemas, limits, handler. The OpenAPI
 * document, the authorisation matrix of the tests and the dispatch all come from these rows. A row without
 * role and scope does not build.
 *
 *     static const HttpRoute routes[] = {
 *         {HTTP_ROUTE (GET, "/api/v1/applications/{application}", VIEWER, APPLICATION, "getApplication"),
 *          .summary = "One application", .answer_schema = "Application", .handler = get_application},
 *     };
 *     http_router_add (router, routes, G_N_ELEMENTS (routes), controller);
 *
 * A pattern is literal segments and {parameters}; a parameter matches one non-empty segment. A literal wins
 * over a parameter ("/jobs/all" over "/jobs/{job}"). "{rest*}" as the last segment matches one or more
 * segments, slashes kept. HEAD is answered by GET's row. Unknown path: 404. Known path, other method: 405
 * with Allow.
 */
#pragma once

#include "vdc/http/request.h"

typedef enum {
    HTTP_ROLE_UNSET,    /* refused by http_router_add */
    HTTP_ROLE_PUBLIC,   /* nobody is asked */
    HTTP_ROLE_VIEWER,   /* sees */
    HTTP_ROLE_OPERATOR, /* starts, stops, scales, opens consoles */
    HTTP_ROLE_EDITOR,   /* changes descriptions, creates, destroys */
    HTTP_ROLE_ADMIN,    /* servers, networks, users */
    HTTP_ROLE_SERVER, /* a peer with a client certificate: controller at the agent, agent at the controller */
} HttpRole;

/* On what the role is needed. Who may not see an object is told that there is none: 404, not 403. */
typedef enum {
    HTTP_SCOPE_UNSET,       /* refused by http_router_add */
    HTTP_SCOPE_NONE,        /* nothing is looked up: public pages, servers' calls, one's own login */
    HTTP_SCOPE_GRID,        /* on the grid */
    HTTP_SCOPE_APPLICATION, /* on the {application} of the path */
    HTTP_SCOPE_OBJECT,   /* on the application that the object of the path (volume, job, session) belongs to;
                            on the grid when it belongs to none. The table of access/objects.c says which */
    HTTP_SCOPE_FILTERED, /* on anything: the list holds what the caller may see. The handler filters */
    HTTP_SCOPE_CREATE,   /* on the grid, or the caller may make applications of his own */
} HttpScope;

/* "public", "viewer", … Static. */
const char *http_role_name (HttpRole role);
/* "none", "grid", … Static. */
const char *http_scope_name (HttpScope scope);

#define HTTP_ROUTE(method_, path_, role_, scope_, name_)                                                     \
    .method = #method_, .path = path_, .role = HTTP_ROLE_##role_, .scope = HTTP_SCOPE_##scope_, .name = name_

typedef enum {
    HTTP_BODY_JSON, /* refused with 415 when Content-Type says another type than JSON */
    HTTP_BODY_RAW,  /* bytes as they come */
} HttpBodyKind;

#define HTTP_BODY_LIMIT_BYTES (1024 * 1024)

/* What becomes of an If-Match. */
typedef enum {
    HTTP_MATCH_NONE,    /* refused: a condition must not be overlooked */
    HTTP_MATCH_OBJECT,  /* compared with the application or volume of the path before the handler */
    HTTP_MATCH_HANDLER, /* the handler looks at it */
} HttpMatch;

/* Answers without a schema. */
#define HTTP_ANSWER_NONE "none"     /* no content */
#define HTTP_ANSWER_BYTES "bytes"   /* a text or a file of .answer_type */
#define HTTP_ANSWER_STREAM "stream" /* goes on until one side ends it, of .answer_type */

typedef void (*HttpHandler) (HttpRequest *request, gpointer user_data);

struct HttpRoute {
    const char *method;
    const char *path;
    HttpRole role;
    HttpScope scope;
    const char *name;    /* operation id of the OpenAPI document, unique: "startApplication" */
    const char *summary; /* one line */
    /*
     * Names in the schema table. A row that takes a JSON body has the first ("Empty": nothing but dry_run);
     * every row has the second, or one of HTTP_ANSWER_….
     */
    const char *request_schema, *answer_schema;
    /*
     * What may stand in the query: "limit=1..10000 format=yaml|json follow! state" are a whole number of that
     * range, one of these words, a flag, and any text. NULL: nothing. Others are refused.
     */
    const char *query;
    guint status;            /* of success, 0: 200; an answer with a job is 202 */
    const char *answer_type; /* media type when it is not JSON */
    HttpMatch if_match;      /* of a changing route */
    gboolean secret_answer;  /* holds a secret: shown once, never written down */
    HttpBodyKind body;
    gsize body_limit_bytes; /* 0: HTTP_BODY_LIMIT_BYTES. More is 413 before the handler is asked */
    gboolean counted; /* audit: many small calls (typing); those of a minute make one entry with a count */
    HttpHandler handler;
};

typedef struct HttpRouter HttpRouter;

/*
 * May this request call this route? Called on the main loop before the body is read, of every route that is
 * not public. FALSE with VDC_ERROR_NOT_LOGGED_IN or NOT_PERMITTED answers that. A router without it refuses
 * everything not public, except that HTTP_ROLE_SERVER is granted to any checked client certificate.
 */
typedef gboolean (*HttpAuthorize) (HttpRequest *request, const HttpRoute *route, gpointer user_data,
                                   GError **error);

/*
 * Told of every request that is dispatched, whoever handles it: the one place for an audit. Main loop.
 * begin: it is authorised; the hooks and its handler are called next. handled: they have returned, answered
 * or not.
 * answer: once, before the answer is handed over; without a begin before it the request was not authorised.
 * @code is the name of the error, NULL for none.
 */
typedef struct {
    void (*begin) (HttpRequest *request, gpointer user_data);
    void (*handled) (HttpRequest *request, gpointer user_data);
    void (*answer) (HttpRequest *request, guint status, const char *code, gpointer user_data);
} HttpWatch;

HttpRouter *http_router_new (void);
/* After every server that uses it was stopped. */
void http_router_free (HttpRouter *router);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpRouter, http_router_free)

/*
 * Add @n rows; they are borrowed and must be static. Two rows of one method and path, or a malformed pattern,
 * are our own bug and abort. Only before a server uses the router: afterwards it is read by the server's
 * thread.
 */
void http_router_add (HttpRouter *router, const HttpRoute *routes, gsize n, gpointer user_data);
/* Something that handlers need and that goes with the router. */
void http_router_keep (HttpRouter *router, gpointer data, GDestroyNotify free);
void http_router_set_authorize (HttpRouter *router, HttpAuthorize authorize, gpointer user_data);
/* @watch is static. */
void http_router_set_watch (HttpRouter *router, const HttpWatch *watch, gpointer user_data);

/* What becomes of a request that authorisation refused. */
typedef enum {
    HTTP_REFUSED_TELL,     /* the error is answered */
    HTTP_REFUSED_BODY,     /* read its body, then authorise again: what it asks may have been done before */
    HTTP_REFUSED_ANSWERED, /* it was: answered as then */
} HttpRefused;

/*
 * What surrounds every handler, on the main loop. Each may be NULL. @hooks is borrowed and must be static.
 * Set once.
 */
typedef struct {
    /* Authorisation gave @error; its body may not have been read yet. */
    HttpRefused (*refused) (HttpRequest *request, const HttpRoute *route, const GError *error,
                            gpointer user_data);
    /* After authorisation, before the handler. FALSE: it has answered, or will; the handler is not called. */
    gboolean (*before) (HttpRequest *request, const HttpRoute *route, gpointer user_data);
    /* A JSON answer with @status: change it (takes and returns @body). */
    json_t *(*shape) (HttpRequest *request, guint status, json_t *body, gpointer user_data);
    /* Any answer but a stream, before it is sent: its status and bytes may be replaced, headers added. */
    void (*after) (HttpRequest *request, guint *status, GBytes **bytes, gpointer user_data);
    GDestroyNotify free; /* of user_data, with the router */
} HttpHooks;
void http_router_set_hooks (HttpRouter *router, const HttpHooks *hooks, gpointer user_data);

/* Every row in the order added, for generated documents and tests. Caller frees the array, not the rows. */
GPtrArray *http_router_list (const HttpRouter *router);

/*
 * The row for @method and @path, NULL when there is none: then *@allow (caller frees) is the list for the
 * Allow header
 * ("GET, POST") when the path is known, else NULL. *@params (caller unrefs) maps names to decoded values. A
 * path whose encoding is broken, or that decodes to NUL or invalid UTF-8, matches nothing. Pure; any thread.
 */
const HttpRoute *http_router_match (const HttpRouter *router, const char *method, const char *path,
                                    GHashTable **params, char **allow);

/*
 * Ask authorize, once for a request; FALSE: it has been answered. Before its body was read: an authorize must
 * not ask for it. Main loop; for the server.
 */
gboolean http_router_authorise (const HttpRouter *router, HttpRequest *request);
/* Authorise, then call the handler. Main loop; for the server. */
void http_router_dispatch (const HttpRouter *router, HttpRequest *request);
