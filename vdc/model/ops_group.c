/*
 * Group: the selected instances become an assembly of the application's own, and one instance of it takes
 * their place. Its boundary is what crosses:
 *
 *     wires       each inner end is one terminal, with its protocol; all wires into one input share it
 *     volumes     each filled slot is a slot
 *     $name       each property of the surroundings that is used is a property of the same name
 *
 * What an assembly around them shows of them is shown of the new instance.
 */
#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/assembly.h"
#include "vdc/model/fields.h"
#include "vdc/model/ops_internal.h"
#include "vdc/model/ops_layout.h"

#include <string.h>

typedef struct {
    Edit *edit;
    const char *as, *name;
    json_t *selected;                                 /* name → its value, in the description's order */
    json_t *terminals, *properties, *volumes, *wires; /* of the assembly */
    json_t *shown;                                    /* "web.in" → terminal, "web/content" → slot */
    json_t *set, *filled;                             /* of the new instance: set, volumes */
} Group;

/* The document of a class or assembly; NULL when the catalogs have none. Borrowed. */
static const json_t *
document_of (const Edit *edit, const char *ref)
{
    const json_t *own = json_object_get (edit->root, "assemblies");
    CatalogEntry entry;
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)own, name, value)
        if (ref_is_own (ref, name))
            return value;
    if (edit->catalog == NULL || !catalog_ref_is_valid (ref) || !catalog_get (edit->catalog, ref, &entry))
        return NULL;
    return entry.class != NULL ? entry.class->document : entry.assembly->document;
}

static const json_t *
class_member (const Group *group, const char *instance, const char *section, const char *name)
{
    const json_t *value = json_object_get (group->selected, instance);
    const json_t *class = document_of (group->edit, json_str (value, "class", ""));

    return json_object_get (json_object_get (class, section), name);
}

/* @name, or @instance_name, or that with a number. Caller frees. */
static char *
free_name (const json_t *taken, const char *instance, const char *name)
{
    g_autofree char *whole = g_strdup_printf ("%s_%s", instance, name);
    g_autofree char *longer = g_strndup (whole, ID_TERMINAL_MAX - 3);

    if (json_object_get (taken, name) == NULL)
        return g_strdup (name);
    g_strdelimit (longer, "-", '_');
    char *free = g_strdup (longer);
    for (guint i = 2; json_object_get (taken, free) != NULL; i++) {
        g_free (free);
        free = g_strdup_printf ("%s%u", longer, i);
    }
    return free;
}

/* The assembly's terminal for the inner @end; NULL with a problem. Borrowed. */
static const char *
terminal_for (Group *group, const char *end, const char *side)
{
    g_autofree char *instance = NULL;
    g_autofree char *terminal = NULL;
    const char *shown = json_string_value (json_object_get (group->shown, end));

    if (shown != NULL || !terminal_split (end, &instance, &terminal))
        return shown;
    const json_t *inner = class_member (group, instance, "terminals", terminal);
    const char *protocol = json_str (inner, "protocol", NULL);
    if (protocol == NULL) {
        g_autofree char *path = path_key ("instances", instance);
        edit_refuse (group->edit, "unknown_terminal", path, NULL, "its class has no terminal '%s'", terminal);
        return NULL;
    }
    g_autofree char *name = free_name (group->terminals, instance, terminal);
    json_t *outer = json_pack ("{s:s, s:s, s:s}", "side", side, "protocol", protocol, "inside", end);
    if (json_bool (inner, "gateway", FALSE))
        json_object_set_new (outer, "gateway", json_true ());
    json_object_set_new (group->terminals, name, outer);
    json_object_set_new (group->shown, end, json_string (name));
    return json_string_value (json_object_get (group->shown, end));
}

static gboolean
is_inner (const Group *group, const char *end)
{
    g_autofree char *instance = NULL;
    g_autofree char *terminal = NULL;

    return terminal_split (end, &instance, &terminal) && json_object_get (group->selected, instance) != NULL;
}

static void
show_end (Group *group, char **end, const char *side)
{
    const char *terminal = terminal_for (group, *end, side);

    if (terminal == NULL)
        return;
    g_free (*end);
    *end = g_strconcat (group->name, ".", terminal, NULL);
}

static gboolean
group_wire (char **from, char **to, gpointer data)
{
    Group *group = data;
    gboolean starts = is_inner (group, *from), ends = is_inner (group, *to);

    if (starts && ends) {
        g_autofree char *text = wire_text (*from, *to);
        json_array_append_new (group->wires, json_string (text));
        return FALSE;
    }
    if (starts)
        show_end (group, from, "output");
    if (ends)
        show_end (group, to, "input");
    return TRUE;
}

/* -- what one instance takes along -- */

static const char *
slot_for (Group *group, const char *instance, const char *slot)
{
    g_autofree char *key = g_strdup_printf ("%s/%s", instance, slot);
    g_autofree char *inside = g_strdup_printf ("%s.%s", instance, slot);
    g_autofree char *name = free_name (group->volumes, instance, slot);

    if (json_object_get (group->shown, key) == NULL) {
        json_object_set_new (group->volumes, name, json_pack ("{s:s}", "inside", inside));
        json_object_set_new (group->shown, key, json_string (name));
    }
    return json_string_value (json_object_get (group->shown, key));
}

static void
group_volumes (Group *group, const char *instance, json_t *value)
{
    const char *slot;
    json_t *volume;

    json_object_foreach (json_object_get (value, "volumes"), slot, volume)
        json_object_set (group->filled, slot_for (group, instance, slot), volume);
    json_object_del (value, "volumes");
}

/* The surroundings' property @name is one of the assembly too; @schema is what its first user says of it. */
static void
pass_property (Group *group, const char *name, const json_t *schema)
{
    g_autofree char *redirect = g_strconcat ("$", name, NULL);
    const json_t *outer = json_object_get (json_object_get (group->edit->body, "properties"), name);
    json_t *copy = json_deep_copy (group->edit->in != NULL && json_is_object (outer) ? outer : schema);

    if (json_object_get (group->properties, name) == NULL)
        json_object_set (group->properties, name, copy);
    json_decref (copy);
    json_object_set_new (group->set, name, json_string (redirect));
}

static void
group_settings (Group *group, const char *instance, const json_t *value)
{
    g_autoptr (json_t) count =
        json_pack ("{s:s, s:i, s:i}", "type", "integer", "min", 1, "max", INSTANCE_COUNT_MAX);
    g_autoptr (json_t) string = json_pack ("{s:s}", "type", "string");
    const char *text = json_str (value, "count", ""), *key;
    json_t *setting;

    if (text[0] == '$')
        pass_property (group, text + 1, count);
    json_object_foreach (json_object_get (value, "set"), key, setting) {
        const json_t *schema = class_member (group, instance, "properties", key);
        text = json_is_string (setting) ? json_string_value (setting) : "";
        if (text[0] == '$' && text[1] != '$')
            pass_property (group, text + 1, schema != NULL ? schema : string);
    }
}

/* What an assembly around showed of the selected is shown of the new instance. */
static void
group_boundary (Group *group, const char *section)
{
    json_t *members = group->edit->in != NULL ? own_member (group->edit->body, section) : NULL, *value;
    const char *name;
    void *next;

    json_object_foreach_safe (members, next, name, value) {
        const char *inside = json_str (value, "inside", NULL);
        g_autofree char *end = g_strdup (inside);
        if (inside == NULL || !is_inner (group, inside))
            continue;
        if (strcmp (section, "terminals") == 0) {
            show_end (group, &end, json_str (value, "side", "input"));
        } else {
            g_auto (GStrv) words = g_strsplit (inside, ".", 2);
            g_free (end);
            end = g_strconcat (group->name, ".", slot_for (group, words[0], words[1]), NULL);
        }
        json_object_set_new (own_member (members, name), "inside", json_string (end));
    }
}

/* -- putting it together -- */

/* @key only when it holds something. Takes @value. */
static void
put_filled (json_t *object, const char *key, json_t *value)
{
    if (json_object_size (value) + json_array_size (value) > 0)
        json_object_set (object, key, value);
    json_decref (value);
}

static json_t *
make_assembly (Group *group, json_t *inner, json_t *layout)
{
    json_t *assembly = json_object ();

    put_filled (assembly, "terminals", json_incref (group->terminals));
    put_filled (assembly, "properties", json_incref (group->properties));
    json_object_set (assembly, "instances", inner);
    put_filled (assembly, "wires", json_incref (group->wires));
    put_filled (assembly, "volumes", json_incref (group->volumes));
    put_filled (assembly, "layout", json_incref (layout));
    return assembly;
}

static json_t *
make_instance (const Group *group)
{
    g_autofree char *ref = g_strconcat (CATALOG_LOCAL "/", group->as, NULL);
    json_t *instance = json_pack ("{s:s}", "class", ref);

    put_filled (instance, "set", json_incref (group->set));
    put_filled (instance, "volumes", json_incref (group->filled));
    return instance;
}

/* The first instance after the first selected one that stays. */
static char *
place_of (const Group *group)
{
    const char *name;
    json_t *value;
    gboolean passed = FALSE;

    json_object_foreach (json_object_get (group->edit->body, "instances"), name, value) {
        gboolean selected = json_object_get (group->selected, name) != NULL;
        if (passed && !selected)
            return g_strdup (name);
        passed |= selected;
    }
    return NULL;
}

static void
group_all (Group *group)
{
    Edit *edit = group->edit;
    g_autoptr (json_t) inner = json_object ();
    g_autoptr (json_t) layout = layout_take (edit->body, group->selected, group->name);
    g_autofree char *before = place_of (group);
    const char *name;
    json_t *value;

    each_wire (edit->body, group_wire, group);
    group_boundary (group, "terminals");
    group_boundary (group, "volumes");
    json_t *instances = own_member (edit->body, "instances");
    json_object_foreach (group->selected, name, value) {
        g_autoptr (json_t) copy = json_copy (value);
        group_settings (group, name, copy);
        group_volumes (group, name, copy);
        json_object_set (inner, name, copy);
        json_object_del (instances, name);
    }
    g_autoptr (json_t) instance = make_instance (group);
    object_insert (instances, group->name, instance, before);
    /* Of the root: the body worked on may be one of these itself. */
    json_object_set_new (own_section (edit->root, "assemblies"), group->as,
                         make_assembly (group, inner, layout));
}

static gboolean
select_instances (Group *group)
{
    const json_t *instances = json_object_get (group->edit->body, "instances");
    json_t *list = json_object_get (group->edit->op, "instances"), *item, *value;
    g_autoptr (json_t) wanted = json_object ();
    const char *name;
    gsize index;

    json_array_foreach (list, index, item) {
        g_autofree char *path =
            json_is_string (item) ? path_key ("instances", json_string_value (item)) : NULL;
        if (path == NULL || !json_is_object (json_object_get (instances, json_string_value (item))))
            return edit_refuse (group->edit, "unknown_instance", path != NULL ? path : "instances", NULL,
                                "there is no such instance");
        json_object_set (wanted, json_string_value (item), item);
    }
    json_object_foreach ((json_t *)instances, name, value)
        if (json_object_get (wanted, name) != NULL)
            json_object_set (group->selected, name, value);
    if (json_object_size (group->selected) == 0)
        return edit_refuse_key (group->edit, "missing_key", "instances", "must name at least one instance");
    return TRUE;
}

static gboolean
check_names (Group *group)
{
    Edit *edit = group->edit;
    g_autofree char *as_place = path_key (edit->place, "as");
    g_autofree char *name_place = path_key (edit->place, "name");

    if (!field_check_name (group->as, id_is_class, id_class_rule (), "an assembly", as_place,
                           edit->problems) ||
        !field_check_name (group->name, id_is_name, id_name_rule (), "an instance", name_place,
                           edit->problems))
        return FALSE;
    if (json_object_get (json_object_get (edit->root, "assemblies"), group->as) != NULL)
        return edit_refuse_key (edit, "duplicate_key", "as", "assembly '%s' is there already", group->as);
    if (json_object_get (json_object_get (edit->body, "instances"), group->name) != NULL &&
        json_object_get (group->selected, group->name) == NULL)
        return edit_refuse_key (edit, "duplicate_key", "name", "instance '%s' is there already", group->name);
    return TRUE;
}

gboolean
op_group (Edit *edit)
{
    Group group = {
        .edit = edit, .as = edit_text (edit, "as", FALSE), .name = edit_text (edit, "name", FALSE)};
    json_t **const fields[] = {&group.selected, &group.terminals, &group.properties, &group.volumes,
                               &group.shown,    &group.set,       &group.filled};
    guint before = problems_count (edit->problems);

    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        *fields[i] = json_object ();
    group.wires = json_array ();
    if (group.as != NULL && group.name != NULL && select_instances (&group) && check_names (&group))
        group_all (&group);
    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        json_decref (*fields[i]);
    json_decref (group.wires);
    return problems_count (edit->problems) == before;
}
