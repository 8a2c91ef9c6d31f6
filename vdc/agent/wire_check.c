/*
 * Are links and rules of a member what its wires say? The rules are compared with what the kernel makes of
 * those that would be laid now: they are put into a table of its own, whose chains hang on no hook, and both
 * are read back the same way.
 */
#include "vdc/agent/wire_host.h"

#include "vdc/agent/wire_rules.h"
#include "vdc/base/error.h"

#include <string.h>

#define SCRATCH_TABLE "vdc_check"

static void G_GNUC_PRINTF (3, 4) problem (GPtrArray *problems, const WireNic *nic, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *text = g_strdup_vprintf (format, args);
    va_end (args);
    g_ptr_array_add (problems, g_strdup_printf ("terminal '%s': %s", nic->terminal, text));
}

/* ---- rules ---- */

/* What a table holds: chain → JSON array of its rules, map → its elements. */
typedef struct {
    GHashTable *chains, *maps;
} Table;

static void
table_free (Table *table)
{
    g_hash_table_unref (table->chains);
    g_hash_table_unref (table->maps);
    g_free (table);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, table_free)

static void
take_item (Table *table, const json_t *item)
{
    const json_t *chain = json_object_get (item, "chain"), *rule = json_object_get (item, "rule");
    json_t *map = json_object_get (item, "map"), *set = json_object_get (item, "set");
    if (chain != NULL)
        g_hash_table_insert (table->chains, g_strdup (json_str (chain, "name", "")), json_array ());
    json_t *rules = rule != NULL ? g_hash_table_lookup (table->chains, json_str (rule, "chain", "")) : NULL;
    if (rules != NULL)
        json_array_append_new (rules, json_pack ("{s:O?, s:O?}", "expr", json_object_get (rule, "expr"),
                                                 "comment", json_object_get (rule, "comment")));
    map = map != NULL ? map : set;
    if (map != NULL && json_object_get (map, "elem") != NULL)
        g_hash_table_insert (table->maps, g_strdup (json_str (map, "name", "")),
                             json_incref (json_object_get (map, "elem")));
}

/* A table that is not there is empty. */
static Table *
read_table (WireHost *host, const char *name, GError **error)
{
    g_autoptr (GError) local = NULL;
    g_autofree char *command = g_strconcat ("list table bridge ", name, NULL);
    g_autoptr (json_t) list = wire_nft_list (host->nft, command, &local);
    size_t i;
    json_t *item;
    if (list == NULL && !vdc_error_is_not_found (local)) {
        g_propagate_error (error, g_steal_pointer (&local));
        return NULL;
    }
    Table *table = g_new0 (Table, 1);
    table->chains = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
    table->maps = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
    json_array_foreach (list, i, item)
        take_item (table, item);
    return table;
}

static Table *
read_wanted (WireHost *host, const WireMember *member, GError **error)
{
    static const char again[] = "add table bridge " SCRATCH_TABLE "\ndelete table bridge " SCRATCH_TABLE "\n";
    g_autoptr (GString) text = g_string_new (again); /* a crash may have left one */
    wire_rules_scratch (text, SCRATCH_TABLE, member);
    if (!wire_nft_run (host->nft, text->str, error))
        return NULL;
    Table *table = read_table (host, SCRATCH_TABLE, error);
    g_autoptr (GError) local = NULL;
    if (wire_nft_run (host->nft, again, table != NULL ? &local : NULL) || table == NULL)
        return table;
    g_propagate_error (error, g_steal_pointer (&local));
    table_free (table);
    return NULL;
}

static void
check_chain (const Table *wanted, const Table *found, const WireNic *nic, const char *chain,
             GPtrArray *problems)
{
    const json_t *rules = g_hash_table_lookup (found->chains, chain);
    if (rules == NULL)
        problem (problems, nic, "its rules are missing");
    else if (!json_equal (g_hash_table_lookup (wanted->chains, chain), (json_t *)rules))
        problem (problems, nic, "its rules differ from its wires");
}

/* What all taps pass. */
static void
check_base (const Table *wanted, const Table *found, GPtrArray *problems)
{
    static const char *const chains[] = {"from_taps", "to_taps", "to_server", "from_server"};
    for (guint i = 0; i < G_N_ELEMENTS (chains); i++) {
        const json_t *rules = g_hash_table_lookup (found->chains, chains[i]);
        if (rules == NULL || !json_equal (g_hash_table_lookup (wanted->chains, chains[i]), (json_t *)rules))
            g_ptr_array_add (
                problems, g_strdup_printf ("the rules in '%s' that all taps pass are not ours", chains[i]));
    }
}

/* The map says which chain a tap's frames meet; without its entry they are dropped, with another's they are
 * his. */
static void
check_map (const Table *found, const char *map, const WireNic *nic, const char *chain, GPtrArray *problems)
{
    const json_t *elements = g_hash_table_lookup (found->maps, map);
    size_t i;
    json_t *pair;
    json_array_foreach ((json_t *)elements, i, pair) {
        const char *name = json_string_value (json_array_get (pair, 0));
        json_t *verdict = json_object_get (json_array_get (pair, 1), "goto");
        if (g_strcmp0 (name, nic->tap) == 0 && g_strcmp0 (json_str (verdict, "target", NULL), chain) == 0)
            return;
    }
    problem (problems, nic, "its rules are not in use");
}

/* Without it the server itself hears the guest. */
static void
check_cut (const Table *found, const WireNic *nic, GPtrArray *problems)
{
    const json_t *ports = g_hash_table_lookup (found->maps, "cut_ports");
    size_t i;
    json_t *port;
    json_array_foreach ((json_t *)ports, i, port) {
        if (g_strcmp0 (json_string_value (port), nic->tap) == 0)
            return;
    }
    problem (problems, nic, "it is not cut from the server");
}

static void
check_rules (const Table *wanted, const Table *found, const WireNic *nic, GPtrArray *problems)
{
    g_autofree char *arp = g_strconcat (nic->tap, "_arp", NULL);
    check_map (found, "taps", nic, nic->tap, problems);
    check_map (found, "arp_taps", nic, arp, problems);
    check_chain (wanted, found, nic, nic->tap, problems);
    check_chain (wanted, found, nic, arp, problems);
    if (nic->side != WIRE_SIDE_OUTSIDE)
        check_cut (found, nic, problems);
}

/* ---- links ---- */

static const LinkInfo *
find_link (const GPtrArray *links, const char *name)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *info = g_ptr_array_index (links, i);
        if (strcmp (info->name, name) == 0)
            return info;
    }
    return NULL;
}

static const char *
bridge_of (WireHost *host, const WireNic *nic, char outside[WIRE_NAME_SIZE])
{
    gboolean ours;
    if (nic->side != WIRE_SIDE_OUTSIDE)
        return nic->bridge;
    return wire_host_outside_bridge (host, outside, &ours, NULL) ? outside : "";
}

static void
check_link (WireHost *host, const WireMember *member, const WireNic *nic, const GPtrArray *links,
            GPtrArray *problems)
{
    char outside[WIRE_NAME_SIZE];
    const LinkInfo *tap = find_link (links, nic->tap);
    const char *wanted = bridge_of (host, nic, outside);
    const LinkInfo *bridge = find_link (links, wanted);
    g_autofree char *alias = wire_tap_alias (member, nic);

    if (tap == NULL) {
        problem (problems, nic, "its tap '%s' is missing", nic->tap);
        return;
    }
    if (g_strcmp0 (tap->alias, alias) != 0)
        problem (problems, nic, "its tap '%s' says it belongs to '%s'", nic->tap,
                 tap->alias ? tap->alias : "");
    if (*wanted && bridge == NULL)
        problem (problems, nic, "its bridge '%s' is missing", wanted);
    else if (tap->master != (bridge ? bridge->index : 0))
        problem (problems, nic, "its tap '%s' is not on bridge '%s'", nic->tap, *wanted ? wanted : "none");
    if (tap->up != (*wanted != '\0'))
        problem (problems, nic, "its tap '%s' is %s", nic->tap, tap->up ? "up" : "down");
}

static gboolean
check_locked (WireHost *host, const WireMember *member, GPtrArray *problems, GError **error)
{
    g_autoptr (GPtrArray) links = link_list (host->link, FALSE, error);
    g_autoptr (Table) wanted = links ? read_wanted (host, member, error) : NULL;
    g_autoptr (Table) found = wanted ? read_table (host, WIRE_TABLE, error) : NULL;
    if (found == NULL)
        return FALSE;
    for (guint i = 0; i < member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (member->nics, i);
        check_link (host, member, nic, links, problems);
        check_rules (wanted, found, nic, problems);
    }
    check_base (wanted, found, problems);
    return TRUE;
}

gboolean
wires_check (WireHost *host, const WireMember *member, GPtrArray *problems, GError **error)
{
    g_mutex_lock (&host->lock);
    gboolean done = check_locked (host, member, problems, error);
    g_mutex_unlock (&host->lock);
    return done;
}
