/*
 * What really runs: an application with all its assemblies opened, as members (one VM each) and wires between
 * them.
 *
 * Names.  An instance without `count` has one member of its own name ("db"); a tier's members are numbered
 * from 1
 * ("web.1"); inside an assembly the path goes on ("web.1.lb", "web.1.web.2").  The path without the numbers
 * is the group
 * ("web.lb"): all members of one group have one class; "GROUP.TERMINAL" of an input names its segment.
 *
 * Immutable once made; borrowed pointers live as long as the topology.
 */
#pragma once

#include "vdc/model/application.h"
#include "vdc/model/catalog.h"

#define TOPOLOGY_DEPTH_MAX 8     /* assemblies in assemblies */
#define TOPOLOGY_MEMBERS_MAX 500 /* of one application */
#define MEMBER_NAME_MAX 128      /* bytes: it is a file name on the servers */

typedef struct {
    const VolumeSlot *slot;
    char *volume;         /* its name in the application: "shop-data", "web-data.1" for a per_member slot */
    const char *declared; /* the application volume it comes from: "web-data" */
    gboolean read_only;
} MemberVolume;

typedef struct {
    char *name;  /* "web.1.lb" */
    char *group; /* "web.lb" */
    Class *class;
    char *class_ref;  /* as written */
    char *catalog;    /* that the class is of */
    gboolean tier;    /* its last part is numbered */
    guint number;     /* the last number; 0 when not a tier */
    json_t *settings; /* object: every property of the class that has a value; checked */
    Resources resources;
    GPtrArray *volumes;                       /* MemberVolume *; unfilled optional slots are left out */
    const Instance *instance;                 /* the innermost: failover_group, timeouts, restart policy */
    gboolean spread, standby, ignore_failure; /* its own, or of an assembly around it */
    gint order;                               /* the sum of those */
    guint stage;                              /* start order: 0 first; the same number may start together */
    guint circle; /* members of one circle of wires (and of one group) have the same number */
} Member;

typedef struct {
    char *text; /* "lb.out->web.in": by groups, so the same for every member of a tier */
    const Member *from;
    const Terminal *from_terminal;
    GPtrArray *to; /* Member *, borrowed; at least one; all of one group, by number */
    const Terminal *to_terminal;
    const char *to_group;
    const Protocol *protocol; /* the narrowest on the way */
    gboolean gateway;
} MemberWire;

typedef struct {
    char *name;         /* the application's */
    GPtrArray *members; /* Member *, sorted by name with numbers as numbers */
    GPtrArray *wires;   /* MemberWire *: one per wired output of each member */
    GPtrArray *volumes; /* TopologyVolume *: what must exist */
    GPtrArray *cycles;  /* GStrv: groups that are wired in a circle and start together */
    guint n_stages;
    Application *application; /* owned */
    json_t *used;             /* see topology_used */
    GPtrArray *held;          /* keeps the assemblies alive; members keep their classes */
} Topology;

/* One volume to have: the application's, or one per member of a per_member slot. */
typedef struct {
    char *name;
    const ApplicationVolume *declared;
} TopologyVolume;

/*
 * Takes ownership of @application. Adds all problems there are; NULL when @problems is not empty afterwards
 * (also when it was not empty before).
 */
Topology *topology_new (Application *application, const Catalog *catalog, Problems *problems);
/* All in one: description → topology, with lines. NULL when @problems is not empty. */
Topology *topology_from_document (const Document *document, const Catalog *catalog, Problems *problems);
void topology_free (Topology *topology);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Topology, topology_free)

/* NULL when there is none. */
const Member *topology_member (const Topology *topology, const char *name);
/* The members meant by a member's, a group's or an instance's name ("web" → web.1, web.2). Free the array
 * only. */
GPtrArray *topology_select (const Topology *topology, const char *name);
/* The wire of that output, or NULL when unwired. */
const MemberWire *topology_wire (const Topology *topology, const Member *from, const char *terminal);
/* The members @member is wired to (its servers) and those wired to it (its clients), each once. Free the
 * array only. */
GPtrArray *topology_servers (const Topology *topology, const Member *member);
GPtrArray *topology_clients (const Topology *topology, const Member *member);

/*
 * The servers whose readiness @member's start hook waits for: those it is wired to, without those it is wired
 * to in a circle and without itself. Free the array only.
 */
GPtrArray *topology_waits_for (const Topology *topology, const Member *member);

/* Ports of the outside address meant for users, from the class's `publish`. Sorted; free with g_array_unref
 * (guint). */
GArray *member_published_ports (const Member *member);

/*
 * Every class and assembly document that was used, by the reference written: {"WEB": {"kind": "class",
 * "catalog": "system", "document": {…}}}. Store it with the applied description; catalog_from_snapshot reads
 * it. Borrowed.
 */
const json_t *topology_used (const Topology *topology);
/* "WEB@1.0.0", "shop/WEB@1.0.0" of another catalog than `system`. Caller frees. */
char *member_class_text (const Member *member);
