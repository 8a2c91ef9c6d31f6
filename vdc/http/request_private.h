/*
 * What server.c, request.c and reply.c share of a request; nobody else includes this.
 *
 * Two threads meet here: the HTTP library's ("net") moves bytes, the main loop runs handlers. Fields are
 * written by one side before the hand-over to the other; those marked [lock] are shared and guarded by the
 * exchange's lock. The lock is never held while a handler or a callback of the producer runs.
 */
#pragma once

#include "vdc/http/reply.h"
#include "vdc/http/router.h"

/* How the main loop reaches the net side; implemented in server.c. */
typedef struct {
    /* The request has its answer: hand it over and wake the connection. */
    void (*answer) (HttpRequest *request);
    /* [lock held] The stream has new bytes, an end, or is dead: wake its reader. */
    void (*wake) (HttpRequest *request);
    void (*lock) (HttpRequest *request);
    void (*unlock) (HttpRequest *request);
    /* Run @func (request) on the main loop; keeps the request until then. Any thread. */
    void (*post) (HttpRequest *request, void (*func) (HttpRequest *request));
    /* The last memory reference is gone. */
    void (*release) (HttpRequest *request);
} HttpRequestOps;

/* Of an upgraded connection: more is not read until the producer has taken what there is. */
#define HTTP_STREAM_INPUT_BYTES (64 * 1024)

struct HttpStream {
    HttpRequest *request;
    const HttpStreamEvents *events;
    gpointer user_data;
    guint heartbeat;        /* source id, 0: none; main loop */
    gboolean producer_done; /* main loop: ended, or closed was called */
    GQueue chunks;          /* [lock] GBytes */
    gsize chunk_offset;     /* [lock] sent of the first chunk */
    gsize queued_bytes;     /* [lock] */
    gboolean over_high;     /* [lock] producer was told to hold back */
    gboolean raw;           /* an upgraded connection: bytes both ways, no framing of ours */
    GByteArray *incoming;   /* [lock] raw: received, not yet given to the producer */
    gboolean held;          /* [lock] raw: nothing is to be read */
    gboolean ended;         /* [lock] no more will come */
    gboolean broken;        /* [lock] end with an error: aborted, too slow, gone */
};

struct HttpRequest {
    const HttpRequestOps *ops;
    gint memory_refs; /* atomic: net side, handler side, each posted function */
    gint user_refs;   /* atomic: those of handlers */
    gint answered;    /* atomic; set on the main loop */

    /* Written on the net side before the hand-over. */
    char *method, *path, *address, *peer;
    GHashTable *headers; /* lower-case name → value */
    GHashTable *query, *params;
    const HttpRoute *route;
    GByteArray *collected;
    guint64 content_length;
    gboolean secure; /* came over TLS */

    /* Main loop. */
    GBytes *body; /* NULL until it is whole */
    json_t *json;
    char *bearer, *user;
    GData *data;
    const HttpHooks *hooks;
    gpointer hooks_data;
    gboolean permitted;     /* the router's authorize said yes */
    const HttpWatch *watch; /* of the router; told of the answer */
    gpointer watch_data;
    const char *code; /* of the error that is answered; static, NULL: none */

    /* Written on the main loop before the answer is handed over. */
    guint status;
    GPtrArray *answer_headers; /* name, value, name, value … */
    GBytes *answer;
    HttpStream *stream;

    /* Net side and lock, server.c only. */
    gpointer server;
    gpointer connection; /* [lock] NULL once completed */
    gboolean allowed;    /* [lock] its body is wanted */
    gboolean ready;      /* [lock] the answer may be sent */
    gboolean gone;       /* [lock] */
};

HttpRequest *http_request_new (const HttpRequestOps *ops);
/* Memory references; handlers use http_request_ref. Any thread. */
HttpRequest *http_request_hold (HttpRequest *request);
void http_request_release (HttpRequest *request);
/* The main loop hands the request to its handler: from now on a last http_request_unref without answer is a
 * 500. */
void http_request_deliver (HttpRequest *request, const HttpRouter *router);

/* The request is about to be answered with @status. Main loop; by everything that begins an answer. */
void http_reply_tell_watch (HttpRequest *request, guint status);
/* Main loop; the first answer wins, a second one is our own bug. */
void http_reply_send (HttpRequest *request, guint status, const char *content_type, GBytes *bytes);

/* [lock held] Up to @max bytes of the queue; 0 when it is empty. */
gsize http_stream_take (HttpStream *stream, char *buffer, gsize max);
/* Main loop: the connection is finished; tell the producer, once. */
void http_stream_finished (HttpRequest *request);
void http_stream_free (HttpStream *stream);
/* Main loop: give the producer of an upgraded connection what has come. */
void http_stream_received (HttpRequest *request);
