#include "vdc/agent/seed.h"

#include <string.h>

#include "vdc/agent/iso_image.h"
#include "vdc/agent/wire_probe.h"

#define INNER_PREFIX 10

/* --- network-config ---------------------------------------------------------------------------------------- */

static gboolean
is_wired (const json_t *nic)
{
    return json_array_size (json_object_get (nic, "routes")) > 0;
}

static gboolean
is_input (const Spec *spec, const char *terminal)
{
    for (guint i = 0; i < spec->n_nics; i++)
        if (strcmp (spec->nics[i].terminal, terminal) == 0)
            return spec->nics[i].side == NIC_INPUT;
    return FALSE;
}

/* The one with all inner addresses on its link; NULL: none. */
static const json_t *
open_nic (const Spec *spec)
{
    size_t i;
    json_t *nic;
    json_array_foreach (json_object_get (spec_guest (spec), "nics"), i, nic)
        if (is_wired (nic) && is_input (spec, json_str (nic, "terminal", "")))
            return nic;
    return NULL;
}

/* The peer is its own gateway, on the link: renderers know no route without one. */
static json_t *
on_link (const char *to)
{
    g_autofree char *network = g_strconcat (to, "/32", NULL);
    return json_pack ("{s:s, s:s, s:b}", "to", network, "via", to, "on-link", 1);
}

static json_t *
routes_of (const Spec *spec, const json_t *nic)
{
    json_t *routes = json_array (), *route;
    const json_t *gateway = json_object_get (spec_guest (spec), "gateway");
    const char *terminal = json_str (nic, "terminal", "");
    char probe[WIRE_PROBE_TEXT];
    size_t i;

    if (nic != open_nic (spec)) {
        json_array_foreach (json_object_get (nic, "routes"), i, route)
            json_array_append_new (routes, on_link (json_str (route, "to", "")));
        if (wire_probe_address_text (spec->document, terminal, probe))
            json_array_append_new (routes, on_link (probe));
    }
    if (json_is_object (gateway) && strcmp (json_str (gateway, "terminal", ""), terminal) == 0)
        json_array_append_new (routes, json_pack ("{s:s, s:s, s:b}", "to", "0.0.0.0/0", "via",
                                                  json_str (gateway, "address", ""), "on-link", 1));
    return routes;
}

static json_t *
addresses_of (const Spec *spec, const json_t *nic)
{
    json_t *list = json_array (), *alias;
    int prefix = nic == open_nic (spec) ? INNER_PREFIX : 32;
    g_autofree char *own = g_strdup_printf ("%s/%d", json_str (nic, "address", ""), prefix);
    size_t i;

    json_array_append_new (list, json_string (own));
    json_array_foreach (json_object_get (nic, "aliases"), i, alias) {
        g_autofree char *text = g_strconcat (json_string_value (alias), "/32", NULL);
        json_array_append_new (list, json_string (text));
    }
    return list;
}

static json_t *
ethernet (const Spec *spec, const json_t *nic, guint mtu)
{
    json_t *object = json_pack ("{s:{s:s}, s:b, s:b, s:b}", "match", "macaddress", json_str (nic, "mac", ""),
                                "dhcp4", 0, "dhcp6", 0, "accept-ra", 0);
    const json_t *gateway = json_object_get (spec_guest (spec), "gateway");

    json_put (object, "link-local", json_array ());
    if (!is_wired (nic)) {
        json_put (object, "optional", json_true ()); /* its link never comes up: nothing waits for it */
        return object;
    }
    json_put (object, "addresses", addresses_of (spec, nic));
    json_put (object, "routes", routes_of (spec, nic));
    if (mtu > 0)
        json_put (object, "mtu", json_integer (mtu));
    if (json_is_object (gateway) &&
        strcmp (json_str (gateway, "terminal", ""), json_str (nic, "terminal", "")) == 0)
        json_put (object, "nameservers",
                  json_pack ("{s:[s]}", "addresses", json_str (gateway, "address", "")));
    return object;
}

static json_t *
network_config (const Spec *spec, guint mtu)
{
    json_t *ethernets = json_object (), *nic;
    size_t i;
    json_array_foreach (json_object_get (spec_guest (spec), "nics"), i, nic)
        json_put (ethernets, json_str (nic, "terminal", ""), ethernet (spec, nic, mtu));
    return json_pack ("{s:i, s:o}", "version", 2, "ethernets", ethernets);
}

/* --- user-data --------------------------------------------------------------------------------------------- */

/* Not every renderer keeps "on-link": the same routes once more, by the NIC's address, at each boot. */
static const char route_script[] =
    "d=$(grep -lix \"$1\" /sys/class/net/*/address | head -n 1); d=${d%/address}; "
    "[ -z \"$d\" ] || ip -4 route replace \"$2\" dev \"${d##*/}\" src \"$3\"";
static const char hosts_script[] =
    "sed -i '/ # vdc$/d' /etc/hosts; for line in \"$@\"; do echo \"$line\" >> /etc/hosts; done";

static void
add_routes (json_t *commands, const Spec *spec)
{
    size_t i, k;
    json_t *nic, *route;
    json_array_foreach (json_object_get (spec_guest (spec), "nics"), i, nic) {
        if (nic == open_nic (spec))
            continue;
        json_array_foreach (json_object_get (nic, "routes"), k, route) {
            g_autofree char *to = g_strconcat (json_str (route, "to", ""), "/32", NULL);
            json_array_append_new (commands,
                                   json_pack ("[s, s, s, s, s, s, s]", "sh", "-c", route_script, "vdc",
                                              json_str (nic, "mac", ""), to, json_str (route, "source", "")));
        }
    }
}

/* Terminals are names, as everywhere. */
static void
add_hosts (json_t *commands, const Spec *spec)
{
    json_t *command = json_pack ("[s, s, s, s]", "sh", "-c", hosts_script, "vdc"), *addresses, *address;
    const char *name;
    size_t i;
    json_object_foreach (json_object_get (spec_guest (spec), "names"), name, addresses)
        json_array_foreach (addresses, i, address) {
            g_autofree char *line = g_strdup_printf ("%s %s # vdc", json_string_value (address), name);
            json_array_append_new (command, json_string (line));
        }
    json_array_append_new (commands, command);
}

static json_t *
mounts (const Spec *spec)
{
    json_t *list = json_array (), *volume;
    size_t i;
    json_array_foreach (json_object_get (spec_guest (spec), "volumes"), i, volume) {
        g_autofree char *device =
            g_strconcat ("/dev/disk/by-id/virtio-", json_str (volume, "serial", ""), NULL);
        json_array_append_new (list,
                               json_pack ("[s, s, s, s]", device, json_str (volume, "mount", ""),
                                          json_str (volume, "filesystem", "ext4"),
                                          json_bool (volume, "read_only", FALSE) ? "ro,nofail" : "nofail"));
    }
    return list;
}

static json_t *
user_data (const Spec *spec)
{
    const json_t *guest = spec_guest (spec);
    const char *key = json_str (json_object_get (guest, "properties"), "ssh_key", "");
    json_t *commands = json_array ();
    json_t *data = json_pack ("{s:s, s:b, s:b, s:b}", "hostname", json_str (guest, "hostname", "localhost"),
                              "preserve_hostname", 0, "manage_etc_hosts", 0, "ssh_deletekeys", 0);

    add_routes (commands, spec);
    add_hosts (commands, spec);
    json_put (data, "bootcmd", commands);
    json_t *volumes = mounts (spec);
    if (json_array_size (volumes) > 0) /* an empty list is an error to cloud-init */
        json_object_set (data, "mounts", volumes);
    json_decref (volumes);
    if (*key != '\0')
        json_put (data, "ssh_authorized_keys", json_pack ("[s]", key));
    return data;
}

/* --- the disk ---------------------------------------------------------------------------------------------- */

char *
seed_text (const Spec *spec, guint mtu, const char *file)
{
    g_autoptr (json_t) network = network_config (spec, mtu);
    g_autoptr (json_t) user = user_data (spec);
    g_autofree char *network_text = json_text (network), *user_text = json_text (user);

    if (strcmp (file, "network-config") == 0)
        return g_strconcat (network_text, "\n", NULL);
    if (strcmp (file, "user-data") == 0)
        return g_strconcat ("#cloud-config\n", user_text, "\n", NULL);
    json_object_del (user, "bootcmd"); /* done at each boot, whatever the id */
    g_autofree char *lasting = json_text (user);
    g_autofree char *all =
        g_strconcat (spec->application_id, "/", spec->member, "\n", network_text, lasting, NULL);
    g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1);
    return g_strdup_printf ("{\"instance-id\":\"vdc-%.16s\",\"local-hostname\":\"%s\"}\n", digest,
                            json_str (user, "hostname", ""));
}

GBytes *
seed_new (const Spec *spec, guint mtu)
{
    g_autofree char *meta = seed_text (spec, mtu, "meta-data");
    g_autofree char *network = seed_text (spec, mtu, "network-config");
    g_autofree char *user = seed_text (spec, mtu, "user-data");
    const IsoFile files[] = {{"meta-data", meta}, {"network-config", network}, {"user-data", user}};
    return iso_image_new ("cidata", files, G_N_ELEMENTS (files));
}
