#include "vdc/controller/networks.h"

#include <arpa/inet.h>
#include <string.h>

#include "vdc/base/id.h"

/* --- texts ------------------------------------------------------------------------------------------------- */

static gboolean
parse_ip (const char *text, guint32 *address)
{
    struct in_addr parsed;
    if (text == NULL || inet_pton (AF_INET, text, &parsed) != 1)
        return FALSE;
    *address = g_ntohl (parsed.s_addr);
    return TRUE;
}

static char *
ip_text (guint32 address)
{
    return g_strdup_printf ("%u.%u.%u.%u", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                            address & 255);
}

static gboolean
parse_subnet (const char *text, guint32 *base, guint *prefix)
{
    g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", "/", 2);
    guint64 bits;
    if (g_strv_length (parts) != 2 || !parse_ip (parts[0], base) ||
        !g_ascii_string_to_unsigned (parts[1], 10, 8, 30, &bits, NULL))
        return FALSE;
    *prefix = (guint)bits;
    return (*base & (0xffffffffU >> bits)) == 0;
}

/* "A-B", also "192.0.2.20-60". */
static gboolean
parse_range (const char *text, guint32 *first, guint32 *last)
{
    g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", "-", 2);
    guint64 end;
    if (g_strv_length (parts) != 2 || !parse_ip (parts[0], first))
        return FALSE;
    if (!parse_ip (parts[1], last)) {
        if (!g_ascii_string_to_unsigned (parts[1], 10, 0, 255, &end, NULL))
            return FALSE;
        *last = (*first & 0xffffff00U) | (guint32)end;
    }
    return *first <= *last;
}

static gboolean
parse_publish (const char *text, char **address, guint *first, guint *last)
{
    g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", ":", 2);
    guint32 ip;
    if (g_strv_length (parts) != 2 || !parse_ip (parts[0], &ip))
        return FALSE;
    g_auto (GStrv) ports = g_strsplit (parts[1], "-", 2);
    guint64 from, to;
    if (g_strv_length (ports) != 2 || !g_ascii_string_to_unsigned (ports[0], 10, 1, 65535, &from, NULL) ||
        !g_ascii_string_to_unsigned (ports[1], 10, from, 65535, &to, NULL))
        return FALSE;
    *address = g_strdup (parts[0]);
    *first = (guint)from;
    *last = (guint)to;
    return TRUE;
}

/* --- making ------------------------------------------------------------------------------------------------ */

static gboolean
check (const json_t *network, GError **error)
{
    guint32 base, gateway, first, last;
    guint prefix, from, to;
    g_autofree char *address = NULL;
    const char *publish = json_str (network, "publish", NULL);
    const char *wrong = NULL;
    if (!parse_subnet (json_str (network, "subnet", NULL), &base, &prefix))
        wrong = "subnet must be ADDRESS/PREFIX with no bits behind the prefix";
    else if (!parse_ip (json_str (network, "gateway", NULL), &gateway) ||
             (gateway ^ base) >> (32 - prefix) != 0)
        wrong = "gateway must be an address of the subnet";
    else if (!parse_range (json_str (network, "addresses", NULL), &first, &last) ||
             (first ^ base) >> (32 - prefix) != 0 || (last ^ base) >> (32 - prefix) != 0)
        wrong = "addresses must be FIRST-LAST within the subnet";
    else if (gateway >= first && gateway <= last)
        wrong = "addresses must not hold the gateway";
    else if (publish != NULL && !parse_publish (publish, &address, &from, &to))
        wrong = "publish must be ADDRESS:PORT-PORT";
    if (wrong == NULL)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "network: %s", wrong);
    return FALSE;
}

gboolean
networks_create (Controller *controller, const json_t *request, GError **error)
{
    const char *name = json_str (request, "name", "");
    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "a network's name must be %s", id_name_rule ());
        return FALSE;
    }
    if (store_has (controller->store, STORE_NETWORKS, name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "network '%s' exists", name);
        return FALSE;
    }
    if (!check (request, error))
        return FALSE;
    controller_write (controller, STORE_NETWORKS, name,
                      json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s?}", "name", name, "mode", "addresses",
                                 "subnet", json_str (request, "subnet", ""), "gateway",
                                 json_str (request, "gateway", ""), "addresses",
                                 json_str (request, "addresses", ""), "publish",
                                 json_str (request, "publish", NULL)));
    controller_note (controller, "network.created", "network", name, NULL, NULL, NULL);
    return TRUE;
}

gboolean
networks_ensure_outside (Controller *controller, const char *option, GError **error)
{
    if (option == NULL || store_has (controller->store, STORE_NETWORKS, "outside"))
        return TRUE;
    g_auto (GStrv) parts = g_strsplit (option, ",", 8);
    g_autoptr (json_t) request = json_pack ("{s:s, s:s}", "name", "outside", "subnet", parts[0]);
    for (guint i = 1; parts[i] != NULL; i++) {
        g_auto (GStrv) pair = g_strsplit (parts[i], "=", 2);
        if (g_strv_length (pair) != 2) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "--outside: '%s' must be KEY=VALUE", parts[i]);
            return FALSE;
        }
        json_put (request, pair[0], json_str_new (pair[1]));
    }
    return networks_create (controller, request, error) && controller_commit (controller, error);
}

/* --- what is in use ---------------------------------------------------------------------------------------- */

typedef void (*UseFunction) (const ApplicationRecord *application, const char *member, json_t *use,
                             gpointer data);

static void
each_use (Controller *controller, const char *network, UseFunction function, gpointer data)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        const char *member;
        json_t *use;
        json_object_foreach (application->outside, member, use) {
            if (strcmp (json_str (use, "network", ""), network) == 0)
                function (application, member, use, data);
        }
    }
}

static void
list_use (const ApplicationRecord *application, const char *member, json_t *use, gpointer data)
{
    json_array_append_new (data, json_pack ("{s:s, s:s, s:s, s:O}", "address", json_str (use, "address", ""),
                                            "application", application->name, "member", member, "published",
                                            json_object_get (use, "published")));
}

json_t *
networks_json (Controller *controller, const char *name, GError **error)
{
    json_t *network = store_get (controller->store, STORE_NETWORKS, name, error);
    if (network == NULL)
        return NULL;
    json_t *used = json_array ();
    each_use (controller, name, list_use, used);
    json_put (network, "used", used);
    return network;
}

/* --- giving ------------------------------------------------------------------------------------------------ */

typedef struct {
    GHashTable *addresses; /* guint32 as pointer */
    GHashTable *ports;     /* local ports */
    const char *except;    /* application whose own use is decided anew */
} Taken;

static void
take (Taken *taken, json_t *use)
{
    guint32 address;
    gsize i;
    json_t *port;
    if (parse_ip (json_str (use, "address", NULL), &address))
        g_hash_table_add (taken->addresses, GUINT_TO_POINTER (address));
    json_array_foreach (json_object_get (use, "published"), i, port) {
        g_hash_table_add (taken->ports, GINT_TO_POINTER ((gint)json_int (port, "local_port", 0)));
    }
}

static void
take_foreign (const ApplicationRecord *application, const char *member, json_t *use, gpointer data)
{
    Taken *taken = data;
    if (g_strcmp0 (application->name, taken->except) != 0)
        take (taken, use);
}

static gint
local_port (Taken *taken, const json_t *before, guint port, guint first, guint last)
{
    gsize i;
    json_t *entry;
    json_array_foreach ((json_t *)json_object_get (before, "published"), i, entry) {
        if (json_int (entry, "port", 0) == port)
            return (gint)json_int (entry, "local_port", 0);
    }
    for (guint candidate = first; candidate <= last; candidate++)
        if (g_hash_table_add (taken->ports, GUINT_TO_POINTER (candidate)))
            return (gint)candidate;
    return -1;
}

static json_t *
publish (Taken *taken, const json_t *network, const json_t *before, const Member *member, GError **error)
{
    json_t *published = json_array ();
    g_autofree char *address = NULL;
    guint first, last;
    if (!parse_publish (json_str (network, "publish", NULL), &address, &first, &last))
        return published;
    g_autoptr (GArray) ports = member_published_ports (member);
    for (guint i = 0; i < ports->len; i++) {
        guint port = g_array_index (ports, guint, i);
        gint local = local_port (taken, before, port, first, last);
        if (local < 0) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY, "no local port of network '%s' is left for '%s'",
                         json_str (network, "name", ""), member->name);
            json_decref (published);
            return NULL;
        }
        json_array_append_new (published, json_pack ("{s:i, s:i}", "port", (int)port, "local_port", local));
    }
    return published;
}

static char *
free_address (Taken *taken, const json_t *network, const json_t *before)
{
    const char *mine = json_str (before, "address", NULL);
    guint32 first, last;
    if (mine != NULL)
        return g_strdup (mine);
    if (!parse_range (json_str (network, "addresses", NULL), &first, &last))
        return NULL;
    for (guint32 candidate = first; candidate <= last; candidate++)
        if (g_hash_table_add (taken->addresses, GUINT_TO_POINTER (candidate)))
            return ip_text (candidate);
    return NULL;
}

static json_t *
assign_member (Taken *taken, const json_t *network, const json_t *before, const Member *member,
               GError **error)
{
    guint32 base;
    guint prefix;
    g_autofree char *address = free_address (taken, network, before);
    if (address == NULL || !parse_subnet (json_str (network, "subnet", NULL), &base, &prefix)) {
        g_set_error (
            error, VDC_ERROR, VDC_ERROR_NO_CAPACITY,
            "network '%s' has no free address for '%s'; destroy an application with a gateway, or make the "
            "range larger",
            json_str (network, "name", ""), member->name);
        return NULL;
    }
    json_t *published = publish (taken, network, before, member, error);
    if (published == NULL)
        return NULL;
    return json_pack ("{s:s, s:i, s:s?, s:s, s:o}", "address", address, "prefix", (int)prefix, "gateway",
                      json_str (network, "gateway", NULL), "network", json_str (network, "name", ""),
                      "published", published);
}

json_t *
networks_assign (Controller *controller, const ApplicationRecord *application, const Topology *topology,
                 GError **error)
{
    g_autoptr (json_t) outside = json_object ();
    g_autoptr (json_t) network = NULL;
    g_autoptr (GHashTable) addresses = g_hash_table_new (NULL, NULL), ports = g_hash_table_new (NULL, NULL);
    Taken taken = {addresses, ports, application->name};
    const char *name;
    json_t *use;

    each_use (controller, "outside", take_foreign, &taken);
    json_object_foreach (application->outside, name, use) {
        take (&taken, use);
    }
    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = topology->members->pdata[i];
        if (!member->class->outside)
            continue;
        if (network == NULL &&
            (network = store_get (controller->store, STORE_NETWORKS, "outside", error)) == NULL)
            return NULL;
        use = assign_member (&taken, network, json_object_get (application->outside, member->name), member,
                             error);
        if (use == NULL)
            return NULL;
        json_put (outside, member->name, use);
    }
    return g_steal_pointer (&outside);
}

static gboolean
is_taken (const Taken *taken, const json_t *use)
{
    guint32 address;
    gsize i;
    json_t *port;
    if (parse_ip (json_str (use, "address", NULL), &address) &&
        g_hash_table_contains (taken->addresses, GUINT_TO_POINTER (address)))
        return TRUE;
    json_array_foreach (json_object_get (use, "published"), i, port) {
        if (g_hash_table_contains (taken->ports, GINT_TO_POINTER ((gint)json_int (port, "local_port", 0))))
            return TRUE;
    }
    return FALSE;
}

json_t *
networks_still_free (Controller *controller, const json_t *outside)
{
    g_autoptr (GHashTable) addresses = g_hash_table_new (NULL, NULL), ports = g_hash_table_new (NULL, NULL);
    Taken taken = {addresses, ports, NULL};
    json_t *kept = json_object (), *use;
    const char *member;
    each_use (controller, "outside", take_foreign, &taken);
    json_object_foreach ((json_t *)outside, member, use) {
        if (!is_taken (&taken, use))
            json_put (kept, member, json_deep_copy (use));
    }
    return kept;
}
