/*
 * Classes and assemblies by name, in memory. The controller fills one from its folders; the classes an
 * applied description uses are stored with it as a snapshot, so that a changed catalog changes nothing that
 * runs.
 *
 * A reference is "[catalog/]NAME[@version]". Without a catalog the first added one that has the name wins;
 * without a version the highest one.
 */
#pragma once

#include "vdc/model/assembly.h"
#include "vdc/model/class.h"

/* The one that comes with the programs. */
#define CATALOG_SYSTEM "system"
/* The name under which an application's own assemblies are found: "local/WEBX". No other catalog has it. */
#define CATALOG_LOCAL "local"

typedef struct Catalog Catalog;

/* One of class and assembly is set. Borrowed from the catalog. */
typedef struct {
    const char *catalog;
    Class *class;
    Assembly *assembly;
} CatalogEntry;

Catalog *catalog_new (void);
void catalog_free (Catalog *catalog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Catalog, catalog_free)

/*
 * @base with an application's own @assemblies (Assembly *) over it, found as "local/NAME" only, so that what
 * is in the catalogs never means something else in one application. @base must outlive it; may be NULL.
 */
Catalog *catalog_new_local (const Catalog *base, GPtrArray *assemblies);

/* Take a reference. The same name and version again in the same catalog replaces. @catalog_name: "system". */
void catalog_add_class (Catalog *catalog, const char *catalog_name, Class *class);
void catalog_add_assembly (Catalog *catalog, const char *catalog_name, Assembly *assembly);

/*
 * Give @catalog_name its place in the order in which catalogs are looked into, before it has a class. No
 * effect when it has one.
 */
void catalog_add_name (Catalog *catalog, const char *catalog_name);
/* FALSE when there is none. What a topology uses of it stays. */
gboolean catalog_remove (Catalog *catalog, const char *catalog_name, const char *name, const char *version);
/* That catalog, name and version, and no other. FALSE when there is none. */
gboolean catalog_get_exact (const Catalog *catalog, const char *catalog_name, const char *name,
                            const char *version, CatalogEntry *entry);

/* FALSE when there is none; no GError: the caller knows the place. */
gboolean catalog_get (const Catalog *catalog, const char *ref, CatalogEntry *entry);
const Boundary *catalog_entry_boundary (const CatalogEntry *entry);
/* TRUE for "local/NAME" and "local/NAME@VERSION". */
gboolean catalog_ref_is_local (const char *ref);
/* A name near to @ref's, or NULL. Borrowed. */
const char *catalog_nearest (const Catalog *catalog, const char *ref);
/* TRUE when @text has the form of a reference. */
gboolean catalog_ref_is_valid (const char *text);

/* Calls @function for each entry, sorted by catalog, name, version. */
typedef void (*CatalogFunction) (const char *catalog_name, const CatalogEntry *entry, gpointer data);
void catalog_foreach (const Catalog *catalog, CatalogFunction function, gpointer data);

/*
 * A catalog made of topology_used: every reference gives what it gave when that was made. VDC_ERROR_INVALID
 * when a document in it is not valid.
 */
Catalog *catalog_from_snapshot (const json_t *snapshot, GError **error);
