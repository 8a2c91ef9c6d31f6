/*
 * Names and identifiers: what is valid, how they are made. Lengths are bytes; everything valid is ASCII.
 */
#pragma once

#include <glib.h>

#define ID_NAME_MAX 32     /* applications, instances, volumes, servers, networks */
#define ID_TERMINAL_MAX 32 /* terminals, properties, volume slots: they become shell variables */
#define ID_CLASS_MAX 32

/* [a-z]([a-z0-9-]{0,30}[a-z0-9])? */
gboolean id_is_name (const char *text);
/* [a-z][a-z0-9_]{0,31} */
gboolean id_is_terminal (const char *text);
/* [A-Z][A-Za-z0-9_]{0,31} */
gboolean id_is_class (const char *text);
/* What is said to a user when the check of that name fails. Static. */
const char *id_name_rule (void);
const char *id_terminal_rule (void);
const char *id_class_rule (void);

/* @bytes random bytes as lower-case hex. Caller frees. */
char *id_random (guint bytes);
