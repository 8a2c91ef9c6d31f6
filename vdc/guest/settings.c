#include "vdc/guest/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NIC_LIMIT 32
#define ROUTE_LIMIT 4096

static bool
parse_mac (const char *text, unsigned char mac[6])
{
    unsigned part[6];
    char rest;

    if (strlen (text) != 17 || sscanf (text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2],
                                       &part[3], &part[4], &part[5], &rest) != 6)
        return false;
    for (int i = 0; i < 6; i++)
        mac[i] = part[i];
    return true;
}

/* The terminal's name where it fits and the kernel has no other use for it. */
static void
device_name (const char *terminal, size_t index, char device[16])
{
    bool taken = strcmp (terminal, "lo") == 0 || strcmp (terminal, "all") == 0 ||
                 strcmp (terminal, "default") == 0 || strncmp (terminal, "eth", 3) == 0;

    if (strlen (terminal) < 16 && !taken)
        snprintf (device, 16, "%s", terminal);
    else
        snprintf (device, 16, "vdc%zu", index);
}

static bool
parse_addresses (Nic *nic, const json_t *json, char **error)
{
    json_t *aliases = json_object_get (json, "aliases");

    if (!address_parse (json_text_of (json, "address", NULL), &nic->addresses[0]))
        return fail (error, "nics.%s: no address", nic->terminal);
    nic->n_addresses = 1;
    for (size_t i = 0; i < json_array_size (aliases); i++) {
        const char *text = json_string_value (json_array_get (aliases, i));

        if (nic->n_addresses == 17 || !address_parse (text, &nic->addresses[nic->n_addresses]))
            return fail (error, "nics.%s: bad alias", nic->terminal);
        nic->n_addresses++;
    }
    return true;
}

static bool
parse_routes (Nic *nic, const json_t *json, char **error)
{
    json_t *routes = json_object_get (json, "routes");
    size_t count = json_array_size (routes);

    if (count > ROUTE_LIMIT)
        return fail (error, "nics.%s: too many routes", nic->terminal);
    nic->routes = util_alloc ((count + 1) * sizeof *nic->routes);
    for (size_t i = 0; i < count; i++) {
        json_t *route = json_array_get (routes, i);
        PeerRoute *peer = &nic->routes[nic->n_routes++];

        if (!address_parse (json_text_of (route, "to", NULL), &peer->to))
            return fail (error, "nics.%s: a route without destination", nic->terminal);
        if (!address_parse (json_text_of (route, "source", NULL), &peer->source))
            peer->source = nic->addresses[0];
    }
    return true;
}

static bool
parse_nic (Nic *nic, const json_t *json, size_t index, char **error)
{
    int64_t prefix = json_int_of (json, "prefix", 32);
    const char *gateway = json_text_of (json, "gateway", NULL);

    nic->terminal = json_text_of (json, "terminal", "");
    if (!name_valid (nic->terminal))
        return fail (error, "nics: bad terminal name");
    device_name (nic->terminal, index, nic->device);
    if (!parse_mac (json_text_of (json, "mac", ""), nic->mac))
        return fail (error, "nics.%s: bad MAC", nic->terminal);
    if (prefix < 8 || prefix > 32)
        return fail (error, "nics.%s: bad prefix", nic->terminal);
    nic->prefix = prefix;
    if (gateway && !address_parse (gateway, &nic->gateway))
        return fail (error, "nics.%s: bad gateway", nic->terminal);
    return parse_addresses (nic, json, error) && parse_routes (nic, json, error);
}

static bool
parse_nics (Settings *settings, char **error)
{
    json_t *list = json_object_get (settings->document, "nics");
    size_t count = json_array_size (list);

    if (count > NIC_LIMIT)
        return fail (error, "more than %d NICs", NIC_LIMIT);
    settings->nics = util_alloc ((count + 1) * sizeof *settings->nics);
    for (size_t i = 0; i < count; i++) {
        settings->n_nics = i + 1;
        if (!parse_nic (&settings->nics[i], json_array_get (list, i), i, error))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp (settings->nics[i].terminal, settings->nics[j].terminal) == 0)
                return fail (error, "nics.%s: twice", settings->nics[i].terminal);
        }
    }
    return true;
}

static bool
mount_valid (const char *path)
{
    size_t length = strlen (path);

    return path[0] == '/' && length > 1 && length < 256 && path[length - 1] != '/' && !strstr (path, "..") &&
           !strstr (path, "//") &&
           strspn (path, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static bool
parse_volumes (Settings *settings, char **error)
{
    json_t *list = json_object_get (settings->document, "volumes");
    size_t count = json_array_size (list);

    if (count > 16)
        return fail (error, "more than 16 volumes");
    settings->volumes = util_alloc ((count + 1) * sizeof *settings->volumes);
    for (size_t i = 0; i < count; i++) {
        json_t *json = json_array_get (list, i);
        VolumeUse *volume = &settings->volumes[settings->n_volumes++];

        volume->slot = json_text_of (json, "slot", "");
        volume->serial = json_text_of (json, "serial", "");
        volume->mount = json_text_of (json, "mount", "");
        volume->read_only = json_bool_of (json, "read_only", false);
        if (!name_valid (volume->slot) || !*volume->serial || !mount_valid (volume->mount))
            return fail (error, "volumes: slot, serial or mount of number %zu is bad", i + 1);
        if (strcmp (json_text_of (json, "filesystem", "ext4"), "ext4"))
            return fail (error, "volumes.%s: only ext4 is known", volume->slot);
    }
    return true;
}

/* "out" or "out.3". */
static bool
host_name_valid (const char *name)
{
    char base[40];
    const char *dot = strchr (name, '.');
    size_t length = dot ? (size_t)(dot - name) : strlen (name);

    if (length >= sizeof base)
        return false;
    memcpy (base, name, length);
    base[length] = '\0';
    return name_valid (base) &&
           (!dot || (dot[1] && strlen (dot) < 10 && strspn (dot + 1, "0123456789") == strlen (dot + 1)));
}

static bool
check_names (const Settings *settings, char **error)
{
    const char *name;
    json_t *list, *item;
    size_t i;
    uint32_t address;

    json_object_foreach (json_object_get (settings->document, "names"), name, list) {
        if (!host_name_valid (name))
            return fail (error, "names: a bad name");
        json_array_foreach (list, i, item) {
            if (!address_parse (json_string_value (item), &address))
                return fail (error, "names.%s: a bad address", name);
        }
    }
    return true;
}

static bool
peer_valid (const json_t *peer)
{
    const char *name = json_text_of (peer, "name", "");
    const char *state = json_text_of (peer, "state", "");
    uint32_t address;

    return *name && strlen (name) < 256 &&
           strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen (name) && *state &&
           strspn (state, "abcdefghijklmnopqrstuvwxyz") == strlen (state) &&
           address_parse (json_text_of (peer, "address", NULL), &address);
}

static bool
check_peers (const Settings *settings, char **error)
{
    const char *terminal;
    json_t *list, *peer;
    size_t i;

    json_object_foreach (json_object_get (settings->document, "peers"), terminal, list) {
        if (!name_valid (terminal))
            return fail (error, "peers: a bad terminal name");
        json_array_foreach (list, i, peer) {
            if (!peer_valid (peer))
                return fail (error, "peers.%s: number %zu is bad", terminal, i + 1);
        }
    }
    return true;
}

static bool
check_properties (const Settings *settings, char **error)
{
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get (settings->document, "properties"), name, value) {
        if (!name_valid (name))
            return fail (error, "properties: a bad name");
        if (json_is_object (value) || json_is_array (value))
            return fail (error, "properties.%s: no plain value", name);
    }
    json_object_foreach (json_object_get (settings->document, "inputs"), name, value) {
        if (!name_valid (name))
            return fail (error, "inputs: a bad name");
    }
    return true;
}

static bool
parse_gateway (Settings *settings, char **error)
{
    json_t *gateway = json_object_get (settings->document, "gateway");

    if (!json_is_object (gateway))
        return true;
    settings->gateway_terminal = json_text_of (gateway, "terminal", "");
    if (!settings_nic (settings, settings->gateway_terminal))
        return fail (error, "gateway: there is no terminal of that name");
    return address_parse (json_text_of (gateway, "address", NULL), &settings->gateway) ||
           fail (error, "gateway: bad address");
}

static bool
check_identity (const Settings *settings, char **error)
{
    const char *hostname = json_text_of (settings->document, "hostname", "");
    size_t length = strlen (hostname);

    if (settings->revision < 0)
        return fail (error, "no revision");
    if (length < 1 || length > 64 || strspn (hostname, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return fail (error, "bad host name");
    return true;
}

Settings *
settings_new (json_t *document, char **error)
{
    Settings *settings = util_alloc (sizeof *settings);

    settings->document = json_incref (document);
    settings->revision = json_int_of (document, "revision", -1);
    settings->go = json_bool_of (document, "go", false);
    settings->draining = json_bool_of (document, "draining", false);
    if (check_identity (settings, error) && parse_nics (settings, error) && parse_volumes (settings, error) &&
        parse_gateway (settings, error) && check_names (settings, error) && check_peers (settings, error) &&
        check_properties (settings, error))
        return settings;
    settings_free (settings);
    return NULL;
}

void
settings_free (Settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->n_nics; i++)
        free (settings->nics[i].routes);
    free (settings->nics);
    free (settings->volumes);
    json_decref (settings->document);
    free (settings);
}

const Nic *
settings_nic (const Settings *settings, const char *terminal)
{
    for (size_t i = 0; i < settings->n_nics; i++) {
        if (strcmp (settings->nics[i].terminal, terminal) == 0)
            return &settings->nics[i];
    }
    return NULL;
}

char *
settings_changes (const Settings *old, const Settings *new)
{
    static const char *const parts[] = {"properties", "peers",   "names",   "nics",
                                        "inputs",     "volumes", "gateway", "hostname"};
    Buffer words = {0};

    buffer_add (&words, "", 0);
    if (!old)
        buffer_add (&words, "first", 5);
    for (size_t i = 0; old && i < sizeof parts / sizeof *parts; i++) {
        json_t *before = json_object_get (old->document, parts[i]);
        json_t *after = json_object_get (new->document, parts[i]);

        if (before != after && !json_equal (before, after))
            buffer_printf (&words, "%s%s", words.length ? " " : "", parts[i]);
    }
    return words.data;
}

/* --- what hooks see
 * -------------------------------------------------------------------------------------------- */

typedef void (*Emit) (void *context, const char *name, const char *value);

static void
emit_named (Emit emit, void *context, const char *prefix, const char *name, const char *value)
{
    AUTO_FREE char *full = util_printf ("%s%s", prefix, name);

    emit (context, full, value);
}

static void
emit_identity (const Settings *settings, Emit emit, void *context)
{
    static const char *const parts[][2] = {{"VDC_APPLICATION", "application"},
                                           {"VDC_MEMBER", "member"},
                                           {"VDC_INSTANCE", "instance"},
                                           {"VDC_CLASS", "class"},
                                           {"VDC_HOSTNAME", "hostname"}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        emit (context, parts[i][0], json_text_of (settings->document, parts[i][1], ""));
}

static void
emit_properties (const Settings *settings, Emit emit, void *context)
{
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get (settings->document, "properties"), name, value) {
        AUTO_FREE char *text = NULL;

        if (json_is_null (value))
            continue;
        text = json_is_string (value) ? util_dup (json_string_value (value))
                                      : json_dumps (value, JSON_ENCODE_ANY);
        if (text)
            emit_named (emit, context, "VDC_SET_", name, text);
    }
}

static void
emit_nics (const Settings *settings, Emit emit, void *context)
{
    json_t *list = json_object_get (settings->document, "nics");

    for (size_t i = 0; i < settings->n_nics; i++) {
        const Nic *nic = &settings->nics[i];
        json_t *json = json_array_get (list, i);

        emit_named (emit, context, "VDC_ADDRESS_", nic->terminal, json_text_of (json, "address", ""));
        emit_named (emit, context, "VDC_DEVICE_", nic->terminal, nic->device);
        if (nic->gateway) {
            AUTO_FREE char *prefix = util_printf ("%u", nic->prefix);

            emit_named (emit, context, "VDC_GATEWAY_", nic->terminal, json_text_of (json, "gateway", ""));
            emit_named (emit, context, "VDC_PREFIX_", nic->terminal, prefix);
        }
    }
}

/* The first ready peer, else the first: the name's first address. An output without peers is unwired. */
static const char *
first_peer (const json_t *peers)
{
    const char *first = NULL;
    json_t *peer;
    size_t i;

    json_array_foreach (peers, i, peer) {
        const char *address = json_text_of (peer, "address", UNWIRED);

        if (strcmp (json_text_of (peer, "state", ""), "ready") == 0)
            return address;
        first = first ? first : address;
    }
    return first;
}

static void
emit_peers (const Settings *settings, Emit emit, void *context)
{
    json_t *inputs = json_object_get (settings->document, "inputs");
    json_t *peers = json_object_get (settings->document, "peers");
    const char *terminal;
    json_t *list;

    json_object_foreach (json_object_get (settings->document, "names"), terminal, list) {
        const char *peer = first_peer (json_object_get (peers, terminal));

        if (!peer)
            peer = json_string_value (json_array_get (list, 0));
        if (!strchr (terminal, '.') && !json_object_get (inputs, terminal) && peer)
            emit_named (emit, context, "VDC_PEER_", terminal, peer);
    }
}

static void
emit_rest (const Settings *settings, Emit emit, void *context)
{
    ProbeTarget targets[NIC_LIMIT];
    size_t count = settings_probes (settings, targets, NIC_LIMIT);

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *port = util_printf ("%u", targets[i].port);

        emit_named (emit, context, "VDC_PORT_", targets[i].terminal, port);
    }
    for (size_t i = 0; i < settings->n_volumes; i++)
        emit_named (emit, context, "VDC_VOLUME_", settings->volumes[i].slot, settings->volumes[i].mount);
}

static void
emit_all (const Settings *settings, Emit emit, void *context)
{
    emit_identity (settings, emit, context);
    emit_properties (settings, emit, context);
    emit_nics (settings, emit, context);
    emit_peers (settings, emit, context);
    emit_rest (settings, emit, context);
}

static void
emit_line (void *context, const char *name, const char *value)
{
    Buffer *text = context;

    buffer_printf (text, "%s=", name);
    buffer_add_quoted (text, value);
    buffer_add (text, "\n", 1);
}

char *
settings_env_text (const Settings *settings)
{
    Buffer text = {0};

    buffer_add (&text, "", 0);
    emit_all (settings, emit_line, &text);
    return text.data;
}

typedef struct {
    char **strings;
    size_t count;
} Strings;

static void
emit_string (void *context, const char *name, const char *value)
{
    Strings *list = context;

    list->strings = realloc (list->strings, (list->count + 2) * sizeof *list->strings);
    if (!list->strings)
        abort ();
    list->strings[list->count++] = util_printf ("%s=%s", name, value);
    list->strings[list->count] = NULL;
}

char **
settings_environment (const Settings *settings, const char *changed)
{
    Strings list = {0};

    emit_string (&list, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    emit_string (&list, "HOME", "/root");
    emit_string (&list, "LC_ALL", "C.UTF-8");
    if (changed)
        emit_string (&list, "VDC_CHANGED", changed);
    if (settings)
        emit_all (settings, emit_string, &list);
    return list.strings;
}

void
environment_free (char **environment)
{
    for (char **entry = environment; entry && *entry; entry++)
        free (*entry);
    free (environment);
}

char *
settings_hosts_text (const Settings *settings)
{
    Buffer text = {0};
    const char *name;
    json_t *list, *address;
    size_t i;

    buffer_printf (&text, "127.0.0.1 localhost\n");
    json_object_foreach (json_object_get (settings->document, "names"), name, list) {
        json_array_foreach (list, i, address)
            buffer_printf (&text, "%s %s\n", json_string_value (address), name);
    }
    return text.data;
}

char *
settings_peers_text (const json_t *peers)
{
    Buffer text = {0};
    json_t *peer;
    size_t i;

    buffer_add (&text, "", 0);
    json_array_foreach (peers, i, peer)
        buffer_printf (&text, "%s %s %s\n", json_text_of (peer, "name", ""),
                       json_text_of (peer, "address", ""), json_text_of (peer, "state", ""));
    return text.data;
}

size_t
settings_probes (const Settings *settings, ProbeTarget *targets, size_t limit)
{
    const char *terminal;
    json_t *input;
    size_t count = 0;

    json_object_foreach (json_object_get (settings->document, "inputs"), terminal, input) {
        json_t *ports = json_object_get (input, "ports");
        json_t *port = json_array_get (ports, 0);
        int64_t from = json_int_of (port, "from", 0);
        const Nic *nic = settings_nic (settings, terminal);

        if (json_array_size (ports) != 1 || strcmp (json_text_of (port, "proto", ""), "tcp") || from < 1 ||
            from > 65535 || from != json_int_of (port, "to", from) || !nic || count == limit)
            continue;
        targets[count++] =
            (ProbeTarget){.terminal = nic->terminal, .address = nic->addresses[0], .port = from};
    }
    return count;
}
