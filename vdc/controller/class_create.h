/*
 * A class of an image that somebody brought: a job of its own (no application's), done by one worker, one at
 * a time. Its request is kept beside it in STORE_META ("class.JOB") until it has ended, so that a vdcd that
 * was killed goes on.
 */
#pragma once

#include "vdc/controller/operation.h"

/*
 * {catalog, upload: SHA256, format?: "raw"|"qcow2", description, description_format?}: the description of a
 * class with 'unmanaged: true'. {"job"}, or the entry when that version was published of the same file.
 */
json_t *operation_class_create (Controller *controller, Operation *operation, const json_t *request,
                                GError **error);
/* Once, when vdcd runs: go on with what was under way, then remove images that nothing uses. */
void class_create_resume (Controller *controller);
