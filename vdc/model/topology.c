/*
 * Opening an application: every instance becomes nodes (one per count); a node is a member, or the scope of
 * an assembly with nodes of its own. Then wires are followed from scope to scope down to members.
 *
 * Invariants: application_check found no problem, so every class, terminal, slot and `$name` is known; what
 * is left to find here depends on values: counts, settings behind `$name`, and how many members share a
 * volume.
 */
#include "vdc/model/topology.h"

#include "vdc/base/json.h"
#include "vdc/model/check.h"
#include "vdc/model/topology_internal.h"

#include <string.h>

typedef struct {
    const Body *body;
    json_t *values;      /* what `$name` gives here */
    GHashTable *volumes; /* "instance.slot" → application volume */
    GHashTable *nodes;   /* instance name → GPtrArray of Node * */
    char *member_prefix; /* "" or "web.1." */
    char *group_prefix;  /* "" or "web." */
    char *numbers;       /* "" or "1." */
    char *place;         /* where problems are reported: "instances.web"; NULL in the application itself */
    gboolean spread, standby, ignore_failure;
    gint order;
    guint depth;
} Scope;

typedef struct {
    Member *member; /* one of the two */
    Scope *scope;
    const Assembly *assembly; /* of the scope */
} Node;

typedef struct {
    Topology *topology;
    const Catalog *catalog;
    Problems *problems;
    GPtrArray *scopes; /* Scope *, owned; in the order they were opened */
    gboolean stopped;
} Opening;

/* -- memory -- */

static void
member_volume_free (gpointer data)
{
    MemberVolume *volume = data;

    g_free (volume->volume);
    g_free (volume);
}

static void
member_free (gpointer data)
{
    Member *member = data;

    g_free (member->name);
    g_free (member->group);
    class_unref (member->class);
    g_free (member->class_ref);
    g_free (member->catalog);
    json_decref (member->settings);
    g_ptr_array_unref (member->volumes);
    g_free (member);
}

static void
wire_free (gpointer data)
{
    MemberWire *wire = data;

    g_free (wire->text);
    g_ptr_array_unref (wire->to);
    g_free (wire);
}

static void
volume_free (gpointer data)
{
    TopologyVolume *volume = data;

    g_free (volume->name);
    g_free (volume);
}

void
topology_free (Topology *topology)
{
    if (topology == NULL)
        return;
    g_free (topology->name);
    g_ptr_array_unref (topology->wires);
    g_ptr_array_unref (topology->members);
    g_ptr_array_unref (topology->volumes);
    g_ptr_array_unref (topology->cycles);
    application_free (topology->application);
    json_decref (topology->used);
    g_ptr_array_unref (topology->held);
    g_free (topology);
}

static void
scope_free (gpointer data)
{
    Scope *scope = data;

    json_decref (scope->values);
    g_hash_table_unref (scope->volumes);
    g_hash_table_unref (scope->nodes);
    g_free (scope->member_prefix);
    g_free (scope->group_prefix);
    g_free (scope->numbers);
    g_free (scope->place);
    g_free (scope);
}

static Scope *
scope_new (Opening *opening, const Body *body)
{
    Scope *scope = g_new0 (Scope, 1);

    scope->body = body;
    scope->volumes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    scope->nodes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    g_ptr_array_add (opening->scopes, scope);
    return scope;
}

/* -- values -- */

/* Where a problem with @instance's @suffix is shown: inside an assembly there is no line for it. */
static char *
place_of (const Scope *scope, const Instance *instance, const char *suffix)
{
    if (scope->place != NULL)
        return g_strdup (scope->place);
    return g_strdup_printf ("instances.%s%s", instance->name, suffix);
}

/* New reference; NULL when `$name` points at a property without a value. */
static json_t *
resolve (const Scope *scope, json_t *value)
{
    const char *text = json_string_value (value);

    if (text == NULL || text[0] != '$')
        return json_incref (value);
    return text[1] == '$' ? json_string (text + 1) : json_incref (json_object_get (scope->values, text + 1));
}

static json_t *
resolve_settings (Opening *opening, const Scope *scope, const Instance *instance, const Boundary *boundary)
{
    json_t *settings = json_object ();

    for (guint i = 0; i < boundary->properties->len; i++) {
        const Property *property = g_ptr_array_index (boundary->properties, i);
        json_t *value = resolve (scope, json_object_get (instance->set, property->name));
        g_autofree char *suffix = g_strdup_printf (".set.%s", property->name);
        g_autofree char *place = place_of (scope, instance, suffix);
        if (value == NULL)
            value = json_incref (property->initial);
        if (value != NULL && property_check (property, value, place, opening->problems))
            json_object_set (settings, property->name, value);
        else if (value == NULL && property->required)
            problems_add (opening->problems, "property_missing", place, NULL, "%s%s needs a value for '%s'",
                          scope->group_prefix, instance->name, property->name);
        json_decref (value);
    }
    return settings;
}

/* 0 with a problem when it is no count. */
static guint
resolve_count (Opening *opening, const Scope *scope, const Instance *instance)
{
    if (instance->count_property == NULL)
        return instance->count;
    gint64 count = json_int (scope->values, instance->count_property, 0);
    if (count >= 1 && count <= INSTANCE_COUNT_MAX)
        return count;
    g_autofree char *place = place_of (scope, instance, ".count");
    problems_add (opening->problems, "out_of_range", place, NULL,
                  "the count of '%s%s', $%s, must be from 1 to %d", scope->group_prefix, instance->name,
                  instance->count_property, INSTANCE_COUNT_MAX);
    return 0;
}

static Resources
resolve_resources (const Instance *instance, const Class *class)
{
    const ResourceRanges *ranges = &class->resources;

    return (Resources){
        .cpu = json_num (instance->resources, "cpu", ranges->cpu.initial),
        .cpu_cap = json_bool (instance->resources, "cpu_cap", FALSE),
        .memory_bytes = json_num (instance->resources, "memory", ranges->memory.initial),
        .network_bps = json_num (instance->resources, "network", ranges->network.initial),
    };
}

/* -- volumes -- */

/* Borrowed, NULL when unfilled. */
static const char *
volume_for (const Scope *scope, const Instance *instance, const char *slot)
{
    g_autofree char *key = g_strconcat (instance->name, ".", slot, NULL);
    return g_hash_table_lookup (scope->volumes, key);
}

static void
attach_volumes (Opening *opening, const Scope *scope, Member *member, const char *numbers)
{
    const Boundary *boundary = &member->class->boundary;

    for (guint i = 0; i < boundary->volumes->len; i++) {
        const VolumeSlot *slot = g_ptr_array_index (boundary->volumes, i);
        const char *name = volume_for (scope, member->instance, slot->name);
        const ApplicationVolume *declared =
            name != NULL ? application_volume (opening->topology->application, name) : NULL;
        if (declared == NULL)
            continue;
        MemberVolume *volume = g_new0 (MemberVolume, 1);
        volume->slot = slot;
        volume->declared = declared->name;
        volume->read_only = slot->mode == SLOT_READ_ONLY;
        volume->volume = slot->mode == SLOT_PER_MEMBER && numbers[0] != '\0'
                             ? g_strdup_printf ("%s.%s", name, numbers)
                             : g_strdup (name);
        g_ptr_array_add (member->volumes, volume);
    }
}

/* What the application gives its instances directly. */
static void
fill_application_volumes (Scope *scope)
{
    for (guint i = 0; i < scope->body->instances->len; i++) {
        const Instance *instance = g_ptr_array_index (scope->body->instances, i);
        const char *slot;
        json_t *value;
        json_object_foreach (instance->volumes, slot, value)
            g_hash_table_insert (scope->volumes, g_strconcat (instance->name, ".", slot, NULL),
                                 g_strdup (json_string_value (value)));
    }
}

/* What was given to the assembly's slots goes on to the instances behind them. */
static void
pass_volumes (const Scope *outer, const Instance *instance, const Assembly *assembly, Scope *inner)
{
    for (guint i = 0; i < assembly->boundary.volumes->len; i++) {
        const VolumeSlot *slot = g_ptr_array_index (assembly->boundary.volumes, i);
        const char *name = volume_for (outer, instance, slot->name);
        if (name != NULL)
            g_hash_table_insert (inner->volumes,
                                 g_strconcat (slot->inside_instance, ".", slot->inside_slot, NULL),
                                 g_strdup (name));
    }
}

/* -- opening -- */

static void open_scope (Opening *opening, Scope *scope);

static void
note_used (Opening *opening, const char *ref, const CatalogEntry *entry)
{
    json_t *used = opening->topology->used;

    if (catalog_ref_is_local (ref)) { /* they are in the description itself */
        g_ptr_array_add (opening->topology->held, assembly_ref (entry->assembly));
        return;
    }
    if (json_object_get (used, ref) != NULL)
        return;
    json_t *item = json_object ();
    json_put (item, "kind", json_string (entry->class != NULL ? "class" : "assembly"));
    json_put (item, "catalog", json_string (entry->catalog));
    json_put (item, "document",
              json_incref (entry->class != NULL ? entry->class->document : entry->assembly->document));
    json_put (used, ref, item);
    if (entry->assembly != NULL)
        g_ptr_array_add (opening->topology->held, assembly_ref (entry->assembly));
}

/* @number 0: not a tier. */
static char *
numbered (const char *prefix, const char *name, guint number)
{
    return number > 0 ? g_strdup_printf ("%s%s.%u", prefix, name, number) : g_strconcat (prefix, name, NULL);
}

static void
open_member (Opening *opening, const Scope *scope, const Instance *instance, const CatalogEntry *entry,
             guint number, Node *node)
{
    Member *member = g_new0 (Member, 1);
    Class *class = entry->class;
    g_autofree char *numbers =
        number > 0 ? g_strdup_printf ("%s%u", scope->numbers, number) : g_strdup (scope->numbers);

    if (g_str_has_suffix (numbers, "."))
        numbers[strlen (numbers) - 1] = '\0';
    member->name = numbered (scope->member_prefix, instance->name, number);
    member->group = g_strconcat (scope->group_prefix, instance->name, NULL);
    member->class = class_ref (class);
    member->class_ref = g_strdup (instance->class_ref);
    member->catalog = g_strdup (entry->catalog);
    member->tier = instance->tier;
    member->number = number;
    member->instance = instance;
    member->settings = resolve_settings (opening, scope, instance, &class->boundary);
    member->resources = resolve_resources (instance, class);
    member->volumes = g_ptr_array_new_with_free_func (member_volume_free);
    member->spread = scope->spread || instance->spread;
    member->standby = scope->standby || instance->standby;
    member->ignore_failure = scope->ignore_failure || instance->ignore_failure;
    member->order = scope->order + instance->order;
    attach_volumes (opening, scope, member, numbers);
    if (strlen (member->name) > MEMBER_NAME_MAX) {
        g_autofree char *place = place_of (scope, instance, "");
        problems_add (opening->problems, "too_long", place, NULL,
                      "the member's name '%s' is longer than %d characters", member->name, MEMBER_NAME_MAX);
    }
    g_ptr_array_add (opening->topology->members, member);
    node->member = member;
}

static void
open_assembly (Opening *opening, const Scope *scope, const Instance *instance, const Assembly *assembly,
               guint number, Node *node)
{
    Scope *inner = scope_new (opening, &assembly->body);
    g_autofree char *member = numbered (scope->member_prefix, instance->name, number);

    inner->values = resolve_settings (opening, scope, instance, &assembly->boundary);
    inner->member_prefix = g_strconcat (member, ".", NULL);
    inner->group_prefix = g_strconcat (scope->group_prefix, instance->name, ".", NULL);
    inner->numbers =
        number > 0 ? g_strdup_printf ("%s%u.", scope->numbers, number) : g_strdup (scope->numbers);
    inner->place = place_of (scope, instance, "");
    inner->spread = scope->spread || instance->spread;
    inner->standby = scope->standby || instance->standby;
    inner->ignore_failure = scope->ignore_failure || instance->ignore_failure;
    inner->order = scope->order + instance->order;
    inner->depth = scope->depth + 1;
    pass_volumes (scope, instance, assembly, inner);
    node->scope = inner;
    node->assembly = assembly;
    open_scope (opening, inner);
}

static void
open_instance (Opening *opening, Scope *scope, const Instance *instance)
{
    GPtrArray *nodes = g_ptr_array_new_with_free_func (g_free);
    guint count = resolve_count (opening, scope, instance);
    CatalogEntry entry;

    g_hash_table_insert (scope->nodes, g_strdup (instance->name), nodes);
    if (!catalog_get (opening->catalog, instance->class_ref, &entry))
        g_assert_not_reached ();
    note_used (opening, instance->class_ref, &entry);
    for (guint i = 1; i <= count && !opening->stopped; i++) {
        Node *node = g_new0 (Node, 1);
        guint number = instance->tier ? i : 0;
        g_ptr_array_add (nodes, node);
        if (entry.class != NULL)
            open_member (opening, scope, instance, &entry, number, node);
        else
            open_assembly (opening, scope, instance, entry.assembly, number, node);
    }
}

static void
open_scope (Opening *opening, Scope *scope)
{
    for (guint i = 0; i < scope->body->instances->len && !opening->stopped; i++) {
        if (opening->topology->members->len > TOPOLOGY_MEMBERS_MAX || scope->depth > TOPOLOGY_DEPTH_MAX) {
            opening->stopped = TRUE;
            problems_add (
                opening->problems, "too_many", "instances", NULL,
                "more than %d members, or assemblies more than %d deep in each other, are not allowed",
                TOPOLOGY_MEMBERS_MAX, TOPOLOGY_DEPTH_MAX);
            return;
        }
        open_instance (opening, scope, g_ptr_array_index (scope->body->instances, i));
    }
}

/* -- wires -- */

typedef struct {
    GPtrArray *members; /* Member *: those behind one end of a wire */
    const Terminal *terminal;
    const Protocol *protocol; /* the narrowest so far; NULL: they do not go together */
} End;

/* Follow @terminal of every node of @instance down to members; @end collects. */
static void
follow (const Scope *scope, const char *instance, const char *name, End *end)
{
    GPtrArray *nodes = g_hash_table_lookup (scope->nodes, instance);

    for (guint i = 0; i < nodes->len; i++) {
        const Node *node = g_ptr_array_index (nodes, i);
        const Boundary *boundary =
            node->member != NULL ? &node->member->class->boundary : &node->assembly->boundary;
        const Terminal *terminal = boundary_terminal (boundary, name);
        if (end->protocol != NULL)
            end->protocol = protocol_narrower (end->protocol, terminal->protocol);
        if (node->member != NULL) {
            end->terminal = terminal;
            g_ptr_array_add (end->members, node->member);
        } else {
            follow (node->scope, terminal->inside_instance, terminal->inside_terminal, end);
        }
    }
}

static void
add_wires (Opening *opening, const End *from, const End *to)
{
    const Member *first = g_ptr_array_index (to->members, 0);

    for (guint i = 0; i < from->members->len; i++) {
        const Member *member = g_ptr_array_index (from->members, i);
        MemberWire *wire = g_new0 (MemberWire, 1);
        wire->text = g_strdup_printf ("%s.%s->%s.%s", member->group, from->terminal->name, first->group,
                                      to->terminal->name);
        wire->from = member;
        wire->from_terminal = from->terminal;
        wire->to = g_ptr_array_copy (to->members, NULL, NULL);
        wire->to_terminal = to->terminal;
        wire->to_group = first->group;
        wire->protocol = to->protocol;
        wire->gateway = from->terminal->gateway;
        g_ptr_array_add (opening->topology->wires, wire);
    }
}

static void
open_wire (Opening *opening, const Scope *scope, const Wire *wire)
{
    g_autoptr (GPtrArray) sources = g_ptr_array_new (), targets = g_ptr_array_new ();
    g_autofree char *place =
        scope->place != NULL ? g_strdup (scope->place) : g_strdup_printf ("wires[%u]", wire->index);
    End from = {sources, NULL, protocol_get ("any")};

    follow (scope, wire->from_instance, wire->from_terminal, &from);
    End to = {targets, NULL, from.protocol};
    follow (scope, wire->to_instance, wire->to_terminal, &to);
    if (to.protocol == NULL)
        problems_add (opening->problems, "protocol_mismatch", place, NULL,
                      "the ends of %s speak different protocols", wire->text);
    else if (from.terminal->gateway && targets->len > 1)
        problems_add (opening->problems, "gateway_tier", place, NULL,
                      "%s goes to %u members: a default route has one gateway", wire->text, targets->len);
    else
        add_wires (opening, &from, &to);
}

/* -- volumes of the whole -- */

/* Once for all members of a group: @reported holds what was said. */
static void
report_shared (Opening *opening, GHashTable *reported, const Member *first, const Member *second,
               const MemberVolume *volume)
{
    if (!g_hash_table_add (reported, g_strdup_printf ("%s %s", volume->volume, second->group)))
        return;
    g_auto (GStrv) parts = g_strsplit (second->group, ".", 2);
    gboolean same_group = strcmp (first->group, second->group) == 0;
    g_autofree char *place = g_strdup_printf ("instances.%s.volumes", parts[0]);

    problems_add (opening->problems, same_group ? "exclusive_in_tier" : "volume_shared", place, NULL,
                  "volume '%s' is used by '%s' and '%s': one of them must be its only writer", volume->volume,
                  first->name, second->name);
}

/* Two uses of one volume go together only when neither writes. */
static void
check_sharing (Opening *opening)
{
    g_autoptr (GHashTable) users = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GHashTable) written = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GHashTable) reported = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < opening->topology->members->len; i++) {
        const Member *member = g_ptr_array_index (opening->topology->members, i);
        for (guint j = 0; j < member->volumes->len; j++) {
            const MemberVolume *volume = g_ptr_array_index (member->volumes, j);
            const Member *first = g_hash_table_lookup (users, volume->volume);
            if (first != NULL && (!volume->read_only || g_hash_table_contains (written, volume->volume)))
                report_shared (opening, reported, first, member, volume);
            if (!volume->read_only)
                g_hash_table_add (written, volume->volume);
            if (first == NULL)
                g_hash_table_insert (users, volume->volume, (gpointer)member);
        }
    }
}

static void
add_volume (Topology *topology, const char *name, const ApplicationVolume *declared)
{
    TopologyVolume *volume = g_new0 (TopologyVolume, 1);

    volume->name = g_strdup (name);
    volume->declared = declared;
    g_ptr_array_add (topology->volumes, volume);
}

/* Those members use, then those nobody does: they were asked for too. */
static void
list_volumes (Topology *topology)
{
    g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GHashTable) listed = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        for (guint j = 0; j < member->volumes->len; j++) {
            const MemberVolume *volume = g_ptr_array_index (member->volumes, j);
            g_hash_table_add (known, (gpointer)volume->declared);
            if (g_hash_table_add (listed, volume->volume))
                add_volume (topology, volume->volume,
                            application_volume (topology->application, volume->declared));
        }
    }
    for (guint i = 0; i < topology->application->volumes->len; i++) {
        const ApplicationVolume *declared = g_ptr_array_index (topology->application->volumes, i);
        if (!g_hash_table_contains (known, declared->name))
            add_volume (topology, declared->name, declared);
    }
}

/* -- all of it -- */

gint
member_name_compare (const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (g_ascii_isdigit (*a) && g_ascii_isdigit (*b)) {
            char *a_end, *b_end;
            guint64 left = g_ascii_strtoull (a, &a_end, 10), right = g_ascii_strtoull (b, &b_end, 10);
            if (left != right)
                return left < right ? -1 : 1;
            a = a_end;
            b = b_end;
        } else if (*a != *b) {
            /* The point is less than '-': "web.1" stands with "web", before "web-old". */
            return (*a == '.' ? 1 : (guchar)*a) < (*b == '.' ? 1 : (guchar)*b) ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return (*a != '\0') - (*b != '\0');
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
    return member_name_compare ((*(Member *const *)a)->name, (*(Member *const *)b)->name);
}

static gint
by_output (gconstpointer a, gconstpointer b)
{
    const MemberWire *left = *(MemberWire *const *)a, *right = *(MemberWire *const *)b;
    gint order = member_name_compare (left->from->name, right->from->name);
    return order != 0 ? order : strcmp (left->from_terminal->name, right->from_terminal->name);
}

static void
open_application (Opening *opening)
{
    Topology *topology = opening->topology;
    Scope *scope = scope_new (opening, &topology->application->body);

    scope->values = json_incref (topology->application->properties);
    scope->member_prefix = g_strdup ("");
    scope->group_prefix = g_strdup ("");
    scope->numbers = g_strdup ("");
    fill_application_volumes (scope);
    open_scope (opening, scope);
    /* A count that is none leaves an instance without members: no wire can be followed to it. */
    if (problems_count (opening->problems) > 0)
        return;
    for (guint i = 0; i < opening->scopes->len; i++) {
        const Scope *each = g_ptr_array_index (opening->scopes, i);
        for (guint j = 0; j < each->body->wires->len; j++)
            open_wire (opening, each, g_ptr_array_index (each->body->wires, j));
    }
    g_ptr_array_sort (topology->members, by_name);
    g_ptr_array_sort (topology->wires, by_output);
    check_sharing (opening);
}

Topology *
topology_new (Application *application, const Catalog *catalog, Problems *problems)
{
    g_autoptr (Topology) topology = g_new0 (Topology, 1);
    g_autoptr (GPtrArray) scopes = g_ptr_array_new_with_free_func (scope_free);
    g_autoptr (Catalog) with_own = catalog_new_local (catalog, application->assemblies);
    Opening opening = {.topology = topology, .catalog = with_own, .problems = problems, .scopes = scopes};

    topology->application = application;
    topology->name = g_strdup (application->name);
    topology->members = g_ptr_array_new_with_free_func (member_free);
    topology->wires = g_ptr_array_new_with_free_func (wire_free);
    topology->volumes = g_ptr_array_new_with_free_func (volume_free);
    topology->cycles = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
    topology->held = g_ptr_array_new_with_free_func ((GDestroyNotify)assembly_unref);
    topology->used = json_object ();
    application_check (application, with_own, problems);
    if (problems_count (problems) == 0)
        open_application (&opening);
    if (problems_count (problems) > 0)
        return NULL;
    list_volumes (topology);
    topology_set_order (topology);
    return g_steal_pointer (&topology);
}

Topology *
topology_from_document (const Document *document, const Catalog *catalog, Problems *problems)
{
    Application *application = application_from_document (document, problems);
    Topology *topology = application != NULL ? topology_new (application, catalog, problems) : NULL;

    document_locate (document, problems);
    return topology;
}
