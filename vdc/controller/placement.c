#include "vdc/controller/placement.h"

#include <string.h>

#include "vdc/controller/agent_watch.h"
#include "vdc/controller/operation.h"

static gint64
member_memory (const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *described =
        application->topology != NULL ? topology_member (application->topology, member->name) : NULL;
    return described != NULL ? (gint64)described->resources.memory_bytes + VM_OVERHEAD_BYTES : 0;
}

gint64
placement_reserved_bytes (Controller *controller, const char *server)
{
    gint64 sum = 0;
    GHashTableIter iter;
    ApplicationRecord *application;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&application))
        for (guint i = 0; i < application->members->len; i++) {
            const MemberRecord *member = application->members->pdata[i];
            if (g_strcmp0 (member->server, server) == 0 && (member->on || member->report != NULL))
                sum += member_memory (application, member);
        }
    return sum;
}

static gint
compare_servers (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(Server *const *)a)->name, (*(Server *const *)b)->name);
}

/* Members of this application that are being placed anew do not count against themselves. */
static gint64
own_reservation (const ApplicationRecord *application, const GPtrArray *names, const char *server)
{
    gint64 sum = 0;
    for (guint i = 0; application != NULL && i < names->len; i++) {
        const MemberRecord *member = application_record_member (application, names->pdata[i]);
        if (member != NULL && g_strcmp0 (member->server, server) == 0 &&
            (member->on || member->report != NULL))
            sum += member_memory (application, member);
    }
    return sum;
}

static GArray *
list_servers (Controller *controller, const ApplicationRecord *application, const GPtrArray *names)
{
    g_autoptr (GPtrArray) servers = g_ptr_array_new ();
    GArray *result = g_array_new (FALSE, TRUE, sizeof (SchedulerServer));
    GHashTableIter iter;
    Server *server;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server))
        g_ptr_array_add (servers, server);
    g_ptr_array_sort (servers, compare_servers);
    for (guint i = 0; i < servers->len; i++) {
        server = servers->pdata[i];
        SchedulerServer entry = {
            .name = server->name,
            .memory_bytes = json_int (server->info, "memory_bytes", 0),
            .memory_reserved_bytes = placement_reserved_bytes (controller, server->name) -
                                     own_reservation (application, names, server->name),
            .unusable = server->state == SERVER_DOWN ? "is down"
                        : !server->full              ? "has not reported yet"
                                                     : NULL,
        };
        g_array_append_val (result, entry);
    }
    return result;
}

static const char *
volume_server (Controller *controller, const ApplicationRecord *application, const Member *member)
{
    for (guint i = 0; application != NULL && i < member->volumes->len; i++) {
        const MemberVolume *wanted = member->volumes->pdata[i];
        const VolumeRecord *volume = volumes_find (controller, application->name, wanted->volume);
        if (volume != NULL && volume->server != NULL)
            return volume->server;
    }
    return NULL;
}

/*
 * `spread` is not passed on: the wires of this version end on one server, so an application stays together.
 * Spreading comes with wires between servers.
 */
static SchedulerMember
describe_member (Controller *controller, const ApplicationRecord *application, const Member *member)
{
    const MemberRecord *record =
        application != NULL ? application_record_member (application, member->name) : NULL;
    SchedulerMember entry = {
        .name = member->name,
        .group = member->group,
        .memory_bytes = (gint64)member->resources.memory_bytes,
        .overhead_bytes = VM_OVERHEAD_BYTES,
        .bound = volume_server (controller, application, member),
        .preferred = record != NULL ? record->server : NULL,
    };
    return entry;
}

GHashTable *
placement_choose (Controller *controller, const ApplicationRecord *application, const Topology *topology,
                  const GPtrArray *names, json_t **params, GError **error)
{
    g_autoptr (GArray) servers = list_servers (controller, application, names);
    g_autoptr (GArray) members = g_array_new (FALSE, TRUE, sizeof (SchedulerMember));
    for (guint i = 0; i < names->len; i++) {
        const Member *member = topology_member (topology, names->pdata[i]);
        if (member == NULL)
            continue;
        SchedulerMember entry = describe_member (controller, application, member);
        g_array_append_val (members, entry);
    }
    SchedulerRefusal refusal = {0};
    SchedulerMember *entries = (SchedulerMember *)(void *)members->data;
    if (!scheduler_place ((const SchedulerServer *)(const void *)servers->data, servers->len, entries,
                          members->len, &refusal, error)) {
        if (params != NULL)
            *params = json_pack ("{s:s, s:s, s:s}", "instance", refusal.member, "step", "place", "remedy",
                                 refusal.remedy);
        return NULL;
    }
    GHashTable *chosen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < members->len; i++)
        g_hash_table_insert (chosen, g_strdup (entries[i].name), g_strdup (entries[i].on->name));
    return chosen;
}
