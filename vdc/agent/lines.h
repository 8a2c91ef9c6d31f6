/*
 * Bytes into lines, bounded: what a guest sends is anything at all. A line over the limit is dropped whole,
 * up to its newline, and counted.
 */
#pragma once

#include "vdc/base/json.h"

/* One protocol line, without its newline. */
#define LINE_LIMIT_BYTES (256 * 1024)

typedef struct {
    GByteArray *pending;
    gboolean skipping; /* inside a line that is too long */
    guint dropped;
} LineReader;

/* @line is 0-terminated at @length; it may hold other NULs. FALSE: stop, the rest of the bytes is dropped. */
typedef gboolean (*LineFunction) (const char *line, gsize length, gpointer user_data);

void line_reader_init (LineReader *reader);
void line_reader_clear (LineReader *reader);
/* Forget a begun line. */
void line_reader_reset (LineReader *reader);
/* @function must not touch the reader except by returning FALSE. FALSE when it did. */
gboolean line_reader_feed (LineReader *reader, const void *data, gsize length, LineFunction function,
                           gpointer user_data);

/*
 * A message: one JSON object with a string "t" of at most 32 bytes. NULL: anything else. *@type is borrowed
 * from it.
 */
json_t *line_parse_message (const char *line, gsize length, const char **type);
