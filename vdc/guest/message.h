/*
 * Framing and first parse of what comes over the channel: lines of JSON, at most MESSAGE_LIMIT bytes each.
 * Pure. PROTOCOL.md describes the messages.
 */
#pragma once

#include "vdc/guest/util.h"

#define MESSAGE_VERSION 1
#define MESSAGE_LIMIT (256 * 1024)

typedef struct {
    Buffer line;
    bool skipping;    /* inside a line that is too long */
    unsigned dropped; /* lines that were too long */
} LineReader;

/*
 * Adds @data. @line is called for each complete line, without its end, not empty; the text is only valid
 * during the call. Over-long lines are dropped whole.
 */
void line_reader_feed (LineReader *reader, const char *data, size_t length,
                       void (*line) (const char *text, size_t length, void *context), void *context);
void line_reader_reset (LineReader *reader);

/* An object with a type "t". New reference, or NULL and @error. */
json_t *message_parse (const char *text, size_t length, char **error);
const char *message_type (const json_t *message);

/* "argv" of exec: 1 to 256 strings. Caller frees the array (the strings belong to @message). */
const char **message_argv (const json_t *message, char **error);
/* "id": 1 to 64 characters of [A-Za-z0-9_-]; NULL otherwise. */
const char *message_id (const json_t *message);
/* "path": absolute, no "..", at most 4096 bytes; NULL and @error otherwise. */
const char *message_path (const json_t *message, char **error);
/* "mode": integer or octal string, 0 to 07777. */
unsigned message_mode (const json_t *message, unsigned fallback);
