/*
 * What the files of the server share: server.c (life, main-loop side), server_guard.c (what is refused before
 * a handler is asked), server_net.c (the library's thread). Only these include <microhttpd.h>.
 */
#pragma once

#include "vdc/http/request_private.h"
#include "vdc/http/server.h"

#include <microhttpd.h>

/* One open socket. */
typedef struct {
    HttpServer *server;
    int fd;
    gint64 deadline_us;   /* [lock] 0: no request is being received */
    HttpRequest *request; /* [lock] not held */
    gboolean peer_checked;
    char *peer;
    GError *peer_error;
} Link;

struct HttpServer {
    gint refs; /* atomic: the owner, each request */
    GMutex lock;
    struct MHD_Daemon *daemon;
    const HttpRouter *router;
    GMainContext *context;
    GSource *sweep;
    GHashTable *links;   /* [lock] set of Link */
    GHashTable *streams; /* main loop: set of HttpRequest that stream, held */
    gboolean stopped;    /* [lock] */
    gboolean client_certificates;
    gint64 deadline_us;
    guint16 port;
};

/* server.c */
void http_server_unref (HttpServer *server);
extern const HttpRequestOps http_server_request_ops;
/* Main loop: the library has completed a streamed request. */
void http_server_finished (HttpRequest *request);

/* server_guard.c, all on the library's thread. MHD_YES: go on; anything else has been answered or cuts the
 * connection. */
enum MHD_Result http_guard_header (struct MHD_Connection *connection, Link *link, HttpRequest *request,
                                   const char *version);
enum MHD_Result http_guard_too_large (struct MHD_Connection *connection, const HttpRoute *route);
gsize http_guard_body_limit (const HttpRoute *route);
enum MHD_Result http_queue_response (struct MHD_Connection *connection, guint status,
                                     struct MHD_Response *response);

/* server_net.c: callbacks of the library. */
enum MHD_Result http_net_access (void *data, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_length, void **context);
void http_net_completed (void *data, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how);
void http_net_connection (void *data, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what);
