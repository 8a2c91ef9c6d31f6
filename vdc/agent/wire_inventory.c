#include "vdc/agent/wire_host.h"
#include "vdc/agent/wire_probe.h"

#include "vdc/agent/wire_rules.h"
#include "vdc/base/error.h"

#include <string.h>

struct WireCounters {
    GPtrArray *links;     /* of LinkInfo */
    GHashTable *by_name;  /* name → LinkInfo, borrowed */
    GHashTable *counters; /* name → WireCount */
};

/* ---- inventory ---- */

/* "vdc:ID/MEMBER/TERMINAL/APPLICATION" or "vdc:ID/SEGMENT/APPLICATION". An alias cut short or by hand says
 * nothing. */
static void
put_owner (json_t *entry, const char *alias, gboolean tap)
{
    if (alias == NULL || !g_str_has_prefix (alias, "vdc:"))
        return;
    g_auto (GStrv) parts = g_strsplit (alias + strlen ("vdc:"), "/", -1);
    if (g_strv_length (parts) != (tap ? 4 : 3))
        return;
    json_put (entry, "application_id", json_str_new (parts[0]));
    json_put (entry, tap ? "member" : "segment", json_str_new (parts[1]));
    if (tap)
        json_put (entry, "terminal", json_str_new (parts[2]));
    json_put (entry, "application", json_str_new (parts[tap ? 3 : 2]));
}

static json_t *
link_entry (const LinkInfo *info, gboolean tap)
{
    json_t *entry = json_object ();
    json_put (entry, "name", json_str_new (info->name));
    put_owner (entry, info->alias, tap);
    return entry;
}

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

static json_t *
chain_entry (const char *name, const GPtrArray *links)
{
    const LinkInfo *tap = find_link (links, name);
    if (tap != NULL)
        return link_entry (tap, TRUE);
    json_t *entry = json_object ();
    json_put (entry, "name", json_str_new (name));
    json_put (entry, "orphan", json_true ());
    return entry;
}

static json_t *
inventory_of (const GPtrArray *links, const GPtrArray *chains)
{
    json_t *taps = json_array (), *bridges = json_array (), *rules = json_array ();
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *info = g_ptr_array_index (links, i);
        if (wire_is_tap (info->name))
            json_array_append_new (taps, link_entry (info, TRUE));
        else if (wire_is_bridge (info))
            json_array_append_new (bridges, link_entry (info, FALSE));
    }
    for (guint i = 0; i < chains->len; i++)
        json_array_append_new (rules, chain_entry (g_ptr_array_index (chains, i), links));

    json_t *inventory = json_object ();
    json_put (inventory, "taps", taps);
    json_put (inventory, "bridges", bridges);
    json_put (inventory, "chains", rules);
    return inventory;
}

json_t *
wires_inventory (WireHost *host, GError **error)
{
    g_mutex_lock (&host->lock);
    g_autoptr (GPtrArray) links = link_list (host->link, FALSE, error);
    g_autoptr (GPtrArray) chains = links ? wire_host_chains (host, error) : NULL;
    g_mutex_unlock (&host->lock);
    return chains ? inventory_of (links, chains) : NULL;
}

/* ---- removal of one thing ---- */

static gboolean
remove_bridge (WireHost *host, const char *name, GError **error)
{
    g_autoptr (GPtrArray) links = link_list (host->link, FALSE, error);
    if (links == NULL)
        return FALSE;
    const LinkInfo *bridge = find_link (links, name);
    if (bridge == NULL || !wire_is_bridge (bridge))
        return TRUE;
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *port = g_ptr_array_index (links, i);
        if (port->master == bridge->index && wire_is_tap (port->name)) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED, "bridge '%s' has tap '%s'; remove that first",
                         name, port->name);
            return FALSE;
        }
    }
    return wire_host_remove_bridge (host, bridge, error);
}

gboolean
wires_remove_name (WireHost *host, const char *name, GError **error)
{
    if (!wire_name_is_ours (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "'%s' is not a name of VDC's", name);
        return FALSE;
    }
    g_mutex_lock (&host->lock);
    gboolean done =
        wire_is_tap (name) ? wire_host_remove_taps (host, name, error) : remove_bridge (host, name, error);
    g_mutex_unlock (&host->lock);
    return done;
}

/* ---- counters ---- */

WireCounters *
wires_counters (WireHost *host, GError **error)
{
    g_autoptr (WireCounters) counters = g_new0 (WireCounters, 1);
    g_mutex_lock (&host->lock);
    counters->links = link_list (host->link, TRUE, error);
    counters->counters = counters->links ? wire_host_counters (host, error) : NULL;
    g_mutex_unlock (&host->lock);
    if (counters->counters == NULL)
        return NULL;
    counters->by_name = g_hash_table_new (g_str_hash, g_str_equal);
    for (guint i = 0; i < counters->links->len; i++) {
        LinkInfo *info = g_ptr_array_index (counters->links, i);
        g_hash_table_insert (counters->by_name, info->name, info);
    }
    return g_steal_pointer (&counters);
}

void
wire_counters_free (WireCounters *counters)
{
    if (counters == NULL)
        return;
    g_clear_pointer (&counters->by_name, g_hash_table_unref);
    g_clear_pointer (&counters->counters, g_hash_table_unref);
    g_clear_pointer (&counters->links, g_ptr_array_unref);
    g_free (counters);
}

static void
put_count (json_t *object, const char *key, guint64 value)
{
    json_put (object, key, json_integer ((json_int_t)value));
}

static json_t *
nic_counters (const WireCounters *counters, const WireNic *nic)
{
    static const LinkInfo none;
    static const WireCount zero;
    const LinkInfo *info = g_hash_table_lookup (counters->by_name, nic->tap);
    g_autofree char *name = wire_drop_counter_name (nic->tap);
    const WireCount *drops = g_hash_table_lookup (counters->counters, name);
    info = info ? info : &none;
    drops = drops ? drops : &zero;

    /* What the server receives on a tap, the guest has sent. */
    json_t *object = json_object ();
    put_count (object, "rx_bytes", info->tx_bytes);
    put_count (object, "tx_bytes", info->rx_bytes);
    put_count (object, "rx_packets", info->tx_packets);
    put_count (object, "tx_packets", info->rx_packets);
    put_count (object, "dropped", drops->packets);
    return object;
}

static void
put_wires (json_t *wires, const WireCounters *counters, const WireNic *nic)
{
    static const WireCount zero;
    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        if (json_object_get (wires, rule->wire) != NULL || g_str_has_prefix (rule->wire, WIRE_PROBE_WIRE))
            continue;
        g_autofree char *name = wire_counter_name (nic->tap, rule->wire);
        const WireCount *count = g_hash_table_lookup (counters->counters, name);
        count = count ? count : &zero;
        json_t *object = json_object ();
        put_count (object, "bytes", count->bytes);
        put_count (object, "packets", count->packets);
        json_put (wires, rule->wire, object);
    }
}

json_t *
wire_counters_member (const WireCounters *counters, const WireMember *member)
{
    json_t *nics = json_object (), *wires = json_object (), *whole = json_object ();
    for (guint i = 0; i < member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (member->nics, i);
        if (nic->probe)
            continue;
        json_put (nics, nic->terminal, nic_counters (counters, nic));
        put_wires (wires, counters, nic);
    }
    json_put (whole, "nics", nics);
    json_put (whole, "wires", wires);
    return whole;
}
