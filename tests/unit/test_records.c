#include "vdc/controller/records.h"

#include "vdc/base/error.h"
#include "vdc/controller/seed.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
an_application_reads_back_as_written (void)
{
    g_autoptr (ApplicationRecord) application = application_record_new (NULL);
    application->name = g_strdup ("shop");
    application->revision = 7;
    application->debug = TRUE;
    application->applied = json_pack ("{s:s}", "application", "shop");
    MemberRecord *member = application_record_add (application, "web.1");
    member->on = TRUE;
    member->generation = 3;
    json_array_append_new (member->failures, json_integer (5));
    g_autoptr (json_t) stored = application_record_json (application);
    g_autoptr (ApplicationRecord) again = application_record_new (stored);
    g_autoptr (json_t) twice = application_record_json (again);
    g_assert_true (json_equal (stored, twice));
    g_assert_true (application_record_member (again, "web.1")->on);
    g_assert_null (application_record_member (again, "web.2"));
}

static void
an_older_record_lacks_keys (void)
{
    g_autoptr (json_t) old = json_pack ("{s:s, s:[{s:s}]}", "name", "shop", "members", "name", "db");
    g_autoptr (ApplicationRecord) application = application_record_new (old);
    g_assert_cmpint (application->revision, ==, 0);
    g_assert_false (application_record_member (application, "db")->on);
}

static void
gone_is_the_agents_own_word (void)
{
    MemberRecord member = {.server = (char *)"s1", .known = TRUE, .fresh = TRUE};
    g_assert_true (member_is_gone (&member));
    member.sent = TRUE;
    g_assert_false (member_is_gone (&member));
    member.sent = FALSE;
    member.fresh = FALSE;
    g_assert_false (member_is_gone (&member));
    member.fresh = TRUE;
    member.known = FALSE;
    g_assert_false (member_is_gone (&member));
    member.server = NULL;
    g_assert_true (member_is_gone (&member));
}

/* Nobody waits for a day, or fails at once, because somebody set the clock. */
static void
times_follow_the_clock (void)
{
    g_autoptr (ApplicationRecord) application = application_record_new (NULL);
    MemberRecord *member = application_record_add (application, "web.1");
    json_array_append_new (member->failures, json_integer (500));
    member->timer_us = 1000;
    application_record_shift (application, -400);
    g_assert_cmpint (member->timer_us, ==, 600);
    g_assert_cmpint (member->drain_end_us, ==, 0);
    g_assert_cmpint (json_integer_value (json_array_get (member->failures, 0)), ==, 100);
    application_record_clamp (application, 700);
    g_assert_cmpint (member->timer_us, ==, 600);
    g_assert_cmpuint (json_array_size (member->failures), ==, 1);
    application_record_clamp (application, 200);
    g_assert_cmpint (member->timer_us, ==, 200);
    g_assert_cmpuint (json_array_size (member->failures), ==, 0);
}

static void
a_seed_is_the_same_tar_every_time (void)
{
    g_autofree char *folder = g_dir_make_tmp ("vdc-seed-XXXXXX", NULL);
    g_autofree char *below = g_build_filename (folder, "sub", NULL),
                    *file = g_build_filename (below, "a.txt", NULL);
    g_autofree char *link = g_build_filename (folder, "link", NULL);
    g_mkdir (below, 0700);
    g_assert_true (g_file_set_contents (file, "hello", 5, NULL));
    g_assert_cmpint (symlink ("/etc/passwd", link), ==, 0);
    g_autoptr (GBytes) tar = seed_pack (folder, NULL);
    g_autoptr (GBytes) again = seed_pack (folder, NULL);
    const char *data = g_bytes_get_data (tar, NULL);
    g_assert_true (g_bytes_equal (tar, again));
    g_assert_cmpuint (g_bytes_get_size (tar), ==, 5 * 512);
    g_assert_cmpstr (data, ==, "sub/");
    g_assert_cmpstr (data + 512, ==, "sub/a.txt");
    g_assert_cmpint (memcmp (data + 1024, "hello", 5), ==, 0);
    g_unlink (file);
    g_rmdir (below);
    g_unlink (link);
    g_rmdir (folder);
    g_autoptr (GError) error = NULL;
    g_assert_null (seed_pack (folder, &error));
    g_assert_true (vdc_error_is_not_found (error));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/records/times-follow-the-clock", times_follow_the_clock);
    g_test_add_func ("/records/round-trip", an_application_reads_back_as_written);
    g_test_add_func ("/records/older-record", an_older_record_lacks_keys);
    g_test_add_func ("/records/gone-is-the-agents-word", gone_is_the_agents_own_word);
    g_test_add_func ("/seed/same-bytes-no-links", a_seed_is_the_same_tar_every_time);
    return g_test_run ();
}
