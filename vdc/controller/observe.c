#include "vdc/controller/observe.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/base/log.h"
#include "vdc/controller/agent_watch.h"
#include "vdc/controller/moves.h"

/* Volumes and disks are made before there is a VM, whose own time begins then. */
#define PREPARE_TIMEOUT_S 300
#define RECONNECT_GRACE_US (15 * G_USEC_PER_SEC)

/* How a member went wrong. */
typedef struct {
    const char *step, *code, *message, *remedy, *tail;
} Failure;

static Server *
server_of (Controller *controller, const MemberRecord *member)
{
    return member->server != NULL ? g_hash_table_lookup (controller->servers, member->server) : NULL;
}

static const char *
remedy_for (const Failure *failure)
{
    static const struct {
        const char *step, *remedy;
    } remedies[] = {
        {"image", "build the image (appliances/build CLASS) and start again"},
        {"disk", "free space on the server and start again"},
        {"volume", "free space on the server and start again"},
        {"guest", "read the console tail; start with --debug to look inside"},
    };
    if (failure->remedy != NULL)
        return failure->remedy;
    for (guint i = 0; i < G_N_ELEMENTS (remedies); i++)
        if (strcmp (remedies[i].step, failure->step) == 0)
            return remedies[i].remedy;
    return "read the agent's log on the server, then start again";
}

static void
give_up (Controller *controller, ApplicationRecord *application, MemberRecord *member, const Failure *failure)
{
    member_give_up (controller, application, member, failure->step, failure->code, failure->message,
                    remedy_for (failure), failure->tail);
    gboolean starting = phase_from_name (application->phase) == PHASE_STARTING;
    if (!starting || !application->debug)
        member->on = FALSE;
}

/* --- restart policy ---------------------------------------------------------------------------------------- */

static guint
recent_failures (MemberRecord *member, gint64 now_us, guint window_s)
{
    for (gsize i = json_array_size (member->failures); i > 0; i--)
        if (json_integer_value (json_array_get (member->failures, i - 1)) <
            now_us - window_s * (gint64)G_USEC_PER_SEC)
            json_array_remove (member->failures, i - 1);
    return (guint)json_array_size (member->failures);
}

static void
restart (Controller *controller, ApplicationRecord *application, MemberRecord *member, const char *reason)
{
    vdc_log (VDC_LOG_WARNING, "restarting instance", "application", application->name, "instance",
             member->name, "reason", reason, NULL);
    member->incarnation++;
    member->timer_us = controller_now_us (controller);
    member->retry_us = 0;
    if (phase_from_name (application->phase) == PHASE_STARTING)
        member->go = FALSE;
    move_member (controller, application, member, member->was_ready ? STATE_RESTARTING : STATE_STARTING,
                 reason);
}

/*
 * During a start, also that of a new member of a running application, a guest that says it failed, or says
 * nothing, is the answer: it would only do so again.
 */
static void
by_policy (Controller *controller, ApplicationRecord *application, MemberRecord *member,
           const Member *described, const Failure *failure)
{
    const Instance *instance = described->instance;
    gint64 now_us = controller_now_us (controller);
    gboolean starting = phase_from_name (application->phase) == PHASE_STARTING;
    guint recent = recent_failures (member, now_us, instance->restart_window_s);
    if ((starting || !member->was_ready) && strcmp (failure->code, "crashed") != 0) {
        give_up (controller, application, member, failure);
        return;
    }
    if (recent >= instance->restart_limit && !vdc_bug ("reconcile-restarts-for-ever")) {
        g_autofree char *message =
            g_strdup_printf ("%s; failed %u times within %u s, the limit is %u restarts", failure->message,
                             recent + 1, instance->restart_window_s, instance->restart_limit);
        Failure last = *failure;
        last.message = message;
        give_up (controller, application, member, &last);
        return;
    }
    if (member->failures == NULL)
        member->failures = json_array ();
    json_array_append_new (member->failures, json_integer (now_us));
    member->restarts++;
    restart (controller, application, member, failure->message);
}

/* --- what the report says ---------------------------------------------------------------------------------- */

static gboolean
is_up (const json_t *guest)
{
    return strcmp (json_str (guest, "state", ""), "ready") == 0;
}

/* The VM ended although it shall run. A reboot of its server is not the member's failure. */
static gboolean
observe_end (Controller *controller, ApplicationRecord *application, MemberRecord *member,
             const Member *described)
{
    const char *exit = json_str (member->report, "exit", NULL);
    const Server *server = server_of (controller, member);
    if (member_has_vm (member) || exit == NULL)
        return FALSE;
    const char *boot_id = json_str (server->info, "boot_id", NULL);
    if (member->boot_id != NULL && boot_id != NULL && strcmp (member->boot_id, boot_id) != 0) {
        record_set_string (&member->boot_id, NULL);
        restart (controller, application, member, "its server was restarted");
        member->go = FALSE; /* all of them start again: the order of the wires holds */
        return TRUE;
    }
    const json_t *error = json_object_get (member->report, "error");
    const Failure failure = {
        .step = "guest",
        .code = "crashed",
        .message = json_str (error, "message",
                             strcmp (exit, "shutdown") == 0 ? "the guest shut itself down"
                                                            : "the VM ended by itself"),
        .remedy = json_str (error, "remedy", NULL),
        .tail = json_str (member->report, "console_tail", NULL),
    };
    by_policy (controller, application, member, described, &failure);
    return TRUE;
}

/* The agent could not make it: trying the same again by itself would not help. */
static gboolean
observe_refusal (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    const json_t *error = json_object_get (member->report, "error");
    if (strcmp (json_str (member->report, "vm", ""), "failed") != 0)
        return FALSE;
    const Failure failure = {
        .step = json_str (error, "step", "domain"),
        .code = json_str (error, "code", "failed"),
        .message = json_str (error, "message", "the agent could not make the VM"),
        .remedy = json_str (error, "remedy", NULL),
        .tail = json_str (member->report, "console_tail", NULL),
    };
    give_up (controller, application, member, &failure);
    return TRUE;
}

static gboolean
observe_guest (Controller *controller, ApplicationRecord *application, MemberRecord *member,
               const Member *described)
{
    const json_t *guest = json_object_get (member->report, "guest"),
                 *check = json_object_get (guest, "check");
    Failure failure = {.step = "guest", .tail = json_str (member->report, "console_tail", NULL)};
    g_autofree char *message = NULL;
    if (strcmp (json_str (guest, "state", ""), "failed") == 0) {
        failure.code = "failed";
        message = g_strdup_printf ("the guest reports: %s", json_str (guest, "text", "failed"));
    } else if (is_up (guest) && json_int (check, "misses", 0) >= MISSES_RESTART) {
        failure.code = "check";
        message = g_strdup_printf ("%d checks failed: %s", MISSES_RESTART, json_str (check, "text", ""));
    } else
        return FALSE;
    failure.message = message;
    by_policy (controller, application, member, described, &failure);
    return TRUE;
}

static void
observe_time (Controller *controller, ApplicationRecord *application, MemberRecord *member,
              const Member *described)
{
    const json_t *guest = json_object_get (member->report, "guest");
    const char *state = json_str (guest, "state", "booting");
    guint timeout_s = described->instance->start_timeout_s;
    if (timeout_s == 0)
        timeout_s = server_start_timeout_s (server_of (controller, member));
    if (member->seen != member->incarnation)
        timeout_s = MAX (timeout_s, PREPARE_TIMEOUT_S);
    gint64 now_us = controller_now_us (controller);
    if (member->timer_us == 0)
        member->timer_us = now_us;
    gboolean held_back = !member->go && strcmp (state, "waiting") == 0;
    if (held_back || now_us - member->timer_us < timeout_s * (gint64)G_USEC_PER_SEC)
        return;
    const json_t *hurt = json_object_get (member->report, "error");
    const char *text = json_str (hurt, "message", json_str (guest, "text", ""));
    gboolean made = member->seen == member->incarnation;
    g_autofree char *message =
        made ? g_strdup_printf ("not ready within %u s; the guest is %s%s%s", timeout_s, state,
                                text[0] != '\0' ? ": " : "", text)
             : g_strdup_printf ("no VM within %u s; on %s it is %s%s%s", timeout_s, member->server,
                                json_str (member->report, "vm", "absent"), text[0] != '\0' ? ": " : "", text);
    const Failure failure = {.step = made ? "guest" : "domain",
                             .code = "timeout",
                             .message = message,
                             .remedy = json_str (hurt, "remedy", NULL),
                             .tail = json_str (member->report, "console_tail", NULL)};
    by_policy (controller, application, member, described, &failure);
}

/* A volume that cannot be made fails every member that needs it. */
static gboolean
observe_volumes (Controller *controller, ApplicationRecord *application, MemberRecord *member,
                 const Member *described)
{
    for (guint i = 0; i < described->volumes->len; i++) {
        const MemberVolume *slot = described->volumes->pdata[i];
        const VolumeRecord *volume =
            controller_application_volume (controller, application->name, slot->volume);
        if (volume == NULL || volume->error == NULL)
            continue;
        g_autofree char *message = g_strdup_printf ("volume '%s' cannot be made: %s", volume->name,
                                                    json_str (volume->error, "message", ""));
        const Failure failure = {
            .step = "volume", .code = json_str (volume->error, "code", "failed"), .message = message};
        give_up (controller, application, member, &failure);
        return TRUE;
    }
    return FALSE;
}

/* In steps, so that a guest in maintenance does not cost a commit with every report. */
static void
extend_timer (Controller *controller, MemberRecord *member)
{
    gint64 now_us = controller_now_us (controller);
    if (now_us - member->timer_us > 10 * G_USEC_PER_SEC)
        member->timer_us = now_us;
}

void
observe_member (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    const Member *described = topology_member (application->topology, member->name);
    if (!member->on || member->failed || member->again || member->leaving || !member->known ||
        described == NULL)
        return; /* one that leaves and dies has left: decide_leaving sees that there is no VM */
    if (observe_volumes (controller, application, member, described))
        return;
    gboolean current =
        member->report != NULL && json_int (member->report, "incarnation", -1) == member->incarnation;
    const json_t *guest = json_object_get (member->report, "guest");
    if (current && member_has_vm (member) && member->seen != member->incarnation &&
        strcmp (json_str (member->report, "vm", ""), "running") == 0) {
        member->seen = member->incarnation;
        member->timer_us = controller_now_us (controller);
    }
    if (current) {
        if (observe_end (controller, application, member, described) ||
            observe_refusal (controller, application, member) ||
            observe_guest (controller, application, member, described))
            return;
        if (strcmp (json_str (guest, "state", ""), "maintenance") == 0)
            extend_timer (controller, member);
        if (is_up (guest)) {
            const json_t *hurt = json_object_get (member->report, "error");
            if (!member->was_ready)
                FP ("start.37.member_ready");
            member->was_ready = member->rooted = TRUE;
            member->timer_us = 0;
            record_set_json (&member->error, json_is_object (hurt) ? json_deep_copy (hurt) : NULL);
            record_set_string (&member->boot_id,
                               json_str (server_of (controller, member)->info, "boot_id", NULL));
            return;
        }
    }
    observe_time (controller, application, member, described);
}

/* --- publishing
 * ---------------------------------------------------------------------------------------------------------
 */

static const char *
text_for (const MemberRecord *member, State state)
{
    const json_t *guest = json_object_get (member->report, "guest");
    switch (state) {
    case STATE_FAILED:
        return json_str (member->error, "message", NULL);
    case STATE_DEGRADED:
        return json_str (member->error, "message", json_str (json_object_get (guest, "check"), "text", NULL));
    case STATE_MAINTENANCE:
        return json_str (guest, "text", NULL);
    case STATE_STARTING:
        return json_str (guest, "state", NULL);
    case STATE_RESTARTING:
        return member->text;
    case STATE_RUNNING:
        return member->draining ? "draining" : NULL;
    default:
        return NULL;
    }
}

static gboolean
is_spare (const ApplicationRecord *application, const MemberRecord *member)
{
    Phase phase = phase_from_name (application->phase);
    const Member *described = topology_member (application->topology, member->name);
    return (phase == PHASE_STARTING || phase == PHASE_RUNNING) && described != NULL &&
           described->instance->standby;
}

/* An agent that was restarted has the VM at once and its guest a moment later. */
static gboolean
is_reconnecting (Controller *controller, const MemberRecord *member)
{
    const json_t *guest = json_object_get (member->report, "guest");
    return member->on && !member->again && !member->failed && member->was_ready && member_has_vm (member) &&
           json_int (member->report, "incarnation", -1) == member->incarnation &&
           !json_bool (guest, "connected", FALSE) &&
           controller_now_us (controller) - member->timer_us < RECONNECT_GRACE_US;
}

/*
 * A server that has not reported since vdcd started is not silent yet: what was published stays until it is
 * known to be wrong.
 */
void
observe_publish (Controller *controller, ApplicationRecord *application, MemberRecord *member)
{
    const Server *server = server_of (controller, member);
    gboolean silent = server != NULL && server->state == SERVER_DOWN;
    const json_t *guest = json_object_get (member->report, "guest");
    if (!member->known && !silent && server != NULL && member->sent)
        return;
    if (is_reconnecting (controller, member))
        return;
    const MemberFacts facts = {
        .on = member->on,
        .spare = is_spare (application, member),
        .failed = member->failed,
        .silent = silent,
        .was_ready = member->was_ready,
        .gone = member_is_gone (member),
        .current = member_has_vm (member) &&
                   json_int (member->report, "incarnation", -1) == member->incarnation && !member->again,
        .guest = json_str (guest, "state", NULL),
        .misses = json_int (json_object_get (guest, "check"), "misses", 0),
        .hurt = json_is_object (json_object_get (member->report, "error")),
    };
    State state = lifecycle_member (&facts);
    move_member (controller, application, member, state, text_for (member, state));
}
