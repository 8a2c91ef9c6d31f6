/* What the store itself must hold. */
#include "vdc/controller/verify_internal.h"

typedef struct {
    GHashTable *addresses, *ports; /* text → "app:member" */
    json_t *findings;
} Seen;

static void
see_once (Seen *seen, GHashTable *table, char *key, const char *application, const char *member,
          const char *code, const char *what)
{
    const char *other = g_hash_table_lookup (table, key);
    if (other != NULL)
        verify_add (seen->findings, code, NULL, application, member, "%s %s is given to both %s and %s:%s",
                    what, key, other, application, member);
    g_hash_table_replace (table, key, g_strdup_printf ("%s:%s", application, member));
}

static void
verify_outside (const ApplicationRecord *application, Seen *seen)
{
    const char *member;
    json_t *use, *port;
    gsize i;
    json_object_foreach (application->outside, member, use) {
        see_once (seen, seen->addresses, g_strdup (json_str (use, "address", "")), application->name, member,
                  "outside_duplicate", "outside address");
        json_array_foreach (json_object_get (use, "published"), i, port) {
            see_once (seen, seen->ports,
                      g_strdup_printf ("%" G_GINT64_FORMAT, json_int (port, "local_port", 0)),
                      application->name, member, "port_duplicate", "local port");
        }
    }
}

/* The stored map must give every terminal exactly one address, none twice. */
static void
verify_addresses (const ApplicationRecord *application, json_t *findings)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Addresses) book = addresses_from_json (application->addresses, &error);
    if (book == NULL) {
        verify_add (findings, "address_mismatch", NULL, application->name, NULL, "inner addresses: %s",
                    error->message);
        return;
    }
    for (guint i = 0; application->topology != NULL && i < application->topology->members->len; i++) {
        const Member *member = application->topology->members->pdata[i];
        GPtrArray *terminals = member->class->boundary.terminals;
        for (guint k = 0; k < terminals->len; k++) {
            const Terminal *terminal = terminals->pdata[k];
            const char *stored = addresses_get (book, member->name, terminal->name);
            const char *used = addresses_get (application->address_book, member->name, terminal->name);
            if (stored == NULL || g_strcmp0 (stored, used) != 0)
                verify_add (findings, "address_mismatch", NULL, application->name, member->name,
                            "terminal %s.%s has address %s, the wiring uses %s", member->name, terminal->name,
                            stored != NULL ? stored : "none", used != NULL ? used : "none");
        }
    }
}

static void
verify_described_volumes (Controller *controller, const ApplicationRecord *application, json_t *findings)
{
    for (guint i = 0; application->topology != NULL && i < application->topology->volumes->len; i++) {
        const TopologyVolume *volume = application->topology->volumes->pdata[i];
        if (controller_application_volume (controller, application->name, volume->name) == NULL)
            verify_add (findings, "volume_unknown", NULL, application->name, volume->name,
                        "the description names volume %s.%s, which has no record", application->name,
                        volume->name);
    }
}

void
verify_store (Controller *controller, json_t *findings)
{
    g_autoptr (GHashTable) addresses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr (GHashTable) ports = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    Seen seen = {addresses, ports, findings};
    verify_records (controller, findings);
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        verify_outside (application, &seen);
        verify_addresses (application, findings);
        verify_described_volumes (controller, application, findings);
    }
}
