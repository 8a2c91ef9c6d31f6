/*
 * What a viewer of an application must not read in it: addresses of agents and folders of servers, which come
 * in with errors. Who is a viewer of the grid reads them.
 */
#pragma once

#include "vdc/controller/access/access.h"

/* Takes and returns @body, which may share values with records: those are not changed. Main loop. */
json_t *access_redact (Controller *controller, const Principal *principal, json_t *body);
