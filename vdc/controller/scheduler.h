/*
 * Where members run. Pure: members × servers → a server for each, or the reason there is none.
 *
 * Promises: memory is never overcommitted; a member goes where its volumes are; all members get a place or
 * none does. Wishes, in this order: the server that holds its root disk; the server that holds most of this
 * request (wires between servers cost bandwidth), or for a `spread` tier the one with the fewest of its
 * group; the most free memory; the name.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *name;
    gint64 memory_bytes;          /* what guests may have in all */
    gint64 memory_reserved_bytes; /* promised to members that are placed there, whether they run yet or not */
    const char *unusable;         /* NULL, or why nothing may be placed there: "is down" */
} SchedulerServer;

typedef struct {
    const char *name;
    const char *group;     /* members of one tier share it */
    gint64 memory_bytes;   /* of the guest */
    gint64 overhead_bytes; /* what its VM takes on top */
    gboolean spread;
    const char *bound;         /* server that holds its volumes: no other will do. May be NULL */
    const char *preferred;     /* server that holds its root disk. May be NULL */
    const SchedulerServer *on; /* result */
} SchedulerMember;

typedef struct {
    const char *member; /* of the members given */
    const char *remedy; /* static */
} SchedulerRefusal;

/*
 * Sets `on` of every member. On failure no `on` is set, @error is VDC_ERROR_NO_CAPACITY: "cannot place
 * 'web.2': no server has 192 MB free (most: 96 MB on s1)" (free for a guest, what its VM takes on top taken
 * off), and
 * @refusal (may be NULL) says which member does not fit and what helps.
 */
gboolean scheduler_place (const SchedulerServer *servers, guint n_servers, SchedulerMember *members,
                          guint n_members, SchedulerRefusal *refusal, GError **error);
