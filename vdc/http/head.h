/*
 * The head of a request: request line and headers, from the bytes as they came. The one parser of them, and a
 * strict one: whatever two parsers could read differently is refused, so that nobody in front of us or behind
 * can be made to see another request than we do. Pure; any thread.
 *
 * Taken are HTTP/1.1 with an origin-form target of visible ASCII, lines that end in CR LF, names that are
 * tokens with the colon at once, values without control characters. Refused are a bare CR or LF, NUL, a
 * folded line, an empty first line, a second Host, Content-Length, Authorization …, any Transfer-Encoding
 * (411 for a lone "chunked": a body says its length here), and what is over the limits.
 */
#pragma once

#include <glib.h>

/* The request line without its CR LF; also each header line. */
#define HTTP_LINE_LIMIT_BYTES (8 * 1024)
/* The whole head with the empty line that ends it. */
#define HTTP_HEAD_LIMIT_BYTES (32 * 1024)
#define HTTP_HEADERS_MAX 100
#define HTTP_METHOD_MAX_BYTES 16
#define HTTP_IDEMPOTENCY_KEY_MAX_BYTES 128

typedef enum {
    HTTP_HEAD_MORE,    /* not whole yet, nothing wrong so far */
    HTTP_HEAD_WHOLE,   /* the fields below are set */
    HTTP_HEAD_REFUSED, /* `status` and `problem` are set; the connection cannot be used any more */
} HttpHeadState;

typedef struct {
    gsize length; /* bytes of the head; what follows is the body */
    char *method;
    char *path;          /* as sent, begins with '/' */
    char *query;         /* as sent, without '?'; NULL: none */
    GHashTable *headers; /* lower-case name → value, trimmed; a list sent in several lines joined by ", " */
    guint64 content_length;
    gboolean close;     /* "Connection: close" */
    gboolean continues; /* "Expect: 100-continue" */
    guint status;
    const char *problem; /* static, one sentence */
    /* where the reading stands */
    gsize scanned, line_start;
    guint lines;
} HttpHead;

/*
 * Read on: @data are all bytes of the connection since the last request, @length ≥ that of the call before.
 * Starts with a zeroed @head; the verdict does not depend on how the bytes were cut into calls.
 */
HttpHeadState http_head_read (HttpHead *head, const guint8 *data, gsize length);
void http_head_clear (HttpHead *head);

/* "a=1&b=%20" decoded; '+' is a blank; the last of several wins. NULL: malformed. Caller unrefs. */
GHashTable *http_query_parse (const char *query);
