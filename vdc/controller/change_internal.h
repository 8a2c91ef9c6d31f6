/* Shared by create.c, change.c and adopt.c. */
#pragma once

#include "vdc/controller/description.h"
#include "vdc/controller/operation.h"
#include "vdc/model/topology_diff.h"

/* Take over @prepared: wholly, or on failure not at all. */
gboolean change_adopt (Controller *controller, ApplicationRecord *application, const Prepared *prepared,
                       GError **error);
/* Keep the text a person gave as the one of this revision; NULL: there is none. */
void change_set_text (ApplicationRecord *application, const char *text, const char *format);
/* Put each of @settings ({"property": value, "instance.property": value}) into @document. */
gboolean change_set_all (Controller *controller, json_t *document, const Topology *topology,
                         const json_t *settings, GError **error);
/* Members that will need room: new ones, and restarted ones that may be larger now. Names, owned by the
 * array. */
GPtrArray *change_members_to_place (const ApplicationRecord *application, const Topology *after,
                                    const TopologyDiff *diff);
