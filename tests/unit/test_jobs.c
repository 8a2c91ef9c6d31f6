#include "vdc/controller/job_undo.h"
#include "vdc/controller/jobs.h"

static void
what_a_cancel_wishes_for (void)
{
    static const struct {
        UndoFacts facts;
        Undo undo;
    } rows[] = {
        {{"start", PHASE_STARTING}, UNDO_BY_STOP},
        {{"start", PHASE_RUNNING}, UNDO_REFUSED},
        {{"start", PHASE_FAILING}, UNDO_REFUSED},
        {{"start", PHASE_RUNNING, .of_members = TRUE}, UNDO_OF_MEMBERS},
        {{"stop", PHASE_STOPPING}, UNDO_BY_START},
        {{"stop", PHASE_STOPPED}, UNDO_REFUSED},
        {{"stop", PHASE_RUNNING, .of_members = TRUE}, UNDO_OF_MEMBERS},
        {{"restart", PHASE_STOPPING, .then_start = TRUE}, UNDO_BY_START},
        {{"restart", PHASE_STARTING}, UNDO_REFUSED},
        {{"restart", PHASE_RUNNING}, UNDO_REFUSED},
        {{"apply", PHASE_RUNNING, .described = TRUE}, UNDO_OF_DESCRIPTION},
        {{"scale", PHASE_RUNNING, .described = TRUE}, UNDO_OF_DESCRIPTION},
        {{"config", PHASE_STARTING, .described = TRUE}, UNDO_OF_DESCRIPTION},
        {{"apply", PHASE_RUNNING}, UNDO_REFUSED},
        {{"destroy", PHASE_STOPPED}, UNDO_REFUSED},
    };
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        const char *reason = NULL;
        g_assert_cmpint (job_undo (&rows[i].facts, &reason), ==, rows[i].undo);
        g_assert_true ((reason != NULL) == (rows[i].undo == UNDO_REFUSED));
    }
}

static void
each_step_says_what_a_cancel_does_about_it (void)
{
    g_assert_cmpstr (job_undo_text ("start", "start"), ==, "stopped again");
    g_assert_cmpstr (job_undo_text ("stop", "stop"), ==, "started again");
    g_assert_null (job_undo_text ("restart", "start"));
    g_assert_null (job_undo_text ("destroy", "stop"));
    g_assert_null (job_undo_text ("destroy", "erase"));
}

static void
the_end_is_guessed_where_it_can_be (void)
{
    g_assert_cmpint (job_eta_s (3, 10, 0, 5), ==, 7); /* by the last one like it */
    g_assert_cmpint (job_eta_s (10, 10, 4, 5), ==, 0);
    g_assert_cmpint (job_eta_s (12, 10, 3, 5), ==, 8); /* it takes longer than that one: by its steps */
    g_assert_cmpint (job_eta_s (8, -1, 2, 6), ==, 16);
    g_assert_cmpint (job_eta_s (8, -1, 6, 6), ==, 0);
    g_assert_cmpint (job_eta_s (8, -1, 0, 6), ==, -1);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/jobs/what-a-cancel-wishes-for", what_a_cancel_wishes_for);
    g_test_add_func ("/jobs/each-step-says-what-a-cancel-does", each_step_says_what_a_cancel_does_about_it);
    g_test_add_func ("/jobs/the-end-is-guessed-where-it-can-be", the_end_is_guessed_where_it_can_be);
    return g_test_run ();
}
