#include "vdc/controller/verify.h"

#include <string.h>

#include "vdc/controller/specs.h"

#define INVENTORY_TIMEOUT_MS 30000

static void G_GNUC_PRINTF (7, 8)
    add (json_t *findings, const char *code, const Server *server, const char *application,
         const char *object, const char *remedy, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *message = g_strdup_vprintf (format, args);
    va_end (args);
    json_array_append_new (findings, json_pack ("{s:s, s:s?, s:o, s:o, s:o, s:s?}", "code", code, "server",
                                                server != NULL ? server->name : NULL, "application",
                                                json_str_new (application), "object", json_str_new (object),
                                                "message", json_str_new (message), "remedy", remedy));
}

/* --- store
 * -----------------------------------------------------------------------------------------------------------
 */

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
        add (seen->findings, code, NULL, application, member, "stop one of them and apply it again",
             "%s %s is given to both %s and %s:%s", what, key, other, application, member);
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
    const char *remedy = "stop the application and apply it again";
    if (book == NULL) {
        add (findings, "address_mismatch", NULL, application->name, NULL, remedy, "inner addresses: %s",
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
                add (findings, "address_mismatch", NULL, application->name, member->name, remedy,
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
            add (findings, "volume_unknown", NULL, application->name, volume->name,
                 "apply the application again", "the description names volume %s.%s, which has no record",
                 application->name, volume->name);
    }
}

void
verify_store (Controller *controller, json_t *findings)
{
    g_autoptr (GHashTable) addresses = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr (GHashTable) ports = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    Seen seen = {addresses, ports, findings};
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        verify_outside (application, &seen);
        verify_addresses (application, findings);
        verify_described_volumes (controller, application, findings);
    }
}

/* --- one server -------------------------------------------------------------------------------------------- */

typedef struct {
    Controller *controller;
    const Server *server;
    const json_t *inventory;
    json_t *findings;
} Look;

static ApplicationRecord *
application_by_id (Controller *controller, const char *id)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        if (g_strcmp0 (application->id, id) == 0)
            return application;
    return NULL;
}

/* The member an inventory entry belongs to; NULL: to none that may be on this server. */
static MemberRecord *
owner (const Look *look, const json_t *entry, ApplicationRecord **application)
{
    const char *id = json_str (entry, "application_id", NULL);
    *application = id != NULL ? application_by_id (look->controller, id)
                              : g_hash_table_lookup (look->controller->applications,
                                                     json_str (entry, "application", ""));
    MemberRecord *member = *application != NULL
                               ? application_record_member (*application, json_str (entry, "member", ""))
                               : NULL;
    return member != NULL && g_strcmp0 (member->server, look->server->name) == 0 ? member : NULL;
}

/* Members in the middle of something are neither missed nor too much. */
static gboolean
is_settled (const ApplicationRecord *application, const MemberRecord *member)
{
    if (member->calling || member->again || member->draining)
        return FALSE;
    if (!specs_power (application, member))
        return member_is_gone (member);
    return member_has_vm (member) && json_int (member->report, "generation", -1) == member->generation &&
           (strcmp (member->state, "running") == 0 || strcmp (member->state, "degraded") == 0);
}

/* Things only a member with a VM has. Nobody removes them by itself: they may be all that is left of
 * something of value. */
static const struct {
    const char *kind, *code, *noun, *remedy;
} owned[] = {
    {"domains", "domain_orphan", "VM", "when nobody needs it, end it by `virsh destroy` on the server"},
    {"taps", "tap_orphan", "tap", "remove it by `ip link delete` on the server"},
    {"chains", "chain_orphan", "chain of rules", "remove it by `nft delete chain bridge vdc` on the server"},
    {"specs", "spec_orphan", "spec", "restart vdcd"},
};

static void
verify_owned (const Look *look, guint row)
{
    const char *kind = owned[row].kind;
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, kind), i, entry) {
        ApplicationRecord *application;
        const MemberRecord *member = owner (look, entry, &application);
        const char *name = json_str (entry, "name", json_str (entry, "member", ""));
        if (member != NULL && !json_bool (entry, "orphan", FALSE) &&
            (!is_settled (application, member) || specs_power (application, member)))
            continue;
        if (strcmp (kind, "chains") == 0 && !json_bool (entry, "orphan", FALSE) && member == NULL)
            continue; /* told of its tap already */
        add (look->findings, owned[row].code, look->server, json_str (entry, "application", NULL), name,
             owned[row].remedy, "%s '%s' belongs to no running instance", owned[row].noun, name);
    }
}

static gboolean
holds (const json_t *list, const char *application_id, const char *member, const char *terminal)
{
    gsize i;
    json_t *entry;
    json_array_foreach ((json_t *)list, i, entry) {
        if (g_strcmp0 (json_str (entry, "application_id", NULL), application_id) == 0 &&
            strcmp (json_str (entry, "member", ""), member) == 0 &&
            (terminal == NULL || strcmp (json_str (entry, "terminal", ""), terminal) == 0))
            return TRUE;
    }
    return FALSE;
}

static guint
count_member (const json_t *list, const char *application, const char *member)
{
    gsize i;
    guint count = 0;
    json_t *entry;
    json_array_foreach ((json_t *)list, i, entry) {
        count += strcmp (json_str (entry, "application", ""), application) == 0 &&
                 strcmp (json_str (entry, "member", ""), member) == 0;
    }
    return count;
}

/* The fake hypervisor's agent has no wires: nothing at all is no damage. */
static gboolean
has_wires (const Look *look)
{
    return json_object_get (look->inventory, "taps") != NULL &&
           strcmp (json_str (look->server->info, "hypervisor", "libvirt"), "fake") != 0 &&
           strcmp (json_str (look->server->info, "libvirt", ""), "fake") != 0;
}

/* What the agent found when it compared the rules and links of a member with its wires. */
static void
verify_differences (const Look *look, const ApplicationRecord *application, const MemberRecord *member)
{
    gsize i, k;
    json_t *entry, *text;
    json_array_foreach (json_object_get (look->inventory, "wires"), i, entry) {
        if (g_strcmp0 (json_str (entry, "application_id", NULL), application->id) != 0 ||
            strcmp (json_str (entry, "member", ""), member->name) != 0)
            continue;
        json_array_foreach (json_object_get (entry, "differences"), k, text) {
            add (look->findings, "wire_differs", look->server, application->name, member->name,
                 "restart vdc-agent on the server", "%s:%s, %s", application->name, member->name,
                 json_string_value (text));
        }
    }
}

static void
verify_wires_of (const Look *look, const ApplicationRecord *application, const MemberRecord *member)
{
    const WiringMember *wiring = wiring_member (application->wiring, member->name);
    gboolean complete = TRUE;
    for (guint i = 0; wiring != NULL && i < wiring->nics->len && has_wires (look); i++) {
        const WiringNic *nic = wiring->nics->pdata[i];
        const char *terminal = nic->terminal != NULL ? nic->terminal->name : "outside";
        gboolean tap =
            holds (json_object_get (look->inventory, "taps"), application->id, member->name, terminal);
        gboolean chain =
            holds (json_object_get (look->inventory, "chains"), application->id, member->name, terminal);
        if (!tap)
            add (look->findings, "tap_missing", look->server, application->name, member->name,
                 "restart the instance", "terminal %s.%s has no tap", member->name, terminal);
        else if (!chain)
            add (look->findings, "chain_missing", look->server, application->name, member->name,
                 "restart vdc-agent on the server", "the rules of terminal %s.%s are missing: it is mute",
                 member->name, terminal);
        complete = complete && tap && chain;
    }
    if (complete)
        verify_differences (look, application, member);
}

static const json_t *
find_spec (const Look *look, const char *application, const char *member)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "specs"), i, entry) {
        if (strcmp (json_str (entry, "application", ""), application) == 0 &&
            strcmp (json_str (entry, "member", ""), member) == 0)
            return entry;
    }
    return NULL;
}

static void
verify_member (const Look *look, const ApplicationRecord *application, const MemberRecord *member)
{
    const char *app = application->name, *name = member->name;
    if (!is_settled (application, member) || !specs_power (application, member))
        return;
    const json_t *spec = find_spec (look, app, name);
    guint domains = count_member (json_object_get (look->inventory, "domains"), app, name);
    if (domains == 0)
        add (look->findings, "domain_missing", look->server, app, name, "vdc instance restart",
             "%s:%s has no VM", app, name);
    if (domains > 1)
        add (look->findings, "domain_duplicate", look->server, app, name, "vdc instance restart",
             "%s:%s has %u VMs", app, name, domains);
    if (count_member (json_object_get (look->inventory, "disks"), app, name) == 0)
        add (look->findings, "disk_missing", look->server, app, name, "vdc instance restart",
             "the root disk of %s:%s is missing", app, name);
    if (spec == NULL)
        add (look->findings, "spec_missing", look->server, app, name, "restart vdcd",
             "the agent has no spec of %s:%s", app, name);
    else if (json_int (spec, "generation", -1) != member->generation)
        add (look->findings, "spec_stale", look->server, app, name, "restart vdcd",
             "the agent has generation %" G_GINT64_FORMAT " of %s:%s, not %" G_GINT64_FORMAT,
             json_int (spec, "generation", -1), app, name, member->generation);
    verify_wires_of (look, application, member);
}

static void
verify_bridges (const Look *look)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "bridges"), i, entry) {
        const char *name = json_str (entry, "name", ""), *id = json_str (entry, "application_id", NULL);
        ApplicationRecord *application = id != NULL ? application_by_id (look->controller, id) : NULL;
        gboolean used = strcmp (name, "vboutside") == 0;
        for (guint k = 0; application != NULL && k < application->members->len; k++) {
            const MemberRecord *member = application->members->pdata[k];
            used = used || (g_strcmp0 (member->server, look->server->name) == 0 && !member_is_gone (member));
        }
        if (!used)
            add (look->findings, "bridge_orphan", look->server, json_str (entry, "application", NULL), name,
                 "remove it by `ip link delete` on the server",
                 "bridge '%s' belongs to no running application", name);
    }
}

static void
verify_disks (const Look *look)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "disks"), i, entry) {
        ApplicationRecord *application;
        if (owner (look, entry, &application) == NULL)
            add (look->findings, "disk_orphan", look->server, json_str (entry, "application", NULL),
                 json_str (entry, "member", ""), "remove the file", "root disk '%s' belongs to no instance",
                 json_str (entry, "path", ""));
    }
}

/* "vdc-ID-MEMBER", or whatever the agent calls them: the id and the member's name are in it. */
static gboolean
group_is_known (const Look *look, const char *name)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, look->controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        for (guint i = 0; strstr (name, application->id) != NULL && i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            if (g_str_has_suffix (name, member->name) &&
                g_strcmp0 (member->server, look->server->name) == 0 &&
                (specs_power (application, member) || !is_settled (application, member)))
                return TRUE;
        }
    }
    return FALSE;
}

static void
verify_processes (const Look *look)
{
    gsize i;
    json_t *entry, *domain;
    json_array_foreach (json_object_get (look->inventory, "cgroups"), i, entry) {
        const char *name = json_is_string (entry) ? json_string_value (entry) : json_str (entry, "name", "");
        if (!group_is_known (look, name))
            add (look->findings, "cgroup_orphan", look->server, NULL, name,
                 "remove it by `rmdir` on the server", "cgroup '%s' belongs to no running instance", name);
    }
    json_array_foreach (json_object_get (look->inventory, "qemu_pids"), i, entry) {
        gboolean known = FALSE;
        gsize k;
        json_array_foreach (json_object_get (look->inventory, "domains"), k, domain) {
            known = known || json_int (domain, "pid", 0) == json_integer_value (entry);
        }
        if (!known)
            add (look->findings, "qemu_orphan", look->server, NULL, "qemu", "end the process",
                 "QEMU process %" JSON_INTEGER_FORMAT " is of no VM that libvirt knows",
                 json_integer_value (entry));
    }
}

/* --- volumes
 * ----------------------------------------------------------------------------------------------------------
 */

static void
verify_volume_files (const Look *look, GHashTable *found)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "volumes"), i, entry) {
        const char *id = json_str (entry, "id", "");
        const VolumeRecord *volume = g_hash_table_lookup (look->controller->volumes, id);
        if (volume != NULL && json_bool (entry, "orphan", FALSE))
            continue; /* half of it is missing: told as that */
        g_hash_table_add (found, g_strdup (id));
        if (volume == NULL || g_strcmp0 (volume->server, look->server->name) != 0) {
            add (look->findings, "volume_orphan", look->server, json_str (entry, "application", NULL), id,
                 "remove the file once its content is not needed", "volume file '%s' (%s) is in no record",
                 id, json_str (entry, "name", "no name"));
            continue;
        }
        gint64 size_bytes = json_int (entry, "file_bytes", json_int (entry, "size_bytes", 0));
        if (volume->made && size_bytes != volume->size_bytes)
            add (look->findings, "volume_size", look->server, volume->application, volume->name,
                 "apply the application again",
                 "volume '%s' has %" G_GINT64_FORMAT
                 " bytes on the server, its record says %" G_GINT64_FORMAT,
                 volume->name, size_bytes, volume->size_bytes);
        const json_t *writer = json_object_get (entry, "writer");
        if (json_is_string (writer) && json_array_size (json_object_get (entry, "readers")) > 0)
            add (look->findings, "volume_writers", look->server, volume->application, volume->name,
                 "stop all but one of them", "volume '%s' is open by writer %s and by others", volume->name,
                 json_string_value (writer));
    }
}

/* Two VMs whose specs write the same volume. */
static void
verify_writers (const Look *look)
{
    GHashTableIter iter;
    VolumeRecord *volume;
    g_hash_table_iter_init (&iter, look->controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume)) {
        ApplicationRecord *application =
            volume->application != NULL
                ? g_hash_table_lookup (look->controller->applications, volume->application)
                : NULL;
        g_autoptr (GString) writers = g_string_new (NULL);
        guint n = 0;
        for (guint i = 0;
             application != NULL && application->topology != NULL && i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            const Member *described = topology_member (application->topology, member->name);
            if (g_strcmp0 (volume->server, look->server->name) != 0 || !member_has_vm (member) ||
                described == NULL)
                continue;
            for (guint k = 0; k < described->volumes->len; k++) {
                const MemberVolume *slot = described->volumes->pdata[k];
                if (slot->read_only || strcmp (slot->volume, volume->local) != 0)
                    continue;
                g_string_append_printf (writers, "%s%s", n++ > 0 ? ", " : "", member->name);
            }
        }
        if (n > 1)
            add (look->findings, "volume_writers", look->server, volume->application, volume->name,
                 "stop all but one of them", "volume '%s' has %u writers: %s", volume->name, n, writers->str);
    }
}

static void
verify_volumes (const Look *look)
{
    g_autoptr (GHashTable) found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    VolumeRecord *volume;
    verify_volume_files (look, found);
    g_hash_table_iter_init (&iter, look->controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&volume))
        if (volume->made && g_strcmp0 (volume->server, look->server->name) == 0 &&
            !g_hash_table_contains (found, volume->id))
            add (look->findings, "volume_missing", look->server, volume->application, volume->name,
                 "bring the file back from a copy", "the file of volume '%s' (%s) is missing", volume->name,
                 volume->id);
    verify_writers (look);
}

void
verify_server (Controller *controller, const Server *server, const json_t *inventory, json_t *findings)
{
    const Look look = {controller, server, inventory, findings};
    GHashTableIter iter;
    ApplicationRecord *application;
    for (guint i = 0; i < G_N_ELEMENTS (owned); i++)
        verify_owned (&look, i);
    verify_bridges (&look);
    verify_disks (&look);
    verify_processes (&look);
    verify_volumes (&look);
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        for (guint i = 0; i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            if (g_strcmp0 (member->server, server->name) == 0)
                verify_member (&look, application, member);
        }
}

/* --- asking all -------------------------------------------------------------------------------------------- */

typedef struct {
    Controller *controller;
    VerifyDone done;
    gpointer user_data;
    json_t *findings, *blind;
    guint open;
} Verification;

typedef struct {
    Verification *verification;
    char *server;
} Question;

static void
finish (Verification *verification)
{
    Controller *controller = verification->controller;
    guint instances = 0;
    GHashTableIter iter;
    ApplicationRecord *application;
    if (--verification->open > 0)
        return;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        instances += application->members->len;
    gboolean complete = json_array_size (verification->blind) == 0;
    json_t *report =
        json_pack ("{s:b, s:b, s:o, s:o, s:{s:i, s:i, s:i, s:i}}", "clean",
                   complete && json_array_size (verification->findings) == 0, "complete", complete,
                   "findings", verification->findings, "could_not_look", verification->blind, "checked",
                   "servers", (int)g_hash_table_size (controller->servers), "applications",
                   (int)g_hash_table_size (controller->applications), "instances", (int)instances, "volumes",
                   (int)g_hash_table_size (controller->volumes));
    verification->done (report, verification->user_data);
    g_free (verification);
}

static void
add_blind (Verification *verification, const char *server, const char *message)
{
    json_array_append_new (verification->blind,
                           json_pack ("{s:s, s:o}", "server", server, "message", json_str_new (message)));
}

static void
on_inventory (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Question *question = user_data;
    Verification *verification = question->verification;
    const Server *server = g_hash_table_lookup (verification->controller->servers, question->server);
    gsize i;
    json_t *problem;
    if (error != NULL || !json_is_object (answer->json) || server == NULL)
        add_blind (verification, question->server,
                   error != NULL ? error->message : "the answer is no object");
    else {
        verify_server (verification->controller, server, answer->json, verification->findings);
        json_array_foreach (json_object_get (answer->json, "problems"), i, problem) {
            add_blind (verification, question->server,
                       json_is_string (problem) ? json_string_value (problem) : "not said");
        }
    }
    g_free (question->server);
    g_free (question);
    finish (verification);
}

void
verify_start (Controller *controller, VerifyDone done, gpointer user_data)
{
    Verification *verification = g_new0 (Verification, 1);
    GHashTableIter iter;
    Server *server;
    verification->controller = controller;
    verification->done = done;
    verification->user_data = user_data;
    verification->findings = json_array ();
    verification->blind = json_array ();
    verification->open = 1;
    verify_store (controller, verification->findings);
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        g_autofree char *url = g_strconcat (server->url, "/v1/inventory", NULL);
        const HttpCallOptions options = {.timeout_ms = INVENTORY_TIMEOUT_MS};
        Question *question = g_new0 (Question, 1);
        question->verification = verification;
        question->server = g_strdup (server->name);
        verification->open++;
        if (!server->full) {
            add_blind (verification, server->name, "has not reported since vdcd runs, or is silent");
            g_free (question->server);
            g_free (question);
            verification->open--;
            continue;
        }
        http_client_send (controller->agents, "GET", url, &options, on_inventory, question);
    }
    finish (verification);
}
