/* Any frame a guest could send to the agent's probe. What counts as an answer must be one to what was asked.
 */
#include "vdc/agent/probe_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    const ProbeEnds ends = {{{2, 1, 1, 1, 1, 1}}, {{2, 2, 2, 2, 2, 2}}, 0x644000ff, 0x64400005};
    const ProbeAsked asked = {50000, 80, 0x01020304};
    g_autofree guint8 *copy = g_memdup2 (data, size); /* so that one byte too far is seen */
    ProbeAnswer answer = probe_frame_read (copy, size, &ends, &asked);
    if (answer != PROBE_NOTHING && (size < 42 || memcmp (data + 6, ends.peer_mac.bytes, 6) != 0))
        abort ();
    if ((answer == PROBE_OPEN || answer == PROBE_CLOSED) &&
        (size < 54 || memcmp (data + 26, "\x64\x40\0\x05", 4) != 0))
        abort ();
    return 0;
}
