/*
 * Keeps the relay's listeners equal to what vdcd says is published on the outside network.
 */
#pragma once

#include "vdc/base/json.h"
#include "vdc/lab/relay.h"
#include "vdc/lab/settings.h"

typedef struct Published Published;

/* Both are borrowed. Only ports of the settings' range are ever opened, whatever the answer says. */
Published *published_new (Relay *relay, const LabSettings *settings);
void published_free (Published *published);

/* @network: GET /api/v1/networks/outside. A port that another program uses is tried again at the next update.
 */
void published_update (Published *published, const json_t *network);
/* [{"application","member","address","port","local_port","error":null|"…"}…]; caller owns. NULL gives []. */
json_t *published_list (const Published *published);
