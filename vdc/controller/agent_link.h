/*
 * Calls to the agents: at most one under way per member and per volume, repeated with growing pauses until
 * the reports agree. Only servers that have reported in full are called.
 */
#pragma once

#include "vdc/controller/controller.h"

/* Volumes: where new ones go, and those whose record may go. Changes records only. */
void agent_link_decide_volumes (Controller *controller);
/* Ask for whatever reports do not show yet. After a commit only. */
void agent_link_act (Controller *controller);

/* "https://10.254.0.1:8444/v1/instances/APP/MEMBER" + @suffix. Caller frees. NULL: the member has no server.
 */
char *agent_link_instance_url (Controller *controller, const ApplicationRecord *application,
                               const MemberRecord *member, const char *suffix);
