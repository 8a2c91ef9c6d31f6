/*
 * Properties: the settings a class or assembly shows at its boundary.
 */
#pragma once

#include "vdc/model/problems.h"

#include <glib.h>
#include <jansson.h>

#define TEXT_SUMMARY_MAX 200 /* characters, one line */
#define TEXT_HELP_MAX 4000   /* characters, lines allowed */
/* A secret as the controller keeps it; no description of a person's begins like that. */
#define SECRET_SEALED_PREFIX "sealed:"
#define SECRET_SEALED_MAX 8192 /* bytes */
#define TEXT_STRING_MAX 1024   /* characters of a string or secret property, one line */

typedef enum {
    PROPERTY_STRING,
    PROPERTY_INTEGER,
    PROPERTY_NUMBER,
    PROPERTY_BOOLEAN,
    PROPERTY_ENUM,
    PROPERTY_IP, /* IPv4, dotted */
    PROPERTY_SECRET,
} PropertyType;

typedef struct {
    char *name;
    PropertyType type;
    json_t *initial; /* its default; may be NULL */
    gboolean has_min, has_max;
    double min, max;
    char **values; /* of an enum; else NULL */
    gboolean required;
    char *help; /* may be NULL */
} Property;

void property_free (Property *property);

const char *property_type_name (PropertyType type);
/* From {type, default, min, max, values, required, help}. NULL with problems when unusable; problems too for
 * what is only partly wrong. */
Property *property_from_json (const char *name, json_t *value, const char *path, Problems *problems);
/* The length and characters of a text value. */
gboolean property_check_line (const char *text, const char *path, Problems *problems);
/* TRUE, or FALSE and one problem at @path: wrong_type, out_of_range, bad_value, bad_text, too_long. */
gboolean property_check (const Property *property, const json_t *value, const char *path, Problems *problems);
/*
 * What a command line means by @text for this property ("8080" for an integer, a string as it is). Not
 * checked against the ranges. New reference, never NULL.
 */
json_t *property_value_from_text (const Property *property, const char *text);
