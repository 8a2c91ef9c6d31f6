/* The guest's end of a member: its channel, what it says, its settings. */
#include "vdc/agent/instance_private.h"

#include "vdc/base/bug.h"
#include "vdc/base/log.h"

#include <string.h>

#define KEEP_MS 250
/* Log lines of one guest. */
#define LINES_MAX 60
#define LINES_PERIOD_US (60 * G_USEC_PER_SEC)

static void
guest_hello (const json_t *message, gpointer user_data)
{
    Instance *instance = user_data;
    g_clear_pointer (&instance->settings_sent, g_free);
    guest_state_take (&instance->guest, "hello", message);
    FP ("start.29.hello");
    instance_send_settings (instance);
    instance_tell (instance);
}

/* A guest may say what it likes as often as it likes: the disk and the log take a part of it. */
static gboolean
keep_now (gpointer user_data)
{
    Instance *instance = user_data;
    instance->keep_timer = 0;
    instance_keep (instance);
    FP ("start.36.ready_kept");
    return G_SOURCE_REMOVE;
}

static void
keep_soon (Instance *instance)
{
    if (instance->keep_timer == 0)
        instance->keep_timer = g_timeout_add (KEEP_MS, keep_now, instance);
}

static void
log_guest (Instance *instance, const char *kind, const json_t *message)
{
    gint64 now = g_get_monotonic_time ();
    const char *text = json_str (message, "text", "");

    if (now - instance->lines_since_us > LINES_PERIOD_US) {
        instance->lines_since_us = now;
        instance->lines = 0;
    }
    if (++instance->lines > LINES_MAX)
        return;
    g_autofree char *begin = g_utf8_make_valid (text, (gssize)strnlen (text, GUEST_TEXT_MAX));
    vdc_log (VDC_LOG_INFO,
             instance->lines == LINES_MAX ? "guest says too much, the rest is left out" : "guest says",
             "application", instance->spec->application, "member", instance->spec->member, "kind", kind,
             "severity", json_str (message, "severity", ""), "text", begin, NULL);
}

static void
pass_message (const char *type, const json_t *message)
{
    if (strcmp (type, "configured") == 0)
        FP ("start.33.configured");
    else if (strcmp (type, "drained") == 0)
        FP ("scale.04.drain_said");
    else if (strcmp (json_str (message, "state", ""), "ready") == 0)
        FP ("start.35.ready");
}

static void
guest_message (const char *type, const json_t *message, gpointer user_data)
{
    Instance *instance = user_data;

    if (strcmp (type, "log") == 0 || strcmp (type, "alert") == 0)
        log_guest (instance, type, message);
    else if (guest_state_take (&instance->guest, type, message)) {
        pass_message (type, message);
        if (strcmp (type, "state") == 0)
            keep_soon (instance); /* a new agent shall not take a guest that is ready for one that boots */
        instance_tell (instance);
    } else
        sessions_message (instance->sessions, type, message);
}

static void
guest_lost (gpointer user_data)
{
    Instance *instance = user_data;
    instance->guest.connected = FALSE;
    sessions_lost (instance->sessions);
    instance_tell (instance);
}

static const ChannelEvents channel_events = {guest_hello, guest_message, guest_lost};

void
instance_open_channel (Instance *instance)
{
    g_autofree char *path =
        host_channel_socket (instance->host, instance->spec->application_id, instance->spec->member);

    if (instance->channel != NULL)
        return;
    instance->channel = channel_new (path, &channel_events, instance);
    instance->sessions = sessions_new (instance->channel);
}

void
instance_close_channel (Instance *instance)
{
    instance_watch_end (instance);
    g_clear_pointer (&instance->sessions, sessions_free);
    g_clear_pointer (&instance->channel, channel_free);
    g_clear_pointer (&instance->settings_sent, g_free);
    instance->guest.connected = FALSE;
}

void
instance_send_settings (Instance *instance)
{
    instance_unmanaged_configured (instance);
    if (instance->channel == NULL || !channel_is_up (instance->channel) || !instance->mtu_known ||
        !spec_is_whole (instance->spec))
        return;
    g_autoptr (json_t) settings = guest_settings (instance->spec, instance->mtu);
    g_autofree char *text = json_text (settings);
    if (g_strcmp0 (text, instance->settings_sent) == 0)
        return;
    if (!json_bool (settings, "draining", FALSE))
        instance->guest.drained = FALSE;
    channel_send (instance->channel, json_pack ("{s:s, s:O}", "t", "settings", "settings", settings));
    g_free (instance->settings_sent);
    instance->settings_sent = g_steal_pointer (&text);
    FP ("start.30.settings_sent");
}
