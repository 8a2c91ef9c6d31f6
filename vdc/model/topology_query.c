#include "vdc/model/topology.h"

#include <string.h>

const Member *
topology_member (const Topology *topology, const char *name)
{
    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        if (strcmp (member->name, name) == 0)
            return member;
    }
    return NULL;
}

/* "web" and "web.1" hold "web.1.lb", "web" does not hold "web-old". */
static gboolean
holds (const char *outer, const char *inner)
{
    gsize length = strlen (outer);
    return strncmp (outer, inner, length) == 0 && (inner[length] == '\0' || inner[length] == '.');
}

GPtrArray *
topology_select (const Topology *topology, const char *name)
{
    GPtrArray *selected = g_ptr_array_new ();

    for (guint i = 0; i < topology->members->len; i++) {
        Member *member = g_ptr_array_index (topology->members, i);
        if (holds (name, member->name) || holds (name, member->group))
            g_ptr_array_add (selected, member);
    }
    return selected;
}

const MemberWire *
topology_wire (const Topology *topology, const Member *from, const char *terminal)
{
    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = g_ptr_array_index (topology->wires, i);
        if (wire->from == from && strcmp (wire->from_terminal->name, terminal) == 0)
            return wire;
    }
    return NULL;
}

static void
add_once (GPtrArray *list, const Member *member)
{
    if (!g_ptr_array_find (list, member, NULL))
        g_ptr_array_add (list, (gpointer)member);
}

GPtrArray *
topology_servers (const Topology *topology, const Member *member)
{
    GPtrArray *servers = g_ptr_array_new ();

    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = g_ptr_array_index (topology->wires, i);
        for (guint j = 0; wire->from == member && j < wire->to->len; j++)
            add_once (servers, g_ptr_array_index (wire->to, j));
    }
    return servers;
}

GPtrArray *
topology_clients (const Topology *topology, const Member *member)
{
    GPtrArray *clients = g_ptr_array_new ();

    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = g_ptr_array_index (topology->wires, i);
        if (g_ptr_array_find (wire->to, member, NULL))
            add_once (clients, wire->from);
    }
    return clients;
}

GPtrArray *
topology_waits_for (const Topology *topology, const Member *member)
{
    GPtrArray *servers = topology_servers (topology, member);

    for (guint i = servers->len; i > 0; i--)
        if (((const Member *)g_ptr_array_index (servers, i - 1))->circle == member->circle)
            g_ptr_array_remove_index (servers, i - 1);
    return servers;
}

static gint
by_port (gconstpointer a, gconstpointer b)
{
    guint left = *(const guint *)a, right = *(const guint *)b;
    return left < right ? -1 : left > right;
}

GArray *
member_published_ports (const Member *member)
{
    GArray *ports = g_array_new (FALSE, FALSE, sizeof (guint));

    for (char **name = member->class->publish; *name != NULL; name++) {
        gint64 port = g_ascii_isdigit (**name)
                          ? g_ascii_strtoll (*name, NULL, 10)
                          : json_integer_value (json_object_get (member->settings, *name));
        guint value = port;
        if (port >= 1 && port <= 65535)
            g_array_append_val (ports, value);
    }
    g_array_sort (ports, by_port);
    return ports;
}

const json_t *
topology_used (const Topology *topology)
{
    return topology->used;
}

char *
member_class_text (const Member *member)
{
    gboolean system = strcmp (member->catalog, CATALOG_SYSTEM) == 0;

    return g_strdup_printf ("%s%s%s@%s", system ? "" : member->catalog, system ? "" : "/",
                            member->class->boundary.name, member->class->boundary.version);
}
