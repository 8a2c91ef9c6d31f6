#include "tests/unit/agent_fixture.h"
#include "vdc/agent/guest_state.h"
#include "vdc/base/error.h"

#include <string.h>

static void
refused (json_t *document, const char *text)
{
    g_autoptr (GError) error = NULL;
    g_assert_null (spec_new (document, NULL, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_INVALID);
    if (strstr (error->message, text) == NULL)
        g_error ("\"%s\" does not name %s", error->message, text);
    json_decref (document);
}

static void
test_members (void)
{
    static const char *const good[] = {"db", "web.1", "web.1.lb", "web.12.web.3", "a-b"};
    static const char *const bad[] = {"",      ".",      "..",      "web.", ".web",   "web..1",
                                      "1",     "Web",    "web/1",   "a\nb", "web.01", "web.12345",
                                      "web.-", "web.1/", "../../x", "a b"};

    for (guint i = 0; i < G_N_ELEMENTS (good); i++)
        g_assert_true (spec_is_member (good[i]));
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (spec_is_member (bad[i]));
    g_assert_false (spec_is_member (NULL));
    g_autofree char *longest = g_strnfill (300, 'a');
    g_assert_false (spec_is_member (longest));
}

static void
test_good (void)
{
    g_autoptr (Spec) spec = fixture_parse (fixture_spec ());

    g_assert_cmpstr (spec->key, ==, "shop/web.1");
    g_assert_cmpstr (spec->image_digest, ==, FIXTURE_DIGEST);
    g_assert_cmpuint (spec->memory_bytes, ==, 192 << 20);
    g_assert_cmpuint (spec->n_nics, ==, 1);
    g_assert_true (spec->power);
}

static void
set (json_t *document, const char *object, const char *key, json_t *value)
{
    json_put (object ? json_object_get (document, object) : document, key, value);
}

static void
test_hostile (void)
{
    static const struct {
        const char *object, *key, *value, *says;
    } cases[] = {
        {NULL, "application", "../etc", "application"},
        {NULL, "application", "a,b=c", "application"},
        {NULL, "application_id", "\"><x", "application_id"},
        {NULL, "application_id", "", "application_id"},
        {NULL, "member", "web.1/../..", "member"},
        {NULL, "power", "maybe", "power"},
        {"image", "digest", "sha256:../../../../etc/passwd", "digest"},
        {"image", "digest", "md5:1", "digest"},
        {"image", "format", "vmdk", "format"},
        {"image", "root", "../../etc/shadow", "image.root"},
        {"image", "kernel", "a/b", "image.root"},
        {"image", "initrd", ".hidden", "image.root"},
        {"image", "cmdline", "quiet\ninit=/bin/sh", "cmdline"},
        {"image", "cmdline", "x\xe2\x80\xaey", "cmdline"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        json_t *document = fixture_spec ();
        set (document, cases[i].object, cases[i].key, json_string (cases[i].value));
        refused (document, cases[i].says);
    }
}

static void
test_numbers (void)
{
    json_t *document = fixture_spec ();
    set (document, "resources", "cpu", json_real (-1));
    refused (document, "resources.cpu");
    document = fixture_spec ();
    set (document, "resources", "memory_bytes", json_integer (-4096));
    refused (document, "memory_bytes");
    document = fixture_spec ();
    set (document, NULL, "volumes",
         json_pack ("[{s:s, s:s, s:s, s:i}]", "slot", "data", "id", "../../x", "serial", "a", "size_bytes",
                    512));
    refused (document, "volumes.id");
    document = fixture_spec ();
    set (document, NULL, "volumes",
         json_pack ("[{s:s, s:s, s:s, s:i}]", "slot", "data", "id", "0123456789abcdef", "serial", "a,b=c",
                    "size_bytes", 512));
    refused (document, "volumes.serial");
}

/* One volume, or one serial, twice: QEMU would refuse late, the guest mount the wrong one. */
static void
test_volume_twice (void)
{
    static const char *const keys[] = {"slot", "id", "serial"};

    for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
        json_t *document = fixture_spec ();
        json_t *volumes = json_pack ("[{s:s, s:s, s:s, s:i}, {s:s, s:s, s:s, s:i}]", "slot", "data", "id",
                                     "0123456789abcdef", "serial", "vol-data", "size_bytes", 512, "slot",
                                     "log", "id", "0123456789abcdee", "serial", "vol-log", "size_bytes", 512);
        json_put (json_array_get (volumes, 1), keys[i],
                  json_incref (json_object_get (json_array_get (volumes, 0), keys[i])));
        set (document, NULL, "volumes", volumes);
        refused (document, "different for each volume");
    }
}

static void
test_nics (void)
{
    static const struct {
        const char *key, *value, *says;
    } cases[] = {{"mac", "02:00:00:00:00:0g", "mac"},
                 {"mac", "'/><x", "mac"},
                 {"address", "1.2.3", "address"},
                 {"terminal", "in'out", "terminal"},
                 {"side", "both", "side"}};

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        json_t *document = fixture_spec ();
        json_put (json_array_get (json_object_get (document, "nics"), 0), cases[i].key,
                  json_string (cases[i].value));
        refused (document, cases[i].says);
    }
    json_t *twice = fixture_spec ();
    json_t *nics = json_object_get (twice, "nics");
    json_array_append (nics, json_array_get (nics, 0));
    refused (twice, "terminal");
}

static void
test_guest_state (void)
{
    GuestState guest = {0};
    guest_state_reset (&guest);
    g_autoptr (json_t) ready =
        json_pack ("{s:s, s:s, s:i}", "state", "ready", "text", "ok\x01", "progress", 900);
    g_autoptr (json_t) odd = json_pack ("{s:s}", "state", "<script>");
    g_autoptr (json_t) counter = json_pack ("{s:s, s:i}", "name", "requests", "value", 7);

    g_assert_true (guest_state_take (&guest, "state", ready));
    g_assert_cmpint (guest.progress, ==, 100);
    guest_state_take (&guest, "state", odd);
    g_assert_cmpstr (guest.state, ==, "ready");
    g_assert_false (guest_state_take (&guest, "counter", counter));
    g_assert_false (guest_state_take (&guest, "whatever", counter));
    g_autoptr (json_t) report = guest_state_report (&guest);
    g_assert_cmpstr (json_str (report, "state", ""), ==, "ready");
    guest_state_clear (&guest);
}

static void
test_counters_are_bounded (void)
{
    GuestState guest = {0};
    guest_state_reset (&guest);
    for (int i = 0; i < 1000; i++) {
        g_autofree char *name = g_strdup_printf ("c%d", i);
        g_autoptr (json_t) counter = json_pack ("{s:s, s:i}", "name", name, "value", i);
        guest_state_take (&guest, "counter", counter);
    }
    g_assert_cmpuint (json_object_size (guest.counters), ==, GUEST_COUNTERS_MAX);
    guest_state_clear (&guest);
}

static void
test_settings_get_mtu (void)
{
    json_t *document = fixture_spec ();
    json_put (document, "guest",
              json_pack ("{s:i, s:[{s:s}, {s:s, s:i}]}", "revision", 4, "nics", "terminal", "in", "terminal",
                         "outside", "mtu", 1400));
    g_autoptr (Spec) spec = fixture_parse (document);
    g_autoptr (json_t) settings = guest_settings (spec, 1450);
    json_t *nics = json_object_get (settings, "nics");

    g_assert_cmpint (json_int (json_array_get (nics, 0), "mtu", 0), ==, 1450);
    g_assert_cmpint (json_int (json_array_get (nics, 1), "mtu", 0), ==, 1400);
    /* The spec itself is untouched. */
    g_assert_null (json_object_get (json_array_get (json_object_get (spec_guest (spec), "nics"), 0), "mtu"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/spec/members", test_members);
    g_test_add_func ("/spec/good", test_good);
    g_test_add_func ("/spec/hostile-text-is-refused", test_hostile);
    g_test_add_func ("/spec/numbers", test_numbers);
    g_test_add_func ("/spec/volume-twice", test_volume_twice);
    g_test_add_func ("/spec/nics", test_nics);
    g_test_add_func ("/guest-state/messages", test_guest_state);
    g_test_add_func ("/guest-state/counters-are-bounded", test_counters_are_bounded);
    g_test_add_func ("/guest-state/settings-get-the-mtu", test_settings_get_mtu);
    return g_test_run ();
}
