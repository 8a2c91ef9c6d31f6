/* What the parts of a life share: life.c, and job_actions.c which takes its operations back. */
#pragma once

#include "vdc/controller/operation.h"

/* Stop all of it, as the way back of a start. *@steps: new array. Always TRUE. */
gboolean life_stop_again (Controller *controller, ApplicationRecord *application, json_t **steps);
/* Start what a stop has stopped so far; what still runs stays. FALSE: no room any more, or the like. */
gboolean life_start_again (Controller *controller, Operation *operation, ApplicationRecord *application,
                           json_t **steps, GError **error);
/* @undo: {"off": [MEMBER…], "on": [MEMBER…]}. */
gboolean life_switch_back (Controller *controller, Operation *operation, ApplicationRecord *application,
                           const json_t *undo, json_t **steps, GError **error);
