#include "vdc/controller/view.h"

#include <string.h>

#include "vdc/controller/draft.h"
#include "vdc/controller/jobs.h"

static char *
stamp_text (gint64 time_us)
{
    if (time_us == 0)
        return NULL;
    g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
    g_autofree char *text = g_date_time_format (seconds, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf ("%s.%03dZ", text, (int)(time_us / 1000 % 1000));
}

/* --- applications ------------------------------------------------------------------------------------------ */

/* Where a browser finds it: by the local port when one is published, else by the outside address. */
static json_t *
urls (Controller *controller, const ApplicationRecord *application)
{
    json_t *list = json_array (), *use, *port;
    const char *member;
    gsize i;
    json_object_foreach (application->outside, member, use) {
        g_autoptr (json_t) network =
            store_get (controller->store, STORE_NETWORKS, json_str (use, "network", ""), NULL);
        g_auto (GStrv) publish = g_strsplit (json_str (network, "publish", ""), ":", 2);
        json_array_foreach (json_object_get (use, "published"), i, port) {
            gint64 remote = json_int (port, "port", 0);
            g_autofree char *url = g_strdup_printf (
                "%s://%s:%" G_GINT64_FORMAT "/", remote == 443 ? "https" : "http",
                publish[0] != NULL ? publish[0] : "127.0.0.1", json_int (port, "local_port", 0));
            json_array_append_new (list, json_string (url));
        }
    }
    return list;
}

static gboolean
is_ready (const MemberRecord *member)
{
    State state = state_from_name (member->state);
    return state == STATE_RUNNING || state == STATE_DEGRADED;
}

json_t *
view_application (Controller *controller, const ApplicationRecord *application)
{
    Phase phase = phase_from_name (application->phase);
    gboolean running = !application->destroying &&
                       (phase == PHASE_STARTING || phase == PHASE_RUNNING || application->then_start);
    gint64 ready = 0;
    const char *text = NULL;
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        ready += is_ready (member);
        if (text == NULL && member->text != NULL && strcmp (member->state, "running") != 0)
            text = member->text;
    }
    if (application->error != NULL)
        text = json_str (application->error, "message", NULL);
    const char *summary = application->topology != NULL ? application->topology->application->summary : NULL;
    json_t *object =
        json_pack ("{s:s, s:s, s:s, s:o, s:s, s:I, s:O, s:s?, s:s, s:I, s:I, s:o, s:O?, s:s?, s:b, s:s?}",
                   "name", application->name, "id", application->id, "state", application->state, "text",
                   json_str_new (text), "desired", running ? "running" : "stopped", "revision",
                   (json_int_t)application->revision, "pending",
                   draft_pending (controller, (ApplicationRecord *)application), "template", application->template, "created",
                   application->created, "instances", (json_int_t)application->members->len, "ready",
                   (json_int_t)ready, "urls", urls (controller, application), "error", application->error,
                   "job", job_is_running (controller, application, NULL) ? application->job : NULL, "debug",
                   application->debug, "summary", summary);
    return object;
}

char *
view_description (const ApplicationRecord *application, DocumentFormat format)
{
    if (format == DOCUMENT_JSON)
        return json_pretty (application->applied);
    if (application->text != NULL && application->text_revision == application->revision &&
        g_strcmp0 (application->format, "yaml") == 0)
        return g_strdup (application->text);
    return document_yaml (application->applied);
}

/* --- instances --------------------------------------------------------------------------------------------- */

GPtrArray *
view_select (const ApplicationRecord *application, const char *name, GError **error)
{
    GPtrArray *result = g_ptr_array_new ();
    MemberRecord *exact = application_record_member (application, name);
    g_autoptr (GPtrArray) selected =
        application->topology != NULL ? topology_select (application->topology, name) : NULL;
    if (exact != NULL)
        g_ptr_array_add (result, exact);
    for (guint i = 0; exact == NULL && selected != NULL && i < selected->len; i++) {
        MemberRecord *member = application_record_member (application, ((Member *)selected->pdata[i])->name);
        if (member != NULL)
            g_ptr_array_add (result, member);
    }
    if (result->len > 0)
        return result;
    g_ptr_array_unref (result);
    g_autofree char *quoted = problem_quote (name);
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "application '%s' has no instance %s",
                 application->name, quoted);
    return NULL;
}

MemberRecord *
view_select_one (const ApplicationRecord *application, const char *name, GError **error)
{
    g_autoptr (GPtrArray) members = view_select (application, name, error);
    if (members == NULL || members->len == 1)
        return members != NULL ? members->pdata[0] : NULL;
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "'%s' has %u members; name one: %s", name, members->len,
                 ((MemberRecord *)members->pdata[0])->name);
    return NULL;
}

/* "web.in" for an output; ["lb", …] members for an input. */
static json_t *
wired_to (const ApplicationRecord *application, const WiringNic *nic)
{
    json_t *list = json_array ();
    for (guint i = 0; i < nic->rules->len; i++) {
        const WireRule *rule = nic->rules->pdata[i];
        const char *terminal = rule->server ? rule->wire->from_terminal->name : rule->wire->to_terminal->name;
        g_autofree char *text = g_strdup_printf ("%s.%s", rule->peer->name, terminal);
        json_array_append_new (list, json_string (text));
    }
    return list;
}

static json_t *
nics (const ApplicationRecord *application, const MemberRecord *member)
{
    json_t *list = json_array ();
    const WiringMember *wiring =
        application->wiring != NULL ? wiring_member (application->wiring, member->name) : NULL;
    for (guint i = 0; wiring != NULL && i < wiring->nics->len; i++) {
        const WiringNic *nic = wiring->nics->pdata[i];
        json_array_append_new (
            list, json_pack ("{s:s, s:s, s:s?, s:s, s:s?, s:o}", "terminal",
                             nic->terminal != NULL ? nic->terminal->name : "outside", "side",
                             nic->terminal != NULL ? terminal_side_name (nic->terminal->side) : "outside",
                             "address", nic->address, "mac", nic->mac, "protocol",
                             nic->protocol != NULL ? nic->protocol->name : NULL, "wired_to",
                             wired_to (application, nic)));
    }
    return list;
}

static json_t *
peers (const ApplicationRecord *application, const Member *described)
{
    json_t *object = json_object ();
    for (guint i = 0; i < application->topology->wires->len; i++) {
        const MemberWire *wire = application->topology->wires->pdata[i];
        if (wire->from != described)
            continue;
        json_t *list = json_array ();
        for (guint k = 0; k < wire->to->len; k++) {
            const Member *to = wire->to->pdata[k];
            const MemberRecord *record = application_record_member (application, to->name);
            json_array_append_new (
                list, json_pack ("{s:s, s:s?, s:s}", "name", to->name, "address",
                                 addresses_get (application->address_book, to->name, wire->to_terminal->name),
                                 "state",
                                 record == NULL     ? "stopped"
                                 : record->draining ? "draining"
                                                    : record->state));
        }
        json_put (object, wire->from_terminal->name, list);
    }
    return object;
}

static json_t *
volumes (const ApplicationRecord *application, const Member *described)
{
    json_t *list = json_array ();
    for (guint i = 0; i < described->volumes->len; i++) {
        const MemberVolume *volume = described->volumes->pdata[i];
        g_autofree char *name = g_strdup_printf ("%s.%s", application->name, volume->volume);
        json_array_append_new (list,
                               json_pack ("{s:s, s:s, s:s?, s:b}", "slot", volume->slot->name, "volume", name,
                                          "mount", volume->slot->mount, "read_only", volume->read_only));
    }
    return list;
}

/* Settings that a person may see: secrets are only named. */
static json_t *
settings (const Member *described)
{
    json_t *object = json_deep_copy (described->settings);
    for (guint i = 0; i < described->class->boundary.properties->len; i++) {
        const Property *property = described->class->boundary.properties->pdata[i];
        if (property->type == PROPERTY_SECRET && json_object_get (object, property->name) != NULL)
            json_put (object, property->name, json_string ("(secret)"));
    }
    return object;
}

static void
add_described (json_t *object, const ApplicationRecord *application, const Member *described)
{
    g_autofree char *class_text = member_class_text (described);
    json_put (object, "instance", json_string (described->group));
    json_put (object, "class", json_string (class_text));
    json_put (object, "settings", settings (described));
    json_put (object, "resources",
              json_pack ("{s:f, s:b, s:I, s:I}", "cpu", described->resources.cpu, "cpu_cap",
                         described->resources.cpu_cap, "memory_bytes",
                         (json_int_t)described->resources.memory_bytes, "network_bps",
                         (json_int_t)described->resources.network_bps));
    json_put (object, "volumes", volumes (application, described));
    json_put (object, "peers", peers (application, described));
}

json_t *
view_instance (Controller *controller, const ApplicationRecord *application, const MemberRecord *member)
{
    const Member *described =
        application->topology != NULL ? topology_member (application->topology, member->name) : NULL;
    const json_t *report = member->report;
    g_autofree char *since = stamp_text (member->since_us);
    json_t *object =
        json_pack ("{s:s, s:s, s:s, s:o, s:s?, s:s?, s:I, s:o, s:O?, s:O?, s:s, s:O?, s:I, s:I, s:I, s:b}",
                   "application", application->name, "name", member->name, "state", member->state, "text",
                   json_str_new (member->text), "server", member->server, "since", since, "restarts",
                   (json_int_t)member->restarts, "nics", nics (application, member), "error", member->error,
                   "counters", json_object_get (report, "counters"), "vm", json_str (report, "vm", "absent"),
                   "guest", json_object_get (report, "guest"), "generation", (json_int_t)member->generation,
                   "incarnation", (json_int_t)member->incarnation, "revision", (json_int_t)member->revision,
                   "draining", member->draining);
    if (described != NULL)
        add_described (object, application, described);
    return object;
}
