/* What the build makes of schemas/, for schemas.c. */
#pragma once

#include <stddef.h>

typedef struct {
    const char *name, *text;
} SchemaText;

/* Ends with a NULL name. */
extern const SchemaText schema_texts[];
