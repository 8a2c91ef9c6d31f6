/*
 * Where tests tell the fake hypervisor what shall happen to it: a datagram socket in its folder. One word is
 * one death, as by kill -9, of the newest of its kind:
 *
 *   vm        a VM's process: it ends as crashed
 *   guest     a VM's vdc-guest, which init starts again: its connection is lost, what it knew it knows again
 *   libvirtd  nothing can be asked of it, until it is back after FAKE_AWAY_MS
 */
#pragma once

#include <glib.h>

#define FAKE_AWAY_MS 400

typedef struct FakeControl FakeControl;
typedef void (*FakeCommand) (const char *word, gpointer user_data);

/* @command is called on the main loop. NULL when there can be no socket (its path is too long): then nobody
 * tells. */
FakeControl *fake_control_new (const char *folder, FakeCommand command, gpointer user_data);
void fake_control_free (FakeControl *control);
