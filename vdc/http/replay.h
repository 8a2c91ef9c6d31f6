/*
 * One effect for a request that comes twice: requests with the same key wait for the first one's answer, or
 * get it again. In memory; what must outlive the process is the caller's. Main loop only.
 *
 * A key belongs to one request: @digest is over everything that says what is asked. Only a 2xx answer is
 * kept; after another one nothing was done, and the same request may try anew.
 */
#pragma once

#include "vdc/base/clock.h"
#include "vdc/http/request.h"

typedef struct HttpReplay HttpReplay;

/* At most @limit answers, none for longer than @kept_us. Over the limit the oldest goes. @clock is borrowed.
 */
HttpReplay *http_replay_new (guint limit, gint64 kept_us, Clock *clock);
/* Those that wait are left without an answer. NULL does nothing. */
void http_replay_free (HttpReplay *replay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpReplay, http_replay_free)

/* More than so many that wait for one answer are sent away with VDC_ERROR_IN_PROGRESS. */
#define HTTP_REPLAY_WAITERS_MAX 16

/*
 * TRUE: it is the first of its key, go on, and call http_replay_end with its answer. FALSE: it has been
 * answered (the same again, or VDC_ERROR_KEY_REUSED, VDC_ERROR_IN_PROGRESS) or will be, when the first one
 * is.
 */
gboolean http_replay_begin (HttpReplay *replay, HttpRequest *request, const char *key, const char *digest);
/* The answer of the first, JSON: given to those that wait, and kept when it is 2xx and @keep. */
void http_replay_end (HttpReplay *replay, HttpRequest *request, guint status, GBytes *bytes, gboolean keep);

/* SHA-256, hex, of what a request asks: method, path, query, body. Caller frees. */
char *http_request_digest (HttpRequest *request);
