/*
 * An appliance class: its boundary, what it needs, how its image is named. Immutable, reference counted.
 */
#pragma once

#include "vdc/model/boundary.h"
#include "vdc/model/resources.h"

typedef struct {
    Boundary boundary;
    ResourceRanges resources;
    gboolean screen;    /* the VM has a display; always so when unmanaged */
    gboolean outside;   /* a gateway with one external NIC, terminal name "outside" */
    gboolean unmanaged; /* an image without vdc-guest: boots by itself, told by a NoCloud seed, ready when its
                           inputs answer */
    char **publish;     /* properties (integer) that hold ports of the outside address meant for users; may be
                           empty */
    json_t *document;   /* what it was read from */
} Class;

/* NULL with at least one more problem when it breaks a rule. Problems have lines. */
Class *class_parse (const char *text, gsize length, DocumentFormat format, Problems *problems);
Class *class_from_document (const Document *document, Problems *problems);
Class *class_ref (Class *class);
void class_unref (Class *class);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Class, class_unref)

/*
 * The class for the API: {kind: "class", name, version, summary, help, outside, unmanaged, screen, publish,
 * terminals:[{name, side, protocol, required, gateway, help}], properties:[{name, type, default, min, max,
 * values, required, help}], volumes:[{name, mount, mode, optional, help}],
 * resources:{cpu:{min,max,default},…} in cores, bytes, bit/s}. New reference.
 */
json_t *class_json (const Class *class);
