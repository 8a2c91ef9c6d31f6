#include "vdc/controller/job_undo.h"

#include <string.h>

static Undo
refuse (const char **reason, const char *text)
{
    *reason = text;
    return UNDO_REFUSED;
}

static Undo
undo_start (const UndoFacts *facts, const char **reason)
{
    if (facts->of_members)
        return UNDO_OF_MEMBERS;
    if (facts->phase == PHASE_STARTING)
        return UNDO_BY_STOP;
    return refuse (reason, facts->phase == PHASE_FAILING ? "it has failed and is being taken back already"
                                                         : "the application runs; stop it instead");
}

static Undo
undo_stop (const UndoFacts *facts, const char **reason)
{
    if (facts->of_members)
        return UNDO_OF_MEMBERS;
    if (facts->phase == PHASE_STOPPING)
        return UNDO_BY_START;
    return refuse (reason, "the application has stopped; start it instead");
}

static Undo
undo_restart (const UndoFacts *facts, const char **reason)
{
    if (!facts->of_members && facts->phase == PHASE_STOPPING && facts->then_start)
        return UNDO_BY_START;
    return refuse (reason, "what is restarted was running and will run again; let it end, or stop it");
}

static Undo
undo_change (const UndoFacts *facts, const char **reason)
{
    if (facts->described)
        return UNDO_OF_DESCRIPTION;
    return refuse (reason, "the description before it is not kept; apply the one you want");
}

Undo
job_undo (const UndoFacts *facts, const char **reason)
{
    static const struct {
        const char *kind;
        Undo (*undo) (const UndoFacts *, const char **);
    } kinds[] = {{"start", undo_start},  {"stop", undo_stop},    {"restart", undo_restart},
                 {"apply", undo_change}, {"scale", undo_change}, {"config", undo_change}};
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
        if (strcmp (kinds[i].kind, facts->kind) == 0)
            return kinds[i].undo (facts, reason);
    if (strcmp (facts->kind, "destroy") == 0)
        return refuse (reason, "let it end, then bring it back from the trash (vdc trash restore)");
    return refuse (reason, "let it end");
}

const char *
job_undo_text (const char *job_kind, const char *step_kind)
{
    static const struct {
        const char *job, *step, *text; /* job NULL: any */
    } texts[] = {
        {"restart", "start", NULL},
        {"destroy", "stop", NULL},
        {"destroy", "remove", NULL},
        {NULL, "volume", "the volume stays: what is in it is not thrown away"},
        {NULL, "start", "stopped again"},
        {NULL, "stop", "started again"},
        {NULL, "settings", "given its settings before"},
        {NULL, "drain", "used by its peers again"},
        {NULL, "remove", "made anew, with a fresh root disk"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        if ((texts[i].job == NULL || strcmp (texts[i].job, job_kind) == 0) &&
            strcmp (texts[i].step, step_kind) == 0)
            return texts[i].text;
    return NULL;
}
