/* The OpenAPI 3.1 document of a router's table, with the schemas and the error codes. */
#pragma once

#include "vdc/http/router.h"

/* New reference. Pure, but for the schemas it reads. */
json_t *openapi_document (const HttpRouter *router);
/* The rows that are part of it: what is under /api/. */
gboolean openapi_has (const HttpRoute *route);
/* [ErrorCode]: all codes that an answer may have. New reference. */
json_t *openapi_errors (void);
