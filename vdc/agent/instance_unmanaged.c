/*
 * A member without vdc-guest: what it is told stands in its seed, and what it says is that its inputs answer.
 * The report looks like any other's: "booting" until every wired input has answered once, then "ready", and
 * from then on a check every CHECK_S.
 */
#include <string.h>

#include "vdc/agent/fake_guest.h"
#include "vdc/agent/instance_private.h"
#include "vdc/agent/tcp_probe.h"
#include "vdc/base/log.h"

#define BOOT_ASK_MS 1000
#define CHECK_MS 10000
#define ANSWER_MS 2000
/* What is pretended answers soon. */
#define FAKE_BOOT_MS 100

typedef struct {
    InstanceWatch *watch;
    char *terminal;
    char tap[WIRE_NAME_SIZE];
    ProbeEnds ends;
    guint16 port;
    TcpProbe *probe; /* NULL: its tap could not be opened yet */
    gboolean waiting, open;
    const char *text; /* static */
} Input;

struct InstanceWatch {
    Instance *instance;
    GPtrArray *inputs; /* Input * */
    guint timer;
    gboolean pretend;
};

gboolean
instance_is_held (const Instance *instance)
{
    return instance->spec->unmanaged && !json_bool (spec_guest (instance->spec), "go", FALSE);
}

/* --- what follows from the answers ------------------------------------------------------------------------- */

static void
take (Instance *instance, const char *type, json_t *message)
{
    if (guest_state_take (&instance->guest, type, message))
        instance_tell (instance);
    json_decref (message);
}

void
instance_unmanaged_configured (Instance *instance)
{
    gint64 revision = json_int (spec_guest (instance->spec), "revision", 0);
    if (instance->spec->unmanaged && instance->guest.configured != revision)
        take (instance, "configured", json_pack ("{s:I}", "revision", (json_int_t)revision));
}

static gboolean
is_ready (const Instance *instance)
{
    return strcmp (instance->guest.state, "ready") == 0;
}

static char *
describe (const InstanceWatch *watch)
{
    for (guint i = 0; i < watch->inputs->len; i++) {
        const Input *input = watch->inputs->pdata[i];
        if (!input->open)
            return g_strdup_printf ("%s: port %u %s", input->terminal, input->port,
                                    input->text != NULL ? input->text : "was not asked yet");
    }
    return NULL;
}

static void
conclude (InstanceWatch *watch)
{
    Instance *instance = watch->instance;
    g_autofree char *text = describe (watch);

    if (text == NULL && !is_ready (instance)) {
        take (instance, "state", json_pack ("{s:s}", "state", "ready"));
        take (instance, "check", json_pack ("{s:b, s:i, s:s}", "ok", 1, "misses", 0, "text", ""));
        instance_keep (instance);
    } else if (text == NULL && instance->guest.check_misses > 0)
        take (instance, "check", json_pack ("{s:b, s:i, s:s}", "ok", 1, "misses", 0, "text", ""));
    else if (text != NULL && is_ready (instance))
        take (instance, "check",
              json_pack ("{s:b, s:I, s:s}", "ok", 0, "misses", (json_int_t)instance->guest.check_misses + 1,
                         "text", text));
    else if (text != NULL && g_strcmp0 (text, instance->guest.text) != 0)
        take (instance, "state", json_pack ("{s:s, s:s}", "state", "booting", "text", text));
}

/* --- asking ------------------------------------------------------------------------------------------------ */

static void
answered (TcpProbe *probe, gboolean open, const char *text, gpointer user_data)
{
    Input *input = user_data;
    InstanceWatch *watch = input->watch;
    gboolean waiting = FALSE;

    input->waiting = FALSE;
    input->open = open;
    input->text = text;
    for (guint i = 0; i < watch->inputs->len; i++)
        waiting = waiting || ((Input *)watch->inputs->pdata[i])->waiting;
    if (!waiting)
        conclude (watch);
}

static void
ask (Input *input)
{
    g_autoptr (GError) error = NULL;
    if (input->probe == NULL)
        input->probe = tcp_probe_new (input->tap, &input->ends, input->port, answered, input, &error);
    if (input->probe == NULL) {
        input->text = "cannot be asked: its probe has no tap";
        input->open = FALSE;
        vdc_log (VDC_LOG_WARNING, "cannot probe an input, trying again", "member",
                 input->watch->instance->spec->key, "terminal", input->terminal, "error", error->message,
                 NULL);
        return;
    }
    input->waiting = TRUE;
    tcp_probe_ask (input->probe, ANSWER_MS);
}

static gboolean ask_all (gpointer user_data);

static void
ask_later (InstanceWatch *watch)
{
    guint ms = is_ready (watch->instance) ? CHECK_MS : BOOT_ASK_MS;
    watch->timer = g_timeout_add (ms, ask_all, watch);
}

static gboolean
ask_all (gpointer user_data)
{
    InstanceWatch *watch = user_data;
    gboolean asked = FALSE;

    watch->timer = 0;
    for (guint i = 0; i < watch->inputs->len; i++) {
        ask (watch->inputs->pdata[i]);
        asked = asked || ((Input *)watch->inputs->pdata[i])->waiting;
    }
    if (!asked)
        conclude (watch);
    ask_later (watch);
    return G_SOURCE_REMOVE;
}

static gboolean
pretend_answer (gpointer user_data)
{
    InstanceWatch *watch = user_data;
    const Spec *spec = watch->instance->spec;
    FakeFaults faults =
        fake_faults (g_getenv ("VDC_FAKE_FAULTS"), json_str (spec->document, "class", ""), spec_guest (spec));

    watch->timer = 0;
    if (!(faults & (FAKE_BOOT | FAKE_HANG)))
        conclude (watch);
    return G_SOURCE_REMOVE;
}

/* --- beginning and end ------------------------------------------------------------------------------------- */

static void
input_free (gpointer data)
{
    Input *input = data;
    tcp_probe_free (input->probe);
    g_free (input->terminal);
    g_free (input);
}

static void
add_input (InstanceWatch *watch, const WireNic *nic)
{
    const WireRule *rule = g_ptr_array_index (nic->rules, 0);
    Input *input = g_new0 (Input, 1);

    input->watch = watch;
    input->terminal = g_strndup (nic->terminal, strcspn (nic->terminal, "#"));
    g_strlcpy (input->tap, nic->tap, sizeof input->tap);
    input->ends = (ProbeEnds){nic->mac, rule->peer_mac, nic->address, rule->peer};
    input->port = g_array_index (rule->ports, WirePorts, 0).from;
    g_ptr_array_add (watch->inputs, input);
}

void
instance_watch_end (Instance *instance)
{
    InstanceWatch *watch = g_steal_pointer (&instance->watch);
    if (watch == NULL)
        return;
    g_clear_handle_id (&watch->timer, g_source_remove);
    g_ptr_array_unref (watch->inputs);
    g_free (watch);
}

void
instance_watch_begin (Instance *instance)
{
    instance_watch_end (instance);
    if (!instance->spec->unmanaged)
        return;
    const Spec *spec = instance->wired != NULL ? instance->wired : instance->spec;
    g_autoptr (WireMember) member = wire_member_parse (spec->document, NULL);
    InstanceWatch *watch = g_new0 (InstanceWatch, 1);

    instance->watch = watch;
    watch->instance = instance;
    watch->inputs = g_ptr_array_new_with_free_func (input_free);
    watch->pretend = host_is_fake (instance->host);
    instance->guest.connected = TRUE;
    instance_unmanaged_configured (instance);
    for (guint i = 0; member != NULL && !watch->pretend && i < member->nics->len; i++) {
        const WireNic *nic = g_ptr_array_index (member->nics, i);
        if (nic->probe)
            add_input (watch, nic);
    }
    watch->timer = watch->pretend ? g_timeout_add (FAKE_BOOT_MS, pretend_answer, watch)
                                  : g_timeout_add (BOOT_ASK_MS, ask_all, watch);
}
