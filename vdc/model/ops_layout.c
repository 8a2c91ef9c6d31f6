#include "vdc/model/ops_layout.h"

#include "vdc/base/json.h"
#include "vdc/model/ops_internal.h"

typedef struct {
    double x, y;
    gboolean known;
} Corner;

static gboolean
has_place (const json_t *item)
{
    return json_is_number (json_object_get (item, "x")) && json_is_number (json_object_get (item, "y"));
}

static void
widen (Corner *corner, const json_t *item)
{
    double x = json_num (item, "x", 0), y = json_num (item, "y", 0);

    if (!has_place (item))
        return;
    corner->x = corner->known ? MIN (corner->x, x) : x;
    corner->y = corner->known ? MIN (corner->y, y) : y;
    corner->known = TRUE;
}

/* Whole numbers stay whole. */
static json_t *
number (double value)
{
    return value == (double)(json_int_t)value ? json_integer ((json_int_t)value) : json_real (value);
}

/* A copy of @item moved. */
static json_t *
moved (const json_t *item, double x, double y)
{
    json_t *copy = json_deep_copy (item);

    if (has_place (item)) {
        json_object_set_new (copy, "x", number (json_num (item, "x", 0) + x));
        json_object_set_new (copy, "y", number (json_num (item, "y", 0) + y));
    }
    return copy;
}

json_t *
layout_take (json_t *body, const json_t *selected, const char *name)
{
    const json_t *layout = json_object_get (body, "layout");
    json_t *taken = json_object (), *value;
    const char *key;
    Corner corner = {0};

    json_object_foreach ((json_t *)selected, key, value)
        widen (&corner, json_object_get (layout, key));
    json_object_foreach ((json_t *)selected, key, value) {
        const json_t *item = json_object_get (json_object_get (body, "layout"), key);
        if (item == NULL)
            continue;
        json_object_set_new (taken, key, moved (item, LAYOUT_MARGIN - corner.x, LAYOUT_MARGIN - corner.y));
        section_remove (body, "layout", key);
    }
    if (corner.known)
        json_object_set_new (own_section (body, "layout"), name,
                             json_pack ("{s:o, s:o}", "x", number (corner.x), "y", number (corner.y)));
    return taken;
}

void
layout_give (json_t *body, const json_t *inner, const json_t *names, const char *name)
{
    const json_t *outer = json_object_get (json_object_get (body, "layout"), name);
    double x = json_num (outer, "x", 0), y = json_num (outer, "y", 0);
    Corner corner = {0};
    const char *key;
    json_t *value;

    section_remove (body, "layout", name);
    json_object_foreach ((json_t *)names, key, value)
        widen (&corner, json_object_get (inner, key));
    json_object_foreach ((json_t *)names, key, value) {
        const json_t *item = json_object_get (inner, key);
        if (item != NULL)
            json_object_set_new (own_section (body, "layout"), json_string_value (value),
                                 moved (item, x - corner.x, y - corner.y));
    }
}
