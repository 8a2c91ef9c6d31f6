/*
 * Applications and instances as the API shows them. Pure reads of the records; all results are new
 * references.
 */
#pragma once

#include "vdc/controller/controller.h"

/*
 * {name, id, state, text, desired, revision, pending, template, created, instances, ready, urls, error, job,
 * debug, summary}
 */
json_t *view_application (Controller *controller, const ApplicationRecord *application);
/*
 * {application, name, instance, class, state, text, server, since, restarts, resources, nics, volumes, peers,
 * error, counters, vm, guest, generation}
 */
json_t *view_instance (Controller *controller, const ApplicationRecord *application,
                       const MemberRecord *member);
/* Members meant by a member's or a group's name: MemberRecord *. NULL: VDC_ERROR_NOT_FOUND. Free the array.
 */
GPtrArray *view_select (const ApplicationRecord *application, const char *name, GError **error);
/* The one member: exact, or the only one of its tier. NULL: NOT_FOUND, or USAGE where there are several. */
MemberRecord *view_select_one (const ApplicationRecord *application, const char *name, GError **error);
/* The description as text; what operations changed since is in it. Caller frees. */
char *view_description (const ApplicationRecord *application, DocumentFormat format);
