/*
 * What will be done, as ordered steps with reasons. Pure: the same steps are shown by a dry run and followed
 * by the job. A step is what job_step_new makes: {name, kind, object, state, text}.
 */
#pragma once

#include "vdc/model/topology_diff.h"

typedef struct {
    const Topology *topology;
    GHashTable *servers; /* member → server name (char *): where it goes or is */
    GHashTable *made;    /* set of volume names that exist */
    GHashTable *running; /* set of members that are on */
} PlanFacts;

/* Members by start order: stage, then as the topology lists them. Const Member *; free the array only. */
GPtrArray *plan_order (const Topology *topology);

/* Volumes to make, then members, those that serve before their clients. New array. */
json_t *plan_start (const PlanFacts *facts);
/* Members that are on, clients first. */
json_t *plan_stop (const PlanFacts *facts);
/* From what runs (@facts) to @after, by @diff. Only what is on is restarted or drained. */
json_t *plan_change (const PlanFacts *facts, const Topology *after, const TopologyDiff *diff);
/* ["lb -> web -> lb"]: circles of wires, whose members start together. New array. */
json_t *plan_cycles (const Topology *topology);

json_t *plan_step (const char *kind, const char *object, const char *text, const char *name_format, ...)
    G_GNUC_PRINTF (4, 5);
/* What a dry run of one step answers: {"steps": [STEP]}. */
json_t *plan_one (const char *kind, const char *object, const char *name);
