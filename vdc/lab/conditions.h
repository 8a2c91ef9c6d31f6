/*
 * Whether a lab can run on this machine: checked before anything is made, each lack with what to do about it.
 */
#pragma once

#include <glib.h>

/* Everything that is missing, one line each, in @error (VDC_ERROR_FAILED). */
gboolean conditions_check (GError **error);
