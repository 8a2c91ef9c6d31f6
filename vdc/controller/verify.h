/*
 * Does what the servers have agree with what the store says? One code per kind of disagreement; only looks,
 * repairs nothing. Something that could not be looked at is said, never passed over.
 *
 * In the store:       outside_duplicate port_duplicate address_mismatch volume_unknown
 * On a server:        domain_orphan domain_missing domain_duplicate qemu_orphan
 *                     tap_orphan tap_missing bridge_orphan chain_orphan chain_missing
 *                     disk_orphan disk_missing volume_orphan volume_missing volume_size volume_writers
 *                     spec_orphan spec_missing spec_stale cgroup_orphan
 */
#pragma once

#include "vdc/controller/controller.h"

/* Findings within the store, appended to @findings: {code, server, application, object, message, remedy}. */
void verify_store (Controller *controller, json_t *findings);
/* Findings on @server from its agent's inventory. Members in the middle of a change are not missed. */
void verify_server (Controller *controller, const Server *server, const json_t *inventory, json_t *findings);

/*
 * The whole: asks every agent, then calls @done once with {clean, complete, findings, could_not_look:
 * [{server, message}], checked: {servers, applications, instances, volumes}}, which @done takes.
 */
typedef void (*VerifyDone) (json_t *report, gpointer user_data);
void verify_start (Controller *controller, VerifyDone done, gpointer user_data);
