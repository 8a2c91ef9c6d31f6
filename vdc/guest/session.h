/*
 * exec, put and get over the channel. Each session has an id of the agent's; output is sent in parts of at
 * most 32 KiB and at most SESSION_WINDOW bytes wait for the agent's ack; the other way we ack what was passed
 * on. See PROTOCOL.md.
 */
#pragma once

#include "vdc/guest/message.h"

#define SESSION_WINDOW (256 * 1024)
#define SESSION_PART (32 * 1024)

/* exec, put, get, stdin, ack, close. False when @message is none of these. @environment: of commands,
 * borrowed. */
bool session_message (const json_t *message, char **environment);
/* The connection is gone: all sessions end, their commands are killed. */
void session_end_all (void);
/* Output paused by a full channel goes on. */
void session_resume_all (void);
