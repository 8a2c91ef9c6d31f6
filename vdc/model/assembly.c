#include "vdc/model/assembly.h"

#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/catalog.h"
#include "vdc/model/fields.h"

#include <string.h>

#define CLASS_REF_MAX 120
#define TIMEOUT_MAX_S 3600
#define RESTART_LIMIT_MAX 1000
#define RESTART_WINDOW_MAX_S (30 * 24 * 3600)
#define STOP_TIMEOUT_S 30
#define RESTART_LIMIT 3
#define RESTART_WINDOW_S (24 * 3600)
#define ORDER_MAX 1000

static void
instance_free (gpointer data)
{
    Instance *instance = data;

    g_free (instance->name);
    g_free (instance->class_ref);
    g_free (instance->count_property);
    g_free (instance->failover_group);
    json_decref (instance->set);
    json_decref (instance->volumes);
    json_decref (instance->resources);
    g_free (instance);
}

static void
wire_free (gpointer data)
{
    Wire *wire = data;

    g_free (wire->text);
    g_free (wire->from_instance);
    g_free (wire->from_terminal);
    g_free (wire->to_instance);
    g_free (wire->to_terminal);
    g_free (wire);
}

void
body_clear (Body *body)
{
    g_clear_pointer (&body->instances, g_ptr_array_unref);
    g_clear_pointer (&body->wires, g_ptr_array_unref);
}

const Instance *
body_instance (const Body *body, const char *name)
{
    for (guint i = 0; i < body->instances->len; i++) {
        const Instance *instance = g_ptr_array_index (body->instances, i);
        if (strcmp (instance->name, name) == 0)
            return instance;
    }
    return NULL;
}

/* -- instances -- */

static void
read_class_ref (Instance *instance, json_t *object, const char *path, Problems *problems)
{
    g_autofree char *place = path_key (path, "class");

    if (!field_require (object, path, "class", problems))
        return;
    g_autofree char *text = field_text (object, path, "class", TEXT_LINE, CLASS_REF_MAX, problems);
    if (text == NULL)
        return;
    if (catalog_ref_is_valid (text)) {
        instance->class_ref = g_steal_pointer (&text);
        return;
    }
    g_autofree char *quoted = problem_quote (text);
    problems_add (problems, "bad_class", place, NULL, "%s is no class: it must be [catalog/]NAME[@version]",
                  quoted);
}

static void
read_count (Instance *instance, json_t *object, const char *path, Problems *problems)
{
    json_t *value = json_object_get (object, "count");
    const char *text = json_string_value (value);

    instance->count = 1;
    instance->tier = value != NULL;
    if (text == NULL) {
        instance->count = field_int (object, path, "count", 1, INSTANCE_COUNT_MAX, 1, problems);
        return;
    }
    g_autofree char *place = path_key (path, "count");
    if (text[0] == '$' && id_is_terminal (text + 1))
        instance->count_property = g_strdup (text + 1);
    else
        field_wrong_type (value, "an integer or $property", place, problems);
}

static void
read_failover_group (Instance *instance, json_t *object, const char *path, Problems *problems)
{
    g_autofree char *text =
        field_text (object, path, "failover_group", TEXT_LINE, TEXT_SUMMARY_MAX, problems);
    g_autofree char *place = path_key (path, "failover_group");

    if (text != NULL &&
        field_check_name (text, id_is_name, id_name_rule (), "a failover group", place, problems))
        instance->failover_group = g_steal_pointer (&text);
}

static void
read_restart (Instance *instance, json_t *object, const char *path, Problems *problems)
{
    json_t *restart = field_object (object, path, "restart", problems);
    g_autofree char *place = path_key (path, "restart");

    if (restart != NULL)
        field_check_keys (restart, place, problems, "limit", "window", NULL);
    instance->restart_limit =
        field_int (restart, place, "limit", 0, RESTART_LIMIT_MAX, RESTART_LIMIT, problems);
    instance->restart_window_s =
        field_seconds (restart, place, "window", 1, RESTART_WINDOW_MAX_S, RESTART_WINDOW_S, problems);
}

/* A copy of the object at @key with only the members whose name and value can be what they should. Never
 * NULL. */
static json_t *
read_map (json_t *object, const char *path, const char *key, gboolean strings_only, Problems *problems)
{
    json_t *map = field_object (object, path, key, problems), *value, *kept = json_object ();
    g_autofree char *place = path_key (path, key);
    const char *name;

    json_object_foreach (map, name, value) {
        g_autofree char *member = path_key (place, name);
        if (!field_check_name (name, id_is_terminal, id_terminal_rule (),
                               strings_only ? "a volume slot" : "a property", member, problems))
            continue;
        if (strings_only ? json_is_string (value)
                         : !json_is_object (value) && !json_is_array (value) && !json_is_null (value))
            json_object_set (kept, name, value);
        else
            field_wrong_type (value, strings_only ? "the name of a volume" : "a single value", member,
                              problems);
    }
    return kept;
}

static void
read_volumes (Instance *instance, json_t *object, const char *path, Problems *problems)
{
    g_autofree char *place = path_key (path, "volumes");
    const char *slot;
    json_t *value;
    void *next;

    instance->volumes = read_map (object, path, "volumes", TRUE, problems);
    json_object_foreach_safe (instance->volumes, next, slot, value) {
        g_autofree char *member = path_key (place, slot);
        if (!field_check_name (json_string_value (value), id_is_name, id_name_rule (), "a volume", member,
                               problems))
            json_object_del (instance->volumes, slot);
    }
}

static void
read_resources (Instance *instance, json_t *object, const char *path, Problems *problems)
{
    static const struct {
        const char *key;
        AmountKind kind;
    } amounts[] = {{"cpu", AMOUNT_CPU}, {"memory", AMOUNT_MEMORY}, {"network", AMOUNT_NETWORK}};
    json_t *resources = field_object (object, path, "resources", problems);
    g_autofree char *place = path_key (path, "resources");

    instance->resources = json_object ();
    if (resources == NULL)
        return;
    field_check_keys (resources, place, problems, "cpu", "memory", "network", "cpu_cap", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (amounts); i++) {
        json_t *value = json_object_get (resources, amounts[i].key);
        g_autofree char *member = path_key (place, amounts[i].key);
        double amount;
        if (value != NULL && amount_parse (value, amounts[i].kind, member, problems, &amount))
            json_put (instance->resources, amounts[i].key, json_real (amount));
    }
    json_put (instance->resources, "cpu_cap",
              json_boolean (field_bool (resources, place, "cpu_cap", FALSE, problems)));
}

static Instance *
read_instance (const char *name, json_t *object, const char *path, Problems *problems)
{
    Instance *instance = g_new0 (Instance, 1);

    field_check_keys (object, path, problems, "class", "count", "spread", "set", "volumes", "resources",
                      "order", "standby", "ignore_failure", "failover_group", "start_timeout", "stop_timeout",
                      "restart", NULL);
    instance->name = g_strdup (name);
    read_class_ref (instance, object, path, problems);
    read_count (instance, object, path, problems);
    instance->spread = field_bool (object, path, "spread", FALSE, problems);
    instance->standby = field_bool (object, path, "standby", FALSE, problems);
    instance->ignore_failure = field_bool (object, path, "ignore_failure", FALSE, problems);
    instance->order = field_int (object, path, "order", 0, ORDER_MAX, 0, problems);
    read_failover_group (instance, object, path, problems);
    instance->start_timeout_s = field_seconds (object, path, "start_timeout", 1, TIMEOUT_MAX_S, 0, problems);
    instance->stop_timeout_s =
        field_seconds (object, path, "stop_timeout", 1, TIMEOUT_MAX_S, STOP_TIMEOUT_S, problems);
    read_restart (instance, object, path, problems);
    instance->set = read_map (object, path, "set", FALSE, problems);
    read_volumes (instance, object, path, problems);
    read_resources (instance, object, path, problems);
    return instance;
}

static void
read_instances (Body *body, json_t *root, Problems *problems)
{
    json_t *object = NULL, *value;
    const char *name;

    if (field_require (root, "", "instances", problems))
        object = field_object (root, "", "instances", problems);
    if (json_object_size (object) > TOPOLOGY_INSTANCES_MAX) {
        problems_add (problems, "too_many", "instances", NULL, "has %zu entries; at most %d are allowed",
                      json_object_size (object), TOPOLOGY_INSTANCES_MAX);
        return;
    }
    if (object != NULL && json_object_size (object) == 0)
        problems_add (problems, "empty", "instances", NULL, "there must be at least one instance");
    json_object_foreach (object, name, value) {
        g_autofree char *path = path_key ("instances", name);
        if (!field_check_name (name, id_is_name, id_name_rule (), "an instance", path, problems))
            continue;
        if (!json_is_object (value))
            field_wrong_type (value, "a mapping such as {class: WEB}", path, problems);
        else
            g_ptr_array_add (body->instances, read_instance (name, value, path, problems));
    }
}

/* -- wires -- */

/* "a.b -> c.d", blanks as one likes. NULL when not of that form. */
static Wire *
parse_wire (const char *text)
{
    const char *arrow = strstr (text, "->");
    Wire *wire = g_new0 (Wire, 1);

    if (arrow != NULL) {
        g_autofree char *from = g_strstrip (g_strndup (text, arrow - text));
        g_autofree char *to = g_strstrip (g_strdup (arrow + 2));
        if (split_terminal (from, &wire->from_instance, &wire->from_terminal) &&
            split_terminal (to, &wire->to_instance, &wire->to_terminal)) {
            wire->text = g_strconcat (from, " -> ", to, NULL);
            return wire;
        }
    }
    wire_free (wire);
    return NULL;
}

static const char *
nearest_instance (const Body *body, const char *name)
{
    g_autofree const char **names = g_new0 (const char *, body->instances->len + 1);

    for (guint i = 0; i < body->instances->len; i++)
        names[i] = ((const Instance *)g_ptr_array_index (body->instances, i))->name;
    return nearest_word (name, names);
}

/* An instance that is there but broken was left out: then there is nothing more to say about its wires. */
static gboolean
check_instance (const Body *body, json_t *root, const char *name, const char *path, Problems *problems)
{
    if (body_instance (body, name) != NULL)
        return TRUE;
    if (json_object_get (json_object_get (root, "instances"), name) == NULL)
        problems_add (problems, "unknown_instance", path, nearest_instance (body, name),
                      "there is no instance '%s'", name);
    return FALSE;
}

static void
read_wire (Body *body, json_t *root, json_t *value, gsize index, Problems *problems)
{
    g_autofree char *path = path_index ("wires", index);

    if (!json_is_string (value)) {
        field_wrong_type (value, "a wire such as lb.out -> web.in", path, problems);
        return;
    }
    Wire *wire = parse_wire (json_string_value (value));
    if (wire == NULL) {
        g_autofree char *quoted = problem_quote (json_string_value (value));
        problems_add (problems, "bad_wire", path, NULL, "%s is no wire such as lb.out -> web.in", quoted);
        return;
    }
    wire->index = index;
    gboolean from = check_instance (body, root, wire->from_instance, path, problems);
    gboolean to = check_instance (body, root, wire->to_instance, path, problems);
    if (from && to)
        g_ptr_array_add (body->wires, wire);
    else
        wire_free (wire);
}

static void
read_wires (Body *body, json_t *root, Problems *problems)
{
    json_t *list = json_object_get (root, "wires"), *value;
    gsize index;

    if (list == NULL)
        return;
    if (!json_is_array (list)) {
        field_wrong_type (list, "a list of wires such as lb.out -> web.in", "wires", problems);
        return;
    }
    if (json_array_size (list) > TOPOLOGY_WIRES_MAX) {
        problems_add (problems, "too_many", "wires", NULL, "has %zu entries; at most %d are allowed",
                      json_array_size (list), TOPOLOGY_WIRES_MAX);
        return;
    }
    json_array_foreach (list, index, value)
        read_wire (body, root, value, index, problems);
}

void
body_from_json (Body *body, json_t *root, Problems *problems)
{
    body->instances = g_ptr_array_new_with_free_func (instance_free);
    body->wires = g_ptr_array_new_with_free_func (wire_free);
    read_instances (body, root, problems);
    read_wires (body, root, problems);
}

/* -- assemblies -- */

static void
assembly_clear (gpointer data)
{
    Assembly *assembly = data;

    boundary_clear (&assembly->boundary);
    body_clear (&assembly->body);
    json_decref (assembly->document);
}

Assembly *
assembly_ref (Assembly *assembly)
{
    return g_atomic_rc_box_acquire (assembly);
}

void
assembly_unref (Assembly *assembly)
{
    if (assembly != NULL)
        g_atomic_rc_box_release_full (assembly, assembly_clear);
}

/* `inside: NAME.…` of terminals and volumes must name an instance. */
static void
check_inside (const Assembly *assembly, const char *section, const char *name, const char *instance,
              Problems *problems)
{
    g_autofree char *parent = path_key (section, name);
    g_autofree char *path = path_key (parent, "inside");

    check_instance (&assembly->body, assembly->document, instance, path, problems);
}

/* What an application does may make no sense here. */
static void
check_body (const Assembly *assembly, Problems *problems)
{
    const Boundary *boundary = &assembly->boundary;

    for (guint i = 0; i < boundary->terminals->len; i++) {
        const Terminal *terminal = g_ptr_array_index (boundary->terminals, i);
        check_inside (assembly, "terminals", terminal->name, terminal->inside_instance, problems);
    }
    for (guint i = 0; i < boundary->volumes->len; i++) {
        const VolumeSlot *slot = g_ptr_array_index (boundary->volumes, i);
        check_inside (assembly, "volumes", slot->name, slot->inside_instance, problems);
    }
    for (guint i = 0; i < assembly->body.instances->len; i++) {
        const Instance *instance = g_ptr_array_index (assembly->body.instances, i);
        g_autofree char *path = g_strdup_printf ("instances.%s.volumes", instance->name);
        if (json_object_size (instance->volumes) > 0)
            problems_add (
                problems, "not_allowed", path, NULL,
                "an assembly has no volumes of its own: show the slot in its 'volumes' with 'inside'");
    }
}

Assembly *
assembly_from_document (const Document *document, Problems *problems)
{
    json_t *root = document_root (document);
    guint before = problems_count (problems);

    if (!json_is_object (root)) {
        field_wrong_type (root, "a mapping", "", problems);
        return NULL;
    }
    g_autoptr (Assembly) assembly = g_atomic_rc_box_new0 (Assembly);
    assembly->document = json_incref (root);
    field_check_keys (root, "", problems, "assembly", "version", "summary", "help", "terminals", "properties",
                      "volumes", "instances", "wires", "layout", NULL);
    boundary_from_json (&assembly->boundary, "assembly", root, problems);
    body_from_json (&assembly->body, root, problems);
    check_body (assembly, problems);
    return problems_count (problems) == before ? g_steal_pointer (&assembly) : NULL;
}

Assembly *
assembly_parse (const char *text, gsize length, DocumentFormat format, Problems *problems)
{
    guint before = problems_count (problems);
    g_autoptr (Document) document = document_parse (text, length, format, problems);
    if (document == NULL)
        return NULL;
    g_autoptr (Assembly) assembly = assembly_from_document (document, problems);
    document_locate (document, problems);
    return problems_count (problems) == before ? g_steal_pointer (&assembly) : NULL;
}

json_t *
assembly_json (const Assembly *assembly)
{
    json_t *object = boundary_json (&assembly->boundary), *instances = json_array (), *wires = json_array ();

    for (guint i = 0; i < assembly->body.instances->len; i++) {
        const Instance *instance = g_ptr_array_index (assembly->body.instances, i);
        json_t *item = json_object ();
        json_put (item, "name", json_string (instance->name));
        json_put (item, "class", json_string (instance->class_ref));
        if (instance->count_property != NULL)
            json_put (item, "count", json_sprintf ("$%s", instance->count_property));
        else if (instance->tier)
            json_put (item, "count", json_integer (instance->count));
        json_array_append_new (instances, item);
    }
    for (guint i = 0; i < assembly->body.wires->len; i++)
        json_array_append_new (
            wires, json_string (((const Wire *)g_ptr_array_index (assembly->body.wires, i))->text));
    json_put (object, "kind", json_string ("assembly"));
    json_put (object, "instances", instances);
    json_put (object, "wires", wires);
    return object;
}
