/*
 * The schemas of requests and answers by name: one file each in schemas/, built in. NAMEList needs no file:
 * it is a page {"items": [NAME, …], "next"}. Read once; whoever cannot read them does not start.
 */
#pragma once

#include "vdc/model/schema.h"

/* Borrowed for good; NULL when there is none. Main loop. */
const json_t *schemas_get (const char *name);
/* The same, for schema_fits. */
const json_t *schemas_lookup (const char *name, gpointer unused);
/* TRUE for "none", "bytes", "stream": answers that have no schema. */
gboolean schemas_is_plain (const char *name);
/* Names of all that have a file, sorted. Free the array. */
GPtrArray *schemas_names (void);
