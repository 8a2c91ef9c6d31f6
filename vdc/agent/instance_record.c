/* What is kept of a member, and what is told. */
#include "vdc/agent/instance_private.h"

#include "vdc/agent/reserve.h"
#include "vdc/base/clock.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/base/log.h"

#include <string.h>

#define TAIL_LINES 20

/* --- telling and keeping ----------------------------------------------------------------------------------- */

static json_t *
error_json (const char *at, const GError *error)
{
    return json_pack ("{s:s, s:s, s:o, s:s}", "step", at, "code", vdc_error_name (error), "message",
                      json_str_new (error->message), "remedy", prepare_remedy (at, error));
}

gboolean
instance_save (Instance *instance, GError **error)
{
    g_autofree char *path =
        host_record_path (instance->host, instance->spec->application, instance->spec->member);
    g_autofree char *folder = g_path_get_dirname (path);
    g_autoptr (json_t) record = json_pack (
        "{s:O, s:s, s:I, s:o, s:O?, s:o, s:i, s:s}", "spec", instance->spec->document, "vm",
        vm_state_name (instance->vm), "have", (json_int_t)instance->have, "exit",
        json_str_new (instance->exit), "error", instance->error, "console_tail",
        json_str_new (instance->tail), "deleting", (int)instance->deleting, "since", instance->since,
        "guest_state", instance->guest.state, "guest_configured", (json_int_t)instance->guest.configured);
    g_autofree char *text = json_text (record);

    if (strlen (text) > JSON_LIMIT_BYTES) { /* it could not be read back */
        g_set_error (error, VDC_ERROR, VDC_ERROR_TOO_LARGE,
                     "the record of %s would have %zu bytes, at most %d are kept", instance->spec->key,
                     strlen (text), JSON_LIMIT_BYTES);
        return FALSE;
    }
    if (!file_make_folder (folder, 0700, error))
        return FALSE;
    return instance->spec->power && instance->deleting == DELETE_NOT
               ? file_replace (path, text, strlen (text), 0600, error)
               : reserve_replace (instance->host->state_folder, path, text, error);
}

void
instance_keep (Instance *instance)
{
    g_autoptr (GError) error = NULL;
    if (!instance_save (instance, &error))
        vdc_log (VDC_LOG_ERROR, "cannot write a member's record, going on", "member", instance->spec->key,
                 "error", error->message, NULL);
}

void
instance_tell (Instance *instance)
{
    instance->listener.changed (instance, instance->listener.user_data);
}

/* The one place where the state changes. */
void
instance_move (Instance *instance, VmState to)
{
    if (instance->vm != to) {
        vdc_log (VDC_LOG_INFO, "member moves", "application", instance->spec->application, "member",
                 instance->spec->member, "operation", instance->spec->operation, "from",
                 vm_state_name (instance->vm), "to", vm_state_name (to), NULL);
        g_free (instance->since);
        instance->since = clock_stamp (clock_real ());
    }
    instance->vm = to;
    instance->moved_us = g_get_monotonic_time ();
    instance_keep (instance);
    instance_tell (instance);
}

void
instance_set_error (Instance *instance, const char *at, const GError *error)
{
    g_clear_pointer (&instance->error, json_decref);
    if (error == NULL)
        return;
    instance->error = error_json (at, error);
    vdc_log (VDC_LOG_WARNING, "member has an error", "application", instance->spec->application, "member",
             instance->spec->member, "step", at, "error", error->message, NULL);
}

void
instance_set_exit (Instance *instance, const char *exit)
{
    g_free (instance->exit);
    instance->exit = g_strdup (exit);
}

void
instance_take_tail (Instance *instance)
{
    g_free (instance->tail);
    instance->tail = console_tail_text (instance->console, TAIL_LINES);
}

/* A spec without its secrets (they are not kept over a restart) is as good as none: generation -1 has it sent
 * again. */
json_t *
instance_report (Instance *instance)
{
    json_t *counters = instance->counters ? json_copy (instance->counters) : json_object ();

    json_put (counters, "guest", json_copy (instance->guest.counters));
    return json_pack (
        "{s:s, s:s, s:I, s:s, s:I, s:s, s:o, s:O?, s:o, s:o, s:s, s:o}", "application",
        instance->spec->application, "member", instance->spec->member, "generation",
        spec_is_whole (instance->spec) ? (json_int_t)instance->spec->generation : (json_int_t)-1, "operation",
        instance->spec->operation, "incarnation", (json_int_t)MAX (instance->have, 0), "vm",
        vm_state_name (instance->vm), "guest", guest_state_report (&instance->guest), "error",
        instance->error, "exit", json_str_new (instance->exit), "console_tail", json_str_new (instance->tail),
        "since", instance->since, "counters", counters);
}

static VmState
parse_state (const char *name)
{
    for (VmState state = VM_ABSENT; state <= VM_FAILED; state++)
        if (strcmp (vm_state_name (state), name) == 0)
            return state;
    return VM_STOPPED;
}

static void
take_guest_back (Instance *instance, const json_t *record)
{
    g_autoptr (json_t) state = json_pack ("{s:s}", "state", json_str (record, "guest_state", "booting"));
    guest_state_take (&instance->guest, "state", state);
    instance->guest.configured = json_int (record, "guest_configured", 0);
}

Instance *
instance_load (const Host *host, const char *path, const InstanceListener *listener, GError **error)
{
    g_autoptr (json_t) record = json_parse_file (path, error);
    if (record == NULL)
        return NULL;
    g_autoptr (Spec) spec = spec_new (json_object_get (record, "spec"), NULL, NULL, error);
    if (spec == NULL)
        return NULL;
    Instance *instance = instance_make (host, spec, listener);
    json_t *problem = json_object_get (record, "error");

    instance->vm = parse_state (json_str (record, "vm", ""));
    instance->have = json_int (record, "have", -1);
    instance->exit = g_strdup (json_str (record, "exit", NULL));
    instance->error = json_is_object (problem) ? json_incref (problem) : NULL;
    instance->tail = g_strdup (json_str (record, "console_tail", NULL));
    instance->deleting = (Deleting)CLAMP (json_int (record, "deleting", 0), 0, 2);
    instance->dirty = TRUE;
    g_free (instance->since);
    instance->since = g_strdup (json_str (record, "since", ""));
    take_guest_back (instance, record);
    return instance;
}
