/* Anything a hostile guest could send to the agent: lines, messages, and what the agent keeps of them. */
#include "vdc/agent/guest_state.h"
#include "vdc/agent/lines.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gboolean
use_line (const char *line, gsize length, gpointer user_data)
{
    GuestState *guest = user_data;
    const char *type = NULL;
    g_autoptr (json_t) message = line_parse_message (line, length, &type);

    if (message == NULL)
        return TRUE;
    guest_state_take (guest, type, message);
    g_autoptr (json_t) report = guest_state_report (guest);
    if (report == NULL) /* text that JSON cannot carry went through */
        abort ();
    return TRUE;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    LineReader reader;
    GuestState guest = {0};
    gsize half = size / 2;

    line_reader_init (&reader);
    guest_state_reset (&guest);
    line_reader_feed (&reader, data, half, use_line, &guest);
    line_reader_feed (&reader, data + half, size - half, use_line, &guest);
    line_reader_feed (&reader, "\n", 1, use_line, &guest);
    line_reader_clear (&reader);
    guest_state_clear (&guest);
    return 0;
}
