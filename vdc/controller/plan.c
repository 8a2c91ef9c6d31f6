#include "vdc/controller/plan.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/json.h"

json_t *
plan_step (const char *kind, const char *object, const char *text, const char *name_format, ...)
{
    va_list args;
    va_start (args, name_format);
    g_autofree char *name = g_strdup_vprintf (name_format, args);
    va_end (args);
    return json_pack ("{s:s, s:s, s:s, s:s, s:s?}", "name", name, "kind", kind, "object", object, "state",
                      "pending", "text", text);
}

json_t *
plan_one (const char *kind, const char *object, const char *name)
{
    return json_pack ("{s:[o]}", "steps", plan_step (kind, object, NULL, "%s", name));
}

static gint
compare_stages (gconstpointer a, gconstpointer b)
{
    const Member *left = *(Member *const *)a, *right = *(Member *const *)b;
    if (vdc_bug ("planner-clients-first"))
        return left->stage > right->stage ? -1 : left->stage < right->stage;
    return left->stage < right->stage ? -1 : left->stage > right->stage;
}

GPtrArray *
plan_order (const Topology *topology)
{
    GPtrArray *order = g_ptr_array_new ();
    for (guint i = 0; i < topology->members->len; i++)
        g_ptr_array_add (order, topology->members->pdata[i]);
    g_ptr_array_sort (order, compare_stages); /* stable */
    return order;
}

json_t *
plan_cycles (const Topology *topology)
{
    json_t *cycles = json_array ();
    for (guint i = 0; i < topology->cycles->len; i++) {
        char **groups = topology->cycles->pdata[i];
        g_autofree char *text = g_strjoinv (" -> ", groups);
        g_autofree char *round = g_strdup_printf ("%s -> %s", text, groups[0]);
        json_array_append_new (cycles, json_string (round));
    }
    return cycles;
}

/* "on s1, after db, nas" */
static char *
start_reason (const PlanFacts *facts, const Topology *topology, const Member *member)
{
    const char *server = facts->servers != NULL ? g_hash_table_lookup (facts->servers, member->name) : NULL;
    GString *text = g_string_new (NULL);
    g_autoptr (GPtrArray) servers = topology_servers (topology, member);
    const char *separator = "after ";
    g_string_append_printf (text, "%s%s", server != NULL ? "on " : "placed at start",
                            server != NULL ? server : "");
    for (guint i = 0; i < servers->len; i++) {
        const Member *other = servers->pdata[i];
        if (other == member)
            continue;
        g_string_append_printf (text, "%s%s%s", i == 0 ? ", " : "", separator, other->name);
        if (other->stage >= member->stage)
            g_string_append (text, " (in a circle: together)");
        separator = ", ";
    }
    return g_string_free (text, FALSE);
}

static void
add_start (json_t *steps, const PlanFacts *facts, const Topology *topology, const Member *member)
{
    g_autofree char *reason = start_reason (facts, topology, member);
    json_array_append_new (steps, plan_step ("start", member->name, reason, "start %s", member->name));
}

static void
add_volumes (json_t *steps, const PlanFacts *facts, const Topology *topology)
{
    for (guint i = 0; i < topology->volumes->len; i++) {
        const TopologyVolume *volume = topology->volumes->pdata[i];
        if (facts->made != NULL && g_hash_table_contains (facts->made, volume->name))
            continue;
        g_autofree char *text =
            g_strdup_printf ("%" G_GUINT64_FORMAT " MB%s", volume->declared->size_bytes >> 20,
                             volume->declared->seed != NULL ? ", with its first content" : "");
        json_array_append_new (steps,
                               plan_step ("volume", volume->name, text, "make volume %s", volume->name));
    }
}

json_t *
plan_start (const PlanFacts *facts)
{
    json_t *steps = json_array ();
    g_autoptr (GPtrArray) order = plan_order (facts->topology);
    add_volumes (steps, facts, facts->topology);
    for (guint i = 0; i < order->len; i++) {
        const Member *member = order->pdata[i];
        if (!member->instance->standby)
            add_start (steps, facts, facts->topology, member);
    }
    return steps;
}

static gboolean
is_on (const PlanFacts *facts, const char *member)
{
    return facts->running != NULL && g_hash_table_contains (facts->running, member);
}

json_t *
plan_stop (const PlanFacts *facts)
{
    json_t *steps = json_array ();
    g_autoptr (GPtrArray) order = plan_order (facts->topology);
    for (guint i = order->len; i > 0; i--) {
        const Member *member = order->pdata[i - 1];
        if (is_on (facts, member->name))
            json_array_append_new (steps, plan_step ("stop", member->name, NULL, "stop %s", member->name));
    }
    return steps;
}

static const MemberChange *
change_of (const TopologyDiff *diff, const char *member)
{
    for (guint i = 0; i < diff->members->len; i++) {
        const MemberChange *change = diff->members->pdata[i];
        if (strcmp (change->member, member) == 0)
            return change;
    }
    return NULL;
}

static void
add_removals (json_t *steps, const PlanFacts *facts, const TopologyDiff *diff)
{
    for (guint i = 0; i < diff->members->len; i++) {
        const MemberChange *change = diff->members->pdata[i];
        if (change->kind != CHANGE_REMOVE)
            continue;
        if (is_on (facts, change->member)) {
            json_array_append_new (steps, plan_step ("drain", change->member, "its peers send it nothing new",
                                                     "drain %s", change->member));
            json_array_append_new (steps,
                                   plan_step ("stop", change->member, NULL, "stop %s", change->member));
        }
        json_array_append_new (steps,
                               plan_step ("remove", change->member, NULL, "remove %s", change->member));
    }
}

json_t *
plan_change (const PlanFacts *facts, const Topology *after, const TopologyDiff *diff)
{
    json_t *steps = json_array ();
    g_autoptr (GPtrArray) order = plan_order (after);
    gboolean running = facts->running != NULL && g_hash_table_size (facts->running) > 0;
    add_removals (steps, facts, diff);
    if (!running)
        return steps;
    add_volumes (steps, facts, after);
    for (guint i = 0; i < order->len; i++) {
        const Member *member = order->pdata[i];
        const MemberChange *change = change_of (diff, member->name);
        if (change == NULL)
            continue;
        if (change->kind == CHANGE_ADD && !member->instance->standby)
            add_start (steps, facts, after, member);
        else if (change->kind == CHANGE_RESTART && is_on (facts, member->name)) {
            json_array_append_new (steps,
                                   plan_step ("stop", member->name, change->text, "stop %s", member->name));
            json_array_append_new (steps,
                                   plan_step ("start", member->name, change->text, "start %s", member->name));
        } else if (change->kind == CHANGE_LIVE && is_on (facts, member->name))
            json_array_append_new (
                steps, plan_step ("settings", member->name, change->text, "settings of %s", member->name));
    }
    return steps;
}
