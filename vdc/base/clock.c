#include "vdc/base/clock.h"

struct Clock {
    gboolean manual;
    gint64 monotonic_us;
    gint64 wall_us;
};

Clock *
clock_real (void)
{
    static Clock real = {.manual = FALSE};
    return &real;
}

Clock *
clock_manual_new (gint64 wall_us)
{
    Clock *clock = g_new0 (Clock, 1);
    clock->manual = TRUE;
    clock->wall_us = wall_us;
    return clock;
}

void
clock_manual_advance (Clock *clock, gint64 microseconds)
{
    g_assert (clock->manual && microseconds >= 0);
    clock->monotonic_us += microseconds;
    clock->wall_us += microseconds;
}

void
clock_manual_free (Clock *clock)
{
    g_free (clock);
}

gint64
clock_monotonic_us (Clock *clock)
{
    return clock->manual ? clock->monotonic_us : g_get_monotonic_time ();
}

gint64
clock_wall_us (Clock *clock)
{
    return clock->manual ? clock->wall_us : g_get_real_time ();
}

char *
clock_stamp (Clock *clock)
{
    gint64 us = clock_wall_us (clock);
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (us / G_USEC_PER_SEC);
    g_autofree char *seconds = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf ("%s.%03dZ", seconds, (int) (us % G_USEC_PER_SEC / 1000));
}
