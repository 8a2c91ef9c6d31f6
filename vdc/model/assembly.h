/*
 * A topology: instances and wires. An assembly gives it a boundary; an application gives it properties and
 * volumes.
 */
#pragma once

#include "vdc/model/boundary.h"
#include "vdc/model/resources.h"

#define INSTANCE_COUNT_MAX 64
#define TOPOLOGY_INSTANCES_MAX 200 /* instances of one description */
#define TOPOLOGY_WIRES_MAX 1000

typedef struct {
    char *name;
    char *class_ref; /* "[catalog/]NAME[@version]" */
    gboolean tier;   /* the key `count` is there: members are numbered, even a single one */
    guint count;
    char *count_property; /* `count: $name`; then @count is not set. NULL otherwise */
    gboolean spread;
    gboolean standby;
    gboolean ignore_failure;
    gint order;            /* 0 unless given; lower starts first among those no wire orders */
    char *failover_group;  /* may be NULL */
    guint start_timeout_s; /* 0: the default of the server's accelerator */
    guint stop_timeout_s;
    guint restart_limit;
    guint restart_window_s;
    json_t *set;       /* object: property → value or "$name"; "$$x" is the text "$x"; never NULL */
    json_t *volumes;   /* object: slot → volume of the application; never NULL; empty in an assembly */
    json_t *resources; /* object: cpu, memory, network → amount, cpu_cap → boolean; never NULL */
} Instance;

typedef struct {
    char *text; /* "lb.out -> web.in" */
    char *from_instance, *from_terminal;
    char *to_instance, *to_terminal;
    guint index; /* in the description's list */
} Wire;

typedef struct {
    GPtrArray *instances; /* Instance * */
    GPtrArray *wires;     /* Wire * */
} Body;

/* Immutable, reference counted. */
typedef struct {
    Boundary boundary;
    Body body;
    json_t *document;
} Assembly;

/* NULL with at least one more problem when it breaks a rule that can be seen without the catalog. */
Assembly *assembly_parse (const char *text, gsize length, DocumentFormat format, Problems *problems);
Assembly *assembly_from_document (const Document *document, Problems *problems);
Assembly *assembly_ref (Assembly *assembly);
void assembly_unref (Assembly *assembly);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Assembly, assembly_unref)
/* As class_json with kind "assembly", without resources and mounts, with instances:[{name, class, count}] and
 * wires:[text]. New reference. */
json_t *assembly_json (const Assembly *assembly);

/* Reads `instances` and `wires` of @root; what is wrong goes to @problems and is left out. @body must be
 * zeroed. */
void body_from_json (Body *body, json_t *root, Problems *problems);
void body_clear (Body *body);
const Instance *body_instance (const Body *body, const char *name);
