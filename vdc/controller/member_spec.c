#include "vdc/controller/member_spec.h"

#include "vdc/base/json.h"

#include <string.h>

/* What an unwired output resolves to: an address that fails at once. */
#define NOWHERE "0.255.255.255"
#define HOSTNAME_MAX 63

static const char *
state_of (const MemberRuntime *runtime, const Member *member)
{
    const char *state = runtime->states != NULL ? g_hash_table_lookup (runtime->states, member->name) : NULL;
    return state != NULL ? state : "starting";
}

static gboolean
is_output (const WiringNic *nic)
{
    return nic->terminal != NULL && nic->terminal->side == SIDE_OUTPUT;
}

static gboolean
is_input (const WiringNic *nic)
{
    return nic->terminal != NULL && nic->terminal->side == SIDE_INPUT;
}

static const char *
nic_name (const WiringNic *nic)
{
    return nic->terminal != NULL ? nic->terminal->name : "outside";
}

static json_t *
texts_json (GPtrArray *texts)
{
    json_t *list = json_array ();

    for (guint i = 0; i < texts->len; i++)
        json_array_append_new (list, json_string (g_ptr_array_index (texts, i)));
    return list;
}

static void
put_outside (json_t *object, const WiringNic *nic)
{
    const OutsideAddress *outside = nic->outside;

    json_put (object, "prefix", outside != NULL ? json_integer (outside->prefix) : NULL);
    json_put (object, "gateway", json_str_new (outside != NULL ? outside->gateway : NULL));
}

/* -- guest: NICs and routes -- */

/* One /32 route per peer of the wire, with the address to speak from. */
static json_t *
routes_json (const WiringNic *nic)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    json_t *routes = json_array ();

    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        if (g_hash_table_add (seen, (gpointer)rule->peer_address))
            json_array_append_new (
                routes, json_pack ("{s:s, s:s}", "to", rule->peer_address, "source", rule->local_address));
    }
    return routes;
}

static json_t *
guest_nic (const WiringNic *nic)
{
    json_t *object = json_object ();

    json_put (object, "terminal", json_string (nic_name (nic)));
    json_put (object, "mac", json_string (nic->mac));
    json_put (object, "address", json_str_new (nic->address));
    if (nic->terminal != NULL) {
        json_put (object, "aliases", texts_json (nic->aliases));
        json_put (object, "routes", routes_json (nic));
    } else {
        put_outside (object, nic);
    }
    return object;
}

/* -- guest: names and peers -- */

/* Addresses of the peers in state ready, or of all when none is. */
static json_t *
ready_addresses (const WiringNic *nic, const MemberRuntime *runtime)
{
    json_t *ready = json_array (), *all = json_array ();

    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        json_array_append_new (all, json_string (rule->peer_address));
        if (strcmp (state_of (runtime, rule->peer), "ready") == 0)
            json_array_append_new (ready, json_string (rule->peer_address));
    }
    gboolean any = json_array_size (ready) > 0;
    json_decref (any ? all : ready);
    return any ? ready : all;
}

/* "out.1", "out.2", … where the wire goes to a tier: one member each, whatever its state. */
static void
put_member_names (json_t *names, const WiringNic *nic)
{
    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        if (strcmp (rule->peer->name, rule->peer->group) == 0)
            continue;
        g_autofree char *name = g_strdup_printf ("%s.%u", nic->terminal->name, i + 1);
        json_put (names, name, json_pack ("[s]", rule->peer_address));
    }
}

static json_t *
guest_names (const WiringMember *member, const MemberRuntime *runtime)
{
    json_t *names = json_object ();

    for (guint i = 0; i < member->nics->len; i++) {
        const WiringNic *nic = g_ptr_array_index (member->nics, i);
        if (is_input (nic)) {
            json_put (names, nic->terminal->name, json_pack ("[s]", nic->address));
        } else if (is_output (nic) && nic->rules->len == 0) {
            json_put (names, nic->terminal->name, json_pack ("[s]", NOWHERE));
        } else if (is_output (nic)) {
            json_put (names, nic->terminal->name, ready_addresses (nic, runtime));
            put_member_names (names, nic);
        }
    }
    return names;
}

static json_t *
nic_peers (const WiringNic *nic, const MemberRuntime *runtime)
{
    json_t *list = json_array ();

    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = g_ptr_array_index (nic->rules, i);
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s}", "name", rule->peer->name, "address",
                                                rule->peer_address, "state", state_of (runtime, rule->peer)));
    }
    return list;
}

static json_t *
guest_peers (const WiringMember *member, const MemberRuntime *runtime)
{
    json_t *peers = json_object ();

    for (guint i = 0; i < member->nics->len; i++) {
        const WiringNic *nic = g_ptr_array_index (member->nics, i);
        if (is_output (nic) && nic->rules->len > 0)
            json_put (peers, nic->terminal->name, nic_peers (nic, runtime));
    }
    return peers;
}

static json_t *
guest_gateway (const WiringMember *member)
{
    for (guint i = 0; i < member->nics->len; i++) {
        const WiringNic *nic = g_ptr_array_index (member->nics, i);
        if (!is_output (nic) || !nic->terminal->gateway || nic->rules->len == 0)
            continue;
        const WireRule *rule = g_ptr_array_index (nic->rules, 0);
        return json_pack ("{s:s, s:s}", "terminal", nic->terminal->name, "address", rule->peer_address);
    }
    return json_null ();
}

static json_t *
guest_inputs (const WiringMember *member)
{
    json_t *inputs = json_object ();

    for (guint i = 0; i < member->nics->len; i++) {
        const WiringNic *nic = g_ptr_array_index (member->nics, i);
        if (is_input (nic))
            json_put (inputs, nic->terminal->name,
                      json_pack ("{s:s, s:o}", "protocol", nic->terminal->protocol->name, "ports",
                                 protocol_ports_json (nic->terminal->protocol)));
    }
    return inputs;
}

/* -- guest: the rest -- */

/* virtio-blk keeps 20 bytes of it; a slot's name is short enough. */
static char *
serial_of (const MemberVolume *volume)
{
    return g_strdup_printf ("vol-%s", volume->slot->name);
}

static const VolumeIdentity *
identity_of (const MemberRuntime *runtime, const MemberVolume *volume)
{
    return runtime->volumes != NULL ? g_hash_table_lookup (runtime->volumes, volume->volume) : NULL;
}

static json_t *
guest_volumes (const Member *member, const MemberRuntime *runtime)
{
    json_t *list = json_array ();

    for (guint i = 0; i < member->volumes->len; i++) {
        const MemberVolume *volume = g_ptr_array_index (member->volumes, i);
        g_autofree char *serial = serial_of (volume);
        if (identity_of (runtime, volume) == NULL)
            continue;
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s, s:b, s:s}", "slot", volume->slot->name,
                                                "serial", serial, "mount", volume->slot->mount, "read_only",
                                                volume->read_only, "filesystem", "ext4"));
    }
    return list;
}

static char *
hostname_of (const Member *member)
{
    char *name = g_strndup (member->name, HOSTNAME_MAX);

    g_strdelimit (name, ".", '-');
    /* A cut may leave a hyphen at the end, which is no host name. */
    for (gsize length = strlen (name); length > 0 && name[length - 1] == '-'; length--)
        name[length - 1] = '\0';
    return name;
}

static void
put_identity (json_t *object, const Topology *topology, const Member *member, const MemberRuntime *runtime)
{
    json_put (object, "application", json_string (topology->name));
    json_put (object, "application_id", json_string (runtime->application_id));
    json_put (object, "member", json_string (member->name));
    json_put (object, "instance", json_string (member->group));
    json_put (object, "class", json_string (member->class->boundary.name));
    if (member->class->unmanaged)
        json_put (object, "unmanaged", json_true ());
    json_put (object, "class_version", json_string (member->class->boundary.version));
}

json_t *
member_guest_settings (const Topology *topology, const Wiring *wiring, const char *name,
                       const MemberRuntime *runtime)
{
    const WiringMember *wired = wiring_member (wiring, name);
    g_autofree char *hostname = hostname_of (wired->member);
    json_t *settings = json_object (), *nics = json_array ();

    for (guint i = 0; i < wired->nics->len; i++)
        json_array_append_new (nics, guest_nic (g_ptr_array_index (wired->nics, i)));
    json_put (settings, "revision", json_integer (runtime->revision));
    put_identity (settings, topology, wired->member, runtime);
    json_put (settings, "hostname", json_string (hostname));
    json_put (settings, "nics", nics);
    json_put (settings, "names", guest_names (wired, runtime));
    json_put (settings, "gateway", guest_gateway (wired));
    json_put (settings, "peers", guest_peers (wired, runtime));
    json_put (settings, "inputs", guest_inputs (wired));
    json_put (settings, "properties", json_deep_copy (wired->member->settings));
    json_put (settings, "volumes", guest_volumes (wired->member, runtime));
    json_put (settings, "go", json_boolean (runtime->go));
    json_put (settings, "draining", json_boolean (runtime->draining));
    return settings;
}

/* -- SPEC -- */

static json_t *
rule_json (const WireRule *rule)
{
    json_t *object = json_object ();

    json_put (object, "wire", json_string (rule->wire->text));
    json_put (object, "role", json_string (rule->server ? "server" : "client"));
    json_put (object, "peer", json_string (rule->peer->name));
    json_put (object, "local_address", json_string (rule->local_address));
    json_put (object, "peer_address", json_string (rule->peer_address));
    json_put (object, "peer_mac", json_string (rule->peer_mac));
    json_put (object, "ports", protocol_ports_json (rule->wire->protocol));
    json_put (object, "any", json_boolean (rule->wire->protocol->any));
    json_put (object, "gateway", json_boolean (rule->wire->gateway));
    return object;
}

static json_t *
spec_nic (const WiringNic *nic)
{
    json_t *object = json_object (), *rules = json_array ();
    const char *side = nic->terminal != NULL ? terminal_side_name (nic->terminal->side) : "outside";

    for (guint i = 0; i < nic->rules->len; i++)
        json_array_append_new (rules, rule_json (g_ptr_array_index (nic->rules, i)));
    json_put (object, "terminal", json_string (nic_name (nic)));
    json_put (object, "side", json_string (side));
    json_put (object, "mac", json_string (nic->mac));
    json_put (object, "address", json_str_new (nic->address));
    if (nic->terminal == NULL) {
        put_outside (object, nic);
        json_put (object, "network", json_str_new (nic->outside != NULL ? nic->outside->network : NULL));
    }
    json_put (object, "aliases", texts_json (nic->aliases));
    json_put (object, "segment", json_str_new (nic->segment));
    json_put (object, "rules", rules);
    return object;
}

static json_t *
spec_volumes (const Member *member, const MemberRuntime *runtime)
{
    json_t *list = json_array ();

    for (guint i = 0; i < member->volumes->len; i++) {
        const MemberVolume *volume = g_ptr_array_index (member->volumes, i);
        const VolumeIdentity *identity = identity_of (runtime, volume);
        g_autofree char *serial = serial_of (volume);
        if (identity == NULL)
            continue;
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s, s:s, s:I, s:b}", "slot", volume->slot->name,
                                                "id", identity->id, "name", volume->volume, "serial", serial,
                                                "size_bytes", (json_int_t)identity->size_bytes, "read_only",
                                                volume->read_only));
    }
    return list;
}

static json_t *
spec_resources (const Resources *resources)
{
    json_t *object = json_object ();

    json_put (object, "cpu", json_real (resources->cpu));
    json_put (object, "cpu_cap", json_boolean (resources->cpu_cap));
    json_put (object, "memory_bytes", json_integer (resources->memory_bytes));
    json_put (object, "network_bps", json_integer (resources->network_bps));
    return object;
}

static void
put_runtime (json_t *spec, const Member *member, const MemberRuntime *runtime)
{
    guint start_timeout_s = member->instance->start_timeout_s;

    json_put (spec, "operation", json_str_new (runtime->operation));
    json_put (spec, "generation", json_integer (runtime->generation));
    json_put (spec, "power", json_string (runtime->power_on ? "on" : "off"));
    json_put (spec, "incarnation", json_integer (runtime->incarnation));
    json_put (spec, "image", runtime->image != NULL ? json_deep_copy (runtime->image) : NULL);
    json_put (spec, "root_epoch", json_integer (runtime->root_epoch));
    json_put (spec, "start_timeout_s",
              json_integer (start_timeout_s > 0 ? start_timeout_s : runtime->default_start_timeout_s));
    json_put (spec, "stop_timeout_s", json_integer (member->instance->stop_timeout_s));
}

json_t *
member_spec (const Topology *topology, const Wiring *wiring, const char *name, const MemberRuntime *runtime)
{
    const WiringMember *wired = wiring_member (wiring, name);
    json_t *spec = json_object (), *nics = json_array ();

    for (guint i = 0; i < wired->nics->len; i++)
        json_array_append_new (nics, spec_nic (g_ptr_array_index (wired->nics, i)));
    put_runtime (spec, wired->member, runtime);
    put_identity (spec, topology, wired->member, runtime);
    json_put (spec, "resources", spec_resources (&wired->member->resources));
    json_put (spec, "nics", nics);
    if (wired->member->class->screen)
        json_put (spec, "screen", json_true ());
    json_put (spec, "volumes", spec_volumes (wired->member, runtime));
    json_put (spec, "guest", member_guest_settings (topology, wiring, name, runtime));
    return spec;
}
