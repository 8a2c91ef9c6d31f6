#include "vdc/lab/fabric.h"

#include "vdc/lab/netns.h"

#include <unistd.h>

struct Fabric {
    int netns;
    guint plugs; /* number of the next cable: an old one may linger a moment after its machine */
};

static const char bridges[] = "link add name backbone type bridge stp_state 0 mcast_snooping 0\n"
                              "link add name outside type bridge stp_state 0 mcast_snooping 0\n"
                              "addr add " FABRIC_BACKBONE_ADDRESS "/24 dev backbone\n"
                              "addr add " FABRIC_OUTSIDE_ADDRESS "/24 dev outside\n"
                              "link set backbone up\n"
                              "link set outside up\n";

Fabric *
fabric_new (GError **error)
{
    int netns = netns_new (error);
    if (netns < 0)
        return NULL;
    if (!netns_ip (netns, bridges, error)) {
        close (netns);
        return NULL;
    }
    Fabric *fabric = g_new0 (Fabric, 1);
    fabric->netns = netns;
    return fabric;
}

void
fabric_free (Fabric *fabric)
{
    if (fabric == NULL)
        return;
    close (fabric->netns);
    g_free (fabric);
}

int
fabric_netns (const Fabric *fabric)
{
    return fabric->netns;
}

static void
add_cable (Fabric *fabric, GString *lines, const char *bridge, const char *device, GPid pid)
{
    guint number = fabric->plugs++;
    g_string_append_printf (lines, "link add name plug%u type veth peer name %s netns %d\n", number, device,
                            (int)pid);
    g_string_append_printf (lines, "link set plug%u master %s\nlink set plug%u up\n", number, bridge, number);
}

gboolean
fabric_plug (Fabric *fabric, const char *machine, GPid pid, const char *address, gboolean outside,
             GError **error)
{
    g_autoptr (GString) here = g_string_new (NULL);
    g_autoptr (GString) there = g_string_new ("link set lo up\n");
    add_cable (fabric, here, "backbone", "eth0", pid);
    g_string_append_printf (there, "addr add %s/24 dev eth0\nlink set eth0 up\n", address);
    if (outside) {
        add_cable (fabric, here, "outside", "eth1", pid);
        g_string_append (there, "link set eth1 up\n");
    }
    int netns = netns_of_process (pid, error);
    if (netns < 0)
        return FALSE;
    gboolean ok = netns_ip (fabric->netns, here->str, error) && netns_ip (netns, there->str, error);
    close (netns);
    if (!ok)
        g_prefix_error (error, "cannot connect %s to the lab's networks: ", machine);
    return ok;
}
