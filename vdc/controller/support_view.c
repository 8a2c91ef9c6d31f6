#include <string.h>
#include <sys/utsname.h>

#include "vdc/controller/agent_watch.h"
#include "vdc/controller/audit.h"
#include "vdc/controller/metrics/metrics.h"
#include "vdc/controller/support.h"
#include "vdc/controller/trash.h"
#include "vdc/store/audit_chain.h"

/* --- picking ------------------------------------------------------------------------------------------------- */

static gboolean
is_plain (const json_t *value)
{
    return value != NULL && !json_is_object (value) && !json_is_array (value);
}

static json_t *
plain_items (const json_t *list)
{
    json_t *items = json_array (), *item;
    gsize i;
    json_array_foreach ((json_t *)list, i, item) {
        if (is_plain (item))
            json_array_append (items, item);
    }
    return items;
}

static void
pick_one (json_t *into, const json_t *object, const char *word)
{
    const char *dot = strchr (word, '.');
    g_autofree char *key = g_strndup (word, dot != NULL ? (gsize)(dot - word) : strlen (word));
    gboolean list = g_str_has_suffix (key, "[]");
    if (list)
        key[strlen (key) - 2] = '\0';
    const json_t *value = json_object_get (object, key);
    if (dot != NULL && json_is_object (value)) {
        json_t *inner = json_object_get (into, key);
        if (inner == NULL)
            json_put (into, key, inner = json_object ());
        pick_one (inner, value, dot + 1);
    } else if (dot == NULL && list && json_is_array (value))
        json_put (into, key, plain_items (value));
    else if (dot == NULL && !list && is_plain (value))
        json_put (into, key, json_incref ((json_t *)value));
}

json_t *
support_pick (const json_t *object, const char *words)
{
    g_auto (GStrv) list = g_strsplit (words, " ", -1);
    json_t *picked = json_object ();
    for (guint i = 0; list[i] != NULL; i++)
        pick_one (picked, object, list[i]);
    return picked;
}

json_t *
support_pick_all (const json_t *list, const char *words)
{
    json_t *picked = json_array (), *item;
    gsize i;
    json_array_foreach ((json_t *)list, i, item) {
        json_array_append_new (picked, support_pick (item, words));
    }
    return picked;
}

static json_t *
pick_records (GHashTable *table, json_t *(*view) (gconstpointer record), const char *words)
{
    json_t *list = json_array ();
    GHashTableIter iter;
    gpointer record;
    g_hash_table_iter_init (&iter, table);
    while (g_hash_table_iter_next (&iter, NULL, &record)) {
        g_autoptr (json_t) object = view (record);
        json_array_append_new (list, support_pick (object, words));
    }
    return list;
}

/* --- the controller ------------------------------------------------------------------------------------------ */

json_t *
support_about (Controller *controller)
{
    struct utsname host = {0};
    const char *digest;
    uname (&host);
#ifdef VDC_TEST_BUILD
    const gboolean test_build = TRUE;
#else
    const gboolean test_build = FALSE;
#endif
    return json_pack (
        "{s:s, s:b, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:I, s:I, s:i, s:i, s:i, s:i}",
        "version", VDC_VERSION, "test_build", test_build, "grid", controller->grid_id, "generation",
        (json_int_t)controller->generation, "uptime_s",
        (json_int_t)((clock_monotonic_us (controller->clock) - controller->started_us) / G_USEC_PER_SEC),
        "kernel", host.release, "machine", host.machine, "state_folder", controller->state_folder,
        "agent_port", controller->agent_port, "trash_keep_s",
        (json_int_t)(controller->trash_keep_us / G_USEC_PER_SEC), "trash_free_percent",
        (int)controller->trash_free_percent, "events_first", (json_int_t)events_first (controller->store),
        "events_last", (json_int_t)events_last (controller->store), "audit_last",
        (json_int_t)audit_head (controller, &digest), "applications",
        (int)g_hash_table_size (controller->applications), "volumes",
        (int)g_hash_table_size (controller->volumes), "jobs", (int)g_hash_table_size (controller->jobs),
        "servers", (int)g_hash_table_size (controller->servers));
}

/* Strings are what people wrote; secrets are not even named. */
static json_t *
settings (const Member *described)
{
    json_t *object = json_object ();
    const GPtrArray *properties = described->class->boundary.properties;
    for (guint i = 0; i < properties->len; i++) {
        const Property *property = properties->pdata[i];
        json_t *value = json_object_get (described->settings, property->name);
        gboolean shown = property->type == PROPERTY_INTEGER || property->type == PROPERTY_NUMBER ||
                         property->type == PROPERTY_BOOLEAN || property->type == PROPERTY_ENUM;
        if (value != NULL && shown && is_plain (value))
            json_put (object, property->name, json_incref (value));
    }
    return object;
}

static json_t *
nics (const ApplicationRecord *application, const MemberRecord *member)
{
    json_t *list = json_array ();
    const WiringMember *wiring =
        application->wiring != NULL ? wiring_member (application->wiring, member->name) : NULL;
    for (guint i = 0; wiring != NULL && i < wiring->nics->len; i++) {
        const WiringNic *nic = wiring->nics->pdata[i];
        json_array_append_new (list,
                               json_pack ("{s:s, s:s?, s:s, s:i}", "terminal",
                                          nic->terminal != NULL ? nic->terminal->name : "outside", "address",
                                          nic->address, "mac", nic->mac, "rules", (int)nic->rules->len));
    }
    return list;
}

static json_t *
member_view (const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *described =
        application->topology != NULL ? topology_member (application->topology, member->name) : NULL;
    g_autofree char *class_text = described != NULL ? member_class_text (described) : NULL;
    json_t *object = json_pack (
        "{s:s, s:s?, s:s?, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I}",
        "name", member->name, "class", class_text, "server", member->server, "state", member->state, "on",
        member->on, "failed", member->failed, "go", member->go, "leaving", member->leaving, "draining",
        member->draining, "again", member->again, "sent", member->sent, "known", member->known, "calling",
        member->calling, "incarnation", (json_int_t)member->incarnation, "root_epoch",
        (json_int_t)member->root_epoch, "generation", (json_int_t)member->generation, "revision",
        (json_int_t)member->revision, "restarts", (json_int_t)member->restarts, "since_us",
        (json_int_t)member->since_us);
    json_put (object, "error", support_pick (member->error, "step code"));
    json_put (object, "report",
              support_pick (member->report,
                            "vm generation incarnation exit since error.step error.code guest.state "
                            "guest.configured guest.drained"));
    json_put (object, "nics", nics (application, member));
    if (described != NULL)
        json_put (object, "settings", settings (described));
    return object;
}

json_t *
support_applications (Controller *controller)
{
    json_t *list = json_array ();
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application)) {
        g_autoptr (json_t) record = application_record_json (application);
        json_t *object =
            support_pick (record, "name id created template revision text_revision phase failed debug "
                                  "then_start destroying keep_volumes settings_revision state job "
                                  "error.instance error.step error.code");
        json_t *members = json_array ();
        for (guint i = 0; i < application->members->len; i++)
            json_array_append_new (members, member_view (application, application->members->pdata[i]));
        json_put (object, "members", members);
        json_put (object, "compiles", json_boolean (application->topology != NULL));
        json_put (object, "change_waits", json_boolean (application->next != NULL));
        json_array_append_new (list, object);
    }
    return list;
}

static json_t *
volume_view (gconstpointer record)
{
    return volume_record_json (record);
}

json_t *
support_volumes (Controller *controller)
{
    return pick_records (
        controller->volumes, volume_view,
        "id name application local owner size_bytes server made unused deleting renamed created "
        "error.code");
}

static json_t *
trash_view (gconstpointer record)
{
    return trash_json (record);
}

json_t *
support_trash (Controller *controller)
{
    return pick_records (controller->trash, trash_view,
                         "id kind name application why trashed expires size_bytes kept");
}

static gint
newest_first (gconstpointer a, gconstpointer b)
{
    return g_strcmp0 ((*(JobRecord *const *)b)->created, (*(JobRecord *const *)a)->created);
}

json_t *
support_jobs (Controller *controller)
{
    json_t *list = json_array ();
    g_autoptr (GPtrArray) jobs = g_ptr_array_new ();
    GHashTableIter iter;
    JobRecord *job;
    g_hash_table_iter_init (&iter, controller->jobs);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
        g_ptr_array_add (jobs, job);
    g_ptr_array_sort (jobs, newest_first);
    for (guint i = 0; i < MIN (jobs->len, SUPPORT_JOBS); i++) {
        g_autoptr (json_t) record = job_record_json (jobs->pdata[i]);
        json_t *object = support_pick (record, "id kind application application_id state created ended "
                                               "error.instance error.step error.code");
        json_put (object, "steps",
                  support_pick_all (json_object_get (record, "steps"), "name kind object state"));
        json_array_append_new (list, object);
    }
    return list;
}

json_t *
support_servers (Controller *controller)
{
    json_t *list = json_array ();
    GHashTableIter iter;
    Server *server;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        g_autoptr (json_t) object = server_json (controller, server);
        json_array_append_new (
            list,
            support_pick (object, "name address url state instances silence_ms agent_version boot_id accel "
                                  "accel_reason cpus memory_bytes memory_free_bytes memory_reserved_bytes "
                                  "disk_bytes disk_free_bytes qemu libvirt hypervisor kernel mtu"));
    }
    return list;
}

static gboolean
add_network (const char *key, json_t *value, gpointer user_data)
{
    json_array_append_new (user_data, support_pick (value, "name mode subnet gateway addresses publish"));
    return TRUE;
}

json_t *
support_networks (Controller *controller)
{
    json_t *list = json_array ();
    store_list (controller->store, STORE_NETWORKS, NULL, NULL, 0, add_network, list, NULL);
    return list;
}

/* --- what happened ------------------------------------------------------------------------------------------- */

json_t *
support_events (Controller *controller)
{
    guint64 last = events_last (controller->store);
    g_autoptr (json_t) events =
        events_list (controller->store, last > SUPPORT_EVENTS ? last - SUPPORT_EVENTS : 0, 0, NULL, NULL);
    return support_pick_all (events,
                             "seq time kind object id application application_id state data.revision "
                             "data.server data.kind data.why data.trash data.error.step data.error.code "
                             "data.error.instance data.free_bytes data.disk_bytes data.size_bytes");
}

static gboolean
add_entry (const char *key, json_t *value, gpointer user_data)
{
    json_array_append_new (
        user_data,
        support_pick (value, "seq time who address action object id application result count prev digest"));
    return TRUE;
}

json_t *
support_audit (Controller *controller)
{
    json_t *list = json_array ();
    const char *digest;
    guint64 last = audit_head (controller, &digest);
    char after[AUDIT_KEY_BYTES];
    audit_chain_key (last > SUPPORT_AUDIT ? last - SUPPORT_AUDIT : 0, after);
    store_list (controller->store, STORE_AUDIT, NULL, after, SUPPORT_AUDIT, add_entry, list, NULL);
    return list;
}

/* --- what is found ------------------------------------------------------------------------------------------- */

json_t *
support_verify (const json_t *report)
{
    json_t *object =
        support_pick (report, "clean complete checked.servers checked.applications checked.instances "
                              "checked.volumes");
    json_put (
        object, "findings",
        support_pick_all (json_object_get (report, "findings"), "code server application object message"));
    json_put (object, "could_not_look",
              support_pick_all (json_object_get (report, "could_not_look"), "server message"));
    return object;
}

json_t *
support_inventory (const json_t *inventory)
{
    static const struct {
        const char *list, *words;
    } lists[] = {
        {"domains", "uuid name application application_id member incarnation paused pid"},
        {"taps", "name application application_id member terminal orphan"},
        {"bridges", "name application application_id segment orphan"},
        {"chains", "name application application_id member terminal orphan"},
        {"disks", "application member path"},
        {"volumes",
         "id name application size_bytes file_bytes allocated_bytes filesystem seeded used writer readers[] "
         "orphan"},
        {"specs", "application application_id member power generation incarnation"},
        {"wires", "application application_id member differences[]"},
    };
    json_t *object = support_pick (inventory, "cgroups[] qemu_pids[] files[] images[] problems[]");
    for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
        json_put (object, lists[i].list,
                  support_pick_all (json_object_get (inventory, lists[i].list), lists[i].words));
    return object;
}

/* --- figures ------------------------------------------------------------------------------------------------- */

static gboolean
sees_all (const ApplicationRecord *application, gpointer user_data)
{
    return TRUE;
}

/* Counters that guests name themselves are not ours. */
char *
support_metrics (Controller *controller)
{
    static const char *const ours[] = {"vdc_application_", "vdc_instance_", "vdc_server_", "vdc_volume_",
                                       "vdc_wire_"};
    g_autofree char *all = metrics_prometheus (controller, TRUE, sees_all, NULL);
    g_auto (GStrv) lines = g_strsplit (all, "\n", -1);
    GString *text = g_string_new (NULL);
    for (guint i = 0; lines[i] != NULL; i++)
        for (guint k = 0; k < G_N_ELEMENTS (ours); k++)
            if (g_str_has_prefix (lines[i], ours[k]))
                g_string_append_printf (text, "%s\n", lines[i]);
    return g_string_free (text, FALSE);
}
