#include "vdc/controller/record.h"

#include <stdlib.h>

void
record_load (const RecordField *fields, gpointer record, const json_t *object)
{
    for (const RecordField *field = fields; field->name != NULL; field++) {
        gpointer place = G_STRUCT_MEMBER_P (record, field->offset);
        json_t *value = json_object_get (object, field->name);
        switch (field->type) {
        case RECORD_STRING:
            *(char **)place = g_strdup (json_string_value (value));
            break;
        case RECORD_INT:
            *(gint64 *)place = json_integer_value (value);
            break;
        case RECORD_BOOL:
            *(gboolean *)place = json_is_true (value);
            break;
        case RECORD_JSON:
            *(json_t **)place = value == NULL || json_is_null (value) ? NULL : json_deep_copy (value);
            break;
        case RECORD_ORDERED:
            if (json_is_string (value))
                *(json_t **)place =
                    json_loadb (json_string_value (value), json_string_length (value), JSON_DECODE_ANY, NULL);
            break;
        }
    }
}

static json_t *
ordered_text (const json_t *value)
{
    char *text = value != NULL ? json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_t *string = text != NULL ? json_string (text) : json_null ();
    free (text);
    return string;
}

json_t *
record_save (const RecordField *fields, gconstpointer record)
{
    json_t *object = json_object ();
    for (const RecordField *field = fields; field->name != NULL; field++) {
        gconstpointer place = (const guint8 *)record + field->offset;
        json_t *json;
        switch (field->type) {
        case RECORD_STRING:
            json_put (object, field->name, json_str_new (*(char *const *)place));
            break;
        case RECORD_INT:
            json_put (object, field->name, json_integer (*(const gint64 *)place));
            break;
        case RECORD_BOOL:
            json_put (object, field->name, json_boolean (*(const gboolean *)place));
            break;
        case RECORD_JSON:
            json = *(json_t *const *)place;
            json_put (object, field->name, json != NULL ? json_deep_copy (json) : json_null ());
            break;
        case RECORD_ORDERED:
            json_put (object, field->name, ordered_text (*(json_t *const *)place));
            break;
        }
    }
    return object;
}

void
record_clear (const RecordField *fields, gpointer record)
{
    for (const RecordField *field = fields; field->name != NULL; field++) {
        gpointer place = G_STRUCT_MEMBER_P (record, field->offset);
        if (field->type == RECORD_STRING)
            g_clear_pointer ((char **)place, g_free);
        else if (field->type == RECORD_JSON || field->type == RECORD_ORDERED)
            g_clear_pointer ((json_t **)place, json_decref);
        else if (field->type == RECORD_INT)
            *(gint64 *)place = 0;
        else
            *(gboolean *)place = FALSE;
    }
}

void
record_set_string (char **field, const char *value)
{
    if (g_strcmp0 (*field, value) == 0)
        return;
    g_free (*field);
    *field = g_strdup (value);
}

void
record_set_json (json_t **field, json_t *value)
{
    g_clear_pointer (field, json_decref);
    *field = value;
}
