/*
 * The support bundle: what somebody far away needs to find out what is wrong, without a secret in it.
 *
 * Everything in it is put there by name (support_view.c): ids, states, numbers, codes, names of things. What
 * people or guests wrote is not: texts of errors about instances, values of string properties, descriptions,
 * event and audit parameters. Credentials, keys and password hashes have no way in: nothing reads them here.
 *
 *     vdc-support/README.txt            what is in it
 *     vdc-support/about.json            versions, identity, configuration, figures of the store
 *     vdc-support/{applications,volumes,trash,jobs,servers,networks,events,audit}.json
 *     vdc-support/verify.json           what verify found
 *     vdc-support/metrics.txt           what is measured now
 *     vdc-support/log.txt               newest lines of vdcd's log (vdc_log_tail)
 *     vdc-support/servers/NAME/{inventory.json,log.txt}   of its agent; problem.txt when it could not be
 * asked
 */
#pragma once

#include "vdc/controller/controller.h"

/* Newest of each. */
#define SUPPORT_EVENTS 1000
#define SUPPORT_AUDIT 1000
#define SUPPORT_JOBS 200
/* Of a server's log; more is cut off at the front. */
#define SUPPORT_LOG_BYTES (256 * 1024)

/* Calls @done once with the bundle as tar.gz (borrowed), or NULL and @error. */
typedef void (*SupportDone) (GBytes *bundle, const GError *error, gpointer user_data);
void support_bundle (Controller *controller, SupportDone done, gpointer user_data);

/* --- support_view.c: what goes in; new references ------------------------------------------------------------- */

/*
 * A copy of the named values of @object and nothing else: "name state error.code" takes numbers, booleans and
 * strings, "list[]" the same of an array. What is named and is an object or holds one is left out.
 */
json_t *support_pick (const json_t *object, const char *words);
/* The same of each in an array. */
json_t *support_pick_all (const json_t *list, const char *words);

json_t *support_about (Controller *controller);
json_t *support_applications (Controller *controller);
json_t *support_volumes (Controller *controller);
json_t *support_trash (Controller *controller);
json_t *support_jobs (Controller *controller);
json_t *support_servers (Controller *controller);
json_t *support_networks (Controller *controller);
json_t *support_events (Controller *controller);
json_t *support_audit (Controller *controller);
json_t *support_verify (const json_t *report);
json_t *support_inventory (const json_t *inventory);
/* What is measured now, as a Prometheus scrape. Caller frees. */
char *support_metrics (Controller *controller);
