/*
 * The screen of a pretended VM: an RFB 3.8 server on a unix socket, 64 × 48 pixels of one colour, which is
 * the last key pressed (its keysym as 0x00RRGGBB). One viewer at a time. Main loop only.
 */
#pragma once

#include <glib.h>

typedef struct FakeScreen FakeScreen;

#define FAKE_SCREEN_WIDTH 64
#define FAKE_SCREEN_HEIGHT 48

/* NULL: it cannot listen there. */
FakeScreen *fake_screen_new (const char *socket_path);
void fake_screen_free (FakeScreen *screen);
