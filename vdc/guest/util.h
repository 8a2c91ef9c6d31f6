/*
 * What vdc-guest needs of a base library. The guest is linked statically with libc and jansson only (no GLib:
 * size, and start time under TCG), so it has its own few helpers. All allocations abort when memory is out:
 * init starts us again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

/* Scope cleanup. */
#define AUTO_FREE __attribute__ ((cleanup (util_free)))
#define AUTO_JSON __attribute__ ((cleanup (util_json_free)))
#define AUTO_CLOSE __attribute__ ((cleanup (util_close)))
void util_free (void *pointer);
void util_json_free (json_t **value);
void util_close (int *fd);

void *util_alloc (size_t size); /* zeroed */
char *util_dup (const char *text);
char *util_printf (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* Sets *error (caller frees; may be NULL) and returns false. */
bool fail (char **error, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* One line on the console and, when a connection is up, to the agent. */
void guest_log (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
extern void (*guest_log_hook) (const char *text);

int64_t monotonic_ms (void);

/* Growing bytes. Bytes are consumed at the front. */
typedef struct {
    char *data;
    size_t length;
    size_t allocated;
} Buffer;

void buffer_add (Buffer *buffer, const void *data, size_t length);
void buffer_printf (Buffer *buffer, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
void buffer_consume (Buffer *buffer, size_t length);
void buffer_clear (Buffer *buffer);

/* Caller frees. base64_decode gives NULL on anything that is not canonical base64. */
char *base64_encode (const void *data, size_t length);
unsigned char *base64_decode (const char *text, size_t *length);

/* A whole small file, NUL-terminated; NULL when unreadable or longer than @limit. */
char *file_read (const char *path, size_t limit);
/* Replaced by rename; @mode as for open. Text equal to what is there leaves the file alone. */
bool file_write (const char *path, const char *text, size_t length, unsigned mode, char **error);
/* Into a /proc or /sys file; false when it could not. */
bool file_poke (const char *path, const char *text);

/* "a'b" → 'a'\''b': one shell word. */
void buffer_add_quoted (Buffer *buffer, const char *text);

/* [a-z][a-z0-9_]{0,31}: terminals, properties, slots; what may become part of a file or variable name. */
bool name_valid (const char *name);
/* Dotted quad → host byte order. */
bool address_parse (const char *text, uint32_t *address);

const char *json_text_of (const json_t *object, const char *key, const char *fallback);
int64_t json_int_of (const json_t *object, const char *key, int64_t fallback);
bool json_bool_of (const json_t *object, const char *key, bool fallback);
