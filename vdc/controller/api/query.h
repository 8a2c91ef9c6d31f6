/*
 * What may stand in a route's query, and whether what stands there may. The notation is HttpRoute.query's:
 * "limit=1..10000 format=yaml|json follow! state".
 *
 * Beside what a row names, every GET with a JSON answer takes fields, and every changing route dry_run.
 */
#pragma once

#include "vdc/http/router.h"

typedef enum { QUERY_TEXT, QUERY_INTEGER, QUERY_WORDS, QUERY_FLAG } QueryType;

typedef struct {
    char *name;
    QueryType type;
    gint64 min, max;  /* of QUERY_INTEGER */
    char **words;     /* of QUERY_WORDS */
    const char *help; /* static */
} QueryParameter;

/* Of every list. */
#define QUERY_PAGE "limit=1..10000 after"
/* A text may have so many bytes. */
#define QUERY_TEXT_MAX_BYTES 1024

/* QueryParameter *; a malformed notation is our own bug and aborts. Free the array. */
GPtrArray *query_parameters (const HttpRoute *route);
/* FALSE: VDC_ERROR_USAGE, and *@name (caller frees) is the parameter. */
gboolean query_check (HttpRequest *request, const HttpRoute *route, char **name, GError **error);
/* What a parameter of that name means, the same everywhere. NULL: nobody wrote it down. Static. */
const char *query_help (const char *name);
