/*
 * Answers. Each call answers the request for good; the request is answered exactly once, and the caller's
 * reference (if any) stays the caller's. Main loop only.
 */
#pragma once

#include "vdc/http/request.h"

/* Add a header to the answer to come. Values with control characters are our own bug. */
void http_reply_header (HttpRequest *request, const char *name, const char *value);

/* What was added under that name; NULL: nothing. Borrowed. */
const char *http_reply_header_set (HttpRequest *request, const char *name);

/* Takes @body. */
void http_reply_json (HttpRequest *request, guint status, json_t *body);
/* 204, or 202 with {} when @status says so. */
void http_reply_empty (HttpRequest *request, guint status);
/* {"code", "message", "params": {}, "path": null} with the status of the code's table. */
void http_reply_error (HttpRequest *request, const GError *error);
/* The same with params (an object, taken, may be NULL) and the place in a document (may be NULL). */
void http_reply_error_at (HttpRequest *request, const GError *error, json_t *params, const char *path);
/* 422 {"code":"invalid","message",…,"problems":[…]}. Takes @problems, an array. */
void http_reply_problems (HttpRequest *request, const char *message, json_t *problems);
/* {"items": […], "next": null or text}. Takes @items; @next may be NULL. */
void http_reply_list (HttpRequest *request, json_t *items, const char *next);
/* @text as it is, with @content_type ("text/plain; charset=utf-8"). */
void http_reply_text (HttpRequest *request, guint status, const char *content_type, const char *text);
/*
 * What a page of ours may do: scripts and data from here only, inline for styles only. Every answer that is
 * no page forbids everything (server_answer.c).
 */
#define HTTP_PAGE_POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "        \
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; "      \
    "frame-ancestors 'none'; base-uri 'none'"
/* 200 HTML, with headers that forbid framing, sniffing and foreign scripts. @html is already escaped. */
void http_reply_html (HttpRequest *request, const char *html);
/* @bytes is referenced. */
void http_reply_bytes (HttpRequest *request, guint status, const char *content_type, GBytes *bytes);

/* A JSON answer that was given before, byte for byte. */
void http_reply_again (HttpRequest *request, guint status, GBytes *bytes);

/* --- streams ------------------------------------------------------------------------------------------- */

/*
 * An answer that goes on: the producer writes on the main loop, the server's thread sends. The pointer is
 * valid until http_stream_end or until @closed has returned, whichever comes first; after either it must not
 * be used.
 */
typedef struct HttpStream HttpStream;

typedef struct {
    /* The queue fell to HTTP_STREAM_LOW_BYTES after having been over HTTP_STREAM_HIGH_BYTES: go on. May be
     * NULL. */
    void (*drained) (HttpStream *stream, gpointer user_data);
    /*
     * The client left, was too slow, or the server stops. Called exactly once unless http_stream_end came
     * first, never from within http_stream_write. A client that leaves while nothing is sent is noticed
     * at once.
     */
    void (*closed) (HttpStream *stream, gpointer user_data);
    /* Bytes came in; only of http_reply_upgrade. May be NULL. */
    void (*received) (HttpStream *stream, const void *data, gsize length, gpointer user_data);
} HttpStreamEvents;

#define HTTP_STREAM_LOW_BYTES (64 * 1024)
#define HTTP_STREAM_HIGH_BYTES (256 * 1024)
/* A producer that cannot wait (events) may queue up to this; beyond it the client is cut off. */
#define HTTP_STREAM_LIMIT_BYTES (4 * 1024 * 1024)

/* Starts a chunked 200 answer. @events is borrowed and must be static; may be NULL. */
HttpStream *http_reply_stream (HttpRequest *request, const char *content_type, const HttpStreamEvents *events,
                               gpointer user_data);
/*
 * Answers 101 and leaves HTTP: what is written goes out as it is, what comes is told by `received`, 64 KiB
 * ahead of it at most. @protocol: "websocket". Further headers by http_reply_header before.
 */
HttpStream *http_reply_upgrade (HttpRequest *request, const char *protocol, const HttpStreamEvents *events,
                                gpointer user_data);
/* Of an upgraded connection: read nothing (TRUE), or again. What was read before is still told. */
void http_stream_hold (HttpStream *stream, gboolean hold);
/*
 * Queue @length bytes (copied). FALSE: the queue is over HTTP_STREAM_HIGH_BYTES now, hold back until drained;
 * the bytes were taken all the same.
 */
gboolean http_stream_write (HttpStream *stream, const void *data, gsize length);
/* One JSON value and a newline. As http_stream_write; @value is not taken. */
gboolean http_stream_write_line (HttpStream *stream, const json_t *value);
/* Not yet handed to the network. */
gsize http_stream_queued_bytes (HttpStream *stream);
/* Everything queued is still sent, then the answer ends properly. */
void http_stream_end (HttpStream *stream);
/* Ends it so that the client sees a broken answer. */
void http_stream_abort (HttpStream *stream);

/* --- server-sent events -------------------------------------------------------------------------------- */

#define HTTP_EVENTS_HEARTBEAT_S 15

/* A text/event-stream answer; a comment line is sent every HTTP_EVENTS_HEARTBEAT_S by itself. */
HttpStream *http_reply_events (HttpRequest *request, const HttpStreamEvents *events, gpointer user_data);
/*
 * "id: SEQ\nevent: NAME\ndata: JSON\n\n"; @seq 0 leaves the id out, @name NULL the event. FALSE as
 * http_stream_write.
 */
gboolean http_stream_event (HttpStream *stream, guint64 seq, const char *name, const json_t *data);
/*
 * "id: SEQ" without an event: where a client that breaks off before the first event goes on. As
 * http_stream_write.
 */
gboolean http_stream_event_mark (HttpStream *stream, guint64 seq);
/* Where the client wants to go on: Last-Event-ID, else ?after=, else @fallback. */
guint64 http_request_events_after (HttpRequest *request, guint64 fallback);
