/*
 * The one place where a state changes: it is checked against the diagram of lifecycle.h, logged, and its
 * event noted.
 */
#pragma once

#include "vdc/controller/controller.h"

/* @text may be NULL. Nothing happens when state and text stay. */
void move_member (Controller *controller, ApplicationRecord *application, MemberRecord *member, State to,
                  const char *text);
void move_application (Controller *controller, ApplicationRecord *application, State to);
void move_phase (Controller *controller, ApplicationRecord *application, Phase to);

/* Give a member up: {step, code, message, remedy, console_tail} for people. @remedy and @tail may be NULL. */
void member_give_up (Controller *controller, ApplicationRecord *application, MemberRecord *member,
                     const char *step, const char *code, const char *message, const char *remedy,
                     const char *tail);
