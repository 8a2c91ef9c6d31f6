/*
 * The instance's life as seen from inside: settings → network, names, volumes → configure → (go) → start →
 * probe and check → ready → check every 10 s → stop → power off.
 *
 *   booting → configuring → waiting → starting → ready
 *                 ↑            any of these → maintenance, failed, stopping
 *
 * Invariants:
 *  1. One process (hook or volume work) at a time. Settings that arrive meanwhile wait; only the newest is
 * kept.
 *  2. `configured N` is sent after everything of revision N was done, never before.
 *  3. Configure and start hook first run when `go` is true, the start hook once per boot; again only
 * after a failure and changed settings.
 *  4. What a restarted vdc-guest must know is in /run/vdc (instance.json, state.json), written before it is
 * reported.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

void life_init (void);
/* The hello of this moment; @nonce may be NULL. */
json_t *life_hello (const char *nonce);
/* After a new hello: state, check, counters are sent again. */
void life_resend (void);
/* settings, stop, freeze, thaw, clock, ping. False when @message is none of these. */
bool life_message (const json_t *message);
/* From vdc-notify. @privileged: the caller is root. NULL, or why not (static text). */
const char *life_notify (const json_t *message, bool privileged);
/* Environment for commands, owned here, valid until the next settings. */
char **life_environment (void);
/* A welcome may have waited in the channel while we booted: its time only sets forwards. */
void life_set_clock (int64_t time_ns, bool backwards);
