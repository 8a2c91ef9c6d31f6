/*
 * A pretended guest: listens where QEMU would have put the guest channel and behaves as vdc-guest does
 * towards the agent. Runs no programs: exec knows echo, cat, true, false and "exit N"; files put can be got.
 * Main loop only.
 */
#pragma once

#include "vdc/base/json.h"

typedef enum {
    FAKE_BOOT = 1 << 0,     /* never says hello */
    FAKE_HANG = 1 << 1,     /* never ready */
    FAKE_FAIL = 1 << 2,     /* start hook fails */
    FAKE_CRASH = 1 << 3,    /* dies after ready */
    FAKE_STUBBORN = 1 << 4, /* ignores stop */
    FAKE_SLOW = 1 << 5,     /* ten times slower */
    FAKE_START = 1 << 6,    /* the VM itself cannot be made */
    FAKE_DEAF = 1 << 7,     /* confirms settings that come after its start late */
} FakeFaults;

typedef struct FakeGuest FakeGuest;

/* It ended by itself: "shutdown" or "crashed". Free it later, not from within. */
typedef void (*FakeGuestEnded) (FakeGuest *guest, const char *detail, gpointer user_data);

/* @console: socket of its serial console, NULL: none. @screen: socket of its screen, NULL: it has none. @up:
 * it has been running for long; no boot, settings known. */
FakeGuest *fake_guest_new (const char *channel, const char *console, const char *console_log,
                           const char *screen, FakeFaults faults, gboolean up, FakeGuestEnded ended,
                           gpointer user_data);
/* As vdc-guest is, killed and started again by init: the connection is lost, its state is kept. */
void fake_guest_kill (FakeGuest *guest);
void fake_guest_free (FakeGuest *guest);

/* "boot:WEB,crash:*" for @class_name, and the word in the settings' property "fake_fault". */
FakeFaults fake_faults (const char *list, const char *class_name, const json_t *settings);
