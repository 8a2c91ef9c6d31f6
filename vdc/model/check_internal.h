/*
 * Shared by check.c and check_wires.c. Inside vdc/model only.
 */
#pragma once

#include "vdc/model/check.h"

#include <glib.h>

/* One body and what surrounds it: an application or an assembly. */
typedef struct {
    const Catalog *catalog;
    const Body *body;
    const json_t *root;             /* its document */
    const Boundary *boundary;       /* of the assembly; NULL in an application */
    const Application *application; /* NULL in an assembly */
    GPtrArray *stack;               /* const Assembly *: what is being checked around this */
    GHashTable *checked;            /* const Assembly *: done and reported */
    Problems *problems;
} Check;

/* What @instance is made of; FALSE when unknown, which is reported once elsewhere. */
gboolean check_entry (const Check *check, const Instance *instance, CatalogEntry *entry);
/* The class's terminal or slot behind an assembly's, through any depth; NULL when the way is broken. */
const Terminal *leaf_terminal (const Catalog *catalog, const CatalogEntry *entry, const char *name,
                               guint depth);
const VolumeSlot *leaf_slot (const Catalog *catalog, const CatalogEntry *entry, const char *name,
                             guint depth);
/* The name of the boundary's slot that fills @instance's @slot, or NULL. Assemblies only. */
const char *boundary_fills (const Check *check, const Instance *instance, const char *slot);

void check_wires (const Check *check);
