/*
 * What a change of a description means for what runs: each difference of two documents with its effect.
 */
#pragma once

#include "vdc/model/topology.h"

/*
 * From @before to @after, both documents; @old and @new are what they open to, NULL when they do not (then
 * what could restart is said to). @catalog tells which settings are secret: they are shown as "(secret)".
 *
 * [{"path", "from", "to", "effect", "instance", "members"}]: `from` or `to` is null for what is not there.
 * `effect`:
 *
 *   live          taken over while everything runs
 *   restart       the members named restart
 *   restart_all   every member of the application restarts
 *   none          nothing of it runs: layout, texts
 *
 * `instance` is the one it is about, or null. A class that the catalog has in another version now is a change
 * too, though no document says so: it has "catalog": true. New array.
 */
json_t *description_diff (const json_t *before, const json_t *after, const Topology *old, const Topology *new,
                          const Catalog *catalog);
