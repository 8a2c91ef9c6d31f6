/*
 * What a class or an assembly shows: terminals, properties, volume slots. An assembly can stand wherever a
 * class of the same boundary can.
 */
#pragma once

#include "vdc/model/document.h"
#include "vdc/model/property.h"
#include "vdc/model/protocol.h"

#include <glib.h>

typedef enum { SIDE_INPUT, SIDE_OUTPUT } TerminalSide;

typedef struct {
    char *name;
    TerminalSide side;
    const Protocol *protocol;
    gboolean required;
    gboolean gateway; /* outputs only: default route and DNS of the appliance */
    char *help;
    char *inside_instance, *inside_terminal; /* assemblies only, else NULL */
} Terminal;

typedef enum { SLOT_EXCLUSIVE, SLOT_PER_MEMBER, SLOT_READ_ONLY } SlotMode;

typedef struct {
    char *name;
    char *mount; /* classes only */
    SlotMode mode;
    gboolean optional;
    char *help;
    char *inside_instance, *inside_slot; /* assemblies only */
} VolumeSlot;

typedef struct {
    char *name;
    char *version;
    char *summary;
    char *help;            /* may be NULL */
    GPtrArray *terminals;  /* Terminal *, by name */
    GPtrArray *properties; /* Property *, as written */
    GPtrArray *volumes;    /* VolumeSlot *, by name */
} Boundary;

const char *terminal_side_name (TerminalSide side); /* "input", "output" */
const char *slot_mode_name (SlotMode mode);         /* "exclusive", "per_member", "read_only" */

/* NULL when there is none. Borrowed. */
const Terminal *boundary_terminal (const Boundary *boundary, const char *name);
const Property *boundary_property (const Boundary *boundary, const char *name);
const VolumeSlot *boundary_volume (const Boundary *boundary, const char *name);
/* Names for "did you mean". Free the array, not the strings. */
const char **boundary_terminal_names (const Boundary *boundary);
const char **boundary_property_names (const Boundary *boundary);
const char **boundary_volume_names (const Boundary *boundary);

/*
 * Fill @boundary from @root (@kind "class" or "assembly" is the key of the name). What is wrong goes to
 * @problems and is left out. @boundary must be zeroed; clear it with boundary_clear.
 */
void boundary_from_json (Boundary *boundary, const char *kind, json_t *root, Problems *problems);
void boundary_clear (Boundary *boundary);
/* {name, version, summary, help, terminals, properties, volumes} as in class_json. New reference. */
json_t *boundary_json (const Boundary *boundary);
