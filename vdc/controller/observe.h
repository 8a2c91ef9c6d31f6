/*
 * What a member's newest report means: ready, failed, to be restarted, to be given up.
 */
#pragma once

#include "vdc/controller/controller.h"

/* Look at one member that is wished on. Changes its record only. */
void observe_member (Controller *controller, ApplicationRecord *application, MemberRecord *member);
/* Publish the state that follows from its record and report. */
void observe_publish (Controller *controller, ApplicationRecord *application, MemberRecord *member);
