#include "vdc/model/check_internal.h"
#include "vdc/model/topology.h"
#include "vdc/model/wire_check.h"

#include <string.h>

/* The terminal at one end, or NULL with a problem (unless its instance has one already). */
static const Terminal *
end_of (const Check *check, const char *instance_name, const char *name, TerminalSide side, const char *path)
{
    const Instance *instance = body_instance (check->body, instance_name);
    CatalogEntry entry;

    if (instance == NULL || !check_entry (check, instance, &entry))
        return NULL;
    const Boundary *boundary = catalog_entry_boundary (&entry);
    const Terminal *terminal = boundary_terminal (boundary, name);
    if (terminal == NULL) {
        g_autofree const char **names = boundary_terminal_names (boundary);
        problems_add (check->problems, "unknown_terminal", path, nearest_word (name, names),
                      "'%s' (%s) has no terminal '%s'", instance_name, boundary->name, name);
        return NULL;
    }
    g_autofree char *end = g_strconcat (instance_name, ".", name, NULL);
    g_autofree char *message = NULL;
    const char *code = wire_side_refusal (end, terminal, side, &message);
    if (code != NULL)
        problems_add (check->problems, code, path, NULL, "%s", message);
    return code == NULL ? terminal : NULL;
}

static void
check_protocols (const Check *check, const Terminal *outer, const Terminal *inner, const char *path)
{
    g_autofree char *message = NULL;
    const char *code =
        wire_protocol_refusal (outer->name, outer->protocol, inner->name, inner->protocol, &message);

    if (code != NULL)
        problems_add (check->problems, code, path, NULL, "%s", message);
}

/* @used: "instance.terminal" of outputs → where it was used first. */
static void
use_output (const Check *check, GHashTable *used, const char *instance, const char *terminal,
            const char *path)
{
    g_autofree char *key = g_strconcat (instance, ".", terminal, NULL);
    const char *first = g_hash_table_lookup (used, key);

    if (first != NULL)
        problems_add (check->problems, "output_wired_twice", path, NULL,
                      "output '%s' has a wire already (%s): an output goes to one input", key, first);
    else
        g_hash_table_insert (used, g_steal_pointer (&key), g_strdup (path));
}

static void
check_wire (const Check *check, const Wire *wire, GHashTable *outputs, GHashTable *inputs)
{
    g_autofree char *path = path_index ("wires", wire->index);
    const Terminal *from = end_of (check, wire->from_instance, wire->from_terminal, SIDE_OUTPUT, path);
    const Terminal *to = end_of (check, wire->to_instance, wire->to_terminal, SIDE_INPUT, path);

    g_hash_table_add (inputs, g_strconcat (wire->to_instance, ".", wire->to_terminal, NULL));
    if (from != NULL)
        use_output (check, outputs, wire->from_instance, wire->from_terminal, path);
    if (from != NULL && to != NULL)
        check_protocols (check, from, to, path);
}

/* A terminal of the assembly's own boundary and the one inside that it stands for. */
static void
check_boundary_terminal (const Check *check, const Terminal *outer, GHashTable *outputs, GHashTable *inputs)
{
    g_autofree char *path = g_strdup_printf ("terminals.%s.inside", outer->name);
    const Terminal *inner = end_of (check, outer->inside_instance, outer->inside_terminal, outer->side, path);

    if (inner == NULL)
        return;
    check_protocols (check, outer, inner, path);
    if (outer->gateway && !inner->gateway)
        problems_add (check->problems, "gateway_mismatch", path, NULL, "'%s' is no gateway", inner->name);
    if (outer->side == SIDE_OUTPUT)
        use_output (check, outputs, outer->inside_instance, outer->inside_terminal, path);
    else
        g_hash_table_add (inputs, g_strconcat (outer->inside_instance, ".", outer->inside_terminal, NULL));
}

static void
check_boundary_slot (const Check *check, const VolumeSlot *outer, GHashTable *slots)
{
    g_autofree char *path = g_strdup_printf ("volumes.%s.inside", outer->name);
    const Instance *instance = body_instance (check->body, outer->inside_instance);
    g_autofree char *key = g_strconcat (outer->inside_instance, ".", outer->inside_slot, NULL);
    CatalogEntry entry;

    if (instance == NULL || !check_entry (check, instance, &entry))
        return;
    const Boundary *boundary = catalog_entry_boundary (&entry);
    if (boundary_volume (boundary, outer->inside_slot) == NULL) {
        g_autofree const char **names = boundary_volume_names (boundary);
        problems_add (check->problems, "unknown_slot", path, nearest_word (outer->inside_slot, names),
                      "'%s' (%s) has no volume slot '%s'", instance->name, boundary->name,
                      outer->inside_slot);
    } else if (!g_hash_table_add (slots, g_steal_pointer (&key))) {
        problems_add (check->problems, "slot_filled_twice", path, NULL,
                      "another volume is shown for '%s.%s' already", outer->inside_instance,
                      outer->inside_slot);
    }
}

/* -- what must be wired -- */

static gboolean
is_required (const Catalog *catalog, const CatalogEntry *entry, const Terminal *terminal)
{
    const Terminal *leaf = leaf_terminal (catalog, entry, terminal->name, 0);
    return terminal->required || (leaf != NULL && leaf->required);
}

static void
check_required (const Check *check, const Instance *instance, GHashTable *outputs, GHashTable *inputs)
{
    g_autofree char *path = path_key ("instances", instance->name);
    CatalogEntry entry;

    if (!check_entry (check, instance, &entry))
        return;
    const Boundary *boundary = catalog_entry_boundary (&entry);
    for (guint i = 0; i < boundary->terminals->len; i++) {
        const Terminal *terminal = g_ptr_array_index (boundary->terminals, i);
        g_autofree char *key = g_strconcat (instance->name, ".", terminal->name, NULL);
        GHashTable *wired = terminal->side == SIDE_OUTPUT ? outputs : inputs;
        if (!g_hash_table_contains (wired, key) && is_required (check->catalog, &entry, terminal))
            problems_add (check->problems, "terminal_required", path, NULL, "%s '%s' must be wired",
                          terminal_side_name (terminal->side), key);
    }
}

static gboolean
gateway_is_wired (const Check *check, const CatalogEntry *entry, const Instance *instance,
                  const Terminal *terminal, GHashTable *outputs)
{
    g_autofree char *key = g_strconcat (instance->name, ".", terminal->name, NULL);
    const Terminal *leaf = leaf_terminal (check->catalog, entry, terminal->name, 0);

    return leaf != NULL && leaf->gateway && g_hash_table_contains (outputs, key);
}

/* A machine has one default route. (An assembly's gateways may belong to different machines.) */
static void
check_gateways (const Check *check, const Instance *instance, GHashTable *outputs)
{
    g_autofree char *path = path_key ("instances", instance->name);
    CatalogEntry entry;
    guint count = 0;

    if (!check_entry (check, instance, &entry) || entry.class == NULL)
        return;
    for (guint i = 0; i < entry.class->boundary.terminals->len; i++)
        count += gateway_is_wired (check, &entry, instance,
                                   g_ptr_array_index (entry.class->boundary.terminals, i), outputs);
    if (count > 1)
        problems_add (check->problems, "two_gateways", path, NULL,
                      "%u gateway outputs are wired: an instance has one default route", count);
}

void
check_wires (const Check *check)
{
    g_autoptr (GHashTable) outputs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr (GHashTable) inputs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr (GHashTable) slots = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < check->body->wires->len; i++)
        check_wire (check, g_ptr_array_index (check->body->wires, i), outputs, inputs);
    for (guint i = 0; check->boundary != NULL && i < check->boundary->terminals->len; i++)
        check_boundary_terminal (check, g_ptr_array_index (check->boundary->terminals, i), outputs, inputs);
    for (guint i = 0; check->boundary != NULL && i < check->boundary->volumes->len; i++)
        check_boundary_slot (check, g_ptr_array_index (check->boundary->volumes, i), slots);
    /* A wire that could not be read may be the one that is asked for. */
    gboolean all = json_array_size (json_object_get (check->root, "wires")) == check->body->wires->len;
    for (guint i = 0; i < check->body->instances->len; i++) {
        if (all)
            check_required (check, g_ptr_array_index (check->body->instances, i), outputs, inputs);
        check_gateways (check, g_ptr_array_index (check->body->instances, i), outputs);
    }
}
