/*
 * Desired against reported, on every change, report and tick.
 *
 * One round: look at every report, decide what follows, publish states, commit all of it, and only then ask
 * the agents. A round has no memory of its own: after kill -9 at any point the next one, from the store and
 * fresh reports, comes to the same decisions. What is asked of agents is idempotent (PUT and DELETE with
 * operation id and generation) and is asked again until their reports say so.
 */
#pragma once

#include "vdc/controller/controller.h"

void reconcile_all (Controller *controller);
