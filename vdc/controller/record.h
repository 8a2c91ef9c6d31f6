/*
 * Structs that are stored as JSON objects: one table of fields per struct says how, so that reading, writing
 * and freeing cannot disagree.
 */
#pragma once

#include "vdc/base/json.h"

typedef enum {
    RECORD_STRING, /* char *, owned; NULL is null */
    RECORD_INT,    /* gint64 */
    RECORD_BOOL,   /* gboolean */
    RECORD_JSON,   /* json_t *, owned; NULL is null */
    /* The same, stored as text: the store sorts keys, and in descriptions their order means something to
     * people and to NICs. */
    RECORD_ORDERED,
} RecordType;

typedef struct {
    const char *name; /* key in the object; NULL ends the table */
    RecordType type;
    gsize offset;
} RecordField;

#define RECORD_FIELD(Struct, type, member)                                                                   \
    {                                                                                                        \
#member, type, G_STRUCT_OFFSET(Struct, member)                                                       \
    }

/* Fill the zeroed @record from @object. Missing keys and values of another type leave zero. */
void record_load (const RecordField *fields, gpointer record, const json_t *object);
/* New object with every field. The caller owns it; it shares nothing with @record. */
json_t *record_save (const RecordField *fields, gconstpointer record);
/* Frees what the fields own and zeroes them. */
void record_clear (const RecordField *fields, gpointer record);

/* Replace an owned string. */
void record_set_string (char **field, const char *value);
/* Replace an owned value; steals @value. */
void record_set_json (json_t **field, json_t *value);
