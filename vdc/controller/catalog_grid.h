/*
 * Catalogs of the grid: made by people, kept in the store. An entry is a class or an assembly in one version;
 * a version never changes once it is published, several stand side by side.
 *
 * The rows: STORE_CATALOGS by name {name, number, summary, created}; STORE_CLASSES by "CATALOG/NAME@VERSION"
 * {catalog, name, version, kind, text, format, pins, image, created}. `pins` of an assembly: reference as
 * written → "CATALOG/NAME@VERSION" of the entry of a grid catalog it meant when it was published. Classes of
 * `system` come with the programs and are not pinned.
 *
 * A name without a catalog is looked for in `system`, then in the catalogs in the order in which they were
 * made: a new catalog never takes a name from an older one.
 *
 * Main loop only.
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/model/catalog.h"
#include "vdc/store/store.h"

#define CATALOGS_MAX 100
#define CATALOG_ENTRIES_MAX 2000 /* of all catalogs */

typedef struct {
    char *name, *summary, *created;
    gint64 number; /* counts up; its place in the order */
} GridCatalog;

typedef struct {
    char *catalog, *name, *version;
    char *kind;           /* "class", "assembly" */
    char *text, *format;  /* as it was published */
    json_t *pins, *image; /* NULL: none */
    char *created;
    json_t *document; /* with the pins in place; not stored */
} GridEntry;

typedef struct {
    GHashTable *catalogs; /* name → GridCatalog */
    GHashTable *entries;  /* "CATALOG/NAME@VERSION" → GridEntry */
} CatalogGrid;

CatalogGrid *catalog_grid_new (void);
void catalog_grid_free (CatalogGrid *grid);
/* Everything from @store. An entry that cannot be read is logged and left out. */
gboolean catalog_grid_load (CatalogGrid *grid, Store *store, GError **error);
/* Add all of it to @classes, after `system`. */
void catalog_grid_fill (const CatalogGrid *grid, Catalog *classes);

/* NULL when there is none. */
GridCatalog *catalog_grid_catalog (const CatalogGrid *grid, const char *name);
GridEntry *catalog_grid_entry (const CatalogGrid *grid, const char *catalog, const char *name,
                               const char *version);
/* GridCatalog * in their order; GridEntry * of @catalog (NULL: all) by key. Free the array only. */
GPtrArray *catalog_grid_list (const CatalogGrid *grid);
GPtrArray *catalog_grid_entries (const CatalogGrid *grid, const char *catalog);

/* Zeroed; g_free strings into it. */
GridCatalog *grid_catalog_new (void);
GridEntry *grid_entry_new (void);
void grid_catalog_free (GridCatalog *catalog);
void grid_entry_free (GridEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GridEntry, grid_entry_free)
json_t *grid_catalog_json (const GridCatalog *catalog);
json_t *grid_entry_json (const GridEntry *entry);
/* "CATALOG/NAME@VERSION". Caller frees. */
char *grid_entry_key (const char *catalog, const char *name, const char *version);
/* Put the entry's text, with its pins, into `document`. FALSE with @problems. */
gboolean grid_entry_parse (GridEntry *entry, Problems *problems);
/* Add its class or assembly to @classes; it must parse. */
gboolean grid_entry_add (const GridEntry *entry, Catalog *classes, Problems *problems);
