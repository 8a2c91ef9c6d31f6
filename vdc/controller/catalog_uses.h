/*
 * Who uses a class or an assembly: applications by what they recorded when it was applied, everything else by
 * what its references mean now. Pure looks at records; main loop only.
 */
#pragma once

#include "vdc/controller/controller.h"

typedef struct {
    GPtrArray *applications; /* char *: names; applied, or about to be */
    GPtrArray *assemblies;   /* char *: "CATALOG/NAME@VERSION" */
    GPtrArray *templates;    /* char *: names of applications of `system` */
    GPtrArray *drafts;       /* char *: names of applications whose draft names it, what runs does not */
} CatalogUses;

CatalogUses *catalog_uses (Controller *controller, const CatalogEntry *entry);
void catalog_uses_free (CatalogUses *uses);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CatalogUses, catalog_uses_free)
/* {applications: [], assemblies: [], templates: [], drafts: []}. New reference. */
json_t *catalog_uses_json (const CatalogUses *uses);
/* TRUE when an application (applied or next) runs from the image @digest ("sha256:…"). */
gboolean catalog_uses_image (Controller *controller, const char *digest);
