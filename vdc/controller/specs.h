/*
 * Keeps every member's spec up to date: go flag, guest settings with their revision, generation.
 */
#pragma once

#include "vdc/controller/controller.h"

/* Decide the go flags and count up revisions and generations of what changed. Changes records only. */
void specs_update (Controller *controller, ApplicationRecord *application);
/* SPEC to send now, as last updated. New reference; NULL: no such member in the topology. */
json_t *specs_build (Controller *controller, ApplicationRecord *application, const MemberRecord *member);
/* The VM shall be on: wished, not being restarted, not given up. */
gboolean specs_power (const ApplicationRecord *application, const MemberRecord *member);
