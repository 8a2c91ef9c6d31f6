/*
 * An HTTPS listener. One thread of its own moves bytes; every handler runs on the main loop that started the
 * server. What a client can do to others is bounded here:
 *
 *  - handshake and header must arrive within 10 s, the body within request_deadline_ms (and as much again for
 * each 8 MiB of it), no matter how regularly bytes trickle in; an answer must be taken at 32 KiB/s;
 *  - header and body are limited (head.h, the route), connections too: for a newcomer the slowest one that
 * has no request at work is put out;
 *  - a request that two parsers could read differently is refused and the connection closed (head.h);
 * requests sent behind one another without waiting for the answer are not run;
 *  - no body is read of a caller whom the router's authorize refuses;
 *  - with client_ca_pem a request without a valid client certificate is answered 401 and never reaches a
 * handler.
 */
#pragma once

#include "vdc/http/router.h"

typedef struct HttpServer HttpServer;

#define HTTP_CONNECTIONS_MAX 2048
/* Whole answers that are being sent, together; beyond, the slowest reader is cut. */
#define HTTP_UNSENT_MAX_BYTES (256 * 1024 * 1024)

typedef struct {
    const char *listen;            /* "127.0.0.1:8443", "0.0.0.0:8444", "[::1]:0"; port 0 takes a free one */
    const char *certificate_pem;   /* the chain, text; NULL with key_pem: plain HTTP, for tests on loopback */
    const char *key_pem;           /* text */
    const char *client_ca_pem;     /* text; set: client certificates signed by it are required */
    const HttpRouter *router;      /* borrowed, must outlive the server */
    guint connection_limit;        /* 0: HTTP_CONNECTIONS_MAX; never over what the process may open */
    guint connection_limit_per_ip; /* 0: none */
    gsize unsent_limit_bytes;      /* 0: HTTP_UNSENT_MAX_BYTES */
    guint request_deadline_ms;     /* 0: 30000 */
} HttpServerOptions;

/*
 * Listen and serve on the calling thread's default main context. NULL: VDC_ERROR_USAGE for a malformed
 * address, VDC_ERROR_FAILED when the port cannot be had or the certificate is refused. @options is not kept.
 */
HttpServer *http_server_start (const HttpServerOptions *options, GError **error);
/* The port in use. */
guint16 http_server_port (const HttpServer *server);
/*
 * Stop: nothing new is taken, streams are closed (their closed is called from here), unanswered requests are
 * cut off; a later answer to one of them goes nowhere. Frees the server. NULL does nothing. Main loop.
 */
void http_server_stop (HttpServer *server);
