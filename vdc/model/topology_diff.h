/*
 * What an apply would change: pure comparison of what runs with what shall run.
 */
#pragma once

#include "vdc/model/topology.h"

typedef enum {
    CHANGE_LIVE,    /* taken over by the running member */
    CHANGE_RESTART, /* needs this member restarted */
    CHANGE_ADD,
    CHANGE_REMOVE,
} ChangeKind;

typedef struct {
    ChangeKind kind;
    char *member;
    gboolean new_root; /* class or version changed: its root disk is made anew */
    char *text;        /* "setting max_conn: 256 -> 512; wire out -> web.in added"; secrets are not shown */
} MemberChange;

typedef struct {
    GPtrArray *members;         /* MemberChange *, by member; unchanged ones are left out */
    GPtrArray *volumes_new;     /* char *: to be made */
    GPtrArray *volumes_unused;  /* char *: no longer named, kept as unused */
    GPtrArray *volumes_grown;   /* char * */
    GPtrArray *volumes_problem; /* char *: texts of what cannot be done (a volume made smaller) */
    Problems *warnings;         /* must be confirmed: volume_replaced, volume_unused */
} TopologyDiff;

/* @before may be NULL: everything is added. */
TopologyDiff *topology_diff (const Topology *before, const Topology *after);
void topology_diff_free (TopologyDiff *diff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TopologyDiff, topology_diff_free)
gboolean topology_diff_is_empty (const TopologyDiff *diff);
const char *change_kind_name (ChangeKind kind); /* "live", "restart", "add", "remove" */
/* {members:[{member, change, text}], volumes:{new, unused, grown, problem}, warnings:[PROBLEM]}. New
 * reference. */
json_t *topology_diff_json (const TopologyDiff *diff);
