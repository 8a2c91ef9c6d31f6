/*
 * The order of steps, and why it is safe to die after each:
 *   ensure: taps (down, mute) → all rules in one transaction → what is no longer wanted → bridges → port → up
 *   remove: taps → rules → bridges without taps
 * A tap on no bridge is always down: up, it would reach the server's own IP stack, past the bridge's rules.
 * The inet chain of the base table is the second belt for that.
 *
 * VXLAN belongs into segment_ensure: a segment is one bridge here, and would get its tunnel port there.
 */
#include "vdc/agent/wire_host.h"

#include "vdc/agent/wire_rules.h"
#include "vdc/base/bug.h"
#include "vdc/base/error.h"
#include "vdc/base/log.h"

#include <string.h>

#define ALIAS_OUTSIDE "vdc:outside"

/* ---- host ---- */

static gboolean
install_base (WireHost *host, GError **error)
{
    g_autoptr (GString) text = g_string_new (NULL);
    wire_rules_base (text);
    return wire_nft_run (host->nft, text->str, error);
}

WireHost *
wire_host_new (const WireConfig *config, GError **error)
{
    g_autoptr (WireHost) host = g_new0 (WireHost, 1);
    g_mutex_init (&host->lock);
    host->server = g_strdup (config->server);
    host->backbone = g_strdup (config->backbone);
    host->outside = g_strdup (config->outside);
    host->link = wire_link_open (error);
    if (host->link == NULL)
        return NULL;
    host->nft = wire_nft_new (error);
    if (host->nft == NULL || !install_base (host, error))
        return NULL;
    return g_steal_pointer (&host);
}

void
wire_host_free (WireHost *host)
{
    if (host == NULL)
        return;
    wire_link_close (host->link);
    wire_nft_free (host->nft);
    g_free (host->server);
    g_free (host->backbone);
    g_free (host->outside);
    g_mutex_clear (&host->lock);
    g_free (host);
}

static guint
inner_mtu (WireHost *host, GError **error)
{
    if (host->backbone == NULL)
        return wire_inner_mtu (1500);
    g_autoptr (LinkInfo) info = link_get (host->link, host->backbone, error);
    if (info == NULL)
        return 0;
    guint mtu = wire_inner_mtu (info->mtu);
    if (mtu == 0)
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "the MTU %u of backbone '%s' is too small for wires",
                     info->mtu, host->backbone);
    return mtu;
}

guint
wire_host_mtu (WireHost *host, GError **error)
{
    g_mutex_lock (&host->lock);
    guint mtu = inner_mtu (host, error);
    g_mutex_unlock (&host->lock);
    return mtu;
}

gboolean
wire_is_tap (const char *name)
{
    return g_str_has_prefix (name, WIRE_TAP_PREFIX) && wire_name_is_ours (name);
}

gboolean
wire_is_bridge (const LinkInfo *info)
{
    return g_str_has_prefix (info->name, WIRE_BRIDGE_PREFIX) && wire_name_is_ours (info->name) &&
           g_strcmp0 (info->kind, "bridge") == 0;
}

/*
 * Two owners whose names hash to one interface name. An alias that is none of ours, or differs in the
 * application's name only (renamed), is not that: it is written anew.
 */
static gboolean
is_of_another (const char *found, const char *wanted)
{
    if (found == NULL || !g_str_has_prefix (found, "vdc:"))
        return FALSE;
    const char *found_end = strrchr (found, '/'), *wanted_end = strrchr (wanted, '/');
    if (found_end == NULL || wanted_end == NULL)
        return FALSE;
    return found_end - found != wanted_end - wanted ||
           strncmp (found, wanted, (gsize)(found_end - found)) != 0;
}

/* ---- bridges ---- */

static gboolean
bridge_ensure (WireHost *host, const char *name, const char *alias, int *index, GError **error)
{
    if (!link_make_bridge (host->link, name, error))
        return FALSE;
    FP ("start.18.bridge_made");
    g_autoptr (LinkInfo) info = link_get (host->link, name, error);
    if (info == NULL)
        return FALSE;
    if (is_of_another (info->alias, alias)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "bridge '%s' belongs to '%s', not to '%s'", name,
                     info->alias, alias);
        return FALSE;
    }
    *index = info->index;
    return (g_strcmp0 (info->alias, alias) == 0 || link_set_alias (host->link, info->index, alias, error)) &&
           link_keep_silent (name, error) && (info->up || link_set_up (host->link, info->index, TRUE, error));
}

static gboolean
segment_ensure (WireHost *host, const WireMember *member, const WireNic *nic, int *index, GError **error)
{
    g_autofree char *alias =
        g_strdup_printf ("vdc:%s/%s/%s", member->application_id, nic->segment, member->application);
    return bridge_ensure (host, nic->bridge, alias, index, error);
}

gboolean
wire_host_outside_bridge (WireHost *host, char bridge[WIRE_NAME_SIZE], gboolean *ours, GError **error)
{
    if (host->outside == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                     "server '%s' has no outside network; start its agent with --outside", host->server);
        return FALSE;
    }
    g_autoptr (LinkInfo) info = link_get (host->link, host->outside, error);
    if (info == NULL)
        return FALSE;
    *ours = g_strcmp0 (info->kind, "bridge") != 0;
    g_strlcpy (bridge, *ours ? WIRE_OUTSIDE_BRIDGE : host->outside, WIRE_NAME_SIZE);
    return TRUE;
}

/* An interface with an address would take the server off the network the moment it becomes a port. */
static gboolean
check_outside_is_free (WireHost *host, const LinkInfo *info, GError **error)
{
    gboolean carries = FALSE;
    if (!link_has_address (host->link, info->index, &carries, error))
        return FALSE;
    if (!carries && info->master == 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_REFUSED,
                 "outside interface '%s' %s; make a bridge of it and name that one with --outside",
                 info->name, carries ? "carries an address of the server" : "is a port of another bridge");
    return FALSE;
}

static gboolean
outside_ensure (WireHost *host, int *index, guint *mtu, GError **error)
{
    char bridge[WIRE_NAME_SIZE];
    gboolean ours = FALSE;
    if (!wire_host_outside_bridge (host, bridge, &ours, error))
        return FALSE;
    g_autoptr (LinkInfo) port = link_get (host->link, host->outside, error);
    if (port == NULL)
        return FALSE;
    *mtu = port->mtu;
    *index = port->index;
    if (!ours)
        return TRUE;

    if (!bridge_ensure (host, bridge, ALIAS_OUTSIDE, index, error))
        return FALSE;
    if (port->master == *index)
        return port->up || link_set_up (host->link, port->index, TRUE, error);
    return check_outside_is_free (host, port, error) &&
           link_set_master (host->link, port->index, *index, error) &&
           link_set_up (host->link, port->index, TRUE, error);
}

gboolean
wire_host_remove_bridge (WireHost *host, const LinkInfo *bridge, GError **error)
{
    /* Its port belongs to the operator again: no rule of ours may stay on that name. */
    if (strcmp (bridge->name, WIRE_OUTSIDE_BRIDGE) == 0 && host->outside != NULL) {
        g_autoptr (GString) text = g_string_new (NULL);
        wire_rules_base (text);
        wire_rules_cut_port (text, host->outside, FALSE);
        if (!wire_nft_run (host->nft, text->str, error))
            return FALSE;
    }
    return link_delete (host->link, bridge->name, error);
}

/* Bridges of ours without a tap. */
static gboolean
sweep_bridges (WireHost *host, GError **error)
{
    g_autoptr (GPtrArray) links = link_list (host->link, FALSE, error);
    if (links == NULL)
        return FALSE;
    g_autoptr (GHashTable) used = g_hash_table_new (NULL, NULL);
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *info = g_ptr_array_index (links, i);
        if (wire_is_tap (info->name) && info->master != 0)
            g_hash_table_add (used, GINT_TO_POINTER (info->master));
    }
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *info = g_ptr_array_index (links, i);
        if (wire_is_bridge (info) && !g_hash_table_contains (used, GINT_TO_POINTER (info->index)) &&
            !wire_host_remove_bridge (host, info, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- what is there ---- */

static void
put_counter (const char *name, guint64 packets, guint64 bytes, gpointer data)
{
    WireCount *count = g_new0 (WireCount, 1);
    count->packets = packets;
    count->bytes = bytes;
    g_hash_table_insert (data, g_strdup (name), count);
}

GHashTable *
wire_host_counters (WireHost *host, GError **error)
{
    g_autoptr (GHashTable) counters = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    if (!wire_nft_counters (host->nft, WIRE_TABLE, put_counter, counters, error))
        return NULL;
    return g_steal_pointer (&counters);
}

GPtrArray *
wire_host_chains (WireHost *host, GError **error)
{
    g_autoptr (GPtrArray) chains = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (json_t) list = wire_nft_list (host->nft, "list chains bridge", error);
    if (list == NULL)
        return NULL;
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        json_t *chain = json_object_get (item, "chain");
        const char *name = json_str (chain, "name", "");
        if (strcmp (json_str (chain, "table", ""), WIRE_TABLE) == 0 && wire_is_tap (name))
            g_ptr_array_add (chains, g_strdup (name));
    }
    return g_steal_pointer (&chains);
}

/* ---- ensure ---- */

char *
wire_tap_alias (const WireMember *member, const WireNic *nic)
{
    return g_strdup_printf ("vdc:%s/%s/%s/%s", member->application_id, member->member, nic->terminal,
                            member->application);
}

/* What ensure learns on its way. */
typedef struct {
    WireHost *host;
    const WireMember *member;
    gboolean has_outside, outside_ours;
    guint mtu, outside_mtu;
    int outside_index;
} Ensure;

static gboolean
look_at_outside (Ensure *e, GError **error)
{
    char bridge[WIRE_NAME_SIZE];
    for (guint i = 0; i < e->member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (e->member->nics, i);
        e->has_outside = e->has_outside || nic->side == WIRE_SIDE_OUTSIDE;
    }
    return !e->has_outside || wire_host_outside_bridge (e->host, bridge, &e->outside_ours, error);
}

static gboolean
tap_ensure (const Ensure *e, const WireNic *nic, GError **error)
{
    if (!link_make_tap (nic->tap, error))
        return FALSE;
    FP ("start.19.tap_made");
    g_autoptr (LinkInfo) info = link_get (e->host->link, nic->tap, error);
    if (info == NULL)
        return FALSE;
    g_autofree char *alias = wire_tap_alias (e->member, nic);
    if (is_of_another (info->alias, alias)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "tap '%s' belongs to '%s', not to '%s'", nic->tap,
                     info->alias, alias);
        return FALSE;
    }
    return (g_strcmp0 (info->alias, alias) == 0 ||
            link_set_alias (e->host->link, info->index, alias, error)) &&
           link_keep_silent (nic->tap, error);
}

/* Taps of this member, by link or by counter, that @member no longer names: their chains and counters go. */
static gboolean
add_removals (const Ensure *e, GString *text, GPtrArray *stale_taps, GError **error)
{
    g_autoptr (GHashTable) wanted = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GHashTable) kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < e->member->nics->len; i++) {
        WireNic *nic = g_ptr_array_index (e->member->nics, i);
        g_autoptr (GHashTable) names = wire_rules_nic_counters (nic);
        GHashTableIter iter;
        gpointer name;
        g_hash_table_iter_init (&iter, names);
        while (g_hash_table_iter_next (&iter, &name, NULL))
            g_hash_table_add (kept, g_strdup (name));
        g_hash_table_add (wanted, nic->tap);
    }

    char prefix[WIRE_NAME_SIZE];
    wire_tap_prefix (e->member->application_id, e->member->member, prefix);
    g_autoptr (GPtrArray) links = link_list (e->host->link, FALSE, error);
    g_autoptr (GPtrArray) chains = links ? wire_host_chains (e->host, error) : NULL;
    g_autoptr (GHashTable) counters = chains ? wire_host_counters (e->host, error) : NULL;
    if (counters == NULL)
        return FALSE;
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *info = g_ptr_array_index (links, i);
        if (g_str_has_prefix (info->name, prefix) && wire_is_tap (info->name) &&
            !g_hash_table_contains (wanted, info->name))
            g_ptr_array_add (stale_taps, g_strdup (info->name));
    }
    for (guint i = 0; i < chains->len; i++) {
        const char *name = g_ptr_array_index (chains, i);
        if (g_str_has_prefix (name, prefix) && !g_hash_table_contains (wanted, name))
            wire_rules_remove_tap (text, name);
    }
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init (&iter, counters);
    while (g_hash_table_iter_next (&iter, &name, NULL))
        if (g_str_has_prefix (name, prefix) && !g_hash_table_contains (kept, name))
            wire_rules_remove_counter (text, name);
    return TRUE;
}

static gboolean
rules_ensure (const Ensure *e, GPtrArray *stale_taps, GError **error)
{
    g_autoptr (GString) text = g_string_new (NULL);
    wire_rules_base (text);
    for (guint i = 0; i < e->member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (e->member->nics, i);
        wire_rules_nic (text, nic, e->member->network_bps, nic->side != WIRE_SIDE_OUTSIDE || e->outside_ours);
    }
    if (e->has_outside && e->outside_ours)
        wire_rules_cut_port (text, e->host->outside, TRUE);
    return add_removals (e, text, stale_taps, error) && wire_nft_run (e->host->nft, text->str, error);
}

static gboolean
release_tap (const Ensure *e, const LinkInfo *tap, GError **error)
{
    return (!tap->up || link_set_up (e->host->link, tap->index, FALSE, error)) &&
           (tap->master == 0 || link_set_master (e->host->link, tap->index, 0, error));
}

static gboolean
attach_tap (const Ensure *e, const WireNic *nic, const LinkInfo *tap, int bridge, guint mtu, GError **error)
{
    WireLink *link = e->host->link;
    if (tap->master != bridge && !release_tap (e, tap, error))
        return FALSE;
    return (tap->mtu == mtu || link_set_mtu (link, tap->index, mtu, error)) &&
           (tap->master == bridge || link_set_master (link, tap->index, bridge, error)) &&
           link_set_port (link, tap->index, &nic->mac, nic->side == WIRE_SIDE_OUTPUT, error) &&
           link_set_rate (link, tap->index, e->member->network_bps, error) &&
           link_set_up (link, tap->index, TRUE, error);
}

static gboolean
nic_ensure (Ensure *e, const WireNic *nic, GError **error)
{
    g_autoptr (LinkInfo) tap = link_get (e->host->link, nic->tap, error);
    if (tap == NULL)
        return FALSE;
    if (nic->side == WIRE_SIDE_OUTSIDE)
        return outside_ensure (e->host, &e->outside_index, &e->outside_mtu, error) &&
               attach_tap (e, nic, tap, e->outside_index, e->outside_mtu, error);
    if (nic->segment == NULL)
        return release_tap (e, tap, error) &&
               (tap->mtu == e->mtu || link_set_mtu (e->host->link, tap->index, e->mtu, error));
    int bridge = 0;
    return segment_ensure (e->host, e->member, nic, &bridge, error) &&
           attach_tap (e, nic, tap, bridge, e->mtu, error);
}

static gboolean
delete_links (WireHost *host, const GPtrArray *names, GError **error)
{
    for (guint i = 0; i < names->len; i++)
        if (!link_delete (host->link, g_ptr_array_index (names, i), error))
            return FALSE;
    return TRUE;
}

static gboolean
ensure_locked (Ensure *e, GError **error)
{
    g_autoptr (GPtrArray) stale_taps = g_ptr_array_new_with_free_func (g_free);
    e->mtu = inner_mtu (e->host, error);
    if (e->mtu == 0 || !look_at_outside (e, error))
        return FALSE;
    for (guint i = 0; i < e->member->nics->len; i++)
        if (!tap_ensure (e, g_ptr_array_index (e->member->nics, i), error))
            return FALSE;
    FP ("start.20.taps_made");
    if (!rules_ensure (e, stale_taps, error))
        return FALSE;
    FP ("start.21.rules_laid");
    if (!delete_links (e->host, stale_taps, error))
        return FALSE;
    for (guint i = 0; i < e->member->nics->len; i++) {
        if (!nic_ensure (e, g_ptr_array_index (e->member->nics, i), error))
            return FALSE;
        FP ("start.22.tap_up");
    }
    return sweep_bridges (e->host, error);
}

static GArray *
describe_taps (const Ensure *e)
{
    GArray *taps = g_array_new (FALSE, TRUE, sizeof (WireTap));
    for (guint i = 0; i < e->member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (e->member->nics, i);
        const guint8 *b = nic->mac.bytes;
        WireTap tap = {.mtu = nic->side == WIRE_SIDE_OUTSIDE ? e->outside_mtu : e->mtu};
        g_strlcpy (tap.terminal, nic->terminal, sizeof tap.terminal);
        g_strlcpy (tap.tap, nic->tap, sizeof tap.tap);
        g_snprintf (tap.mac, sizeof tap.mac, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
                    b[5]);
        g_array_append_val (taps, tap);
    }
    return taps;
}

gboolean
wires_ensure (WireHost *host, const WireMember *member, GArray **taps, GError **error)
{
    Ensure e = {.host = host, .member = member};
    g_mutex_lock (&host->lock);
    gboolean done = ensure_locked (&e, error);
    g_mutex_unlock (&host->lock);
    if (!done)
        g_prefix_error (error, "wires of '%s': ", member->member);
    else if (taps != NULL)
        *taps = describe_taps (&e);
    return done;
}

/* ---- remove ---- */

static gboolean
remove_tap_links (WireHost *host, const char *prefix, GError **error)
{
    g_autoptr (GPtrArray) links = link_list (host->link, FALSE, error);
    if (links == NULL)
        return FALSE;
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *info = g_ptr_array_index (links, i);
        if (wire_is_tap (info->name) && g_str_has_prefix (info->name, prefix) &&
            !link_delete (host->link, info->name, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
remove_rules (WireHost *host, const char *prefix, GError **error)
{
    g_autoptr (GPtrArray) chains = wire_host_chains (host, error);
    g_autoptr (GHashTable) counters = chains ? wire_host_counters (host, error) : NULL;
    if (counters == NULL)
        return FALSE;
    g_autoptr (GString) text = g_string_new (NULL);
    for (guint i = 0; i < chains->len; i++)
        if (g_str_has_prefix (g_ptr_array_index (chains, i), prefix))
            wire_rules_remove_tap (text, g_ptr_array_index (chains, i));
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init (&iter, counters);
    while (g_hash_table_iter_next (&iter, &name, NULL))
        if (g_str_has_prefix (name, prefix))
            wire_rules_remove_counter (text, name);
    if (text->len == 0)
        return TRUE;
    /* The maps may have been damaged by hand; removal must work all the same. */
    g_autoptr (GString) whole = g_string_new (NULL);
    wire_rules_base (whole);
    g_string_append (whole, text->str);
    return wire_nft_run (host->nft, whole->str, error);
}

gboolean
wire_host_remove_taps (WireHost *host, const char *prefix, GError **error)
{
    if (!remove_tap_links (host, prefix, error))
        return FALSE;
    FP ("stop.11.taps_gone");
    if (!remove_rules (host, prefix, error))
        return FALSE;
    FP ("stop.12.rules_gone");
    return sweep_bridges (host, error);
}

gboolean
wires_remove (WireHost *host, const char *application_id, const char *member, GError **error)
{
    char prefix[WIRE_NAME_SIZE];
    wire_tap_prefix (application_id, member, prefix);
    g_mutex_lock (&host->lock);
    gboolean done = wire_host_remove_taps (host, prefix, error);
    g_mutex_unlock (&host->lock);
    if (!done)
        g_prefix_error (error, "removing wires of '%s': ", member);
    return done;
}
