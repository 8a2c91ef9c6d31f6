/* Shared by create.c, change.c and adopt.c. */
#pragma once

#include "vdc/controller/description.h"
#include "vdc/controller/operation.h"
#include "vdc/model/topology_diff.h"

/* Take over @prepared: wholly, or on failure not at all. */
gboolean change_adopt (Controller *controller, ApplicationRecord *application, const Prepared *prepared,
                       GError **error);
/* Keep the text a person gave as the one of this revision; NULL: there is none. */
void change_set_text (Controller *controller, ApplicationRecord *application, const char *text,
                      const char *format);
/* The text of what was just taken over: @target is as ApplicationRecord.next, or of change_keep. */
void change_take_text (Controller *controller, ApplicationRecord *application, const json_t *target);
/* Who made what is to be applied, and by what. */
void change_set_author (ApplicationRecord *application, const Operation *operation, const char *cause);
/* Put each of @settings ({"property": value, "instance.property": value}) into @document. */
gboolean change_set_all (Controller *controller, json_t *document, const Topology *topology,
                         const json_t *settings, GError **error);
/* What is applied now, to go back to: {applied, used, images, text, format, behind}. New reference. */
json_t *change_keep (const ApplicationRecord *application);
/*
 * Wish for the description @undo (of change_keep) again while a change from it goes on. *@steps: the way
 * there, new array. FALSE: it cannot be, and why; the records may have been read anew.
 */
gboolean change_back (Controller *controller, Operation *operation, ApplicationRecord *application,
                      const json_t *undo, json_t **steps, GError **error);
/* @target is what runs already. */
gboolean change_is_applied (const ApplicationRecord *application, const json_t *target);
/* Apply @target once more, as a job of that kind. */
json_t *change_again (Controller *controller, Operation *operation, ApplicationRecord *application,
                      const char *kind, const json_t *target, GError **error);
/* Members that will need room: new ones, and restarted ones that may be larger now. Names, owned by the
 * array. */
GPtrArray *change_members_to_place (const ApplicationRecord *application, const Topology *after,
                                    const TopologyDiff *diff);
