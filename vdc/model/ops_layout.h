/*
 * Positions on the canvas when instances move into an assembly and out of it. Inside vdc/model only.
 */
#pragma once

#include <jansson.h>

/*
 * Take the positions of @selected (an object by name) out of @body's layout; @name gets the corner of what
 * they covered. New object: their positions with that corner moved to LAYOUT_MARGIN. @body is private.
 */
#define LAYOUT_MARGIN 80
json_t *layout_take (json_t *body, const json_t *selected, const char *name);
/* The reverse: @inner's positions, names changed by @names (inner → outer), so that their corner is where
 * @name was, which goes. */
void layout_give (json_t *body, const json_t *inner, const json_t *names, const char *name);
