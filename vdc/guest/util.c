#include "vdc/guest/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void (*guest_log_hook) (const char *text);

void
util_free (void *pointer)
{
    free (*(void **)pointer);
}

void
util_json_free (json_t **value)
{
    json_decref (*value);
}

void
util_close (int *fd)
{
    if (*fd >= 0)
        close (*fd);
}

void *
util_alloc (size_t size)
{
    void *memory = calloc (1, size);

    if (!memory)
        abort ();
    return memory;
}

char *
util_dup (const char *text)
{
    char *copy = strdup (text ? text : "");

    if (!copy)
        abort ();
    return copy;
}

static char *
format_text (const char *format, va_list arguments)
{
    char *text;

    if (vasprintf (&text, format, arguments) < 0)
        abort ();
    return text;
}

char *
util_printf (const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start (arguments, format);
    text = format_text (format, arguments);
    va_end (arguments);
    return text;
}

bool
fail (char **error, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return false;
    va_start (arguments, format);
    *error = format_text (format, arguments);
    va_end (arguments);
    return false;
}

void
guest_log (const char *format, ...)
{
    AUTO_FREE char *text = NULL;
    va_list arguments;

    va_start (arguments, format);
    text = format_text (format, arguments);
    va_end (arguments);
    dprintf (2, "vdc-guest: %s\n", text);
    if (guest_log_hook)
        guest_log_hook (text);
}

int64_t
monotonic_ms (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C (1000) + now.tv_nsec / 1000000;
}

void
buffer_add (Buffer *buffer, const void *data, size_t length)
{
    size_t need = buffer->length + length + 1;

    if (need > buffer->allocated) {
        buffer->allocated = need * 2 < 512 ? 512 : need * 2;
        buffer->data = realloc (buffer->data, buffer->allocated);
        if (!buffer->data)
            abort ();
    }
    if (length)
        memcpy (buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void
buffer_printf (Buffer *buffer, const char *format, ...)
{
    AUTO_FREE char *text = NULL;
    va_list arguments;

    va_start (arguments, format);
    text = format_text (format, arguments);
    va_end (arguments);
    buffer_add (buffer, text, strlen (text));
}

void
buffer_consume (Buffer *buffer, size_t length)
{
    if (length == 0)
        return;
    buffer->length -= length;
    memmove (buffer->data, buffer->data + length, buffer->length + 1);
}

void
buffer_clear (Buffer *buffer)
{
    free (buffer->data);
    *buffer = (Buffer){0};
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_encode (const void *data, size_t length)
{
    const unsigned char *from = data;
    char *text = util_alloc ((length + 2) / 3 * 4 + 1);
    char *to = text;

    for (size_t i = 0; i < length; i += 3) {
        unsigned value =
            from[i] << 16 | (i + 1 < length ? from[i + 1] << 8 : 0) | (i + 2 < length ? from[i + 2] : 0);

        *to++ = base64_digits[value >> 18];
        *to++ = base64_digits[value >> 12 & 63];
        *to++ = i + 1 < length ? base64_digits[value >> 6 & 63] : '=';
        *to++ = i + 2 < length ? base64_digits[value & 63] : '=';
    }
    return text;
}

static int
base64_value (char digit)
{
    const char *found = digit ? strchr (base64_digits, digit) : NULL;

    return found ? (int)(found - base64_digits) : -1;
}

unsigned char *
base64_decode (const char *text, size_t *length)
{
    size_t size = strlen (text), out = 0;
    unsigned char *data;

    if (size % 4)
        return NULL;
    data = util_alloc (size / 4 * 3 + 1);
    for (size_t i = 0; i < size; i += 4) {
        bool last = i + 4 == size;
        int padding = last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
        unsigned value = 0;

        for (int j = 0; j < 4; j++) {
            int digit = j >= 4 - padding ? 0 : base64_value (text[i + j]);

            if (digit < 0) {
                free (data);
                return NULL;
            }
            value = value << 6 | digit;
        }
        for (int j = 0; j < 3 - padding; j++)
            data[out++] = value >> (16 - 8 * j);
    }
    *length = out;
    return data;
}

char *
file_read (const char *path, size_t limit)
{
    AUTO_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
    Buffer buffer = {0};
    char block[4096];
    ssize_t count;

    if (fd < 0)
        return NULL;
    buffer_add (&buffer, "", 0);
    while ((count = read (fd, block, sizeof block)) > 0) {
        buffer_add (&buffer, block, count);
        if (buffer.length > limit)
            break;
    }
    if (count == 0)
        return buffer.data;
    buffer_clear (&buffer);
    return NULL;
}

static bool
write_all (int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t count = write (fd, text, length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        text += count;
        length -= count;
    }
    return true;
}

bool
file_write (const char *path, const char *text, size_t length, unsigned mode, char **error)
{
    AUTO_FREE char *temporary = util_printf ("%s.vdc-new", path);
    AUTO_FREE char *present = file_read (path, length);
    AUTO_CLOSE int fd = -1;

    if (present && strlen (present) == length && memcmp (present, text, length) == 0)
        return true;
    unlink (temporary);
    fd = open (temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || !write_all (fd, text, length) || rename (temporary, path) < 0) {
        fail (error, "cannot write %s: %s", path, strerror (errno));
        unlink (temporary);
        return false;
    }
    return true;
}

bool
file_poke (const char *path, const char *text)
{
    AUTO_CLOSE int fd = open (path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write (fd, text, strlen (text)) == (ssize_t)strlen (text);
}

void
buffer_add_quoted (Buffer *buffer, const char *text)
{
    buffer_add (buffer, "'", 1);
    for (; *text; text++) {
        if (*text == '\'')
            buffer_add (buffer, "'\\''", 4);
        else
            buffer_add (buffer, text, 1);
    }
    buffer_add (buffer, "'", 1);
}

bool
name_valid (const char *name)
{
    size_t length = name ? strlen (name) : 0;

    return length > 0 && length <= 32 && name[0] >= 'a' && name[0] <= 'z' &&
           strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

bool
address_parse (const char *text, uint32_t *address)
{
    struct in_addr parsed;

    if (!text || inet_pton (AF_INET, text, &parsed) != 1)
        return false;
    *address = ntohl (parsed.s_addr);
    return true;
}

const char *
json_text_of (const json_t *object, const char *key, const char *fallback)
{
    const char *text = json_string_value (json_object_get (object, key));

    return text ? text : fallback;
}

int64_t
json_int_of (const json_t *object, const char *key, int64_t fallback)
{
    json_t *value = json_object_get (object, key);

    return json_is_integer (value) ? json_integer_value (value) : fallback;
}

bool
json_bool_of (const json_t *object, const char *key, bool fallback)
{
    json_t *value = json_object_get (object, key);

    return json_is_boolean (value) ? json_is_true (value) : fallback;
}
