#include "vdc/controller/scheduler.h"

#include <string.h>

#include "vdc/base/error.h"

#define MB ((gint64)1024 * 1024)

static void
no_room_names_the_best_server (void)
{
    const SchedulerServer servers[] = {{"s1", 512 * MB, 416 * MB, NULL}, {"s2", 512 * MB, 500 * MB, NULL}};
    SchedulerMember members[] = {{.name = "web.1", .group = "web", .memory_bytes = 64 * MB},
                                 {.name = "web.2", .group = "web", .memory_bytes = 192 * MB}};
    g_autoptr (GError) error = NULL;
    SchedulerRefusal refusal = {0};
    g_assert_false (scheduler_place (servers, 2, members, 2, &refusal, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY);
    g_assert_cmpstr (error->message, ==,
                     "cannot place 'web.2': no server has 192 MB free (most: 96 MB on s1)");
    g_assert_cmpstr (refusal.member, ==, "web.2");
    g_assert_nonnull (strstr (refusal.remedy, "less memory"));
    g_assert_null (members[0].on);
}

static void
memory_is_never_overcommitted (void)
{
    const SchedulerServer servers[] = {{"s1", 100 * MB, 0, NULL}, {"s2", 100 * MB, 40 * MB, NULL}};
    SchedulerMember members[5] = {0};
    for (guint i = 0; i < 5; i++) {
        members[i].name = members[i].group = "x";
        members[i].memory_bytes = 30 * MB;
    }
    g_assert_true (scheduler_place (servers, 2, members, 5, NULL, NULL));
    guint on_first = 0;
    for (guint i = 0; i < 5; i++)
        on_first += members[i].on == &servers[0];
    g_assert_cmpuint (on_first, ==, 3);
    SchedulerMember sixth[6] = {0};
    for (guint i = 0; i < 6; i++) {
        sixth[i].name = sixth[i].group = "x";
        sixth[i].memory_bytes = 30 * MB;
    }
    g_assert_false (scheduler_place (servers, 2, sixth, 6, NULL, NULL));
}

static void
what_a_vm_takes_on_top_counts (void)
{
    const SchedulerServer servers[] = {{"s1", 300 * MB, 0, NULL}};
    SchedulerMember members[] = {{.name = "a", .memory_bytes = 100 * MB, .overhead_bytes = 40 * MB},
                                 {.name = "b", .memory_bytes = 100 * MB, .overhead_bytes = 40 * MB},
                                 {.name = "c", .memory_bytes = 10 * MB, .overhead_bytes = 40 * MB}};
    g_autoptr (GError) error = NULL;
    g_assert_true (scheduler_place (servers, 1, members, 2, NULL, NULL));
    g_assert_false (scheduler_place (servers, 1, members, 3, NULL, &error));
    g_assert_cmpstr (error->message, ==, "cannot place 'c': no server has 10 MB free (most: 0 MB on s1)");
}

static void
a_member_goes_where_its_volumes_are (void)
{
    const SchedulerServer servers[] = {{"s1", 900 * MB, 0, NULL}, {"s2", 100 * MB, 0, NULL}};
    SchedulerMember members[] = {{.name = "db", .memory_bytes = 50 * MB, .bound = "s2"},
                                 {.name = "web", .memory_bytes = 80 * MB}};
    g_assert_true (scheduler_place (servers, 2, members, 2, NULL, NULL));
    g_assert_cmpstr (members[0].on->name, ==, "s2");
    g_assert_cmpstr (members[1].on->name, ==, "s1");
}

static void
a_silent_server_is_said (void)
{
    const SchedulerServer servers[] = {{"s1", 900 * MB, 0, "is down"}};
    SchedulerMember members[] = {{.name = "db", .memory_bytes = 50 * MB, .bound = "s1"}};
    g_autoptr (GError) error = NULL;
    g_assert_false (scheduler_place (servers, 1, members, 1, NULL, &error));
    g_assert_cmpstr (error->message, ==, "cannot place 'db': server s1 is down and holds its volumes");
    g_clear_error (&error);
    g_assert_false (scheduler_place (NULL, 0, members, 1, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_NO_CAPACITY);
}

static void
spread_members_go_apart_and_others_stay_together (void)
{
    const SchedulerServer servers[] = {{"s1", 900 * MB, 0, NULL}, {"s2", 800 * MB, 0, NULL}};
    SchedulerMember spread[] = {{.name = "a.1", .group = "a", .memory_bytes = 10 * MB, .spread = TRUE},
                                {.name = "a.2", .group = "a", .memory_bytes = 10 * MB, .spread = TRUE}};
    SchedulerMember together[] = {{.name = "b.1", .group = "b", .memory_bytes = 400 * MB},
                                  {.name = "b.2", .group = "b", .memory_bytes = 400 * MB}};
    g_assert_true (scheduler_place (servers, 2, spread, 2, NULL, NULL));
    g_assert_true (spread[0].on != spread[1].on);
    g_assert_true (scheduler_place (servers, 2, together, 2, NULL, NULL));
    g_assert_true (together[0].on == together[1].on);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/scheduler/no-room-names-best-server", no_room_names_the_best_server);
    g_test_add_func ("/scheduler/memory-is-never-overcommitted", memory_is_never_overcommitted);
    g_test_add_func ("/scheduler/overhead-of-vms-counts", what_a_vm_takes_on_top_counts);
    g_test_add_func ("/scheduler/volumes-decide", a_member_goes_where_its_volumes_are);
    g_test_add_func ("/scheduler/silent-server-is-said", a_silent_server_is_said);
    g_test_add_func ("/scheduler/spread-and-together", spread_members_go_apart_and_others_stay_together);
    return g_test_run ();
}
