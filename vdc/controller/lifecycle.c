#include "vdc/controller/lifecycle.h"

#define MOVE(state) (1U << STATE_##state)

static const char *const state_names[N_STATES] = {
    [STATE_STOPPED] = "stopped",       [STATE_STARTING] = "starting", [STATE_RUNNING] = "running",
    [STATE_DEGRADED] = "degraded",     [STATE_STOPPING] = "stopping", [STATE_FAILED] = "failed",
    [STATE_UNKNOWN] = "unknown",       [STATE_STANDBY] = "standby",   [STATE_MAINTENANCE] = "maintenance",
    [STATE_RESTARTING] = "restarting",
};

static const char *const phase_names[N_PHASES] = {"stopped", "starting", "running", "stopping", "failing"};

/* A member that is on may be ready, not ready, silent or given up from one report to the next. */
#define WHEN_ON                                                                                              \
    (MOVE (RUNNING) | MOVE (DEGRADED) | MOVE (MAINTENANCE) | MOVE (FAILED) | MOVE (UNKNOWN) | MOVE (STOPPING))

static const guint member_moves[N_STATES] = {
    [STATE_STOPPED] = MOVE (STARTING) | MOVE (STANDBY),
    [STATE_STANDBY] = MOVE (STARTING) | MOVE (STOPPED),
    [STATE_STARTING] = WHEN_ON,
    [STATE_MAINTENANCE] = WHEN_ON | MOVE (STARTING) | MOVE (RESTARTING),
    [STATE_RUNNING] = WHEN_ON | MOVE (RESTARTING),
    [STATE_DEGRADED] = WHEN_ON | MOVE (RESTARTING),
    [STATE_RESTARTING] = WHEN_ON,
    [STATE_UNKNOWN] = WHEN_ON | MOVE (STARTING) | MOVE (RESTARTING),
    [STATE_FAILED] = MOVE (STARTING) | MOVE (STOPPING) | MOVE (STOPPED) | MOVE (UNKNOWN),
    [STATE_STOPPING] = MOVE (STOPPED) | MOVE (STANDBY) | MOVE (FAILED) | MOVE (STARTING) | MOVE (RESTARTING),
};

static const guint application_moves[N_STATES] = {
    [STATE_STOPPED] = MOVE (STARTING),
    [STATE_STARTING] = MOVE (RUNNING) | MOVE (DEGRADED) | MOVE (STOPPING) | MOVE (FAILED) | MOVE (UNKNOWN),
    [STATE_RUNNING] = MOVE (DEGRADED) | MOVE (STOPPING) | MOVE (UNKNOWN) | MOVE (STARTING),
    [STATE_DEGRADED] = MOVE (RUNNING) | MOVE (STOPPING) | MOVE (UNKNOWN) | MOVE (STARTING),
    [STATE_UNKNOWN] = MOVE (STARTING) | MOVE (RUNNING) | MOVE (DEGRADED) | MOVE (STOPPING) | MOVE (FAILED),
    [STATE_STOPPING] = MOVE (STOPPED) | MOVE (STANDBY) | MOVE (FAILED) | MOVE (STARTING),
    [STATE_FAILED] = MOVE (STARTING) | MOVE (STOPPING) | MOVE (STOPPED),
};

const char *
state_name (State state)
{
    return state_names[state];
}

State
state_from_name (const char *name)
{
    for (guint i = 0; i < N_STATES; i++)
        if (g_strcmp0 (name, state_names[i]) == 0)
            return (State)i;
    return STATE_STOPPED;
}

const char *
phase_name (Phase phase)
{
    return phase_names[phase];
}

Phase
phase_from_name (const char *name)
{
    for (guint i = 0; i < N_PHASES; i++)
        if (g_strcmp0 (name, phase_names[i]) == 0)
            return (Phase)i;
    return PHASE_STOPPED;
}

State
lifecycle_member (const MemberFacts *facts)
{
    if (!facts->on) {
        if (facts->failed)
            return STATE_FAILED;
        if (!facts->gone)
            return STATE_STOPPING;
        return facts->spare ? STATE_STANDBY : STATE_STOPPED;
    }
    if (facts->failed)
        return STATE_FAILED;
    if (facts->silent)
        return STATE_UNKNOWN;
    if (facts->current && g_strcmp0 (facts->guest, "ready") == 0)
        return facts->hurt || facts->misses >= MISSES_DEGRADED ? STATE_DEGRADED : STATE_RUNNING;
    if (facts->current && g_strcmp0 (facts->guest, "maintenance") == 0)
        return STATE_MAINTENANCE;
    return facts->was_ready ? STATE_RESTARTING : STATE_STARTING;
}

State
lifecycle_application (Phase phase, gboolean failed, const State *members, guint n_members)
{
    gboolean silent = FALSE, whole = TRUE;

    if (phase == PHASE_STOPPED)
        return failed ? STATE_FAILED : STATE_STOPPED;
    if (phase == PHASE_STOPPING || phase == PHASE_FAILING)
        return STATE_STOPPING;
    if (failed)
        return STATE_FAILED;
    for (guint i = 0; i < n_members; i++) {
        silent = silent || members[i] == STATE_UNKNOWN;
        whole = whole && members[i] == STATE_RUNNING;
    }
    if (silent)
        return STATE_UNKNOWN;
    if (phase == PHASE_STARTING)
        return STATE_STARTING;
    return whole ? STATE_RUNNING : STATE_DEGRADED;
}

gboolean
lifecycle_member_may_move (State from, State to)
{
    return from != to && (member_moves[from] & (1U << to)) != 0;
}

gboolean
lifecycle_application_may_move (State from, State to)
{
    return from != to && (application_moves[from] & (1U << to)) != 0;
}
