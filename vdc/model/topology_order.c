/*
 * Start order: servers of a wire before its clients. Groups that reach each other in a circle have no order;
 * they are one circle and start together. Tarjan's algorithm over groups yields circles with the servers'
 * ones first.
 */
#include "vdc/model/topology_internal.h"

#include <string.h>

typedef struct {
    const char *name;
    GPtrArray *servers; /* Group *, may repeat */
    guint index, low;   /* Tarjan; index 0: not seen */
    gboolean on_stack;
    guint circle, level;
} Group;

typedef struct {
    GHashTable *groups; /* name → Group * */
    GPtrArray *stack;
    guint next_index, next_circle;
    GPtrArray *cycles;
} Order;

static void
group_free (gpointer data)
{
    Group *group = data;

    g_ptr_array_unref (group->servers);
    g_free (group);
}

static Group *
group_get (Order *order, const char *name)
{
    Group *group = g_hash_table_lookup (order->groups, name);

    if (group == NULL) {
        group = g_new0 (Group, 1);
        group->name = name;
        group->servers = g_ptr_array_new ();
        g_hash_table_insert (order->groups, (gpointer)name, group);
    }
    return group;
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

/* The groups from @group to the stack's top are one circle. All servers outside of it have their level
 * already. */
static void
close_circle (Order *order, Group *group)
{
    g_autoptr (GPtrArray) members = g_ptr_array_new ();
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    guint level = 0;
    Group *each;

    do {
        each = g_ptr_array_steal_index (order->stack, order->stack->len - 1);
        each->on_stack = FALSE;
        g_ptr_array_add (members, each);
        g_ptr_array_add (names, g_strdup (each->name));
        for (guint i = 0; i < each->servers->len; i++) {
            const Group *server = g_ptr_array_index (each->servers, i);
            if (server->circle != 0)
                level = MAX (level, server->level + 1);
        }
    } while (each != group);

    order->next_circle++;
    for (guint i = 0; i < members->len; i++) {
        each = g_ptr_array_index (members, i);
        each->circle = order->next_circle;
        each->level = level;
    }
    if (members->len > 1) {
        g_ptr_array_sort (names, by_text);
        g_ptr_array_add (names, NULL);
        g_ptr_array_add (order->cycles, g_ptr_array_steal (names, NULL));
    }
}

static void
visit (Order *order, Group *group)
{
    group->index = group->low = ++order->next_index;
    group->on_stack = TRUE;
    g_ptr_array_add (order->stack, group);
    for (guint i = 0; i < group->servers->len; i++) {
        Group *server = g_ptr_array_index (group->servers, i);
        if (server->index == 0) {
            visit (order, server);
            group->low = MIN (group->low, server->low);
        } else if (server->on_stack) {
            group->low = MIN (group->low, server->index);
        }
    }
    if (group->low == group->index)
        close_circle (order, group);
}

static gint
by_stage (gconstpointer a, gconstpointer b)
{
    const Member *left = *(Member *const *)a, *right = *(Member *const *)b;

    if (left->stage != right->stage)
        return left->stage < right->stage ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

/* Levels by wires, and `order` within a level, become one count. */
static void
number_stages (Topology *topology)
{
    g_autoptr (GPtrArray) sorted = g_ptr_array_copy (topology->members, NULL, NULL);
    guint stage = 0, last_level = 0;
    gint last_order = 0;

    g_ptr_array_set_free_func (sorted, NULL);
    g_ptr_array_sort (sorted, by_stage);
    for (guint i = 0; i < sorted->len; i++) {
        Member *member = g_ptr_array_index (sorted, i);
        if (i > 0 && (member->stage != last_level || member->order != last_order))
            stage++;
        last_level = member->stage;
        last_order = member->order;
        member->stage = stage;
    }
    topology->n_stages = stage + 1;
}

void
topology_set_order (Topology *topology)
{
    g_autoptr (GHashTable) groups = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, group_free);
    g_autoptr (GPtrArray) stack = g_ptr_array_new ();
    Order order = {.groups = groups, .stack = stack, .cycles = topology->cycles};

    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = g_ptr_array_index (topology->wires, i);
        g_ptr_array_add (group_get (&order, wire->from->group)->servers, group_get (&order, wire->to_group));
    }
    for (guint i = 0; i < topology->members->len; i++) {
        Group *group = group_get (&order, ((Member *)g_ptr_array_index (topology->members, i))->group);
        if (group->index == 0)
            visit (&order, group);
    }
    for (guint i = 0; i < topology->members->len; i++) {
        Member *member = g_ptr_array_index (topology->members, i);
        const Group *group = group_get (&order, member->group);
        member->circle = group->circle;
        member->stage = group->level;
    }
    number_stages (topology);
}
