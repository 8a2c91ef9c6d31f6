/*
 * What every request of the API goes through before its handler, and every answer before it is sent:
 *
 *   query and body fit the route's row → If-Match → the same Idempotency-Key as before: the same answer
 *   → handler →
 *   only the fields asked for → ETag, 304 → remembered under its key
 */
#pragma once

#include "vdc/controller/keys.h"
#include "vdc/http/router.h"

void gate_add (HttpRouter *router, Controller *controller);
/* Of a request with an Idempotency-Key, for operation_finish; NULL: it has none. Borrowed. */
RequestKey *gate_key (HttpRequest *request);
/*
 * The name under which agents know what @request asks of them: the same for the same key, so that they do it
 * once. NULL: it has no key, whoever sends it twice means it. Borrowed.
 */
const char *gate_operation (HttpRequest *request);
