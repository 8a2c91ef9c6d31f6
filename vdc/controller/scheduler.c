#include "vdc/controller/scheduler.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/error.h"

#define MEBIBYTE (1024 * 1024)

typedef struct {
    const SchedulerServer *servers;
    guint n_servers;
    const SchedulerMember *members;
    guint n_members;
    gint64 *free_bytes; /* per server, as placing goes on */
    gint *placed;       /* per member: index of the server, -1 = not yet */
} Attempt;

/* How many members already placed on @server (of @group only, unless NULL). */
static guint
count_on (const Attempt *attempt, gint server, const char *group)
{
    guint count = 0;
    for (guint i = 0; i < attempt->n_members; i++)
        if (attempt->placed[i] == server &&
            (group == NULL || g_strcmp0 (group, attempt->members[i].group) == 0))
            count++;
    return count;
}

static gboolean
may_host (const Attempt *attempt, guint server, const SchedulerMember *member)
{
    if (attempt->servers[server].unusable != NULL)
        return FALSE;
    return member->bound == NULL || vdc_bug ("planner-volumes-elsewhere") ||
           strcmp (member->bound, attempt->servers[server].name) == 0;
}

/* Higher is better; compared place by place. */
static void
score (const Attempt *attempt, guint server, const SchedulerMember *member, gint64 result[3])
{
    const SchedulerServer *candidate = &attempt->servers[server];
    result[0] = g_strcmp0 (candidate->name, member->preferred) == 0;
    result[1] = member->spread && !vdc_bug ("planner-no-spread")
                    ? -(gint64)count_on (attempt, (gint)server, member->group)
                    : (gint64)count_on (attempt, (gint)server, NULL);
    result[2] = attempt->free_bytes[server];
}

static gint
best_server (const Attempt *attempt, const SchedulerMember *member)
{
    gint best = -1;
    gint64 best_score[3] = {0};
    for (guint i = 0; i < attempt->n_servers; i++) {
        gint64 mine[3];
        if (!may_host (attempt, i, member) ||
            (attempt->free_bytes[i] < member->memory_bytes + member->overhead_bytes &&
             !vdc_bug ("planner-memory-overcommitted")))
            continue;
        score (attempt, i, member, mine);
        gboolean better = best < 0;
        for (guint place = 0; place < 3 && !better; place++) {
            if (mine[place] < best_score[place])
                break;
            better = mine[place] > best_score[place];
        }
        if (better) {
            best = (gint)i;
            memcpy (best_score, mine, sizeof mine);
        }
    }
    return best;
}

/* Sets @error; what helps. */
static const char *
explain (const Attempt *attempt, const SchedulerMember *member, GError **error)
{
    gint most = -1;
    const SchedulerServer *unusable = NULL;
    for (guint i = 0; i < attempt->n_servers; i++) {
        const SchedulerServer *server = &attempt->servers[i];
        if (server->unusable != NULL && (member->bound == NULL || strcmp (member->bound, server->name) == 0))
            unusable = server;
        if (may_host (attempt, i, member) && (most < 0 || attempt->free_bytes[i] > attempt->free_bytes[most]))
            most = (gint)i;
    }
    gint64 wanted_mb = (member->memory_bytes + MEBIBYTE - 1) / MEBIBYTE;
    if (most >= 0) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY,
                     "cannot place '%s': no server has %" G_GINT64_FORMAT " MB free (most: %" G_GINT64_FORMAT
                     " MB on %s)%s%s",
                     member->name, wanted_mb,
                     MAX (attempt->free_bytes[most] - member->overhead_bytes, 0) / MEBIBYTE,
                     attempt->servers[most].name, member->bound != NULL ? "; its volumes are on " : "",
                     member->bound != NULL ? member->bound : "");
        return "stop something, or give its instances less memory";
    }
    if (unusable != NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY, "cannot place '%s': server %s %s%s",
                     member->name, unusable->name, unusable->unusable,
                     member->bound != NULL ? " and holds its volumes" : "");
        return "bring the server and its agent back, then try again";
    }
    if (member->bound != NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY,
                     "cannot place '%s': its volumes are on %s, which is not a server of this grid",
                     member->name, member->bound);
    else
        g_set_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY, "cannot place '%s': the grid has no server",
                     member->name);
    return "register a server and start its agent";
}

/* Members that can go to one server only come first, then the largest; ties keep the order given. */
static gint
compare_members (gconstpointer a, gconstpointer b, gpointer data)
{
    const SchedulerMember *members = data;
    const SchedulerMember *left = &members[*(const guint *)a], *right = &members[*(const guint *)b];
    if ((left->bound != NULL) != (right->bound != NULL))
        return left->bound != NULL ? -1 : 1;
    if (left->memory_bytes != right->memory_bytes)
        return left->memory_bytes > right->memory_bytes ? -1 : 1;
    return *(const guint *)a < *(const guint *)b ? -1 : 1;
}

gboolean
scheduler_place (const SchedulerServer *servers, guint n_servers, SchedulerMember *members, guint n_members,
                 SchedulerRefusal *refusal, GError **error)
{
    g_autofree gint64 *free_bytes = g_new0 (gint64, n_servers + 1);
    g_autofree gint *placed = g_new (gint, n_members + 1);
    g_autofree guint *order = g_new (guint, n_members + 1);
    Attempt attempt = {servers, n_servers, members, n_members, free_bytes, placed};

    for (guint i = 0; i < n_servers; i++)
        free_bytes[i] = servers[i].memory_bytes - servers[i].memory_reserved_bytes;
    for (guint i = 0; i < n_members; i++) {
        placed[i] = -1;
        order[i] = i;
    }
    g_qsort_with_data (order, (gint)n_members, sizeof *order, compare_members, members);
    for (guint i = 0; i < n_members; i++) {
        const SchedulerMember *member = &members[order[i]];
        gint server = best_server (&attempt, member);
        if (server < 0) {
            const char *remedy = explain (&attempt, member, error);
            if (refusal != NULL)
                *refusal = (SchedulerRefusal){member->name, remedy};
            return FALSE;
        }
        placed[order[i]] = server;
        free_bytes[server] -= member->memory_bytes + member->overhead_bytes;
    }
    for (guint i = 0; i < n_members; i++)
        members[i].on = &servers[placed[i]];
    return TRUE;
}
