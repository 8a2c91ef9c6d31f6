/*
 * Descriptions from files, for tests of the model and for model-check.
 */
#pragma once

#include "vdc/model/topology.h"

/*
 * Adds FOLDER/NAME/class.yaml and assembly.yaml of every NAME to @catalog as "system". Problems of each file
 * are printed to stderr; FALSE when there were any.
 */
gboolean fixture_catalog_add (Catalog *catalog, const char *folder);
/* The names in @folder, sorted. Caller frees with g_strfreev. Empty when there is no such folder. */
char **fixture_list (const char *folder);
/* Checks one description of any kind, by its suffix YAML or JSON, against @catalog. New list. */
Problems *fixture_check (const char *text, gsize length, DocumentFormat format, const Catalog *catalog);
