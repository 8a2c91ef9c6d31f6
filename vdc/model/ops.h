/*
 * Operations on a description document: what the canvas, the command line and scripts do to a draft. Pure.
 *
 *     {"op": "add",    "path": "instances.web", "value": {"class": "WEB"}, "before": "db"}
 *     {"op": "remove", "path": "instances.web"}                  its wires go too; a volume leaves its slots
 *     {"op": "set",    "path": "instances.web.set.max_conn", "value": 512}          null: back to the default
 *     {"op": "move",   "path": "instances.web", "x": 80, "y": 120}                  on the canvas
 *     {"op": "rename", "path": "instances.web", "to": "www"}                        everything that names it
 * follows
 *     {"op": "wire",   "from": "lb.out", "to": "web.in", "replace": true}
 *     {"op": "unwire", "from": "lb.out", "to": "web.in"}
 *     {"op": "group",  "instances": ["lb", "web"], "as": "WEBX", "name": "front"}
 *     {"op": "ungroup", "path": "instances.front"}
 *
 * add, remove and rename take instances, volumes, properties and assemblies of an application, and the same
 * with terminals of one of its own assemblies, which "in": "WEBX" names. `before` says which key follows,
 * `index` of wire its place in the list. Notes, frames and bends are `set` under layout._notes,
 * layout._frames and layout._wires.
 *
 * A draft may be unfinished; an operation may not be wrong. What is refused: a place that is not there, a
 * name or a text that no description may hold, a document over its limits, and whatever the checks of
 * descriptions find at the very place the operation changed, except that something is still missing there.
 * What becomes wrong elsewhere (the wires of an instance that got another class) stays, and is one of the
 * draft's problems.
 */
#pragma once

#include "vdc/model/catalog.h"

#define OPS_MAX 500 /* in one call */

typedef struct {
    json_t *document; /* shares what did not change with the one before: neither may be changed in place */
    json_t *inverse;  /* operations that put it back, in their order */
    json_t *touched;  /* [path]: every place that changed, as description_change_path gives it */
    json_t *renamed;  /* [[from, to]] of the application's volumes, in their order */
    json_t *problems; /* of the result, as problems_json; NULL without a catalog */
} OpsResult;

void ops_result_clear (OpsResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (OpsResult, ops_result_clear)

/*
 * @ops, an array, one after the other on @document, all or nothing. @catalog NULL: what needs classes is not
 * checked, and `group` does not work. FALSE with everything that is wrong in @problems, by the codes and
 * paths of descriptions ("ops[2].from" for what is wrong with the operation itself); @result is set on
 * success only.
 */
gboolean ops_apply (const json_t *document, const json_t *ops, const Catalog *catalog, OpsResult *result,
                    Problems *problems);

/* Operations that make @to of @from. New array. */
json_t *ops_between (const json_t *from, const json_t *to);

/*
 * The places operations would change and those that must still be there for it, as far as they say
 * themselves: what somebody else changed meanwhile can be compared before they are tried. Appends paths to
 * the arrays.
 */
void ops_places (const json_t *ops, json_t *changes, json_t *needs);

/* TRUE for a problem that a draft may have while it is being drawn (terminal_required, volume_missing, …). */
gboolean ops_problem_is_open (const char *code);
/* TRUE for a problem that no draft may have: names, texts, limits, and sections that are none. */
gboolean ops_problem_is_shape (const Problem *problem);
/* Every place of a stored document within its limits (depth, values, lengths of keys); else problems. */
gboolean ops_check_limits (const json_t *document, Problems *problems);
