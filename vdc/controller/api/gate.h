/*
 * What every request of the API goes through before its handler, and every answer before it is sent: the
 * query and the body are checked against the route's row, only the fields asked for are answered.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/http/router.h"

void gate_add (HttpRouter *router, Controller *controller);
