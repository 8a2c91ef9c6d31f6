#include "vdc/controller/lifecycle.h"

static void
members (void)
{
    static const struct {
        MemberFacts facts;
        State state;
    } rows[] = {
        {{.gone = TRUE}, STATE_STOPPED},
        {{.gone = FALSE}, STATE_STOPPING},
        {{.gone = TRUE, .spare = TRUE}, STATE_STANDBY},
        {{.gone = FALSE, .spare = TRUE}, STATE_STOPPING},
        {{.failed = TRUE, .gone = TRUE}, STATE_FAILED},
        {{.on = TRUE}, STATE_STARTING},
        {{.on = TRUE, .current = TRUE, .guest = "configuring"}, STATE_STARTING},
        {{.on = TRUE, .current = TRUE, .guest = "ready"}, STATE_RUNNING},
        {{.on = TRUE, .current = TRUE, .guest = "ready", .misses = 2}, STATE_RUNNING},
        {{.on = TRUE, .current = TRUE, .guest = "ready", .misses = 3}, STATE_DEGRADED},
        {{.on = TRUE, .current = TRUE, .guest = "ready", .hurt = TRUE}, STATE_DEGRADED},
        {{.on = TRUE, .current = TRUE, .guest = "booting", .hurt = TRUE}, STATE_STARTING},
        {{.on = TRUE, .current = TRUE, .guest = "maintenance"}, STATE_MAINTENANCE},
        {{.on = TRUE, .was_ready = TRUE}, STATE_RESTARTING},
        {{.on = TRUE, .was_ready = TRUE, .current = FALSE, .guest = "ready"}, STATE_RESTARTING},
        {{.on = TRUE, .silent = TRUE, .current = TRUE, .guest = "ready"}, STATE_UNKNOWN},
        {{.on = TRUE, .failed = TRUE, .current = TRUE, .guest = "ready"}, STATE_FAILED},
    };
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        g_assert_cmpstr (state_name (lifecycle_member (&rows[i].facts)), ==, state_name (rows[i].state));
}

static void
applications (void)
{
    const State whole[] = {STATE_RUNNING, STATE_RUNNING}, part[] = {STATE_RUNNING, STATE_RESTARTING};
    const State silent[] = {STATE_RUNNING, STATE_UNKNOWN};
    g_assert_cmpint (lifecycle_application (PHASE_RUNNING, FALSE, whole, 2), ==, STATE_RUNNING);
    g_assert_cmpint (lifecycle_application (PHASE_RUNNING, FALSE, part, 2), ==, STATE_DEGRADED);
    g_assert_cmpint (lifecycle_application (PHASE_RUNNING, FALSE, silent, 2), ==, STATE_UNKNOWN);
    g_assert_cmpint (lifecycle_application (PHASE_STARTING, FALSE, part, 2), ==, STATE_STARTING);
    g_assert_cmpint (lifecycle_application (PHASE_STARTING, TRUE, part, 2), ==, STATE_FAILED);
    g_assert_cmpint (lifecycle_application (PHASE_FAILING, TRUE, part, 2), ==, STATE_STOPPING);
    g_assert_cmpint (lifecycle_application (PHASE_STOPPED, TRUE, part, 2), ==, STATE_FAILED);
    g_assert_cmpint (lifecycle_application (PHASE_STOPPED, FALSE, part, 2), ==, STATE_STOPPED);
}

static void
moves (void)
{
    g_assert_false (lifecycle_member_may_move (STATE_STOPPED, STATE_RUNNING));
    g_assert_false (lifecycle_member_may_move (STATE_STOPPED, STATE_RESTARTING));
    g_assert_false (lifecycle_application_may_move (STATE_STOPPED, STATE_RUNNING));
    for (guint i = 0; i < N_STATES; i++) {
        g_assert_cmpint (state_from_name (state_name ((State)i)), ==, i);
        g_assert_false (lifecycle_member_may_move ((State)i, (State)i));
        if (i != STATE_STOPPED && i != STATE_STANDBY && i != STATE_STOPPING)
            g_assert_true (lifecycle_member_may_move ((State)i, STATE_STOPPING));
    }
    for (guint i = 0; i < N_PHASES; i++)
        g_assert_cmpint (phase_from_name (phase_name ((Phase)i)), ==, i);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/lifecycle/members", members);
    g_test_add_func ("/lifecycle/applications", applications);
    g_test_add_func ("/lifecycle/moves", moves);
    return g_test_run ();
}
