/*
 * What the files of the server share: server.c (life, main-loop side), server_net.c (the net thread:
 * accepting, caps, deadlines), server_link.c and server_send.c (one connection), server_guard.c (what is
 * refused before a handler is asked), server_answer.c (the head of an answer).
 */
#pragma once

#include "vdc/http/head.h"
#include "vdc/http/request_private.h"
#include "vdc/http/server.h"
#include "vdc/http/tls.h"

/*
 *     handshake ─→ head ─→ asking ─→ body ─→ waiting ─→ answer ─→ head …
 *                   │         │                │  └──→ stream ─┬→ head …
 *                   │         └── answer       │               └→ gone
 *                   └── (no body) ─────────────┘
 *     answer with close ─→ linger ─→ gone;  any ─→ gone
 */
typedef enum {
    LINK_HANDSHAKE, /* TLS */
    LINK_HEAD,      /* idle, or the head comes in */
    LINK_ASKING,    /* the main loop says whether the body is wanted; nothing is read */
    LINK_BODY,      /* the body comes in */
    LINK_WAITING,   /* the handler is at work; nothing is read */
    LINK_ANSWER,    /* the answer goes out */
    LINK_STREAM,    /* a streamed answer or an upgraded connection, as long as it lasts */
    LINK_LINGER, /* the answer is out; what still comes is thrown away, so that the other side can read it */
    LINK_GONE,   /* to be freed by the net thread */
} LinkState;

/* One connection. The net thread's alone, but for `woken`. */
typedef struct {
    HttpServer *server;
    int fd;
    LinkState state;
    TlsSession *tls; /* NULL: plain */
    char address[64];
    char *peer; /* of the client certificate */
    GError *peer_error;
    guint32 events;      /* asked of epoll */
    gboolean want_write; /* what TLS or a full socket waits for */
    gboolean woken;      /* [lock] in server->woken */
    gboolean left;       /* the other side has said that it sends no more */
    gboolean closing;    /* no further request on this connection */
    gboolean served;     /* had a request before */
    gint64 began_us;     /* this state of receiving: who is slowest is put out first */
    gint64 deadline_us;  /* 0: none */
    GByteArray *in;      /* received, not used */
    HttpHead head;
    HttpRequest *request;
    GQueue out; /* of GBytes */
    gsize out_offset;
    gsize lingered_bytes;
    gsize unsent_bytes; /* of server->unsent_bytes */
} Link;

struct HttpServer {
    gint refs; /* atomic: the owner, each request */
    GMutex lock;
    const HttpRouter *router;
    GMainContext *context;
    GHashTable *streams; /* main loop: set of HttpRequest that stream, held */
    gboolean client_certificates;
    gint64 deadline_us;
    guint16 port;
    guint connection_limit, address_limit;
    gsize unsent_limit_bytes;
    TlsListener *tls;
    /* Shared. */
    GPtrArray *woken; /* [lock] Link */
    gboolean stopped; /* [lock] */
    int wake_fd;      /* eventfd, written under lock */
    /* Net thread. */
    GThread *thread;
    int listen_fd, epoll_fd;
    gboolean accepting;
    GHashTable *links;     /* set of Link */
    GHashTable *addresses; /* text → count */
    gsize unsent_bytes;    /* whole answers that are being sent */
};

/* server.c */
void http_server_unref (HttpServer *server);
extern const HttpRequestOps http_server_request_ops;
/* Main loop: the connection of a streamed request has ended. */
void http_server_finished (HttpRequest *request);
/* [lock held] Have the net thread look at @link. */
void http_server_wake_link (Link *link);

/* Main loop: is the body of this request wanted? */
void http_server_ask (HttpRequest *request);
/* Main loop: the request is whole; its handler. */
void http_server_deliver (HttpRequest *request);

/* server_net.c: the thread. */
gpointer http_net_run (gpointer server);

/* server_link.c, net thread */
Link *http_link_new (HttpServer *server, int fd, const char *address);
/* The main loop does not reach it any more. */
void http_link_detach (Link *link);
/* After http_link_detach. */
void http_link_free (Link *link);
/* Do what can be done without waiting. Afterwards it may be LINK_GONE: then it is to be freed. */
void http_link_step (Link *link);
/* What epoll is to tell of next. */
guint32 http_link_events (Link *link);
/* The other side sends no more. */
void http_link_left (Link *link);
/* May be put out to make room: no request of it is at work. */
gboolean http_link_is_idle (const Link *link);

/* server_guard.c, net thread */

/* What an error answer needs. */
typedef struct {
    guint status;
    VdcErrorCode code;
    char *message; /* owned */
    char *allow;   /* owned; NULL: none */
} HttpRefusal;

/* TRUE: the request has its route; FALSE: @refusal says why not. */
gboolean http_guard_request (HttpServer *server, HttpRequest *request, HttpRefusal *refusal);
gsize http_guard_body_limit (const HttpRoute *route);

/* server_answer.c */

typedef enum { HTTP_LENGTH_KNOWN, HTTP_LENGTH_CHUNKED, HTTP_LENGTH_NONE } HttpLengthKind;

/*
 * Status line and headers: @headers (name, value …; may be NULL), the headers every answer has unless
 * @headers has them, length, connection. @host: of the request, NULL when not known.
 */
GBytes *http_answer_head (guint status, GPtrArray *headers, HttpLengthKind kind, gsize length, gboolean close,
                          gboolean secure, const char *host);
GBytes *http_answer_refusal_body (const HttpRefusal *refusal);
