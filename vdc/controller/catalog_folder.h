/*
 * The catalog `system`: classes, assemblies and application templates read from folders, and the index of
 * built images. Blocking reads of small files, at start and on SIGHUP. Main loop only.
 *
 * What is wrong with one description is logged, shown in catalog_folder_problems, and leaves out that one
 * only.
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/model/catalog.h"

#define CATALOG_NAME CATALOG_SYSTEM

typedef struct CatalogFolder CatalogFolder;

typedef struct {
    char *name;   /* of its folder: "lamp" */
    char *folder; /* seeds are relative to it */
    char *text;   /* application.yaml */
    json_t *document;
} Template;

/* @folders NULL-terminated; @images_file may be NULL. Copied; nothing is read yet. */
CatalogFolder *catalog_folder_new (const char *const *folders, const char *images_file);
void catalog_folder_free (CatalogFolder *catalog);

/* Read everything anew. Never fails; a folder that cannot be read is a problem. */
void catalog_folder_reload (CatalogFolder *catalog);

/* Borrowed, valid until the next reload. */
const Catalog *catalog_folder_classes (const CatalogFolder *catalog);
/* The same, to add the grid's own catalogs to; they are gone after a reload. */
Catalog *catalog_folder_all (CatalogFolder *catalog);
/* "lamp", "catalog/lamp" or "system/lamp". NULL when there is none. */
const Template *catalog_folder_template (const CatalogFolder *catalog, const char *name);
GPtrArray *catalog_folder_templates (const CatalogFolder *catalog);
/* [{file, problems: [PROBLEM] | message}] */
const json_t *catalog_folder_problems (const CatalogFolder *catalog);
/* Image of the index for exactly this class and version, NULL when it was not built. Borrowed. */
const json_t *catalog_folder_image (const CatalogFolder *catalog, const char *class_name,
                                    const char *version);
