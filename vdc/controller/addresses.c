#include "vdc/controller/addresses.h"

#include "vdc/base/bug.h"
#include "vdc/base/error.h"

#include <arpa/inet.h>
#include <string.h>

#define FIRST_ADDRESS 0x64400000u /* 100.64.0.0 */
#define LAST_ADDRESS 0x647fffffu  /* 100.127.255.255 */

struct Addresses {
    GHashTable *map; /* key → text of the address; both owned */
};

Addresses *
addresses_new (void)
{
    Addresses *addresses = g_new0 (Addresses, 1);

    addresses->map = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    return addresses;
}

void
addresses_free (Addresses *addresses)
{
    if (addresses == NULL)
        return;
    g_hash_table_unref (addresses->map);
    g_free (addresses);
}

/* 0 when @text is none of ours. */
static guint32
to_number (const char *text)
{
    struct in_addr address;

    if (text == NULL || inet_pton (AF_INET, text, &address) != 1)
        return 0;
    guint32 number = ntohl (address.s_addr);
    return number >= FIRST_ADDRESS && number <= LAST_ADDRESS ? number : 0;
}

static char *
to_text (guint32 number)
{
    return g_strdup_printf ("%u.%u.%u.%u", number >> 24, (number >> 16) & 255, (number >> 8) & 255,
                            number & 255);
}

Addresses *
addresses_from_json (const json_t *map, GError **error)
{
    g_autoptr (Addresses) addresses = addresses_new ();
    g_autoptr (GHashTable) taken = g_hash_table_new (NULL, NULL);
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)map, key, value) {
        guint32 number = to_number (json_string_value (value));
        if (number == 0 || !g_hash_table_add (taken, GUINT_TO_POINTER (number))) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "stored address of '%s' is %s", key,
                         number == 0 ? "no inner address" : "there twice");
            return NULL;
        }
        g_hash_table_insert (addresses->map, g_strdup (key), to_text (number));
    }
    return g_steal_pointer (&addresses);
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

json_t *
addresses_json (const Addresses *addresses)
{
    guint length;
    g_autofree char **keys = (char **)g_hash_table_get_keys_as_array (addresses->map, &length);
    json_t *map = json_object ();

    qsort (keys, length, sizeof *keys, by_text);
    for (guint i = 0; i < length; i++)
        json_object_set_new (map, keys[i], json_string (g_hash_table_lookup (addresses->map, keys[i])));
    return map;
}

/* -- what is needed -- */

static char *
alias_key (const char *member, const char *terminal, const char *client_group, const char *output)
{
    return g_strdup_printf ("%s:%s:%s.%s", member, terminal, client_group, output);
}

static gboolean
is_parallel (const MemberWire *a, const MemberWire *b)
{
    return a->from == b->from && a->to_terminal == b->to_terminal && strcmp (a->to_group, b->to_group) == 0;
}

/*
 * The first of several wires from one member to the same input may use the input's own address. Which one
 * that is must not change while the others live: it is the one without a kept alias, or else the first by
 * name.
 */
static gboolean
needs_alias (const Addresses *addresses, const Topology *topology, const MemberWire *wire)
{
    const Member *server = g_ptr_array_index (wire->to, 0);

    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *other = g_ptr_array_index (topology->wires, i);
        if (other == wire)
            return FALSE;
        if (is_parallel (other, wire) &&
            addresses_get_alias (addresses, server->name, other->to_terminal->name, other->from->group,
                                 other->from_terminal->name) == NULL)
            return TRUE;
    }
    return FALSE;
}

static void
need_aliases (const Addresses *addresses, const Topology *topology, GPtrArray *needed)
{
    for (guint i = 0; i < topology->wires->len; i++) {
        const MemberWire *wire = g_ptr_array_index (topology->wires, i);
        const Member *first = g_ptr_array_index (wire->to, 0);
        gboolean kept = addresses_get_alias (addresses, first->name, wire->to_terminal->name,
                                             wire->from->group, wire->from_terminal->name) != NULL;
        if (!kept && !needs_alias (addresses, topology, wire))
            continue;
        for (guint j = 0; j < wire->to->len; j++) {
            const Member *server = g_ptr_array_index (wire->to, j);
            g_ptr_array_add (needed, alias_key (server->name, wire->to_terminal->name, wire->from->group,
                                                wire->from_terminal->name));
        }
    }
}

/* In the order in which a fresh application gets them: members by name, terminals as in the class, then
 * aliases. */
static GPtrArray *
needed_keys (const Addresses *addresses, const Topology *topology)
{
    GPtrArray *needed = g_ptr_array_new_with_free_func (g_free);

    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = g_ptr_array_index (topology->members, i);
        for (guint j = 0; j < member->class->boundary.terminals->len; j++) {
            const Terminal *terminal = g_ptr_array_index (member->class->boundary.terminals, j);
            g_ptr_array_add (needed, g_strdup_printf ("%s:%s", member->name, terminal->name));
        }
    }
    need_aliases (addresses, topology, needed);
    return needed;
}

/* -- handing out -- */

static gboolean
is_usable (guint32 number)
{
    return (number & 255) != 0 && (number & 255) != 255;
}

/* The lowest free one from @from on; 0 when there is none. */
static guint32
lowest_free (GHashTable *taken, guint32 from)
{
    for (guint32 number = from; number <= LAST_ADDRESS; number++)
        if (is_usable (number) && !g_hash_table_contains (taken, GUINT_TO_POINTER (number)))
            return number;
    return 0;
}

gboolean
addresses_assign (Addresses *addresses, const Topology *topology, GError **error)
{
    g_autoptr (GPtrArray) needed = needed_keys (addresses, topology);
    g_autoptr (GHashTable) map = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr (GHashTable) taken = g_hash_table_new (NULL, NULL);
    guint32 next = FIRST_ADDRESS;

    for (guint i = 0; i < needed->len; i++) {
        const char *key = g_ptr_array_index (needed, i);
        const char *kept = g_hash_table_lookup (addresses->map, key);
        if (kept == NULL)
            continue;
        g_hash_table_insert (map, g_strdup (key), g_strdup (kept));
        if (!vdc_bug ("planner-address-twice"))
            g_hash_table_add (taken, GUINT_TO_POINTER (to_number (kept)));
    }
    for (guint i = 0; i < needed->len; i++) {
        const char *key = g_ptr_array_index (needed, i);
        if (g_hash_table_contains (map, key))
            continue;
        guint32 number = lowest_free (taken, next);
        if (number == 0) {
            g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY, "application '%s' has used up its inner addresses",
                         topology->name);
            return FALSE;
        }
        g_hash_table_insert (map, g_strdup (key), to_text (number));
        next = number + 1;
    }
    g_hash_table_unref (addresses->map);
    addresses->map = g_steal_pointer (&map);
    return TRUE;
}

const char *
addresses_get (const Addresses *addresses, const char *member, const char *terminal)
{
    g_autofree char *key = g_strdup_printf ("%s:%s", member, terminal);
    return g_hash_table_lookup (addresses->map, key);
}

const char *
addresses_get_alias (const Addresses *addresses, const char *member, const char *terminal,
                     const char *client_group, const char *output)
{
    g_autofree char *key = alias_key (member, terminal, client_group, output);
    return g_hash_table_lookup (addresses->map, key);
}

char *
address_mac (const char *grid_id, const char *application_id, const char *member, const char *terminal)
{
    g_autofree char *text = g_strdup_printf ("%s/%s/%s/%s", grid_id, application_id, member, terminal);
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize length = sizeof digest;

    g_checksum_update (checksum, (const guchar *)text, -1);
    g_checksum_get_digest (checksum, digest, &length);
    return g_strdup_printf ("02:%02x:%02x:%02x:%02x:%02x", digest[0], digest[1], digest[2], digest[3],
                            digest[4]);
}
