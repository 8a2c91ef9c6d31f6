#include "vdc/model/property.h"

#include "vdc/base/json.h"
#include "vdc/model/document.h"
#include "vdc/model/fields.h"

#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#define ENUM_VALUE_MAX 64 /* characters */
#define ENUM_VALUES_MAX 100

static const char *const type_names[] = {"string", "integer", "number", "boolean",
                                         "enum",   "ip",      "secret", NULL};

void
property_free (Property *property)
{
    if (property == NULL)
        return;
    g_free (property->name);
    json_decref (property->initial);
    g_strfreev (property->values);
    g_free (property->help);
    g_free (property);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Property, property_free)

const char *
property_type_name (PropertyType type)
{
    return type_names[type];
}

static gboolean
is_numeric (PropertyType type)
{
    return type == PROPERTY_INTEGER || type == PROPERTY_NUMBER;
}

static void
read_limit (Property *property, json_t *object, const char *path, const char *key, gboolean *has,
            double *limit, Problems *problems)
{
    json_t *value = json_object_get (object, key);
    g_autofree char *place = path_key (path, key);

    if (value == NULL)
        return;
    if (!is_numeric (property->type)) {
        problems_add (problems, "not_allowed", place, NULL, "'%s' is only for integer and number", key);
    } else if (property->type == PROPERTY_INTEGER ? !json_is_integer (value) : !json_is_number (value)) {
        field_wrong_type (value, property->type == PROPERTY_INTEGER ? "an integer" : "a number", place,
                          problems);
    } else {
        *has = TRUE;
        *limit = json_number_value (value);
    }
}

static void
read_range (Property *property, json_t *object, const char *path, Problems *problems)
{
    read_limit (property, object, path, "min", &property->has_min, &property->min, problems);
    read_limit (property, object, path, "max", &property->has_max, &property->max, problems);
    if (property->has_min && property->has_max && property->min > property->max) {
        g_autofree char *place = path_key (path, "min");
        problems_add (problems, "bad_range", place, NULL, "min is greater than max");
        property->has_min = property->has_max = FALSE;
    }
}

static void
read_values (Property *property, json_t *object, const char *path, Problems *problems)
{
    json_t *values = json_object_get (object, "values"), *value;
    g_autofree char *place = path_key (path, "values");
    g_autoptr (GStrvBuilder) list = g_strv_builder_new ();
    gsize index;

    if (property->type != PROPERTY_ENUM) {
        if (values != NULL)
            problems_add (problems, "not_allowed", place, NULL, "'values' is only for enum");
        return;
    }
    if (values == NULL)
        problems_add (problems, "missing_key", path, NULL,
                      "'values' is missing: an enum needs its list of words");
    else if (!json_is_array (values))
        field_wrong_type (values, "a list of words", place, problems);
    else if (json_array_size (values) == 0 || json_array_size (values) > ENUM_VALUES_MAX)
        problems_add (problems, "out_of_range", place, NULL, "must have 1 to %d words", ENUM_VALUES_MAX);
    json_array_foreach (values, index, value) {
        g_autofree char *item = path_index (place, index);
        if (!json_is_string (value))
            field_wrong_type (value, "a word", item, problems);
        else if (field_check_text (json_string_value (value), TEXT_LINE, ENUM_VALUE_MAX, item, problems))
            g_strv_builder_add (list, json_string_value (value));
    }
    property->values = g_strv_builder_end (list);
}

static void
read_default (Property *property, json_t *object, const char *path, Problems *problems)
{
    json_t *value = json_object_get (object, "default");
    g_autofree char *place = path_key (path, "default");

    if (value != NULL && property_check (property, value, place, problems))
        property->initial = json_incref (value);
}

Property *
property_from_json (const char *name, json_t *value, const char *path, Problems *problems)
{
    if (!json_is_object (value)) {
        field_wrong_type (value, "a mapping such as {type: string}", path, problems);
        return NULL;
    }
    field_check_keys (value, path, problems, "type", "default", "min", "max", "values", "required", "help",
                      NULL);
    if (!field_require (value, path, "type", problems))
        return NULL;
    gint type = field_word (value, path, "type", type_names, -1, problems);
    if (type < 0)
        return NULL;

    g_autoptr (Property) property = g_new0 (Property, 1);
    property->name = g_strdup (name);
    property->type = type;
    property->required = field_bool (value, path, "required", FALSE, problems);
    property->help = field_text (value, path, "help", TEXT_LINES, TEXT_HELP_MAX, problems);
    read_range (property, value, path, problems);
    read_values (property, value, path, problems);
    read_default (property, value, path, problems);
    return g_steal_pointer (&property);
}

static char *
number_text (const Property *property, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    return g_strdup (property->type == PROPERTY_INTEGER ? g_ascii_formatd (text, sizeof text, "%.0f", number)
                                                        : g_ascii_formatd (text, sizeof text, "%g", number));
}

static gboolean
check_number (const Property *property, const json_t *value, const char *path, Problems *problems)
{
    if (property->type == PROPERTY_INTEGER && !json_is_integer (value))
        return field_wrong_type (value, "an integer", path, problems);
    if (!json_is_number (value))
        return field_wrong_type (value, "a number", path, problems);

    double number = json_number_value (value);
    gboolean low = property->has_min && number < property->min,
             high = property->has_max && number > property->max;
    if (!low && !high)
        return TRUE;
    g_autofree char *limit = number_text (property, low ? property->min : property->max);
    g_autofree char *given = number_text (property, number);
    problems_add (problems, "out_of_range", path, NULL, "must be at %s %s, not %s", low ? "least" : "most",
                  limit, given);
    return FALSE;
}

static gboolean
check_word (const Property *property, const char *text, const char *path, Problems *problems)
{
    const char *const *words = (const char *const *)property->values;

    if (g_strv_contains (words, text))
        return TRUE;
    g_autofree char *quoted = problem_quote (text);
    g_autofree char *all = g_strjoinv (", ", property->values);
    g_autofree char *shown = problem_quote (all);
    problems_add (problems, "bad_value", path, nearest_word (text, words), "%s is none of: %s", quoted,
                  shown);
    return FALSE;
}

static gboolean
check_ip (const char *text, const char *path, Problems *problems)
{
    struct in_addr address;

    if (inet_pton (AF_INET, text, &address) == 1)
        return TRUE;
    g_autofree char *quoted = problem_quote (text);
    problems_add (problems, "bad_value", path, NULL, "%s is no IPv4 address such as 192.0.2.1", quoted);
    return FALSE;
}

gboolean
property_check_line (const char *text, const char *path, Problems *problems)
{
    guint limit = g_str_has_prefix (text, SECRET_SEALED_PREFIX) ? SECRET_SEALED_MAX : TEXT_STRING_MAX;

    return field_check_text (text, TEXT_LINE, limit, path, problems);
}

gboolean
property_check (const Property *property, const json_t *value, const char *path, Problems *problems)
{
    if (is_numeric (property->type))
        return check_number (property, value, path, problems);
    if (property->type == PROPERTY_BOOLEAN)
        return json_is_boolean (value) || field_wrong_type (value, "true or false", path, problems);
    if (!json_is_string (value))
        return field_wrong_type (
            value, json_is_number (value) || json_is_boolean (value) ? "a string (quote it)" : "a string",
            path, problems);
    const char *text = json_string_value (value);
    if (!property_check_line (text, path, problems))
        return FALSE;
    if (property->type == PROPERTY_ENUM)
        return check_word (property, text, path, problems);
    return property->type != PROPERTY_IP || check_ip (text, path, problems);
}

json_t *
property_value_from_text (const Property *property, const char *text)
{
    if (is_numeric (property->type) || property->type == PROPERTY_BOOLEAN)
        return document_scalar (text);
    return json_str_new (text);
}
