/*
 * States of applications and their members. Pure: from what is wished and what is reported follows a state.
 *
 *   member                                                 application
 *
 *   stopped ──► starting ──► running ◄──► degraded         stopped ──► starting ──► running ◄──► degraded
 *      ▲            │  ▲         │            │               ▲           │            │            │
 *      │            ▼  │         ▼            ▼               │           ▼            ▼            ▼
 *      │        maintenance   restarting ◄────┘               └────── stopping ◄───────┴────────────┘
 *      │            │            │                                        │
 *      └────────────┴─ stopping ◄┴── any; failed ──► starting             ▼
 *                                                                       failed ──► starting
 *   any that is on ◄──► unknown (its server is silent)     any that is on ◄──► unknown
 *
 * What each state guarantees of a member:
 *   stopped      no VM; nothing of it on the server but its root disk
 *   starting     wished on; its inputs may not answer yet
 *   running      its guest reported ready and its last checks passed
 *   degraded     it was ready; three or more checks failed, or its VM is hurt (disk full, wires not laid)
 *   restarting   it was ready; a fresh VM is on its way, by policy or by order
 *   maintenance  the guest asked for time and repeats it (recovery of a database, ...)
 *   stopping     wished off; something of it may still run
 *   failed       given up until somebody starts it; the reason is in its `error`
 *   unknown      wished on; its server does not report
 *   standby      not started on purpose (a spare)
 * An application is running when every member is, except those that may fail (`ignore_failure`).
 */
#pragma once

#include <glib.h>

typedef enum {
    STATE_STOPPED,
    STATE_STARTING,
    STATE_RUNNING,
    STATE_DEGRADED,
    STATE_STOPPING,
    STATE_FAILED,
    STATE_UNKNOWN,
    STATE_STANDBY,
    STATE_MAINTENANCE,
    STATE_RESTARTING,
    N_STATES
} State;

/* Checks missed in a row. */
#define MISSES_DEGRADED 3
#define MISSES_RESTART 6

/* "starting". Static. */
const char *state_name (State state);
/* STATE_STOPPED when there is no such state. */
State state_from_name (const char *name);

typedef struct {
    gboolean on;        /* it should run */
    gboolean spare;     /* not started on purpose, while its application runs */
    gboolean failed;    /* given up */
    gboolean silent;    /* its server does not report */
    gboolean was_ready; /* ready once since it was started */
    gboolean gone;      /* its server reports nothing of it */
    gboolean current;   /* the report is about the incarnation wished for */
    const char *guest;  /* state the guest reports, NULL when there is no VM */
    gint64 misses;      /* checks failed in a row */
    gboolean hurt;      /* its VM runs and the server says what is wrong with it: a full disk, … */
} MemberFacts;

State lifecycle_member (const MemberFacts *facts);

/* What an application is about to do; stored. */
typedef enum { PHASE_STOPPED, PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING, PHASE_FAILING, N_PHASES } Phase;

const char *phase_name (Phase phase);
Phase phase_from_name (const char *name);

/*
 * @members: states of the @n_members that count (no spares, none that may fail, none being removed).
 * @failed: the last start failed, or FAILING has not ended yet.
 */
State lifecycle_application (Phase phase, gboolean failed, const State *members, guint n_members);

/* Whether the diagram has this move; a move to itself is none. */
gboolean lifecycle_member_may_move (State from, State to);
gboolean lifecycle_application_may_move (State from, State to);
