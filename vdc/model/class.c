#include "vdc/model/class.h"

#include "vdc/base/json.h"
#include "vdc/model/fields.h"

#include <string.h>

#define PUBLISH_MAX 8

static const struct {
    const char *name;
    AmountKind kind;
    gsize offset;
    AmountRange usual;
} ranges[] = {
    {"cpu", AMOUNT_CPU, G_STRUCT_OFFSET (ResourceRanges, cpu), {0.05, 4, 0.25}},
    {"memory", AMOUNT_MEMORY, G_STRUCT_OFFSET (ResourceRanges, memory), {96 << 20, 4LL << 30, 192 << 20}},
    {"network", AMOUNT_NETWORK, G_STRUCT_OFFSET (ResourceRanges, network), {1e6, 1e9, 100e6}},
};

static void
class_clear (gpointer data)
{
    Class *class = data;

    boundary_clear (&class->boundary);
    g_strfreev (class->publish);
    json_decref (class->document);
}

Class *
class_ref (Class *class)
{
    return g_atomic_rc_box_acquire (class);
}

void
class_unref (Class *class)
{
    if (class != NULL)
        g_atomic_rc_box_release_full (class, class_clear);
}

/* -- reading -- */

static void
read_amount (json_t *object, const char *path, const char *key, AmountKind kind, double *amount,
             Problems *problems)
{
    json_t *value = json_object_get (object, key);
    g_autofree char *place = path_key (path, key);

    if (value != NULL)
        amount_parse (value, kind, place, problems, amount);
}

static void
read_range (AmountRange *range, json_t *object, const char *path, AmountKind kind, Problems *problems)
{
    guint before = problems_count (problems);

    field_check_keys (object, path, problems, "min", "max", "default", NULL);
    read_amount (object, path, "min", kind, &range->min, problems);
    read_amount (object, path, "max", kind, &range->max, problems);
    read_amount (object, path, "default", kind, &range->initial, problems);
    if (problems_count (problems) == before && (range->min > range->initial || range->initial > range->max))
        problems_add (problems, "bad_range", path, NULL, "default must lie between min and max");
}

static void
read_resources (Class *class, json_t *root, Problems *problems)
{
    json_t *object = field_object (root, "", "resources", problems);

    if (object != NULL)
        field_check_keys (object, "resources", problems, "cpu", "memory", "network", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++) {
        AmountRange *range = G_STRUCT_MEMBER_P (&class->resources, ranges[i].offset);
        json_t *value = object != NULL ? field_object (object, "resources", ranges[i].name, problems) : NULL;
        g_autofree char *path = path_key ("resources", ranges[i].name);
        *range = ranges[i].usual;
        if (value != NULL)
            read_range (range, value, path, ranges[i].kind, problems);
    }
}

/* One of `publish`: an integer property's name, or a port. New string or NULL. */
static char *
published (const Class *class, const json_t *value, const char *path, Problems *problems)
{
    if (json_is_integer (value)) {
        gint64 port = json_integer_value (value);
        if (port >= 1 && port <= 65535)
            return g_strdup_printf ("%" G_GINT64_FORMAT, port);
        problems_add (problems, "out_of_range", path, NULL, "must be a port from 1 to 65535");
        return NULL;
    }
    if (!json_is_string (value)) {
        field_wrong_type (value, "a property's name or a port", path, problems);
        return NULL;
    }
    const char *name = json_string_value (value);
    const Property *property = boundary_property (&class->boundary, name);
    if (property != NULL && property->type == PROPERTY_INTEGER)
        return g_strdup (name);
    g_autofree char *quoted = problem_quote (name);
    g_autofree const char **names = boundary_property_names (&class->boundary);
    problems_add (problems, "unknown_property", path, nearest_word (name, names),
                  "there is no integer property %s", quoted);
    return NULL;
}

static void
read_publish (Class *class, json_t *root, Problems *problems)
{
    json_t *list = json_object_get (root, "publish"), *value;
    g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
    gsize index;

    if (list != NULL && !json_is_array (list))
        field_wrong_type (list, "a list of properties or ports", "publish", problems);
    else if (list != NULL && !class->outside)
        problems_add (problems, "not_allowed", "publish", NULL,
                      "only a class with 'outside: true' can publish ports");
    else if (json_array_size (list) > PUBLISH_MAX)
        problems_add (problems, "too_many", "publish", NULL, "has %zu entries; at most %d are allowed",
                      json_array_size (list), PUBLISH_MAX);
    json_array_foreach (list, index, value) {
        if (index >= PUBLISH_MAX)
            break;
        g_autofree char *path = path_index ("publish", index);
        g_autofree char *name = published (class, value, path, problems);
        if (name != NULL)
            g_strv_builder_add (names, name);
    }
    class->publish = g_strv_builder_end (names);
}

static void
check_outside (const Class *class, Problems *problems)
{
    if (!class->outside)
        return;
    if (boundary_terminal (&class->boundary, "outside") != NULL)
        problems_add (problems, "bad_name", "terminals.outside", NULL,
                      "\"outside\" is the external NIC of a class with 'outside: true'");
    for (guint i = 0; i < class->boundary.terminals->len; i++) {
        const Terminal *terminal = g_ptr_array_index (class->boundary.terminals, i);
        g_autofree char *path = path_key ("terminals", terminal->name);
        if (terminal->gateway)
            problems_add (problems, "gateway_outside", path, NULL,
                          "the default route of a class with 'outside: true' is the outside network's");
    }
}

/* What only vdc-guest could do for it. */
static void
check_unmanaged (const Class *class, Problems *problems)
{
    if (!class->unmanaged)
        return;
    if (class->outside)
        problems_add (problems, "not_allowed", "outside", NULL,
                      "an unmanaged class cannot be a gateway to the outside");
    for (guint i = 0; i < class->boundary.properties->len; i++) {
        const Property *property = g_ptr_array_index (class->boundary.properties, i);
        g_autofree char *path = path_key ("properties", property->name);
        if (property->type == PROPERTY_SECRET)
            problems_add (
                problems, "not_allowed", path, NULL,
                "an unmanaged class has no secrets: a seed disk can be read by everybody in the VM");
    }
}

Class *
class_from_document (const Document *document, Problems *problems)
{
    json_t *root = document_root (document);
    guint before = problems_count (problems);

    if (!json_is_object (root)) {
        field_wrong_type (root, "a mapping", "", problems);
        return NULL;
    }
    g_autoptr (Class) class = g_atomic_rc_box_new0 (Class);
    class->document = json_incref (root);
    field_check_keys (root, "", problems, "class", "version", "summary", "help", "terminals", "properties",
                      "volumes", "resources", "outside", "publish", "unmanaged", "screen", NULL);
    boundary_from_json (&class->boundary, "class", root, problems);
    class->outside = field_bool (root, "", "outside", FALSE, problems);
    class->unmanaged = field_bool (root, "", "unmanaged", FALSE, problems);
    class->screen = field_bool (root, "", "screen", class->unmanaged, problems);
    read_resources (class, root, problems);
    read_publish (class, root, problems);
    check_outside (class, problems);
    check_unmanaged (class, problems);
    return problems_count (problems) == before ? g_steal_pointer (&class) : NULL;
}

Class *
class_parse (const char *text, gsize length, DocumentFormat format, Problems *problems)
{
    guint before = problems_count (problems);
    g_autoptr (Document) document = document_parse (text, length, format, problems);
    if (document == NULL)
        return NULL;
    g_autoptr (Class) class = class_from_document (document, problems);
    document_locate (document, problems);
    return problems_count (problems) == before ? g_steal_pointer (&class) : NULL;
}

/* -- for the API -- */

static json_t *
range_json (const AmountRange *range, AmountKind kind)
{
    json_t *object = json_object ();
    gboolean whole = kind != AMOUNT_CPU;

    json_put (object, "min", whole ? json_integer ((gint64)range->min) : json_real (range->min));
    json_put (object, "max", whole ? json_integer ((gint64)range->max) : json_real (range->max));
    json_put (object, "default", whole ? json_integer ((gint64)range->initial) : json_real (range->initial));
    return object;
}

json_t *
class_json (const Class *class)
{
    json_t *object = boundary_json (&class->boundary), *resources = json_object (), *publish = json_array ();

    for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++) {
        const AmountRange *range = G_STRUCT_MEMBER_P (&class->resources, ranges[i].offset);
        json_put (resources, ranges[i].name, range_json (range, ranges[i].kind));
    }
    for (char **name = class->publish; *name != NULL; name++)
        json_array_append_new (publish, json_string (*name));
    json_put (object, "kind", json_string ("class"));
    json_put (object, "resources", resources);
    json_put (object, "outside", json_boolean (class->outside));
    json_put (object, "publish", publish);
    json_put (object, "unmanaged", json_boolean (class->unmanaged));
    json_put (object, "screen", json_boolean (class->screen));
    return object;
}
