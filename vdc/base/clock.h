/*
 * Time. Parts that wait or stamp take a Clock, so that a test owns the time.
 */
#pragma once

#include <glib.h>

typedef struct Clock Clock;

/* The machine's clock. Static; needs no free. */
Clock *clock_real (void);
/* Starts at 0 monotonic and @wall_us; moves only by clock_manual_advance. Free with clock_manual_free. */
Clock *clock_manual_new (gint64 wall_us);
void clock_manual_advance (Clock *clock, gint64 microseconds);
void clock_manual_free (Clock *clock);

/* Never goes back; for durations. */
gint64 clock_monotonic_us (Clock *clock);
/* Since the epoch; for stamps. */
gint64 clock_wall_us (Clock *clock);
/* "2026-11-22T09:15:02.123Z". Caller frees. */
char *clock_stamp (Clock *clock);
