#include "vdc/model/boundary.h"

#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/fields.h"

#include <string.h>

#define TERMINALS_MAX 14 /* each is a NIC on the machine's root bus, and there may be an outside one */
#define PROPERTIES_MAX 200
#define VOLUMES_MAX 8
#define MOUNT_MAX 200
#define SLOT_NAME_MAX 16 /* "vol-NAME" is the disk's serial number, of which virtio-blk keeps 20 bytes */

static const char *const side_names[] = {"input", "output", NULL};
static const char *const mode_names[] = {"exclusive", "per_member", "read_only", NULL};

const char *
terminal_side_name (TerminalSide side)
{
    return side_names[side];
}

const char *
slot_mode_name (SlotMode mode)
{
    return mode_names[mode];
}

static void
terminal_free (gpointer data)
{
    Terminal *terminal = data;

    g_free (terminal->name);
    g_free (terminal->help);
    g_free (terminal->inside_instance);
    g_free (terminal->inside_terminal);
    g_free (terminal);
}

static void
slot_free (gpointer data)
{
    VolumeSlot *slot = data;

    g_free (slot->name);
    g_free (slot->mount);
    g_free (slot->help);
    g_free (slot->inside_instance);
    g_free (slot->inside_slot);
    g_free (slot);
}

/* Terminal, Property and VolumeSlot all begin with their name. */
G_STATIC_ASSERT (G_STRUCT_OFFSET (Terminal, name) == 0 && G_STRUCT_OFFSET (Property, name) == 0 &&
                 G_STRUCT_OFFSET (VolumeSlot, name) == 0);

static gpointer
find (GPtrArray *list, const char *name)
{
    for (guint i = 0; i < list->len; i++) {
        char **item = g_ptr_array_index (list, i);
        if (strcmp (*item, name) == 0)
            return item;
    }
    return NULL;
}

static const char **
names_of (GPtrArray *list)
{
    const char **names = g_new0 (const char *, list->len + 1);

    for (guint i = 0; i < list->len; i++)
        names[i] = *(char **)g_ptr_array_index (list, i);
    return names;
}

const Terminal *
boundary_terminal (const Boundary *boundary, const char *name)
{
    return find (boundary->terminals, name);
}

const Property *
boundary_property (const Boundary *boundary, const char *name)
{
    return find (boundary->properties, name);
}

const VolumeSlot *
boundary_volume (const Boundary *boundary, const char *name)
{
    return find (boundary->volumes, name);
}

const char **
boundary_terminal_names (const Boundary *boundary)
{
    return names_of (boundary->terminals);
}

const char **
boundary_property_names (const Boundary *boundary)
{
    return names_of (boundary->properties);
}

const char **
boundary_volume_names (const Boundary *boundary)
{
    return names_of (boundary->volumes);
}

/* -- reading -- */

/* `inside: lb.in`. FALSE with a problem when missing or malformed. */
static gboolean
read_inside (json_t *object, const char *path, char **instance, char **name, Problems *problems)
{
    json_t *value = json_object_get (object, "inside");
    g_autofree char *place = path_key (path, "inside");

    if (!field_require (object, path, "inside", problems))
        return FALSE;
    if (!json_is_string (value))
        return field_wrong_type (value, "a place such as lb.in", place, problems);
    if (split_terminal (json_string_value (value), instance, name))
        return TRUE;
    g_autofree char *quoted = problem_quote (json_string_value (value));
    problems_add (problems, "bad_inside", place, NULL, "%s is no place such as lb.in", quoted);
    return FALSE;
}

static const Protocol *
read_protocol (json_t *object, const char *path, Problems *problems)
{
    json_t *value = json_object_get (object, "protocol");
    g_autofree char *place = path_key (path, "protocol");

    if (!field_require (object, path, "protocol", problems))
        return NULL;
    if (!json_is_string (value)) {
        field_wrong_type (value, "the name of a protocol", place, problems);
        return NULL;
    }
    const char *name = json_string_value (value);
    const Protocol *protocol = protocol_get (name);
    if (protocol == NULL) {
        g_autofree char *quoted = problem_quote (name);
        problems_add (problems, "unknown_protocol", place, nearest_word (name, protocol_names ()),
                      "there is no protocol %s", quoted);
    }
    return protocol;
}

static void
check_gateway (const Terminal *terminal, const char *path, Problems *problems)
{
    g_autofree char *place = path_key (path, "gateway");

    if (terminal->gateway && terminal->side == SIDE_INPUT)
        problems_add (problems, "gateway_input", place, NULL, "only an output can be a gateway");
}

static void
read_terminal (Boundary *boundary, gboolean is_class, const char *name, json_t *value, const char *path,
               Problems *problems)
{
    if (!field_check_name (name, id_is_terminal, id_terminal_rule (), "a terminal", path, problems))
        return;
    if (strcmp (name, "localhost") == 0) {
        problems_add (problems, "bad_name", path, NULL,
                      "\"localhost\" is every appliance's own name for itself");
        return;
    }
    if (!json_is_object (value)) {
        field_wrong_type (value, "a mapping such as {side: input, protocol: http}", path, problems);
        return;
    }
    field_check_keys (value, path, problems, "side", "protocol", "required", "gateway", "help",
                      is_class ? NULL : "inside", NULL);
    gint side = -1;
    if (field_require (value, path, "side", problems))
        side = field_word (value, path, "side", side_names, -1, problems);
    const Protocol *protocol = read_protocol (value, path, problems);

    Terminal *terminal = g_new0 (Terminal, 1);
    terminal->name = g_strdup (name);
    terminal->side = side == SIDE_OUTPUT ? SIDE_OUTPUT : SIDE_INPUT;
    terminal->protocol = protocol;
    terminal->required = field_bool (value, path, "required", FALSE, problems);
    terminal->gateway = field_bool (value, path, "gateway", FALSE, problems);
    terminal->help = field_text (value, path, "help", TEXT_LINES, TEXT_HELP_MAX, problems);
    gboolean placed = is_class || read_inside (value, path, &terminal->inside_instance,
                                               &terminal->inside_terminal, problems);
    check_gateway (terminal, path, problems);
    if (side >= 0 && protocol != NULL && placed)
        g_ptr_array_add (boundary->terminals, terminal);
    else
        terminal_free (terminal);
}

static gboolean
mount_is_valid (const char *text)
{
    static const char *const taken[] = {"/proc", "/sys", "/dev",  "/run", "/etc",
                                        "/usr",  "/bin", "/sbin", "/lib"};
    gsize length = strnlen (text, MOUNT_MAX + 1);

    if (text[0] != '/' || length < 2 || length > MOUNT_MAX || text[length - 1] == '/')
        return FALSE;
    for (const char *at = text; *at != '\0'; at++)
        if (!g_ascii_isalnum (*at) && strchr ("/_.-", *at) == NULL)
            return FALSE;
    if (strstr (text, "//") != NULL || strstr (text, "/.") != NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS (taken); i++)
        if (g_str_has_prefix (text, taken[i]) && strchr ("/", text[strlen (taken[i])]) != NULL)
            return FALSE;
    return TRUE;
}

static void
read_mount (Boundary *boundary, VolumeSlot *slot, json_t *value, const char *path, Problems *problems)
{
    g_autofree char *place = path_key (path, "mount");

    if (!field_require (value, path, "mount", problems))
        return;
    slot->mount = field_text (value, path, "mount", TEXT_LINE, MOUNT_MAX, problems);
    if (slot->mount == NULL)
        return;
    if (!mount_is_valid (slot->mount)) {
        g_autofree char *quoted = problem_quote (slot->mount);
        problems_add (problems, "bad_mount", place, NULL,
                      "%s is no folder a volume can be mounted on: it must be a plain path such as /mnt/data",
                      quoted);
    }
    for (guint i = 0; i < boundary->volumes->len; i++) {
        const VolumeSlot *other = g_ptr_array_index (boundary->volumes, i);
        if (g_strcmp0 (other->mount, slot->mount) == 0)
            problems_add (problems, "duplicate_mount", place, NULL, "'%s' is mounted there already",
                          other->name);
    }
}

static void
read_slot (Boundary *boundary, gboolean is_class, const char *name, json_t *value, const char *path,
           Problems *problems)
{
    gboolean placed = TRUE;

    if (!field_check_name (name, id_is_terminal, id_terminal_rule (), "a volume slot", path, problems))
        return;
    if (strlen (name) > SLOT_NAME_MAX) {
        problems_add (problems, "too_long", path, NULL, "a volume slot's name has at most %d characters",
                      SLOT_NAME_MAX);
        return;
    }
    if (!json_is_object (value)) {
        field_wrong_type (
            value, is_class ? "a mapping such as {mount: /mnt/data}" : "a mapping such as {inside: web.data}",
            path, problems);
        return;
    }
    VolumeSlot *slot = g_new0 (VolumeSlot, 1);
    slot->name = g_strdup (name);
    slot->help = field_text (value, path, "help", TEXT_LINES, TEXT_HELP_MAX, problems);
    if (is_class) {
        field_check_keys (value, path, problems, "mount", "mode", "optional", "help", NULL);
        slot->mode = field_word (value, path, "mode", mode_names, SLOT_EXCLUSIVE, problems);
        slot->optional = field_bool (value, path, "optional", FALSE, problems);
        read_mount (boundary, slot, value, path, problems);
    } else {
        field_check_keys (value, path, problems, "inside", "help", NULL);
        placed = read_inside (value, path, &slot->inside_instance, &slot->inside_slot, problems);
    }
    if (placed)
        g_ptr_array_add (boundary->volumes, slot);
    else
        slot_free (slot);
}

static void
read_property (Boundary *boundary, gboolean is_class, const char *name, json_t *value, const char *path,
               Problems *problems)
{
    if (!field_check_name (name, id_is_terminal, id_terminal_rule (), "a property", path, problems))
        return;
    Property *property = property_from_json (name, value, path, problems);
    if (property != NULL)
        g_ptr_array_add (boundary->properties, property);
}

typedef void (*ReadMember) (Boundary *boundary, gboolean is_class, const char *name, json_t *value,
                            const char *path, Problems *problems);

static void
read_members (Boundary *boundary, gboolean is_class, json_t *root, const char *key, guint max,
              ReadMember read, Problems *problems)
{
    json_t *object = field_object (root, "", key, problems), *value;
    const char *name;

    if (json_object_size (object) > max) {
        problems_add (problems, "too_many", key, NULL, "has %zu entries; at most %u are allowed",
                      json_object_size (object), max);
        return;
    }
    json_object_foreach (object, name, value) {
        g_autofree char *path = path_key (key, name);
        read (boundary, is_class, name, value, path, problems);
    }
}

static void
read_head (Boundary *boundary, const char *kind, json_t *root, Problems *problems)
{
    if (field_require (root, "", kind, problems)) {
        boundary->name = field_text (root, "", kind, TEXT_LINE, TEXT_SUMMARY_MAX, problems);
        if (boundary->name != NULL)
            field_check_name (boundary->name, id_is_class, id_class_rule (), "a class", kind, problems);
    }
    if (field_require (root, "", "version", problems)) {
        boundary->version = field_text (root, "", "version", TEXT_LINE, TEXT_SUMMARY_MAX, problems);
        if (boundary->version != NULL && !version_is_valid (boundary->version)) {
            g_autofree char *quoted = problem_quote (boundary->version);
            problems_add (problems, "bad_version", "version", NULL, "%s is no version such as 1.0.0", quoted);
        }
    }
    boundary->summary = field_text (root, "", "summary", TEXT_LINE, TEXT_SUMMARY_MAX, problems);
    boundary->help = field_text (root, "", "help", TEXT_LINES, TEXT_HELP_MAX, problems);
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
    return strcmp (**(char **const *)a, **(char **const *)b);
}

void
boundary_from_json (Boundary *boundary, const char *kind, json_t *root, Problems *problems)
{
    gboolean is_class = strcmp (kind, "class") == 0;

    boundary->terminals = g_ptr_array_new_with_free_func (terminal_free);
    boundary->properties = g_ptr_array_new_with_free_func ((GDestroyNotify)property_free);
    boundary->volumes = g_ptr_array_new_with_free_func (slot_free);
    read_head (boundary, kind, root, problems);
    read_members (boundary, is_class, root, "terminals", TERMINALS_MAX, read_terminal, problems);
    read_members (boundary, is_class, root, "properties", PROPERTIES_MAX, read_property, problems);
    read_members (boundary, is_class, root, "volumes", VOLUMES_MAX, read_slot, problems);
    /* JSON objects have no order: a class that went through the store must give the same NICs and addresses.
     */
    g_ptr_array_sort (boundary->terminals, by_name);
    g_ptr_array_sort (boundary->volumes, by_name);
}

void
boundary_clear (Boundary *boundary)
{
    g_clear_pointer (&boundary->name, g_free);
    g_clear_pointer (&boundary->version, g_free);
    g_clear_pointer (&boundary->summary, g_free);
    g_clear_pointer (&boundary->help, g_free);
    g_clear_pointer (&boundary->terminals, g_ptr_array_unref);
    g_clear_pointer (&boundary->properties, g_ptr_array_unref);
    g_clear_pointer (&boundary->volumes, g_ptr_array_unref);
}

/* -- for the API -- */

static json_t *
terminal_json (const Terminal *terminal)
{
    json_t *object = json_object ();

    json_put (object, "name", json_string (terminal->name));
    json_put (object, "side", json_string (terminal_side_name (terminal->side)));
    json_put (object, "protocol", json_string (terminal->protocol->name));
    json_put (object, "required", json_boolean (terminal->required));
    json_put (object, "gateway", json_boolean (terminal->gateway));
    json_put (object, "help", json_str_new (terminal->help));
    return object;
}

static json_t *
limit_json (const Property *property, double limit)
{
    return property->type == PROPERTY_INTEGER ? json_integer ((json_int_t)limit) : json_real (limit);
}

static json_t *
property_json (const Property *property)
{
    json_t *object = json_object ();

    json_put (object, "name", json_string (property->name));
    json_put (object, "type", json_string (property_type_name (property->type)));
    json_put (object, "required", json_boolean (property->required));
    json_put (object, "help", json_str_new (property->help));
    json_put (object, "default", json_incref (property->initial));
    if (property->has_min)
        json_put (object, "min", limit_json (property, property->min));
    if (property->has_max)
        json_put (object, "max", limit_json (property, property->max));
    if (property->values != NULL) {
        json_t *values = json_array ();
        for (char **value = property->values; *value != NULL; value++)
            json_array_append_new (values, json_string (*value));
        json_put (object, "values", values);
    }
    return object;
}

static json_t *
slot_json (const VolumeSlot *slot)
{
    json_t *object = json_object ();

    json_put (object, "name", json_string (slot->name));
    if (slot->mount != NULL) {
        json_put (object, "mount", json_string (slot->mount));
        json_put (object, "mode", json_string (slot_mode_name (slot->mode)));
        json_put (object, "optional", json_boolean (slot->optional));
    }
    json_put (object, "help", json_str_new (slot->help));
    return object;
}

json_t *
boundary_json (const Boundary *boundary)
{
    json_t *object = json_object (), *terminals = json_array (), *properties = json_array (),
           *volumes = json_array ();

    for (guint i = 0; i < boundary->terminals->len; i++)
        json_array_append_new (terminals, terminal_json (g_ptr_array_index (boundary->terminals, i)));
    for (guint i = 0; i < boundary->properties->len; i++)
        json_array_append_new (properties, property_json (g_ptr_array_index (boundary->properties, i)));
    for (guint i = 0; i < boundary->volumes->len; i++)
        json_array_append_new (volumes, slot_json (g_ptr_array_index (boundary->volumes, i)));
    json_put (object, "name", json_string (boundary->name));
    json_put (object, "version", json_string (boundary->version));
    json_put (object, "summary", json_str_new (boundary->summary));
    json_put (object, "help", json_str_new (boundary->help));
    json_put (object, "terminals", terminals);
    json_put (object, "properties", properties);
    json_put (object, "volumes", volumes);
    return object;
}
