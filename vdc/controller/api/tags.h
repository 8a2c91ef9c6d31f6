/*
 * ETags. Every GET has one: a strong one, over the bytes of the answer. For an application's own it begins
 * with what does not change by itself, "ID.REVISION.DIGEST": If-Match compares these two only, so that
 * somebody who looked, and then changes it, is refused when the description changed meanwhile and not when a
 * member came up.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/http/router.h"

/* For a GET's handler: the answer shows this application at this revision. */
void tags_set_application (HttpRequest *request, const ApplicationRecord *application);
/* "ID.REVISION", for a 412 and for tests. Caller frees. */
char *tags_application (const ApplicationRecord *application);
/* Add ETag to a GET's 200; 304 without bytes when the client has it already. */
void tags_answer (HttpRequest *request, guint *status, GBytes **bytes);
/* If-Match of a changing request. FALSE: 412 with what it is now, or 400 where the route knows no If-Match.
 */
gboolean tags_check (Controller *controller, HttpRequest *request, const HttpRoute *route);
