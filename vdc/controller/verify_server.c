/* What a server has against what the records say it should have. */
#include <string.h>

#include "vdc/controller/specs.h"
#include "vdc/controller/verify_internal.h"

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
owner (const VerifyLook *look, const json_t *entry, ApplicationRecord **application)
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
gboolean
verify_is_settled (const ApplicationRecord *application, const MemberRecord *member)
{
    if (member->calling || member->again || member->draining)
        return FALSE;
    if (!specs_power (application, member))
        return member_is_gone (member);
    gint64 generation = json_int (member->report, "generation", -1);
    /* -1: its agent waits for its secrets after a restart, and does nothing to it meanwhile. */
    return member_has_vm (member) && (generation == member->generation || generation == -1) &&
           (strcmp (member->state, "running") == 0 || strcmp (member->state, "degraded") == 0);
}

/* Things only a member with a VM has. */
static const struct {
    const char *kind, *code, *noun;
} owned[] = {
    {"domains", "domain_orphan", "VM"},
    {"taps", "tap_orphan", "tap"},
    {"chains", "chain_orphan", "chain of rules"},
    {"specs", "spec_orphan", "spec"},
};

static void
verify_owned (const VerifyLook *look, guint row)
{
    const char *kind = owned[row].kind;
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, kind), i, entry) {
        ApplicationRecord *application;
        const MemberRecord *member = owner (look, entry, &application);
        const char *name = json_str (entry, "name", json_str (entry, "member", ""));
        if (member != NULL && !json_bool (entry, "orphan", FALSE) &&
            (!verify_is_settled (application, member) || specs_power (application, member)))
            continue;
        if (strcmp (kind, "chains") == 0 && !json_bool (entry, "orphan", FALSE) && member == NULL)
            continue; /* told of its tap already */
        verify_add (look->findings, owned[row].code, look->server, json_str (entry, "application", NULL),
                    name, "%s '%s' belongs to no running instance", owned[row].noun, name);
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
has_wires (const VerifyLook *look)
{
    return json_object_get (look->inventory, "taps") != NULL &&
           strcmp (json_str (look->server->info, "hypervisor", "libvirt"), "fake") != 0 &&
           strcmp (json_str (look->server->info, "libvirt", ""), "fake") != 0;
}

/* What the agent found when it compared the rules and links of a member with its wires. */
static void
verify_differences (const VerifyLook *look, const ApplicationRecord *application, const MemberRecord *member)
{
    gsize i, k;
    json_t *entry, *text;
    json_array_foreach (json_object_get (look->inventory, "wires"), i, entry) {
        if (g_strcmp0 (json_str (entry, "application_id", NULL), application->id) != 0 ||
            strcmp (json_str (entry, "member", ""), member->name) != 0)
            continue;
        json_array_foreach (json_object_get (entry, "differences"), k, text) {
            verify_add (look->findings, "wire_differs", look->server, application->name, member->name,
                        "%s:%s, %s", application->name, member->name, json_string_value (text));
        }
    }
}

static void
verify_wires_of (const VerifyLook *look, const ApplicationRecord *application, const MemberRecord *member)
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
            verify_add (look->findings, "tap_missing", look->server, application->name, member->name,
                        "terminal %s.%s has no tap", member->name, terminal);
        else if (!chain)
            verify_add (look->findings, "chain_missing", look->server, application->name, member->name,
                        "the rules of terminal %s.%s are missing: it is mute", member->name, terminal);
        complete = complete && tap && chain;
    }
    if (complete)
        verify_differences (look, application, member);
}

static const json_t *
find_spec (const VerifyLook *look, const char *application, const char *member)
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
verify_member (const VerifyLook *look, const ApplicationRecord *application, const MemberRecord *member)
{
    const char *app = application->name, *name = member->name;
    if (!verify_is_settled (application, member) || !specs_power (application, member))
        return;
    const json_t *spec = find_spec (look, app, name);
    guint domains = count_member (json_object_get (look->inventory, "domains"), app, name);
    if (domains == 0)
        verify_add (look->findings, "domain_missing", look->server, app, name, "%s:%s has no VM", app, name);
    if (domains > 1)
        verify_add (look->findings, "domain_duplicate", look->server, app, name, "%s:%s has %u VMs", app,
                    name, domains);
    if (count_member (json_object_get (look->inventory, "disks"), app, name) == 0)
        verify_add (look->findings, "disk_missing", look->server, app, name,
                    "the root disk of %s:%s is missing", app, name);
    if (spec == NULL)
        verify_add (look->findings, "spec_missing", look->server, app, name, "the agent has no spec of %s:%s",
                    app, name);
    else if (json_int (spec, "generation", -1) != member->generation)
        verify_add (look->findings, "spec_stale", look->server, app, name,
                    "the agent has generation %" G_GINT64_FORMAT " of %s:%s, not %" G_GINT64_FORMAT,
                    json_int (spec, "generation", -1), app, name, member->generation);
    verify_wires_of (look, application, member);
}

static void
verify_bridges (const VerifyLook *look)
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
            verify_add (look->findings, "bridge_orphan", look->server, json_str (entry, "application", NULL),
                        name, "bridge '%s' belongs to no running application", name);
    }
}

static void
verify_disks (const VerifyLook *look)
{
    gsize i;
    json_t *entry;
    json_array_foreach (json_object_get (look->inventory, "disks"), i, entry) {
        ApplicationRecord *application;
        if (owner (look, entry, &application) == NULL)
            verify_add (look->findings, "disk_orphan", look->server, json_str (entry, "application", NULL),
                        json_str (entry, "member", ""), "root disk '%s' belongs to no instance",
                        json_str (entry, "path", ""));
    }
}

/* Where images are pretended nobody lists them. */
static void
verify_image (const VerifyLook *look, const ApplicationRecord *application, const MemberRecord *member)
{
    const json_t *images = json_object_get (look->inventory, "images");
    const Member *described =
        application->topology != NULL ? topology_member (application->topology, member->name) : NULL;
    if (images == NULL || described == NULL || !member->on)
        return;
    g_autofree char *text = member_class_text (described);
    const char *digest = json_str (json_object_get (application->images, text), "digest", NULL);
    gsize i;
    json_t *image;
    json_array_foreach ((json_t *)images, i, image) {
        if (g_strcmp0 (json_string_value (image), digest) == 0)
            return;
    }
    if (digest != NULL)
        verify_add (look->findings, "image_missing", look->server, application->name, member->name,
                    "the image of %s (%.19s…), which %s:%s is made from, is not on the server", text, digest,
                    application->name, member->name);
}

static void
verify_files (const VerifyLook *look)
{
    gsize i;
    json_t *path;
    json_array_foreach (json_object_get (look->inventory, "files"), i, path) {
        verify_add (look->findings, "file_orphan", look->server, NULL, json_string_value (path),
                    "file '%s' of the agent belongs to nothing", json_string_value (path));
    }
}

/* "vdc-ID-MEMBER", or whatever the agent calls them: the id and the member's name are in it. */
static gboolean
group_is_known (const VerifyLook *look, const char *name)
{
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, look->controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        for (guint i = 0; strstr (name, application->id) != NULL && i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            if (g_str_has_suffix (name, member->name) &&
                g_strcmp0 (member->server, look->server->name) == 0 &&
                (specs_power (application, member) || !verify_is_settled (application, member)))
                return TRUE;
        }
    }
    return FALSE;
}

static void
verify_processes (const VerifyLook *look)
{
    gsize i;
    json_t *entry, *domain;
    json_array_foreach (json_object_get (look->inventory, "cgroups"), i, entry) {
        const char *name = json_is_string (entry) ? json_string_value (entry) : json_str (entry, "name", "");
        if (!group_is_known (look, name))
            verify_add (look->findings, "cgroup_orphan", look->server, NULL, name,
                        "cgroup '%s' belongs to no running instance", name);
    }
    json_array_foreach (json_object_get (look->inventory, "qemu_pids"), i, entry) {
        gboolean known = FALSE;
        gsize k;
        json_array_foreach (json_object_get (look->inventory, "domains"), k, domain) {
            known = known || json_int (domain, "pid", 0) == json_integer_value (entry);
        }
        if (!known)
            verify_add (look->findings, "qemu_orphan", look->server, NULL, "qemu",
                        "QEMU process %" JSON_INTEGER_FORMAT " is of no VM that libvirt knows",
                        json_integer_value (entry));
    }
}

void
verify_server (Controller *controller, const Server *server, const json_t *inventory, json_t *findings)
{
    const VerifyLook look = {controller, server, inventory, findings};
    GHashTableIter iter;
    ApplicationRecord *application;
    for (guint i = 0; i < G_N_ELEMENTS (owned); i++)
        verify_owned (&look, i);
    verify_bridges (&look);
    verify_disks (&look);
    verify_processes (&look);
    verify_volumes (&look);
    verify_files (&look);
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        for (guint i = 0; i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            if (g_strcmp0 (member->server, server->name) == 0) {
                verify_member (&look, application, member);
                verify_image (&look, application, member);
            }
        }
}
