#include "vdc/agent/guest_state.h"

#include <string.h>

static void
set_text (char **target, const char *text)
{
    g_free (*target);
    *target = text ? g_utf8_make_valid (text, (gssize)strnlen (text, GUEST_TEXT_MAX)) : NULL;
}

void
guest_state_reset (GuestState *guest)
{
    guest_state_clear (guest);
    guest->state = g_strdup ("booting");
    guest->check_ok = TRUE;
    guest->counters = json_object ();
}

void
guest_state_clear (GuestState *guest)
{
    g_free (guest->state);
    g_free (guest->text);
    g_free (guest->configure_error);
    g_free (guest->check_text);
    json_decref (guest->counters);
    *guest = (GuestState){0};
}

static const char *
known_state (const char *state)
{
    static const char *const known[] = {"booting", "configuring", "waiting",     "starting",
                                        "ready",   "failed",      "maintenance", "stopping"};
    for (guint i = 0; i < G_N_ELEMENTS (known); i++)
        if (g_strcmp0 (state, known[i]) == 0)
            return known[i];
    return NULL;
}

static void
take_counter (GuestState *guest, const json_t *message)
{
    const char *name = json_str (message, "name", "");
    json_t *value = json_object_get (message, "value");
    gsize length = strlen (name);

    if (length == 0 || length > 64 || !json_is_number (value))
        return;
    if (json_object_get (guest->counters, name) == NULL &&
        json_object_size (guest->counters) >= GUEST_COUNTERS_MAX)
        return;
    json_object_set (guest->counters, name, value);
}

static void
take_state (GuestState *guest, const json_t *message)
{
    const char *state = known_state (json_str (message, "state", NULL));

    if (state != NULL)
        set_text (&guest->state, state);
    set_text (&guest->text, json_str (message, "text", NULL));
    guest->progress = CLAMP (json_int (message, "progress", 0), 0, 100);
}

static void
take_hello (GuestState *guest, const json_t *message)
{
    const char *state = known_state (json_str (message, "state", NULL));

    guest->connected = TRUE;
    if (state != NULL)
        set_text (&guest->state, state);
    guest->configured = json_int (message, "configured", guest->configured);
}

gboolean
guest_state_take (GuestState *guest, const char *type, const json_t *message)
{
    if (strcmp (type, "hello") == 0)
        take_hello (guest, message);
    else if (strcmp (type, "state") == 0)
        take_state (guest, message);
    else if (strcmp (type, "configured") == 0) {
        guest->configured = json_int (message, "revision", guest->configured);
        set_text (&guest->configure_error, json_str (message, "error", NULL));
    } else if (strcmp (type, "check") == 0) {
        guest->check_ok = json_bool (message, "ok", TRUE);
        guest->check_misses = MAX (json_int (message, "misses", 0), 0);
        set_text (&guest->check_text, json_str (message, "text", NULL));
    } else if (strcmp (type, "drained") == 0)
        guest->drained = TRUE;
    else {
        if (strcmp (type, "counter") == 0)
            take_counter (guest, message);
        return FALSE;
    }
    return TRUE;
}

json_t *
guest_state_report (const GuestState *guest)
{
    json_t *check =
        json_pack ("{s:b, s:I, s:o}", "ok", (int)guest->check_ok, "misses", (json_int_t)guest->check_misses,
                   "text", json_str_new (guest->check_text ? guest->check_text : ""));

    return json_pack ("{s:b, s:s, s:o, s:I, s:I, s:o, s:o, s:b}", "connected", (int)guest->connected, "state",
                      guest->state, "text", json_str_new (guest->text ? guest->text : ""), "progress",
                      (json_int_t)guest->progress, "configured", (json_int_t)guest->configured,
                      "configure_error", json_str_new (guest->configure_error), "check", check, "drained",
                      (int)guest->drained);
}

static void
put_secrets (json_t *properties, const json_t *secrets)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe (properties, next, key, value) {
        if (spec_is_seal (json_string_value (value)))
            json_object_set (properties, key, json_object_get (secrets, json_string_value (value)));
    }
}

json_t *
guest_settings (const Spec *spec, guint mtu)
{
    json_t *settings = json_deep_copy (spec_guest (spec));
    size_t i;
    json_t *nic;

    if (settings == NULL)
        settings = json_object ();
    put_secrets (json_object_get (settings, "properties"), spec->secrets);
    json_array_foreach (json_object_get (settings, "nics"), i, nic)
        if (mtu > 0 && json_is_object (nic) && json_object_get (nic, "mtu") == NULL)
            json_put (nic, "mtu", json_integer (mtu));
    return settings;
}
