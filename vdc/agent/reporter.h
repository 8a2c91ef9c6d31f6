/*
 * Pushes what the agent sees to the controller: on every change (coalesced) and at least every
 * REPORT_BEAT_MS, one report at a time; what changed meanwhile goes with the next. A controller that is away
 * is tried at every beat. Main loop.
 */
#pragma once

#include "vdc/base/json.h"

#define REPORT_COALESCE_MS 50
#define REPORT_BEAT_MS 5000

typedef struct Reporter Reporter;

/* The report's body as it is now, without "seq"; caller owns. */
typedef json_t *(*ReporterBody) (gpointer user_data);

/* @controller "https://ADDR:PORT"; certificates in @pki_folder. */
Reporter *reporter_new (const char *controller, const char *pki_folder, ReporterBody body, gpointer user_data,
                        GError **error);
void reporter_free (Reporter *reporter);
/* The first report goes out now, the beat begins. */
void reporter_begin (Reporter *reporter);
/* Something changed: a report goes out soon. After reporter_begin. */
void reporter_poke (Reporter *reporter);
