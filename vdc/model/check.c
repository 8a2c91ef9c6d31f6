#include "vdc/model/check.h"

#include "vdc/base/json.h"
#include "vdc/model/check_internal.h"
#include "vdc/model/fields.h"
#include "vdc/model/topology.h"

#include <string.h>

static void check_body (Check *check);

gboolean
check_entry (const Check *check, const Instance *instance, CatalogEntry *entry)
{
    return instance->class_ref != NULL && catalog_get (check->catalog, instance->class_ref, entry);
}

static gboolean
inner_entry (const Catalog *catalog, const Assembly *assembly, const char *name, CatalogEntry *entry)
{
    const Instance *instance = body_instance (&assembly->body, name);
    return instance != NULL && instance->class_ref != NULL &&
           catalog_get (catalog, instance->class_ref, entry);
}

const Terminal *
leaf_terminal (const Catalog *catalog, const CatalogEntry *entry, const char *name, guint depth)
{
    const Terminal *terminal = boundary_terminal (catalog_entry_boundary (entry), name);
    CatalogEntry inner;

    if (terminal == NULL || entry->class != NULL)
        return terminal;
    if (depth >= TOPOLOGY_DEPTH_MAX ||
        !inner_entry (catalog, entry->assembly, terminal->inside_instance, &inner))
        return NULL;
    return leaf_terminal (catalog, &inner, terminal->inside_terminal, depth + 1);
}

const VolumeSlot *
leaf_slot (const Catalog *catalog, const CatalogEntry *entry, const char *name, guint depth)
{
    const VolumeSlot *slot = boundary_volume (catalog_entry_boundary (entry), name);
    CatalogEntry inner;

    if (slot == NULL || entry->class != NULL)
        return slot;
    if (depth >= TOPOLOGY_DEPTH_MAX || !inner_entry (catalog, entry->assembly, slot->inside_instance, &inner))
        return NULL;
    return leaf_slot (catalog, &inner, slot->inside_slot, depth + 1);
}

const char *
boundary_fills (const Check *check, const Instance *instance, const char *slot)
{
    for (guint i = 0; check->boundary != NULL && i < check->boundary->volumes->len; i++) {
        const VolumeSlot *outer = g_ptr_array_index (check->boundary->volumes, i);
        if (strcmp (outer->inside_instance, instance->name) == 0 && strcmp (outer->inside_slot, slot) == 0)
            return outer->name;
    }
    return NULL;
}

/* -- settings -- */

static const char *
nearest_outer_property (const Check *check, const char *name)
{
    if (check->boundary != NULL) {
        g_autofree const char **names = boundary_property_names (check->boundary);
        return nearest_word (name, names);
    }
    g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
    const char *key;
    json_t *value;
    json_object_foreach (check->application->properties, key, value)
        g_hash_table_add (names, (char *)key);
    return nearest_key (name, names);
}

static void
report_outer_property (const Check *check, const char *name, const char *path)
{
    g_autofree char *quoted = problem_quote (name);
    problems_add (check->problems, "unknown_property", path, nearest_outer_property (check, name),
                  "there is no property %s in this %s", quoted,
                  check->boundary != NULL ? "assembly" : "application");
}

/* Can every value of @outer stand where @inner is asked for? */
static gboolean
types_fit (PropertyType outer, PropertyType inner)
{
    if (outer == inner || (outer == PROPERTY_INTEGER && inner == PROPERTY_NUMBER))
        return TRUE;
    gboolean from_text = outer == PROPERTY_STRING || outer == PROPERTY_ENUM || outer == PROPERTY_IP;
    return from_text && (inner == PROPERTY_STRING || inner == PROPERTY_SECRET || inner == PROPERTY_ENUM);
}

static void
check_redirect (const Check *check, const Property *property, const char *name, const char *path)
{
    if (check->application != NULL) {
        json_t *value = json_object_get (check->application->properties, name);
        if (value != NULL)
            property_check (property, value, path, check->problems);
        else if (json_object_get (json_object_get (check->root, "properties"), name) == NULL)
            report_outer_property (check, name, path);
        return;
    }
    const Property *outer = boundary_property (check->boundary, name);
    if (outer != NULL && !types_fit (outer->type, property->type))
        problems_add (check->problems, "type_mismatch", path, NULL, "$%s is of type %s, '%s' is of type %s",
                      name, property_type_name (outer->type), property->name,
                      property_type_name (property->type));
    else if (outer == NULL && json_object_get (json_object_get (check->root, "properties"), name) == NULL)
        report_outer_property (check, name, path);
}

static void
check_setting (const Check *check, const Boundary *boundary, const char *name, json_t *value,
               const char *path)
{
    const Property *property = boundary_property (boundary, name);
    const char *text = json_string_value (value);

    if (property == NULL) {
        g_autofree const char **names = boundary_property_names (boundary);
        problems_add (check->problems, "unknown_property", path, nearest_word (name, names),
                      "%s has no property '%s'", boundary->name, name);
    } else if (text != NULL && text[0] == '$' && text[1] == '$') {
        g_autoptr (json_t) literal = json_string (text + 1);
        property_check (property, literal, path, check->problems);
    } else if (text != NULL && text[0] == '$') {
        check_redirect (check, property, text + 1, path);
    } else {
        property_check (property, value, path, check->problems);
    }
}

static void
check_settings (const Check *check, const Instance *instance, const Boundary *boundary, const char *path)
{
    const char *name;
    json_t *value;

    json_object_foreach (instance->set, name, value) {
        g_autofree char *place = g_strdup_printf ("%s.set.%s", path, name);
        check_setting (check, boundary, name, value, place);
    }
    for (guint i = 0; i < boundary->properties->len; i++) {
        const Property *property = g_ptr_array_index (boundary->properties, i);
        json_t *given = json_object_get (
            json_object_get (json_object_get (check->root, "instances"), instance->name), "set");
        if (property->required && property->initial == NULL &&
            json_object_get (given, property->name) == NULL)
            problems_add (check->problems, "property_missing", path, NULL, "%s needs a value for '%s'",
                          boundary->name, property->name);
    }
}

static void
check_count (const Check *check, const Instance *instance, const char *path)
{
    const char *name = instance->count_property;
    g_autofree char *place = path_key (path, "count");

    if (name == NULL)
        return;
    const Property as_count = {.name = (char *)"count",
                               .type = PROPERTY_INTEGER,
                               .has_min = TRUE,
                               .has_max = TRUE,
                               .min = 1,
                               .max = INSTANCE_COUNT_MAX};
    check_redirect (check, &as_count, name, place);
}

/* -- volumes -- */

static const char *
nearest_volume (const Check *check, const char *name)
{
    g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; i < check->application->volumes->len; i++)
        g_hash_table_add (names,
                          ((ApplicationVolume *)g_ptr_array_index (check->application->volumes, i))->name);
    return nearest_key (name, names);
}

static void
check_volume (const Check *check, const Boundary *boundary, const char *slot, const char *volume,
              const char *path)
{
    if (boundary_volume (boundary, slot) == NULL) {
        g_autofree const char **names = boundary_volume_names (boundary);
        problems_add (check->problems, "unknown_slot", path, nearest_word (slot, names),
                      "%s has no volume slot '%s'", boundary->name, slot);
    } else if (check->application != NULL && application_volume (check->application, volume) == NULL &&
               json_object_get (json_object_get (check->root, "volumes"), volume) == NULL) {
        problems_add (check->problems, "unknown_volume", path, nearest_volume (check, volume),
                      "the application has no volume '%s'", volume);
    }
}

static void
check_slot (const Check *check, const Instance *instance, const CatalogEntry *entry, const char *slot,
            const char *path)
{
    const VolumeSlot *leaf = leaf_slot (check->catalog, entry, slot, 0);
    json_t *written = json_object_get (
        json_object_get (json_object_get (check->root, "instances"), instance->name), "volumes");
    gboolean filled =
        json_object_get (written, slot) != NULL || boundary_fills (check, instance, slot) != NULL;
    g_autofree char *place = g_strdup_printf ("%s.volumes.%s", path, slot);

    if (leaf == NULL)
        return;
    if (!filled && !leaf->optional)
        problems_add (check->problems, "volume_missing", path, NULL, "%s needs a volume for its slot '%s'",
                      catalog_entry_boundary (entry)->name, slot);
    if (filled && leaf->mode == SLOT_EXCLUSIVE && instance->count_property == NULL && instance->count > 1)
        problems_add (check->problems, "exclusive_in_tier", place, NULL,
                      "slot '%s' is exclusive: %u members cannot share one volume", slot, instance->count);
}

static void
check_volumes (const Check *check, const Instance *instance, const CatalogEntry *entry, const char *path)
{
    const Boundary *boundary = catalog_entry_boundary (entry);
    const char *slot;
    json_t *value;

    json_object_foreach (instance->volumes, slot, value) {
        g_autofree char *place = g_strdup_printf ("%s.volumes.%s", path, slot);
        check_volume (check, boundary, slot, json_string_value (value), place);
    }
    for (guint i = 0; i < boundary->volumes->len; i++)
        check_slot (check, instance, entry, ((VolumeSlot *)g_ptr_array_index (boundary->volumes, i))->name,
                    path);
}

/* -- resources -- */

static void
check_amount (const Check *check, const Instance *instance, const char *key, AmountKind kind,
              const AmountRange *range, const char *path)
{
    json_t *value = json_object_get (instance->resources, key);

    if (value == NULL)
        return;
    double amount = json_number_value (value);
    if (amount >= range->min && amount <= range->max)
        return;
    g_autofree char *place = g_strdup_printf ("%s.resources.%s", path, key);
    g_autofree char *min = amount_text (range->min, kind);
    g_autofree char *max = amount_text (range->max, kind);
    g_autofree char *given = amount_text (amount, kind);
    problems_add (check->problems, "out_of_range", place, NULL, "must be from %s to %s, not %s", min, max,
                  given);
}

static void
check_class_keys (const Check *check, const Instance *instance, const Class *class, const char *path)
{
    check_amount (check, instance, "cpu", AMOUNT_CPU, &class->resources.cpu, path);
    check_amount (check, instance, "memory", AMOUNT_MEMORY, &class->resources.memory, path);
    check_amount (check, instance, "network", AMOUNT_NETWORK, &class->resources.network, path);
}

/* Those belong to one machine; an assembly is several. */
static void
check_assembly_keys (const Check *check, const Instance *instance, const char *path)
{
    static const char *const keys[] = {"resources", "failover_group", "start_timeout", "stop_timeout",
                                       "restart"};
    json_t *written = json_object_get (json_object_get (check->root, "instances"), instance->name);

    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
        g_autofree char *place = path_key (path, keys[i]);
        if (json_object_get (written, keys[i]) != NULL)
            problems_add (check->problems, "not_allowed", place, NULL,
                          "'%s' is for a class; '%s' is an assembly: set it inside", keys[i],
                          instance->class_ref);
    }
}

/* -- assemblies within -- */

static void
adopt (const Check *check, const Problems *inner, const Assembly *assembly, const char *path)
{
    for (guint i = 0; i < problems_kept (inner); i++) {
        const Problem *problem = problems_get (inner, i);
        problems_add (check->problems, problem->code, path, problem->nearest, "in assembly %s: %s%s%s",
                      assembly->boundary.name, problem->path, problem->path[0] ? ": " : "", problem->message);
    }
}

static void
check_assembly (const Check *check, const Assembly *assembly, const char *path)
{
    g_autofree char *place = path_key (path, "class");

    if (g_hash_table_contains (check->checked, assembly))
        return;
    if (g_ptr_array_find (check->stack, assembly, NULL)) {
        problems_add (check->problems, "assembly_cycle", place, NULL, "assembly %s contains itself",
                      assembly->boundary.name);
        return;
    }
    if (check->stack->len >= TOPOLOGY_DEPTH_MAX) {
        problems_add (check->problems, "too_deep", place, NULL,
                      "assemblies lie more than %d deep in each other", TOPOLOGY_DEPTH_MAX);
        return;
    }
    g_autoptr (Problems) problems = problems_new ();
    Check inner = *check;
    inner.body = &assembly->body;
    inner.boundary = &assembly->boundary;
    inner.root = assembly->document;
    inner.application = NULL;
    inner.problems = problems;
    g_ptr_array_add (check->stack, (gpointer)assembly);
    check_body (&inner);
    g_ptr_array_set_size (check->stack, check->stack->len - 1);
    if (problems_count (problems) == 0)
        g_hash_table_add (check->checked, (gpointer)assembly);
    adopt (check, problems, assembly, place);
}

/*
 * An application's own assemblies are reported where they stand, used or not, and not again where they are
 * used.
 */
static void
check_own_assemblies (Check *check)
{
    GPtrArray *own = check->application->assemblies;

    for (guint i = 0; i < own->len; i++) {
        const Assembly *assembly = g_ptr_array_index (own, i);
        g_autoptr (Problems) problems = problems_new ();
        assembly_check (assembly, check->catalog, problems);
        for (guint k = 0; k < problems_kept (problems); k++) {
            const Problem *problem = problems_get (problems, k);
            g_autofree char *path = g_strdup_printf ("assemblies.%s%s%s", assembly->boundary.name,
                                                     problem->path[0] ? "." : "", problem->path);
            problems_add (check->problems, problem->code, path, problem->nearest, "%s", problem->message);
        }
    }
    for (guint i = 0; i < own->len; i++)
        g_hash_table_add (check->checked, g_ptr_array_index (own, i));
}

/* -- all of it -- */

static void
check_instance (Check *check, const Instance *instance)
{
    g_autofree char *path = path_key ("instances", instance->name);
    CatalogEntry entry;

    check_count (check, instance, path);
    if (instance->class_ref == NULL)
        return;
    if (!check_entry (check, instance, &entry)) {
        g_autofree char *place = path_key (path, "class");
        problems_add (check->problems, "unknown_class", place,
                      catalog_nearest (check->catalog, instance->class_ref),
                      "there is no class or assembly '%s' in the catalogs", instance->class_ref);
        return;
    }
    check_settings (check, instance, catalog_entry_boundary (&entry), path);
    check_volumes (check, instance, &entry, path);
    if (entry.class != NULL) {
        check_class_keys (check, instance, entry.class, path);
    } else {
        check_assembly_keys (check, instance, path);
        check_assembly (check, entry.assembly, path);
    }
}

static void
check_body (Check *check)
{
    for (guint i = 0; i < check->body->instances->len; i++)
        check_instance (check, g_ptr_array_index (check->body->instances, i));
    check_wires (check);
}

/* @assembly: what is being checked itself, NULL for an application. */
static void
check_outermost (Check *check, const Assembly *assembly)
{
    g_autoptr (GPtrArray) stack = g_ptr_array_new ();
    g_autoptr (GHashTable) checked = g_hash_table_new (NULL, NULL);

    if (assembly != NULL)
        g_ptr_array_add (stack, (gpointer)assembly);
    check->stack = stack;
    check->checked = checked;
    if (check->application != NULL)
        check_own_assemblies (check);
    check_body (check);
}

void
assembly_check (const Assembly *assembly, const Catalog *catalog, Problems *problems)
{
    Check check = {.catalog = catalog,
                   .body = &assembly->body,
                   .root = assembly->document,
                   .boundary = &assembly->boundary,
                   .problems = problems};
    check_outermost (&check, assembly);
}

void
application_check (const Application *application, const Catalog *catalog, Problems *problems)
{
    Check check = {.catalog = catalog,
                   .body = &application->body,
                   .root = application->document,
                   .application = application,
                   .problems = problems};
    check_outermost (&check, NULL);
}
