/*
 * What can be said about a topology against its catalog without opening it: names, types, wires, slots. Pure.
 */
#pragma once

#include "vdc/model/application.h"
#include "vdc/model/catalog.h"

/*
 * Adds every problem of @assembly, and of the assemblies it uses ("in assembly WEBX: …" at the instance that
 * uses it). topology_new does the same for applications.
 */
void assembly_check (const Assembly *assembly, const Catalog *catalog, Problems *problems);
/* @catalog must hold the application's own assemblies already: catalog_new_local. */
void application_check (const Application *application, const Catalog *catalog, Problems *problems);
