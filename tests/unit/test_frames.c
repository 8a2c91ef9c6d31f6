/* WebSocket frames as a client sends them, right and wrong, and what comes back. */
#include "vdc/http/frames.h"

#include <string.h>

typedef struct {
    Frames *frames;
    GByteArray *sent;
    GString *got; /* messages, each followed by '|' */
    guint messages;
    gsize last;
} Fixture;

static void
on_send (const void *data, gsize length, gpointer user_data)
{
    g_byte_array_append (((Fixture *)user_data)->sent, data, (guint)length);
}

static void
on_message (gboolean text, const void *data, gsize length, gpointer user_data)
{
    Fixture *f = user_data;
    f->messages++;
    f->last = length;
    if (length < 100)
        g_string_append_printf (f->got, "%.*s|", (int)length, (const char *)data);
}

static void
set_up (Fixture *f)
{
    static const FramesEvents events = {on_send, on_message};
    *f = (Fixture){.sent = g_byte_array_new (), .got = g_string_new (NULL)};
    f->frames = frames_new (&events, f);
}

static void
tear_down (Fixture *f)
{
    frames_free (f->frames);
    g_byte_array_unref (f->sent);
    g_string_free (f->got, TRUE);
}

/* A frame with the mask 1 2 3 4. */
static void
frame (Fixture *f, guint8 first, gboolean masked, const void *data, gsize length)
{
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    guint8 mask = masked ? 0x80 : 0, key[] = {1, 2, 3, 4};
    guint8 head[] = {first, mask | (length < 126 ? (guint8)length : length < 65536 ? 126 : 127)};
    g_byte_array_append (bytes, head, 2);
    for (int shift = length < 126 ? 0 : length < 65536 ? 16 : 64; shift > 0; shift -= 8) {
        guint8 byte = (guint8)((guint64)length >> (shift - 8));
        g_byte_array_append (bytes, &byte, 1);
    }
    if (masked)
        g_byte_array_append (bytes, key, 4);
    for (gsize i = 0; i < length; i++) {
        guint8 byte = ((const guint8 *)data)[i] ^ (masked ? key[i % 4] : 0);
        g_byte_array_append (bytes, &byte, 1);
    }
    frames_feed (f->frames, bytes->data, bytes->len);
}

static void
expect_closed (Fixture *f, guint code)
{
    g_assert_true (frames_is_over (f->frames));
    g_assert_cmpuint (frames_code (f->frames), ==, code);
    g_assert_cmpuint (f->sent->len, >=, 4);
    g_assert_cmphex (f->sent->data[0], ==, 0x88);
    g_assert_cmpuint (f->sent->data[2] << 8 | f->sent->data[3], ==, code);
}

static void
test_messages (void)
{
    Fixture f;
    set_up (&f);
    frame (&f, 0x81, TRUE, "one", 3);
    frame (&f, 0x02, TRUE, "tw", 2); /* in pieces, a ping between them */
    frame (&f, 0x89, TRUE, "p", 1);
    frame (&f, 0x80, TRUE, "o", 1);
    g_assert_cmpstr (f.got->str, ==, "one|two|");
    g_assert_cmpuint (f.sent->len, ==, 3);
    g_assert_cmpint (memcmp (f.sent->data, "\x8a\x01p", 3), ==, 0);
    g_byte_array_set_size (f.sent, 0);
    frames_send (f.frames, "xy", 2);
    frames_ping (f.frames);
    g_assert_cmpint (memcmp (f.sent->data, "\x82\x02xy\x89\x00", 6), ==, 0);
    tear_down (&f);
}

static void
test_closing (void)
{
    Fixture f;
    set_up (&f);
    frame (&f, 0x88, TRUE, "\x03\xe8", 2);
    expect_closed (&f, FRAMES_CLOSE_NORMAL);
    tear_down (&f);

    set_up (&f);
    frame (&f, 0x88, TRUE, "\x03", 1); /* half a code */
    g_assert_true (frames_is_over (f.frames));
    tear_down (&f);

    set_up (&f);
    frames_close (f.frames, FRAMES_CLOSE_POLICY, "revoked");
    g_assert_false (frames_is_over (f.frames));
    frames_send (f.frames, "late", 4);
    frame (&f, 0x88, TRUE, "\x03\xf0", 2);
    expect_closed (&f, FRAMES_CLOSE_POLICY);
    g_assert_cmpuint (f.sent->len, ==, 2 + 2 + strlen ("revoked"));
    tear_down (&f);
}

static void
test_breaches (void)
{
    static const struct {
        guint8 first;
        gboolean masked;
        const char *data;
        gsize length;
        guint code;
    } cases[] = {
        {0x81, FALSE, "x", 1, 1002},       /* no mask */
        {0xc1, TRUE, "x", 1, 1002},        /* a reserved bit */
        {0x83, TRUE, "x", 1, 1002},        /* an unknown kind */
        {0x80, TRUE, "x", 1, 1002},        /* goes on with nothing */
        {0x09, TRUE, "x", 1, 1002},        /* a ping in pieces */
        {0x81, TRUE, "\xc3(", 2, 1007},    /* no UTF-8 */
        {0x88, TRUE, "\x03\xee", 2, 1002}, /* 1006 is never sent */
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        Fixture f;
        set_up (&f);
        frame (&f, cases[i].first, cases[i].masked, cases[i].data, cases[i].length);
        g_test_message ("case %u", i);
        expect_closed (&f, cases[i].code);
        g_assert_cmpuint (f.messages, ==, 0);
        tear_down (&f);
    }
}

static void
test_limit (void)
{
    g_autofree char *data = g_malloc0 (FRAMES_MESSAGE_LIMIT_BYTES + 1);
    for (int i = -1; i <= 1; i++)
        for (int pieces = 0; pieces < 2; pieces++) {
            Fixture f;
            gsize size = (gsize)(FRAMES_MESSAGE_LIMIT_BYTES + i);
            set_up (&f);
            if (pieces) {
                frame (&f, 0x02, TRUE, data, size - 1);
                frame (&f, 0x80, TRUE, data, 1);
            } else
                frame (&f, 0x82, TRUE, data, size);
            if (i <= 0)
                g_assert_cmpuint (f.last, ==, size);
            else
                expect_closed (&f, FRAMES_CLOSE_TOO_BIG);
            tear_down (&f);
        }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/frames/messages", test_messages);
    g_test_add_func ("/frames/closing", test_closing);
    g_test_add_func ("/frames/breaches", test_breaches);
    g_test_add_func ("/frames/limit", test_limit);
    return g_test_run ();
}
