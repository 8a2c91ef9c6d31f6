/* ?fields=name,error.message: only these of an object, or of each object of a list. */
#pragma once

#include "vdc/http/router.h"

/* FALSE: VDC_ERROR_USAGE, one of them is no field of the route's answer. */
gboolean fields_check (HttpRequest *request, const HttpRoute *route, GError **error);
/* What is left of @body when fields were asked for. Takes and returns. */
json_t *fields_shape (HttpRequest *request, json_t *body);
