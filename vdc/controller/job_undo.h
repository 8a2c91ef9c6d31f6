/*
 * What cancelling a job means, decided by values alone: which state to wish for instead. Carried out by
 * job_actions.c and the reconciler.
 */
#pragma once

#include "vdc/controller/lifecycle.h"

typedef enum {
    UNDO_REFUSED,
    UNDO_BY_STOP,        /* all of the application stops */
    UNDO_BY_START,       /* what was stopped starts again */
    UNDO_OF_MEMBERS,     /* those that it switched are switched back */
    UNDO_OF_DESCRIPTION, /* the description before it is applied */
} Undo;

typedef struct {
    const char *kind;    /* of the job */
    Phase phase;         /* of its application */
    gboolean then_start; /* it is stopped to start again */
    gboolean of_members; /* it is about some members only */
    gboolean described;  /* the description before it is known */
} UndoFacts;

/* *@reason of UNDO_REFUSED: why, and what to do instead. Static. */
Undo job_undo (const UndoFacts *facts, const char **reason);
/* What a cancel does about a step of that kind of such a job; NULL: nothing. Static. */
const char *job_undo_text (const char *job_kind, const char *step_kind);
