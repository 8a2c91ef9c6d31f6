/*
 * exec, put and get: byte streams through a guest channel, with flow control end to end.
 *
 * At most SESSION_WINDOW_BYTES are under way unacknowledged in each direction: a reader that does not read
 * stops the program in the guest, and no buffer here grows. A session lives until its end was read, it was
 * deleted, its reader left, or nobody read for SESSION_IDLE_S. Main loop only.
 */
#pragma once

#include "vdc/agent/channel.h"
#include "vdc/http/reply.h"

#define SESSION_WINDOW_BYTES (256 * 1024)
#define SESSION_CHUNK_BYTES (32 * 1024)
#define SESSION_IDLE_S 60
#define SESSIONS_MAX 64 /* of one member */

typedef struct Sessions Sessions; /* those of one member */

Sessions *sessions_new (Channel *channel);
/* Ends all with VDC_ERROR_UNREACHABLE. */
void sessions_free (Sessions *sessions);

/*
 * Begin with message @first ({"t":"exec",…} without its id; taken). Returns the session's id, borrowed; NULL:
 * VDC_ERROR_UNREACHABLE when the guest is not there, VDC_ERROR_NO_CAPACITY when there are too many.
 */
const char *sessions_begin (Sessions *sessions, json_t *first, GError **error);
/* A stdout, stderr, ack, exit or error message of the guest; others, and those of unknown sessions, are
 * ignored. */
void sessions_message (Sessions *sessions, const char *type, const json_t *message);
/* The guest is gone: every session ends with an error. */
void sessions_lost (Sessions *sessions);
gboolean sessions_has (Sessions *sessions, const char *id);

/* The three requests of the API; each answers @request. The session must be there. */
void sessions_output (Sessions *sessions, const char *id, HttpRequest *request);
void sessions_input (Sessions *sessions, const char *id, gboolean eof, HttpRequest *request);
void sessions_delete (Sessions *sessions, const char *id, HttpRequest *request);
