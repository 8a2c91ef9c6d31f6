/*
 * HTTP requests to other processes of ours, on the GLib main context of the thread that made the client. The
 * one place that knows libcurl.
 *
 * Three results, never two: done (a 2xx answer), failed (an answer that says so, or VDC_ERROR_UNREACHABLE:
 * nothing was sent, trying again is safe), unknown (VDC_ERROR_UNKNOWN_RESULT: sent, no whole answer; it may
 * or may not have been done). A GET that got no answer is always UNREACHABLE: it changes nothing.
 */
#pragma once

#include "vdc/base/error.h"
#include "vdc/base/json.h"

#include <glib.h>

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

typedef struct {
    const char *ca_file;          /* PEM file of the CA that signed the server; NULL: the system's */
    const char *certificate_file; /* our own certificate and key for mutual TLS; NULL: none */
    const char *key_file;
    const char *token;        /* bearer token; NULL: none */
    const char *user_agent;   /* NULL: "vdc/VERSION" */
    guint connect_timeout_ms; /* 0: 5000 */
} HttpClientOptions;

typedef struct {
    guint status;             /* HTTP status, 0 when none came */
    const char *content_type; /* may be NULL */
    GBytes *body;             /* whole body, at most HTTP_ANSWER_LIMIT_BYTES; empty for a streamed 2xx */
    json_t *json;             /* the body parsed when it is JSON, else NULL */
} HttpAnswer;

#define HTTP_ANSWER_LIMIT_BYTES (64 * 1024 * 1024)

/*
 * Called exactly once, on the client's context, unless the call was cancelled; never from within
 * http_client_send.
 * @error NULL: status 2xx. An error answer of ours {code, message} becomes @error of that code, with its
 * message, and
 * @answer is given too (problems, params). Without an answer @answer has status 0. Both are borrowed.
 */
typedef void (*HttpDone) (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data);
/*
 * A piece of a 2xx body as it comes. FALSE: taken, but give no more until http_call_resume. An error answer's
 * body is collected for HttpDone instead. @error of HttpDone is UNKNOWN_RESULT (UNREACHABLE for GET) when a
 * stream breaks off.
 */
typedef gboolean (*HttpData) (HttpCall *call, const void *data, gsize length, gpointer user_data);

typedef struct {
    json_t *json;                /* body as JSON; borrowed during the call of http_client_send; or */
    GBytes *bytes;               /* body as it is; referenced */
    const char *content_type;    /* of bytes; NULL: application/octet-stream */
    const char *accept;          /* NULL: application/json */
    const char *idempotency_key; /* NULL: none */
    const char *const *headers;  /* more, "Name: value", NULL-terminated; NULL: none */
    guint timeout_ms;            /* for the whole call; 0: 30000, and none when @data is given */
    guint silence_timeout_ms;    /* streams: fail when no byte came for so long; 0: never */
    HttpData data;               /* NULL: collect the body */
} HttpCallOptions;

/* NULL: the files cannot be read. Strings are copied. */
HttpClient *http_client_new (const HttpClientOptions *options, GError **error);
/* Cancels what is under way. */
void http_client_free (HttpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpClient, http_client_free)

/*
 * Start a request. @options may be NULL. The call belongs to the client and is valid until @done returns or
 * http_call_cancel. @done may be NULL (result not wanted).
 */
HttpCall *http_client_send (HttpClient *client, const char *method, const char *url,
                            const HttpCallOptions *options, HttpDone done, gpointer user_data);
/* Neither @data nor @done is called any more. Also from within data. */
void http_call_cancel (HttpCall *call);
/* After data returned FALSE. */
void http_call_resume (HttpCall *call);

/*
 * The same, waiting: runs the client's context until the answer is there. For command-line tools only.
 * Result: the JSON of a 2xx answer (an empty object when it has none), caller owns; NULL and @error.
 * *@answer_out (may be NULL) receives the JSON of an error answer, or NULL; caller owns.
 */
json_t *http_client_call (HttpClient *client, const char *method, const char *url, json_t *body,
                          json_t **answer_out, GError **error);
/* With all options; the body of a 2xx answer as bytes. */
GBytes *http_client_call_bytes (HttpClient *client, const char *method, const char *url,
                                const HttpCallOptions *options, char **content_type, GError **error);

/* "a b/c" → "a%20b%2Fc". Caller frees. */
char *http_escape (const char *text);
