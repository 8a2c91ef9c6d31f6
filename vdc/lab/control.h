/*
 * The supervisor's control socket: one JSON object a line, both ways. Request
 * {"op":"status"|"down"|"kill"|"start", …}; answers {"text":"…"} (progress, any number), then {"done":{…}} or
 * {"error":{"code","message"}}. The socket lies in the lab's folder (mode 0700, root).
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/lab/paths.h"

#include <gio/gio.h>
#include <glib.h>

typedef struct Control Control;
typedef struct ControlReply ControlReply;

/* A request came. Answer it now or later; @reply stays valid until control_done or control_failed. */
typedef void (*ControlRequest) (ControlReply *reply, const json_t *request, gpointer user_data);

Control *control_listen (const LabPaths *paths, ControlRequest func, gpointer user_data, GError **error);
/* Stops listening and removes the socket; connections with an open reply stay. */
void control_free (Control *control);

void control_text (ControlReply *reply, const char *text);
/* Steals @result. The reply is gone afterwards. */
void control_done (ControlReply *reply, json_t *result);
void control_failed (ControlReply *reply, const GError *error);

/* Lines of the kind above, for the pipe to a waiting "lab up". Caller frees. */
char *control_line_text (const char *text);
char *control_line_error (const GError *error);

/* The client's side, blocking. @progress is called for each {"text"}; may be NULL. */
typedef void (*ControlProgress) (const char *text, gpointer user_data);

/* The "done" object, caller owns. VDC_ERROR_UNREACHABLE when no supervisor listens. */
json_t *control_call (const LabPaths *paths, const json_t *request, ControlProgress progress,
                      gpointer user_data, GError **error);
/* The same from any stream of such lines. VDC_ERROR_UNKNOWN_RESULT when it ends without a result. */
json_t *control_read (int fd, ControlProgress progress, gpointer user_data, GError **error);
