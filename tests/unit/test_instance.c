/* The decision as a table; the whole object over the fake hypervisor, faults included. */
#include "tests/unit/agent_fixture.h"
#include "vdc/agent/instance.h"
#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <string.h>

/* --- the decision
 * ------------------------------------------------------------------------------------------------- */

static InstanceAction
decide (VmState vm, gboolean power, gint64 wanted, gint64 have, const char *flags)
{
    InstanceView view = {.vm = vm,
                         .known = strchr (flags, 'u') == NULL,
                         .busy = strchr (flags, 'b') != NULL,
                         .grace = strchr (flags, 'g') != NULL,
                         .dirty = strchr (flags, 'd') != NULL,
                         .wires_stale = strchr (flags, 'w') != NULL,
                         .deleting = strchr (flags, 'x') != NULL,
                         .power = power,
                         .wanted = wanted,
                         .have = have};
    return instance_decide (&view);
}

static void
test_decide (void)
{
    static const struct {
        VmState vm;
        gboolean power;
        gint64 wanted, have;
        const char *flags;
        InstanceAction action;
    } cases[] = {
        {VM_ABSENT, TRUE, 1, -1, "", DO_START},
        {VM_ABSENT, TRUE, 1, -1, "d", DO_CLEAN},
        {VM_ABSENT, TRUE, 1, -1, "u", DO_NOTHING},
        {VM_ABSENT, TRUE, 1, -1, "b", DO_NOTHING},
        {VM_ABSENT, FALSE, 1, -1, "", DO_NOTHING},
        {VM_RUNNING, TRUE, 1, 1, "", DO_NOTHING},
        {VM_RUNNING, TRUE, 1, 1, "w", DO_WIRES},
        {VM_RUNNING, TRUE, 2, 1, "w", DO_STOP},
        {VM_RUNNING, FALSE, 1, 1, "d", DO_STOP},
        {VM_RUNNING, TRUE, 1, 1, "x", DO_DESTROY},
        {VM_STOPPING, FALSE, 1, 1, "g", DO_NOTHING},
        {VM_STOPPING, FALSE, 1, 1, "gx", DO_DESTROY},
        {VM_STOPPING, FALSE, 1, 1, "", DO_DESTROY},
        {VM_STOPPED, TRUE, 1, 1, "", DO_NOTHING}, /* an incarnation is tried once */
        {VM_STOPPED, TRUE, 2, 1, "d", DO_CLEAN},
        {VM_STOPPED, TRUE, 2, 1, "", DO_START},
        {VM_STOPPED, FALSE, 2, 1, "x", DO_DELETE},
        {VM_FAILED, TRUE, 1, 1, "", DO_NOTHING},
        {VM_FAILED, TRUE, 2, 1, "", DO_START},
        {VM_FAILED, TRUE, 2, 1, "dx", DO_CLEAN},
        {VM_PREPARING, TRUE, 1, 0, "d", DO_CLEAN}, /* an agent died in the middle */
        {VM_PREPARING, TRUE, 1, 0, "", DO_START},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        InstanceAction action =
            decide (cases[i].vm, cases[i].power, cases[i].wanted, cases[i].have, cases[i].flags);
        if (action != cases[i].action)
            g_error ("case %u (%s, \"%s\"): action %d, not %d", i, vm_state_name (cases[i].vm),
                     cases[i].flags, action, cases[i].action);
    }
}

/* --- the object
 * --------------------------------------------------------------------------------------------------- */

typedef struct {
    char *folder;
    Host host;
    Instance *instance;
    gboolean gone;
} Fixture;

static void
on_event (const char *uuid, HypervisorEvent event, const char *detail, gpointer user_data)
{
    Fixture *f = user_data;
    if (f->instance != NULL && strcmp (uuid, instance_uuid (f->instance)) == 0)
        instance_event (f->instance, event, detail);
}

static void
on_connected (gboolean connected, gpointer user_data)
{
}

static void
on_changed (Instance *instance, gpointer user_data)
{
}

static void
on_gone (Instance *instance, gpointer user_data)
{
    Fixture *f = user_data;
    g_clear_pointer (&f->instance, instance_free);
    f->gone = TRUE;
}

static void
set_up (Fixture *f, gconstpointer faults)
{
    HypervisorListener listener = {on_event, on_connected, f};

    if (faults != NULL)
        g_setenv ("VDC_FAKE_FAULTS", faults, TRUE);
    else
        g_unsetenv ("VDC_FAKE_FAULTS");
    f->folder = g_dir_make_tmp ("vdc-inst-XXXXXX", NULL);
    f->host = (Host){.server = (char *)"s1", .state_folder = f->folder, .accel = (char *)"tcg"};
    f->host.run_folder = g_build_filename (f->folder, "run", NULL);
    g_mkdir_with_parents (f->host.run_folder, 0700);
    f->host.disks = disks_new (f->folder, f->folder, TRUE, NULL);
    f->host.cgroups = cgroups_new ("/nonexistent", "x");
    f->host.hypervisor = hypervisor_fake_new (f->folder, &listener);
}

static void
until_idle (Fixture *f)
{
    while ((f->instance != NULL && instance_is_busy (f->instance)) || g_main_context_pending (NULL))
        g_main_context_iteration (NULL, TRUE);
}

static void
tear_down (Fixture *f, gconstpointer faults)
{
    until_idle (f);
    instance_free (f->instance);
    while (g_main_context_iteration (NULL, FALSE))
        ;
    hypervisor_free (f->host.hypervisor);
    cgroups_free (f->host.cgroups);
    disks_free (f->host.disks);
    file_remove_tree (f->folder, NULL);
    g_free (f->host.run_folder);
    g_free (f->folder);
}

static InstanceListener
listener_of (Fixture *f)
{
    return (InstanceListener){on_changed, on_gone, f};
}

static json_t *
spec_with (const char *power, gint64 incarnation)
{
    json_t *document = fixture_spec ();
    json_put (document, "power", json_string (power));
    json_put (document, "incarnation", json_integer (incarnation));
    return document;
}

static void
put (Fixture *f, json_t *document)
{
    g_autoptr (Spec) spec = fixture_parse (document);
    g_autoptr (GError) error = NULL;
    InstanceListener listener = listener_of (f);

    if (f->instance == NULL)
        f->instance = instance_new (&f->host, spec, &listener, &error);
    else
        instance_put (f->instance, spec, &error);
    g_assert_no_error (error);
}

static const char *
guest_word (Fixture *f)
{
    g_autoptr (json_t) report = instance_report (f->instance);
    return g_intern_string (json_str (json_object_get (report, "guest"), "state", ""));
}

static gboolean
out_of_time (gpointer user_data)
{
    g_error ("not reached within 10 s: %s", (const char *)user_data);
    return G_SOURCE_REMOVE;
}

#define UNTIL(condition)                                                                                     \
    do {                                                                                                     \
        guint limit = g_timeout_add_seconds (10, out_of_time, (gpointer) #condition);                        \
        while (!(condition))                                                                                 \
            g_main_context_iteration (NULL, TRUE);                                                           \
        g_source_remove (limit);                                                                             \
    } while (0)

static gboolean
is_vm (Fixture *f, VmState state)
{
    return instance_vm (f->instance) == state && !instance_is_busy (f->instance);
}

static void
test_start_stop (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 1));
    UNTIL (is_vm (f, VM_RUNNING));
    UNTIL (strcmp (guest_word (f), "ready") == 0);
    g_autoptr (json_t) report = instance_report (f->instance);
    g_assert_cmpint (json_int (json_object_get (report, "guest"), "configured", 0), ==, 1);
    put (f, spec_with ("off", 1));
    UNTIL (is_vm (f, VM_STOPPED));
    g_autoptr (json_t) stopped = instance_report (f->instance);
    g_assert_true (json_is_null (json_object_get (stopped, "exit")));
    /* The same incarnation does not start by itself again, a higher one does. */
    put (f, spec_with ("on", 1));
    until_idle (f);
    g_assert_true (is_vm (f, VM_STOPPED));
    put (f, spec_with ("on", 2));
    UNTIL (is_vm (f, VM_RUNNING));
}

static void
test_restart (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 1));
    UNTIL (strcmp (guest_word (f), "ready") == 0);
    put (f, spec_with ("on", 2));
    UNTIL (instance_vm (f->instance) == VM_STOPPING);
    UNTIL (is_vm (f, VM_RUNNING));
    g_autoptr (json_t) report = instance_report (f->instance);
    g_assert_cmpint (json_int (report, "incarnation", 0), ==, 2);
}

static void
test_crash (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 1));
    UNTIL (is_vm (f, VM_STOPPED));
    until_idle (f);
    g_autoptr (json_t) report = instance_report (f->instance);
    g_assert_cmpstr (json_str (report, "exit", ""), ==, "crashed");
    g_assert_nonnull (strstr (json_str (report, "console_tail", ""), "ready"));
}

static void
test_kill (Fixture *f, gconstpointer faults)
{
    g_autoptr (GError) error = NULL;

    put (f, spec_with ("on", 1));
    UNTIL (is_vm (f, VM_RUNNING));
    g_assert_true (instance_kill (f->instance, NULL));
    UNTIL (is_vm (f, VM_STOPPED));
    g_autoptr (json_t) report = instance_report (f->instance);
    g_assert_cmpstr (json_str (report, "exit", ""), ==, "crashed");
    until_idle (f);
    g_assert_false (instance_kill (f->instance, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
}

static void
test_stubborn (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 1));
    UNTIL (strcmp (guest_word (f), "ready") == 0);
    put (f, spec_with ("off", 1)); /* its stop_timeout_s is 1 */
    UNTIL (is_vm (f, VM_STOPPED));
}

static json_t *
with_volume (gint64 incarnation)
{
    json_t *document = spec_with ("on", incarnation);
    json_put (document, "volumes",
              json_pack ("[{s:s, s:s, s:s, s:s, s:i}]", "slot", "data", "id", "0123456789abcdef", "name", "d",
                         "serial", "vol-data", "size_bytes", 1048576));
    return document;
}

static void
test_failed_start_leaves_nothing (Fixture *f, gconstpointer faults)
{
    g_assert_true (volume_create (f->host.disks, "0123456789abcdef", "d", "shop", 1048576, "ext4", NULL));
    put (f, with_volume (1));
    UNTIL (is_vm (f, VM_FAILED));
    until_idle (f);
    g_autoptr (json_t) report = instance_report (f->instance);
    json_t *error = json_object_get (report, "error");
    g_assert_cmpstr (json_str (error, "step", ""), ==, "domain");
    g_assert_cmpstr (json_str (error, "code", ""), ==, "failed");
    g_assert_cmpuint (strlen (json_str (error, "remedy", "")), >, 10);
    g_autoptr (json_t) volume = volume_get (f->host.disks, "0123456789abcdef", NULL);
    g_assert_true (json_is_null (json_object_get (volume, "writer")));
    g_autoptr (json_t) roots = disk_root_list (f->host.disks);
    g_assert_cmpuint (json_array_size (roots), ==, 0);
    g_autoptr (GPtrArray) vms = f->host.hypervisor->ops->list (f->host.hypervisor, NULL);
    g_assert_cmpuint (vms->len, ==, 0);
}

static void
test_volume_step (Fixture *f, gconstpointer faults)
{
    put (f, with_volume (1)); /* there is no such volume */
    UNTIL (is_vm (f, VM_FAILED));
    g_autoptr (json_t) report = instance_report (f->instance);
    json_t *error = json_object_get (report, "error");
    g_assert_cmpstr (json_str (error, "step", ""), ==, "volume");
    g_assert_cmpstr (json_str (error, "code", ""), ==, "not_found");
}

static void
test_delete (Fixture *f, gconstpointer faults)
{
    g_autofree char *record = host_record_path (&f->host, "shop", "web.1");

    put (f, spec_with ("on", 1));
    UNTIL (is_vm (f, VM_RUNNING));
    g_assert_true (g_file_test (record, G_FILE_TEST_EXISTS));
    g_assert_true (instance_delete (f->instance, TRUE, NULL));
    g_autoptr (Spec) spec = fixture_parse (spec_with ("on", 9));
    g_assert_false (instance_put (f->instance, spec, NULL)); /* not while it goes */
    UNTIL (f->gone);
    g_assert_false (g_file_test (record, G_FILE_TEST_EXISTS));
    g_autoptr (json_t) roots = disk_root_list (f->host.disks);
    g_assert_cmpuint (json_array_size (roots), ==, 0);
    g_autofree char *console = host_console_path (&f->host, "shop", "web.1");
    g_assert_false (g_file_test (console, G_FILE_TEST_EXISTS));
}

/* What a new agent makes of the record and of what the hypervisor says. */
static void
reload_with (Fixture *f, const HypervisorVm *vm)
{
    g_autofree char *record = host_record_path (&f->host, "shop", "web.1");
    InstanceListener listener = listener_of (f);
    g_autoptr (GError) error = NULL;

    g_clear_pointer (&f->instance, instance_free);
    f->instance = instance_load (&f->host, record, &listener, &error);
    g_assert_no_error (error);
    instance_found (f->instance, vm, g_get_monotonic_time ());
}

static void
reload (Fixture *f, gboolean vm_is_there)
{
    g_autoptr (GPtrArray) vms = f->host.hypervisor->ops->list (f->host.hypervisor, NULL);
    g_assert_cmpuint (vms->len, ==, vm_is_there ? 1 : 0);
    reload_with (f, vm_is_there ? g_ptr_array_index (vms, 0) : NULL);
}

/* A repeated order in the moment before the member is forgotten: no record comes back, no console is missed.
 */
static void
test_delete_again (Fixture *f, gconstpointer faults)
{
    g_autofree char *record = host_record_path (&f->host, "shop", "web.1");

    put (f, spec_with ("on", 1));
    UNTIL (is_vm (f, VM_RUNNING));
    g_assert_true (instance_delete (f->instance, FALSE, NULL));
    while (!f->gone) {
        g_assert_true (instance_delete (f->instance, TRUE, NULL));
        g_autoptr (GBytes) tail = console_tail (instance_console (f->instance), 100);
        g_assert_nonnull (tail);
        g_main_context_iteration (NULL, TRUE);
    }
    while (g_main_context_iteration (NULL, FALSE))
        ;
    g_assert_false (g_file_test (record, G_FILE_TEST_EXISTS));
    g_autoptr (json_t) roots = disk_root_list (f->host.disks);
    g_assert_cmpuint (json_array_size (roots), ==, 0); /* the second order wanted it gone */
}

/* Switched off while a start could not go on for want of libvirt. */
static void
test_given_up (Fixture *f, gconstpointer faults)
{
    g_autofree char *record = host_record_path (&f->host, "shop", "web.1");

    put (f, spec_with ("off", 1));
    until_idle (f);
    g_autoptr (json_t) kept = json_parse_file (record, NULL);
    json_put (kept, "vm", json_string ("preparing")); /* an agent died in the middle of it */
    json_put (kept, "have", json_integer (1));
    g_autofree char *text = json_text (kept);
    g_assert_true (g_file_set_contents (record, text, -1, NULL));
    reload (f, FALSE);
    UNTIL (is_vm (f, VM_STOPPED));
}

static void
test_old_generation (Fixture *f, gconstpointer faults)
{
    g_autoptr (GError) error = NULL;
    json_t *old = spec_with ("off", 1);

    put (f, spec_with ("on", 1));
    json_put (old, "generation", json_integer (2));
    g_autoptr (Spec) spec = fixture_parse (old);
    g_assert_false (instance_put (f->instance, spec, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_CONFLICT);
}

static void
test_adopt (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 1));
    UNTIL (strcmp (guest_word (f), "ready") == 0);
    until_idle (f);
    reload (f, TRUE);
    g_assert_cmpint (instance_vm (f->instance), ==, VM_RUNNING);
    UNTIL (strcmp (guest_word (f), "ready") == 0);
    UNTIL (is_vm (f, VM_RUNNING));
}

/* libvirtd goes away in the middle: what a VM may use stays until it is known to be gone. */
static HypervisorOps broken;
static const HypervisorOps *real;
static gboolean away;

static gboolean
broken_resume (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    away = TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT, "libvirtd was killed");
    return FALSE;
}

static gboolean
broken_destroy (Hypervisor *hypervisor, const char *uuid, GError **error)
{
    if (!away)
        return real->destroy (hypervisor, uuid, error);
    g_set_error (error, VDC_ERROR, VDC_ERROR_UNREACHABLE, "no connection to libvirt");
    return FALSE;
}

static void
test_undo_waits_for_the_vm (Fixture *f, gconstpointer faults)
{
    real = f->host.hypervisor->ops;
    broken = *real;
    broken.resume = broken_resume;
    broken.destroy = broken_destroy;
    away = FALSE;
    g_assert_true (volume_create (f->host.disks, "0123456789abcdef", "d", "shop", 1048576, "ext4", NULL));
    f->host.hypervisor->ops = &broken;
    put (f, with_volume (1));
    UNTIL (away && is_vm (f, VM_PREPARING)); /* tried again when libvirt answers */
    f->host.hypervisor->ops = real;
    g_autoptr (json_t) volume = volume_get (f->host.disks, "0123456789abcdef", NULL);
    g_assert_cmpstr (json_str (volume, "writer", ""), ==, "shop/web.1");
    g_autoptr (json_t) roots = disk_root_list (f->host.disks);
    g_assert_cmpuint (json_array_size (roots), ==, 1);
    g_autoptr (GPtrArray) vms = f->host.hypervisor->ops->list (f->host.hypervisor, NULL);
    g_assert_cmpuint (vms->len, ==, 1);
    instance_found (f->instance, g_ptr_array_index (vms, 0), g_get_monotonic_time ());
    UNTIL (is_vm (f, VM_RUNNING));
}

/* Without its metadata a VM is not taken for one of incarnation 0, which would be stopped. */
static void
test_no_metadata (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 3));
    UNTIL (strcmp (guest_word (f), "ready") == 0);
    until_idle (f);
    g_autoptr (GPtrArray) vms = f->host.hypervisor->ops->list (f->host.hypervisor, NULL);
    HypervisorVm *vm = g_ptr_array_index (vms, 0);
    g_clear_pointer (&vm->application, g_free);
    vm->incarnation = 0;
    reload_with (f, vm);
    UNTIL (is_vm (f, VM_RUNNING));
    g_autoptr (json_t) report = instance_report (f->instance);
    g_assert_cmpint (json_int (report, "incarnation", 0), ==, 3);
}

static void
test_died_meanwhile (Fixture *f, gconstpointer faults)
{
    put (f, spec_with ("on", 1));
    UNTIL (is_vm (f, VM_RUNNING));
    Instance *instance = g_steal_pointer (&f->instance); /* nobody sees the event */
    f->host.hypervisor->ops->destroy (f->host.hypervisor, instance_uuid (instance), NULL);
    while (g_main_context_iteration (NULL, FALSE))
        ;
    f->instance = instance;
    reload (f, FALSE);
    UNTIL (is_vm (f, VM_STOPPED));
    g_autoptr (json_t) report = instance_report (f->instance);
    g_assert_cmpstr (json_str (report, "exit", ""), ==, "crashed");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/instance/decide", test_decide);
#define ADD(path, faults, function) g_test_add (path, Fixture, faults, set_up, function, tear_down)
    ADD ("/instance/start-stop", NULL, test_start_stop);
    ADD ("/instance/restart-by-incarnation", NULL, test_restart);
    ADD ("/instance/crash-is-an-exit-with-console-tail", "crash:*", test_crash);
    ADD ("/instance/kill", NULL, test_kill);
    ADD ("/instance/stubborn-guest-is-ended", "stubborn:WEB", test_stubborn);
    ADD ("/instance/failed-start-leaves-nothing", "start:WEB", test_failed_start_leaves_nothing);
    ADD ("/instance/missing-volume-names-the-step", NULL, test_volume_step);
    ADD ("/instance/delete", NULL, test_delete);
    ADD ("/instance/deleted-twice", NULL, test_delete_again);
    ADD ("/instance/start-given-up-is-stopped", NULL, test_given_up);
    ADD ("/instance/undo-waits-for-the-vm", NULL, test_undo_waits_for_the_vm);
    ADD ("/instance/found-without-metadata", NULL, test_no_metadata);
    ADD ("/instance/older-generation-is-refused", NULL, test_old_generation);
    ADD ("/instance/found-again", NULL, test_adopt);
    ADD ("/instance/died-while-nobody-looked", NULL, test_died_meanwhile);
    return g_test_run ();
}
