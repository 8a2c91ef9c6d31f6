/* What server_link.c and server_send.c share of one connection. On the net thread. */
#pragma once

#include "vdc/http/server_private.h"

/* One read, one record, one piece of a stream. */
#define READ_BYTES (16 * 1024)

/* After a step: may the next one be tried at once? */
typedef enum { STEP_WAIT, STEP_AGAIN } Step;

void link_receive_within (Link *link, LinkState state, gint64 within_us);
Step link_die (Link *link);

/* As tls_session_read, also of a plain connection. */
TlsResult link_read (Link *link, void *buffer, gsize size, gsize *n);
/* For sending; takes @bytes. */
void link_queue (Link *link, GBytes *bytes);
void link_drop_queue (Link *link);
/* TLS_DONE: all is out. *@some: anything went out. */
TlsResult link_flush (Link *link, gboolean *some);

/* Answer without the main loop, and close. Takes what is in @refusal. */
Step link_refuse (Link *link, HttpRefusal *refusal);
/* The same with what is wrong with the head. */
Step link_refuse_head (Link *link);
/* The request has its answer. */
Step link_begin_answer (Link *link);
void link_finish_request (Link *link);
Step link_step_answer (Link *link);
Step link_step_linger (Link *link);
Step link_step_stream (Link *link);
/* [lock held] Bytes for the producer of an upgraded connection are to be read. */
gboolean link_takes_input (const HttpStream *stream);
