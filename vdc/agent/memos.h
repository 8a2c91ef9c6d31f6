/*
 * What the controller wants to be told again if it ever loses its memory: one JSON text for each application
 * with something on this server, kept as it came. The agent reads nothing in it but "digest", by which the
 * controller knows whether it is the newest.
 *
 * Files STATE/memos/ID.json, 0600, replaced whole. Main loop only.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

#define MEMO_MAX_BYTES (1024 * 1024)
#define MEMOS_MAX 20000
#define MEMOS_PAGE 50

typedef struct Memos Memos;

Memos *memos_new (const char *folder, GError **error);
void memos_free (Memos *memos);

/* An application's id: 8 to 32 hex digits. */
gboolean memo_is_id (const char *text);
/* Durable when TRUE. @text is an object with a "digest". VDC_ERROR_INVALID, TOO_LARGE, FULL. */
gboolean memos_put (Memos *memos, const char *id, const char *text, gsize length, GError **error);
/* A missing one is no error. */
gboolean memos_delete (Memos *memos, const char *id, GError **error);
/* [{"id", "digest"}], or with @whole the memos themselves ({"id", "memo"}) after @after, MEMOS_PAGE at most. */
json_t *memos_list (Memos *memos, const char *after, gboolean whole);
