/* The connection to libvirt, with libvirt's own test driver: no daemon, no QEMU. */
#include "vdc/agent/hypervisor.h"

static gboolean connected;

static void
on_event (const char *uuid, HypervisorEvent event, const char *detail, gpointer user_data)
{
    g_error ("an event of a VM that is not ours: %s", uuid);
}

static void
on_connected (gboolean now, gpointer user_data)
{
    connected = now;
}

static gboolean
out_of_time (gpointer user_data)
{
    g_error ("no connection within 10 s");
    return G_SOURCE_REMOVE;
}

static void
test_connects (void)
{
    HypervisorListener listener = {on_event, on_connected, NULL};
    Hypervisor *hypervisor = hypervisor_libvirt_new ("test:///default", &listener);
    guint limit = g_timeout_add_seconds (10, out_of_time, NULL);
    g_autoptr (GError) error = NULL;

    while (!connected)
        g_main_context_iteration (NULL, TRUE);
    g_source_remove (limit);
    g_assert_cmpstr (hypervisor->ops->library_version (hypervisor), !=, "");
    g_autoptr (GPtrArray) vms = hypervisor->ops->list (hypervisor, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (vms->len, ==, 0); /* the driver's own VM "test" is not ours */
    g_assert_true (hypervisor->ops->destroy (hypervisor, "00000000-0000-4000-8000-000000000000", &error));
    g_assert_false (hypervisor->ops->resume (hypervisor, "00000000-0000-4000-8000-000000000000", &error));
    g_assert_nonnull (error);
    hypervisor_free (hypervisor);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/hypervisor-libvirt/connects-and-lists", test_connects);
    return g_test_run ();
}
