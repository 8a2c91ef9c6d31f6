#include "vdc/agent/lines.h"

#include <string.h>

#define TYPE_MAX 32

void
line_reader_init (LineReader *reader)
{
    reader->pending = g_byte_array_new ();
    reader->skipping = FALSE;
    reader->dropped = 0;
}

void
line_reader_clear (LineReader *reader)
{
    g_clear_pointer (&reader->pending, g_byte_array_unref);
}

void
line_reader_reset (LineReader *reader)
{
    g_byte_array_set_size (reader->pending, 0);
    reader->skipping = FALSE;
}

static void
add (LineReader *reader, const guint8 *data, gsize length)
{
    if (!reader->skipping && reader->pending->len + length > LINE_LIMIT_BYTES) {
        g_byte_array_set_size (reader->pending, 0);
        reader->skipping = TRUE;
        reader->dropped++;
    }
    if (!reader->skipping)
        g_byte_array_append (reader->pending, data, (guint)length);
}

gboolean
line_reader_feed (LineReader *reader, const void *data, gsize length, LineFunction function,
                  gpointer user_data)
{
    const guint8 *at = data;
    const guint8 *end = at + length;

    while (at < end) {
        const guint8 *newline = memchr (at, '\n', (gsize)(end - at));
        add (reader, at, (gsize)((newline ? newline : end) - at));
        if (newline == NULL)
            return TRUE;
        at = newline + 1;
        gboolean skipped = reader->skipping;
        reader->skipping = FALSE;
        if (skipped)
            continue;
        gsize line_length = reader->pending->len;
        g_byte_array_append (reader->pending, (const guint8 *)"", 1);
        gboolean go_on = function ((const char *)reader->pending->data, line_length, user_data);
        g_byte_array_set_size (reader->pending, 0);
        if (!go_on)
            return FALSE;
    }
    return TRUE;
}

json_t *
line_parse_message (const char *line, gsize length, const char **type)
{
    g_autoptr (json_t) message = json_parse (line, length, NULL);
    const char *t = json_str (message, "t", NULL);

    if (t == NULL || strlen (t) > TYPE_MAX)
        return NULL;
    *type = t;
    return g_steal_pointer (&message);
}
