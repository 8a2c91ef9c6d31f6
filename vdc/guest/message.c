#include "vdc/guest/message.h"

#include <stdlib.h>
#include <string.h>

static void
take_line (LineReader *reader, void (*line) (const char *text, size_t length, void *context), void *context)
{
    if (!reader->skipping && reader->line.length)
        line (reader->line.data, reader->line.length, context);
    reader->skipping = false;
    reader->line.length = 0;
}

void
line_reader_feed (LineReader *reader, const char *data, size_t length,
                  void (*line) (const char *text, size_t length, void *context), void *context)
{
    while (length) {
        const char *end = memchr (data, '\n', length);
        size_t part = end ? (size_t)(end - data) : length;

        if (!reader->skipping && reader->line.length + part > MESSAGE_LIMIT) {
            reader->skipping = true;
            reader->dropped++;
            reader->line.length = 0;
        }
        if (!reader->skipping)
            buffer_add (&reader->line, data, part);
        if (end)
            take_line (reader, line, context);
        part += end ? 1 : 0;
        data += part;
        length -= part;
    }
}

void
line_reader_reset (LineReader *reader)
{
    buffer_clear (&reader->line);
    reader->skipping = false;
}

json_t *
message_parse (const char *text, size_t length, char **error)
{
    json_error_t where;
    json_t *message = json_loadb (text, length, JSON_REJECT_DUPLICATES, &where);

    if (!message) {
        fail (error, "no JSON: %s", where.text);
        return NULL;
    }
    if (!json_is_object (message) || !message_type (message)) {
        fail (error, "no object with a type \"t\"");
        json_decref (message);
        return NULL;
    }
    return message;
}

const char *
message_type (const json_t *message)
{
    return json_string_value (json_object_get (message, "t"));
}

const char **
message_argv (const json_t *message, char **error)
{
    json_t *list = json_object_get (message, "argv");
    size_t count = json_array_size (list);
    const char **argv;

    if (count < 1 || count > 256) {
        fail (error, "argv must be a list of 1 to 256 strings");
        return NULL;
    }
    argv = util_alloc ((count + 1) * sizeof *argv);
    for (size_t i = 0; i < count; i++) {
        argv[i] = json_string_value (json_array_get (list, i));
        if (!argv[i]) {
            fail (error, "argv must be a list of strings");
            free (argv);
            return NULL;
        }
    }
    return argv;
}

const char *
message_id (const json_t *message)
{
    const char *id = json_text_of (message, "id", "");
    size_t length = strlen (id);
    size_t good = strspn (id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    return length > 0 && length <= 64 && good == length ? id : NULL;
}

const char *
message_path (const json_t *message, char **error)
{
    const char *path = json_text_of (message, "path", "");
    size_t length = strlen (path);

    if (path[0] == '/' && length <= 4096 && !strstr (path, "/../") &&
        (length < 3 || strcmp (path + length - 3, "/..")))
        return path;
    fail (error, "path must be absolute, without \"..\"");
    return NULL;
}

unsigned
message_mode (const json_t *message, unsigned fallback)
{
    json_t *value = json_object_get (message, "mode");
    const char *text = json_string_value (value);
    int64_t mode = json_is_integer (value) ? json_integer_value (value) : -1;

    if (text && *text && strspn (text, "01234567") == strlen (text) && strlen (text) <= 6)
        mode = strtol (text, NULL, 8);
    return mode >= 0 && mode <= 07777 ? (unsigned)mode : fallback;
}
